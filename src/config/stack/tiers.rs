//! The five tiers of the memory.

use crate::config::HostName;
use crate::names::Tier;

/// The five tiers of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiers {
    /// Tier L1.
    pub session_cache: SessionCache,
    /// Tier L2.
    pub snowflake_cortex: SnowflakeCortex,
    /// Tier L3.
    pub mem0_persistent: Mem0Persistent,
    /// Tier L4.
    pub knowledge_graph: KnowledgeGraph,
    /// Tier L5.
    pub langgraph_workflow: LanggraphWorkflow,
}

impl Tiers {
    /// How soon a tier shall answer, in milliseconds.
    pub fn latency_ms(&self, tier: Tier) -> u32 {
        match tier {
            Tier::SessionCache => self.session_cache.latency_ms,
            Tier::SnowflakeCortex => self.snowflake_cortex.latency_ms,
            Tier::Mem0Persistent => self.mem0_persistent.latency_ms,
            Tier::KnowledgeGraph => self.knowledge_graph.latency_ms,
            Tier::LanggraphWorkflow => self.langgraph_workflow.latency_ms,
        }
    }
}

/// Tier L1: the session cache in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCache {
    /// After how many seconds an entry is forgotten.
    pub ttl_seconds: u32,
    /// The most memory that entries may take, in megabytes.
    pub max_size_mb: u32,
    /// How soon it shall answer, in milliseconds.
    pub latency_ms: u32,
    /// Where it is, if it is known.
    pub external: Option<External>,
}

/// Tier L2: Snowflake Cortex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnowflakeCortex {
    /// The model that makes vectors of texts.
    pub embedding_model: String,
    /// How many numbers a vector has.
    pub vector_dimension: u32,
    /// How soon it shall answer, in milliseconds.
    pub latency_ms: u32,
    /// Where it is, if it is known.
    pub external: Option<External>,
}

/// Tier L3: the platform's own OpenMemory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mem0Persistent {
    /// After how many minutes it is brought in step with Snowflake again.
    pub sync_interval_minutes: u32,
    /// How soon it shall answer, in milliseconds.
    pub latency_ms: u32,
}

/// Tier L4: the knowledge graph in Neo4j.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnowledgeGraph {
    /// The most relationships that a question follows.
    pub max_relationships: u32,
    /// How soon it shall answer, in milliseconds.
    pub latency_ms: u32,
    /// Where it is, if it is known.
    pub external: Option<External>,
}

/// Tier L5: workflows in LangGraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanggraphWorkflow {
    /// The most workflows that are looked back at.
    pub max_workflow_history: u32,
    /// How soon it shall answer, in milliseconds.
    pub latency_ms: u32,
    /// Where it is, if it is known.
    pub external: Option<External>,
}

/// Where somebody else runs a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The name of its host; never one of the platform's own namespace.
    pub host: HostName,
    /// Its port.
    pub port: u16,
}
