//! Errors as JSON: the format `error`, which every verb with `--format json` writes if it fails.

use std::ffi::OsString;

use anyhow::Error;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output;
use phoenix_terminal::user_error::{messages_and_hints, user_error};
use serde_json::{Value, json};

use crate::stack::{Invalid, Several};

/// The name of the format.
pub const FORMAT: &str = "error";

/// Writes the error to stdout in the format `error`. Failure to write is ignored: the error is on stderr as well.
pub fn write(error: &Error) {
    let _ = output::document(
        FORMAT,
        json!({"exitCode": Exit::Failed.code(), "errors": errors(error, None)}),
    );
}

/// The independent errors in an error, each as JSON. `stack` names the stack if the error does not.
pub fn errors(error: &Error, stack: Option<&str>) -> Vec<Value> {
    match error.downcast_ref::<Several>() {
        Some(several) => several.0.iter().flat_map(|error| errors(error, stack)).collect(),
        None => vec![one(error, stack)],
    }
}

fn one(error: &Error, stack: Option<&str>) -> Value {
    let (mut messages, hints) = messages_and_hints(error);
    let invalid = error.chain().find_map(|cause| cause.downcast_ref::<Invalid>());
    let mut problems = Vec::new();
    if let Some(invalid) = invalid {
        // The text of this error repeats the problems.
        let text = invalid.to_string();
        for message in messages
            .iter_mut()
            .filter(|message| text.starts_with(message.as_str()))
        {
            *message = invalid.summary();
        }
        problems.extend(invalid.problems.iter().map(|problem| {
            json!({
                "key": problem.key,
                "message": problem.message,
                "hint": problem.hint,
                "file": problem.origin.as_ref().map(|origin| &origin.file),
                "line": problem.origin.as_ref().map(|origin| origin.line),
            })
        }));
    }
    let stack = invalid.map(|invalid| invalid.stack.as_str()).or(stack);
    let message = messages.remove(0);
    json!({"stack": stack, "message": message, "causes": messages, "hints": hints, "problems": problems})
}

/// Whether the command line requests JSON, also if it cannot be parsed.
pub fn is_json_requested(arguments: &[OsString]) -> bool {
    let mut before = "";
    for argument in arguments
        .iter()
        .map(|argument| argument.to_str().unwrap_or_default())
    {
        // Arguments after `--` are for another program.
        if argument == "--" {
            return false;
        }
        if argument == "--format=json" || (before == "--format" && argument == "json") {
            return true;
        }
        before = argument;
    }
    false
}

/// An error of the command line, as clap prints it, without styles.
pub fn usage_error(error: &clap::Error) -> Error {
    let text = error.to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let message = lines
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned();
    let hint = lines.map(str::trim).collect::<Vec<_>>().join("; ");
    if hint.is_empty() {
        Error::msg(message)
    } else {
        user_error(message, hint)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;
    use crate::stack_file::StackFile;

    #[test]
    fn the_chain_and_the_hints_are_separate() {
        let error =
            Err::<(), _>(user_error("the file is empty", "write something")).context("cannot read dev");
        assert_eq!(
            errors(&error.unwrap_err(), Some("dev")),
            [json!({
                "stack": "dev", "message": "cannot read dev", "causes": ["the file is empty"],
                "hints": ["write something"], "problems": [],
            })]
        );
    }

    #[test]
    fn problems_of_a_stack_have_fields_of_their_own() {
        let text = "config:\n  phoenix:qdrant:\n    replica: 1\n".to_owned();
        let file = StackFile::parse("stacks/Pulumi.dev.yaml", text).unwrap();
        let invalid = Invalid::new("dev", &file, file.checked().unwrap_err());
        let several = Several::or_one(vec![invalid.into(), anyhow!("no")]);
        let found = errors(&several, None);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["stack"], "dev");
        let message = found[0]["message"].as_str().unwrap();
        assert!(
            message.starts_with("invalid stack dev: ") && message.lines().count() == 1,
            "{message}"
        );
        let problems = found[0]["problems"].as_array().unwrap();
        let problem = problems
            .iter()
            .find(|problem| problem["key"] == "phoenix:qdrant.replica")
            .unwrap();
        assert_eq!(
            (&problem["file"], &problem["line"]),
            (&json!("stacks/Pulumi.dev.yaml"), &json!(3))
        );
        assert_eq!(
            found[1],
            json!({"stack": null, "message": "no", "causes": [], "hints": [], "problems": []})
        );
    }

    #[test]
    fn json_is_recognized_in_both_notations() {
        let requested =
            |arguments: &[&str]| is_json_requested(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(requested(&["phoenix", "check", "--format", "json", "x"]));
        assert!(requested(&["phoenix", "check", "--format=json"]));
        assert!(!requested(&["phoenix", "check", "--format", "sarif", "json"]));
        assert!(!requested(&[
            "phoenix", "sandbox", "pulumi", "--", "--format", "json"
        ]));
    }
}
