//! The external Postgres server, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{OrPlaceholder, PostgresTransport};

/// The external Postgres server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawPostgres {
    /// The host name. The password is in the secret `postgresConnectionString`, not here.
    pub host: OrPlaceholder<String>,
    /// The port, from 1 to 65535.
    #[serde(default = "postgres_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The networks of the host's addresses, such as `10.20.0.0/24`; by default every public address.
    #[serde(default)]
    pub networks: Vec<String>,
    /// What protects its connections.
    #[serde(default)]
    pub transport: PostgresTransport,
}

fn postgres_port() -> u16 {
    5432
}
