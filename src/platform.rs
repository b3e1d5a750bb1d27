//! The table of contents: every system of the platform, in reading order.

use phoenix_graph::Graph;

use crate::config::{StackConfig, StackOptions};
use crate::connections::connections;
use crate::passes;
use crate::systems::{
    audit_trail, backup, chat, knowledge_graph, langgraph, load_test, mcp, mesh, monitoring, namespace,
    openmemory, qdrant, redis, secrets, sync, trust,
};

/// The JSON schema of the MCP configuration, for clients that read it.
pub use crate::systems::mcp::schema as mcp_schema;

/// Metrics that rules and dashboards query, and the locations of rules and runbooks, for tests and documentation.
pub use crate::systems::monitoring::{
    RULE_FILE, RULES, build_with as monitoring_with, metrics, page as runbook_page,
};

/// The systems, each with the name that it has everywhere.
pub const SYSTEMS: [&str; 16] = [
    "namespace",
    "secrets",
    "trust",
    "mesh",
    "qdrant",
    "redis",
    "knowledge_graph",
    "openmemory",
    "langgraph",
    "chat",
    "sync",
    "backup",
    "mcp",
    "monitoring",
    "audit_trail",
    "load_test",
];

/// Builds the graph of a stack. It cannot fail, because validation has already reported every error.
pub fn build(config: &StackConfig) -> Graph {
    let options = StackOptions::of(config);
    let rows = connections(config);
    let workloads = config.workloads();
    let mut graph = Graph::default();
    graph.merge(namespace::build(
        &config.namespace,
        &config.cluster,
        config.migration,
        &config.largest_container(),
        options,
    ));
    graph.merge(secrets::build(&config.secrets, config.secret_targets(), options));
    graph.merge(trust::build(&rows, &workloads, &config.trust, &config.cluster));
    graph.merge(mesh::build(
        &rows,
        &workloads,
        &config.mesh,
        &config.cluster.mesh,
        config.postgres.transport,
    ));
    graph.merge(qdrant::build(&config.qdrant, options));
    if let Some(redis) = &config.redis {
        graph.merge(redis::build(
            redis,
            &config.tiers.session_cache,
            config.langgraph.is_some(),
            options,
        ));
    }
    if let Some(store) = &config.knowledge_graph {
        graph.merge(knowledge_graph::build(store, options));
    }
    graph.merge(openmemory::build(&config.openmemory, options));
    if let Some(langgraph) = &config.langgraph {
        graph.merge(langgraph::build(
            langgraph,
            &config.tiers.langgraph_workflow,
            options,
        ));
    }
    if let (Some(chat), Some(snowflake)) = (&config.chat, &config.snowflake) {
        let dependencies = chat::Dependencies {
            tiers: &config.tiers,
            snowflake,
            workloads: &workloads,
            mesh: &config.cluster.mesh,
        };
        graph.merge(chat::build(chat, dependencies, options));
    }
    if let (Some(sync), Some(snowflake)) = (&config.sync, &config.snowflake) {
        graph.merge(sync::build(
            sync,
            snowflake,
            &config.tiers.snowflake_cortex,
            options,
        ));
    }
    if let Some(backup) = &config.backup {
        let stores = backup::Stores {
            qdrant_peers: config.qdrant.replicas,
            knowledge_graph: config.knowledge_graph.is_some(),
        };
        graph.merge(backup::build(backup, stores));
    }
    graph.merge(mcp::build(
        &config.mcp,
        &config.tiers,
        config.snowflake.as_ref(),
        &workloads,
    ));
    graph.merge(monitoring::build(
        &config.monitoring,
        &monitoring::Platform::of(config, &workloads),
    ));
    graph.merge(audit_trail::build(config.audit_trail.as_ref(), &workloads));
    graph.merge(load_test::build(
        config.load_test.as_ref(),
        &config.tiers,
        config.trust.jwt.is_some(),
    ));
    passes::apply(&mut graph, config);
    graph
}
