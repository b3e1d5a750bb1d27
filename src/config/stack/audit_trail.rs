//! The audit trail.

/// The logging provider and the retention of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditTrail {
    /// The provider that logs the sidecars' requests.
    pub provider: String,
    /// The number of days for which the log must be retained; at least six years.
    pub retention_days: u32,
    /// The archive of the log; `None` while it is a placeholder.
    pub archive: Option<String>,
}
