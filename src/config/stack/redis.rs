//! The session cache.

use super::{Resources, Volume};
use crate::config::Image;

/// The session cache: a server that speaks the protocol of Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// The image of the server.
    pub image: Image,
    /// What is forgotten first when its memory is used up.
    pub eviction: Eviction,
    /// What the server asks for and may use; more memory than its entries may take.
    pub resources: Resources,
    /// The volume at `/data`; `None` where nothing is kept.
    pub persistence: Option<Volume>,
    /// The image of the exporter of metrics.
    pub exporter: Image,
    /// What the exporter asks for and may use.
    pub exporter_resources: Resources,
}

/// What is forgotten first when the memory is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// What nobody has asked for the longest.
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

impl Eviction {
    /// The server's word for it.
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
