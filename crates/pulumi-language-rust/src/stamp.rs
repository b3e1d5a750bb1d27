//! What the last build was made from, so that the next start can tell without cargo whether to build again.
//!
//! A stamp is a small file beside cargo's own. It names the built program, the files it was made from, the files that
//! would steer cargo if they existed, and the settings it was built under. Its time is the start of the build: an edit
//! made while cargo runs is newer and is seen. It is not the time of the program, since cargo leaves that alone when a
//! touched file changes nothing, and would then be run at every start. It shares one blindness with cargo: a file
//! replaced by one with an older time looks unchanged. This module never runs anything.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is remembered of a build.
#[derive(Debug, Serialize, Deserialize, PartialEq, Clone)]
pub struct Record {
    /// The built program.
    pub executable: PathBuf,
    /// Files and folders it was made from: older than the build's start, or it is to be built again.
    pub inputs: Vec<PathBuf>,
    /// The lock file and its time after the build. Cargo itself may write it, later than the build's start.
    pub lock_file: Option<(PathBuf, SystemTime)>,
    /// Files that were not there and would have counted.
    pub absent: Vec<PathBuf>,
    /// Variables that steer cargo, as they were.
    pub settings: BTreeMap<String, String>,
    /// The compiler it was built with.
    pub compiler: Compiler,
}

/// A compiler, as it speaks of itself.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, Clone)]
pub struct Compiler {
    /// The path of `rustc`.
    pub executable: PathBuf,
    /// Its version, such as `1.95.0`.
    pub version: String,
    /// The platform it runs on.
    pub host: String,
}

/// A build that has begun: its start is taken from the file system's own clock.
#[derive(Debug)]
pub struct Started {
    start: SystemTime,
}

/// The record at this path, whether or not it still holds. A stamp that cannot be read is as good as none.
pub fn last(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The record at this path, if the program is there and nothing it was made from has changed since.
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

/// Marks the start of a build that will be remembered at this path.
pub fn start(path: &Path) -> Result<Started> {
    let probe = path.with_extension("started");
    File::create(&probe).with_context(|| format!("writing {}", probe.display()))?;
    let start = modified(&probe).with_context(|| format!("reading the time of {}", probe.display()))?;
    fs::remove_file(&probe).with_context(|| format!("removing {}", probe.display()))?;
    Ok(Started { start })
}

impl Started {
    /// Remembers the build that has now ended.
    pub fn finish(self, path: &Path, record: &Record) -> Result<()> {
        let whole = path.with_extension("new");
        let write = || -> Result<()> {
            let file = File::create(&whole)?;
            serde_json::to_writer(&file, record)?;
            file.set_modified(self.start)?;
            fs::rename(&whole, path)?;
            Ok(())
        };
        write().with_context(|| format!("writing {}", path.display()))
    }
}

/// The files of cargo's dep-info, a line `program: file file` in which a space in a name is written `\ `.
pub fn read_dep_info(path: &Path) -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let line = text.lines().next().unwrap_or_default().replace("\\ ", "\0");
    let files = line.split(' ').skip(1).filter(|file| !file.is_empty());
    Ok(files.map(|file| PathBuf::from(file.replace('\0', " "))).collect())
}

/// Whether this is a file that may be executed by somebody.
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// When a file was written, if it is there.
pub fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// The time of a file, or the newest in a folder; nothing if it is gone.
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
        /// A program, a source, a folder with a file, and the stamp of their build; all a while ago.
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
            start(&built.stamp())
                .unwrap()
                .finish(&built.stamp(), &record)
                .unwrap();
            built
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn stamp(&self) -> PathBuf {
            self.at("stamp.json")
        }

        fn is_fresh(&self) -> bool {
            fresh(&self.stamp(), &BTreeMap::new()).is_some()
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
    fn a_touched_source_ends_it() {
        let built = Built::new();
        built.touch("main.rs");
        assert!(!built.is_fresh());
    }

    #[test]
    fn a_touched_file_in_a_folder_ends_it() {
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
    fn a_lock_file_that_the_build_itself_has_written_is_no_reason_to_build_again() {
        let built = Built::new();
        let mut record = last(&built.stamp()).unwrap();
        let started = start(&built.stamp()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(built.at("Cargo.lock"), "written by cargo").unwrap();
        record.lock_file = modified(&built.at("Cargo.lock")).map(|time| (built.at("Cargo.lock"), time));
        started.finish(&built.stamp(), &record).unwrap();
        assert!(built.is_fresh());
    }

    #[test]
    fn a_removed_source_or_program_ends_it() {
        for gone in ["main.rs", "program"] {
            let built = Built::new();
            fs::remove_file(built.at(gone)).unwrap();
            assert!(!built.is_fresh(), "{gone}");
        }
    }

    #[test]
    fn a_file_that_was_absent_ends_it() {
        let built = Built::new();
        fs::write(built.at("rust-toolchain"), "").unwrap();
        assert!(!built.is_fresh());
    }

    #[test]
    fn another_setting_ends_it() {
        let settings = [("RUSTFLAGS".to_owned(), "-g".to_owned())].into();
        assert_eq!(fresh(&Built::new().stamp(), &settings), None);
    }

    #[test]
    fn a_damaged_stamp_is_as_good_as_none() {
        let built = Built::new();
        fs::write(built.stamp(), "{").unwrap();
        assert!(!built.is_fresh());
    }

    #[test]
    fn an_edit_during_the_build_is_seen() {
        let built = Built::new();
        let record = last(&built.stamp()).unwrap();
        let started = start(&built.stamp()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        fs::write(built.at("main.rs"), "edited").unwrap();
        started.finish(&built.stamp(), &record).unwrap();
        assert!(!built.is_fresh());
    }

    #[test]
    fn names_with_spaces_are_read_from_dep_info() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program.d");
        fs::write(&path, "/a/target/program: /a/my\\ sources/main.rs /a/lib.rs\n").unwrap();
        assert_eq!(
            read_dep_info(&path).unwrap(),
            [Path::new("/a/my sources/main.rs"), Path::new("/a/lib.rs")]
        );
    }
}
