//! The knowledge graph.

use super::{Resources, Volume};
use crate::config::Image;

/// The knowledge graph: a Neo4j server of the Community Edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphStore {
    /// The image.
    pub image: Image,
    /// The resource requests and limits of the server.
    pub resources: Resources,
    /// The memory for queries, in mebibytes.
    pub heap_mebibytes: u64,
    /// The page cache, in mebibytes. Together with the heap, at most three quarters of the limit.
    pub page_cache_mebibytes: u64,
    /// The volume at `/data`.
    pub storage: Volume,
    /// The volume at `/logs`.
    pub logs: Volume,
}
