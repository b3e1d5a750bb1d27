//! The synchronization of Snowflake and Mem0, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawResources;
use crate::config::OrPlaceholder;

/// Synchronizes Snowflake and Mem0 in both directions, every `phoenix:tiers.mem0Persistent.syncIntervalMinutes`. It
/// requires `phoenix:snowflake`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawSync {
    /// The image; every team builds its own (`docs/sync-image.md`).
    pub image: OrPlaceholder<String>,
    /// The resource requests and limits of a run.
    pub resources: RawResources,
    /// Starts no new runs; a current run finishes. The phase `parallel` of `phoenix:migration` has the same effect.
    #[serde(default)]
    pub suspend: bool,
}
