//! The load test, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawResources;
use crate::config::OrPlaceholder;

/// A load test that runs only when an operator starts it. Its thresholds come from `phoenix:tiers`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawLoadTest {
    /// The image of k6.
    pub image: OrPlaceholder<String>,
    /// The number of concurrent users.
    #[serde(default = "virtual_users")]
    #[schemars(range(min = 1, max = 1_000))]
    pub virtual_users: u32,
    /// The duration in minutes.
    #[serde(default = "minutes")]
    #[schemars(range(min = 1, max = 120))]
    pub minutes: u32,
    /// The resource requests and limits of the pod.
    pub resources: RawResources,
}

fn virtual_users() -> u32 {
    20
}

fn minutes() -> u32 {
    10
}
