//! Compares a value with the JSON schema of the raw types and reports every difference.
//!
//! serde would stop at the first; and it could not tell which known key an unknown one was meant
//! to be. The schema is made from the types, so the two cannot disagree; serde reads the value
//! only as it is after this has put something fitting in the place of what does not fit.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{NAMESPACE, Problems, raw, secret};

static SCHEMA: LazyLock<Value> = LazyLock::new(raw::schema);

/// Every difference between `value`, the keys without `phoenix:`, and the schema.
pub fn check(value: &Value) -> Problems {
    let mut shape = Shape {
        problems: Problems::default(),
        meaning: None,
    };
    shape.value(&SCHEMA, value, "");
    shape.problems
}

/// What stands in the place of a value that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// The least number, the first word, false.
    Least,
    /// The greatest number, the last word, true.
    Most,
}

/// The value without the keys that the schema does not know, and with something fitting in the place of what is missing
/// or does not fit, so that what the others mean can be looked at as well. An empty text stands for a text.
pub fn fitting(value: &Value, filling: Filling) -> Value {
    fill(&SCHEMA, Some(value), filling)
}

/// Whether a top-level key wants a text, so that the engine's text is not to be read as JSON.
pub fn is_text(key: &str) -> bool {
    SCHEMA
        .pointer("/properties")
        .and_then(|properties| properties.get(key))
        .is_some_and(|property| {
            types(resolve(property)).contains(&"string") || !choices(resolve(property)).is_empty()
        })
}

struct Shape {
    problems: Problems,
    /// What the key that is being looked at means, in the words of its reference.
    meaning: Option<String>,
}

impl Shape {
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

    /// Notes that a value is not what its key wants, with what the key means as the way out.
    fn not_wanted(&mut self, path: &str, value: &Value, wanted: &str) {
        let message = format!("is {}, but must be {wanted}", shown(value));
        match self.meaning.clone() {
            Some(meaning) => self.problems.add_with_hint(key(path), message, meaning),
            None => self.problems.add(key(path), message),
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
            Some(meant) => self
                .problems
                .add_with_hint(key(path), message, format!("did you mean {meant}?")),
            None => self.problems.add(key(path), message),
        }
    }

    /// The one branch that was meant speaks; of several, the value's own type tells which.
    fn branches(&mut self, branches: &[Value], value: &Value, path: &str) {
        let branches = flattened(branches);
        let meant = meant(&branches, value);
        if let Some(branch) = meant {
            self.value(branch, value, path);
        } else {
            let allowed: Vec<_> = branches.iter().flat_map(|branch| described(branch)).collect();
            self.not_wanted(path, value, &allowed.join(" or "));
        }
    }

    fn plain(&mut self, schema: &Value, value: &Value, path: &str) {
        let types = types(schema);
        let fits = types.is_empty()
            || types.contains(&type_name(value))
            || (types.contains(&"number") && value.is_number())
            || (types.contains(&"integer") && value.is_u64());
        if !fits {
            self.not_wanted(path, value, &described(schema).join(" or "));
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
        // A mapping whose keys are the writer's own, such as labels, says what each value must be.
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
                    .add_with_hint(key(&join(path, name)), "is missing", hint.trim_end());
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
                key(name),
                "is a secret, but is in plain text in the stack file",
                hint,
            );
            return;
        }
        let candidates = known.keys().map(String::as_str).chain(secrets);
        let all: Vec<_> = known.keys().map(String::as_str).collect();
        let hint = match phoenix_suggest::nearest(name, candidates) {
            Some(meant) => format!("did you mean {}?", key(&join(path, meant))),
            None => format!("known keys: {}", all.join(", ")),
        };
        self.problems
            .add_with_hint(key(&join(path, name)), "is not a key of the configuration", hint);
    }

    fn bounds(&mut self, schema: &Value, value: &Value, path: &str) {
        let (least, most) = limits(schema);
        if !value
            .as_u64()
            .is_some_and(|number| (least..=most).contains(&number))
        {
            self.not_wanted(path, value, &format!("a whole number from {least} to {most}"));
        }
    }
}

/// What a key means: the words beside its type, or those of its type.
fn meaning(schema: &Value) -> Option<String> {
    let words = |schema: &Value| {
        schema
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    words(schema).or_else(|| words(resolve(schema)))
}

fn resolve(schema: &Value) -> &Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| SCHEMA.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

/// The branch that a value was meant for: its own type tells.
fn meant<'a>(branches: &[&'a Value], value: &Value) -> Option<&'a Value> {
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

fn fill(schema: &Value, value: Option<&Value>, filling: Filling) -> Value {
    let schema = resolve(schema);
    let choices = choices(schema);
    if !choices.is_empty() {
        let word = match filling {
            Filling::Least => choices.first(),
            Filling::Most => choices.last(),
        };
        let fits = value
            .and_then(Value::as_str)
            .filter(|text| choices.contains(text));
        return Value::from(fits.or(word.copied()).unwrap_or_default());
    }
    if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        let branches = flattened(branches);
        let meant = value.and_then(|value| meant(&branches, value));
        return fill(meant.unwrap_or(branches[0]), value, filling);
    }
    let types = types(schema);
    match value {
        Some(Value::Object(fields)) if types.contains(&"object") => filled(schema, fields, filling),
        Some(Value::Array(items)) if types.contains(&"array") => {
            let item = |item| match schema.get("items") {
                Some(schema) => fill(schema, Some(item), filling),
                None => item.clone(),
            };
            items.iter().map(item).collect()
        }
        Some(number) if number.is_u64() && types.contains(&"integer") => {
            let (least, most) = limits(schema);
            match number.as_u64() {
                Some(given) if (least..=most).contains(&given) => number.clone(),
                _ => example(schema, filling),
            }
        }
        Some(value) if types.is_empty() || types.contains(&type_name(value)) => value.clone(),
        _ if types.contains(&"object") => filled(schema, &Map::new(), filling),
        _ => example(schema, filling),
    }
}

/// Whether a schema takes anything, because somebody else reads what stands there.
fn is_free(schema: &Value) -> bool {
    *schema == Value::Bool(true)
}

/// A mapping with its known keys, and with those that it must have.
fn filled(schema: &Value, fields: &Map<String, Value>, filling: Filling) -> Value {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        let free = schema.get("additionalProperties").filter(|free| free.is_object());
        let value = |value| free.map_or_else(|| Value::clone(value), |free| fill(free, Some(value), filling));
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
        .map(|(key, schema)| (key.clone(), fill(schema, fields.get(key), filling)))
        .collect()
}

/// Something that fits a schema without choices, branches and keys.
fn example(schema: &Value, filling: Filling) -> Value {
    match types(schema).first() {
        Some(&"string") => Value::from(""),
        Some(&"integer" | &"number") => {
            let (least, most) = limits(schema);
            Value::from(match filling {
                Filling::Least => least,
                Filling::Most => most,
            })
        }
        Some(&"boolean") => Value::from(filling == Filling::Most),
        Some(&"array") => Value::Array(Vec::new()),
        _ => Value::Null,
    }
}

/// The least and the greatest whole number that a schema allows.
fn limits(schema: &Value) -> (u64, u64) {
    let least = schema.get("minimum").and_then(Value::as_u64).unwrap_or(0);
    let most = schema.get("maximum").and_then(Value::as_u64).unwrap_or(
        match schema.get("format").and_then(Value::as_str) {
            Some("uint16") => u64::from(u16::MAX),
            Some("uint32") => u64::from(u32::MAX),
            _ => 9_007_199_254_740_992,
        },
    );
    (least, most)
}

/// The branches of an `anyOf`, with those of an `anyOf` within it.
fn flattened(branches: &[Value]) -> Vec<&Value> {
    let mut flat = Vec::new();
    for branch in branches.iter().map(resolve) {
        match branch.get("anyOf").and_then(Value::as_array) {
            Some(inner) => flat.extend(flattened(inner)),
            None => flat.push(branch),
        }
    }
    flat
}

/// The words that a schema allows, where it allows only certain words.
fn choices(schema: &Value) -> Vec<&str> {
    let alternatives = schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    alternatives
        .filter_map(|alternative| alternative.get("const"))
        .chain(schema.get("enum").and_then(Value::as_array).into_iter().flatten())
        .filter_map(Value::as_str)
        .collect()
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What a schema allows, in words; an absent value needs no words.
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

/// A value as a message shows it: short, and without what is inside it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::String(text) => format!("the string {}", shown_text(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping of keys".to_owned(),
        other => other.to_string(),
    }
}

/// A text as a message shows it. What is long or looks like an address with a login is not shown: somebody may
/// have pasted a secret into the wrong place.
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

fn key(path: &str) -> String {
    if path.is_empty() {
        NAMESPACE.to_owned()
    } else {
        format!("{NAMESPACE}:{path}")
    }
}
