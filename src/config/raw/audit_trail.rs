//! The audit trail, as a stack file writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::OrPlaceholder;

/// The audit trail: who asked whom for what, when and from where. `docs/audit-trail.md` says what is logged where.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawAuditTrail {
    /// Who writes down what the sidecars see: the name of a provider in the mesh's own configuration (`extensionProviders`),
    /// or `envoy`, which every mesh has, but whose lines do not say who asked.
    #[serde(default = "provider")]
    pub provider: String,
    /// How many days the log must be kept; at least 2190, which is six years.
    #[serde(default = "retention_days")]
    #[schemars(range(min = 2_190, max = 36_500))]
    pub retention_days: u32,
    /// Where it is kept for so long, in words that an auditor can follow.
    pub archive: OrPlaceholder<String>,
}

fn provider() -> String {
    "envoy".to_owned()
}

fn retention_days() -> u32 {
    2_190
}
