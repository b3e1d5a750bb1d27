//! Fingerprints of builds, from which the host decides without cargo whether to build again.
//!
//! A fingerprint is a small file in the target folder. It contains the path of the program, its input files, the
//! configuration files that did not exist, and the settings of the build. Its modification time is the start of the build,
//! so that an edit during the build is detected. The modification time of the program cannot be used: cargo does not
//! relink when a touched file has no effect, and cargo would then run at every start. Like cargo, the host does not detect
//! a file that is replaced by one with an older modification time.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The content of a fingerprint.
#[derive(Debug, Serialize, Deserialize, PartialEq, Clone)]
pub struct Record {
    /// The built program.
    pub executable: PathBuf,
    /// The input files and folders. If one of them is newer than the start of the build, the program is built again.
    pub inputs: Vec<PathBuf>,
    /// The lock file and its modification time after the build. Cargo can write it after the start of the build.
    pub lock_file: Option<(PathBuf, SystemTime)>,
    /// Configuration files that did not exist.
    pub absent: Vec<PathBuf>,
    /// The environment variables that affect the build.
    pub settings: BTreeMap<String, String>,
    /// The compiler.
    pub compiler: Compiler,
}

/// A compiler.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, Clone)]
pub struct Compiler {
    /// The path of `rustc`.
    pub executable: PathBuf,
    /// The version, such as `1.95.0`.
    pub version: String,
    /// The platform it runs on.
    pub host: String,
}

/// A build in progress. Its start time is taken from the clock of the file system.
#[derive(Debug)]
pub struct Started {
    start: SystemTime,
}

/// The record at this path, whether or not it is up to date; `None` if it cannot be read.
pub fn last(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The record at this path, if the program exists and no input has changed.
pub fn fresh(path: &Path, settings: &BTreeMap<String, String>) -> Option<Record> {
    let start = modified(path)?;
    let record = last(path)?;
    let unchanged = record.settings == *settings
        && is_program(&record.executable)
        && record
            .inputs
            .iter()
            .all(|input| newest(input).is_some_and(|time| time <= start))
        && record
            .lock_file
            .iter()
            .all(|(path, time)| modified(path) == Some(*time))
        && !record.absent.iter().any(|path| path.exists());
    unchanged.then_some(record)
}

/// Starts a build whose record will be written to this path.
pub fn start(path: &Path) -> Result<Started> {
    let probe = path.with_extension("started");
    File::create(&probe).with_context(|| format!("writing {}", probe.display()))?;
    let start = modified(&probe).with_context(|| format!("reading the time of {}", probe.display()))?;
    fs::remove_file(&probe).with_context(|| format!("removing {}", probe.display()))?;
    Ok(Started { start })
}

impl Started {
    /// Writes the record of the finished build.
    pub fn finish(self, path: &Path, record: &Record) -> Result<()> {
        let complete = path.with_extension("new");
        let write = || -> Result<()> {
            let file = File::create(&complete)?;
            serde_json::to_writer(&file, record)?;
            file.set_modified(self.start)?;
            fs::rename(&complete, path)?;
            Ok(())
        };
        write().with_context(|| format!("writing {}", path.display()))
    }
}

/// Whether the path is an executable file.
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The modification time of a file, if it exists.
pub fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// The modification time of a file, or the newest one in a folder; `None` if it does not exist.
fn newest(path: &Path) -> Option<SystemTime> {
    let found = fs::metadata(path).ok()?;
    let own = found.modified().ok()?;
    if !found.is_dir() {
        return Some(own);
    }
    let entries = fs::read_dir(path).ok()?.flatten();
    Some(
        entries
            .filter_map(|entry| newest(&entry.path()))
            .fold(own, Ord::max),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    struct Built {
        folder: tempfile::TempDir,
    }

    impl Built {
        /// A program, a source, a folder with a file, and the fingerprint of their build.
        fn new() -> Self {
            let built = Self {
                folder: tempfile::tempdir().unwrap(),
            };
            fs::create_dir(built.at("proto")).unwrap();
            for file in ["program", "main.rs", "proto/a.proto", "Cargo.lock"] {
                fs::write(built.at(file), "").unwrap();
            }
            fs::set_permissions(built.at("program"), fs::Permissions::from_mode(0o755)).unwrap();
            let record = Record {
                executable: built.at("program"),
                inputs: vec![built.at("main.rs"), built.at("proto")],
                lock_file: modified(&built.at("Cargo.lock")).map(|time| (built.at("Cargo.lock"), time)),
                absent: vec![built.at("rust-toolchain")],
                settings: BTreeMap::new(),
                compiler: Compiler {
                    executable: "rustc".into(),
                    version: "1.0.0".into(),
                    host: "here".into(),
                },
            };
            start(&built.fingerprint())
                .unwrap()
                .finish(&built.fingerprint(), &record)
                .unwrap();
            built
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn fingerprint(&self) -> PathBuf {
            self.at("fingerprint.json")
        }

        fn is_fresh(&self) -> bool {
            fresh(&self.fingerprint(), &BTreeMap::new()).is_some()
        }

        fn touch(&self, name: &str) {
            let later = SystemTime::now() + Duration::from_secs(1);
            File::options()
                .append(true)
                .open(self.at(name))
                .unwrap()
                .set_modified(later)
                .unwrap();
        }
    }

    #[test]
    fn an_untouched_build_is_fresh() {
        assert!(Built::new().is_fresh());
    }

    #[test]
    fn a_touched_source_requires_a_build() {
        let built = Built::new();
        built.touch("main.rs");
        assert!(!built.is_fresh());
    }

    #[test]
    fn a_touched_file_in_a_folder_requires_a_build() {
        let built = Built::new();
        built.touch("proto/a.proto");
        assert!(!built.is_fresh());
    }

    #[test]
    fn another_lock_file_ends_it_even_an_older_one() {
        let built = Built::new();
        let earlier = SystemTime::now() - Duration::from_secs(1000);
        File::options()
            .append(true)
            .open(built.at("Cargo.lock"))
            .unwrap()
            .set_modified(earlier)
            .unwrap();
        assert!(!built.is_fresh());
    }

    #[test]
    fn a_lock_file_written_by_the_build_requires_no_further_build() {
        let built = Built::new();
        let mut record = last(&built.fingerprint()).unwrap();
        let started = start(&built.fingerprint()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(built.at("Cargo.lock"), "written by cargo").unwrap();
        record.lock_file = modified(&built.at("Cargo.lock")).map(|time| (built.at("Cargo.lock"), time));
        started.finish(&built.fingerprint(), &record).unwrap();
        assert!(built.is_fresh());
    }

    #[test]
    fn a_removed_source_or_program_requires_a_build() {
        for gone in ["main.rs", "program"] {
            let built = Built::new();
            fs::remove_file(built.at(gone)).unwrap();
            assert!(!built.is_fresh(), "{gone}");
        }
    }

    #[test]
    fn a_new_configuration_file_requires_a_build() {
        let built = Built::new();
        fs::write(built.at("rust-toolchain"), "").unwrap();
        assert!(!built.is_fresh());
    }

    #[test]
    fn a_changed_setting_requires_a_build() {
        let settings = [("RUSTFLAGS".to_owned(), "-g".to_owned())].into();
        assert_eq!(fresh(&Built::new().fingerprint(), &settings), None);
    }

    #[test]
    fn a_damaged_fingerprint_requires_a_build() {
        let built = Built::new();
        fs::write(built.fingerprint(), "{").unwrap();
        assert!(!built.is_fresh());
    }

    #[test]
    fn an_edit_during_the_build_is_detected() {
        let built = Built::new();
        let record = last(&built.fingerprint()).unwrap();
        let started = start(&built.fingerprint()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(built.at("main.rs"), "edited").unwrap();
        started.finish(&built.fingerprint(), &record).unwrap();
        assert!(!built.is_fresh());
    }
}
