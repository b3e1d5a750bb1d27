//! The values of an opened environment: a tree in which secrets are protected.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::response::object;

/// The values of an opened environment. `Debug` shows no secrets; secrets are zeroed when dropped.
#[derive(Clone, Debug)]
pub struct Values {
    properties: BTreeMap<String, Value>,
    warnings: Vec<String>,
}

/// One value.
#[derive(Clone, Debug)]
pub enum Value {
    /// The null value.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, in the precision of the service.
    Number(serde_json::Number),
    /// A string that is not secret.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Values by name. Names are not secret, even inside a secret.
    Map(BTreeMap<String, Value>),
    /// A secret, or a part of one.
    Secret(Secret),
    /// A value that the service could not evaluate.
    Unknown,
}

/// A secret scalar. Secret lists and maps are lists and maps of secrets.
#[derive(Clone, Debug)]
pub struct Secret {
    kind: Kind,
    content: SecretString,
}

impl Secret {
    /// The type of the secret.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The secret as a string; numbers and booleans in JSON format.
    pub fn content(&self) -> &SecretString {
        &self.content
    }
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Null.
    Null,
    /// A boolean.
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// A list.
    List,
    /// A map.
    Map,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

/// A value that is not a secret string. The message is the predicate of a sentence that begins with the path of the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The value is missing.
    #[error("is missing")]
    Missing,
    /// The parent is missing or is not a map.
    #[error("is missing, because the map {0} does not exist")]
    NoMap(String),
    /// The service could not evaluate the value.
    #[error("is unknown: ESC could not evaluate it")]
    Unknown,
    /// The value is not a string.
    #[error("is {0}, not a string")]
    NotText(Kind),
    /// The value is visible to everyone who can read the environment's definition.
    #[error("is not marked as a secret")]
    NotSecret,
}

impl Values {
    /// The value at this path of names.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(self.properties.get(*first)?, |value, name| match value {
                Value::Map(fields) => fields.get(*name),
                _ => None,
            })
    }

    /// The secret string at this path.
    pub fn secret_text(&self, path: &[&str]) -> Result<&SecretString, ValueError> {
        for length in 1..path.len() {
            match self.get(&path[..length]) {
                Some(Value::Map(_)) => (),
                Some(Value::Unknown) => return Err(ValueError::Unknown),
                _ => return Err(ValueError::NoMap(path[..length].join("."))),
            }
        }
        match self.get(path).ok_or(ValueError::Missing)? {
            Value::Secret(secret) if secret.kind == Kind::Text => Ok(&secret.content),
            Value::Secret(secret) => Err(ValueError::NotText(secret.kind)),
            Value::Text(_) => Err(ValueError::NotSecret),
            Value::Unknown => Err(ValueError::Unknown),
            Value::Null => Err(ValueError::NotText(Kind::Null)),
            Value::Bool(_) => Err(ValueError::NotText(Kind::Bool)),
            Value::Number(_) => Err(ValueError::NotText(Kind::Number)),
            Value::List(_) => Err(ValueError::NotText(Kind::List)),
            Value::Map(_) => Err(ValueError::NotText(Kind::Map)),
        }
    }

    /// The warnings of the service about the environment.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Parses the service's response. The error contains only the position: serde quotes unexpected values, which may be
    /// secrets.
    pub(crate) fn read(body: &[u8], warnings: Vec<String>) -> Result<Self, String> {
        let opened: Opened = object(body)?;
        let properties = opened
            .properties
            .into_iter()
            .map(|(name, wire)| (name, wire.into_value(false)))
            .collect();
        Ok(Self { properties, warnings })
    }
}

/// The response to reading an environment, without the definitions.
#[derive(Deserialize)]
struct Opened {
    properties: BTreeMap<String, Wire>,
}

/// A value in the service's envelope, at each level.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    value: Content,
    #[serde(default)]
    secret: bool,
    #[serde(default)]
    unknown: bool,
}

/// The content of an envelope. The flag `secret` can follow the content, so every string is zeroed when it is dropped.
#[derive(Default)]
enum Content {
    #[default]
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(Zeroizing<String>),
    List(Vec<Wire>),
    Map(BTreeMap<String, Wire>),
}

impl Wire {
    /// Converts the value. Everything inside a secret is secret.
    fn into_value(self, in_secret: bool) -> Value {
        let secret = in_secret || self.secret;
        if self.unknown {
            return Value::Unknown;
        }
        let (kind, content) = match self.value {
            Content::List(items) => {
                return Value::List(items.into_iter().map(|item| item.into_value(secret)).collect());
            }
            Content::Map(fields) => {
                return Value::Map(
                    fields
                        .into_iter()
                        .map(|(name, wire)| (name, wire.into_value(secret)))
                        .collect(),
                );
            }
            Content::Null if secret => (Kind::Null, "null".to_owned()),
            Content::Null => return Value::Null,
            Content::Bool(truth) if secret => (Kind::Bool, truth.to_string()),
            Content::Bool(truth) => return Value::Bool(truth),
            Content::Number(number) if secret => (Kind::Number, number.to_string()),
            Content::Number(number) => return Value::Number(number),
            // Moved, not copied, so that no unprotected copy remains.
            Content::Text(mut text) if secret => (Kind::Text, std::mem::take(&mut *text)),
            Content::Text(mut text) => return Value::Text(std::mem::take(&mut *text)),
        };
        Value::Secret(Secret {
            kind,
            content: SecretString::from(content),
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Content, E> {
        Ok(Content::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Content, E> {
        Ok(Content::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Content, E> {
        Ok(Content::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Content, E> {
        // JSON numbers are finite.
        Ok(serde_json::Number::from_f64(number).map_or(Content::Null, Content::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Content, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, field)) = fields.next_entry()? {
            map.insert(name, field);
        }
        Ok(Content::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const ANSWER: &str = r#"{
        "exprs": {"pulumiConfig": {"literal": "ignored"}},
        "properties": {
            "pulumiConfig": {"value": {
                "shop:key": {"value": "canary-text", "secret": true, "trace": {"def": {"environment": "a"}}},
                "shop:escaped": {"secret": true, "value": "canary\n\"x\""},
                "shop:number": {"value": 4711, "secret": true},
                "shop:open": {"value": "seen by all"},
                "shop:later": {"unknown": true, "secret": true},
                "shop:none": {"value": null},
                "shop:truth": {"value": false}
            }, "trace": {}},
            "whole": {"value": {"inner": {"value": [{"value": "canary-inner"}]}}, "secret": true}
        },
        "schema": {}
    }"#;

    fn values() -> Values {
        Values::read(ANSWER.as_bytes(), Vec::new()).unwrap()
    }

    #[test]
    fn a_secret_string_is_found_by_its_path() {
        let values = values();
        let text = |key| {
            values
                .secret_text(&["pulumiConfig", key])
                .map(|text| text.expose_secret().to_owned())
        };
        assert_eq!(text("shop:key").as_deref(), Ok("canary-text"));
        assert_eq!(text("shop:escaped").as_deref(), Ok("canary\n\"x\""));
        assert_eq!(text("shop:number"), Err(ValueError::NotText(Kind::Number)));
        assert_eq!(text("shop:open"), Err(ValueError::NotSecret));
        assert_eq!(text("shop:later"), Err(ValueError::Unknown));
        assert_eq!(text("shop:none"), Err(ValueError::NotText(Kind::Null)));
        assert_eq!(text("shop:truth"), Err(ValueError::NotText(Kind::Bool)));
        assert_eq!(text("shop:nowhere"), Err(ValueError::Missing));
        assert_eq!(
            values.secret_text(&["elsewhere", "shop:key"]).err(),
            Some(ValueError::NoMap("elsewhere".to_owned()))
        );
    }

    #[test]
    fn values_inside_a_secret_are_secret_and_debug_shows_none() {
        let values = values();
        let Some(Value::List(items)) = values.get(&["whole", "inner"]) else {
            panic!("{values:?}")
        };
        let Value::Secret(secret) = &items[0] else {
            panic!("{items:?}")
        };
        assert_eq!(
            (secret.kind(), secret.content().expose_secret()),
            (Kind::Text, "canary-inner")
        );
        let shown = format!("{values:?} {values:#?}");
        assert!(
            shown.contains("seen by all") && !shown.contains("canary") && !shown.contains("4711"),
            "{shown}"
        );
    }

    #[test]
    fn a_response_with_an_unexpected_structure_is_not_quoted() {
        for (answer, expected) in [
            (
                r#"{"properties": {"a": "canary"}}"#,
                "unexpected structure at line 1",
            ),
            (
                r#"{"properties": {"a": {"value": "canary", "secret": "canary"}}}"#,
                "unexpected structure at line 1",
            ),
            (
                r#"{"properties": {"a": {"value": "canary""#,
                "invalid JSON at line 1",
            ),
            (r#""canary""#, "it is not a JSON object"),
            (r#"[{"a": {"value": "canary"}}]"#, "it is not a JSON object"),
            ("<html>canary</html>", "it is not a JSON object"),
        ] {
            let error = Values::read(answer.as_bytes(), Vec::new()).unwrap_err();
            assert!(
                error.starts_with(expected) && !error.contains("canary"),
                "{error}"
            );
        }
        let deep = format!("{{\"properties\":{}", r#"{"a":{"value":"#.repeat(10_000));
        assert!(
            Values::read(deep.as_bytes(), Vec::new()).is_err(),
            "no stack is used up"
        );
    }

    /// A secret that stands nowhere in this program but scrambled, so that looking for it does not make a copy of it.
    #[cfg(target_os = "linux")]
    const SCRAMBLED: [u8; 32] = [
        0x24, 0x06, 0x2c, 0x0c, 0x66, 0x23, 0x63, 0x2c, 0x26, 0x3f, 0x17, 0x63, 0x33, 0x67, 0x07, 0x26, 0x11,
        0x19, 0x1d, 0x0f, 0x32, 0x6d, 0x07, 0x34, 0x3e, 0x12, 0x3b, 0x07, 0x14, 0x2d, 0x05, 0x36,
    ];
    #[cfg(target_os = "linux")]
    const KEY: u8 = 0x55;

    /// How often the secret stands in the memory that this process can write to.
    #[cfg(target_os = "linux")]
    #[expect(clippy::disallowed_methods, reason = "the test looks at its own memory")]
    fn copies_in_memory() -> usize {
        use std::io::{Read as _, Seek as _, SeekFrom};

        const PAGE: usize = 4096;
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut copies = 0;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (range, _) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
            // What was read is wiped too, or the second look would find what the first has read.
            let mut read = Zeroizing::new(Vec::with_capacity(usize::try_from(end - start).unwrap()));
            if memory.seek(SeekFrom::Start(start)).is_ok() {
                let _until_a_page_is_missing = memory.by_ref().take(end - start).read_to_end(&mut read);
            }
            // Most of it was never written to.
            let pages = (0..read.len()).step_by(PAGE);
            for page in pages.filter(|page| read[*page..].get(..PAGE) != Some(&[0; PAGE][..])) {
                let until = read.len().min(page + PAGE + SCRAMBLED.len() - 1);
                copies += read[page..until]
                    .windows(SCRAMBLED.len())
                    .filter(|window| window[0] ^ KEY == SCRAMBLED[0])
                    .filter(|window| window.iter().zip(SCRAMBLED).all(|(byte, one)| byte ^ KEY == one))
                    .count();
            }
        }
        copies
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_secret_is_gone_from_memory_when_it_is_dropped() {
        let mut answer = Zeroizing::new(Vec::with_capacity(256));
        answer.extend_from_slice(br#"{"properties": {"key": {"secret": true, "value": ""#);
        for byte in SCRAMBLED {
            answer.push(byte ^ KEY);
        }
        answer.extend_from_slice(br#""}}}"#);
        let values = Values::read(&answer, Vec::new()).unwrap();
        drop(answer);
        assert!(values.secret_text(&["key"]).is_ok());
        assert!(
            copies_in_memory() > 0,
            "it is there, or not finding it would prove nothing"
        );
        drop(values);
        assert_eq!(copies_in_memory(), 0);
    }

    #[test]
    fn a_panic_message_with_values_shows_no_secret() {
        let panic = std::panic::catch_unwind(|| panic!("this is wrong: {:?}", values())).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(
            message.contains("seen by all") && !message.contains("canary"),
            "{message}"
        );
    }
}
