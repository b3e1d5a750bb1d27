//! The unified chat, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawAutoscaling, RawResources};
use crate::config::OrPlaceholder;
use crate::config::stack::Mem0Use;

/// The unified chat in the namespace `sophia-ai`, which queries all five tiers. It requires `phoenix:snowflake`, its
/// primary source.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawChat {
    /// The image; every team builds its own (`docs/chat-image.md`).
    pub image: OrPlaceholder<String>,
    /// The number of pods, from 1 to 100; at least two in production.
    #[schemars(range(min = 1, max = 100))]
    pub replicas: u32,
    /// Scales the number of pods with the load, from `replicas` upwards; requires a metrics server.
    #[serde(default)]
    pub autoscaling: Option<RawAutoscaling>,
    /// The resource requests and limits of a pod. They count towards the quota of `sophia-ai`, not of the platform.
    pub resources: RawResources,
    /// The maximum use that the chat makes of tier L3. An early phase of `phoenix:migration` restricts it further.
    #[serde(default)]
    pub mem0: Mem0Use,
    /// The number of search results that the chat uses from each searched tier.
    #[serde(default)]
    pub search_limits: RawSearchLimits,
    /// The target time to query all tiers, in milliseconds. At least the sum of the five tiers' `latencyMs`, because
    /// it queries them one after the other.
    #[serde(default = "latency_ms")]
    #[schemars(range(min = 1, max = 300_000))]
    pub latency_ms: u32,
}

/// The number of search results that the chat uses from each searched tier.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawSearchLimits {
    /// Results of Snowflake, tier L2.
    #[schemars(range(min = 1, max = 1_000))]
    pub snowflake: u32,
    /// Results of Mem0, tier L3.
    #[schemars(range(min = 1, max = 1_000))]
    pub mem0: u32,
}

// The values of the source document.

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
