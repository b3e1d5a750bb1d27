//! The audit trail.

/// What is written down, and for how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditTrail {
    /// Who writes down what the sidecars see.
    pub provider: String,
    /// How many days the log must be kept; never less than six years.
    pub retention_days: u32,
    /// Where it is kept for so long; `None` while it is a placeholder.
    pub archive: Option<String>,
}
