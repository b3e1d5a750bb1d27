//! Finds keys in the schema of the configuration, and describes them.

use phoenix::config::schema::{self, SCHEMA};
use phoenix::config::secret;
use serde::Serialize;
use serde_json::{Map, Value};

/// A word with its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The word.
    pub name: String,
    /// What it means.
    pub meaning: String,
}

/// The meaning of a top-level key, which describes the system of that name.
pub fn meaning_of(system: &str) -> Option<String> {
    let words = find(system).map(|found| meaning(found.schema))?;
    (!words.is_empty()).then_some(words)
}

/// The allowed values of an enumeration; empty for other keys.
pub fn words(path: &str) -> Vec<String> {
    let shapes = find(path).map(|found| shapes(found.schema));
    let choices = shapes.into_iter().flatten().flat_map(choices);
    choices.map(|choice| choice.name).collect()
}

/// The paths of all keys without keys below them, including secrets, without `phoenix:`.
pub fn leaves() -> Vec<String> {
    all()
        .into_iter()
        .filter(|path| {
            find(path).is_some_and(|found| {
                shapes(found.schema)
                    .iter()
                    .all(|shape| is_placeholder(shape) || properties(shape).next().is_none())
            })
        })
        .collect()
}

/// The paths of all keys, including secrets, without `phoenix:`.
pub fn all() -> Vec<String> {
    let mut paths = Vec::new();
    below(&SCHEMA, "", &mut paths);
    paths.extend(secret::INVENTORY.iter().map(|row| row.key.to_owned()));
    paths
}

fn below(schema: &'static Value, path: &str, paths: &mut Vec<String>) {
    for shape in shapes(schema).into_iter().filter(|shape| !is_placeholder(shape)) {
        for (name, schema) in properties(shape) {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            // Two shapes of one key may share a field.
            if !paths.contains(&path) {
                paths.push(path.clone());
                below(schema, &path, paths);
            }
        }
    }
}

/// A key that was found in the schema.
pub(super) struct Found {
    pub(super) schema: &'static Value,
    pub(super) required: bool,
}

/// The schema of the key at a path. `networks[0]` is an item of a list.
pub(super) fn find(path: &str) -> Option<Found> {
    let mut found = Found {
        schema: &SCHEMA,
        required: true,
    };
    for part in path.split('.') {
        let (name, items) = match part.split_once('[') {
            Some((name, rest)) => (name, rest.matches(']').count()),
            None => (part, 0),
        };
        let shapes = shapes(found.schema);
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
            let item = branches(found.schema)
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

/// The alternatives that a value may have: one, or the branches of an `anyOf`, without null.
pub(super) fn shapes(schema: &'static Value) -> Vec<&'static Value> {
    branches(schema)
        .into_iter()
        .filter(|shape| shape.get("type") != Some(&Value::from("null")))
        .collect()
}

fn branches(schema: &'static Value) -> Vec<&'static Value> {
    let schema = schema::resolve(schema);
    let alternatives = schema.get("anyOf").or_else(|| {
        // Enumerations with descriptions are `oneOf` too, but each branch is a constant.
        schema.get("oneOf").filter(|branches| {
            branches
                .as_array()
                .is_some_and(|branches| branches.iter().all(|branch| branch.get("const").is_none()))
        })
    });
    match alternatives.and_then(Value::as_array) {
        Some(alternatives) => alternatives.iter().flat_map(branches).collect(),
        None => vec![schema],
    }
}

pub(super) fn properties(shape: &'static Value) -> impl Iterator<Item = (&'static String, &'static Value)> {
    shape
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

pub(super) fn is_placeholder(shape: &Value) -> bool {
    shape.pointer("/properties/placeholder").is_some()
}

/// The description of a key, or of its type.
pub(super) fn meaning(schema: &Value) -> String {
    schema::meaning(schema).unwrap_or_default().replace('\n', " ")
}

/// The allowed values, with their descriptions.
pub(super) fn choices(shape: &Value) -> Vec<Named> {
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
pub(super) fn described(shape: &'static Value) -> String {
    if is_placeholder(shape) {
        return "{placeholder: …} until the value is decided".to_owned();
    }
    let words: Vec<_> = choices(shape).into_iter().map(|choice| choice.name).collect();
    if !words.is_empty() {
        return format!("one of {}", words.join(", "));
    }
    // An optional text has the types `string` and `null`.
    let name = schema::types(shape)
        .into_iter()
        .find(|name| *name != "null")
        .unwrap_or_default();
    let bound = |name: &str| shape.get(name).and_then(Value::as_u64);
    match name {
        "string" => "a string".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!("an integer from {least} to {most}"),
            (Some(least), None) => format!("an integer of at least {least}"),
            (None, Some(most)) => format!("an integer of at most {most}"),
            (None, None) => "an integer".to_owned(),
        },
        "number" => "a number".to_owned(),
        "array" => {
            let items = shape.get("items").map(|items| {
                let shapes = shapes(items);
                let words: Vec<_> = shapes.iter().map(|shape| described(shape)).collect();
                words.join(", or ")
            });
            format!("a list of: {}", items.unwrap_or_else(|| "a value".to_owned()))
        }
        "object" => "a mapping".to_owned(),
        _ => "a value".to_owned(),
    }
}
