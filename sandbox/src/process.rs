//! The processes of a sandbox: starts them so that they outlive the command, and stops exactly these processes.
//!
//! A process is stopped only if both its id and its start time match its record, or if its environment has the mark of this
//! sandbox; a reused id is not affected. The mark identifies a process whose record is missing because the command was killed.
//! This module does not know what the processes do.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions};
use serde::{Deserialize, Serialize};

use super::state_dir::write_private;

/// The environment variable that marks every process of a sandbox. Its value is the directory of the sandbox.
pub const MARK: &str = "PHOENIX_SANDBOX";

/// How long a process may take to terminate. No data of a sandbox has to be saved: etcd does not even sync. kube-apiserver would
/// wait for its clients, which are being stopped as well.
const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// How long the kernel may take to remove a killed process.
const KILL_TIMEOUT: Duration = Duration::from_secs(15);

/// The record of a process, by which it is identified later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The name of the component, and of its log.
    pub name: String,
    /// The process id.
    pub pid: i32,
    /// When it started, in the format of this machine. Together with the id it identifies a process uniquely.
    pub started: String,
}

impl Record {
    /// Whether the recorded process still runs.
    pub fn alive(&self) -> bool {
        started(self.pid).is_some_and(|now| now == self.started)
    }

    /// Writes the record into the directory that [`records`] reads.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let text = serde_json::to_string(self).expect("a record of three plain fields is JSON");
        write_private(&directory.join(format!("{}.json", self.name)), text.as_bytes())
    }
}

/// The records in a directory, by name. An incomplete record is skipped: its process is found by the mark.
pub fn records(directory: &Path) -> Vec<Record> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<Record> = entries
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// A process to start.
#[derive(Debug)]
pub struct Start<'a> {
    /// The name of the component.
    pub name: &'a str,
    /// Its executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment variables in addition to PATH, HOME and TMPDIR.
    pub environment: BTreeMap<String, OsString>,
}

/// Starts a marked process in a session of its own, with its output in `log`, and returns its record.
///
/// `launcher` is `phoenix-live`: it creates the session and replaces itself with the program, so that Ctrl-C and hang-up in the
/// terminal do not reach the process. The environment is nearly empty, so that no proxy settings or credentials of the user's
/// shell reach the control plane.
pub fn start(start: &Start<'_>, launcher: &Path, mark: &Path, log: &Path) -> Result<Record> {
    let output = File::create(log).with_context(|| format!("creating the log {}", log.display()))?;
    let errors = output
        .try_clone()
        .with_context(|| format!("opening the log {} again", log.display()))?;
    let mut command = Command::new(launcher);
    command
        .args(["sandbox", "worker", "session", "--"])
        .arg(&start.program)
        .args(&start.arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let child = command
        .envs(&start.environment)
        .env(MARK, mark)
        .spawn()
        .with_context(|| format!("starting {} by {}", start.name, launcher.display()))?;
    let pid = i32::try_from(child.id()).context("reading a process id")?;
    // If the process has ended already, the caller notices while waiting for it, and reports its log.
    let started = started(pid).unwrap_or_else(|| "gone".to_owned());
    Ok(Record {
        name: start.name.to_owned(),
        pid,
        started,
    })
}

/// Creates a session and replaces this process with `command`; returns only if that fails.
pub fn become_session(command: &[OsString]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        bail!("no command was given to run in a session of its own");
    };
    rustix::process::setsid().context("creating a session")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("running {}", Path::new(program).display()))
}

/// Stops the recorded processes and all marked ones, and returns their names or ids.
pub fn stop(records: &[Record], mark: &Path) -> Result<Vec<String>> {
    let mut ended = BTreeSet::new();
    let deadline = Instant::now() + GRACE_PERIOD;
    // A marked process may start another one in the meantime, so this repeats until none is left.
    loop {
        let left = living(records, mark);
        if left.is_empty() {
            reap(records);
            return Ok(ended.into_iter().collect());
        }
        let late = Instant::now() > deadline;
        if Instant::now() > deadline + KILL_TIMEOUT {
            let names: Vec<_> = left.into_values().collect();
            bail!(
                "these processes of the sandbox could not be stopped: {}",
                names.join(", ")
            );
        }
        for (pid, name) in left {
            let Some(pid) = Pid::from_raw(pid) else { continue };
            let first = ended.insert(name);
            // First SIGTERM, later SIGKILL. The process may have ended in the meantime.
            if first || late {
                let signal = if late { Signal::KILL } else { Signal::TERM };
                let _gone = rustix::process::kill_process(pid, signal);
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Reaps those recorded processes that are children of this process.
fn reap(records: &[Record]) {
    for pid in records.iter().filter_map(|record| Pid::from_raw(record.pid)) {
        let _not_ours = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// The running processes, recorded or marked, each with a name.
fn living(records: &[Record], mark: &Path) -> BTreeMap<i32, String> {
    let unnamed = marked(mark)
        .into_iter()
        .map(|pid| (pid, format!("process {pid}")));
    let named = records
        .iter()
        .filter(|record| record.alive())
        .map(|record| (record.pid, record.name.clone()));
    unnamed.chain(named).collect()
}

/// The running processes of this machine, except this one, whose environment has the mark. Only Linux shows the environment of
/// another process; on other systems only the records are used.
pub fn marked(mark: &Path) -> Vec<i32> {
    let mut wanted = MARK.as_bytes().to_vec();
    wanted.push(b'=');
    wanted.extend_from_slice(std::os::unix::ffi::OsStrExt::as_bytes(mark.as_os_str()));
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != own && started(pid).is_some())
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|entry| entry == wanted)
        })
        .collect()
}

/// When a running process started; `None` for a process that has ended, including a zombie.
pub fn started(pid: i32) -> Option<String> {
    if cfg!(target_os = "linux") {
        started_linux(pid)
    } else {
        started_elsewhere(pid)
    }
}

fn started_linux(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (state, ticks) = state_and_start(&stat)?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{}/{ticks}", boot.trim()))
}

fn started_elsewhere(pid: i32) -> Option<String> {
    let output = Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let (state, start) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| start.trim().to_owned())
}

/// The state and the start time in `/proc/PID/stat`. The name of the command precedes them in parentheses, and may itself
/// contain spaces and parentheses.
fn state_and_start(stat: &str) -> Option<(&str, &str)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    // Start time is field 22 of the line; state was field 3.
    Some((state, fields.nth(18)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> i32 {
        i32::try_from(std::process::id()).expect("process ids are small")
    }

    #[test]
    fn the_start_time_is_found_after_a_name_with_parentheses() {
        let line = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11";
        assert_eq!(state_and_start(line), Some(("S", "987654")));
    }

    #[test]
    fn a_record_of_a_reused_process_id_is_not_alive() {
        let now = started(own_pid()).expect("the test itself runs");
        let ours = Record {
            name: "etcd".into(),
            pid: own_pid(),
            started: now,
        };
        let reused = Record {
            started: "another time".into(),
            ..ours.clone()
        };
        assert!(ours.alive());
        assert!(!reused.alive());
    }

    #[test]
    fn incomplete_records_are_skipped() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let record = Record {
            name: "kwok".into(),
            pid: 7,
            started: "then".into(),
        };
        record.write(directory.path()).expect("written");
        fs::write(directory.path().join("etcd.json"), "{\"name\":\"et").expect("written");
        assert_eq!(records(directory.path()), [record]);
    }

    #[test]
    fn only_recorded_and_marked_processes_are_stopped() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mark = directory.path().join("marked");
        let sleep = |mark: &Path| {
            Command::new("sleep")
                .arg("600")
                .env(MARK, mark)
                .spawn()
                .expect("sleep starts")
        };
        let mut marked_child = sleep(&mark);
        let mut bystander = sleep(&directory.path().join("marked-too"));
        let mut recorded = Command::new("sleep").arg("600").spawn().expect("sleep starts");
        let pid = |child: &std::process::Child| i32::try_from(child.id()).expect("process ids are small");
        let record = Record {
            name: "recorded".into(),
            pid: pid(&recorded),
            started: started(pid(&recorded)).expect("it runs"),
        };
        let ended = stop(&[record], &mark).expect("they end");
        if cfg!(target_os = "linux") {
            assert_eq!(
                ended,
                [format!("process {}", marked_child.id()), "recorded".to_owned()]
            );
            assert_eq!(started(pid(&marked_child)), None);
        }
        assert_eq!(started(pid(&recorded)), None);
        assert!(started(pid(&bystander)).is_some());
        marked_child.kill().expect("it is gone or goes");
        marked_child.wait().expect("ours to wait for");
        // The recorded one has been waited for already, as its record asked.
        recorded.wait().expect_err("the process is waited for once");
        bystander.kill().expect("ours to end");
        bystander.wait().expect("ours to wait for");
    }
}
