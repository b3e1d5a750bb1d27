//! The load test.

use super::{Image, Resources};

/// A load test that only an operator starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadTest {
    /// The image of k6.
    pub image: Image,
    /// The number of concurrent users.
    pub virtual_users: u32,
    /// The duration in minutes.
    pub minutes: u32,
    /// The resource requests and limits of the pod.
    pub resources: Resources,
}
