//! A service in this process that answers as the real one does, for tests: the two calls, their refusals, and whatever trouble a
//! test asks for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the service does instead of answering as it should.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Another answer: status, further headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// No answer at all, for as long as the client waits.
    Silence,
    /// The connection ends in the middle of the answer.
    Cut,
}

impl Trouble {
    /// An answer without further headers.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer(status, Vec::new(), body.into())
    }

    /// A refusal as the service words it.
    pub fn refusal(status: u16, message: &str) -> Self {
        Self::answer(status, json!({"code": status, "message": message}).to_string())
    }
}

/// One request, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The headers, by names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// What a [`FakeService`] will do.
#[derive(Debug, Default)]
pub struct Script {
    token: String,
    environment: String,
    properties: BTreeMap<String, Map<String, Value>>,
    /// For each request the trouble it meets, if any.
    troubles: VecDeque<Option<Trouble>>,
    warnings: Vec<Value>,
}

impl Script {
    /// A secret text in a map of the environment.
    #[must_use]
    pub fn secret(self, map: &str, name: &str, text: &str) -> Self {
        self.value(map, name, json!({"value": text, "secret": true}))
    }

    /// A value in a map of the environment, wrapped as the service wraps it.
    #[must_use]
    pub fn value(mut self, map: &str, name: &str, wrapped: Value) -> Self {
        self.properties
            .entry(map.to_owned())
            .or_default()
            .insert(name.to_owned(), wrapped);
        self
    }

    /// Takes a value out of a map of the environment again.
    #[must_use]
    pub fn without(mut self, map: &str, name: &str) -> Self {
        if let Some(fields) = self.properties.get_mut(map) {
            fields.remove(name);
        }
        self
    }

    /// The next request that has no trouble yet meets this one.
    #[must_use]
    pub fn trouble(mut self, trouble: Trouble) -> Self {
        self.troubles.push_back(Some(trouble));
        self
    }

    /// The next request that has no trouble yet meets none.
    #[must_use]
    pub fn well(mut self) -> Self {
        self.troubles.push_back(None);
        self
    }

    /// Opening warns of this.
    #[must_use]
    pub fn warning(mut self, summary: &str) -> Self {
        self.warnings
            .push(json!({"summary": summary, "severity": "warning"}));
        self
    }

    /// Starts the service on a free port of this machine.
    pub async fn start(self) -> FakeService {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Mutex::new(Shared {
            script: self,
            requests: Vec::new(),
        }));
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        FakeService {
            address: format!("http://{address}"),
            shared,
            task,
        }
    }
}

/// A service that answers as ESC does. It ends when dropped.
pub struct FakeService {
    address: String,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

impl FakeService {
    /// A service with one environment, such as `acme/shop/prod@3`, that this token opens.
    pub fn with(environment: &str, token: &str) -> Script {
        Script {
            environment: environment.to_owned(),
            token: token.to_owned(),
            ..Script::default()
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared).requests.clone()
    }
}

impl Drop for FakeService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    script: Script,
    requests: Vec<Request>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<Shared>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// Answers one request and closes. A client that goes away is no matter.
async fn serve(mut stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let trouble = {
        let mut shared = lock(&shared);
        shared.requests.push(request.clone());
        shared.script.troubles.pop_front().flatten()
    };
    match trouble {
        Some(Trouble::Silence) => std::future::pending().await,
        Some(Trouble::Cut) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"id\": ";
            let _ = stream.write_all(head.as_bytes()).await;
        }
        Some(Trouble::Answer(status, headers, body)) => write(&mut stream, status, &headers, &body).await,
        None => {
            let (status, body) = proper(&lock(&shared).script, &request);
            write(&mut stream, status, &[], &body.to_string()).await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    Some(Request {
        method: first.next()?.to_owned(),
        target: first.next()?.to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
    })
}

async fn write(stream: &mut TcpStream, status: u16, headers: &[(&'static str, String)], body: &str) {
    let mut head = format!(
        "HTTP/1.1 {status} \r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    }
    head.push_str("\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// What the service answers when nothing is wrong with it.
fn proper(script: &Script, request: &Request) -> (u16, Value) {
    let refused = |status: u16, message: &str| (status, json!({"code": status, "message": message}));
    let header = |name: &str| request.headers.get(name).map_or("", String::as_str);
    if header("authorization") != format!("token {}", script.token) {
        return refused(401, "Unauthorized: No credentials provided or are invalid.");
    }
    if header("accept") != "application/vnd.pulumi+8" {
        return refused(400, "unsupported API version");
    }
    let (name, version) = match script.environment.split_once('@') {
        Some((name, version)) => (name, format!("/versions/{version}")),
        None => (script.environment.as_str(), String::new()),
    };
    let below = format!("/api/esc/environments/{name}");
    let opening = format!("{below}{version}/open?duration=");
    let lifetime = request.target.strip_prefix(&opening);
    let has_lifetime = lifetime.is_some_and(|lifetime| lifetime.ends_with('s'));
    match request.method.as_str() {
        "POST" if has_lifetime => {
            let mut answer = json!({"id": "session-1"});
            if !script.warnings.is_empty() {
                answer["diagnostics"] = Value::from(script.warnings.clone());
            }
            (200, answer)
        }
        "GET" if request.target == format!("{below}/open/session-1") => {
            let trace = json!({"def": {"environment": name, "begin": {"line": 1, "column": 1, "byte": 0}}});
            let properties: Map<String, Value> = script
                .properties
                .iter()
                .map(|(map, fields)| (map.clone(), json!({"value": fields, "trace": trace})))
                .collect();
            (
                200,
                json!({"exprs": {}, "properties": properties, "schema": {"type": "object"}, "executionContext": {}}),
            )
        }
        _ => refused(404, "Not Found: Environment not found"),
    }
}
