//! A field that differs between two versions of an object.

use serde_json::Value;

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The path to the field, such as `spec.template.spec.containers[qdrant].image`.
    pub path: String,
    /// The value before the change; `None` if the field was added.
    pub before: Option<Value>,
    /// The value after the change; `None` if the field was removed.
    pub after: Option<Value>,
    /// Whether this change deletes and recreates the object.
    pub replaces: bool,
    /// Whether the field gets its first value instead of a placeholder. Such a change replaces nothing, because a graph
    /// with placeholders is not deployed.
    pub first_value: bool,
}
