//! The five memory tiers.

use crate::config::HostName;
use crate::names::Tier;

/// The five memory tiers.
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
    /// The target response time of a tier, in milliseconds.
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
    /// The time to live of an entry, in seconds.
    pub ttl_seconds: u32,
    /// The maximum memory for entries, in megabytes.
    pub max_size_mb: u32,
    /// The target response time, in milliseconds.
    pub latency_ms: u32,
    /// Its address, if known.
    pub external: Option<External>,
}

/// Tier L2: Snowflake Cortex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnowflakeCortex {
    /// The embedding model.
    pub embedding_model: String,
    /// The number of dimensions of a vector.
    pub vector_dimension: u32,
    /// The target response time, in milliseconds.
    pub latency_ms: u32,
    /// Its address, if known.
    pub external: Option<External>,
}

/// Tier L3: the platform's own OpenMemory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mem0Persistent {
    /// The interval of the synchronization with Snowflake, in minutes.
    pub sync_interval_minutes: u32,
    /// The target response time, in milliseconds.
    pub latency_ms: u32,
}

/// Tier L4: the knowledge graph in Neo4j.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnowledgeGraph {
    /// The maximum number of relationships that a query follows.
    pub max_relationships: u32,
    /// The target response time, in milliseconds.
    pub latency_ms: u32,
    /// Its address, if known.
    pub external: Option<External>,
}

/// Tier L5: workflows in LangGraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanggraphWorkflow {
    /// The maximum number of past workflows that are considered.
    pub max_workflow_history: u32,
    /// The target response time, in milliseconds.
    pub latency_ms: u32,
    /// Its address, if known.
    pub external: Option<External>,
}

/// The address of an external tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// The host name; never in the platform's own namespace.
    pub host: HostName,
    /// Its port.
    pub port: u16,
}
