//! Checks a value against the JSON schema of the raw types and reports every error.
//!
//! serde stops at the first error, and does not suggest known keys for an unknown one. The schema is generated from the
//! types, so both agree. serde reads the value after invalid parts have been replaced with valid ones.

use serde_json::{Map, Value};

use super::key::{NAMESPACE, full_key};
use super::schema::{SCHEMA, choices, flattened, is_free, limits, meaning, resolve, types};
use super::{Problems, secret};

/// Every error in `value`, which has the keys without `phoenix:`.
pub fn check(value: &Value) -> Problems {
    let mut checker = Checker {
        problems: Problems::default(),
        meaning: None,
    };
    checker.value(&SCHEMA, value, "");
    checker.problems
}

/// The replacement for an invalid value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The minimum, the first enumeration value, false.
    Min,
    /// The maximum, the last enumeration value, true.
    Max,
}

/// Makes a value valid, so that the remaining values can be checked further: removes unknown keys, and replaces missing
/// and invalid values. The replacement for a string is the empty string.
pub fn coerce(value: &Value, with: Fill) -> Value {
    fill(&SCHEMA, Some(value), with)
}

/// Whether the value of a top-level key is a string, which must not be parsed as JSON.
pub fn is_string(key: &str) -> bool {
    SCHEMA
        .pointer("/properties")
        .and_then(|properties| properties.get(key))
        .is_some_and(|property| {
            types(resolve(property)).contains(&"string") || !choices(resolve(property)).is_empty()
        })
}

struct Checker {
    problems: Problems,
    /// The description of the current key.
    meaning: Option<String>,
}

impl Checker {
    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if is_free(schema) {
            return;
        }
        let outer = std::mem::replace(&mut self.meaning, meaning(schema));
        let schema = resolve(schema);
        let choices = choices(schema);
        if !choices.is_empty() {
            self.choice(&choices, value, path);
        } else if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
            self.branches(branches, value, path);
        } else {
            self.plain(schema, value, path);
        }
        self.meaning = outer;
    }

    /// Reports a value of the wrong type, with the description of its key as the hint.
    fn type_mismatch(&mut self, path: &str, value: &Value, expected: &str) {
        let message = format!("is {}, but must be {expected}", shown(value));
        match self.meaning.clone() {
            Some(meaning) => self.problems.add_with_hint(full_key(path), message, meaning),
            None => self.problems.add(full_key(path), message),
        }
    }

    fn choice(&mut self, choices: &[&str], value: &Value, path: &str) {
        if value.as_str().is_some_and(|text| choices.contains(&text)) {
            return;
        }
        let message = format!("is {}, but must be one of {}", shown(value), choices.join(", "));
        match value
            .as_str()
            .and_then(|text| phoenix_suggest::nearest(text, choices.iter().copied()))
        {
            Some(meant) => {
                self.problems
                    .add_with_hint(full_key(path), message, format!("did you mean {meant}?"));
            }
            None => self.problems.add(full_key(path), message),
        }
    }

    /// Checks the branch that matches the type of the value.
    fn branches(&mut self, branches: &[Value], value: &Value, path: &str) {
        let branches = flattened(branches);
        if let Some(branch) = matching_branch(&branches, value) {
            self.value(branch, value, path);
        } else {
            let allowed: Vec<_> = branches.iter().flat_map(|branch| described(branch)).collect();
            self.type_mismatch(path, value, &allowed.join(" or "));
        }
    }

    fn plain(&mut self, schema: &Value, value: &Value, path: &str) {
        let types = types(schema);
        let fits = types.is_empty()
            || types.contains(&type_name(value))
            || (types.contains(&"number") && value.is_number())
            || (types.contains(&"integer") && value.is_u64());
        if !fits {
            self.type_mismatch(path, value, &described(schema).join(" or "));
            return;
        }
        match value {
            Value::Object(fields) => self.fields(schema, fields, path),
            Value::Array(items) => {
                if let Some(item_schema) = schema.get("items") {
                    for (position, item) in items.iter().enumerate() {
                        self.value(item_schema, item, &format!("{path}[{position}]"));
                    }
                }
            }
            Value::Number(_) => self.bounds(schema, value, path),
            _ => {}
        }
    }

    fn fields(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) {
        let none = Map::new();
        let known = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        // The schema of the values in a mapping with arbitrary keys, such as labels.
        let free = schema
            .get("additionalProperties")
            .filter(|schema| schema.is_object() || is_free(schema));
        for (name, value) in fields {
            match known.get(name).or(free) {
                Some(field_schema) => self.value(field_schema, value, &join(path, name)),
                None => self.unknown(known, name, path),
            }
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !fields.contains_key(name) {
                let purpose = known.get(name).and_then(meaning).unwrap_or_default();
                let hint = format!("add it to the stack file. {purpose}");
                self.problems
                    .add_with_hint(full_key(&join(path, name)), "is missing", hint.trim_end());
            }
        }
    }

    fn unknown(&mut self, known: &Map<String, Value>, name: &str, path: &str) {
        let secrets = path
            .is_empty()
            .then(|| secret::INVENTORY.iter().map(|row| row.key))
            .into_iter()
            .flatten();
        if path.is_empty() && secret::row(name).is_some() {
            let hint = format!("pulumi config set --secret {NAMESPACE}:{name}");
            self.problems.add_with_hint(
                full_key(name),
                "is a secret, but is in plain text in the stack file",
                hint,
            );
            return;
        }
        let candidates = known.keys().map(String::as_str).chain(secrets);
        let all: Vec<_> = known.keys().map(String::as_str).collect();
        let hint = match phoenix_suggest::nearest(name, candidates) {
            Some(meant) => format!("did you mean {}?", full_key(&join(path, meant))),
            None => format!("known keys: {}", all.join(", ")),
        };
        self.problems.add_with_hint(
            full_key(&join(path, name)),
            "is not a key of the configuration",
            hint,
        );
    }

    fn bounds(&mut self, schema: &Value, value: &Value, path: &str) {
        let (least, most) = limits(schema);
        if !value
            .as_u64()
            .is_some_and(|number| (least..=most).contains(&number))
        {
            self.type_mismatch(path, value, &format!("a whole number from {least} to {most}"));
        }
    }
}

/// The branch that matches the type of a value.
fn matching_branch<'a>(branches: &[&'a Value], value: &Value) -> Option<&'a Value> {
    let fits = |branch: &&&Value| {
        let marker = branch.pointer("/properties/placeholder").is_some();
        match value {
            Value::Object(fields) if marker => fields.contains_key("placeholder"),
            _ => {
                !choices(branch).is_empty() && value.is_string() || types(branch).contains(&type_name(value))
            }
        }
    };
    branches.iter().find(fits).copied()
}

fn fill(schema: &Value, value: Option<&Value>, with: Fill) -> Value {
    let schema = resolve(schema);
    let choices = choices(schema);
    if !choices.is_empty() {
        let word = match with {
            Fill::Min => choices.first(),
            Fill::Max => choices.last(),
        };
        let fits = value
            .and_then(Value::as_str)
            .filter(|text| choices.contains(text));
        return Value::from(fits.or(word.copied()).unwrap_or_default());
    }
    if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        let branches = flattened(branches);
        let branch = value.and_then(|value| matching_branch(&branches, value));
        return fill(branch.unwrap_or(branches[0]), value, with);
    }
    let types = types(schema);
    match value {
        Some(Value::Object(fields)) if types.contains(&"object") => filled(schema, fields, with),
        Some(Value::Array(items)) if types.contains(&"array") => {
            let item = |item| match schema.get("items") {
                Some(schema) => fill(schema, Some(item), with),
                None => item.clone(),
            };
            items.iter().map(item).collect()
        }
        // A negative or fractional number has no valid form either.
        Some(Value::Number(number)) if types.contains(&"integer") => {
            let (least, most) = limits(schema);
            match number.as_u64() {
                Some(given) if (least..=most).contains(&given) => Value::from(given),
                _ => example(schema, with),
            }
        }
        Some(value) if types.is_empty() || types.contains(&type_name(value)) => value.clone(),
        _ if types.contains(&"object") => filled(schema, &Map::new(), with),
        _ => example(schema, with),
    }
}

/// An object with its known keys and its required keys.
fn filled(schema: &Value, fields: &Map<String, Value>, with: Fill) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        let free = schema.get("additionalProperties").filter(|free| free.is_object());
        let value = |value| free.map_or_else(|| Value::clone(value), |free| fill(free, Some(value), with));
        return fields
            .iter()
            .map(|(key, own)| (key.clone(), value(own)))
            .collect();
    };
    let required: Vec<_> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    properties
        .iter()
        .filter(|(key, _)| fields.contains_key(*key) || required.contains(&key.as_str()))
        .map(|(key, schema)| (key.clone(), fill(schema, fields.get(key), with)))
        .collect()
}

/// A valid value for a schema without enumeration, branches and keys.
fn example(schema: &Value, with: Fill) -> Value {
    match types(schema).first() {
        Some(&"string") => Value::from(""),
        Some(&"integer" | &"number") => {
            let (least, most) = limits(schema);
            Value::from(match with {
                Fill::Min => least,
                Fill::Max => most,
            })
        }
        Some(&"boolean") => Value::from(with == Fill::Max),
        Some(&"array") => Value::Array(Vec::new()),
        _ => Value::Null,
    }
}

/// Descriptions of the types that a schema allows, without null.
fn described(schema: &Value) -> Vec<&'static str> {
    if schema.pointer("/properties/placeholder").is_some() {
        return vec!["a {placeholder: …}"];
    }
    if !choices(schema).is_empty() {
        return vec!["one of the known values"];
    }
    types(schema)
        .into_iter()
        .filter_map(|name| match name {
            "string" => Some("a string"),
            "integer" => Some("a whole number"),
            "number" => Some("a number"),
            "boolean" => Some("true or false"),
            "object" => Some("a mapping of keys"),
            "array" => Some("a list"),
            _ => None,
        })
        .collect()
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as shown in a message: short, and without nested values.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::String(text) => format!("the string {}", shown_text(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping of keys".to_owned(),
        other => other.to_string(),
    }
}

/// A string as shown in a message. Long strings and those that look like a URL with credentials are not shown, because a
/// secret may have been pasted into the wrong key.
pub(super) fn shown_text(text: &str) -> String {
    let may_be_secret = text.contains("://") || (text.contains('@') && !text.contains("@sha256:"));
    if may_be_secret || text.chars().count() > 100 {
        "(not shown)".to_owned()
    } else {
        format!("{text:?}")
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
