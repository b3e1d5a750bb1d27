//! The session cache, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawResources, RawVolume};
use crate::config::OrPlaceholder;

/// The session cache: a Valkey server, which speaks the protocol of Redis. How much it may hold, and for how long,
/// is in `phoenix:tiers.sessionCache`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawRedis {
    /// The image of the server.
    pub image: OrPlaceholder<String>,
    /// What is forgotten first when the memory of `phoenix:tiers.sessionCache.maxSizeMb` is used up.
    #[serde(default)]
    pub eviction: RawEviction,
    /// What the server asks for and may use. Its memory must leave room beside `phoenix:tiers.sessionCache.maxSizeMb`: a
    /// quarter and 64Mi, or as much again where it writes to disk.
    pub resources: RawResources,
    /// Writes what it holds to a volume at `/data`, so that sessions outlive its pod. Without it nothing is kept, as is
    /// right for a cache. Switching it replaces the server.
    #[serde(default)]
    pub persistence: Option<RawVolume>,
    /// Tells Prometheus how the server is.
    pub exporter: RawExporter,
}

/// What is forgotten first when the memory is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawEviction {
    /// What nobody has asked for the longest.
    #[default]
    AllkeysLru,
    /// What is asked for the least often.
    AllkeysLfu,
    /// What nobody has asked for the longest, among what ends by itself.
    VolatileLru,
    /// What ends soonest by itself.
    VolatileTtl,
    /// Nothing: writes are refused.
    Noeviction,
}

/// A container that tells Prometheus how the server beside it is.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawExporter {
    /// The image of the exporter.
    pub image: OrPlaceholder<String>,
    /// What it asks for and may use.
    pub resources: RawResources,
}
