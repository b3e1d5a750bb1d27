//! The five memory tiers, as written in a stack file. The defaults are those of the source document.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The five memory tiers: their limits and target response times.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawTiers {
    /// Tier L1: memories of the current session.
    pub session_cache: RawSessionCache,
    /// Tier L2: Snowflake Cortex, the primary data source.
    pub snowflake_cortex: RawSnowflakeCortex,
    /// Tier L3: memories across sessions, in the platform's own OpenMemory server.
    pub mem0_persistent: RawMem0Persistent,
    /// Tier L4: entities and their relationships.
    pub knowledge_graph: RawKnowledgeGraph,
    /// Tier L5: behavioral memory.
    pub langgraph_workflow: RawLanggraphWorkflow,
}

/// Tier L1: the session cache in Redis.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawSessionCache {
    /// The time to live of an entry, in seconds.
    #[schemars(range(min = 1, max = 2_592_000))]
    pub ttl_seconds: u32,
    /// The maximum memory for entries, in megabytes.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_size_mb: u32,
    /// The target response time, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// The address of the tier, if the stack does not run it.
    pub external: Option<RawExternal>,
}

/// Tier L2: Snowflake Cortex.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawSnowflakeCortex {
    /// The embedding model.
    pub embedding_model: String,
    /// The number of dimensions of a vector, which depends on the model.
    #[schemars(range(min = 1, max = 4_096))]
    pub vector_dimension: u32,
    /// The target response time, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// The address of the tier, if the stack does not run it.
    pub external: Option<RawExternal>,
}

/// Tier L3: OpenMemory, which is `phoenix:openmemory` of this stack.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawMem0Persistent {
    /// The interval of the synchronization with Snowflake, in minutes.
    #[schemars(range(min = 1, max = 1_440))]
    pub sync_interval_minutes: u32,
    /// The target response time, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
}

/// Tier L4: the knowledge graph in Neo4j.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawKnowledgeGraph {
    /// The maximum number of relationships that a query follows.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_relationships: u32,
    /// The target response time, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// The address of the tier, if the stack does not run it.
    pub external: Option<RawExternal>,
}

/// Tier L5: workflows in LangGraph.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawLanggraphWorkflow {
    /// The maximum number of past workflows that are considered.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_workflow_history: u32,
    /// The target response time, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// The address of the tier, if the stack does not run it.
    pub external: Option<RawExternal>,
}

/// The address of an external tier.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawExternal {
    /// The host name.
    pub host: OrPlaceholder<String>,
    /// The port; by default that of the software.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

// The values of the source document.

impl Default for RawSessionCache {
    fn default() -> Self {
        Self {
            ttl_seconds: 3_600,
            max_size_mb: 512,
            latency_ms: 50,
            external: None,
        }
    }
}

impl Default for RawSnowflakeCortex {
    fn default() -> Self {
        Self {
            embedding_model: "e5-base-v2".to_owned(),
            vector_dimension: 768,
            latency_ms: 100,
            external: None,
        }
    }
}

impl Default for RawMem0Persistent {
    fn default() -> Self {
        Self {
            sync_interval_minutes: 15,
            latency_ms: 200,
        }
    }
}

impl Default for RawKnowledgeGraph {
    fn default() -> Self {
        Self {
            max_relationships: 1_000,
            latency_ms: 150,
            external: None,
        }
    }
}

impl Default for RawLanggraphWorkflow {
    fn default() -> Self {
        Self {
            max_workflow_history: 100,
            latency_ms: 100,
            external: None,
        }
    }
}
