//! The values that inputs and outputs are made of, with the two things JSON lacks: secrets and unknowns.
//!
//! It promises that what is inside a secret is never shown by `Debug` or by serialization, and that a number
//! arrives as it was sent or not at all. It does not know which resource a value belongs to.
//!
//! [`json`] makes values from JSON, [`encode`] sends them to the engine, [`decode`] reads what the engine sends.

mod checksum;
#[cfg(feature = "transport")]
mod decode;
#[cfg(feature = "transport")]
mod encode;
mod json;
mod sealed;
mod show;

use std::collections::{BTreeMap, BTreeSet};

pub use checksum::Checksum;
#[cfg(feature = "transport")]
pub use decode::{DecodeError, from_wire};
#[cfg(feature = "transport")]
pub use encode::{EncodeError, problems, to_wire};
pub use json::JsonError;
pub use sealed::Sealed;

use crate::wire;

/// One value of an input or an output.
///
/// ```
/// use pulumi_wire::Value;
///
/// let replicas = Value::from_json(&serde_json::json!({ "replicas": 3 }))?;
/// assert_eq!(format!("{replicas:?}"), r#"{"replicas": 3.0}"#);
///
/// let password = Value::secret(Value::from("hunter2"));
/// assert_eq!(format!("{password:?}"), "[secret]");
/// # Ok::<(), pulumi_wire::JsonError>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A double, as all numbers on the wire are. It has to be finite to be sent.
    Number(f64),
    /// Text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// Properties by name, in the order of their names.
    Object(BTreeMap<String, Value>),
    /// Something to be kept encrypted in the state and hidden from view.
    Secret(Sealed),
    /// A secret known by its name only. It is exchanged for the secret itself when it is sent, and not before.
    SecretRef(String),
    /// What tells whether any of several secrets has changed, and nothing else about them. They are known by their
    /// names only, and exchanged when it is sent.
    ChecksumOf(Checksum),
    /// Something a preview cannot know yet.
    Unknown(UnknownKind),
}

/// What kind of thing an unknown will turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnknownKind {
    /// A boolean.
    Bool,
    /// A number.
    Number,
    /// A string; the engine uses it for anything whose kind it cannot tell.
    String,
    /// An array.
    Array,
    /// An asset.
    Asset,
    /// An archive.
    Archive,
    /// An object.
    Object,
}

impl UnknownKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Bool,
        Self::Number,
        Self::String,
        Self::Array,
        Self::Asset,
        Self::Archive,
        Self::Object,
    ];

    /// The text that stands for it on the wire.
    pub const fn sentinel(self) -> &'static str {
        match self {
            Self::Bool => wire::UNKNOWN_BOOL,
            Self::Number => wire::UNKNOWN_NUMBER,
            Self::String => wire::UNKNOWN_STRING,
            Self::Array => wire::UNKNOWN_ARRAY,
            Self::Asset => wire::UNKNOWN_ASSET,
            Self::Archive => wire::UNKNOWN_ARCHIVE,
            Self::Object => wire::UNKNOWN_OBJECT,
        }
    }

    /// The kind a text stands for, if it stands for one.
    pub fn from_sentinel(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.sentinel() == text)
    }
}

impl Value {
    /// Hides a value. What is hidden already stays as it is: a secret of a secret is a secret, and so is one
    /// that is known by name.
    #[must_use]
    pub fn secret(content: Value) -> Self {
        match content {
            Value::Secret(_) | Value::SecretRef(_) => content,
            open => Value::Secret(Sealed::new(open)),
        }
    }

    /// The names of all secrets that sending this value would ask for.
    pub fn secret_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.walk(&mut |value| match value {
            Value::SecretRef(name) => drop(names.insert(name.as_str())),
            Value::ChecksumOf(checksum) => names.extend(checksum.names()),
            _ => (),
        });
        names
    }

    /// Shows every value in here to `visit`, this one first.
    fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Value)) {
        visit(self);
        match self {
            Value::Array(items) => items.iter().for_each(|item| item.walk(visit)),
            Value::Object(fields) => fields.values().for_each(|field| field.walk(visit)),
            Value::Secret(content) => content.expose().walk(visit),
            _ => (),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Value::Number(number.into())
    }
}
