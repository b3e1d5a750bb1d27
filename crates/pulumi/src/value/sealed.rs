//! The content of a secret: accessible only through [`Sealed::expose`], hidden in `Debug`, zeroed when dropped.

use std::fmt;

use secrecy::zeroize::Zeroize as _;

use super::Value;

/// The content of a secret.
///
/// ```
/// use pulumi_wire::{Sealed, Value};
///
/// let sealed = Sealed::new(Value::from("hunter2"));
/// assert_eq!(format!("{sealed:?}"), "[secret]");
/// assert_eq!(sealed.expose(), &Value::from("hunter2"));
/// ```
#[derive(Clone, PartialEq)]
pub struct Sealed(Box<Value>);

impl Sealed {
    /// Wraps a value.
    pub fn new(content: Value) -> Self {
        Self(Box::new(content))
    }

    /// The content in plain text. Review every call: this is where a secret can leak.
    pub fn expose(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites the strings, numbers and booleans in a value. Property names are not secret.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Number(number) => number.zeroize(),
        Value::Bool(truth) => truth.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        // A nested secret wipes itself when it is dropped.
        Value::Null | Value::Secret(_) | Value::SecretRef(_) | Value::ChecksumOf(_) | Value::Unknown(_) => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_overwrites_every_string_number_and_boolean() {
        let mut value = Value::from_json(&serde_json::json!({ "a": ["hunter2", { "b": 7 }], "c": true }))
            .expect("plain JSON");
        wipe(&mut value);
        let wiped = serde_json::json!({ "a": ["", { "b": 0 }], "c": false });
        assert_eq!(value, Value::from_json(&wiped).expect("plain JSON"));
    }
}
