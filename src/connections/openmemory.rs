//! Who may reach OpenMemory.

use std::collections::BTreeMap;

use super::{Connection, METRICS, Neighbour, Peer, READ_AND_WRITE, Traffic, prometheus, row};
use crate::config::{Gateway, StackConfig};
use crate::names::{self, MCP_PORT, OPENMEMORY, OPENMEMORY_BELOW, OPENMEMORY_PATH};

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    // A token is of a person: what belongs to a person demands one, where the stack knows tokens at all.
    let token = config.trust.jwt.is_some();
    let mut rows = Vec::new();
    for (caller, name) in [(names::AI, "the chat"), (names::MCP, "the MCP gateway")] {
        let caller = Peer::Neighbour(Neighbour {
            name,
            namespace: caller.to_owned(),
            labels: BTreeMap::new(),
            service_account: None,
        });
        rows.push(row(
            caller.clone(),
            OPENMEMORY,
            MCP_PORT,
            Traffic::Http {
                methods: READ_AND_WRITE,
                paths: &["/memory/*"],
                token,
            },
            "reads and writes memories",
        ));
        rows.push(row(
            caller,
            OPENMEMORY,
            MCP_PORT,
            Traffic::Http {
                methods: READ_AND_WRITE,
                paths: &["/health", "/metrics"],
                token: false,
            },
            "sees whether the server is well",
        ));
    }
    if let Some(gateway) = &config.mesh.gateway {
        rows.push(row(
            from_gateway(gateway),
            OPENMEMORY,
            MCP_PORT,
            Traffic::Http {
                methods: READ_AND_WRITE,
                paths: &[OPENMEMORY_PATH, OPENMEMORY_BELOW],
                token,
            },
            "people read and write their memories",
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
            "people and their monitors see whether the server is well",
        ));
    }
    rows.push(row(
        prometheus(config),
        OPENMEMORY,
        MCP_PORT,
        METRICS,
        "scrapes the metrics of the server",
    ));
    rows
}

fn from_gateway(gateway: &Gateway) -> Peer {
    Peer::Neighbour(Neighbour {
        name: "the gateway",
        namespace: gateway.namespace.to_string(),
        labels: gateway.selector.clone(),
        service_account: Some(gateway.service_account.to_string()),
    })
}
