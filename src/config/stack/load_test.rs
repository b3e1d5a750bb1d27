//! The load test.

use super::{Image, Resources};

/// A load test that only a person starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadTest {
    /// The image of k6.
    pub image: Image,
    /// How many people converse at a time.
    pub virtual_users: u32,
    /// For how many minutes.
    pub minutes: u32,
    /// What the pod asks for and may use.
    pub resources: Resources,
}
