//! The directory of a sandbox, and its lock.
//!
//! One directory, accessible to its owner only, contains all files of a sandbox; removing them removes the sandbox. The file
//! `lock` with [`MARKER`] as its content makes a directory a sandbox: a directory with other files and without it is never
//! used, and nothing in it is removed. What is not an [entry](ENTRIES) of a sandbox is never removed.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// The content of the file `lock`, which marks the directory of a sandbox. Another layout gets another number.
const MARKER: &str = "phoenix sandbox 1\n";

/// The files and directories of a sandbox, except the lock. Only these are removed with it.
const ENTRIES: [&str; 11] = [
    "sandbox.json",
    "heartbeat.yaml",
    "keys",
    "kubeconfig",
    "logs",
    "processes",
    "etcd",
    "project",
    "pulumi",
    "state",
    "passphrase",
];

/// The description of a sandbox, in `sandbox.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The name of the sandbox.
    pub name: String,
    /// Its stack.
    pub stack: String,
    /// The checkout from which it was started.
    pub repository: PathBuf,
    /// The ports of its control plane, once they are chosen.
    pub ports: Option<Ports>,
    /// The UID of its cluster's Namespace `kube-system`, once it exists.
    #[serde(default)]
    pub cluster_uid: Option<String>,
}

/// The loopback ports of a control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ports {
    /// The port of kube-apiserver.
    pub api_server: u16,
    /// The client port of etcd.
    pub etcd: u16,
    /// The peer port of etcd, which has no other members.
    pub etcd_peer: u16,
}

impl Identity {
    /// The name of the context in the sandbox's kubeconfig, which is not used for other clusters.
    pub fn context(&self) -> String {
        context(&self.name)
    }
}

/// The kubeconfig context of a sandbox with this name.
pub fn context(name: &str) -> String {
    format!("phoenix-sandbox-{name}")
}

/// The directory of one sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    directory: PathBuf,
}

/// An exclusive lock of a sandbox, held until dropped. The kernel releases it if the process ends.
#[derive(Debug)]
pub struct LockGuard {
    _locked: File,
}

impl StateDir {
    /// The sandbox in this directory, which may not exist.
    pub fn at(directory: &Path) -> Result<Self> {
        let directory =
            std::path::absolute(directory).with_context(|| format!("resolving {}", directory.display()))?;
        // Processes are marked with the path as text, so a directory needs a canonical path.
        let directory = match (
            fs::canonicalize(&directory),
            directory.parent(),
            directory.file_name(),
        ) {
            (Ok(real), _, _) => real,
            (Err(_), Some(parent), Some(name)) => {
                fs::canonicalize(parent).map_or(directory.clone(), |parent| parent.join(name))
            }
            _ => directory,
        };
        Ok(Self { directory })
    }

    /// The sandbox with this name in the default directory.
    pub fn named(name: &str) -> Result<Self> {
        check_name(name)?;
        Self::at(&sandboxes()?.join(name))
    }

    /// The names of the sandboxes in the default directory.
    pub fn all() -> Result<Vec<String>> {
        let entries = fs::read_dir(sandboxes()?).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| is_marked(&entry.path()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// The path of the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the directory contains a sandbox, possibly an incomplete one after a crash.
    pub fn exists(&self) -> bool {
        is_marked(&self.directory)
    }

    /// Creates the directory if needed, and locks it.
    pub fn lock(&self) -> Result<LockGuard> {
        let directory = &self.directory;
        let shown = directory.display();
        if directory.exists() && !self.exists() {
            let mut entries = fs::read_dir(directory).with_context(|| format!("listing {shown}"))?;
            if !entries.all(|entry| entry.is_ok_and(|entry| is_unfinished_lock(&entry.path()))) {
                bail!(
                    "{shown} contains files that do not belong to a sandbox\nhint: use an empty or new directory with --dir"
                );
            }
        }
        make_private(directory)?;
        let owner = fs::metadata(directory)
            .with_context(|| format!("inspecting {shown}"))?
            .uid();
        if owner != rustix::process::geteuid().as_raw() {
            bail!("{shown} belongs to another user\nhint: use a directory of your own with --dir");
        }
        let file = mark(directory).with_context(|| format!("opening the lock of the sandbox in {shown}"))?;
        match file.try_lock() {
            Ok(()) => Ok(LockGuard { _locked: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another command is using the sandbox in {shown}\nhint: wait for it, or stop it with Ctrl-C first"
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking the sandbox in {shown}"))
            }
        }
    }

    /// Removes the files of the sandbox, and the directory if nothing else is in it. Returns what else is in it. The processes
    /// have to be stopped before.
    pub fn remove(&self, lock: LockGuard) -> Result<Vec<String>> {
        for name in ENTRIES {
            let path = self.directory.join(name);
            remove_entry(&path)?;
            remove_entry(&unfinished(&path))?;
        }
        let lock_file = self.directory.join("lock");
        let mut others = Vec::new();
        let entries =
            fs::read_dir(&self.directory).with_context(|| format!("listing {}", self.directory.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("listing {}", self.directory.display()))?;
            if is_unfinished_lock(&entry.path()) {
                remove_entry(&entry.path())?;
            } else if entry.path() != lock_file {
                others.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        others.sort();
        // The lock is removed last, so that an interrupted removal can be repeated.
        remove_entry(&lock_file)?;
        if others.is_empty() {
            fs::remove_dir(&self.directory)
                .with_context(|| format!("removing {}", self.directory.display()))?;
        }
        drop(lock);
        Ok(others)
    }

    /// The description of the sandbox; `None` if it was never written, as after an early crash.
    pub fn identity(&self) -> Option<Identity> {
        identity_in(&self.directory)
    }

    /// Writes the description of the sandbox.
    pub fn remember(&self, identity: &Identity) -> Result<()> {
        let text = serde_json::to_string_pretty(identity).expect("an identity of plain fields is JSON");
        write_private(&self.directory.join("sandbox.json"), text.as_bytes())
    }

    /// Keys and certificates.
    pub fn keys(&self) -> PathBuf {
        self.directory.join("keys")
    }

    /// The kubeconfig of the cluster's administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// The directory with a log for each component.
    pub fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }

    /// The directory with a record for each process.
    pub fn processes(&self) -> PathBuf {
        self.directory.join("processes")
    }

    /// The data directory of etcd.
    pub fn etcd(&self) -> PathBuf {
        self.directory.join("etcd")
    }

    /// The copy of the project and its stack file.
    pub fn project(&self) -> PathBuf {
        self.directory.join("project")
    }

    /// Pulumi's home directory: its plugins and the selected stack.
    pub fn pulumi(&self) -> PathBuf {
        self.directory.join("pulumi")
    }

    /// The directory of the stack's state.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// The file with the passphrase that encrypts the stack's secrets.
    pub fn passphrase(&self) -> PathBuf {
        self.directory.join("passphrase")
    }

    /// The log of one component.
    pub fn log(&self, component: &str) -> PathBuf {
        self.logs().join(format!("{component}.log"))
    }
}

fn identity_in(directory: &Path) -> Option<Identity> {
    serde_json::from_str(&fs::read_to_string(directory.join("sandbox.json")).ok()?).ok()
}

/// Whether a directory contains a sandbox: its lock is a regular file of this user with the right content.
fn is_marked(directory: &Path) -> bool {
    open_marked(directory).is_some()
}

fn open_marked(directory: &Path) -> Option<File> {
    let mut options = private();
    // A pipe would block, and a link could lead to a file that belongs to something else.
    options.custom_flags(
        (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK)
            .bits()
            .cast_signed(),
    );
    let file = options.read(true).write(true).open(directory.join("lock")).ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    let mut content = String::new();
    (&file)
        .take(MARKER.len() as u64 + 1)
        .read_to_string(&mut content)
        .ok()?;
    // Earlier versions left the lock empty.
    let is_earlier = || content.is_empty() && identity_in(directory).is_some();
    (content == MARKER || is_earlier()).then_some(file)
}

/// Whether a crash left this file instead of the lock.
fn is_unfinished_lock(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = name
        .strip_prefix("lock.")
        .map(|rest| rest.strip_suffix(".new").unwrap_or(rest));
    let is_named =
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    let content = || fs::read_to_string(path).unwrap_or_default();
    is_named
        && fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
        && MARKER.starts_with(&content())
}

/// Opens the lock, which is created with its content in one step.
fn mark(directory: &Path) -> Result<File> {
    let temporary = directory.join(format!("lock.{}", std::process::id()));
    write_private(&temporary, MARKER.as_bytes())?;
    let linked = fs::hard_link(&temporary, directory.join("lock"));
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    open_marked(directory).context("the file `lock` was not written by phoenix")
}

/// Removes a file, a link or a directory of a sandbox, if it exists.
fn remove_entry(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file that is accessible to its owner only, atomically: a crash leaves either the old content or the new one.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = unfinished(path);
    let written = private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&temporary, path));
    written.with_context(|| format!("writing {}", path.display()))
}

/// The name under which a file is written before it is complete.
fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

/// Creates a directory that is accessible to its owner only, with its parents.
pub fn make_private(directory: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("creating the directory {}", directory.display()))
}

/// The directory `phoenix` in one of the standard directories: that of the variable, or the default in the home directory.
pub fn standard_directory(variable: &str, in_home: &str) -> Result<PathBuf> {
    let absolute = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let root = match absolute {
        Some(root) => root,
        None => match std::env::var_os("HOME") {
            Some(home) => PathBuf::from(home).join(in_home),
            None => bail!("neither {variable} nor HOME is set\nhint: set HOME"),
        },
    };
    Ok(root.join("phoenix"))
}

/// The last lines of a log, for an error message.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    // 24 lines contain the first lines of a Go panic and fit into a terminal.
    lines[lines.len().saturating_sub(24)..].join("\n")
}

fn sandboxes() -> Result<PathBuf> {
    Ok(standard_directory("XDG_STATE_HOME", ".local/state")?.join("sandboxes"))
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.mode(0o600);
    options
}

/// Checks a name: it becomes the name of a directory and a part of the context's name.
fn check_name(name: &str) -> Result<()> {
    let fits =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    let good =
        name.len() <= 40 && name.chars().all(fits) && edge(name.chars().next()) && edge(name.chars().last());
    if !good {
        bail!(
            "\"{name}\" is not a valid name for a sandbox\nhint: use at most 40 lowercase letters, digits and hyphens"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_with_other_files_is_not_used() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("thesis.txt"), "years of work").expect("written");
        let state_dir = StateDir::at(directory.path()).expect("a directory");
        let error = state_dir.lock().expect_err("refused").to_string();
        assert!(error.contains("do not belong to a sandbox"), "{error}");
        assert!(directory.path().join("thesis.txt").exists());
    }

    #[test]
    fn only_one_command_can_lock_a_sandbox() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state_dir = StateDir::at(&directory.path().join("one")).expect("a directory");
        let lock = state_dir.lock().expect("taken");
        let error = state_dir.lock().expect_err("locked").to_string();
        assert!(error.contains("another command"), "{error}");
        drop(lock);
        state_dir.lock().expect("free again");
    }

    #[test]
    fn files_are_private_and_removed_with_the_sandbox() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state_dir = StateDir::at(&directory.path().join("one")).expect("a directory");
        let lock = state_dir.lock().expect("taken");
        let identity = Identity {
            name: "one".into(),
            stack: "dev".into(),
            repository: "/src".into(),
            ports: None,
            cluster_uid: None,
        };
        state_dir.remember(&identity).expect("written");
        make_private(&state_dir.keys()).expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(state_dir.directory()), 0o700);
        assert_eq!(mode(&state_dir.directory().join("sandbox.json")), 0o600);
        assert_eq!(state_dir.identity(), Some(identity));
        assert_eq!(state_dir.remove(lock).expect("removed"), Vec::<String>::new());
        assert!(!state_dir.directory().exists());
    }

    #[test]
    fn every_entry_of_a_sandbox_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let kept = parent.path().join("kept");
        fs::create_dir(&kept).expect("made");
        fs::write(kept.join("thesis.txt"), "years of work").expect("written");
        let state_dir = StateDir::at(&parent.path().join("one")).expect("a directory");
        let lock = state_dir.lock().expect("taken");
        for directory in [
            state_dir.keys(),
            state_dir.logs(),
            state_dir.processes(),
            state_dir.etcd(),
            state_dir.project(),
            state_dir.pulumi(),
        ] {
            make_private(&directory).expect("made");
            fs::write(directory.join("file"), "").expect("written");
        }
        for file in [state_dir.kubeconfig(), state_dir.passphrase()] {
            write_private(&file, b"").expect("written");
        }
        std::os::unix::fs::symlink(&kept, state_dir.state()).expect("linked");
        fs::write(state_dir.directory().join("notes.txt"), "mine").expect("written");
        assert_eq!(state_dir.remove(lock).expect("removed"), ["notes.txt"]);
        let left: Vec<_> = fs::read_dir(state_dir.directory())
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(left, ["notes.txt"]);
        assert!(kept.join("thesis.txt").exists(), "a link was followed");
        assert!(!state_dir.exists());
    }

    #[test]
    fn a_file_with_the_name_of_the_lock_does_not_make_a_directory_a_sandbox() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let marked = parent.path().join("marked");
        fs::write(&marked, MARKER).expect("written");
        for (number, content) in ["", "phoenix sandbox 2\n", "phoenix sandbox 1\n\n", "4711"]
            .iter()
            .enumerate()
        {
            let directory = parent.path().join(number.to_string());
            fs::create_dir(&directory).expect("made");
            fs::write(directory.join("lock"), content).expect("written");
            let state_dir = StateDir::at(&directory).expect("a directory");
            assert!(!state_dir.exists(), "{content:?}");
            let error = state_dir.lock().expect_err("refused").to_string();
            assert!(error.contains("do not belong to a sandbox"), "{error}");
            assert_eq!(
                &fs::read_to_string(directory.join("lock")).expect("kept"),
                content
            );
        }
        let directory = parent.path().join("linked");
        fs::create_dir(&directory).expect("made");
        std::os::unix::fs::symlink(&marked, directory.join("lock")).expect("linked");
        assert!(!StateDir::at(&directory).expect("a directory").exists());
    }

    #[test]
    fn what_a_crash_left_while_creating_the_lock_does_not_prevent_the_next_attempt() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let directory = parent.path().join("one");
        fs::create_dir(&directory).expect("made");
        fs::write(directory.join("lock.4711"), MARKER).expect("written");
        fs::write(directory.join("lock.4712.new"), &MARKER[..5]).expect("written");
        let state_dir = StateDir::at(&directory).expect("a directory");
        let lock = state_dir.lock().expect("taken");
        assert_eq!(state_dir.remove(lock).expect("removed"), Vec::<String>::new());
        assert!(!directory.exists());
        // A file of this name with other content belongs to something else.
        fs::create_dir(&directory).expect("made");
        fs::write(directory.join("lock.4711"), "mine").expect("written");
        assert!(state_dir.lock().is_err());
    }

    #[test]
    fn a_pipe_with_the_name_of_the_lock_does_not_block() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let made = std::process::Command::new("mkfifo")
            .arg(directory.path().join("lock"))
            .status();
        assert!(made.expect("mkfifo runs").success());
        assert!(!StateDir::at(directory.path()).expect("a directory").exists());
    }

    #[test]
    fn names_that_would_leave_the_directory_are_rejected() {
        for name in ["", "..", "a/b", "Dev", "-dev", "dev-"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["dev", "live-2", "a"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_tail_is_the_end_of_a_log() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = directory.path().join("log");
        let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
        fs::write(&log, lines.join("\n")).expect("written");
        assert!(tail(&log).starts_with("line 76\n"));
        assert!(tail(&log).ends_with("line 99"));
        assert_eq!(tail(&directory.path().join("none")), "");
    }
}
