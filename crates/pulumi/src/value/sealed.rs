//! What is inside a secret: reachable on purpose only, invisible to `Debug`, wiped when dropped.

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
    /// Seals a value.
    pub fn new(content: Value) -> Self {
        Self(Box::new(content))
    }

    /// The content, in the clear. Every call is a place where a secret can leave.
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

/// Overwrites the texts and numbers in a value. The names of properties are not secret.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Number(number) => number.zeroize(),
        Value::Bool(truth) => truth.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        // A secret in a secret wipes itself.
        Value::Null | Value::Secret(_) | Value::SecretRef(_) | Value::ChecksumOf(_) | Value::Unknown(_) => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_reaches_every_text_and_number() {
        let mut value = Value::from_json(&serde_json::json!({ "a": ["hunter2", { "b": 7 }], "c": true }))
            .expect("plain JSON");
        wipe(&mut value);
        let wiped = serde_json::json!({ "a": ["", { "b": 0 }], "c": false });
        assert_eq!(value, Value::from_json(&wiped).expect("plain JSON"));
    }
}
