//! The migration to the platform, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

/// How far the migration to the platform is. Each phase adds to the one before it, and going back takes exactly that away.
/// One step at a time: `docs/how-to/migrate.md`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawMigration {
    /// The phase that the stack is in.
    pub phase: RawPhase,
}

/// A phase of the migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawPhase {
    /// The platform runs beside what is there. Only the MCP gateway's tests and the load test reach its memories.
    Parallel,
    /// Besides, the chat reads and writes memories.
    Enhanced,
    /// Besides, the gateway lets all people in.
    Active,
    /// Besides, the number of pods follows the load.
    Optimized,
}
