//! The MCP configuration: a document that lists tiers and servers for the chat and the MCP gateway.
//!
//! It is in the namespace of the chat. If another team manages that namespace, it must exist before the first `up`.
//! `docs/phoenix_mem0_mcp_config.schema.json` is generated from the types below. Every host in the platform's own
//! namespace that the document names is declared by the platform.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use phoenix_graph::Graph;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::config::{self, External, HostName, Mcp, Snowflake, SnowflakeProtocol, Tiers};
use crate::names::{
    self, BOLT, HEALTH_PATH, KNOWLEDGE_GRAPH, LANGGRAPH, LANGGRAPH_PORT, MCP_PORT, METRICS_PATH, OPENMEMORY,
    OPENMEMORY_PATH, Port, REDIS, REDIS_PORT, Workload,
};
use crate::parts::metadata::{self, string_map};

/// The system's name.
const SYSTEM: &str = "mcp";

/// The ConfigMap with the document.
pub fn build(mcp: &Mcp, tiers: &Tiers, snowflake: Option<&Snowflake>, workloads: &[Workload]) -> Graph {
    let document = serde_json::to_string_pretty(&document(mcp, tiers, snowflake, workloads))
        .expect("the document is always JSON");
    let mut graph = Graph::of(SYSTEM);
    graph.insert(ConfigMap {
        metadata: metadata::in_namespace(SYSTEM, names::AI, names::MCP_CONFIG),
        data: Some(string_map([(names::MCP_FILE, format!("{document}\n").as_str())])),
        ..Default::default()
    });
    graph
}

/// The JSON schema of the document.
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Document>()
        .to_value()
}

/// The MCP configuration of the Phoenix memory platform.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "phoenix_mem0_mcp_config.json", deny_unknown_fields)]
struct Document {
    /// The version of this format.
    #[schemars(extend("const" = "5.0"))]
    version: &'static str,
    /// The purpose of this document.
    description: &'static str,
    /// The role of Mem0 in the platform.
    #[schemars(extend("const" = "unified_with_mem0_enhancement"))]
    phoenix_architecture: &'static str,
    /// The date of this version of the format, not of the deployment.
    last_updated: &'static str,
    /// The five memory tiers.
    memory_tier_configuration: MemoryTiers,
    /// The MCP servers.
    enhanced_mcp_servers: Servers,
    /// The routes of the mesh to the memory.
    service_mesh_routing: Routing,
}

/// The five memory tiers.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MemoryTiers {
    #[serde(rename = "L1_session_cache")]
    session_cache: SessionCache,
    #[serde(rename = "L2_snowflake_cortex")]
    snowflake_cortex: SnowflakeCortex,
    #[serde(rename = "L3_mem0_persistent")]
    mem0_persistent: Mem0Persistent,
    #[serde(rename = "L4_knowledge_graph")]
    knowledge_graph: KnowledgeGraph,
    #[serde(rename = "L5_langgraph_workflow")]
    langgraph_workflow: LanggraphWorkflow,
}

/// The provider of a tier.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Provider {
    Redis,
    Snowflake,
    Mem0Openmemory,
    Neo4j,
    Langgraph,
}

/// The role of a tier or server.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Role {
    PrimaryIntelligence,
    CrossSessionLearning,
}

/// A compliance framework.
#[derive(Serialize, JsonSchema)]
enum Compliance {
    #[serde(rename = "SOC2")]
    Soc2,
    #[serde(rename = "HIPAA")]
    Hipaa,
}

/// The address of a tier, in the platform or external.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Endpoint {
    /// The host name.
    host: String,
    /// The port.
    port: u16,
}

/// Memories of the current session.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SessionCache {
    provider: Provider,
    /// The address; absent if the stack does not have this tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Endpoint")]
    endpoint: Option<Endpoint>,
    /// The time to live of an entry, in seconds.
    ttl_seconds: u32,
    /// The maximum memory for entries, in megabytes.
    max_size_mb: u32,
    /// The target response time, in milliseconds.
    latency_target_ms: u32,
    /// Whether it is aware of the memories in tier L3.
    mem0_awareness: bool,
}

/// Snowflake Cortex, the primary data source.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SnowflakeCortex {
    provider: Provider,
    /// The address; absent if the stack does not have this tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Endpoint")]
    endpoint: Option<Endpoint>,
    /// The embedding model.
    embedding_model: String,
    /// The number of dimensions of a vector.
    vector_dimension: u32,
    role: Role,
    /// The target response time, in milliseconds.
    latency_target_ms: u32,
    /// Whether it is synchronized with tier L3.
    mem0_sync_enabled: bool,
}

/// Memories across sessions.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Mem0Persistent {
    provider: Provider,
    /// The address of OpenMemory in the cluster.
    api_endpoint: String,
    role: Role,
    /// The interval of the synchronization with tier L2, in minutes.
    sync_interval_minutes: u32,
    /// The target response time, in milliseconds.
    latency_target_ms: u32,
    compliance: Vec<Compliance>,
}

/// Entities and their relationships.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct KnowledgeGraph {
    provider: Provider,
    /// The address; absent if the stack does not have this tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Endpoint")]
    endpoint: Option<Endpoint>,
    /// The maximum number of relationships that a query follows.
    max_relationships: u32,
    /// The target response time, in milliseconds.
    latency_target_ms: u32,
    /// Whether it is aware of the entities of tier L3.
    mem0_entity_sync: bool,
}

/// Behavioral memory: workflows of users.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LanggraphWorkflow {
    provider: Provider,
    /// The address; absent if the stack does not have this tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Endpoint")]
    endpoint: Option<Endpoint>,
    /// The maximum number of past workflows that are considered.
    max_workflow_history: u32,
    /// The target response time, in milliseconds.
    latency_target_ms: u32,
    /// Whether it learns from the patterns of tier L3.
    mem0_pattern_learning: bool,
}

/// The MCP servers, in the platform's groups.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Servers {
    core_intelligence: CoreIntelligence,
}

/// The core servers. Servers that the stack does not configure are absent.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CoreIntelligence {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server")]
    ai_memory: Option<Server>,
    mem0_persistent: Server,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server")]
    sophia_intelligence_unified: Option<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server")]
    snowflake_unified: Option<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server")]
    codacy: Option<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server")]
    github: Option<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server")]
    linear: Option<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Server")]
    asana: Option<Server>,
}

/// An MCP server.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Server {
    /// Its purpose.
    description: &'static str,
    /// The host name.
    host: String,
    /// The port.
    port: u16,
    /// The tiers that it uses; absent if unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    memory_integration: Vec<Level>,
    /// Its capabilities; absent if unknown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    compliance: Vec<Compliance>,
    /// The path prefix under which the mesh routes requests to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    service_mesh_path: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Role")]
    role: Option<Role>,
}

/// The short name of a tier.
#[derive(Serialize, JsonSchema)]
enum Level {
    L1,
    L2,
    L3,
}

/// The routes of the mesh to the memory.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Routing {
    /// For each path prefix of a request: the host, the port and the path that the server receives, if it differs.
    memory_endpoints: BTreeMap<&'static str, String>,
}

fn document(mcp: &Mcp, tiers: &Tiers, snowflake: Option<&Snowflake>, workloads: &[Workload]) -> Document {
    Document {
        version: "5.0",
        description: "Phoenix Platform + Mem0 Integration - Unified MCP Configuration",
        phoenix_architecture: "unified_with_mem0_enhancement",
        last_updated: "2025-01-03T00:00:00.000Z",
        memory_tier_configuration: memory_tiers(tiers, snowflake, workloads),
        enhanced_mcp_servers: Servers {
            core_intelligence: core_intelligence(&mcp.servers),
        },
        service_mesh_routing: routing(),
    }
}

fn memory_tiers(tiers: &Tiers, account: Option<&Snowflake>, workloads: &[Workload]) -> MemoryTiers {
    let (cache, snowflake, mem0) = (
        &tiers.session_cache,
        &tiers.snowflake_cortex,
        &tiers.mem0_persistent,
    );
    let (knowledge, workflow) = (&tiers.knowledge_graph, &tiers.langgraph_workflow);
    MemoryTiers {
        session_cache: SessionCache {
            provider: Provider::Redis,
            endpoint: own(workloads, REDIS, REDIS_PORT).or_else(|| endpoint(cache.external.as_ref())),
            ttl_seconds: cache.ttl_seconds,
            max_size_mb: cache.max_size_mb,
            latency_target_ms: cache.latency_ms,
            mem0_awareness: true,
        },
        snowflake_cortex: SnowflakeCortex {
            provider: Provider::Snowflake,
            endpoint: account
                .map(|account| Endpoint {
                    host: account.account_host.to_string(),
                    port: SnowflakeProtocol::Tls.port(),
                })
                .or_else(|| endpoint(snowflake.external.as_ref())),
            embedding_model: snowflake.embedding_model.clone(),
            vector_dimension: snowflake.vector_dimension,
            role: Role::PrimaryIntelligence,
            latency_target_ms: snowflake.latency_ms,
            mem0_sync_enabled: true,
        },
        mem0_persistent: Mem0Persistent {
            provider: Provider::Mem0Openmemory,
            api_endpoint: format!("http://{}", memory()),
            role: Role::CrossSessionLearning,
            sync_interval_minutes: mem0.sync_interval_minutes,
            latency_target_ms: mem0.latency_ms,
            compliance: vec![Compliance::Soc2, Compliance::Hipaa],
        },
        knowledge_graph: KnowledgeGraph {
            provider: Provider::Neo4j,
            endpoint: own(workloads, KNOWLEDGE_GRAPH, BOLT).or_else(|| endpoint(knowledge.external.as_ref())),
            max_relationships: knowledge.max_relationships,
            latency_target_ms: knowledge.latency_ms,
            mem0_entity_sync: true,
        },
        langgraph_workflow: LanggraphWorkflow {
            provider: Provider::Langgraph,
            endpoint: own(workloads, LANGGRAPH, LANGGRAPH_PORT)
                .or_else(|| endpoint(workflow.external.as_ref())),
            max_workflow_history: workflow.max_workflow_history,
            latency_target_ms: workflow.latency_ms,
            mem0_pattern_learning: true,
        },
    }
}

/// The address of the tier, if the stack provides it.
fn own(workloads: &[Workload], workload: Workload, port: Port) -> Option<Endpoint> {
    workloads.contains(&workload).then(|| Endpoint {
        host: workload.host(),
        port: port.number,
    })
}

fn endpoint(external: Option<&External>) -> Option<Endpoint> {
    external.map(|external| Endpoint {
        host: external.host.to_string(),
        port: external.port,
    })
}

/// The eight servers that the source document names. It mentions more, but without details. The ports are from the
/// document, as are the tiers and capabilities of the three servers that it describes.
fn core_intelligence(servers: &config::Servers) -> CoreIntelligence {
    CoreIntelligence {
        ai_memory: server(
            servers.ai_memory.as_ref(),
            9000,
            "Memory of AI assistants, synchronized with Mem0",
        )
        .map(|server| Server {
            memory_integration: vec![Level::L1, Level::L2, Level::L3],
            capabilities: vec!["store", "recall", "context", "mem0_sync"],
            ..server
        }),
        mem0_persistent: Server {
            description: "Memory across sessions: the platform's OpenMemory",
            host: OPENMEMORY.host(),
            port: MCP_PORT.number,
            memory_integration: vec![Level::L3],
            capabilities: vec!["persistent_store", "cross_session_recall", "adaptive_learning"],
            compliance: vec![Compliance::Soc2, Compliance::Hipaa],
            service_mesh_path: Some(OPENMEMORY_PATH),
            role: None,
        },
        sophia_intelligence_unified: server(
            servers.sophia_intelligence_unified.as_ref(),
            8001,
            "Memory-aware orchestration",
        ),
        snowflake_unified: server(
            servers.snowflake_unified.as_ref(),
            8080,
            "Snowflake Cortex, synchronized with Mem0 in both directions",
        )
        .map(|server| Server {
            memory_integration: vec![Level::L2],
            capabilities: vec![
                "semantic_search",
                "cortex_embeddings",
                "business_context",
                "mem0_bidirectional_sync",
            ],
            role: Some(Role::PrimaryIntelligence),
            ..server
        }),
        codacy: server(servers.codacy.as_ref(), 9003, "Memory-aware code analysis"),
        github: server(servers.github.as_ref(), 9007, "Memory of repositories"),
        linear: server(servers.linear.as_ref(), 9006, "Memory of projects"),
        asana: server(servers.asana.as_ref(), 9004, "How tasks relate to memories"),
    }
}

fn server(host: Option<&HostName>, port: u16, description: &'static str) -> Option<Server> {
    host.map(|host| Server {
        description,
        host: host.to_string(),
        port,
        memory_integration: Vec::new(),
        capabilities: Vec::new(),
        compliance: Vec::new(),
        service_mesh_path: None,
        role: None,
    })
}

fn routing() -> Routing {
    Routing {
        memory_endpoints: BTreeMap::from([
            (OPENMEMORY_PATH, memory()),
            (HEALTH_PATH, format!("{}/health", memory())),
            (METRICS_PATH, format!("{}/metrics", memory())),
        ]),
    }
}

/// The host and port of OpenMemory.
fn memory() -> String {
    format!("{}:{}", OPENMEMORY.host(), MCP_PORT.number)
}
