//! Values that are not known yet.
//!
//! A placeholder is an object, `{placeholder: "what is missing"}`, never a string that looks like a real value.
//! Rendering, previews and the sandbox accept placeholders and report them; a deployment rejects them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value or a placeholder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OrPlaceholder<T> {
    /// The value is not known yet.
    Placeholder(Placeholder),
    /// The value.
    Value(T),
}

/// A placeholder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placeholder {
    /// A description of the missing value.
    pub placeholder: String,
}
