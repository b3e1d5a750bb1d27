//! The migration to the platform, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

/// The state of the migration to the platform. Each phase adds to the previous one, and going back removes exactly
/// that. Change the phase by one step at a time: `docs/how-to/migrate.md`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawMigration {
    /// The current phase.
    pub phase: RawPhase,
}

/// A phase of the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawPhase {
    /// The platform runs beside the existing system. Only the MCP gateway's tests and the load test access memories.
    Parallel,
    /// In addition, the chat reads and writes memories.
    Enhanced,
    /// In addition, the gateway admits all users.
    Active,
    /// In addition, the number of pods scales with the load.
    Optimized,
}
