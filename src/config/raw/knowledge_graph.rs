//! The knowledge graph, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawResources, RawVolume};
use crate::config::OrPlaceholder;

/// The knowledge graph: a single Neo4j server of the Community Edition.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawGraphStore {
    /// The image: version 5, Community Edition.
    pub image: OrPlaceholder<String>,
    /// The resource requests and limits of the server; at least 2Gi of memory.
    pub resources: RawResources,
    /// The memory for queries (Java heap), such as `1Gi`; by default three eighths of the memory limit.
    #[serde(default)]
    pub heap: Option<String>,
    /// The page cache, such as `1Gi`; ideally as large as the graph. By default three eighths of the memory limit.
    /// Heap and page cache together must leave a quarter of the limit to the rest of the server.
    #[serde(default)]
    pub page_cache: Option<String>,
    /// The volume at `/data`: the graph and its transaction log.
    pub storage: RawVolume,
    /// The volume at `/logs`.
    pub logs: RawVolume,
}
