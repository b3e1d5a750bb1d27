//! Clients of Qdrant.

use super::{ANY_HTTP, Connection, METRICS, Peer, Traffic, prometheus, row};
use crate::config::StackConfig;
use crate::names::{OPENMEMORY, QDRANT, QDRANT_HTTP, QDRANT_PEERS};

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    let mut rows = vec![
        row(
            Peer::Workload(OPENMEMORY),
            QDRANT,
            QDRANT_HTTP,
            ANY_HTTP,
            "stores and searches memories as vectors in Qdrant",
        ),
        row(
            prometheus(config),
            QDRANT,
            QDRANT_HTTP,
            METRICS,
            "scrapes the metrics of each peer",
        ),
    ];
    if config.qdrant.is_cluster() {
        rows.push(row(
            Peer::Workload(QDRANT),
            QDRANT,
            QDRANT_PEERS,
            Traffic::Tcp,
            "the peers reach consensus",
        ));
    }
    rows
}
