//! The audit trail, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The audit trail: the caller, target, time and source of each request. `docs/audit-trail.md` describes what is
/// logged where.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawAuditTrail {
    /// The provider that logs the sidecars' requests: a name from the mesh configuration (`extensionProviders`), or
    /// `envoy`, which every mesh has but which does not log the caller.
    #[serde(default = "provider")]
    pub provider: String,
    /// The number of days for which the log must be retained; at least 2190 (six years).
    #[serde(default = "retention_days")]
    #[schemars(range(min = 2_190, max = 36_500))]
    pub retention_days: u32,
    /// A description of the archive that retains the log, for auditors.
    pub archive: OrPlaceholder<String>,
}

fn provider() -> String {
    "envoy".to_owned()
}

fn retention_days() -> u32 {
    2_190
}
