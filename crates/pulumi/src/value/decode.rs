//! Values as they come from the engine.
//!
//! Secrets and unknowns are recognised. Assets, archives, resource references and output values stay what they
//! are on the wire, objects with the signature key: we send none and act on none, but can pass them on.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{Struct, Value as WireValue};

use super::{UnknownKind, Value};
use crate::wire::{SECRET_SIGNATURE, SIGNATURE_KEY};

/// Why what came cannot be a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// An infinity, or not a number at all.
    #[error("Pulumi sent a number that is not finite")]
    NotFinite,
    /// An envelope for a secret, with nothing in it.
    #[error("Pulumi sent a secret without its value")]
    EmptySecret,
}

impl Value {
    /// Reads a value as the engine sends it.
    pub fn from_wire(value: WireValue) -> Result<Self, DecodeError> {
        Ok(match value.kind {
            None | Some(Kind::NullValue(_)) => Value::Null,
            Some(Kind::BoolValue(truth)) => Value::Bool(truth),
            Some(Kind::NumberValue(number)) if number.is_finite() => Value::Number(number),
            Some(Kind::NumberValue(_)) => return Err(DecodeError::NotFinite),
            Some(Kind::StringValue(text)) => match UnknownKind::from_sentinel(&text) {
                Some(kind) => Value::Unknown(kind),
                None => Value::String(text),
            },
            Some(Kind::ListValue(list)) => Value::Array(
                list.values
                    .into_iter()
                    .map(Value::from_wire)
                    .collect::<Result<_, _>>()?,
            ),
            Some(Kind::StructValue(mut object)) => {
                if is_secret(&object) {
                    let content = object.fields.remove("value").ok_or(DecodeError::EmptySecret)?;
                    Value::secret(Value::from_wire(content)?)
                } else {
                    Value::Object(from_wire(object)?)
                }
            }
        })
    }
}

/// Reads the properties of a resource as the engine sends them.
pub fn from_wire(properties: Struct) -> Result<BTreeMap<String, Value>, DecodeError> {
    properties
        .fields
        .into_iter()
        .map(|(key, value)| Ok((key, Value::from_wire(value)?)))
        .collect()
}

fn is_secret(object: &Struct) -> bool {
    let signature = object
        .fields
        .get(SIGNATURE_KEY)
        .and_then(|value| value.kind.as_ref());
    matches!(signature, Some(Kind::StringValue(text)) if text == SECRET_SIGNATURE)
}
