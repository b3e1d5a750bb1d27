//! The MCP servers beside OpenMemory, as a stack file writes them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The MCP servers of the platform, for the configuration that their clients read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawMcp {
    /// Where the servers are that this stack does not run. `mem0_persistent` is not among them: it is this stack's OpenMemory.
    pub servers: RawServers,
}

/// The servers by the names that their clients know; one that is left out is not told to clients.
// Not in camel case: these are names that other teams use, not words of ours.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawServers {
    /// Memory of the assistants, port 9000.
    pub ai_memory: Option<RawServer>,
    /// Memory-aware orchestration, port 8001.
    pub sophia_intelligence_unified: Option<RawServer>,
    /// Snowflake Cortex, synchronized with Mem0 in both directions, port 8080.
    pub snowflake_unified: Option<RawServer>,
    /// Analysis of code, port 9003.
    pub codacy: Option<RawServer>,
    /// Repositories, port 9007.
    pub github: Option<RawServer>,
    /// Projects, port 9006.
    pub linear: Option<RawServer>,
    /// Tasks, port 9004.
    pub asana: Option<RawServer>,
}

/// An MCP server that somebody else runs.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawServer {
    /// Where it is.
    pub external: RawHost,
}

/// A host that is not ours.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawHost {
    /// Its name, outside the cluster or in another team's namespace.
    pub host: OrPlaceholder<String>,
}
