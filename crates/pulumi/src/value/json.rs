//! Conversion from JSON. Values that the engine's protocol would alter are errors.

use super::{UnknownKind, Value};
use crate::wire::SIGNATURE_KEY;

/// 2^53: every integer up to this one has an exact representation as a double.
const LARGEST_EXACT_INTEGER: u64 = 1 << 53;

/// A JSON value that the engine's protocol cannot transmit unchanged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JsonError {
    /// The integer has no exact representation as a double.
    #[error(
        "the integer at {path} is larger than 2^53, and Pulumi's numbers are doubles (hint: write it as a string \
         if the resource accepts one)"
    )]
    IntegerTooLarge {
        /// The path of the value.
        path: String,
    },
    /// The key or text has a special meaning in the protocol.
    #[error("the value at {path} is reserved by Pulumi's protocol and cannot be used as plain data")]
    Reserved {
        /// The path of the value.
        path: String,
    },
}

impl Value {
    /// Converts JSON to a value. Fails if the protocol cannot transmit the value unchanged.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, JsonError> {
        convert(json, &mut Vec::new())
    }
}

fn convert<'a>(json: &'a serde_json::Value, path: &mut Vec<Step<'a>>) -> Result<Value, JsonError> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => {
            let integer = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            match (integer, number.as_f64()) {
                (Some(size), _) if size > LARGEST_EXACT_INTEGER => {
                    return Err(JsonError::IntegerTooLarge { path: render(path) });
                }
                (_, Some(double)) => Value::Number(double),
                (_, None) => return Err(JsonError::IntegerTooLarge { path: render(path) }),
            }
        }
        Json::String(text) if UnknownKind::from_sentinel(text).is_some() => {
            return Err(JsonError::Reserved { path: render(path) });
        }
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => {
            let mut values = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                values.push(convert(item, path)?);
                path.pop();
            }
            Value::Array(values)
        }
        Json::Object(fields) if fields.contains_key(SIGNATURE_KEY) => {
            return Err(JsonError::Reserved { path: render(path) });
        }
        Json::Object(fields) => {
            let mut values = std::collections::BTreeMap::new();
            for (key, field) in fields {
                path.push(Step::Key(key));
                values.insert(key.clone(), convert(field, path)?);
                path.pop();
            }
            Value::Object(values)
        }
    })
}

/// The integer that a double is, when it is one without doubt.
pub(super) fn as_integer(number: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "2^53 is a double")]
    let limit = LARGEST_EXACT_INTEGER as f64;
    // The sign of a negative zero would be lost, so it stays a double.
    let exact =
        number.fract() == 0.0 && number.abs() <= limit && !(number == 0.0 && number.is_sign_negative());
    #[expect(clippy::cast_possible_truncation, reason = "integral and within 2^53")]
    exact.then_some(number as i64)
}

/// One step on the way from the root of a value to a place in it.
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `spec.ports[0]`, or `the root` for the value itself.
pub(super) fn render(path: &[Step<'_>]) -> String {
    if path.is_empty() {
        return "the root".to_owned();
    }
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
        }
    }
    text
}
