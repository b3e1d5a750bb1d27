//! The processes we start: none outlives us, and each ends in its time when we are asked to stop.
//!
//! Every child leads a process group of its own, so that what it starts can be ended with it. When the host is asked to
//! stop, or nobody waits for the child any more, its group gets SIGINT, then SIGKILL. When the host itself is killed,
//! the kernel ends the child (on Linux; see [`guarded`]). This module knows neither cargo nor Pulumi.

use crate::environment::Environment;
use crate::mistake::mistake;
use anyhow::{Context as _, Result};
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

/// How long a child may take to end after SIGINT. The engine gives us five seconds; the answer must get out in them.
const GRACE: Duration = Duration::from_secs(4);

/// How long a closed pipe may take to be noticed once nobody is left who could write to it.
const DRAIN: Duration = Duration::from_secs(1);

/// The argument under which the host becomes the program it was asked to start: see [`guarded`].
pub const BECOME: &str = "--become";

/// What to start.
#[derive(Debug)]
pub struct Job {
    /// The executable; a bare name is looked up on PATH.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The whole of its environment.
    pub environment: Environment,
    /// The folder it runs in.
    pub directory: PathBuf,
}

/// Where a child's output goes.
#[derive(Debug, Clone)]
pub enum Output {
    /// Where ours goes.
    Inherit,
    /// To whoever holds the other end, in pieces as they come. If that is nobody, the pipe closes.
    Pieces(mpsc::Sender<Vec<u8>>),
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not ours.
    Killed(i32),
    /// Because we were asked to stop, or nobody waited any more.
    Stopped,
}

/// Starts children, and knows how many still live.
#[derive(Debug, Clone)]
pub struct Supervisor {
    stop: Stop,
    living: watch::Sender<usize>,
}

impl Supervisor {
    /// Ends its children when this is requested.
    pub fn new(stop: Stop) -> Self {
        Self {
            stop,
            living: watch::Sender::new(0),
        }
    }

    /// Starts a child and waits for its end. It is also ended when `abandoned` is ready.
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
        let group = Group::of(child.id(), self.living.clone());
        // Held open while the child lives: a child that watches its stdin learns in this way that we are gone.
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
            // Late or not, whatever is left of the group is killed below.
            let _ = tokio::time::timeout(GRACE, child.wait()).await;
            Ending::Stopped
        };
        // What the child has started does not outlive it, and would hold the pipes open.
        drop(group);
        for reader in readers.into_iter().flatten() {
            let _ = tokio::time::timeout(DRAIN, reader).await;
        }
        Ok(ending)
    }

    /// Whether the host was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_requested()
    }

    /// Waits until no child lives.
    pub async fn idle(&self) {
        // Cannot fail: `self` keeps the sender alive.
        let _ = self.living.subscribe().wait_for(|living| *living == 0).await;
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) => Self::Killed(signal),
            (None, None) => unreachable!("a process that was waited for has neither exited nor been killed"),
        }
    }
}

/// Becomes the program in `arguments`: the other half of [`guarded`]. Comes back only when that fails.
#[cfg(target_os = "linux")]
pub fn become_program(mut arguments: impl Iterator<Item = OsString>) -> String {
    use std::os::unix::process::CommandExt as _;
    let (Some(parent), Some(program)) = (arguments.next(), arguments.next()) else {
        return format!("{BECOME} needs the parent's process id and a program; it is not meant to be typed");
    };
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!("tying the program's life to ours: {error}");
    }
    // The host may have been killed before the line above.
    let living = rustix::process::getppid().map(|parent| parent.as_raw_pid().to_string());
    if living.map(OsString::from) != Some(parent) {
        return "the language host is gone".to_owned();
    }
    let error = std::process::Command::new(&program).args(arguments).exec();
    format!("starting {}: {error}", program.display())
}

/// No other system can tie a life to another, so nothing asks for it there.
#[cfg(not(target_os = "linux"))]
pub fn become_program(_: impl Iterator<Item = OsString>) -> String {
    format!("{BECOME} exists on Linux only")
}

/// A command whose process is killed by the kernel when we die, where there is such a kernel.
///
/// The process itself must ask for that, between its start and the program's. Code that runs there is unsafe in Rust,
/// so we start ourselves once more ([`BECOME`]), ask, and become the program; that costs a millisecond. On other
/// systems the program is started as it is; it is ended when we end in any way but a SIGKILL of our own.
fn guarded(program: &Path) -> std::process::Command {
    // Not the path of our file: that may have been replaced by a newer build since we started.
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
            Output::Pieces(_) => Self::piped(),
        }
    }
}

fn check_folder(directory: &Path) -> Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    Err(mistake(
        format!("the folder to run in, {}, does not exist", directory.display()),
        "create it, or correct `main` in Pulumi.yaml",
    ))
}

fn explain(kind: std::io::ErrorKind, name: &str) -> Option<anyhow::Error> {
    match kind {
        std::io::ErrorKind::ArgumentListTooLong => Some(mistake(
            format!("the configuration of the stack is too large to be given to {name} in its environment"),
            "upgrade the Pulumi CLI: since 3.231 a program asks the engine for its configuration",
        )),
        _ => None,
    }
}

/// Moves what comes out of a pipe to where it shall go.
fn forward<R: AsyncRead + Unpin + Send + 'static>(pipe: Option<R>, output: Output) -> Option<JoinHandle<()>> {
    let (Some(mut pipe), Output::Pieces(pieces)) = (pipe, output) else {
        return None;
    };
    Some(tokio::spawn(async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
            if pieces.send(buffer[..length].to_vec()).await.is_err() {
                return;
            }
        }
    }))
}

/// The process group of a living child; killed when dropped, however that comes about.
struct Group {
    leader: Option<Pid>,
    living: watch::Sender<usize>,
}

impl Group {
    fn of(child: Option<u32>, living: watch::Sender<usize>) -> Self {
        living.send_modify(|living| *living += 1);
        let leader = child
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Self { leader, living }
    }

    /// A group whose last process has ended is gone, and that is well.
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.living.send_modify(|living| *living -= 1);
    }
}
