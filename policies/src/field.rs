//! Fields of an object that may have no value yet.
//!
//! In a preview, any field can have a value that only the cluster or another resource determines; the engine then sends one
//! of five marks instead. In a file, a field can have a value of any type. A field is therefore [`Known`](Field::Known),
//! [`Absent`](Field::Absent) or [`Unknown`](Field::Unknown), and an unknown value is never taken for an absent or a known
//! one. For this reason rules read fields by their paths and not typed objects, which cannot represent an unknown value
//! (`docs/decisions/0011-rules-read-fields.md`).

use std::sync::LazyLock;

use phoenix_graph::Object;
use serde_json::{Map, Value};

use crate::answer::Answer;

/// The marks that the engine sends for an unknown string, boolean, number, list or object.
pub const UNKNOWN: [&str; 5] = [
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
];

/// An unknown object.
pub(crate) static UNKNOWN_VALUE: LazyLock<Value> = LazyLock::new(|| UNKNOWN[4].into());

/// The content of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<T> {
    /// A value.
    Known(T),
    /// The field is missing or null.
    Absent,
    /// The value is not known yet, or is not of the field's type.
    Unknown,
}

impl<T> Field<T> {
    /// The value, if it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }

    /// This field or, if it is absent, another one: a container's field takes precedence over its pod's.
    #[must_use]
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Absent => other(),
            found => found,
        }
    }

    /// Converts a known value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Known(value) => Field::Known(change(value)),
            Self::Absent => Field::Absent,
            Self::Unknown => Field::Unknown,
        }
    }

    /// Reads on from a known value.
    pub fn and_then<U>(self, next: impl FnOnce(T) -> Field<U>) -> Field<U> {
        match self {
            Self::Known(value) => next(value),
            Self::Absent => Field::Absent,
            Self::Unknown => Field::Unknown,
        }
    }

    /// The field with a reference to its value.
    pub fn as_ref(&self) -> Field<&T> {
        match self {
            Self::Known(value) => Field::Known(value),
            Self::Absent => Field::Absent,
            Self::Unknown => Field::Unknown,
        }
    }

    /// Whether the value satisfies a condition, which an absent field does not.
    pub fn is(self, condition: impl FnOnce(T) -> bool) -> Answer {
        match self {
            Self::Known(value) => Answer::from_bool(condition(value)),
            Self::Absent => Answer::No,
            Self::Unknown => Answer::Unknown,
        }
    }

    /// Whether the field is absent.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether the value is unknown.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// Whether a value is a mark for an unknown one.
pub fn is_unknown(value: &Value) -> bool {
    value.as_str().is_some_and(|text| UNKNOWN.contains(&text))
}

/// A part of an object and its path.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// The value.
    pub value: &'a Value,
    /// The path, such as `spec.containers[0]`; empty for the object itself.
    pub path: &'a str,
}

impl<'a> Node<'a> {
    /// A part at a path.
    pub fn new(value: &'a Value, path: &'a str) -> Self {
        Self { value, path }
    }

    /// The path of a field below this part, as messages show it.
    pub fn at(&self, field: &str) -> String {
        match (self.path, field) {
            ("", field) => field.to_owned(),
            (path, "") => path.to_owned(),
            (path, field) if field.starts_with('[') => format!("{path}{field}"),
            (path, field) => format!("{path}.{field}"),
        }
    }

    /// The field `a.b.c` below this part.
    pub fn field(&self, path: &str) -> Field<&'a Value> {
        field(self.value, path)
    }

    /// A field that is a boolean.
    pub fn flag(&self, path: &str) -> Field<bool> {
        self.field(path).and_then(|value| typed(value.as_bool()))
    }

    /// A field that is a string.
    pub fn text(&self, path: &str) -> Field<&'a str> {
        self.field(path).and_then(text)
    }

    /// A field that is an integer.
    pub fn number(&self, path: &str) -> Field<i64> {
        self.field(path).and_then(|value| typed(value.as_i64()))
    }

    /// A field that is a list.
    pub fn list(&self, path: &str) -> Field<&'a [Value]> {
        self.field(path)
            .and_then(|value| typed(value.as_array().map(Vec::as_slice)))
    }

    /// A field that is a mapping.
    pub fn map(&self, path: &str) -> Field<&'a Map<String, Value>> {
        self.field(path).and_then(|value| typed(value.as_object()))
    }

    /// The value of a key that may contain dots, such as a label.
    pub fn entry(&self, path: &str, key: &str) -> Field<&'a str> {
        self.map(path).and_then(|map| match map.get(key) {
            None | Some(Value::Null) => Field::Absent,
            Some(value) => text(value),
        })
    }
}

/// The field `a.b.c` of a value.
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

/// A value as a string.
pub fn text(value: &Value) -> Field<&str> {
    match value.as_str() {
        Some(text) if !UNKNOWN.contains(&text) => Field::Known(text),
        _ => Field::Unknown,
    }
}

/// The namespace of an object; `default` if it sets none.
pub fn namespace_of(object: &Object) -> &str {
    object.id.namespace.as_deref().unwrap_or("default")
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
            "a string is neither a number nor absent"
        );
    }

    #[test]
    fn paths_are_written_as_in_manifests() {
        let value = json!({});
        assert_eq!(Node::new(&value, "").at("spec"), "spec");
        assert_eq!(
            Node::new(&value, "spec.containers[0]").at("image"),
            "spec.containers[0].image"
        );
        assert_eq!(Node::new(&value, "spec.ports").at("[1]"), "spec.ports[1]");
    }
}
