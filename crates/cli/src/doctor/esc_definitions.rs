//! Whether the ESC environment definitions in `stacks/esc` that a stack's secrets come from are complete. Pulumi Cloud is not
//! queried.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, anyhow};
use phoenix::config::{EscEnvironment, SecretsMode};
use serde_json::Value;

use crate::checkout::Checkout;
use crate::stack::Stack;
use crate::stack_file::import_names;
use phoenix_manifests::yaml::{self, Document};
use phoenix_terminal::checklist::Check;
use phoenix_terminal::output::count;

/// The ESC project of the environments that are defined in this repository.
const PROJECT: &str = "phoenix";

/// The largest accepted file, in bytes. A definition has about a page.
const LARGEST: u64 = 256 * 1024;

/// Checks that no value is a placeholder; `None` if the stack uses no environment that is defined in this repository.
pub fn run(checkout: &Checkout, stack: &Stack) -> Option<Check> {
    let subject = "definitions";
    let mut waiting = environments(stack);
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    let mut missing = Vec::new();
    while let Some(name) = waiting.pop() {
        let Some(file) = file(&name) else { continue };
        let path = checkout
            .root()
            .join(checkout.stacks_folder())
            .join("esc")
            .join(&file);
        if !seen.insert(file) || !path.exists() {
            continue;
        }
        let shown = checkout.shown(&path);
        let document = match read(&path) {
            Ok(document) => document,
            Err(error) => {
                return Some(Check::fail(
                    subject,
                    format!("{shown} cannot be read: {error}"),
                    "correct the file; stacks/esc/README.md describes its content",
                ));
            }
        };
        waiting.extend(
            document
                .value
                .get("imports")
                .map(import_names)
                .unwrap_or_default(),
        );
        for (key, what) in placeholders(&document.value) {
            let line = document
                .lines
                .get(&key)
                .map(|line| format!(":{line}"))
                .unwrap_or_default();
            missing.push(format!("\n{shown}{line}: {key} — {what}"));
        }
        files.push(shown);
    }
    if files.is_empty() {
        return None;
    }
    if missing.is_empty() {
        return Some(Check::good(subject, format!("complete: {}", files.join(", "))));
    }
    Some(Check::fail(
        subject,
        format!(
            "{} not set; the environment cannot be opened until all are set:{}",
            count(missing.len(), "value"),
            missing.concat()
        ),
        "replace `placeholder:` with the value, then update the environment: `pulumi env edit ORGANIZATION/PROJECT/NAME --file FILE`",
    ))
}

/// The environments that the stack's secrets come from, as `project/name`.
fn environments(stack: &Stack) -> Vec<String> {
    let path = |environment: &EscEnvironment| format!("{}/{}", environment.project, environment.name);
    let opened = match &stack.config.secrets {
        SecretsMode::Local | SecretsMode::PulumiEsc => None,
        SecretsMode::EscDirect(direct) => direct.environment.as_ref(),
        SecretsMode::ExternalSecrets(external) => external.environment.as_ref(),
    };
    let mut names = stack.file.imports.clone().unwrap_or_default();
    names.extend(opened.map(path));
    names
}

/// The name of the file that defines an environment, which a stack or another definition references by this name.
fn file(name: &str) -> Option<String> {
    let (name, _version) = name.split_once('@').unwrap_or((name, ""));
    let name = name.strip_prefix(PROJECT)?.strip_prefix('/')?;
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    (is_plain && !name.is_empty()).then(|| format!("{name}.yaml"))
}

fn read(path: &std::path::Path) -> Result<Document> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(anyhow!("it has more than {LARGEST} bytes"));
    }
    let mut documents = yaml::read(&fs::read_to_string(path)?)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Ok(document),
        _ => Err(anyhow!("it does not consist of exactly one document")),
    }
}

/// Every `{placeholder: description}`, with its path.
fn placeholders(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), value)];
    while let Some((path, value)) = waiting.pop() {
        match value {
            Value::Object(fields) => match fields.get("placeholder").and_then(Value::as_str) {
                Some(what) if fields.len() == 1 => found.push((path, what.to_owned())),
                _ => waiting.extend(fields.iter().map(|(name, value)| {
                    let dot = if path.is_empty() { "" } else { "." };
                    (format!("{path}{dot}{name}"), value)
                })),
            },
            Value::Array(items) => {
                let items = items.iter().enumerate();
                waiting.extend(items.map(|(index, value)| (format!("{path}[{index}]"), value)));
            }
            _ => {}
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn environments_of_our_project_have_files_and_no_name_leads_elsewhere() {
        assert_eq!(file("phoenix/prod").as_deref(), Some("prod.yaml"));
        assert_eq!(file("phoenix/prod@stable").as_deref(), Some("prod.yaml"));
        for other in [
            "prod",
            "shop/prod",
            "phoenix/../Pulumi.prod",
            "phoenix/",
            "phoenix/a/b",
            "phoenixer/a",
        ] {
            assert_eq!(file(other), None, "{other}");
        }
    }

    #[test]
    fn placeholders_are_found_at_any_depth_and_nothing_else_is_one() {
        let value = json!({
            "values": {
                "account": {"placeholder": "its number"},
                "list": [1, {"placeholder": "the second"}],
                "none": {"placeholder": "a key beside it", "other": 1},
                "number": {"placeholder": 3},
            }
        });
        let expected = [("values.account", "its number"), ("values.list[1]", "the second")];
        assert_eq!(
            placeholders(&value),
            expected.map(|(path, what)| (path.to_owned(), what.to_owned()))
        );
    }
}
