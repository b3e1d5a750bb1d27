//! Message authentication codes of manifests: HMAC-SHA256 with a separate key for each store.
//!
//! Any client that can write to the bucket can write a manifest, but only a Job that has the store's key can write its code. The
//! code covers the location of the backup, so that a manifest cannot be moved to another store, prefix or time.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use object_store::path::Path;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::digest::hex;
use crate::error::Error;
use crate::manifest::Store;

/// The minimum length of a key in characters.
const MIN_KEY_CHARS: usize = 32;

/// The keys of the stores, as options of the command line.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MacKeys {
    /// The key of Qdrant's manifests; during a rotation the new key, a comma and the previous key.
    #[arg(
        id = "mac-key-qdrant",
        long = "mac-key-qdrant",
        env = "BACKUP_MAC_KEY_QDRANT",
        hide_env_values = true,
        value_name = "KEY"
    )]
    qdrant: Option<SecretString>,
    /// The key of Neo4j's manifests, likewise.
    #[arg(
        id = "mac-key-neo4j",
        long = "mac-key-neo4j",
        env = "BACKUP_MAC_KEY_NEO4J",
        hide_env_values = true,
        value_name = "KEY"
    )]
    neo4j: Option<SecretString>,
    /// The key of OpenMemory's manifests, likewise.
    #[arg(
        id = "mac-key-openmemory",
        long = "mac-key-openmemory",
        env = "BACKUP_MAC_KEY_OPENMEMORY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    openmemory: Option<SecretString>,
}

/// The environment variable with the key of a store.
pub fn variable(store: Store) -> &'static str {
    match store {
        Store::Qdrant => "BACKUP_MAC_KEY_QDRANT",
        Store::Neo4j => "BACKUP_MAC_KEY_NEO4J",
        Store::Openmemory => "BACKUP_MAC_KEY_OPENMEMORY",
    }
}

/// The valid keys of a store. The first one signs; all of them verify.
#[derive(Clone)]
pub struct Keys(Vec<Hmac<Sha256>>);

impl MacKeys {
    /// The keys by store. A store without a key is missing; an invalid key is an error.
    pub fn parse(self) -> Result<BTreeMap<Store, Keys>, Error> {
        let mut parsed = BTreeMap::new();
        for (store, text) in [
            (Store::Qdrant, self.qdrant),
            (Store::Neo4j, self.neo4j),
            (Store::Openmemory, self.openmemory),
        ] {
            let Some(text) = text else {
                continue;
            };
            let keys: Vec<_> = text.expose_secret().split(',').collect();
            if keys.iter().any(|key| key.chars().count() < MIN_KEY_CHARS) {
                return Err(Error::Settings(format!(
                    "{} contains a key of fewer than {MIN_KEY_CHARS} characters\n  hint: create one with `openssl rand -hex 32`; \
                     during a rotation, it is the new key, a comma and the previous key",
                    variable(store)
                )));
            }
            let keys = keys
                .into_iter()
                .map(|key| Hmac::new_from_slice(key.as_bytes()).expect("HMAC accepts a key of any length"));
            parsed.insert(store, Keys(keys.collect()));
        }
        Ok(parsed)
    }
}

impl Keys {
    /// The code of a manifest in this folder, in hexadecimal.
    pub fn sign(&self, folder: &Path, manifest: &[u8]) -> String {
        hex(&message(&self.0[0], folder, manifest).finalize().into_bytes())
    }

    /// Whether a valid key has created this code for a manifest in this folder.
    pub fn verify(&self, folder: &Path, manifest: &[u8], code: &[u8]) -> bool {
        let Some(code) = bytes(code.trim_ascii_end()) else {
            return false;
        };
        self.0
            .iter()
            .any(|key| message(key, folder, manifest).verify_slice(&code).is_ok())
    }
}

/// `folder` contains the prefix, the store and the start time.
fn message(key: &Hmac<Sha256>, folder: &Path, manifest: &[u8]) -> Hmac<Sha256> {
    let mut message = key.clone();
    for part in [
        &b"phoenix-backup manifest"[..],
        folder.as_ref().as_bytes(),
        manifest,
    ] {
        // Length prefixes: otherwise, a character could move from one part to the next.
        message.update(&(part.len() as u64).to_be_bytes());
        message.update(part);
    }
    message
}

fn bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "0123456789abcdef0123456789abcdef";
    const OLD: &str = "fedcba9876543210fedcba9876543210";

    fn keys(text: &str) -> Keys {
        let keys = MacKeys {
            neo4j: Some(text.into()),
            ..MacKeys::default()
        };
        keys.parse().unwrap().remove(&Store::Neo4j).unwrap()
    }

    fn folder(text: &str) -> Path {
        Path::from(text)
    }

    #[test]
    fn a_code_is_valid_for_one_manifest_in_one_folder() {
        let place = folder("prod/neo4j/20261122T011000Z");
        let code = keys(NEW).sign(&place, b"{}");
        assert!(keys(NEW).verify(&place, b"{}", code.as_bytes()));
        assert!(keys(NEW).verify(&place, b"{}", format!("{code}\n").as_bytes()));
        for other in [
            "prod/qdrant/20261122T011000Z",
            "staging/neo4j/20261122T011000Z",
            "prod/neo4j/20261123T011000Z",
            "neo4j/20261122T011000Z",
        ] {
            assert!(
                !keys(NEW).verify(&folder(other), b"{}", code.as_bytes()),
                "{other}"
            );
        }
        assert!(!keys(NEW).verify(&place, b"{ }", code.as_bytes()));
        for wrong in ["", "00", "not hexadecimal", &code[1..], &code[2..]] {
            assert!(!keys(NEW).verify(&place, b"{}", wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn during_a_rotation_both_keys_verify_and_the_first_signs() {
        let place = folder("neo4j/20261122T011000Z");
        let both = keys(&format!("{NEW},{OLD}"));
        assert!(both.verify(&place, b"{}", keys(OLD).sign(&place, b"{}").as_bytes()));
        assert_eq!(both.sign(&place, b"{}"), keys(NEW).sign(&place, b"{}"));
        assert!(!keys(NEW).verify(&place, b"{}", keys(OLD).sign(&place, b"{}").as_bytes()));
    }

    #[test]
    fn a_short_key_is_an_error_that_does_not_contain_it() {
        for text in ["", "hunter2", ",", &format!("{NEW},"), &format!("{NEW},hunter2")] {
            let keys = MacKeys {
                qdrant: Some(text.into()),
                ..MacKeys::default()
            };
            let error = keys.parse().err().expect(text).to_string();
            assert!(error.contains("BACKUP_MAC_KEY_QDRANT") && !error.contains("hunter2"));
        }
    }
}
