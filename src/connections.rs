//! Who may talk to whom, on which port and path: one table.
//!
//! From a row come the NetworkPolicy on both ends and the AuthorizationPolicy at the target
//! (`systems/trust.rs`). What is not a row is refused. Nobody writes a policy by hand.

mod backup;
mod chat;
mod infrastructure;
mod knowledge_graph;
mod langgraph;
mod load_test;
mod openmemory;
mod outside;
mod qdrant;
mod redis;

use std::collections::BTreeMap;

use crate::config::StackConfig;
use crate::names::{self, OPENMEMORY, Port, Workload};

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

impl Connection {
    /// The paths that a pattern of this row covers and that it does not mean, because they are kept for rows that name them.
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
        let kept = names::OF_ALL_PEOPLE.into_iter();
        kept.filter(|path| !paths.contains(path) && paths.iter().any(|pattern| covers(pattern, path)))
            .collect()
    }
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
    /// What people call it.
    pub name: &'static str,
    /// Its name, or its IPv4 address. TLS to it carries the name as server name.
    pub host: String,
    /// The networks its addresses are in; empty for every public address.
    pub networks: Vec<String>,
}

impl Outside {
    /// What the hosts of an account of Snowflake are called. An account has many.
    pub const SNOWFLAKE: &'static str = "snowflake";

    /// The name of its entry in the mesh's registry.
    pub fn entry(&self) -> String {
        if self.name == Self::SNOWFLAKE {
            format!("{}.{}", self.name, self.host)
        } else {
            self.name.to_owned()
        }
    }
}

/// What may be said on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// HTTP requests with one of these methods to one of these paths; an empty list means any.
    Http {
        /// The methods.
        methods: &'static [&'static str],
        /// The paths as the pod sees them, after any rewrite; `*` at the end means everything below, and `{*}` one part.
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

/// The table of a stack: who may reach each workload, what each reaches outside the cluster, and what all need.
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
    rows.extend(outside::rows(config));
    rows.extend(backup::rows_outside(config));
    rows.extend(infrastructure::rows(config));
    rows
}

/// The methods of the source document.
const READ_AND_WRITE: &[&str] = &["GET", "POST"];

const METRICS: Traffic = Traffic::Http {
    methods: &["GET"],
    paths: &["/metrics"],
    token: false,
};

/// HTTP without a bound on methods and paths, between pods that trust each other with them.
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
    Peer::Neighbour(Neighbour {
        name: "Prometheus",
        namespace: monitoring.namespace.to_string(),
        labels: BTreeMap::new(),
        service_account: Some(monitoring.service_account.to_string()),
    })
}
