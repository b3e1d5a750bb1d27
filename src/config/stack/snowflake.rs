//! The Snowflake account.

use crate::config::HostName;

/// The Snowflake account, tier L2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snowflake {
    /// Its identifier, beginning with the organization.
    pub account: String,
    /// The SQL endpoint; one of the hosts.
    pub account_host: HostName,
    /// All hosts that its clients use.
    pub hosts: Vec<SnowflakeHost>,
    /// The networks of the hosts; empty for every public address.
    pub networks: Vec<String>,
    /// The user.
    pub user: String,
    /// The role of the user.
    pub role: String,
    /// The warehouse.
    pub warehouse: String,
    /// The database.
    pub database: String,
    /// The table with the memories, including its schema.
    pub table: String,
    /// Whether the private key has a passphrase.
    pub encrypted_key: bool,
}

/// A host that Snowflake's clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnowflakeHost {
    /// Its name.
    pub host: HostName,
    /// Its protocol.
    pub protocol: SnowflakeProtocol,
}

/// The protocol of a Snowflake host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnowflakeProtocol {
    /// TLS, on port 443.
    Tls,
    /// Plain HTTP, on port 80: certificate revocation checks, whose responses are signed.
    Http,
}

impl SnowflakeProtocol {
    /// Its port.
    pub fn port(self) -> u16 {
        match self {
            Self::Tls => 443,
            Self::Http => 80,
        }
    }
}
