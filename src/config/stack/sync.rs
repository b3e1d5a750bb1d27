//! The synchronization of Snowflake and Mem0.

use super::Resources;
use crate::config::Image;

/// Synchronizes Snowflake and Mem0 in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The image.
    pub image: Image,
    /// The resource requests and limits of a run.
    pub resources: Resources,
    /// Whether new runs are suspended.
    pub suspend: bool,
    /// The interval in minutes; a cron expression can represent it.
    pub interval_minutes: u32,
}
