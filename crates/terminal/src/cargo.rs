//! Running cargo from a program that cargo itself may have started, and reading what it wrote. This module is an edge: it
//! reads the environment and files of cargo.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Variables that `cargo run` sets for the program it runs. Build scripts watch them.
const OF_CARGO_RUN: [&str; 5] = [
    "CARGO_BIN_",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
];

/// Whether `cargo run` sets this variable to describe the package that it runs.
pub fn is_of_cargo_run(variable: &str) -> bool {
    OF_CARGO_RUN.iter().any(|prefix| variable.starts_with(prefix))
}

/// A cargo command without these variables. With them, packages would be rebuilt depending on how this program was started.
pub fn command() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_cargo_run) {
            command.env_remove(name);
        }
    }
    command
}

/// The source files of a program, from cargo's dep-info beside it: a line `program: file file`, in which a space in a name
/// is `\ `. Fails if the file cannot be read, or has no such line.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo's file about what a program was built from"
)]
pub fn sources(dep_info: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string(dep_info)?;
    let line = text.lines().next().unwrap_or_default().replace("\\ ", "\0");
    let (_, files) = line.split_once(": ").ok_or(io::ErrorKind::InvalidData)?;
    Ok(files
        .split(' ')
        .filter(|file| !file.is_empty())
        .map(|file| PathBuf::from(file.replace('\0', " ")))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test writes cargo's file")]
    fn dep_info_is_read_with_spaces_in_names_and_rejected_without_sources() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("program.d");
        fs::write(&list, "/my\\ work/p: /my\\ work/a.rs  /b.rs\n\n/b.rs:\n").unwrap();
        assert_eq!(
            sources(&list).unwrap(),
            [Path::new("/my work/a.rs"), Path::new("/b.rs")]
        );
        for text in ["", "p:\n"] {
            fs::write(&list, text).unwrap();
            assert!(sources(&list).is_err(), "{text:?}");
        }
        assert!(sources(&folder.path().join("none")).is_err());
    }
}
