//! The unified chat.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Resources, Scale};
use crate::config::Image;

/// The unified chat, which queries all five tiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// The image.
    pub image: Image,
    /// The number of pods.
    pub scale: Scale,
    /// The resource requests and limits of a pod.
    pub resources: Resources,
    /// The use that it makes of tier L3.
    pub mem0: Mem0Use,
    /// The number of results that it uses of Snowflake.
    pub snowflake_limit: u32,
    /// The number of results that it uses of Mem0.
    pub mem0_limit: u32,
    /// The target time to query all tiers, in milliseconds; at least the sum of their targets.
    pub latency_ms: u32,
}

/// The use that the chat makes of tier L3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mem0Use {
    /// None: the chat does not receive its address.
    Off,
    /// Its results enhance the answers of Snowflake.
    Enhanced,
    /// In addition, conversations are stored in it.
    Active,
    /// In addition, it learns from user feedback.
    #[default]
    Optimized,
}

impl Mem0Use {
    /// Its name in the stack file and in `MEM0_MODE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Enhanced => "enhanced",
            Self::Active => "active",
            Self::Optimized => "optimized",
        }
    }
}
