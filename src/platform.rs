//! The table of contents: every system of the platform, in the order a newcomer should meet them.

use phoenix_graph::Graph;

use crate::config::StackConfig;
use crate::connections::connections;
use crate::names::Shared;
use crate::systems::{namespace, openmemory, qdrant, secrets, trust};

/// The systems, by the one name that each has everywhere.
pub const SYSTEMS: [&str; 5] = ["namespace", "secrets", "trust", "qdrant", "openmemory"];

/// Builds the graph of a stack. It cannot fail: whatever could be wrong was found by validation.
pub fn build(config: &StackConfig) -> Graph {
    let shared = Shared::of(config);
    let rows = connections(config);
    let mut graph = Graph::default();
    graph.merge(namespace::build(&config.namespace, &config.cluster.mesh, shared));
    graph.merge(secrets::build(config.secrets));
    graph.merge(trust::build(&rows, &config.cluster));
    graph.merge(qdrant::build(&config.qdrant, shared));
    graph.merge(openmemory::build(&config.openmemory, shared));
    graph
}
