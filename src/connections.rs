//! Who may talk to whom, on which port and path: one table.
//!
//! From a row come the NetworkPolicy on both ends and the AuthorizationPolicy at the target
//! (`systems/trust.rs`). What is not a row is refused. Nobody writes a policy by hand.

use crate::config::StackConfig;
use crate::names::{self, MCP_PORT, OPENMEMORY, Port, QDRANT, QDRANT_HTTP, QDRANT_PEERS, Workload};

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
    /// Their namespace.
    pub namespace: String,
    /// A label that only they carry; `None` for all pods of the namespace.
    pub label: Option<(&'static str, &'static str)>,
    /// The service account they run as; `None` for any of the namespace.
    pub service_account: Option<String>,
}

/// A host outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Its name.
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
    let mut rows = vec![
        row(
            neighbour(names::AI),
            OPENMEMORY,
            MCP_PORT,
            MEMORY_CALLS,
            "the chat reads and writes memories",
        ),
        row(
            neighbour(names::MCP),
            OPENMEMORY,
            MCP_PORT,
            MEMORY_CALLS,
            "the MCP gateway reads and writes memories",
        ),
        row(
            Peer::Workload(OPENMEMORY),
            QDRANT,
            QDRANT_HTTP,
            ANY_HTTP,
            "memories are vectors in Qdrant",
        ),
        row(
            prometheus(config),
            OPENMEMORY,
            MCP_PORT,
            METRICS,
            "Prometheus scrapes the metrics of the server",
        ),
        row(
            prometheus(config),
            QDRANT,
            QDRANT_HTTP,
            METRICS,
            "Prometheus scrapes the metrics of each peer",
        ),
    ];
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
                namespace: "kube-system".to_owned(),
                label: Some(("k8s-app", "kube-dns")),
                service_account: None,
            }),
            port: 53,
            traffic: Traffic::Infrastructure { udp: true },
            why: "names are resolved by the cluster",
        },
        Connection {
            from: Peer::EveryWorkload,
            to: Peer::Neighbour(Neighbour {
                namespace: config.cluster.mesh.namespace.to_string(),
                label: Some(("app", "istiod")),
                service_account: None,
            }),
            port: 15_012,
            traffic: Traffic::Infrastructure { udp: false },
            why: "sidecars get their configuration and certificates from istiod",
        },
        Connection {
            from: prometheus(config),
            to: Peer::EveryWorkload,
            port: 15_020,
            traffic: Traffic::Infrastructure { udp: false },
            why: "Prometheus scrapes the sidecars' merged metrics",
        },
    ]);
    rows
}

/// What callers of the memory server may ask: the paths and methods of the source document.
const MEMORY_CALLS: Traffic = Traffic::Http {
    methods: &["GET", "POST"],
    paths: &["/memory/*", "/health", "/metrics"],
};
const METRICS: Traffic = Traffic::Http {
    methods: &["GET"],
    paths: &["/metrics"],
};
const ANY_HTTP: Traffic = Traffic::Http {
    methods: &[],
    paths: &[],
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

fn neighbour(namespace: &str) -> Peer {
    Peer::Neighbour(Neighbour {
        namespace: namespace.to_owned(),
        label: None,
        service_account: None,
    })
}

fn prometheus(config: &StackConfig) -> Peer {
    let monitoring = &config.cluster.monitoring;
    Peer::Neighbour(Neighbour {
        namespace: monitoring.namespace.to_string(),
        label: None,
        service_account: Some(monitoring.service_account.to_string()),
    })
}
