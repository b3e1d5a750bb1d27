//! The targets of the service level objectives.

/// The share of requests, or of time, in which a tier must meet its target.
pub const LATENCY: f64 = 0.99;

/// The share of memories that must persist across sessions, from the source document.
pub const PERSISTENCE: f64 = 0.999;

/// The period of the error budget.
pub const PERIOD: &str = "30d";
