//! The load test, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawResources;
use crate::config::OrPlaceholder;

/// A load test that only a person starts. What is good enough comes from `phoenix:tiers`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawLoadTest {
    /// The image of k6.
    pub image: OrPlaceholder<String>,
    /// How many people converse at a time.
    #[serde(default = "virtual_users")]
    #[schemars(range(min = 1, max = 1_000))]
    pub virtual_users: u32,
    /// For how many minutes.
    #[serde(default = "minutes")]
    #[schemars(range(min = 1, max = 120))]
    pub minutes: u32,
    /// What the pod asks for and may use.
    pub resources: RawResources,
}

fn virtual_users() -> u32 {
    20
}

fn minutes() -> u32 {
    10
}
