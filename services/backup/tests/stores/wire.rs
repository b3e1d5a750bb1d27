//! A server of a few lines that answers with the bytes it is told to, so that answers can be wrong in every way; and the
//! program, run as its Job runs it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

/// A request that came.
#[derive(Debug)]
pub struct Request {
    /// The method and the path with what is behind it.
    pub line: String,
    /// Headers, by their name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Serves until the test ends; gives the address. What `answer` gives goes out as it is, and the connection is closed.
pub fn serve(answer: impl Fn(Request) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                if let Some(request) = read(&stream) {
                    let mut stream = &stream;
                    // Whoever does not wait for the answer has ended, and the test sees that elsewhere.
                    let _ = stream.write_all(&answer(request));
                }
            });
        }
    });
    address
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    } else if headers.contains_key("transfer-encoding") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    Some(Request {
        line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
        headers,
        body,
    })
}

/// A whole answer.
pub fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    cut_off(status, body, 0)
}

/// An answer that ends this many bytes before the end it has announced.
pub fn cut_off(status: &str, body: &[u8], missing: usize) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len() + missing
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the program with these arguments and these variables, and backups in this folder.
pub fn run(store: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_phoenix-backup"))
        .args(arguments)
        .env_clear()
        .env("BACKUP_STORE", format!("file://{}", store.display()))
        .env("BACKUP_ATTEMPTS", "2")
        .envs(variables.iter().copied())
        .output()
        .expect("the program can be run");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("it prints text"),
        err: String::from_utf8(output.stderr).expect("it prints text"),
    }
}

impl Ended {
    /// It ended with this code and said this.
    #[track_caller]
    pub fn expect(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let all = format!("{}{}", self.out, self.err);
        assert!(all.contains(said), "{said:?} is not in {self:?}");
    }
}

/// The file of this name in the only folder of a store; `None` where it is not there.
pub fn file(store: &Path, of: &str, name: &str) -> Option<PathBuf> {
    let mut folders = store.join(of).read_dir().ok()?;
    let folder = folders.next()?.ok()?.path();
    assert!(folders.next().is_none(), "there is more than one backup");
    Some(folder.join(name)).filter(|path| path.exists())
}
