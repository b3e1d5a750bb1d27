//! Access logs, monitoring, alerts and tracing.

pub mod monitoring;
pub mod tracing;
