//! The JSON schema of the configuration, and functions to walk it.

use std::sync::LazyLock;

use serde_json::Value;

use super::key::NAMESPACE;
use super::{raw, secret};

/// The schema of the keys under `phoenix:`, computed once.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// The JSON schema of the configuration under `phoenix:`, without the secrets.
pub fn schema() -> Value {
    serde_json::to_value(schemars::schema_for!(raw::RawConfig)).expect("a schema is always JSON")
}

/// The JSON schema of a whole stack file for editors: every key has the prefix `phoenix:`.
pub fn stack_file_schema() -> Value {
    let Value::Object(mut schema) = schema() else {
        unreachable!("the schema of a struct is an object")
    };
    let prefixed = |key: &str| format!("{NAMESPACE}:{key}");
    let mut properties = serde_json::Map::new();
    if let Some(Value::Object(own)) = schema.remove("properties") {
        properties.extend(own.into_iter().map(|(key, value)| (prefixed(&key), value)));
    }
    for row in secret::INVENTORY {
        properties.insert(
            prefixed(row.key),
            serde_json::json!({
                "description": format!("{} Set it with `pulumi config set --secret {}`.", row.purpose, prefixed(row.key)),
                "type": "object",
                "properties": {"secure": {"type": "string"}},
                "required": ["secure"],
                "additionalProperties": false,
            }),
        );
    }
    let required: Vec<Value> = schema
        .remove("required")
        .and_then(|required| required.as_array().cloned())
        .into_iter()
        .flatten()
        .filter_map(|key| key.as_str().map(|key| Value::from(prefixed(key))))
        .collect();
    let definitions = schema.remove("$defs").unwrap_or_default();
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of the Phoenix memory platform",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "description": "The configuration of the stack.",
                "properties": properties,
                "required": required,
                // Other namespaces belong to other packages; an unknown key in the own namespace is an error.
                "patternProperties": {"^(?!phoenix:)[^:]+:": {}},
                "additionalProperties": false,
            },
        },
        "required": ["config"],
        "$defs": definitions,
    })
}

/// The description of a schema, or that of the type that it refers to.
pub fn meaning(schema: &Value) -> Option<String> {
    let description = |schema: &Value| {
        schema
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    description(schema).or_else(|| description(resolve(schema)))
}

/// The schema itself, or the type that it refers to.
pub fn resolve(schema: &Value) -> &Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| SCHEMA.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

/// Whether a schema accepts every value.
pub fn is_free(schema: &Value) -> bool {
    *schema == Value::Bool(true)
}

/// The minimum and maximum of an integer.
pub fn limits(schema: &Value) -> (u64, u64) {
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

/// The branches of an `anyOf`, including those of nested ones.
pub fn flattened(branches: &[Value]) -> Vec<&Value> {
    let mut flat = Vec::new();
    for branch in branches.iter().map(resolve) {
        match branch.get("anyOf").and_then(Value::as_array) {
            Some(inner) => flat.extend(flattened(inner)),
            None => flat.push(branch),
        }
    }
    flat
}

/// The allowed values of an enumeration; empty for other schemas.
pub fn choices(schema: &Value) -> Vec<&str> {
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

/// The JSON types that a schema allows.
pub fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
