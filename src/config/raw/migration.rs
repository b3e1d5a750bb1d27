//! The migration to the platform, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::stack::Phase;

/// The state of the migration to the platform. Each phase adds to the previous one, and moving back removes exactly
/// what was added. Change the phase by one step at a time: `docs/how-to/migrate.md`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawMigration {
    /// The current phase.
    pub phase: Phase,
}
