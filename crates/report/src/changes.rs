//! Changes as text and JSON.
//!
//! Shows only what changed, the riskiest changes first: losses by what is at risk, then the other changes. Values of Secrets
//! are never shown, not even those that a base rendered in plain text.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use phoenix_graph::{Change, Changes, FieldChange, Object, yaml};
use phoenix_style::{self as style, escape_control, escape_line};
use serde_json::{Value, json};
use similar::TextDiff;

/// What happens to an object, in the order of increasing risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// It is created.
    Create,
    /// Some of its fields change.
    Update,
    /// It is deleted and created again.
    Replace,
    /// It is deleted.
    Delete,
}

/// The number of changed objects by operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeCounts {
    /// Created objects.
    pub create: usize,
    /// Objects that are updated in place.
    pub update: usize,
    /// Objects that are deleted and created again.
    pub replace: usize,
    /// Deleted objects.
    pub delete: usize,
}

/// How much of created and deleted objects is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Only a heading.
    Headings,
    /// Their manifests.
    Manifests,
}

/// Changes as text, the riskiest first: a heading for each object, then a line for each field.
pub fn text(changes: &Changes, detail: Detail) -> String {
    let mut text = String::new();
    for change in by_risk(changes) {
        let operation = operation(change);
        let object = change.object();
        let heading = format!(
            "{} {} {}",
            sign(operation),
            operation.as_str(),
            escape_line(&object.id.to_string())
        );
        let _ = writeln!(
            text,
            "{}  {}",
            style::bold(&colored(operation, &heading)),
            style::dim(&format!("({})", escape_line(&object.component)))
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

/// Changes as JSON, the riskiest first: an entry for each object, with every field that differs.
pub fn json(changes: &Changes) -> Value {
    by_risk(changes)
        .into_iter()
        .map(|change| {
            let object = change.object();
            let mut entry = json!({
                "operation": operation(change).as_str(),
                "system": object.component,
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
                            json!({
                                "path": change.path, "before": old, "after": new, "replaces": change.replaces,
                                "firstValue": change.first_value,
                            })
                        })
                        .collect();
                }
            }
            entry
        })
        .collect()
}

/// The operation of a change.
pub fn operation(change: &Change) -> Operation {
    match change {
        Change::Created(_) => Operation::Create,
        Change::Deleted(_) => Operation::Delete,
        Change::Updated { .. } if change.replaces() => Operation::Replace,
        Change::Updated { .. } => Operation::Update,
    }
}

impl Operation {
    /// The word for it in headings and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

impl ChangeCounts {
    /// Counts changes.
    pub fn of(changes: &Changes) -> Self {
        let mut counts = Self::default();
        for change in &changes.changes {
            match operation(change) {
                Operation::Create => counts.create += 1,
                Operation::Update => counts.update += 1,
                Operation::Replace => counts.replace += 1,
                Operation::Delete => counts.delete += 1,
            }
        }
        counts
    }

    /// The counts as JSON.
    pub fn json(self) -> Value {
        json!({"create": self.create, "update": self.update, "replace": self.replace, "delete": self.delete})
    }

    /// The number of changed objects.
    pub fn total(self) -> usize {
        self.create + self.update + self.replace + self.delete
    }

    /// `12 create, 4 update, 1 REPLACE, 1 DELETE`; empty without changes.
    pub fn words(self) -> String {
        let parts = [
            (self.create, "create"),
            (self.update, "update"),
            (self.replace, "REPLACE"),
            (self.delete, "DELETE"),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        parts.join(", ")
    }
}

impl std::iter::Sum for ChangeCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            create: sum.create + one.create,
            update: sum.update + one.update,
            replace: sum.replace + one.replace,
            delete: sum.delete + one.delete,
        })
    }
}

/// Changes in the order of decreasing risk; changes of the same risk keep their order.
fn by_risk(changes: &Changes) -> Vec<&Change> {
    let losses = changes.losses().into_iter().enumerate();
    let ranks: BTreeMap<_, _> = losses.map(|(rank, loss)| (loss.id, rank)).collect();
    let mut sorted: Vec<_> = changes.changes.iter().collect();
    sorted.sort_by_key(|change| {
        let rank = ranks.get(&change.object().id);
        (rank.is_none(), rank, Reverse(operation(change)))
    });
    sorted
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
        let line = format!("    {sign} {}", escape_control(line));
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
    } else if change.first_value {
        style::dim("  [first value]")
    } else {
        String::new()
    };
    let path = escape_line(&change.path);
    if let (Some(old), Some(new)) = (one_line(before.as_ref()), one_line(after.as_ref())) {
        let longest = old.chars().count().max(new.chars().count());
        match (&before, &after) {
            (Some(Value::String(old)), Some(Value::String(new))) if longest > LONGEST_WHOLE => {
                let _ = writeln!(text, "    {path}:{mark}");
                part_that_differs(text, old, new);
            }
            _ => {
                let (old, new) = (style::red(&escape_line(&old)), style::green(&escape_line(&new)));
                let _ = writeln!(text, "    {path}: {old} -> {new}{mark}");
            }
        }
    } else {
        let _ = writeln!(text, "    {path}:{mark}");
        lines_that_differ(text, &lines(before.as_ref()), &lines(after.as_ref()));
    }
}

/// The length of a value in characters up to which it is shown as a whole.
const LONGEST_WHOLE: usize = 80;

/// The part of a long string that differs: of a list, the items that are removed and added; of other text, the text between
/// the common beginning and end.
fn part_that_differs(text: &mut String, before: &str, after: &str) {
    let mut line = |sign: char, part: &str| {
        let line = format!("      {sign} {}", escape_line(part));
        let painted = if sign == '-' {
            style::red(&line)
        } else {
            style::green(&line)
        };
        let _ = writeln!(text, "{painted}");
    };
    let separator = [',', ';', ' '].into_iter().find(|separator| {
        before
            .matches(*separator)
            .count()
            .max(after.matches(*separator).count())
            >= 2
    });
    if let Some(separator) = separator {
        let (old, new): (Vec<&str>, Vec<&str>) = (
            before.split(separator).collect(),
            after.split(separator).collect(),
        );
        let diff = TextDiff::from_slices(&old, &new);
        for change in diff.iter_all_changes() {
            match change.tag() {
                similar::ChangeTag::Delete => line('-', change.value()),
                similar::ChangeTag::Insert => line('+', change.value()),
                similar::ChangeTag::Equal => {}
            }
        }
        return;
    }
    let start: usize = before
        .chars()
        .zip(after.chars())
        .take_while(|(old, new)| old == new)
        .map(|(old, _)| old.len_utf8())
        .sum();
    let end: usize = before[start..]
        .chars()
        .rev()
        .zip(after[start..].chars().rev())
        .take_while(|(old, new)| old == new)
        .map(|(old, _)| old.len_utf8())
        .sum();
    line('-', &excerpt(before, start, end));
    line('+', &excerpt(after, start, end));
}

/// The text without its first `start` and last `end` bytes, with a few characters around it.
fn excerpt(text: &str, start: usize, end: usize) -> String {
    const CONTEXT: usize = 16;
    let from = text[..start]
        .char_indices()
        .rev()
        .nth(CONTEXT)
        .map_or(0, |(position, _)| position);
    let rest = text.len() - end;
    let to = text[rest..]
        .char_indices()
        .nth(CONTEXT)
        .map_or(text.len(), |(position, _)| rest + position);
    let before = if from > 0 { "…" } else { "" };
    let after = if to < text.len() { "…" } else { "" };
    format!("{before}{}{after}", &text[from..to])
}

/// A value that fits on the line of its path; `None` for lists, mappings and multi-line strings.
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
            let value = escape_control(change.value().trim_end_matches('\n'));
            let line = format!("      {} {value}", change.tag());
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

/// The fields of a Secret that hold its values.
const VALUES: [&str; 2] = ["data", "stringData"];

/// A manifest without the values of a Secret.
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

/// Both sides of a changed field. Values of a Secret are masked, with a mark that they differ.
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

/// References to secrets are shown; all other values of a Secret are masked.
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
    use phoenix_graph::{Changes, Graph};

    use super::*;

    /// As with the provider's table: the address of a Service cannot be changed in place.
    fn compare(before: &Graph, after: &Graph) -> Changes {
        phoenix_graph::compare(before, after, |_, path| path == "spec.clusterIP")
    }

    fn plain(changes: &Changes, detail: Detail) -> String {
        let text = text(changes, detail);
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain.push_str(before);
            rest = after.split_once('m').expect("a style ends in m").1;
        }
        plain + rest
    }

    fn changes(before: &Value, after: &Value) -> Changes {
        let graph = |body: &Value| {
            let mut graph = Graph::of("qdrant");
            if !body.is_null() {
                graph.add(Object::from_json("qdrant", body.clone()).unwrap());
            }
            graph
        };
        compare(&graph(before), &graph(after))
    }

    fn config_map(data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "memory"}, "data": data})
    }

    #[test]
    fn deletions_are_in_capitals_and_zeros_are_left_out() {
        assert_eq!(
            ChangeCounts {
                create: 12,
                delete: 1,
                ..ChangeCounts::default()
            }
            .words(),
            "12 create, 1 DELETE"
        );
        assert_eq!(ChangeCounts::default().words(), "");
    }

    #[test]
    fn destructive_changes_come_first() {
        let object = |name: &str, address: &str| {
            let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "memory"}, "spec": {"clusterIP": address}});
            Object::from_json("qdrant", body).unwrap()
        };
        let graph = |objects: &[(&str, &str)]| {
            let mut graph = Graph::of("qdrant");
            for (name, address) in objects {
                graph.add(object(name, address));
            }
            graph
        };
        let before = graph(&[("d", ""), ("c", "None")]);
        let after = graph(&[("a", ""), ("c", "")]);
        let text = plain(&compare(&before, &after), Detail::Headings);
        let headings: Vec<_> = text.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(
            headings,
            [
                "- delete Service memory/d  (qdrant)",
                "± replace Service memory/c  (qdrant)",
                "+ create Service memory/a  (qdrant)"
            ]
        );
    }

    #[test]
    fn a_field_is_shown_with_its_path_and_both_values() {
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
    fn a_multi_line_string_shows_only_the_lines_that_differ() {
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
    fn the_manifest_of_a_created_object_is_optional() {
        let changes = changes(&Value::Null, &config_map(&json!({"a": "x"})));
        assert_eq!(
            plain(&changes, Detail::Headings),
            "+ create ConfigMap memory/a  (qdrant)\n"
        );
        assert!(plain(&changes, Detail::Manifests).contains("    + data:\n    +   a: x\n"));
    }

    #[test]
    fn only_the_part_of_a_long_value_that_differs_is_shown() {
        let peer = |number: u32| format!("qdrant-{number}.qdrant-peers.sophia-memory.svc.cluster.local:6335");
        let list = |numbers: &[u32]| {
            let peers: Vec<_> = numbers.iter().copied().map(peer).collect();
            config_map(&json!({"peers": peers.join(",")}))
        };
        let text = plain(&changes(&list(&[0, 1, 2]), &list(&[0, 2, 3])), Detail::Manifests);
        let expected = format!(
            "~ update ConfigMap memory/a  (qdrant)\n    data.peers:\n      - {}\n      + {}\n",
            peer(1),
            peer(3)
        );
        assert_eq!(text, expected);
        let url =
            |part: &str| config_map(&json!({"url": format!("{}{part}{}", "é".repeat(60), "ü".repeat(60))}));
        let text = plain(&changes(&url("old"), &url("new")), Detail::Manifests);
        assert!(
            text.contains(&format!("      - …{}old{}…\n", "é".repeat(17), "ü".repeat(16))),
            "{text}"
        );
        let text = plain(&changes(&url(""), &url("new")), Detail::Manifests);
        assert!(
            text.contains(&format!("+ …{}new{}…\n", "é".repeat(17), "ü".repeat(16))),
            "{text}"
        );
        let short = plain(
            &changes(
                &config_map(&json!({"a": "1, 2, 3"})),
                &config_map(&json!({"a": "1, 2"})),
            ),
            Detail::Manifests,
        );
        assert!(
            short.contains("data.a: \"1, 2, 3\" -> \"1, 2\"") || short.contains("data.a: 1, 2, 3 -> 1, 2"),
            "{short}"
        );
    }

    #[test]
    fn losses_come_first_by_what_is_at_risk() {
        let graph = |kinds: &[(&str, &str)]| {
            let mut graph = Graph::of("qdrant");
            for (api_version, kind) in kinds {
                let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a", "namespace": "memory"}});
                graph.add(Object::from_json("qdrant", body).unwrap());
            }
            graph
        };
        let before = graph(&[
            ("v1", "ConfigMap"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("v1", "Secret"),
            ("apps/v1", "StatefulSet"),
        ]);
        let changes = compare(&before, &graph(&[("v1", "Service")]));
        let kinds: Vec<_> = json(&changes)
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            kinds,
            ["StatefulSet", "Secret", "NetworkPolicy", "ConfigMap", "Service"]
        );
    }

    #[test]
    fn names_and_values_cannot_forge_lines_or_styles() {
        let forged = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a\n- delete Namespace b\u{1b}[2J"},
            "data": {"k\u{202e}": "\u{1b}[31mred", "::set-output name=x": "::warning::y"},
        });
        for detail in [Detail::Headings, Detail::Manifests] {
            let text = text(&changes(&Value::Null, &forged), detail);
            assert!(
                text.starts_with("\u{1b}[1m\u{1b}[32m+ create ConfigMap a\\u{a}- delete"),
                "{text:?}"
            );
            assert!(
                !text.contains("\u{1b}[2J") && !text.contains("\u{202e}"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_replacement_is_marked() {
        let service = |address: &str| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "memory"}, "spec": {"clusterIP": address}});
        let text = plain(&changes(&service("None"), &service("")), Detail::Manifests);
        assert_eq!(
            text,
            "± replace Service memory/a  (qdrant)\n    spec.clusterIP: \"None\" -> \"\"  [replaces the object]\n"
        );
    }

    #[test]
    fn values_of_secrets_are_masked_and_changes_are_visible() {
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
