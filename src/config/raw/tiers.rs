//! The five tiers of the memory, as a stack file writes them. What is left out is as in the source document.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The five tiers of the memory: their limits, and how soon each shall answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawTiers {
    /// Tier L1: what is remembered during a session.
    pub session_cache: RawSessionCache,
    /// Tier L2, the center: the primary intelligence.
    pub snowflake_cortex: RawSnowflakeCortex,
    /// Tier L3: what is remembered across sessions; the platform's own OpenMemory server.
    pub mem0_persistent: RawMem0Persistent,
    /// Tier L4: entities and how they relate.
    pub knowledge_graph: RawKnowledgeGraph,
    /// Tier L5: how people work.
    pub langgraph_workflow: RawLanggraphWorkflow,
}

/// Tier L1: the session cache in Redis.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawSessionCache {
    /// After how many seconds an entry is forgotten.
    #[schemars(range(min = 1, max = 2_592_000))]
    pub ttl_seconds: u32,
    /// The most memory that entries may take, in megabytes.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_size_mb: u32,
    /// How soon it shall answer, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// Where it is; left out where there is none yet.
    pub external: Option<RawExternal>,
}

/// Tier L2: Snowflake Cortex.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawSnowflakeCortex {
    /// The model that makes vectors of texts.
    pub embedding_model: String,
    /// How many numbers a vector has; the model decides.
    #[schemars(range(min = 1, max = 4_096))]
    pub vector_dimension: u32,
    /// How soon it shall answer, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// Where it is; left out where there is none yet.
    pub external: Option<RawExternal>,
}

/// Tier L3: OpenMemory, which is `phoenix:openmemory` of this stack.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawMem0Persistent {
    /// After how many minutes it is brought in step with Snowflake again.
    #[schemars(range(min = 1, max = 1_440))]
    pub sync_interval_minutes: u32,
    /// How soon it shall answer, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
}

/// Tier L4: the knowledge graph in Neo4j.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawKnowledgeGraph {
    /// The most relationships that a question follows.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_relationships: u32,
    /// How soon it shall answer, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// Where it is; left out where there is none yet.
    pub external: Option<RawExternal>,
}

/// Tier L5: workflows in LangGraph.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawLanggraphWorkflow {
    /// The most workflows that are looked back at.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_workflow_history: u32,
    /// How soon it shall answer, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// Where it is; left out where there is none yet.
    pub external: Option<RawExternal>,
}

/// Where somebody else runs a tier.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawExternal {
    /// The name of its host.
    pub host: OrPlaceholder<String>,
    /// Its port; without it, the one that the software has by default.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

// The numbers of the source document.

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
