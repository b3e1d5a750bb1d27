//! Reading the fields of an object that may not be known yet.
//!
//! At preview any leaf of an object can be a value that only the cluster or another resource will give; the engine then
//! sends one of five marks in its place. A file can hold anything at all where a number is expected. So a field that a rule
//! reads is [`Known`](Field::Known), [`Absent`](Field::Absent) or [`Unknown`](Field::Unknown), and what is unknown can
//! never be taken for absent or for a value. That is why rules read fields by their paths instead of whole typed objects:
//! a type has no place for a value that is not known (`docs/decisions/0011-rules-read-fields.md`).

use serde_json::{Map, Value};

/// What the engine sends in place of a value that is not known yet: a text, a flag, a number, a list, an object.
pub const UNKNOWN: [&str; 5] = [
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
];

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<T> {
    /// This value.
    Known(T),
    /// Nothing: the field is not there.
    Absent,
    /// Something that nobody knows yet, or that is not of the field's type.
    Unknown,
}

impl<T> Field<T> {
    /// The value, if there is one.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }

    /// This, or where the field is not there, what stands elsewhere: a container's field over its pod's.
    #[must_use]
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Absent => other(),
            found => found,
        }
    }

    /// The known value as something else.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Known(value) => Field::Known(change(value)),
            Self::Absent => Field::Absent,
            Self::Unknown => Field::Unknown,
        }
    }

    /// Goes on with the known value.
    pub fn and_then<U>(self, next: impl FnOnce(T) -> Field<U>) -> Field<U> {
        match self {
            Self::Known(value) => next(value),
            Self::Absent => Field::Absent,
            Self::Unknown => Field::Unknown,
        }
    }

    /// Whether nothing stands there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether it cannot be said what stands there.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// Whether this is a value that is not known yet.
pub fn is_unknown(value: &Value) -> bool {
    value.as_str().is_some_and(|text| UNKNOWN.contains(&text))
}

/// A part of an object, and where in it that part is.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// What it says.
    pub value: &'a Value,
    /// Its path, such as `spec.containers[0]`; empty for the object itself.
    pub path: &'a str,
}

impl<'a> Node<'a> {
    /// A part at a path.
    pub fn new(value: &'a Value, path: &'a str) -> Self {
        Self { value, path }
    }

    /// The path of a field below this part, as messages tell it.
    pub fn at(&self, field: &str) -> String {
        match (self.path, field) {
            ("", field) => field.to_owned(),
            (path, "") => path.to_owned(),
            (path, field) if field.starts_with('[') => format!("{path}{field}"),
            (path, field) => format!("{path}.{field}"),
        }
    }

    /// Whatever stands in the field `a.b.c` below this part.
    pub fn field(&self, path: &str) -> Field<&'a Value> {
        field(self.value, path)
    }

    /// The flag that stands there.
    pub fn flag(&self, path: &str) -> Field<bool> {
        self.field(path).and_then(|value| typed(value.as_bool()))
    }

    /// The text that stands there.
    pub fn text(&self, path: &str) -> Field<&'a str> {
        self.field(path).and_then(text)
    }

    /// The number that stands there.
    pub fn number(&self, path: &str) -> Field<i64> {
        self.field(path).and_then(|value| typed(value.as_i64()))
    }

    /// The list that stands there.
    pub fn list(&self, path: &str) -> Field<&'a [Value]> {
        self.field(path)
            .and_then(|value| typed(value.as_array().map(Vec::as_slice)))
    }

    /// The mapping that stands there.
    pub fn map(&self, path: &str) -> Field<&'a Map<String, Value>> {
        self.field(path).and_then(|value| typed(value.as_object()))
    }

    /// A value of a mapping whose key may hold dots, such as a label.
    pub fn entry(&self, path: &str, key: &str) -> Field<&'a str> {
        self.map(path).and_then(|map| match map.get(key) {
            None | Some(Value::Null) => Field::Absent,
            Some(value) => text(value),
        })
    }
}

/// Whatever stands in the field `a.b.c` of a value.
pub fn field<'a>(value: &'a Value, path: &str) -> Field<&'a Value> {
    let mut current = value;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        match current {
            Value::Object(fields) => match fields.get(key) {
                None | Some(Value::Null) => return Field::Absent,
                Some(value) => current = value,
            },
            Value::Null => return Field::Absent,
            _ => return Field::Unknown,
        }
    }
    if current.is_null() {
        Field::Absent
    } else if is_unknown(current) {
        Field::Unknown
    } else {
        Field::Known(current)
    }
}

/// A text that is known.
pub fn text(value: &Value) -> Field<&str> {
    match value.as_str() {
        Some(text) if !UNKNOWN.contains(&text) => Field::Known(text),
        _ => Field::Unknown,
    }
}

fn typed<T>(value: Option<T>) -> Field<T> {
    value.map_or(Field::Unknown, Field::Known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_below_something_unknown_is_unknown_and_not_absent() {
        let pod =
            json!({"spec": UNKNOWN[4], "other": {"hostPID": UNKNOWN[1], "hostIPC": null, "port": "80"}});
        let node = Node::new(&pod, "");
        assert_eq!(node.flag("spec.hostPID"), Field::Unknown);
        assert_eq!(node.flag("other.hostPID"), Field::Unknown);
        assert_eq!(node.flag("other.hostIPC"), Field::Absent);
        assert_eq!(node.flag("nowhere.hostIPC"), Field::Absent);
        assert_eq!(
            node.number("other.port"),
            Field::Unknown,
            "a text is no number, and not nothing"
        );
    }

    #[test]
    fn paths_are_told_as_people_write_them() {
        let value = json!({});
        assert_eq!(Node::new(&value, "").at("spec"), "spec");
        assert_eq!(
            Node::new(&value, "spec.containers[0]").at("image"),
            "spec.containers[0].image"
        );
        assert_eq!(Node::new(&value, "spec.ports").at("[1]"), "spec.ports[1]");
    }
}
