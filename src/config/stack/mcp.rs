//! The MCP servers besides OpenMemory.

use crate::config::HostName;

/// The MCP servers of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mcp {
    /// The servers that this stack does not run.
    pub servers: Servers,
}

/// The hosts of the servers, none of them in the platform's own namespace. Clients learn of no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// Memory of AI assistants.
    pub ai_memory: Option<HostName>,
    /// Memory-aware orchestration.
    pub sophia_intelligence_unified: Option<HostName>,
    /// Snowflake Cortex.
    pub snowflake_unified: Option<HostName>,
    /// Code analysis.
    pub codacy: Option<HostName>,
    /// Repositories.
    pub github: Option<HostName>,
    /// Projects.
    pub linear: Option<HostName>,
    /// Tasks.
    pub asana: Option<HostName>,
}
