//! The unified chat.

use super::{Resources, Scale};
use crate::config::Image;

/// The unified chat, which asks all five tiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chat {
    /// The image.
    pub image: Image,
    /// How many pods serve.
    pub scale: Scale,
    /// What a pod asks for and may use.
    pub resources: Resources,
    /// How much of tier L3 it makes use of.
    pub mem0: Mem0Use,
    /// How many answers it takes of Snowflake.
    pub snowflake_limit: u32,
    /// How many answers it takes of Mem0.
    pub mem0_limit: u32,
    /// How soon it shall have asked all tiers, in milliseconds; no less than they may take together.
    pub latency_ms: u32,
}

/// How much of tier L3 the chat makes use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mem0Use {
    /// None.
    Off,
    /// What it says enhances what Snowflake says.
    Enhanced,
    /// Besides, what people say is written to it.
    Active,
    /// Besides, it learns from what people do with the answers.
    Optimized,
}

impl Mem0Use {
    /// The word for it in the stack file and in `MEM0_MODE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Enhanced => "enhanced",
            Self::Active => "active",
            Self::Optimized => "optimized",
        }
    }
}
