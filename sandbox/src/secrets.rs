//! Secrets that open nothing: random values for the keys that a stack needs, of the shape that each asks for.
//!
//! This is an edge: it reads the machine's randomness. Values leave only through [`Invented`], which does
//! not show itself.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};
use k8s_openapi::ByteString;

/// An invented secret.
pub struct Invented(String);

impl Invented {
    /// The value, for the pipe that takes it to the engine.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Invented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Invented(…)")
    }
}

/// A value for this key of a stack's configuration.
pub fn invent(key: &str) -> Result<Invented> {
    Ok(Invented(match key {
        "mem0EncryptionKey" => base64(&random::<32>()?),
        "openaiApiKey" => format!("sk-sandbox-{}", hex(&random::<24>()?)),
        "postgresConnectionString" => {
            let password = hex(&random::<24>()?);
            format!("postgresql://sandbox:{password}@postgres.sandbox.invalid:5432/phoenix?sslmode=require")
        }
        "snowflakePrivateKey" => {
            // As long as a key of RSA with 2048 bits, and made of chance.
            let lines = base64(&random::<1_218>()?);
            let label = "PRIVATE KEY";
            format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
        }
        _ => hex(&random::<24>()?),
    }))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("reading random bytes from the system")?;
    Ok(bytes)
}

/// Bytes as text of hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// Kubernetes writes bytes as base64 in JSON, so its type does it for us.
fn base64(bytes: &[u8]) -> String {
    let value = serde_json::to_value(ByteString(bytes.to_vec())).expect("bytes are JSON text");
    value.as_str().expect("bytes are JSON text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_another_one_and_is_not_shown() {
        let (one, other) = (
            invent("qdrantApiKey").expect("made"),
            invent("qdrantApiKey").expect("made"),
        );
        assert_ne!(one.expose(), other.expose());
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn values_have_the_shape_that_their_key_asks_for() {
        let url = invent("postgresConnectionString").expect("made");
        assert!(url.expose().starts_with("postgresql://sandbox:"));
        let form = phoenix::config::secret::SNOWFLAKE_PRIVATE_KEY.form;
        let key = invent("snowflakePrivateKey").expect("made");
        assert_eq!(form.weakness(key.expose()), None);
        let key = invent("mem0EncryptionKey").expect("made");
        let bytes: ByteString =
            serde_json::from_value(serde_json::Value::from(key.expose())).expect("base64");
        assert_eq!(bytes.0.len(), 32);
    }
}
