//! The session cache.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Resources, Volume};
use crate::config::Image;

/// The session cache: a server that speaks the Redis protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// The image of the server.
    pub image: Image,
    /// The eviction policy.
    pub eviction: Eviction,
    /// The resource requests and limits of the server; more memory than its entries may use.
    pub resources: Resources,
    /// The volume at `/data`; `None` if nothing is persisted.
    pub persistence: Option<Volume>,
    /// The image of the metrics exporter.
    pub exporter: Image,
    /// The resource requests and limits of the exporter.
    pub exporter_resources: Resources,
}

/// The eviction policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Eviction {
    /// The least recently used entry.
    #[default]
    AllkeysLru,
    /// The least frequently used entry.
    AllkeysLfu,
    /// The least recently used entry among those with a time to live.
    VolatileLru,
    /// The entry that expires first.
    VolatileTtl,
    /// None: writes are rejected.
    Noeviction,
}

impl Eviction {
    /// The server's name of the policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllkeysLru => "allkeys-lru",
            Self::AllkeysLfu => "allkeys-lfu",
            Self::VolatileLru => "volatile-lru",
            Self::VolatileTtl => "volatile-ttl",
            Self::Noeviction => "noeviction",
        }
    }
}
