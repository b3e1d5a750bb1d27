//! What is in an opened environment: a tree in which secrets are sealed.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::answer::object;

/// The values of an opened environment. `Debug` shows no secret; secrets are wiped when it is dropped.
#[derive(Clone, Debug)]
pub struct Values {
    properties: BTreeMap<String, Value>,
    warnings: Vec<String>,
}

/// One value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth.
    Bool(bool),
    /// A number, as the service writes it.
    Number(serde_json::Number),
    /// A text that everybody may see.
    Text(String),
    /// Several values.
    List(Vec<Value>),
    /// Values by their names. Names are no secrets, even in a secret.
    Map(BTreeMap<String, Value>),
    /// A secret, or a part of one.
    Secret(Secret),
    /// The service could not tell.
    Unknown,
}

/// A secret that is neither a list nor a map: those are made of secrets.
#[derive(Clone, Debug)]
pub struct Secret {
    kind: Kind,
    content: SecretString,
}

impl Secret {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// It as a text; numbers and truths as JSON writes them.
    pub fn content(&self) -> &SecretString {
        &self.content
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// A truth.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
    /// Several values.
    List,
    /// Values by their names.
    Map,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

/// Why a value is not the secret text that the caller needs: the rest of a sentence that begins with its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is none.
    #[error("is missing")]
    Missing,
    /// What it is in is missing, or holds no names.
    #[error("is missing, because there is no map {0}")]
    NoMap(String),
    /// The service could not tell it.
    #[error("is unknown to ESC: whatever it is made from could not be evaluated")]
    Unknown,
    /// It is no text.
    #[error("is {0}, not a text")]
    NotText(Kind),
    /// Everybody who may read the environment's definition can see it.
    #[error("is not marked as a secret")]
    NotSecret,
}

impl Values {
    /// The value at this path, one name a step.
    pub fn get(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(self.properties.get(*first)?, |value, name| match value {
                Value::Map(fields) => fields.get(*name),
                _ => None,
            })
    }

    /// The secret text at this path.
    pub fn secret_text(&self, path: &[&str]) -> Result<&SecretString, Unfit> {
        for length in 1..path.len() {
            match self.get(&path[..length]) {
                Some(Value::Map(_)) => (),
                Some(Value::Unknown) => return Err(Unfit::Unknown),
                _ => return Err(Unfit::NoMap(path[..length].join("."))),
            }
        }
        match self.get(path).ok_or(Unfit::Missing)? {
            Value::Secret(secret) if secret.kind == Kind::Text => Ok(&secret.content),
            Value::Secret(secret) => Err(Unfit::NotText(secret.kind)),
            Value::Text(_) => Err(Unfit::NotSecret),
            Value::Unknown => Err(Unfit::Unknown),
            Value::Null => Err(Unfit::NotText(Kind::Null)),
            Value::Bool(_) => Err(Unfit::NotText(Kind::Bool)),
            Value::Number(_) => Err(Unfit::NotText(Kind::Number)),
            Value::List(_) => Err(Unfit::NotText(Kind::List)),
            Value::Map(_) => Err(Unfit::NotText(Kind::Map)),
        }
    }

    /// What the service warned of when it opened the environment.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// From the answer of the service. The error says where it is wrong, and nothing of what is there: serde quotes what it
    /// did not expect, and that may be a secret.
    pub(crate) fn read(answer: &[u8], warnings: Vec<String>) -> Result<Self, String> {
        let opened: Opened = object(answer)?;
        let properties = opened
            .properties
            .into_iter()
            .map(|(name, wire)| (name, wire.into_value(false)))
            .collect();
        Ok(Self { properties, warnings })
    }
}

/// The answer to a reading, without the definitions that the values come from.
#[derive(Deserialize)]
struct Opened {
    properties: BTreeMap<String, Wire>,
}

/// A value as the service wraps it, at each level.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    value: Content,
    #[serde(default)]
    secret: bool,
    #[serde(default)]
    unknown: bool,
}

/// What is wrapped. Whether it is a secret may be said behind it, so each text is wiped if it is not needed any more.
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
    /// What is in a secret is secret.
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
            // Moved, not copied: no open text stays behind.
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
        // JSON has no number that is not finite.
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
    fn a_secret_text_is_found_by_its_path() {
        let values = values();
        let text = |key| {
            values
                .secret_text(&["pulumiConfig", key])
                .map(|text| text.expose_secret().to_owned())
        };
        assert_eq!(text("shop:key").as_deref(), Ok("canary-text"));
        assert_eq!(text("shop:escaped").as_deref(), Ok("canary\n\"x\""));
        assert_eq!(text("shop:number"), Err(Unfit::NotText(Kind::Number)));
        assert_eq!(text("shop:open"), Err(Unfit::NotSecret));
        assert_eq!(text("shop:later"), Err(Unfit::Unknown));
        assert_eq!(text("shop:none"), Err(Unfit::NotText(Kind::Null)));
        assert_eq!(text("shop:truth"), Err(Unfit::NotText(Kind::Bool)));
        assert_eq!(text("shop:nowhere"), Err(Unfit::Missing));
        assert_eq!(
            values.secret_text(&["elsewhere", "shop:key"]).err(),
            Some(Unfit::NoMap("elsewhere".to_owned()))
        );
    }

    #[test]
    fn what_is_in_a_secret_is_secret_and_debug_shows_none() {
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
    fn an_answer_of_another_shape_is_not_repeated() {
        for (answer, told) in [
            (
                r#"{"properties": {"a": "canary"}}"#,
                "another shape than expected at line 1",
            ),
            (
                r#"{"properties": {"a": {"value": "canary", "secret": "canary"}}}"#,
                "another shape",
            ),
            (r#"{"properties": {"a": {"value": "canary""#, "no JSON at line 1"),
            (r#""canary""#, "no JSON object"),
            (r#"[{"a": {"value": "canary"}}]"#, "no JSON object"),
            ("<html>canary</html>", "no JSON object"),
        ] {
            let error = Values::read(answer.as_bytes(), Vec::new()).unwrap_err();
            assert!(error.starts_with(told) && !error.contains("canary"), "{error}");
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
    fn a_panic_over_values_shows_no_secret() {
        let panic = std::panic::catch_unwind(|| panic!("this is wrong: {:?}", values())).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(
            message.contains("seen by all") && !message.contains("canary"),
            "{message}"
        );
    }
}
