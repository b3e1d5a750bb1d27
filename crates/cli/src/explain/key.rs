//! A configuration key: its meaning, type and bounds from the schema, and the stacks that set it.

use std::collections::BTreeSet;

use phoenix::config::{NAMESPACE, own_key, schema, secret};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Subjects;
use super::probe::{self, Effect, Refusal};

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

/// A word with its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The word.
    pub name: String,
    /// What it means.
    pub meaning: String,
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
    let schema = schema::schema();
    let found = find(&schema, path)?;
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
    let shapes = shapes(&schema, found.schema);
    Some(Key {
        key: format!("{NAMESPACE}:{path}"),
        meaning: meaning(&schema, found.schema),
        type_: shapes
            .iter()
            .map(|shape| described(&schema, shape))
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
                meaning: meaning(&schema, below),
            })
            .collect(),
        effect: probe::effect(path, subjects),
        refused: probe::refused(path, subjects),
        stacks,
    })
}

/// What a top-level key means, which is what the system of that name is.
pub fn meaning_of(system: &str) -> Option<String> {
    let schema = schema::schema();
    let words = find(&schema, system).map(|found| meaning(&schema, found.schema))?;
    (!words.is_empty()).then_some(words)
}

/// The words that are allowed at a path, where only certain ones are.
pub fn words(path: &str) -> Vec<String> {
    let schema = schema::schema();
    let shapes = find(&schema, path).map(|found| shapes(&schema, found.schema));
    let choices = shapes.into_iter().flatten().flat_map(choices);
    choices.map(|choice| choice.name).collect()
}

/// The paths of all keys that hold no others, secrets included, without `phoenix:`.
pub fn leaves() -> Vec<String> {
    let schema = schema::schema();
    all()
        .into_iter()
        .filter(|path| {
            find(&schema, path).is_some_and(|found| {
                shapes(&schema, found.schema)
                    .iter()
                    .all(|shape| is_placeholder(shape) || properties(shape).next().is_none())
            })
        })
        .collect()
}

/// The paths of all keys, secrets included, without `phoenix:`.
pub fn all() -> Vec<String> {
    let schema = schema::schema();
    let mut paths = Vec::new();
    below(&schema, &schema, "", &mut paths);
    paths.extend(secret::INVENTORY.iter().map(|row| row.key.to_owned()));
    paths
}

fn below(root: &Value, schema: &Value, path: &str, paths: &mut Vec<String>) {
    for shape in shapes(root, schema)
        .into_iter()
        .filter(|shape| !is_placeholder(shape))
    {
        for (name, schema) in properties(shape) {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            // Two shapes of one key may share a field.
            if !paths.contains(&path) {
                paths.push(path.clone());
                below(root, schema, &path, paths);
            }
        }
    }
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

struct Found<'a> {
    schema: &'a Value,
    required: bool,
}

/// The schema of the key at a path. `networks[0]` is an item of a list.
fn find<'a>(root: &'a Value, path: &str) -> Option<Found<'a>> {
    let mut found = Found {
        schema: root,
        required: true,
    };
    for part in path.split('.') {
        let (name, items) = match part.split_once('[') {
            Some((name, rest)) => (name, rest.matches(']').count()),
            None => (part, 0),
        };
        let shapes = shapes(root, found.schema);
        found = shapes.iter().find_map(|shape| {
            let schema = properties(shape)
                .find(|(known, _)| *known == name)
                .map(|(_, schema)| schema)
                .or_else(|| {
                    shape
                        .get("additionalProperties")
                        .filter(|schema| schema.is_object())
                })?;
            let required = shape
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|required| required == name));
            Some(Found { schema, required })
        })?;
        for _ in 0..items {
            let item = shapes_of(root, found.schema)
                .into_iter()
                .find_map(|shape| shape.get("items"))?;
            found = Found {
                schema: item,
                required: false,
            };
        }
    }
    Some(found)
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| root.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

/// The shapes that a value may have: one, or the branches of an `anyOf`; the empty one is left out.
fn shapes<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    shapes_of(root, schema)
        .into_iter()
        .filter(|shape| shape.get("type") != Some(&Value::from("null")))
        .collect()
}

fn shapes_of<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolve(root, schema);
    let branches = schema.get("anyOf").or_else(|| {
        // Words with meanings are `oneOf` too, but each is a constant.
        schema.get("oneOf").filter(|branches| {
            branches
                .as_array()
                .is_some_and(|branches| branches.iter().all(|branch| branch.get("const").is_none()))
        })
    });
    match branches.and_then(Value::as_array) {
        Some(branches) => branches
            .iter()
            .flat_map(|branch| shapes_of(root, branch))
            .collect(),
        None => vec![schema],
    }
}

fn properties(shape: &Value) -> impl Iterator<Item = (&String, &Value)> {
    shape
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn is_placeholder(shape: &Value) -> bool {
    shape.pointer("/properties/placeholder").is_some()
}

/// The words beside a key's type, or those of its type.
fn meaning(root: &Value, schema: &Value) -> String {
    let words = |schema: &Value| {
        schema
            .get("description")
            .and_then(Value::as_str)
            .map(|words| words.replace('\n', " "))
    };
    words(schema)
        .or_else(|| words(resolve(root, schema)))
        .unwrap_or_default()
}

fn choices(shape: &Value) -> Vec<Named> {
    let described = shape.get("oneOf").and_then(Value::as_array);
    let plain = shape.get("enum").and_then(Value::as_array);
    let described = described.into_iter().flatten().filter_map(|choice| {
        Some(Named {
            name: choice.get("const")?.as_str()?.to_owned(),
            meaning: choice
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        })
    });
    let plain = plain.into_iter().flatten().filter_map(|choice| {
        Some(Named {
            name: choice.as_str()?.to_owned(),
            meaning: String::new(),
        })
    });
    described.chain(plain).collect()
}

/// Its type, as text.
fn described(root: &Value, shape: &Value) -> String {
    if is_placeholder(shape) {
        return "{placeholder: …} while the value is undecided".to_owned();
    }
    let words: Vec<_> = choices(shape).into_iter().map(|choice| choice.name).collect();
    if !words.is_empty() {
        return format!("one of {}", words.join(", "));
    }
    // An optional text has the types `string` and `null`.
    let names: Vec<&str> = match shape.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let name = names.into_iter().find(|name| *name != "null").unwrap_or_default();
    let bound = |name: &str| shape.get(name).and_then(Value::as_u64);
    match name {
        "string" => "a text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            (Some(least), None) => format!("a whole number, at least {least}"),
            (None, Some(most)) => format!("a whole number, at most {most}"),
            (None, None) => "a whole number".to_owned(),
        },
        "number" => "a number".to_owned(),
        "array" => {
            let items = shape.get("items").map(|items| {
                let shapes = shapes(root, items);
                let words: Vec<_> = shapes.iter().map(|shape| described(root, shape)).collect();
                words.join(", or ")
            });
            format!(
                "a list, each item {}",
                items.unwrap_or_else(|| "a value".to_owned())
            )
        }
        "object" => "a mapping of keys".to_owned(),
        _ => "a value".to_owned(),
    }
}
