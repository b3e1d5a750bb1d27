//! What a project says below `runtime.options` in Pulumi.yaml.
//!
//! Two options are known. Everything else is refused, so that a misspelled one is not silently without effect.

use crate::environment::may_be_forwarded;
use crate::mistake::mistake;
use anyhow::Result;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use std::path::PathBuf;

/// The options of one project.
#[derive(Debug, Default, PartialEq)]
pub struct Options {
    /// A program that is already built: absolute, or relative to the program's folder. Nothing is built then.
    pub binary: Option<PathBuf>,
    /// Names of variables that the program shall see, besides the short list that every program sees.
    pub forward: Vec<String>,
}

impl Options {
    /// Reads the options as the engine passes them on.
    pub fn read(given: Option<&Struct>) -> Result<Self> {
        let mut options = Self::default();
        for (key, value) in given.iter().flat_map(|given| &given.fields) {
            match key.as_str() {
                "binary" => options.binary = Some(read_binary(value)?),
                "forward" => options.forward = read_forward(value)?,
                _ => {
                    return Err(mistake(
                        format!("runtime.options.{key} is not an option of runtime rust"),
                        "the options are `binary` and `forward`",
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
        _ => Err(mistake(
            "runtime.options.binary is not a path",
            "write the path of the built program, or leave the option out to have it built",
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
            Err(mistake(
                format!("runtime.options.forward names {name}, which no program may see"),
                "remove it; a program gets its configuration and secrets from the engine",
            ))
        }
        _ => Err(not_a_list_of_names()),
    }
}

fn not_a_list_of_names() -> anyhow::Error {
    mistake(
        "runtime.options.forward is not a list of names of environment variables",
        "write it as `forward: [KUBECONFIG, HTTPS_PROXY]`, or leave it out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistake::tell;
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
        Options::read(Some(&given)).map_err(|error| tell(&error))
    }

    #[test]
    fn a_project_without_options_has_the_default_ones() {
        assert_eq!(Options::read(None).unwrap(), Options::default());
    }

    #[test]
    fn both_options_are_read() {
        assert_eq!(
            read("binary", text("bin/program")).unwrap().binary,
            Some("bin/program".into())
        );
        assert_eq!(
            read("forward", list(&["KUBECONFIG", "A"])).unwrap().forward,
            ["KUBECONFIG", "A"]
        );
    }

    #[test]
    fn a_misspelled_option_is_refused() {
        assert_eq!(
            read("foward", list(&[])).unwrap_err(),
            "runtime.options.foward is not an option of runtime rust\nhint: the options are `binary` and `forward`"
        );
    }

    #[test]
    fn the_passphrase_cannot_be_forwarded() {
        let told = read("forward", list(&["PULUMI_CONFIG_PASSPHRASE"])).unwrap_err();
        assert!(
            told.contains("names PULUMI_CONFIG_PASSPHRASE, which no program may see\nhint: remove it"),
            "{told}"
        );
    }

    #[test]
    fn a_forward_that_is_no_list_of_names_is_refused() {
        for value in [text("KUBECONFIG"), list(&["A=b"]), list(&[""])] {
            let told = read("forward", value).unwrap_err();
            assert!(told.contains("is not a list of names"), "{told}");
        }
    }
}
