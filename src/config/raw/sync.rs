//! What keeps Snowflake and Mem0 in step, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawResources;
use crate::config::OrPlaceholder;

/// Keeps Snowflake and Mem0 in step, both ways, every `phoenix:tiers.mem0Persistent.syncIntervalMinutes`. It needs
/// `phoenix:snowflake`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSync {
    /// The image; every team builds its own (`docs/sync-image.md`).
    pub image: OrPlaceholder<String>,
    /// What a run asks for and may use.
    pub resources: RawResources,
    /// Lets no new run begin; one that has begun ends. So does the phase `parallel` of `phoenix:migration`.
    #[serde(default)]
    pub suspend: bool,
}
