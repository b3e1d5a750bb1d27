//! Changes as text for people and as JSON for machines.
//!
//! Promises that what did not change is not shown, that nothing depends on colour, and that no value of a Secret is
//! ever printed, not even one that a base rendered in clear.

use std::fmt::Write as _;

use phoenix_graph::{Change, FieldChange, Object, yaml};
use serde_json::{Value, json};
use similar::TextDiff;

use crate::comparison::{Operation, operation};
use phoenix_terminal::style;

/// How much is told of objects that are new or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// A heading each.
    Headings,
    /// Their manifests.
    Manifests,
}

/// Changes as text: a heading for each object, then a line for each field.
pub fn text(changes: &[Change], detail: Detail) -> String {
    let mut text = String::new();
    for change in changes {
        let operation = operation(change);
        let object = change.object();
        let heading = format!("{} {} {}", sign(operation), operation.as_str(), object.id);
        let _ = writeln!(
            text,
            "{}  {}",
            style::bold(&colored(operation, &heading)),
            style::dim(&format!("({})", object.component))
        );
        match change {
            Change::Created(object) if detail == Detail::Manifests => manifest(&mut text, object, '+'),
            Change::Deleted(object) if detail == Detail::Manifests => manifest(&mut text, object, '-'),
            Change::Created(_) | Change::Deleted(_) => {}
            Change::Updated { before, fields, .. } => {
                for change in fields {
                    field(&mut text, before, change);
                }
            }
        }
    }
    text
}

/// Changes as JSON: an entry for each object, with every field that differs.
pub fn json(changes: &[Change]) -> Value {
    changes
        .iter()
        .map(|change| {
            let object = change.object();
            let mut entry = json!({
                "operation": operation(change).as_str(),
                "component": object.component,
                "apiVersion": object.api_version,
                "kind": object.id.kind,
                "namespace": object.id.namespace,
                "name": object.id.name,
            });
            match change {
                Change::Created(object) => entry["after"] = without_values(object),
                Change::Deleted(object) => entry["before"] = without_values(object),
                Change::Updated { before, fields, .. } => {
                    entry["fields"] = fields
                        .iter()
                        .map(|change| {
                            let (old, new) = masked(before, change);
                            json!({"path": change.path, "before": old, "after": new, "replaces": change.replaces})
                        })
                        .collect();
                }
            }
            entry
        })
        .collect()
}

fn sign(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "+",
        Operation::Update => "~",
        Operation::Replace => "±",
        Operation::Delete => "-",
    }
}

fn colored(operation: Operation, text: &str) -> String {
    match operation {
        Operation::Create => style::green(text),
        Operation::Update => style::yellow(text),
        Operation::Replace | Operation::Delete => style::red(text),
    }
}

fn manifest(text: &mut String, object: &Object, sign: char) {
    for line in yaml::to_string(&without_values(object)).lines() {
        let line = format!("    {sign} {line}");
        let _ = writeln!(
            text,
            "{}",
            if sign == '+' {
                style::green(&line)
            } else {
                style::red(&line)
            }
        );
    }
}

fn field(text: &mut String, object: &Object, change: &FieldChange) {
    let (before, after) = masked(object, change);
    let mark = if change.replaces {
        style::red("  [replaces the object]")
    } else {
        String::new()
    };
    if let (Some(before), Some(after)) = (one_line(before.as_ref()), one_line(after.as_ref())) {
        let (before, after) = (style::red(&before), style::green(&after));
        let _ = writeln!(text, "    {}: {before} -> {after}{mark}", change.path);
    } else {
        let _ = writeln!(text, "    {}:{mark}", change.path);
        lines_that_differ(text, &lines(before.as_ref()), &lines(after.as_ref()));
    }
}

/// A value that fits behind its path; `None` for lists, mappings and texts of several lines.
fn one_line(value: Option<&Value>) -> Option<String> {
    match value {
        None => Some("(absent)".to_owned()),
        Some(Value::Array(items)) if !items.is_empty() => None,
        Some(Value::Object(fields)) if !fields.is_empty() => None,
        Some(Value::String(text)) if text.contains('\n') => None,
        Some(value) => Some(yaml::to_string(value).trim_end().to_owned()),
    }
}

fn lines(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => yaml::to_string(value),
    }
}

fn lines_that_differ(text: &mut String, before: &str, after: &str) {
    let diff = TextDiff::from_lines(before, after);
    for hunk in diff.unified_diff().context_radius(2).iter_hunks() {
        let whole = before.is_empty() || after.is_empty();
        if !whole {
            let _ = writeln!(text, "      {}", style::dim(&hunk.header().to_string()));
        }
        for change in hunk.iter_changes() {
            let line = format!("      {} {}", change.tag(), change.value().trim_end_matches('\n'));
            let line = line.trim_end();
            let painted = match change.tag() {
                similar::ChangeTag::Delete => style::red(line),
                similar::ChangeTag::Insert => style::green(line),
                similar::ChangeTag::Equal => line.to_owned(),
            };
            let _ = writeln!(text, "{painted}");
        }
    }
}

/// The places of a Secret that hold its values.
const VALUES: [&str; 2] = ["data", "stringData"];

/// A manifest in which no value of a Secret is left.
fn without_values(object: &Object) -> Value {
    let mut body = object.body().clone();
    if is_secret(object) {
        for place in VALUES {
            if let Some(Value::Object(values)) = body.get_mut(place) {
                values
                    .iter_mut()
                    .for_each(|(_, value)| *value = hidden(value, ""));
            }
        }
    }
    body
}

/// Both sides of a changed field, in which no value of a Secret is left, but still seen to differ.
fn masked(object: &Object, change: &FieldChange) -> (Option<Value>, Option<Value>) {
    let in_values = VALUES.iter().any(|place| {
        change
            .path
            .strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    if !is_secret(object) || !in_values {
        return (change.before.clone(), change.after.clone());
    }
    let side = |value: Option<&Value>, word| value.map(|value| hidden(value, word));
    (
        side(change.before.as_ref(), " (before)"),
        side(change.after.as_ref(), " (after)"),
    )
}

fn is_secret(object: &Object) -> bool {
    object.id.kind == "Secret" && object.id.group.is_empty()
}

/// References to secrets may be seen; everything else under a Secret's values is hidden.
fn hidden(value: &Value, word: &str) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), hidden(value, word)))
            .collect(),
        Value::String(text) if text.starts_with("secret phoenix:") => value.clone(),
        _ => Value::from(format!("***{word}")),
    }
}

#[cfg(test)]
mod tests {
    use phoenix::provider::compare;
    use phoenix_graph::Graph;

    use super::*;

    fn plain(changes: &[Change], detail: Detail) -> String {
        style::strip(&text(changes, detail))
    }

    fn changes(before: &Value, after: &Value) -> Vec<Change> {
        let graph = |body: &Value| {
            let mut graph = Graph::of("qdrant");
            if !body.is_null() {
                graph.add(Object::from_json("qdrant", body.clone()).unwrap());
            }
            graph
        };
        compare(&graph(before), &graph(after)).changes
    }

    fn config_map(data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "memory"}, "data": data})
    }

    #[test]
    fn a_field_is_told_with_its_path_and_both_values() {
        let changes = changes(
            &config_map(&json!({"a": "1", "b": "2"})),
            &config_map(&json!({"a": "x", "b": "2", "c": ""})),
        );
        assert_eq!(
            plain(&changes, Detail::Manifests),
            "~ update ConfigMap memory/a  (qdrant)\n    data.a: \"1\" -> x\n    data.c: (absent) -> \"\"\n"
        );
    }

    #[test]
    fn a_text_of_many_lines_shows_only_those_that_differ() {
        let script = |middle: &str| {
            let lines: Vec<_> = (1..=9)
                .map(|number| {
                    if number == 5 {
                        middle.to_owned()
                    } else {
                        format!("line {number}")
                    }
                })
                .collect();
            config_map(&json!({"script": lines.join("\n") + "\n"}))
        };
        let text = plain(&changes(&script("old"), &script("new")), Detail::Manifests);
        assert_eq!(
            text,
            "~ update ConfigMap memory/a  (qdrant)\n    data.script:\n      @@ -3,5 +3,5 @@\n        line 3\n        line 4\n      \
             - old\n      + new\n        line 6\n        line 7\n"
        );
    }

    #[test]
    fn a_new_object_shows_its_manifest_only_where_that_is_wanted() {
        let changes = changes(&Value::Null, &config_map(&json!({"a": "x"})));
        assert_eq!(
            plain(&changes, Detail::Headings),
            "+ create ConfigMap memory/a  (qdrant)\n"
        );
        assert!(plain(&changes, Detail::Manifests).contains("    + data:\n    +   a: x\n"));
    }

    #[test]
    fn what_replaces_an_object_is_marked() {
        let service = |address: &str| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "memory"}, "spec": {"clusterIP": address}});
        let text = plain(&changes(&service("None"), &service("")), Detail::Manifests);
        assert_eq!(
            text,
            "± replace Service memory/a  (qdrant)\n    spec.clusterIP: \"None\" -> \"\"  [replaces the object]\n"
        );
    }

    #[test]
    fn no_value_of_a_secret_is_shown_and_a_change_of_one_is() {
        let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "memory"}, "stringData": {"key": value, "other": "secret phoenix:x"}});
        let updated = changes(&secret("old-value"), &secret("new-value"));
        assert!(
            plain(&updated, Detail::Manifests)
                .contains("stringData.key: \"*** (before)\" -> \"*** (after)\"")
        );
        for changes in [
            updated,
            changes(&Value::Null, &secret("new-value")),
            changes(&secret("old-value"), &Value::Null),
        ] {
            let shown = plain(&changes, Detail::Manifests) + &json(&changes).to_string();
            assert!(!shown.contains("-value"), "{shown}");
        }
        assert!(
            json(&changes(&Value::Null, &secret("x")))
                .to_string()
                .contains("secret phoenix:x")
        );
    }
}
