//! One run of the engine, as somebody types it who says yes to everything, and its end.
//!
//! Promises: a run that does not end is ended, and fails the test with what it had said.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::live::{Live, said};

/// How long a run may take on a busy machine before it counts as hanging. The longest one takes half a minute.
const PATIENCE: Duration = Duration::from_mins(4);

/// A run that is being prepared.
pub struct Run {
    command: Command,
    shown: String,
}

/// The engine on the copy of the stack file as it is now.
pub fn engine(live: &Live, arguments: &[&str]) -> Run {
    let mut command = live.pulumi_as_it_is();
    command.args(arguments).arg("--yes");
    if matches!(arguments[0], "up" | "destroy" | "refresh") {
        command.args(["--skip-preview", "--non-interactive", "--suppress-progress"]);
    }
    Run {
        shown: format!("pulumi {}", arguments.join(" ")),
        command,
    }
}

impl Run {
    /// Sends the provider to the cluster through this kubeconfig.
    pub fn through(mut self, kubeconfig: &Path) -> Self {
        self.command.env("KUBECONFIG", kubeconfig);
        self
    }

    /// Runs another program instead, with the engine and its arguments as the last of its own.
    pub fn wrapped(mut self, program: &str, arguments: &[OsString]) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(self.command.get_program())
            .args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.current_dir(self.command.get_current_dir().unwrap());
        self.command = command;
        self
    }

    /// Runs it to its end.
    pub fn output(self) -> Output {
        self.start().output()
    }

    /// Starts it, so that something can be done to it.
    pub fn start(mut self) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let files = ["stdout", "stderr"].map(|name| folder.path().join(name));
        // Files, not pipes: a provider that outlives the engine would keep a pipe open.
        let child = self
            .command
            .stdin(std::process::Stdio::null())
            .stdout(File::create(&files[0]).unwrap())
            .stderr(File::create(&files[1]).unwrap())
            .spawn()
            .unwrap();
        Running {
            child,
            files,
            shown: self.shown,
            _folder: folder,
        }
    }
}

/// A run that has been started.
pub struct Running {
    child: Child,
    files: [PathBuf; 2],
    shown: String,
    _folder: tempfile::TempDir,
}

impl Running {
    /// The engine's process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Gives it a while, and then presses Ctrl-C once, as a person does who sees that it does not go on: a provider whose
    /// watch was cut waits for ten minutes.
    pub fn ends_or_is_interrupted(&mut self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        rustix::process::kill_process(Pid::from_raw(self.pid()).unwrap(), Signal::INT).unwrap();
    }

    /// Waits for the end.
    pub fn output(mut self) -> Output {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if began.elapsed() > PATIENCE {
                break None;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        eprintln!("  {} took {} ms", self.shown, began.elapsed().as_millis());
        let hangs = status.is_none();
        let status = status.unwrap_or_else(|| {
            self.child.kill().unwrap();
            self.child.wait().unwrap()
        });
        let output = Output {
            status,
            stdout: std::fs::read(&self.files[0]).unwrap(),
            stderr: std::fs::read(&self.files[1]).unwrap(),
        };
        assert!(!hangs, "{} hangs: {}", self.shown, said(&output));
        output
    }
}
