//! Environment variables for clients of Snowflake. The names are those that Snowflake's drivers and tools read, where
//! they read any.

use k8s_openapi::api::core::v1::EnvVar;

use crate::config::{Snowflake, SnowflakeCortex, secret};
use crate::parts::container::{secret_variable, variable};

/// The account, the user and the table with the memories.
pub fn variables(account: &Snowflake, tier: &SnowflakeCortex) -> Vec<EnvVar> {
    let mut variables = vec![
        variable("SNOWFLAKE_ACCOUNT", &account.account),
        variable("SNOWFLAKE_HOST", account.account_host.as_str()),
        variable("SNOWFLAKE_USER", &account.user),
        variable("SNOWFLAKE_ROLE", &account.role),
        variable("SNOWFLAKE_WAREHOUSE", &account.warehouse),
        variable("SNOWFLAKE_DATABASE", &account.database),
        variable("SNOWFLAKE_TABLE", &account.table),
        variable("SNOWFLAKE_AUTHENTICATOR", "SNOWFLAKE_JWT"),
        secret_variable("SNOWFLAKE_PRIVATE_KEY", &secret::SNOWFLAKE_PRIVATE_KEY),
        variable("SNOWFLAKE_EMBEDDING_MODEL", &tier.embedding_model),
        variable("SNOWFLAKE_VECTOR_DIMENSION", tier.vector_dimension.to_string()),
    ];
    if account.encrypted_key {
        variables.push(secret_variable(
            "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
            &secret::SNOWFLAKE_PASSPHRASE,
        ));
    }
    variables
}
