//! Running cargo from a program that cargo itself may have started, and reading what it wrote. This module is an edge: it
//! reads the environment, the permissions of target folders, and files of cargo.
//!
//! Cargo runs build scripts and procedural macros of every dependency. They get the variables of a short list and no others,
//! because the environment of a deployment contains credentials for clouds, registries, vaults and databases.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// The variables that cargo may read. The launcher `bin/pulumi-language-rust` has the same list.
pub const VARIABLES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TERM",
    "COLORTERM",
    "LANG",
    "LANGUAGE",
    "TZ",
    "CI",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SOURCE_DATE_EPOCH",
    "CC",
    "CXX",
    "AR",
    "LD",
    "RANLIB",
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "CPATH",
    "C_INCLUDE_PATH",
    "LIBRARY_PATH",
    "LD_LIBRARY_PATH",
    "SDKROOT",
    "DEVELOPER_DIR",
    "MACOSX_DEPLOYMENT_TARGET",
];

/// Prefixes of further variables that cargo may read: those of cargo, rustc and rustup, of C compilers for a target, the
/// locale and the XDG folders.
pub const PREFIXES: &[&str] = &[
    "CARGO_",
    "RUST",
    "CC_",
    "CXX_",
    "AR_",
    "CFLAGS_",
    "CXXFLAGS_",
    "PKG_CONFIG",
    "NIX_",
    "DYLD_",
    "LC_",
    "XDG_",
];

/// Parts of names that cargo may not read in any case. A private registry needs a credential provider, or a token in the file
/// `credentials.toml` of `CARGO_HOME`.
pub const SECRET_PARTS: &[&str] = &["TOKEN", "SECRET", "PASSWORD"];

/// Prefixes of variables that `cargo run` sets for the program it runs. Build scripts watch them, so the same sources would be
/// rebuilt depending on how this program was started.
pub const OF_CARGO_RUN: &[&str] = &[
    "CARGO_BIN_",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
];

/// Whether cargo, and with it any build script, may read this variable.
pub fn may_read(variable: &str) -> bool {
    let starts_with = |prefix: &&str| variable.starts_with(*prefix);
    let listed = VARIABLES.contains(&variable) || PREFIXES.iter().any(starts_with);
    listed
        && !OF_CARGO_RUN.iter().any(starts_with)
        && !SECRET_PARTS.iter().any(|part| variable.contains(part))
}

/// A command that runs `cargo` with the variables it may read.
pub fn command() -> Command {
    command_of("cargo")
}

/// The same for another path of cargo.
pub fn command_of(cargo: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(cargo);
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(may_read)));
    command
}

/// Cargo's target folder, if it is set for this process. Cargo takes a relative path from the folder in which it is started,
/// which is this process's own.
#[expect(clippy::disallowed_methods, reason = "as cargo itself does")]
pub fn target_folder() -> io::Result<Option<PathBuf>> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => std::path::absolute(&folder).map(Some),
        _ => Ok(None),
    }
}

/// Why programs in a target folder must not be run or replaced: another user can write to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Exposed {
    /// The path that another user can write to.
    pub path: PathBuf,
}

impl std::fmt::Display for Exposed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "another user can write to {}", self.path.display())
    }
}

impl std::error::Error for Exposed {}

impl Exposed {
    /// How to fix it.
    pub const HINT: &str = "run `chmod go-w` on it, or set CARGO_TARGET_DIR to a folder of your own";
}

/// Checks that only this user and root can write to the target folder, its `debug`, `release` and `pulumi` folders, and
/// `program`. Paths that do not exist are not checked. A group is accepted if it is this user's primary group.
pub fn check_target(target: &Path, program: Option<&Path>) -> Result<(), Exposed> {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    let folders = ["debug", "release", "pulumi"].map(|name| target.join(name));
    let paths = std::iter::once(target)
        .chain(folders.iter().map(PathBuf::as_path))
        .chain(program);
    for path in paths {
        let Ok(found) = fs::metadata(path) else { continue };
        let owned = found.uid() == user || found.uid() == 0;
        let by_group = found.mode() & 0o020 != 0 && found.gid() != group;
        if !owned || by_group || found.mode() & 0o002 != 0 {
            return Err(Exposed {
                path: path.to_owned(),
            });
        }
    }
    Ok(())
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn cargo_reads_its_own_settings_and_no_credentials() {
        for variable in [
            "PATH",
            "CARGO_HOME",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
            "CC_x86_64_unknown_linux_gnu",
            "LC_ALL",
        ] {
            assert!(may_read(variable), "{variable}");
        }
        for variable in [
            "AWS_PROFILE",
            "AWS_SECRET_ACCESS_KEY",
            "AZURE_CLIENT_SECRET",
            "CARGO_MANIFEST_DIR",
            "CARGO_REGISTRIES_OURS_TOKEN",
            "CARGO_REGISTRY_TOKEN",
            "DATABASE_URL",
            "GH_PAT",
            "GITHUB_TOKEN",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "KUBECONFIG",
            "NETRC",
            "NPM_CONFIG__AUTH",
            "OUT_DIR",
            "PGPASSWORD",
            "PHOENIX_ESC_TOKEN",
            "PULUMI_CONFIG_PASSPHRASE",
            "SSH_AUTH_SOCK",
            "VAULT_ADDR",
            "VAULT_TOKEN",
        ] {
            assert!(!may_read(variable), "{variable}");
        }
        let command = command();
        let names: Vec<_> = command.get_envs().filter_map(|(name, _)| name.to_str()).collect();
        assert!(names.contains(&"PATH"), "{names:?}");
        assert!(names.iter().all(|name| may_read(name)), "{names:?}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test writes a program")]
    fn a_target_folder_that_others_can_write_to_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        assert_eq!(check_target(&target, None), Ok(()), "there is nothing yet");
        let debug = target.join("debug");
        fs::create_dir_all(&debug).unwrap();
        let program = debug.join("program");
        fs::write(&program, "").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for path in [&target, &debug, &program] {
            mode(path, 0o755);
            assert_eq!(check_target(&target, Some(&program)), Ok(()));
            for exposed in [0o757, 0o777, 0o1777, 0o702] {
                mode(path, exposed);
                let error = check_target(&target, Some(&program)).unwrap_err();
                assert_eq!(&error.path, path, "{exposed:o}");
            }
            // The primary group of a user usually has no other members.
            mode(path, 0o775);
            assert_eq!(check_target(&target, Some(&program)), Ok(()));
        }
    }

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
