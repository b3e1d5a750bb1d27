//! Checksums that show whether one of several secrets has changed.
//!
//! A plain hash would let an attacker verify a guess of the secret. These checksums are keyed (HMAC) with a secret of
//! their own: comparing two of them shows only whether something has changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::UnknownKind;

/// A keyed checksum of secrets, which are referred to by name.
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
    /// The checksum of the secrets with these names, keyed with the secret named `key`.
    pub fn of<Name: Into<String>>(key: impl Into<String>, secrets: impl IntoIterator<Item = Name>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().map(Into::into).collect();
        secrets.sort();
        secrets.dedup();
        Self {
            key: key.into(),
            secrets,
        }
    }

    /// The names of all secrets that are needed to compute the checksum; the key is first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.key)
            .chain(&self.secrets)
            .map(String::as_str)
    }

    /// Computes the checksum. The result is the sentinel of an unknown string if one of the secrets is unknown. The error
    /// is the name of a secret that has no value.
    pub fn text(&self, secrets: &BTreeMap<String, SecretString>) -> Result<String, String> {
        let value = |name: &str| match secrets.get(name) {
            Some(value) => Ok(value.expose_secret()),
            None => Err(name.to_owned()),
        };
        for name in self.names() {
            // A checksum of a sentinel would show a change that does not happen.
            if UnknownKind::from_sentinel(value(name)?).is_some() {
                return Ok(UnknownKind::String.sentinel().to_owned());
            }
        }
        let mut code = Hmac::<Sha256>::new_from_slice(value(&self.key)?.as_bytes())
            .expect("HMAC accepts a key of any length");
        for name in &self.secrets {
            // Length prefixes: otherwise moving a character from one value to the next would not change the checksum.
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
            .expect("every secret has a value")
    }

    #[test]
    fn the_checksum_is_the_standard_hmac_of_length_prefixed_names_and_values() {
        // Computed with Python's hmac and struct.pack(">Q", …).
        assert_eq!(
            text([("key", "k"), ("a", "one"), ("b", "two")]),
            "hmac-sha256-66a1f8d70c735103e4110f957c7e167f3f57b79b29673ad321f79a8151ab317d"
        );
    }

    #[test]
    fn the_key_and_every_listed_value_change_the_checksum_and_other_secrets_do_not() {
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
    fn moving_a_character_between_values_changes_the_checksum() {
        // Without length prefixes, both would be `a1b2b3`.
        assert_ne!(
            text([("key", "k"), ("a", "1b2"), ("b", "3")]),
            text([("key", "k"), ("a", "1"), ("b", "2b3")])
        );
    }

    #[test]
    fn an_unknown_secret_makes_the_checksum_unknown() {
        let unknown = UnknownKind::String.sentinel();
        for values in [
            [("key", unknown), ("a", "one"), ("b", "two")],
            [("key", "k"), ("a", "one"), ("b", unknown)],
        ] {
            assert_eq!(text(values), unknown);
        }
    }
}
