//! Connections of the load test. It has no clients.

use super::{Connection, Peer, READ_AND_WRITE, Traffic, row};
use crate::config::StackConfig;
use crate::names::{LOAD_TEST, MCP_PORT, OPENMEMORY, OPENMEMORY_BELOW, OPENMEMORY_PATH};

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    if config.load_test.is_none() {
        return Vec::new();
    }
    vec![row(
        Peer::Workload(LOAD_TEST),
        OPENMEMORY,
        MCP_PORT,
        Traffic::Http {
            methods: READ_AND_WRITE,
            paths: &[OPENMEMORY_PATH, OPENMEMORY_BELOW],
            // Like every other client, it sends requests on behalf of a user.
            token: config.trust.jwt.is_some(),
        },
        "runs a load test, started by an operator",
    )]
}
