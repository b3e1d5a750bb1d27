//! The knowledge graph, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawResources, RawVolume};
use crate::config::OrPlaceholder;

/// The knowledge graph: a Neo4j server of the Community Edition, which is always one.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawGraphStore {
    /// The image, of version 5 and the Community Edition.
    pub image: OrPlaceholder<String>,
    /// What the server asks for and may use; at least 2Gi of memory.
    pub resources: RawResources,
    /// The memory of queries (the Java heap), such as `1Gi`. Without it, three eighths of the server's limit.
    #[serde(default)]
    pub heap: Option<String>,
    /// The memory in which pieces of the graph are kept, such as `1Gi`; as large as the graph is best. Without it, three
    /// eighths of the server's limit. Heap and page cache together leave a quarter of the limit to the rest of the server.
    #[serde(default)]
    pub page_cache: Option<String>,
    /// The volume at `/data`: the graph, and the log of its changes.
    pub storage: RawVolume,
    /// The volume at `/logs`.
    pub logs: RawVolume,
}
