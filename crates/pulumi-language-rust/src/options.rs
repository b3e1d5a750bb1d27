//! The options below `runtime.options` in Pulumi.yaml, PulumiPolicy.yaml, or PulumiPlugin.yaml.
//!
//! An unknown option is an error, so that a misspelled one is not silently ignored.

use crate::environment::may_be_forwarded;
use anyhow::Result;
use phoenix_terminal::user_error::user_error;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use std::path::PathBuf;

/// The options of one project.
#[derive(Debug, PartialEq)]
pub struct Options {
    /// The path of a prebuilt program, absolute or relative to the program's folder. Nothing is built.
    pub binary: Option<PathBuf>,
    /// Names of environment variables that are passed to the program, in addition to the default list.
    pub forward: Vec<String>,
    /// The Cargo package to build and run: a member of the workspace that contains the program's folder. Without it, the
    /// package in the program's folder.
    pub package: Option<String>,
    /// The Cargo profile to build with.
    pub profile: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            binary: None,
            forward: Vec::new(),
            package: None,
            profile: "dev".to_owned(),
        }
    }
}

impl Options {
    /// Parses the options that the engine passes to the host.
    pub fn read(given: Option<&Struct>) -> Result<Self> {
        let mut options = Self::default();
        for (key, value) in given.iter().flat_map(|given| &given.fields) {
            match key.as_str() {
                "binary" => options.binary = Some(read_binary(value)?),
                "forward" => options.forward = read_forward(value)?,
                "package" => options.package = Some(read_name(key, value, "phoenix-program")?),
                "profile" => options.profile = read_name(key, value, "release")?,
                _ => {
                    return Err(user_error(
                        format!("runtime.options.{key} is not an option of the runtime rust"),
                        "the options are `binary`, `forward`, `package` and `profile`",
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn read_binary(value: &Value) -> Result<PathBuf> {
    match &value.kind {
        Some(Kind::StringValue(path)) if !path.is_empty() => Ok(path.into()),
        _ => Err(user_error(
            "runtime.options.binary is not a path",
            "set it to the path of a prebuilt program, or remove it to build the program",
        )),
    }
}

/// The name of a package or a profile: the characters that Cargo allows in both.
fn read_name(option: &str, value: &Value, example: &str) -> Result<String> {
    let is_allowed = |character: char| character.is_alphanumeric() || "-_".contains(character);
    match &value.kind {
        Some(Kind::StringValue(name))
            if !name.is_empty() && !name.starts_with('-') && name.chars().all(is_allowed) =>
        {
            Ok(name.clone())
        }
        _ => Err(user_error(
            format!("runtime.options.{option} is not the name of a Cargo {option}"),
            format!("write it as `{option}: {example}`, or remove it to use the default"),
        )),
    }
}

fn read_forward(value: &Value) -> Result<Vec<String>> {
    let Some(Kind::ListValue(list)) = &value.kind else {
        return Err(not_a_list_of_names());
    };
    list.values.iter().map(read_forwarded).collect()
}

fn read_forwarded(value: &Value) -> Result<String> {
    match &value.kind {
        Some(Kind::StringValue(name)) if !name.is_empty() && !name.contains('=') => {
            if may_be_forwarded(name) {
                return Ok(name.clone());
            }
            Err(user_error(
                format!("runtime.options.forward contains {name}, which must not be passed to programs"),
                "remove it; a program reads its configuration and secrets from the engine",
            ))
        }
        _ => Err(not_a_list_of_names()),
    }
}

fn not_a_list_of_names() -> anyhow::Error {
    user_error(
        "runtime.options.forward is not a list of names of environment variables",
        "write it as `forward: [KUBECONFIG, HTTPS_PROXY]`, or remove it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use phoenix_terminal::user_error::render_inline;
    use prost_types::ListValue;

    fn text(text: &str) -> Value {
        Value {
            kind: Some(Kind::StringValue(text.to_owned())),
        }
    }

    fn list(values: &[&str]) -> Value {
        let values = values.iter().map(|value| text(value)).collect();
        Value {
            kind: Some(Kind::ListValue(ListValue { values })),
        }
    }

    fn read(key: &str, value: Value) -> Result<Options, String> {
        let given = Struct {
            fields: [(key.to_owned(), value)].into(),
        };
        Options::read(Some(&given)).map_err(|error| render_inline(&error))
    }

    #[test]
    fn a_project_without_options_has_the_defaults() {
        assert_eq!(Options::read(None).unwrap(), Options::default());
    }

    #[test]
    fn each_option_is_read() {
        assert_eq!(
            read("binary", text("bin/program")).unwrap().binary,
            Some("bin/program".into())
        );
        assert_eq!(
            read("forward", list(&["KUBECONFIG", "A"])).unwrap().forward,
            ["KUBECONFIG", "A"]
        );
        assert_eq!(
            read("package", text("my-program")).unwrap().package,
            Some("my-program".to_owned())
        );
        assert_eq!(read("profile", text("release")).unwrap().profile, "release");
    }

    #[test]
    fn the_default_profile_is_dev() {
        assert_eq!(Options::default().profile, "dev");
    }

    #[test]
    fn a_package_or_profile_that_is_not_a_name_is_rejected() {
        for value in ["", "a b", "--all", "crates/program"] {
            for option in ["package", "profile"] {
                let error = read(option, text(value)).unwrap_err();
                assert!(
                    error.starts_with(&format!(
                        "runtime.options.{option} is not the name of a Cargo {option}\nhint: "
                    )),
                    "{error}"
                );
            }
        }
        assert!(read("profile", list(&["dev"])).is_err());
    }

    #[test]
    fn a_misspelled_option_is_an_error() {
        assert_eq!(
            read("foward", list(&[])).unwrap_err(),
            "runtime.options.foward is not an option of the runtime rust\nhint: the options are `binary`, `forward`, `package` and `profile`"
        );
    }

    #[test]
    fn the_passphrase_cannot_be_forwarded() {
        let error = read("forward", list(&["PULUMI_CONFIG_PASSPHRASE"])).unwrap_err();
        assert!(
            error.contains(
                "contains PULUMI_CONFIG_PASSPHRASE, which must not be passed to programs\nhint: remove it"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_forward_that_is_not_a_list_of_names_is_rejected() {
        for value in [text("KUBECONFIG"), list(&["A=b"]), list(&[""])] {
            let error = read("forward", value).unwrap_err();
            assert!(error.contains("is not a list of names"), "{error}");
        }
    }
}
