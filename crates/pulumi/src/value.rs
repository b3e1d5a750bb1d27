//! Values of inputs and outputs: JSON with secrets and unknown values.
//!
//! Guarantees: `Debug` and serialization never show the content of a secret; a number is transmitted exactly or is an
//! error.
//!
//! `json` converts from JSON, `encode` converts to the engine's messages, `decode` converts from them.

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
    /// The null value.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A number: a double, as in the engine's protocol. Only finite numbers can be sent.
    Number(f64),
    /// A string.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// Properties, sorted by name.
    Object(BTreeMap<String, Value>),
    /// A value that is encrypted in the state and hidden in output.
    Secret(Sealed),
    /// A reference to a secret by name. It is replaced by the secret's value when it is sent.
    SecretRef(String),
    /// A checksum of several secrets, which shows whether one of them has changed and nothing else. It is computed from
    /// their values when it is sent.
    ChecksumOf(Checksum),
    /// A value that is not known during a preview.
    Unknown(UnknownKind),
}

/// The type of an unknown value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnknownKind {
    /// A boolean.
    Bool,
    /// A number.
    Number,
    /// A string; also used by the engine for values of unknown type.
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
    /// All variants.
    pub const ALL: [Self; 7] = [
        Self::Bool,
        Self::Number,
        Self::String,
        Self::Array,
        Self::Asset,
        Self::Archive,
        Self::Object,
    ];

    /// The sentinel string that represents this unknown in the engine's messages.
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

    /// The kind that a sentinel string represents; `None` for any other text.
    pub fn from_sentinel(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.sentinel() == text)
    }
}

impl Value {
    /// Marks a value as secret. A secret, or a reference to one, is returned unchanged.
    #[must_use]
    pub fn secret(content: Value) -> Self {
        match content {
            Value::Secret(_) | Value::SecretRef(_) => content,
            open => Value::Secret(Sealed::new(open)),
        }
    }

    /// The names of all secrets that are needed to send this value.
    pub fn secret_names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.walk(&mut |value| match value {
            Value::SecretRef(name) => drop(names.insert(name.as_str())),
            Value::ChecksumOf(checksum) => names.extend(checksum.names()),
            _ => (),
        });
        names
    }

    /// Calls `visit` with this value and then with every value inside it.
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
