//! The MCP servers besides OpenMemory, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The MCP servers of the platform, for the configuration that their clients read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawMcp {
    /// The servers that this stack does not run. `mem0_persistent` is not among them, because it is OpenMemory.
    pub servers: RawServers,
}

/// The servers, by the names that their clients use. Servers that are not set are not announced to clients.
// Not in camel case, because other teams define these names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawServers {
    /// Memory of AI assistants, port 9000.
    pub ai_memory: Option<RawServer>,
    /// Memory-aware orchestration, port 8001.
    pub sophia_intelligence_unified: Option<RawServer>,
    /// Snowflake Cortex, synchronized with Mem0 in both directions, port 8080.
    pub snowflake_unified: Option<RawServer>,
    /// Code analysis, port 9003.
    pub codacy: Option<RawServer>,
    /// Repositories, port 9007.
    pub github: Option<RawServer>,
    /// Projects, port 9006.
    pub linear: Option<RawServer>,
    /// Tasks, port 9004.
    pub asana: Option<RawServer>,
}

/// An external MCP server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawServer {
    /// The address of the server.
    pub external: RawHost,
}

/// An external host.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawHost {
    /// The host name, outside the cluster or in another team's namespace.
    pub host: OrPlaceholder<String>,
}
