//! The account of Snowflake.

use crate::config::HostName;

/// The account of Snowflake, tier L2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snowflake {
    /// Its identifier, organization first.
    pub account: String,
    /// The host that speaks SQL; one of the hosts.
    pub account_host: HostName,
    /// All hosts that its clients talk to.
    pub hosts: Vec<SnowflakeHost>,
    /// The networks that they are in; empty for every public address.
    pub networks: Vec<String>,
    /// Who logs in.
    pub user: String,
    /// The role that the user takes.
    pub role: String,
    /// The warehouse that computes.
    pub warehouse: String,
    /// The database.
    pub database: String,
    /// The table with the memories, behind its schema.
    pub table: String,
    /// Whether the private key has a passphrase.
    pub encrypted_key: bool,
}

/// A host that Snowflake's clients talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnowflakeHost {
    /// Its name.
    pub host: HostName,
    /// What is spoken with it.
    pub way: SnowflakeWay,
}

/// What is spoken with a host of Snowflake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnowflakeWay {
    /// TLS, on port 443.
    Tls,
    /// HTTP in the clear, on port 80: questions whether a certificate still counts, whose answers are signed.
    Http,
}

impl SnowflakeWay {
    /// Its port.
    pub fn port(self) -> u16 {
        match self {
            Self::Tls => 443,
            Self::Http => 80,
        }
    }
}
