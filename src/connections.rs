//! Who may talk to whom, on which port and path: one table.
//!
//! From a row come the NetworkPolicy on both ends and the AuthorizationPolicy at the target
//! (`systems/trust.rs`). What is not a row is refused. Nobody writes a policy by hand.

use std::collections::BTreeMap;

use crate::config::{Gateway, StackConfig};
use crate::names::{
    self, MCP_PORT, OPENMEMORY, OPENMEMORY_PATH, Port, QDRANT, QDRANT_HTTP, QDRANT_PEERS, Workload,
};
use crate::parts::metadata::pairs;

/// One row: `from` may open connections to `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Who opens the connection.
    pub from: Peer,
    /// Who accepts it.
    pub to: Peer,
    /// The port at the target's pods or host.
    pub port: u16,
    /// What may be said on it.
    pub traffic: Traffic,
    /// Why it is needed.
    pub why: &'static str,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A workload of ours.
    Workload(Workload),
    /// Each workload of ours.
    EveryWorkload,
    /// Pods of somebody else in the cluster.
    Neighbour(Neighbour),
    /// A host outside the cluster.
    Outside(Outside),
}

/// Pods of somebody else in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// What people call them.
    pub name: &'static str,
    /// Their namespace.
    pub namespace: String,
    /// The labels that only they carry; empty for all pods of the namespace.
    pub labels: BTreeMap<String, String>,
    /// The service account they run as; `None` for any of the namespace.
    pub service_account: Option<String>,
}

/// A host outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// What people call it; the name of its entry in the mesh's registry.
    pub name: &'static str,
    /// Its name, or its IPv4 address. TLS to it carries the name as server name.
    pub host: String,
    /// The networks its addresses are in; empty for every public address.
    pub networks: Vec<String>,
}

/// What may be said on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// HTTP requests with one of these methods to one of these paths; an empty list means any.
    Http {
        /// The methods.
        methods: &'static [&'static str],
        /// The paths as the pod sees them, after any rewrite; `*` at the end means everything below.
        paths: &'static [&'static str],
        /// Whether each request must carry a valid token (JWT) of a person besides.
        token: bool,
    },
    /// Bytes that the mesh does not look into, between sidecars.
    Tcp,
    /// TLS from end to end, told apart by its server name.
    Tls,
    /// What the sidecars and the cluster themselves need; it passes beside the mesh's policies.
    Infrastructure {
        /// Whether UDP is spoken besides TCP, as by DNS.
        udp: bool,
    },
}

/// The table of a stack.
pub fn connections(config: &StackConfig) -> Vec<Connection> {
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
    rows.extend([
        row(
            Peer::Workload(OPENMEMORY),
            QDRANT,
            QDRANT_HTTP,
            Traffic::Http {
                methods: &[],
                paths: &[],
                token: false,
            },
            "memories are vectors in Qdrant",
        ),
        row(
            prometheus(config),
            OPENMEMORY,
            MCP_PORT,
            METRICS,
            "scrapes the metrics of the server",
        ),
        row(
            prometheus(config),
            QDRANT,
            QDRANT_HTTP,
            METRICS,
            "scrapes the metrics of each peer",
        ),
    ]);
    if config.qdrant.is_cluster() {
        rows.push(row(
            Peer::Workload(QDRANT),
            QDRANT,
            QDRANT_PEERS,
            Traffic::Tcp,
            "the peers hold their consensus",
        ));
    }
    rows.extend([
        Connection {
            from: Peer::Workload(OPENMEMORY),
            to: Peer::Outside(Outside {
                name: "openai",
                host: "api.openai.com".to_owned(),
                networks: Vec::new(),
            }),
            port: 443,
            traffic: Traffic::Tls,
            why: "memories are embedded and categorised by models of OpenAI",
        },
        Connection {
            from: Peer::Workload(OPENMEMORY),
            to: Peer::Outside(Outside {
                name: "postgres",
                host: config.postgres.host.to_string(),
                networks: config.postgres.networks.clone(),
            }),
            port: config.postgres.port,
            traffic: Traffic::Tcp,
            why: "records and their history are in Postgres",
        },
        Connection {
            from: Peer::EveryWorkload,
            to: Peer::Neighbour(Neighbour {
                name: "the cluster's DNS",
                namespace: "kube-system".to_owned(),
                labels: pairs([("k8s-app", "kube-dns")]),
                service_account: None,
            }),
            port: 53,
            traffic: Traffic::Infrastructure { udp: true },
            why: "names are resolved",
        },
        Connection {
            from: Peer::EveryWorkload,
            to: Peer::Neighbour(Neighbour {
                name: "istiod",
                namespace: config.cluster.mesh.namespace.to_string(),
                labels: pairs([("app", "istiod")]),
                service_account: None,
            }),
            port: 15_012,
            traffic: Traffic::Infrastructure { udp: false },
            why: "sidecars get their configuration and their certificates",
        },
        Connection {
            from: prometheus(config),
            to: Peer::EveryWorkload,
            port: 15_020,
            traffic: Traffic::Infrastructure { udp: false },
            why: "scrapes the sidecars' merged metrics",
        },
    ]);
    rows
}

/// Everything below the path that OpenMemory answers under. A pattern of its own, because `/memory/openmemory*` would
/// let `/memory/openmemoryX` through as well.
const OPENMEMORY_BELOW: &str = "/memory/openmemory/*";

/// The methods of the source document.
const READ_AND_WRITE: &[&str] = &["GET", "POST"];

const METRICS: Traffic = Traffic::Http {
    methods: &["GET"],
    paths: &["/metrics"],
    token: false,
};

fn row(from: Peer, to: Workload, port: Port, traffic: Traffic, why: &'static str) -> Connection {
    Connection {
        from,
        to: Peer::Workload(to),
        port: port.number,
        traffic,
        why,
    }
}

fn from_gateway(gateway: &Gateway) -> Peer {
    Peer::Neighbour(Neighbour {
        name: "the gateway",
        namespace: gateway.namespace.to_string(),
        labels: gateway.selector.clone(),
        service_account: Some(gateway.service_account.to_string()),
    })
}

fn prometheus(config: &StackConfig) -> Peer {
    let monitoring = &config.cluster.monitoring;
    Peer::Neighbour(Neighbour {
        name: "Prometheus",
        namespace: monitoring.namespace.to_string(),
        labels: BTreeMap::new(),
        service_account: Some(monitoring.service_account.to_string()),
    })
}
