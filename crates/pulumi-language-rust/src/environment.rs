//! What the processes we start may see of our own environment.
//!
//! The engine gives a language host everything it has itself: the passphrase of the stack's secrets, tokens, whatever
//! an environment service has put there. A program needs none of it: its configuration comes from the engine. So a
//! program gets a short list of variables and what the project names, and cargo, which runs other people's build
//! scripts, gets everything that does not look like a secret. This module does not read the environment; it is given one.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// An environment to start a process with.
pub type Environment = BTreeMap<OsString, OsString>;

/// Variables that every program gets, when they are set.
const ALWAYS: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "RUST_LOG",
    "RUST_BACKTRACE",
];

/// Beginnings of the names of further variables that every program gets: the locale and the places for its files.
const ALWAYS_BEGINNINGS: &[&str] = &["LC_", "XDG_"];

/// Variables that no program gets, not even when the project asks for them: the first three open the stack's
/// secrets and its state, the others the account that the state or the keys lie in.
const NEVER: &[&str] = &[
    "PULUMI_CONFIG_PASSPHRASE",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
    "PULUMI_ACCESS_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
];

/// Parts of names that speak of a secret. Cargo's own settings are exempt: a private registry needs its token.
const SECRETIVE: &[&str] = &[
    "PASSPHRASE",
    "PASSWORD",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
];

/// Whether this variable may be named in `runtime.options.forward`.
pub fn may_be_forwarded(name: &str) -> bool {
    !NEVER.contains(&name)
}

/// The environment of a program: the short list, and the variables that the project names.
pub fn for_program(
    ambient: impl IntoIterator<Item = (OsString, OsString)>,
    forward: &[String],
) -> Environment {
    keep(ambient, |name| {
        ALWAYS.contains(&name)
            || ALWAYS_BEGINNINGS
                .iter()
                .any(|beginning| name.starts_with(beginning))
            || (may_be_forwarded(name) && forward.iter().any(|wanted| wanted == name))
    })
}

/// What an outer cargo says of the package that it runs. Build scripts watch these: with them, the same sources would be
/// built again for each way in which a program can be started.
const OF_OUTER_CARGO: &[&str] = &[
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_CRATE_NAME",
    "CARGO_BIN_",
    "CARGO_PRIMARY_PACKAGE",
    "OUT_DIR",
];

/// The environment of cargo and rustc: everything but Pulumi's and the cloud's variables and what looks like a secret.
pub fn for_cargo(ambient: impl IntoIterator<Item = (OsString, OsString)>) -> Environment {
    keep(ambient, |name| {
        let foreign = ["PULUMI_", "AWS_", "ESC_"]
            .iter()
            .any(|beginning| name.starts_with(beginning));
        let secretive = SECRETIVE.iter().any(|part| name.contains(part));
        let outer = OF_OUTER_CARGO.iter().any(|beginning| name.starts_with(beginning));
        !foreign && !outer && (!secretive || name.starts_with("CARGO_"))
    })
}

/// The environment of a plugin: what the engine asks for (`NAME=value`), without what opens the stack's secrets.
/// A provider may well need the account's own variables, so those stay.
pub fn for_plugin(requested: &[String]) -> Environment {
    let pairs = requested.iter().filter_map(|pair| pair.split_once('='));
    keep(pairs.map(|(name, value)| (name.into(), value.into())), |name| {
        !NEVER[..3].contains(&name)
    })
}

/// Names that are not Unicode are none of those anybody asked for.
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
    fn a_program_sees_the_short_list_and_what_is_forwarded() {
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
    fn a_program_sees_no_passphrase_even_when_the_project_asks_for_it() {
        let forward: Vec<String> = NEVER.iter().map(ToString::to_string).collect();
        assert_eq!(names(&for_program(ambient(NEVER), &forward)), Vec::<&str>::new());
    }

    #[test]
    fn cargo_sees_its_own_token_and_nobody_elses() {
        let all = ambient(&[
            "AWS_PROFILE",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "CARGO_REGISTRIES_OURS_TOKEN",
            "CC",
            "DATABASE_PASSWORD",
            "GITHUB_TOKEN",
            "OPENAI_API_KEY",
            "PATH",
            "PULUMI_CONFIG_PASSPHRASE",
            "RUSTFLAGS",
        ]);
        assert_eq!(
            names(&for_cargo(all)),
            ["CARGO_REGISTRIES_OURS_TOKEN", "CC", "PATH", "RUSTFLAGS"]
        );
    }

    #[test]
    fn a_plugin_sees_what_the_engine_asks_for_but_the_passphrase() {
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
