//! Child processes: they never outlive the host, and they are terminated when it stops.
//!
//! Every child is the leader of a process group, so that its own children are terminated with it. When the host is
//! requested to stop, or the caller no longer waits for the child, the group receives SIGINT, then SIGKILL. When the host is
//! killed, the kernel kills the child (on Linux; see [`guarded`]).

use crate::environment::Environment;
use anyhow::{Context as _, Result};
use phoenix_terminal::user_error::user_error;
use pulumi_wire::serve::Stop;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The time that a child has to exit after SIGINT. The engine kills the host after five seconds, and the response must be
/// sent before that.
const GRACE: Duration = Duration::from_secs(4);

/// The time to wait for the end of a pipe after all its writers have exited.
const DRAIN: Duration = Duration::from_secs(1);

/// The argument with which the host replaces itself with a program: see [`guarded`].
pub const BECOME: &str = "--become";

/// A process to start.
#[derive(Debug)]
pub struct Job {
    /// The executable; a bare name is looked up on PATH.
    pub program: PathBuf,
    /// The arguments.
    pub arguments: Vec<OsString>,
    /// The complete environment.
    pub environment: Environment,
    /// The working directory.
    pub directory: PathBuf,
}

/// The destination of a child's output.
#[derive(Debug, Clone)]
pub enum Output {
    /// The host's own output.
    Inherit,
    /// A channel of chunks. If the receiver is dropped, the pipe is closed.
    Chunks(mpsc::Sender<Vec<u8>>),
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Ending {
    /// It exited with this code.
    Exited(i32),
    /// It was killed by this signal, which the host did not send.
    Killed(i32),
    /// The host terminated it, because it was requested to stop or the caller no longer waited.
    Stopped,
}

/// Starts children and counts those that are running.
#[derive(Debug, Clone)]
pub struct Supervisor {
    stop: Stop,
    running: watch::Sender<usize>,
}

impl Supervisor {
    /// Creates a supervisor that terminates its children when the stop is requested.
    pub fn new(stop: Stop) -> Self {
        Self {
            stop,
            running: watch::Sender::new(0),
        }
    }

    /// Starts a child and waits for its end. The child is also terminated when `abandoned` is ready.
    pub async fn run(
        &self,
        job: Job,
        stdout: Output,
        stderr: Output,
        abandoned: impl Future<Output = ()>,
    ) -> Result<Ending> {
        if self.stop.is_requested() {
            return Ok(Ending::Stopped);
        }
        let name = job.program.display().to_string();
        check_folder(&job.directory)?;
        let mut child = command(job, &stdout, &stderr)
            .spawn()
            .map_err(|error| explain(error.kind(), &name).unwrap_or_else(|| error.into()))
            .with_context(|| format!("starting {name}"))?;
        let group = Group::of(child.id(), self.running.clone());
        // Held open while the child runs. A child that reads its stdin detects the end of the host in this way.
        let _stdin = child.stdin.take();
        let readers = [
            forward(child.stdout.take(), stdout),
            forward(child.stderr.take(), stderr),
        ];
        let ended = tokio::select! {
            ended = child.wait() => Some(ended),
            () = self.stop.clone().requested() => None,
            () = abandoned => None,
        };
        let ending = if let Some(ended) = ended {
            Ending::from(ended.with_context(|| format!("waiting for {name}"))?)
        } else {
            group.signal(Signal::INT);
            // The rest of the group is killed below.
            let _ = tokio::time::timeout(GRACE, child.wait()).await;
            Ending::Stopped
        };
        // Kills the remaining processes of the group, which would keep the pipes open.
        drop(group);
        for reader in readers.into_iter().flatten() {
            let _ = tokio::time::timeout(DRAIN, reader).await;
        }
        Ok(ending)
    }

    /// Whether the host is requested to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_requested()
    }

    /// Waits until no child is running.
    pub async fn idle(&self) {
        // Cannot fail: `self` keeps the sender alive.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) => Self::Killed(signal),
            (None, None) => unreachable!("a finished process has neither exited nor been killed"),
        }
    }
}

/// Replaces the process with the program in `arguments`: the second part of [`guarded`]. Returns only on failure.
#[cfg(target_os = "linux")]
pub fn become_program(mut arguments: impl Iterator<Item = OsString>) -> String {
    use std::os::unix::process::CommandExt as _;
    let (Some(parent), Some(program)) = (arguments.next(), arguments.next()) else {
        return format!("{BECOME} requires the parent's process id and a program; it is for internal use");
    };
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!("setting the parent-death signal: {error}");
    }
    // The host may have been killed before the line above.
    let parent_now = rustix::process::getppid().map(|parent| parent.as_raw_pid().to_string());
    if parent_now.map(OsString::from) != Some(parent) {
        return "the language host has exited".to_owned();
    }
    let error = std::process::Command::new(&program).args(arguments).exec();
    format!("starting {}: {error}", program.display())
}

/// Other systems have no parent-death signal.
#[cfg(not(target_os = "linux"))]
pub fn become_program(_: impl Iterator<Item = OsString>) -> String {
    format!("{BECOME} exists on Linux only")
}

/// A command whose process the kernel kills when the host exits (on Linux).
///
/// The process itself must request that after the fork and before the exec. Running code there requires `unsafe`, so the
/// host starts itself with [`BECOME`], requests the signal, and replaces itself with the program, which takes about a
/// millisecond. On other systems the program is started directly, and survives only a SIGKILL of the host.
fn guarded(program: &Path) -> std::process::Command {
    // Not the path of the executable, which may have been replaced by a newer build.
    let own = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && own.exists() {
        let mut command = std::process::Command::new(own);
        command
            .arg(BECOME)
            .arg(std::process::id().to_string())
            .arg(program);
        return command;
    }
    std::process::Command::new(program)
}

fn command(job: Job, stdout: &Output, stderr: &Output) -> Command {
    let mut command = Command::from(guarded(&job.program));
    command
        .args(job.arguments)
        .env_clear()
        .envs(job.environment)
        .current_dir(job.directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr))
        .process_group(0)
        .kill_on_drop(true);
    command
}

impl From<&Output> for Stdio {
    fn from(output: &Output) -> Self {
        match output {
            Output::Inherit => Self::inherit(),
            Output::Chunks(_) => Self::piped(),
        }
    }
}

fn check_folder(directory: &Path) -> Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    Err(user_error(
        format!("the working directory {} does not exist", directory.display()),
        "create it, or correct `main` in Pulumi.yaml",
    ))
}

fn explain(kind: std::io::ErrorKind, name: &str) -> Option<anyhow::Error> {
    match kind {
        std::io::ErrorKind::ArgumentListTooLong => Some(user_error(
            format!("the configuration of the stack is too large to pass to {name} in its environment"),
            "upgrade the Pulumi CLI: since 3.231, programs read their configuration from the engine",
        )),
        _ => None,
    }
}

/// Forwards the output of a pipe to its destination.
fn forward<R: AsyncRead + Unpin + Send + 'static>(pipe: Option<R>, output: Output) -> Option<JoinHandle<()>> {
    let (Some(mut pipe), Output::Chunks(chunks)) = (pipe, output) else {
        return None;
    };
    Some(tokio::spawn(async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
            if chunks.send(buffer[..length].to_vec()).await.is_err() {
                return;
            }
        }
    }))
}

/// The process group of a running child. It is killed when dropped.
struct Group {
    leader: Option<Pid>,
    running: watch::Sender<usize>,
}

impl Group {
    fn of(child: Option<u32>, running: watch::Sender<usize>) -> Self {
        running.send_modify(|running| *running += 1);
        let leader = child
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Self { leader, running }
    }

    /// Sends a signal to the group. Errors are ignored, because the group may have exited.
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.running.send_modify(|running| *running -= 1);
    }
}
