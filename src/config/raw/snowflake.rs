//! The Snowflake account, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The Snowflake account, tier L2: its location and the platform's user. The private key is the secret
/// `snowflakePrivateKey`; the embedding model is in `phoenix:tiers.snowflakeCortex`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSnowflake {
    /// The account identifier, beginning with the organization, such as `acme-sophia`.
    pub account: OrPlaceholder<String>,
    /// The hosts that `SELECT SYSTEM$ALLOWLIST()` returns for the account, or `SYSTEM$ALLOWLIST_PRIVATELINK()` for a
    /// private link: the account itself, its stages, and the servers for certificate revocation.
    pub hosts: Vec<RawSnowflakeHost>,
    /// The networks of the hosts, such as those of a private link; by default every public address.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The user that logs in with the private key; a service user, not a person.
    pub user: OrPlaceholder<String>,
    /// The role of the user.
    pub role: OrPlaceholder<String>,
    /// The warehouse.
    pub warehouse: OrPlaceholder<String>,
    /// The database.
    pub database: OrPlaceholder<String>,
    /// The table with the memories, including its schema.
    #[serde(default = "table")]
    pub table: String,
    /// Whether the private key is encrypted; its passphrase is then the secret `snowflakePrivateKeyPassphrase`.
    #[serde(default)]
    pub encrypted_key: bool,
}

/// A host on the account's allow-list.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSnowflakeHost {
    /// The host name.
    pub host: OrPlaceholder<String>,
    /// The port: 443, or 80 for certificate revocation.
    #[serde(default = "port")]
    #[schemars(range(min = 1))]
    pub port: u16,
}

fn table() -> String {
    "SOPHIA_AI_MEMORY.MEMORY_RECORDS_ENHANCED".to_owned()
}

fn port() -> u16 {
    443
}
