//! The session cache, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawResources, RawVolume};
use crate::config::OrPlaceholder;
use crate::config::stack::Eviction;

/// The session cache: a Valkey server, which speaks the Redis protocol. Its capacity and time to live are in
/// `phoenix:tiers.sessionCache`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawRedis {
    /// The image of the server.
    pub image: OrPlaceholder<String>,
    /// The eviction policy when the memory of `phoenix:tiers.sessionCache.maxSizeMb` is used up.
    #[serde(default)]
    pub eviction: Eviction,
    /// The resource requests and limits of the server. Its memory limit must exceed
    /// `phoenix:tiers.sessionCache.maxSizeMb` by a quarter plus 64Mi, or be twice as large if it writes to disk.
    pub resources: RawResources,
    /// Writes the entries to a volume at `/data`, so that sessions survive a restart of the pod. By default nothing
    /// is persisted, as is usual for a cache. Changing this replaces the server.
    #[serde(default)]
    pub persistence: Option<RawVolume>,
    /// The metrics exporter.
    pub exporter: RawExporter,
}

/// The metrics exporter, a container beside the server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawExporter {
    /// The image of the exporter.
    pub image: OrPlaceholder<String>,
    /// The resource requests and limits of the exporter.
    pub resources: RawResources,
}
