//! Clients of the knowledge graph.

use super::{Connection, Peer, Traffic, row};
use crate::config::StackConfig;
use crate::names::{BOLT, KNOWLEDGE_GRAPH};

/// The systems that query it, independent of the stack, with the reason.
const CLIENTS: [(&str, &str); 1] = [(
    "chat",
    "reads and writes entities and relationships in the knowledge graph",
)];

pub fn rows(config: &StackConfig) -> Vec<Connection> {
    if config.knowledge_graph.is_none() {
        return Vec::new();
    }
    let workloads = config.workloads();
    let clients = CLIENTS.iter().flat_map(|(system, why)| {
        let callers = workloads
            .iter()
            .filter(move |workload| workload.system == *system);
        callers.map(|caller| row(Peer::Workload(*caller), KNOWLEDGE_GRAPH, BOLT, Traffic::Tcp, why))
    });
    clients.collect()
}
