//! What tells whether any of several secrets has changed, and nothing else about them.
//!
//! A plain hash of a secret would let anybody who guesses it be sure. This one is keyed by a secret of its own, so
//! whoever has only the checksum learns whether something changed between two of them, and no more.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::UnknownKind;

/// A checksum of secrets that are known by their names.
///
/// ```
/// use std::collections::BTreeMap;
/// use pulumi_wire::{Checksum, SecretString, Value};
///
/// let secrets = BTreeMap::from([
///     ("key".to_owned(), SecretString::from("of this stack only")),
///     ("password".to_owned(), SecretString::from("hunter2")),
/// ]);
/// let checksum = Checksum::of("key", ["password"]);
/// let text = checksum.text(&secrets).unwrap();
/// assert!(text.starts_with("hmac-sha256-") && !text.contains("hunter2"));
/// # let _ = Value::ChecksumOf(checksum);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    key: String,
    pub(super) secrets: Vec<String>,
}

impl Checksum {
    /// The checksum of the secrets of these names, keyed by the secret of the name `key`.
    pub fn of<Name: Into<String>>(key: impl Into<String>, secrets: impl IntoIterator<Item = Name>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().map(Into::into).collect();
        secrets.sort();
        secrets.dedup();
        Self {
            key: key.into(),
            secrets,
        }
    }

    /// The names of all secrets that it is made from, that of its key first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.key)
            .chain(&self.secrets)
            .map(String::as_str)
    }

    /// The checksum, or what stands for something unknown where a secret is not known yet. The error is the name of a
    /// secret that has no value.
    pub fn text(&self, secrets: &BTreeMap<String, SecretString>) -> Result<String, String> {
        let value = |name: &str| match secrets.get(name) {
            Some(value) => Ok(value.expose_secret()),
            None => Err(name.to_owned()),
        };
        for name in self.names() {
            // A checksum of what stands for an unknown would tell of a change that there will not be.
            if UnknownKind::from_sentinel(value(name)?).is_some() {
                return Ok(UnknownKind::String.sentinel().to_owned());
            }
        }
        let mut code = Hmac::<Sha256>::new_from_slice(value(&self.key)?.as_bytes())
            .expect("a key of this function may have any length");
        for name in &self.secrets {
            // With their lengths, or what moves from one value to the next would make no difference.
            for part in [name, value(name)?] {
                code.update(&(part.len() as u64).to_be_bytes());
                code.update(part.as_bytes());
            }
        }
        let mut text = String::from("hmac-sha256-");
        for byte in code.finalize().into_bytes() {
            let _infallible = write!(text, "{byte:02x}");
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: [(&str, &str); 3]) -> BTreeMap<String, SecretString> {
        values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
            .collect()
    }

    fn text(values: [(&str, &str); 3]) -> String {
        Checksum::of("key", ["a", "b"])
            .text(&secrets(values))
            .expect("all have values")
    }

    #[test]
    fn it_is_the_standard_code_of_names_and_values_with_their_lengths() {
        // Worked out with Python's hmac and struct.pack(">Q", …).
        assert_eq!(
            text([("key", "k"), ("a", "one"), ("b", "two")]),
            "hmac-sha256-66a1f8d70c735103e4110f957c7e167f3f57b79b29673ad321f79a8151ab317d"
        );
    }

    #[test]
    fn every_value_and_the_key_change_it_and_what_is_not_in_it_does_not() {
        let base = text([("key", "k"), ("a", "one"), ("b", "two")]);
        for other in [
            [("key", "l"), ("a", "one"), ("b", "two")],
            [("key", "k"), ("a", "one!"), ("b", "two")],
            [("key", "k"), ("a", "one"), ("b", "")],
            [("key", "k"), ("a", "two"), ("b", "one")],
        ] {
            assert_ne!(text(other), base, "{other:?}");
        }
        let mut more = secrets([("key", "k"), ("a", "one"), ("b", "two")]);
        more.insert("c".to_owned(), SecretString::from("three"));
        assert_eq!(Checksum::of("key", ["b", "a", "a"]).text(&more), Ok(base));
    }

    #[test]
    fn what_moves_from_one_value_to_the_next_changes_it() {
        // Without lengths, both were `a1b2b3`.
        assert_ne!(
            text([("key", "k"), ("a", "1b2"), ("b", "3")]),
            text([("key", "k"), ("a", "1"), ("b", "2b3")])
        );
    }

    #[test]
    fn a_value_that_is_not_known_yet_makes_all_of_it_unknown() {
        let unknown = UnknownKind::String.sentinel();
        for values in [
            [("key", unknown), ("a", "one"), ("b", "two")],
            [("key", "k"), ("a", "one"), ("b", unknown)],
        ] {
            assert_eq!(text(values), unknown);
        }
    }
}
