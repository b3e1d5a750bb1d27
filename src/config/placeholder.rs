//! Values that nobody can know yet, marked as such.
//!
//! A placeholder is an object, `{placeholder: "what is missing"}`, never a text that looks real. Rendering,
//! previews and the sandbox accept placeholders and say so; a real deployment refuses them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value, or a note that it is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OrPlaceholder<T> {
    /// Not known yet.
    Placeholder(Placeholder),
    /// The value.
    Value(T),
}

/// A note that a value is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placeholder {
    /// What is missing, in words for the person who has to provide it.
    pub placeholder: String,
}
