//! `Debug` and serialization of values: JSON, with markers for secrets, checksums and unknown values.

use std::fmt;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::Value;

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(truth) => truth.fmt(f),
            Value::Number(number) => number.fmt(f),
            Value::String(text) => text.fmt(f),
            Value::Array(items) => f.debug_list().entries(items).finish(),
            Value::Object(fields) => f.debug_map().entries(fields).finish(),
            Value::Secret(content) => content.fmt(f),
            Value::SecretRef(name) => write!(f, "[secret {name}]"),
            Value::ChecksumOf(checksum) => write!(f, "[checksum of {}]", checksum.secrets.join(", ")),
            Value::Unknown(kind) => write!(f, "[unknown {kind:?}]"),
        }
    }
}

/// Serialization for snapshots and display. It cannot be deserialized, because secrets are replaced by markers.
///
/// Integral numbers are written as integers: `replicas` is `3`, not `3.0`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Number(number) => match super::json::as_integer(*number) {
                Some(integer) => serializer.serialize_i64(integer),
                None => serializer.serialize_f64(*number),
            },
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items),
            Value::Object(fields) => serializer.collect_map(fields),
            Value::Secret(_) => mark(serializer, "$secret", "[secret]"),
            Value::SecretRef(name) => mark(serializer, "$secretRef", name),
            Value::ChecksumOf(checksum) => mark(serializer, "$checksumOf", &checksum.secrets.join(", ")),
            Value::Unknown(kind) => mark(serializer, "$unknown", &format!("{kind:?}").to_lowercase()),
        }
    }
}

fn mark<S: Serializer>(serializer: S, key: &str, text: &str) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, text)?;
    map.end()
}
