//! The connection table: which workload may connect to which, on which port and path.
//!
//! Each row produces the NetworkPolicies on both ends and the AuthorizationPolicy at the target (`systems/trust.rs`).
//! Connections that are not in the table are denied. No policy is written by hand.

mod backup;
mod chat;
mod external;
mod infrastructure;
mod knowledge_graph;
mod langgraph;
mod load_test;
mod openmemory;
mod qdrant;
mod redis;

use std::collections::BTreeMap;

use crate::config::StackConfig;
use crate::names::{self, OPENMEMORY, Port, Workload};

/// A row: `from` may open connections to `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The client.
    pub from: Peer,
    /// The server.
    pub to: Peer,
    /// The port on the target's pods or host.
    pub port: u16,
    /// The traffic that is allowed on it.
    pub traffic: Traffic,
    /// Why the connection is needed.
    pub why: &'static str,
}

impl Connection {
    /// Paths that a pattern of this row matches but does not grant, because they have rows of their own.
    pub fn except(&self) -> Vec<&'static str> {
        let Traffic::Http { paths, .. } = &self.traffic else {
            return Vec::new();
        };
        if self.to != Peer::Workload(OPENMEMORY) {
            return Vec::new();
        }
        let covers = |pattern: &str, path: &str| {
            let beginning = pattern.strip_suffix('*');
            beginning.is_some_and(|beginning| path.starts_with(beginning))
        };
        let kept = names::BULK_PATHS.into_iter();
        kept.filter(|path| !paths.contains(path) && paths.iter().any(|pattern| covers(pattern, path)))
            .collect()
    }
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// One of the platform's workloads.
    Workload(Workload),
    /// Every workload of the platform.
    EveryWorkload,
    /// Pods that another team runs in the cluster.
    InCluster(ClusterPeer),
    /// A host outside the cluster.
    External(ExternalHost),
}

/// Pods that another team runs in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterPeer {
    /// Their name in documentation and diagrams.
    pub name: &'static str,
    /// Their namespace.
    pub namespace: String,
    /// The labels that identify them; empty for all pods of the namespace.
    pub labels: BTreeMap<String, String>,
    /// Their service account; `None` for any of the namespace.
    pub service_account: Option<String>,
}

/// A host outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalHost {
    /// Its name in documentation and diagrams.
    pub name: &'static str,
    /// Its host name or IPv4 address. TLS connections to it use the name as server name (SNI).
    pub host: String,
    /// The networks that contain its addresses; empty for every public address.
    pub networks: Vec<String>,
}

impl ExternalHost {
    /// The display name of an account's Snowflake hosts. An account has several.
    pub const SNOWFLAKE: &'static str = "snowflake";
    /// The display name of the Postgres server.
    pub const POSTGRES: &'static str = "postgres";

    /// The name of its entry in the mesh's service registry.
    pub fn entry(&self) -> String {
        if self.name == Self::SNOWFLAKE {
            format!("{}.{}", self.name, self.host)
        } else {
            self.name.to_owned()
        }
    }
}

/// The traffic that is allowed on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// HTTP requests with one of these methods to one of these paths; an empty list allows any.
    Http {
        /// The allowed methods.
        methods: &'static [&'static str],
        /// The allowed paths as the pod receives them, after any rewrite. A `*` at the end matches everything below,
        /// and `{*}` matches one segment.
        paths: &'static [&'static str],
        /// Whether each request must also carry a valid user token (JWT).
        token: bool,
    },
    /// Bytes that the mesh does not parse, between sidecars.
    Tcp,
    /// TLS from end to end; the target is identified by SNI.
    Tls,
    /// Traffic that the sidecars and the cluster need; mesh policies do not apply to it.
    Infrastructure {
        /// Whether UDP is allowed besides TCP, as for DNS.
        udp: bool,
    },
}

/// The connection table of a stack: the clients of each workload, the external hosts that workloads reach, and the
/// traffic that all workloads need.
pub fn connections(config: &StackConfig) -> Vec<Connection> {
    let mut rows = openmemory::rows(config);
    rows.extend(load_test::rows(config));
    rows.extend(backup::rows(config));
    rows.extend(openmemory::rows_of_phase(config));
    rows.extend(qdrant::rows(config));
    rows.extend(redis::rows(config));
    rows.extend(knowledge_graph::rows(config));
    rows.extend(langgraph::rows(config));
    rows.extend(chat::rows(config));
    rows.extend(external::rows(config));
    rows.extend(backup::external_rows(config));
    rows.extend(infrastructure::rows(config));
    rows
}

/// The methods that the source document allows.
const READ_AND_WRITE: &[&str] = &["GET", "POST"];

const METRICS: Traffic = Traffic::Http {
    methods: &["GET"],
    paths: &["/metrics"],
    token: false,
};

/// HTTP with any method and path, between pods that trust each other.
const ANY_HTTP: Traffic = Traffic::Http {
    methods: &[],
    paths: &[],
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

fn prometheus(config: &StackConfig) -> Peer {
    let monitoring = &config.cluster.monitoring;
    Peer::InCluster(ClusterPeer {
        name: "Prometheus",
        namespace: monitoring.namespace.to_string(),
        labels: monitoring.pod_labels.clone(),
        service_account: Some(monitoring.service_account.to_string()),
    })
}
