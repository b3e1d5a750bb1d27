//! A running host, small projects, and a cargo that records its calls.

use phoenix_testing::programs;
use pulumi_wire::fake::{FakeEngine, Script};
use pulumi_wire::proto::language_runtime_client::LanguageRuntimeClient;
use pulumi_wire::proto::{ProgramInfo, RunRequest, RunResponse};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// A client of the host, like the engine's.
pub type Client = LanguageRuntimeClient<Channel>;

/// A host in a separate process, killed when dropped.
pub struct Host {
    pub process: Child,
    pub client: Client,
    stdin: Option<ChildStdin>,
    stdout: Shared,
    stderr: Shared,
}

type Shared = Arc<Mutex<String>>;

impl Host {
    /// Starts a host with these variables and those that cargo requires.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pulumi-language-rust"));
        command
            .args(["--logtostderr", "-v=9", "127.0.0.1:1"])
            .env_clear()
            .envs(toolchain())
            .envs(variables.iter().copied());
        Self::start_command(command).await
    }

    /// Starts a host with this command.
    pub async fn start_command(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let stderr = gather(process.stderr.take().expect("stderr is a pipe"));
        let mut reader = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        let mut port = String::new();
        reader
            .read_line(&mut port)
            .expect("the host's stdout can be read");
        let port: u16 = port
            .trim_end()
            .parse()
            .unwrap_or_else(|_| panic!("not a port: {port:?}; {}", read(&stderr)));
        let client = Client::connect(format!("http://127.0.0.1:{port}"))
            .await
            .expect("the host listens");
        let stdin = process.stdin.take();
        Self {
            process,
            client,
            stdin,
            stdout: gather(reader),
            stderr,
        }
    }

    /// Runs the project's program in the fake engine.
    pub async fn run(&mut self, project: &Project) -> RunResponse {
        let engine = FakeEngine::preview().start().await;
        self.run_for(project, &engine).await
    }

    /// Runs the project's program with this engine as its monitor.
    pub async fn run_for(&mut self, project: &Project, engine: &FakeEngine) -> RunResponse {
        let request = project.request(&engine.address());
        self.client
            .run(request)
            .await
            .expect("Run is answered")
            .into_inner()
    }

    /// The stdout of the host and its program after the port.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// The stderr of the host and its program.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Closes the stdin of the host, as when the engine is killed.
    pub fn lose_engine(&mut self) {
        self.stdin = None;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An engine without `GetDeploymentInfo`.
pub fn old_engine() -> Script {
    FakeEngine::preview().without_deployment_info()
}

/// A folder with a program in it.
pub struct Project {
    pub folder: tempfile::TempDir,
    pub options: Vec<(String, prost_types::Value)>,
}

impl Project {
    /// A project with an executable shell script as a prebuilt program.
    pub fn script(script: &str) -> Self {
        let project = Self::empty();
        project.write_script("program.sh", script);
        project.option("binary", text("program.sh"))
    }

    /// A project with a package that prints a line.
    pub fn package() -> Self {
        let project = Self::empty();
        project.write(
            "Cargo.toml",
            "[package]\nname = \"tiny\"\nedition = \"2024\"\n\n[workspace]\n",
        );
        project.write(
            "src/main.rs",
            "fn main() {\n    println!(\"tiny says hello\");\n}\n",
        );
        project
    }

    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            options: Vec::new(),
        }
    }

    pub fn option(mut self, key: &str, value: prost_types::Value) -> Self {
        self.options.push((key.to_owned(), value));
        self
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the folder can be made");
        fs::write(path, content).expect("the file can be written");
    }

    pub fn write_script(&self, path: &str, script: &str) {
        programs::script(&self.at(path), &format!("#!/bin/sh\n{script}\n"));
    }

    /// The engine's description of the program.
    pub fn info(&self) -> ProgramInfo {
        let folder = self
            .folder
            .path()
            .to_str()
            .expect("temporary folders have plain names")
            .to_owned();
        ProgramInfo {
            root_directory: folder.clone(),
            program_directory: folder,
            entry_point: ".".to_owned(),
            options: Some(prost_types::Struct {
                fields: self.options.iter().cloned().collect(),
            }),
        }
    }

    pub fn request(&self, monitor: &str) -> RunRequest {
        RunRequest {
            project: "demo".to_owned(),
            stack: "dev".to_owned(),
            organization: "organization".to_owned(),
            pwd: self
                .folder
                .path()
                .to_str()
                .expect("temporary folders have plain names")
                .to_owned(),
            config: [("demo:key".to_owned(), "configured".to_owned())].into(),
            config_secret_keys: vec!["demo:key".to_owned()],
            dry_run: true,
            parallel: 3,
            monitor_address: monitor.to_owned(),
            info: Some(self.info()),
            ..RunRequest::default()
        }
    }
}

/// A `cargo` that records its arguments and runs the real one, in a folder to put first on PATH.
pub struct RecordingCargo {
    folder: tempfile::TempDir,
}

impl RecordingCargo {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = format!(
            "#!/bin/sh\necho \"$*\" >>'{}'\nexec '{}' \"$@\"\n",
            folder.path().join("log").display(),
            env!("CARGO")
        );
        programs::script(&folder.path().join("cargo"), &script);
        Self { folder }
    }

    /// A PATH on which it comes first.
    pub fn path(&self) -> String {
        format!("{}:{}", self.folder.path().display(), path())
    }

    /// The recorded calls.
    pub fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

/// The variables that cargo and rustc require.
pub fn toolchain() -> Vec<(OsString, OsString)> {
    let wanted = [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "CARGO_BUILD_JOBS",
        "CARGO_NET_OFFLINE",
    ];
    std::env::vars_os()
        .filter(|(name, _)| wanted.iter().any(|wanted| name == wanted))
        .collect()
}

pub fn path() -> String {
    std::env::var("PATH").expect("PATH is set")
}

/// A string as an option.
pub fn text(text: &str) -> prost_types::Value {
    prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
    }
}

/// A list of strings as an option.
pub fn list(words: &[&str]) -> prost_types::Value {
    let values = words.iter().map(|word| text(word)).collect();
    prost_types::Value {
        kind: Some(prost_types::value::Kind::ListValue(prost_types::ListValue {
            values,
        })),
    }
}

/// Waits until a condition holds. Panics with its description after 20 seconds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it did not happen: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for a file that contains a process id.
pub async fn process_id(path: &Path) -> u32 {
    let read = || {
        fs::read_to_string(path)
            .ok()
            .filter(|text| text.ends_with('\n'))?
            .trim()
            .parse()
            .ok()
    };
    eventually("the program has written its process id", || read().is_some()).await;
    read().expect("it existed a moment ago")
}

/// Whether a process is running. Zombies are not.
pub fn lives(process: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", &process.to_string()])
        .output()
        .expect("ps runs");
    let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

fn gather(mut pipe: impl Read + Send + 'static) -> Shared {
    let all = Shared::default();
    let shared = all.clone();
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut piece) {
            shared
                .lock()
                .expect("no thread panics while it holds the lock")
                .push_str(&String::from_utf8_lossy(&piece[..length]));
        }
    });
    all
}

fn read(shared: &Shared) -> String {
    shared
        .lock()
        .expect("no thread panics while it holds the lock")
        .clone()
}
