//! What keeps Snowflake and Mem0 in step.

use super::Resources;
use crate::config::Image;

/// Keeps Snowflake and Mem0 in step, both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The image.
    pub image: Image,
    /// What a run asks for and may use.
    pub resources: Resources,
    /// Whether no new run begins.
    pub suspend: bool,
    /// After how many minutes the next run begins; a cron expression can say it.
    pub interval_minutes: u32,
}
