//! The account of Snowflake, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The account of Snowflake, tier L2: where it is, and as whom the platform is there. Its private key is the secret
/// `snowflakePrivateKey`; the model and its vectors are in `phoenix:tiers.snowflakeCortex`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSnowflake {
    /// The identifier of the account, organization first, such as `acme-sophia`.
    pub account: OrPlaceholder<String>,
    /// The hosts that the account answers to `SELECT SYSTEM$ALLOWLIST()`, or to `SYSTEM$ALLOWLIST_PRIVATELINK()` where a
    /// private link leads to it: the account itself, its stages, and who vouches for its certificates.
    pub hosts: Vec<RawSnowflakeHost>,
    /// The networks that the hosts are in, such as those of a private link; without them, every public address.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The user who logs in with the private key; a service user, not a person.
    pub user: OrPlaceholder<String>,
    /// The role that the user takes.
    pub role: OrPlaceholder<String>,
    /// The warehouse that computes.
    pub warehouse: OrPlaceholder<String>,
    /// The database.
    pub database: OrPlaceholder<String>,
    /// The table with the memories, behind its schema.
    #[serde(default = "table")]
    pub table: String,
    /// Whether the private key is encrypted; its passphrase is then the secret `snowflakePrivateKeyPassphrase`.
    #[serde(default)]
    pub encrypted_key: bool,
}

/// A host of the account's list.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSnowflakeHost {
    /// Its name.
    pub host: OrPlaceholder<String>,
    /// Its port: 443, or 80 for those who vouch for certificates.
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
