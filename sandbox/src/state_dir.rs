//! Where everything of one sandbox lives, and who may work on it.
//!
//! Promises: one directory, readable by its owner only, holds all of a sandbox; removing it removes the
//! sandbox. A directory that holds something else is never taken and never removed.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// What a sandbox remembers of itself, in `sandbox.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// The stack it is for.
    pub stack: String,
    /// The repository it was started from.
    pub repository: PathBuf,
    /// The ports of its control plane, once chosen.
    pub ports: Option<Ports>,
    /// The UID of its cluster's Namespace `kube-system`, once there is one.
    #[serde(default)]
    pub cluster_uid: Option<String>,
}

/// The loopback ports of a control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ports {
    /// Where kube-apiserver answers.
    pub api_server: u16,
    /// Where etcd answers its clients.
    pub etcd: u16,
    /// Where etcd would answer other members, of which there are none.
    pub etcd_peer: u16,
}

impl Identity {
    /// The name of the context in the sandbox's kubeconfig; no other cluster is called so.
    pub fn context(&self) -> String {
        context(&self.name)
    }
}

/// The kubeconfig context of the sandbox of this name.
pub fn context(name: &str) -> String {
    format!("phoenix-sandbox-{name}")
}

/// The directory of one sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    directory: PathBuf,
}

/// The right to change a sandbox, held until dropped; the kernel takes it back when the holder dies.
#[derive(Debug)]
pub struct Hold {
    _locked: File,
}

impl Home {
    /// The sandbox in this directory, whether it exists or not.
    pub fn at(directory: &Path) -> Result<Self> {
        let directory = std::path::absolute(directory)
            .with_context(|| format!("making {} absolute", directory.display()))?;
        // The marks of processes are compared as text, so one directory must have one spelling.
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

    /// The sandbox of this name, in the default place.
    pub fn named(name: &str) -> Result<Self> {
        check_name(name)?;
        Self::at(&sandboxes()?.join(name))
    }

    /// The names of the sandboxes in the default place.
    pub fn all() -> Result<Vec<String>> {
        let entries = fs::read_dir(sandboxes()?).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter(|entry| entry.path().join("lock").exists())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a sandbox, or what a crash left of one, is here.
    pub fn exists(&self) -> bool {
        self.directory.join("lock").exists()
    }

    /// Makes the directory if needed, and takes the right to change it.
    pub fn claim(&self) -> Result<Hold> {
        let directory = &self.directory;
        let shown = directory.display();
        if directory.exists() && !self.exists() {
            let empty = fs::read_dir(directory)
                .with_context(|| format!("looking into {shown}"))?
                .next()
                .is_none();
            if !empty {
                bail!(
                    "{shown} holds files that are not a sandbox's\nhint: name an empty or a new directory with --dir"
                );
            }
        }
        make_private(directory)?;
        let file = private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join("lock"))
            .with_context(|| format!("opening the lock of the sandbox in {shown}"))?;
        match file.try_lock() {
            Ok(()) => Ok(Hold { _locked: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another command is at work on the sandbox in {shown}\nhint: wait for it, or stop it with Ctrl-C first"
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking the sandbox in {shown}"))
            }
        }
    }

    /// Removes the directory with all that is in it; the caller has ended the processes.
    pub fn remove(&self, hold: Hold) -> Result<()> {
        // The lock goes last, so that a removal cut off half-way is still recognised and can be done again.
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.file_name().is_some_and(|name| name == "lock") {
                continue;
            }
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_directory {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.with_context(|| format!("removing {}", path.display()))?;
        }
        fs::remove_dir_all(&self.directory)
            .with_context(|| format!("removing {}", self.directory.display()))?;
        drop(hold);
        Ok(())
    }

    /// What the sandbox remembers of itself; nothing when it was never written, as after an early crash.
    pub fn identity(&self) -> Option<Identity> {
        serde_json::from_str(&fs::read_to_string(self.directory.join("sandbox.json")).ok()?).ok()
    }

    /// Writes down what the sandbox is.
    pub fn remember(&self, identity: &Identity) -> Result<()> {
        let text = serde_json::to_string_pretty(identity).expect("an identity of plain fields is JSON");
        write_private(&self.directory.join("sandbox.json"), text.as_bytes())
    }

    /// Keys and certificates.
    pub fn keys(&self) -> PathBuf {
        self.directory.join("keys")
    }

    /// The kubeconfig, with all rights in the sandbox's cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// One log a component.
    pub fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }

    /// One record a process.
    pub fn processes(&self) -> PathBuf {
        self.directory.join("processes")
    }

    /// The data of etcd.
    pub fn etcd(&self) -> PathBuf {
        self.directory.join("etcd")
    }

    /// The copy of the project and its stack file.
    pub fn project(&self) -> PathBuf {
        self.directory.join("project")
    }

    /// The engine's own home: its plugins and the selected stack.
    pub fn pulumi(&self) -> PathBuf {
        self.directory.join("pulumi")
    }

    /// The stack's state.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// The passphrase that the stack's secrets are sealed with.
    pub fn passphrase(&self) -> PathBuf {
        self.directory.join("passphrase")
    }

    /// The log of one component.
    pub fn log(&self, component: &str) -> PathBuf {
        self.logs().join(format!("{component}.log"))
    }
}

/// Writes a file that only its owner reads, in one step: a crash leaves the old content or the new one.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = path.with_added_extension("new");
    let written = private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&temporary, path));
    written.with_context(|| format!("writing {}", path.display()))
}

/// Makes a directory that only its owner enters, with its parents.
pub fn make_private(directory: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("making the directory {}", directory.display()))
}

/// A directory of this program under one of the standard roots: the variable's, or one in the home directory.
pub fn standard_directory(variable: &str, in_home: &str) -> Result<PathBuf> {
    let absolute = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let root = match absolute {
        Some(root) => root,
        None => match std::env::var_os("HOME") {
            Some(home) => PathBuf::from(home).join(in_home),
            None => bail!("neither {variable} nor HOME says where files belong\nhint: set HOME"),
        },
    };
    Ok(root.join("phoenix"))
}

/// The lines at the end of a log, for an error message.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    // Two dozen lines hold a Go panic's first words and fit a terminal.
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

/// A sandbox's name becomes a directory and a part of the context's name.
fn check_name(name: &str) -> Result<()> {
    let fits =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    let good =
        name.len() <= 40 && name.chars().all(fits) && edge(name.chars().next()) && edge(name.chars().last());
    if !good {
        bail!(
            "a sandbox cannot be called \"{name}\"\nhint: use at most 40 small letters, digits and hyphens"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_with_other_files_is_not_taken() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("thesis.txt"), "years of work").expect("written");
        let home = Home::at(directory.path()).expect("a home");
        let error = home.claim().expect_err("refused").to_string();
        assert!(error.contains("not a sandbox's"), "{error}");
        assert!(directory.path().join("thesis.txt").exists());
    }

    #[test]
    fn a_sandbox_is_held_by_one_command_at_a_time() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let home = Home::at(&directory.path().join("one")).expect("a home");
        let hold = home.claim().expect("taken");
        let error = home.claim().expect_err("held").to_string();
        assert!(error.contains("another command"), "{error}");
        drop(hold);
        home.claim().expect("free again");
    }

    #[test]
    fn everything_is_the_owners_alone_and_goes_when_removed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let home = Home::at(&directory.path().join("one")).expect("a home");
        let hold = home.claim().expect("taken");
        let identity = Identity {
            name: "one".into(),
            stack: "dev".into(),
            repository: "/src".into(),
            ports: None,
            cluster_uid: None,
        };
        home.remember(&identity).expect("written");
        make_private(&home.keys()).expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(home.directory()), 0o700);
        assert_eq!(mode(&home.directory().join("sandbox.json")), 0o600);
        assert_eq!(home.identity(), Some(identity));
        home.remove(hold).expect("removed");
        assert!(!home.directory().exists());
    }

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        for name in ["", "..", "a/b", "Dev", "-dev", "dev-"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["dev", "live-2", "a"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_tail_is_the_end_of_the_log() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = directory.path().join("log");
        let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
        fs::write(&log, lines.join("\n")).expect("written");
        assert!(tail(&log).starts_with("line 76\n"));
        assert!(tail(&log).ends_with("line 99"));
        assert_eq!(tail(&directory.path().join("none")), "");
    }
}
