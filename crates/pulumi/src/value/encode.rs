//! Conversion to the engine's messages. References to secrets are replaced by the secrets' values here.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as WireValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::json::{Step, render};
use super::{Sealed, Value};
use crate::wire::{SECRET_SIGNATURE, SIGNATURE_KEY};

/// A value that cannot be sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EncodeError {
    /// The value of a referenced secret is missing.
    #[error("{path} refers to the secret \"{name}\", which has no value")]
    MissingSecret {
        /// The secret's name.
        name: String,
        /// The path of the reference.
        path: String,
    },
    /// The number is infinite or NaN, which the engine's protocol cannot represent.
    #[error("the number at {path} is not finite; Pulumi supports only finite numbers")]
    NotFinite {
        /// The path of the number.
        path: String,
    },
}

impl Value {
    /// Converts a value to the engine's representation, with the values of the secrets it refers to.
    ///
    /// The result holds the secrets in ordinary memory, because the message library copies freely. Encode right before
    /// sending.
    pub fn to_wire(&self, secrets: &BTreeMap<String, SecretString>) -> Result<WireValue, EncodeError> {
        encode(self, secrets, &mut Vec::new())
    }
}

/// Converts a resource's properties to the engine's representation.
pub fn to_wire(
    properties: &BTreeMap<String, Value>,
    secrets: &BTreeMap<String, SecretString>,
) -> Result<Struct, EncodeError> {
    encode_fields(properties, secrets, &mut Vec::new())
}

/// Returns all problems that would prevent sending these properties. Does not read the values of secrets.
pub fn problems(
    properties: &BTreeMap<String, Value>,
    known: &BTreeMap<String, SecretString>,
) -> Vec<EncodeError> {
    let mut found = Vec::new();
    for (key, value) in properties {
        collect_problems(value, known, &mut vec![Step::Key(key)], &mut found);
    }
    found
}

fn collect_problems<'a>(
    value: &'a Value,
    known: &BTreeMap<String, SecretString>,
    path: &mut Vec<Step<'a>>,
    found: &mut Vec<EncodeError>,
) {
    match value {
        Value::SecretRef(name) if !known.contains_key(name) => {
            found.push(EncodeError::MissingSecret {
                name: name.clone(),
                path: render(path),
            });
        }
        Value::ChecksumOf(checksum) => {
            for name in checksum.names().filter(|name| !known.contains_key(*name)) {
                found.push(EncodeError::MissingSecret {
                    name: name.to_owned(),
                    path: render(path),
                });
            }
        }
        Value::Number(number) if !number.is_finite() => {
            found.push(EncodeError::NotFinite { path: render(path) });
        }
        Value::Secret(content) => collect_problems(content.expose(), known, path, found),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                collect_problems(item, known, path, found);
                path.pop();
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                path.push(Step::Key(key));
                collect_problems(field, known, path, found);
                path.pop();
            }
        }
        _ => (),
    }
}

fn encode<'a>(
    value: &'a Value,
    secrets: &BTreeMap<String, SecretString>,
    path: &mut Vec<Step<'a>>,
) -> Result<WireValue, EncodeError> {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        Value::Number(number) if !number.is_finite() => {
            return Err(EncodeError::NotFinite { path: render(path) });
        }
        Value::Number(number) => Kind::NumberValue(*number),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Unknown(kind) => Kind::StringValue(kind.sentinel().to_owned()),
        Value::Array(items) => {
            let mut values = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                values.push(encode(item, secrets, path)?);
                path.pop();
            }
            Kind::ListValue(ListValue { values })
        }
        Value::Object(fields) => Kind::StructValue(encode_fields(fields, secrets, path)?),
        Value::Secret(content) => return encode_secret(content, secrets, path),
        // Not marked as secret: a checksum reveals nothing, and a secret inside a property hides the whole property.
        Value::ChecksumOf(checksum) => match checksum.text(secrets) {
            Ok(text) => Kind::StringValue(text),
            Err(name) => {
                return Err(EncodeError::MissingSecret {
                    name,
                    path: render(path),
                });
            }
        },
        Value::SecretRef(name) => match secrets.get(name) {
            Some(secret) => return Ok(envelope(Kind::StringValue(secret.expose_secret().to_owned()))),
            None => {
                return Err(EncodeError::MissingSecret {
                    name: name.clone(),
                    path: render(path),
                });
            }
        },
    };
    Ok(WireValue { kind: Some(kind) })
}

fn encode_fields<'a>(
    fields: &'a BTreeMap<String, Value>,
    secrets: &BTreeMap<String, SecretString>,
    path: &mut Vec<Step<'a>>,
) -> Result<Struct, EncodeError> {
    let mut encoded = BTreeMap::new();
    for (key, field) in fields {
        path.push(Step::Key(key));
        encoded.insert(key.clone(), encode(field, secrets, path)?);
        path.pop();
    }
    Ok(Struct { fields: encoded })
}

fn encode_secret<'a>(
    content: &'a Sealed,
    secrets: &BTreeMap<String, SecretString>,
    path: &mut Vec<Step<'a>>,
) -> Result<WireValue, EncodeError> {
    let encoded = encode(content.expose(), secrets, path)?;
    match content.expose() {
        // These bring an envelope of their own, and one is enough.
        Value::Secret(_) | Value::SecretRef(_) => Ok(encoded),
        _ => Ok(envelope(encoded.kind.unwrap_or(Kind::NullValue(0)))),
    }
}

/// What marks a value as secret on the wire.
fn envelope(content: Kind) -> WireValue {
    let signature = WireValue {
        kind: Some(Kind::StringValue(SECRET_SIGNATURE.to_owned())),
    };
    let fields = BTreeMap::from([
        (SIGNATURE_KEY.to_owned(), signature),
        ("value".to_owned(), WireValue { kind: Some(content) }),
    ]);
    WireValue {
        kind: Some(Kind::StructValue(Struct { fields })),
    }
}
