//! The environments of child processes.
//!
//! The engine passes its whole environment to a language host, including the passphrase of the stack's secrets and tokens. A
//! program does not need them, because it reads its configuration from the engine. A program therefore gets a short list of
//! variables and those that the project lists. Cargo, which runs third-party build scripts, gets those of
//! [`phoenix_terminal::cargo`]. The functions are pure: the current environment is an argument.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// The environment of a process.
pub type Environment = BTreeMap<OsString, OsString>;

/// Variables that every program gets, if they are set.
const ALWAYS: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "RUST_LOG",
    "RUST_BACKTRACE",
];

/// Prefixes of further variables that every program gets: the locale and the XDG folders.
const ALWAYS_PREFIXES: &[&str] = &["LC_", "XDG_"];

/// Variables that no program gets, even if the project lists them. The first three give access to the stack's secrets and
/// state, the others to the AWS account that may store them.
const NEVER: &[&str] = &[
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_ACCESS_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
];

/// Whether a variable is allowed in `runtime.options.forward`.
pub fn may_be_forwarded(name: &str) -> bool {
    !NEVER.contains(&name)
}

/// The environment of a program: the default list, and the variables in `forward`.
pub fn for_program(
    ambient: impl IntoIterator<Item = (OsString, OsString)>,
    forward: &[String],
) -> Environment {
    keep(ambient, |name| {
        ALWAYS.contains(&name)
            || ALWAYS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || (may_be_forwarded(name) && forward.iter().any(|wanted| wanted == name))
    })
}

/// The environment of cargo and rustc: the variables that build scripts may read.
pub fn for_cargo(ambient: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    keep(ambient, phoenix_terminal::cargo::may_read)
}

/// The environment of a plugin: what the engine requests (`NAME=value`), without access to the stack's secrets. AWS
/// variables are kept, because a provider can need them.
pub fn for_plugin(requested: &[String]) -> Environment {
    let pairs = requested.iter().filter_map(|pair| pair.split_once('='));
    keep(pairs.map(|(name, value)| (name.into(), value.into())), |name| {
        !NEVER[..3].contains(&name)
    })
}

/// Keeps the variables with a matching name. Names that are not Unicode never match.
fn keep(
    ambient: impl IntoIterator<Item = (OsString, OsString)>,
    wanted: impl Fn(&str) -> bool,
) -> Environment {
    ambient
        .into_iter()
        .filter(|(name, _)| OsStr::to_str(name).is_some_and(&wanted))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ambient(names: &[&str]) -> Vec<(OsString, OsString)> {
        names
            .iter()
            .map(|name| (OsString::from(name), OsString::from("value")))
            .collect()
    }

    fn names(environment: &Environment) -> Vec<&str> {
        environment.keys().map(|name| name.to_str().unwrap()).collect()
    }

    #[test]
    fn a_program_gets_the_default_list_and_forwarded_variables() {
        let all = ambient(&[
            "PATH",
            "HOME",
            "LC_ALL",
            "XDG_CACHE_HOME",
            "RUST_LOG",
            "EDITOR",
            "KUBECONFIG",
            "SSH_AUTH_SOCK",
        ]);
        let seen = for_program(all, &["KUBECONFIG".to_owned()]);
        assert_eq!(
            names(&seen),
            [
                "HOME",
                "KUBECONFIG",
                "LC_ALL",
                "PATH",
                "RUST_LOG",
                "XDG_CACHE_HOME"
            ]
        );
    }

    #[test]
    fn a_program_never_gets_the_passphrase() {
        let forward: Vec<String> = NEVER.iter().map(ToString::to_string).collect();
        assert_eq!(names(&for_program(ambient(NEVER), &forward)), Vec::<&str>::new());
    }

    #[test]
    fn cargo_gets_no_credentials() {
        let all = ambient(&[
            "AWS_PROFILE",
            "CARGO_MANIFEST_DIR",
            "CC",
            "GITHUB_TOKEN",
            "PATH",
            "RUSTFLAGS",
        ]);
        assert_eq!(names(&for_cargo(all)), ["CC", "PATH", "RUSTFLAGS"]);
    }

    #[test]
    fn a_plugin_gets_what_the_engine_requests_except_the_passphrase() {
        let requested = [
            "A=b=c",
            "PULUMI_CONFIG_PASSPHRASE=x",
            "PULUMI_ACCESS_TOKEN=y",
            "AWS_ACCESS_KEY_ID=z",
            "broken",
        ];
        let seen = for_plugin(&requested.map(str::to_owned));
        assert_eq!(names(&seen), ["A", "AWS_ACCESS_KEY_ID"]);
        assert_eq!(seen[OsStr::new("A")], "b=c");
    }
}
