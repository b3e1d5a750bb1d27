//! Runs the program as a Job does.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The result of a run.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The key of a store's manifests.
pub fn key(store: &str) -> String {
    format!("the-key-of-{store:-<30}")
}

/// Runs the program with these arguments and variables, with backups in this folder, and with the keys of all stores.
pub fn run(store: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let keys = ["qdrant", "neo4j", "openmemory"]
        .map(|store| (format!("BACKUP_MAC_KEY_{}", store.to_uppercase()), key(store)));
    let keys = keys.iter().map(|(name, key)| (name.as_str(), key.as_str()));
    let variables: Vec<_> = keys.chain(variables.iter().copied()).collect();
    run_without_keys(store, arguments, &variables)
}

/// Like `run`, but without keys.
pub fn run_without_keys(store: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
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
    /// Asserts the exit code and a part of the output.
    #[track_caller]
    pub fn expect(&self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let all = format!("{}{}", self.out, self.err);
        assert!(all.contains(said), "{said:?} is not in {self:?}");
    }
}

/// The file with this name in the only folder of a store; `None` if it does not exist.
pub fn file(store: &Path, of: &str, name: &str) -> Option<PathBuf> {
    let mut folders = store.join(of).read_dir().ok()?;
    let folder = folders.next()?.ok()?.path();
    assert!(folders.next().is_none(), "there is more than one backup");
    Some(folder.join(name)).filter(|path| path.exists())
}
