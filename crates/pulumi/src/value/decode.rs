//! Conversion from the engine's messages.
//!
//! Secrets and unknown values are recognized. Assets, archives, resource references and output values remain objects with
//! the signature key: this crate does not interpret them but can pass them on.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{Struct, Value as WireValue};

use super::{UnknownKind, Value};
use crate::wire::{SECRET_SIGNATURE, SIGNATURE_KEY};

/// A message that cannot be converted to a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The number is infinite or NaN.
    #[error("Pulumi sent a number that is not finite")]
    NotFinite,
    /// The envelope of a secret contains no value.
    #[error("Pulumi sent a secret without its value")]
    EmptySecret,
}

impl Value {
    /// Converts a value from the engine's representation.
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

/// Converts a resource's properties from the engine's representation.
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
