//! Values of the query API in typed JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The supported types of properties, in addition to lists and maps of them. The API cannot write other types, such as
/// vectors.
const SUPPORTED_TYPES: [&str; 14] = [
    "Null",
    "Boolean",
    "Integer",
    "Float",
    "String",
    "Base64",
    "Date",
    "Time",
    "LocalTime",
    "OffsetDateTime",
    "ZonedDateTime",
    "LocalDateTime",
    "Duration",
    "Point",
];

/// A value with its type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Typed {
    #[serde(rename = "$type")]
    kind: String,
    #[serde(rename = "_value", default)]
    value: Content,
}

/// The content of a typed value. Numbers and dates are strings, because JSON numbers have limited precision.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    #[default]
    Null,
    Flag(bool),
    Text(String),
    List(Vec<Typed>),
    Map(BTreeMap<String, Typed>),
    /// A value of an unsupported type, kept for the error message.
    Other(serde_json::Value),
}

impl Typed {
    pub(super) fn text(text: &str) -> Self {
        Self {
            kind: "String".to_owned(),
            value: Content::Text(text.to_owned()),
        }
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self {
            kind: "List".to_owned(),
            value: Content::List(items),
        }
    }

    pub(super) fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self {
            kind: "Map".to_owned(),
            value: Content::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect(),
            ),
        }
    }

    pub(super) fn into_text(self, doing: &str) -> Result<String, Error> {
        match self.value {
            Content::Text(text) => Ok(text),
            _ => Err(unexpected(
                doing,
                &format!("it contains a {} instead of a string", self.kind),
            )),
        }
    }

    pub(super) fn into_texts(self, doing: &str) -> Result<Vec<String>, Error> {
        match self.value {
            Content::List(items) => items.into_iter().map(|item| item.into_text(doing)).collect(),
            _ => Err(unexpected(
                doing,
                &format!("it contains a {} instead of a list", self.kind),
            )),
        }
    }

    pub(super) fn into_number(self, doing: &str) -> Result<u64, Error> {
        self.into_text(doing)?
            .parse()
            .map_err(|_| unexpected(doing, "it contains a string instead of a number"))
    }

    pub(super) fn into_entries(self, doing: &str) -> Result<BTreeMap<String, Self>, Error> {
        match self.value {
            Content::Map(entries) => Ok(entries),
            _ => Err(unexpected(
                doing,
                &format!("it contains a {} instead of a map", self.kind),
            )),
        }
    }

    pub(super) fn as_flag(&self) -> Option<bool> {
        match self.value {
            Content::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// The name of its type.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// Fails if the value cannot be restored, so that the problem is found by the backup and not by the restore.
    pub(super) fn check_supported(&self, of: &str) -> Result<(), Error> {
        match self.unsupported() {
            None => Ok(()),
            Some(kind) => Err(Error::Damaged(format!(
                "cannot back up {of}: it has a property of type {kind}, which the query API cannot write\n  hint: store such values \
                 in another type, such as a list of numbers, or back up this database with neo4j-admin"
            ))),
        }
    }

    /// The type of a value in it that the query API cannot write.
    pub(super) fn unsupported(&self) -> Option<&str> {
        match &self.value {
            Content::List(items) if self.kind == "List" => items.iter().find_map(Self::unsupported),
            Content::Map(entries) if self.kind == "Map" => entries.values().find_map(Self::unsupported),
            _ if SUPPORTED_TYPES.contains(&self.kind.as_str()) => None,
            _ => Some(&self.kind),
        }
    }
}

pub(super) fn unexpected(doing: &str, what: &str) -> Error {
    Error::Unreachable {
        doing: doing.to_owned(),
        cause: format!("the response has an unexpected format: {what}"),
    }
}
