//! The table of contents: every system of the platform, in reading order.

use phoenix_graph::{Graph, Object};

use crate::config::{ObjectName, StackConfig};
use crate::connections::connections;
use crate::names::Shared;
use crate::parts::{cluster, rotation};
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

/// The configuration that Istio's injector reads, in addition to the mesh-wide settings, when it creates a pod's
/// sidecar.
/// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig>
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// The sidecar resolves names that only the mesh knows (DNS capture). It is off by default, and without it a sidecar
/// cannot route plain TCP to an external host.
const CAPTURES_NAMES: &str = r#"{"proxyMetadata":{"ISTIO_META_DNS_CAPTURE":"true"}}"#;

/// Builds the graph of a stack. It cannot fail, because validation has already reported every error.
pub fn build(config: &StackConfig) -> Graph {
    let shared = Shared::of(config);
    let rows = connections(config);
    let workloads = config.workloads();
    let mut graph = Graph::default();
    graph.merge(namespace::build(
        &config.namespace,
        &config.cluster,
        config.migration,
        shared,
    ));
    graph.merge(secrets::build(&config.secrets, config.secret_targets(), shared));
    graph.merge(trust::build(&rows, &workloads, &config.trust, &config.cluster));
    graph.merge(mesh::build(&rows, &workloads, &config.mesh, &config.cluster.mesh));
    graph.merge(qdrant::build(&config.qdrant, shared));
    if let Some(redis) = &config.redis {
        graph.merge(redis::build(redis, &config.tiers.session_cache, shared));
    }
    if let Some(store) = &config.knowledge_graph {
        graph.merge(knowledge_graph::build(store, shared));
    }
    graph.merge(openmemory::build(&config.openmemory, shared));
    if let Some(langgraph) = &config.langgraph {
        graph.merge(langgraph::build(
            langgraph,
            &config.tiers.langgraph_workflow,
            shared,
        ));
    }
    if let (Some(chat), Some(snowflake)) = (&config.chat, &config.snowflake) {
        let around = chat::Around {
            tiers: &config.tiers,
            snowflake,
            workloads: &workloads,
            mesh: &config.cluster.mesh,
        };
        graph.merge(chat::build(chat, around, shared));
    }
    if let (Some(sync), Some(snowflake)) = (&config.sync, &config.snowflake) {
        graph.merge(sync::build(
            sync,
            snowflake,
            &config.tiers.snowflake_cortex,
            shared,
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
    let needed = config.secrets_needed();
    for object in graph.objects_mut() {
        rotation::follow(object, &needed, &config.secrets);
        cluster::suit(object, &config.cluster);
        show_options(object);
        if config.cluster.mesh.dns_capture {
            object.annotate_pods(PROXY_CONFIG, CAPTURES_NAMES);
        }
        if config.adopt.iter().any(|name| names(name, object)) {
            adopt(object);
        }
    }
    graph
}

/// Whether a name from the stack file refers to this object.
fn names(name: &ObjectName, object: &Object) -> bool {
    name.kind == object.id.kind && name.namespace == object.id.namespace && name.name == object.id.name
}

/// Adopts an existing object. The provider applies an object that it does not know with server-side apply, but the
/// API server rejects changes to fields that another manager owns unless the provider forces them.
fn adopt(object: &mut Object) {
    object.annotate("pulumi.com/patchForce", "true");
}

/// Annotates each object with its deletion policy, so that dropping `protect` shows up in a diff.
fn show_options(object: &mut Object) {
    let words = match (object.options.protect, object.options.retain_on_delete) {
        (false, false) => return,
        (true, false) => "refused",
        (false, true) => "retained",
        (true, true) => "refused, then retained",
    };
    object.annotate("phoenix.ai/deletion", words);
}
