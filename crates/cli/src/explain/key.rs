//! A configuration key: its meaning, type and bounds from the schema, and the stacks that set it.

use std::collections::BTreeSet;

use phoenix::config::{NAMESPACE, own_key, secret};
use serde::Serialize;
use serde_json::Value;

use super::Subjects;
use super::probe::{self, Effect, Refusal};
use super::schema::{Named, choices, described, find, is_placeholder, meaning, properties, shapes};

/// A key, explained.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Its path, such as `phoenix:qdrant.replicas`.
    pub key: String,
    /// Its meaning, from the schema.
    pub meaning: String,
    /// Its type, as text.
    pub type_: String,
    /// The allowed values, each with its meaning; empty if any value of the type is allowed.
    pub choices: Vec<Named>,
    /// Whether it is required if its parent key is set.
    pub required: bool,
    /// Its default; `None` if it has none or is required.
    pub default: Option<Value>,
    /// The keys below it.
    pub keys: Vec<Named>,
    /// Where it is set.
    pub stacks: Vec<Setting>,
    /// The objects that another value changes; `None` if no other value could be tried.
    pub effect: Option<Effect>,
    /// Rejected values, with hints.
    pub refused: Vec<Refusal>,
}

/// What a stack says about a key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// The stack.
    pub stack: String,
    /// The value; `None` where the stack leaves the key out, and for a secret.
    pub value: Option<Value>,
    /// The file and line; `None` where the stack leaves the key out.
    pub place: Option<String>,
}

/// Explains the key of this path, with or without `phoenix:` before it; `None` where there is no such key.
pub fn explain(path: &str, subjects: &Subjects) -> Option<Key> {
    let path = own_key(path)?;
    if let Some(row) = secret::row(path) {
        return Some(of_secret(row, subjects));
    }
    let found = find(path)?;
    let stacks = subjects
        .stacks
        .iter()
        .map(|seen| {
            let value = probe::value_at(&seen.file.keys, path).cloned();
            Setting {
                stack: seen.name.clone(),
                place: value.as_ref().and_then(|_| {
                    seen.file
                        .origins
                        .of(&format!("{NAMESPACE}:{path}"))
                        .map(ToString::to_string)
                }),
                value: value.map(shown),
            }
        })
        .collect();
    let shapes = shapes(found.schema);
    Some(Key {
        key: format!("{NAMESPACE}:{path}"),
        meaning: meaning(found.schema),
        type_: shapes
            .iter()
            .map(|shape| described(shape))
            .collect::<Vec<_>>()
            .join(", or "),
        choices: shapes.iter().flat_map(|shape| choices(shape)).collect(),
        required: found.required,
        default: found
            .schema
            .get("default")
            .filter(|value| !value.is_null())
            .cloned(),
        keys: shapes
            .iter()
            .filter(|shape| !is_placeholder(shape))
            .flat_map(|shape| properties(shape))
            .map(|(name, below)| Named {
                name: format!("{NAMESPACE}:{path}.{name}"),
                meaning: meaning(below),
            })
            .collect(),
        effect: probe::effect(path, subjects),
        refused: probe::refused(path, subjects),
        stacks,
    })
}

/// A value for output. Text that could be a URL with credentials is hidden.
fn shown(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains("://") || (text.contains('@') && !text.contains("@sha256:")) => {
            Value::from("(not shown)")
        }
        Value::Array(items) => items.into_iter().map(shown).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (key, shown(value)))
            .collect(),
        value => value,
    }
}

fn of_secret(row: &secret::SecretRow, subjects: &Subjects) -> Key {
    let key = format!("{NAMESPACE}:{}", row.key);
    let stacks = subjects
        .stacks
        .iter()
        .map(|seen| Setting {
            stack: seen.name.clone(),
            value: None,
            place: seen
                .file
                .secrets
                .contains(&key)
                .then(|| seen.file.origins.of(&key).map(ToString::to_string))
                .flatten(),
        })
        .collect();
    Key {
        meaning: format!("{} {}", row.purpose, becomes(row)),
        type_: format!("a secret; set it with `pulumi config set --secret {key}`"),
        choices: Vec::new(),
        required: !row.is_optional(),
        default: None,
        keys: Vec::new(),
        stacks,
        effect: None,
        refused: Vec::new(),
        key,
    }
}

/// Where a secret is in the cluster, and what follows from changing it.
fn becomes(row: &secret::SecretRow) -> String {
    let targets: BTreeSet<_> = row
        .readers
        .iter()
        .map(|reader| row.target(reader.workload).to_string())
        .collect();
    if targets.is_empty() {
        return "It never leaves the program.".to_owned();
    }
    let restarts = match &row.restarts()[..] {
        [] => "nothing restarts: each Job reads it at its start".to_owned(),
        names => format!("these restart: {}", names.join(", ")),
    };
    format!(
        "It becomes {} of the Secret {}. When it changes, {restarts}.",
        row.data_key,
        Vec::from_iter(targets).join(" and "),
    )
}
