//! Random secrets for a sandbox, each in the format that its key requires. They give access to nothing.
//!
//! An edge: it reads the system's randomness. A value is only accessible through [`Generated`], which does not print itself.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};
use k8s_openapi::ByteString;

/// A generated secret.
pub struct Generated(String);

impl Generated {
    /// The value, which is passed to Pulumi through a pipe.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Generated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Generated(…)")
    }
}

/// Generates a value for this key of a stack's configuration.
pub fn generate(key: &str) -> Result<Generated> {
    Ok(Generated(match key {
        "mem0EncryptionKey" => base64(&random::<32>()?),
        "openaiApiKey" => format!("sk-sandbox-{}", hex(&random::<24>()?)),
        "postgresConnectionString" | "langgraphPostgresConnectionString" => {
            let password = hex(&random::<24>()?);
            // A name of its own for each, because the program rejects a shared user.
            let user = if key.starts_with("langgraph") {
                "flows"
            } else {
                "sandbox"
            };
            format!(
                "postgresql://{user}:{password}@postgres.sandbox.invalid:5432/phoenix?sslmode=verify-full"
            )
        }
        "snowflakePrivateKey" => {
            // Random bytes, as long as a 2048-bit RSA key.
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

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// Bytes as base64, by the JSON representation of Kubernetes' byte strings.
fn base64(bytes: &[u8]) -> String {
    let value = serde_json::to_value(ByteString(bytes.to_vec())).expect("bytes are JSON text");
    value.as_str().expect("bytes are JSON text").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_differ_and_are_not_printed() {
        let (one, other) = (
            generate("qdrantApiKey").expect("made"),
            generate("qdrantApiKey").expect("made"),
        );
        assert_ne!(one.expose(), other.expose());
        assert!(!format!("{one:?}").contains(one.expose()));
    }

    #[test]
    fn values_have_the_format_that_their_key_requires() {
        let url = generate("postgresConnectionString").expect("made");
        assert!(url.expose().starts_with("postgresql://sandbox:"));
        let form = phoenix::config::secret::SNOWFLAKE_PRIVATE_KEY.form;
        let key = generate("snowflakePrivateKey").expect("made");
        assert_eq!(form.weakness(key.expose()), None);
        let key = generate("mem0EncryptionKey").expect("made");
        let bytes: ByteString =
            serde_json::from_value(serde_json::Value::from(key.expose())).expect("base64");
        assert_eq!(bytes.0.len(), 32);
    }
}
