//! The unified chat, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawAutoscaling, RawResources};
use crate::config::OrPlaceholder;

/// The unified chat in the namespace `sophia-ai`, which asks all five tiers. It needs `phoenix:snowflake`, its primary source.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawChat {
    /// The image; every team builds its own (`docs/chat-image.md`).
    pub image: OrPlaceholder<String>,
    /// How many pods serve, from 1 to 100; at least two in production.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: u32,
    /// Lets the number of pods follow the load, from `replicas` upwards; needs a metrics server.
    #[serde(default)]
    pub autoscaling: Option<RawAutoscaling>,
    /// What a pod asks for and may use. They count against the bounds of `sophia-ai`, not against ours.
    pub resources: RawResources,
    /// How much of tier L3 the chat makes use of at most. An early phase of `phoenix:migration` allows less.
    #[serde(default)]
    pub mem0: RawMem0Use,
    /// How many answers it takes of each tier that it searches.
    #[serde(default)]
    pub search_limits: RawSearchLimits,
    /// How soon it shall have asked all tiers, in milliseconds; no less than the `latencyMs` of the five together, which
    /// it asks one after the other.
    #[serde(default = "latency_ms")]
    #[schemars(range(min = 1, max = 300_000))]
    pub latency_ms: u32,
}

/// How much of tier L3 the chat makes use of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawMem0Use {
    /// None: the chat is not told where it is.
    Off,
    /// It is asked, and what it says enhances what Snowflake says.
    Enhanced,
    /// Besides, what people say is written to it.
    Active,
    /// Besides, it learns from what people do with the answers.
    #[default]
    Optimized,
}

/// How many answers the chat takes of each tier that it searches.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawSearchLimits {
    /// Of Snowflake, tier L2.
    #[schemars(range(min = 1, max = 1_000))]
    pub snowflake: u32,
    /// Of Mem0, tier L3.
    #[schemars(range(min = 1, max = 1_000))]
    pub mem0: u32,
}

// The numbers of the source document.

impl Default for RawSearchLimits {
    fn default() -> Self {
        Self {
            snowflake: 10,
            mem0: 5,
        }
    }
}

fn latency_ms() -> u32 {
    600
}
