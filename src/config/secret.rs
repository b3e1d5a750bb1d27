//! The inventory of secrets: one row for each value that the platform needs and nobody may see.
//!
//! Only names are here. The values stay with whoever read them until the moment of registration.

/// One secret of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Its key in the configuration, behind `phoenix:`.
    pub key: &'static str,
    /// The Kubernetes Secret that carries it, in the platform's namespace.
    pub secret: &'static str,
    /// Its key in that Secret.
    pub data_key: &'static str,
    /// What it opens, as a sentence.
    pub purpose: &'static str,
}

/// Every secret of the platform.
pub const INVENTORY: &[SecretRow] = &[
    SecretRow {
        key: "openaiApiKey",
        secret: "sophia-secrets",
        data_key: "openai_api_key",
        purpose: "The key with which OpenMemory calls the models of OpenAI.",
    },
    SecretRow {
        key: "postgresConnectionString",
        secret: "sophia-secrets",
        data_key: "postgres_connection_string",
        purpose: "The connection string, user and password included, of the Postgres server.",
    },
    SecretRow {
        key: "mem0EncryptionKey",
        secret: "sophia-secrets",
        data_key: "mem0_encryption_key",
        purpose: "The key with which OpenMemory encrypts memories at rest.",
    },
    SecretRow {
        key: "qdrantApiKey",
        secret: "qdrant-keys",
        data_key: "api-key",
        purpose: "The key that may read and write in Qdrant.",
    },
    SecretRow {
        key: "qdrantReadOnlyApiKey",
        secret: "qdrant-keys",
        data_key: "read-only-api-key",
        purpose: "The key that may only read in Qdrant, for metrics.",
    },
];

/// The row of a key, with or without `phoenix:` before it.
pub fn row(key: &str) -> Option<&'static SecretRow> {
    let key = super::raw::own_key(key)?;
    INVENTORY.iter().find(|row| row.key == key)
}

/// The problems of a stack in which only the secrets of these keys have values.
///
/// Rendering needs no values; whoever registers asks this first.
pub fn missing<'a>(present: impl IntoIterator<Item = &'a str>) -> super::Problems {
    let present: std::collections::BTreeSet<_> =
        present.into_iter().filter_map(super::raw::own_key).collect();
    let mut problems = super::Problems::default();
    for row in INVENTORY.iter().filter(|row| !present.contains(row.key)) {
        let key = format!("{}:{}", super::NAMESPACE, row.key);
        let hint = format!("pulumi config set --secret {key}");
        problems.add_with_hint(&key, format!("has no value. {}", row.purpose), hint);
    }
    problems
}
