//! Clients of OpenMemory.

use std::collections::BTreeMap;

use super::{ClusterPeer, Connection, METRICS, Peer, READ_AND_WRITE, Traffic, prometheus, row};
use crate::config::{Gateway, Phase, StackConfig};
use crate::names::{
    self, CHAT, MCP_PORT, OPENMEMORY, OPENMEMORY_BELOW, OPENMEMORY_PATH, SYNC, SYNC_BELOW, SYNC_PATH,
};

/// Clients in every phase of the migration.
pub fn rows(config: &StackConfig) -> Vec<Connection> {
    let mut rows = vec![remembers(config, the_mcp_gateway())];
    for caller in [the_mcp_gateway(), the_chat()] {
        rows.push(row(
            caller,
            OPENMEMORY,
            MCP_PORT,
            Traffic::Http {
                methods: READ_AND_WRITE,
                paths: &["/health", "/metrics"],
                token: false,
            },
            "checks the health of the server",
        ));
    }
    rows.extend(own_callers(config));
    rows.push(row(
        prometheus(config),
        OPENMEMORY,
        MCP_PORT,
        METRICS,
        "scrapes the metrics of the server",
    ));
    rows
}

/// The platform's own clients, in every phase.
fn own_callers(config: &StackConfig) -> Vec<Connection> {
    let mut rows = Vec::new();
    if config.chat.is_some() {
        rows.push(row(
            Peer::Workload(CHAT),
            OPENMEMORY,
            MCP_PORT,
            Traffic::Http {
                methods: &["GET"],
                paths: &["/health"],
                token: false,
            },
            "checks the health of the server, to fall back if it is unhealthy",
        ));
    }
    if config.sync.is_some() {
        rows.push(row(
            Peer::Workload(SYNC),
            OPENMEMORY,
            MCP_PORT,
            Traffic::Http {
                methods: READ_AND_WRITE,
                paths: &[SYNC_PATH, SYNC_BELOW],
                // These requests are not on behalf of a user: without a token, no server accepts a user identity.
                token: false,
            },
            "synchronizes the memories of all users with Snowflake",
        ));
    }
    rows
}

/// Clients that the migration phase adds. They come last, so that a phase change adds rows without moving others.
pub fn rows_of_phase(config: &StackConfig) -> Vec<Connection> {
    let mut rows = Vec::new();
    if config.has_reached(Phase::Enhanced) {
        rows.push(remembers(config, the_chat()));
        if config.chat.is_some() {
            // The source document allows every pod in the namespace of the chat. The chat has a row of its own, so
            // that it keeps its access when the other pods of its namespace lose theirs.
            rows.push(remembers(config, Peer::Workload(CHAT)));
        }
    }
    // There are none before the phase that admits all users.
    if let Some(gateway) = &config.mesh.gateway {
        rows.push(row(
            from_gateway(gateway),
            OPENMEMORY,
            MCP_PORT,
            Traffic::Http {
                methods: READ_AND_WRITE,
                paths: &[OPENMEMORY_PATH, OPENMEMORY_BELOW],
                token: config.trust.jwt.is_some(),
            },
            "users read and write their memories",
        ));
        rows.push(row(
            from_gateway(gateway),
            OPENMEMORY,
            MCP_PORT,
            Traffic::Http {
                methods: &["GET"],
                paths: &["/health"],
                token: false,
            },
            "users and monitors check the health of the server",
        ));
    }
    rows
}

/// A token identifies a user. Rows for user data require one if the stack uses tokens at all.
fn remembers(config: &StackConfig, caller: Peer) -> Connection {
    row(
        caller,
        OPENMEMORY,
        MCP_PORT,
        Traffic::Http {
            methods: READ_AND_WRITE,
            paths: &["/memory/*"],
            token: config.trust.jwt.is_some(),
        },
        "reads and writes memories",
    )
}

fn the_chat() -> Peer {
    all_pods_of(names::AI, "the chat")
}

fn the_mcp_gateway() -> Peer {
    all_pods_of(names::MCP, "the MCP gateway")
}

fn all_pods_of(namespace: &str, name: &'static str) -> Peer {
    Peer::InCluster(ClusterPeer {
        name,
        namespace: namespace.to_owned(),
        labels: BTreeMap::new(),
        service_account: None,
    })
}

fn from_gateway(gateway: &Gateway) -> Peer {
    Peer::InCluster(ClusterPeer {
        name: "the gateway",
        namespace: gateway.namespace.to_string(),
        labels: gateway.selector.clone(),
        service_account: Some(gateway.service_account.to_string()),
    })
}
