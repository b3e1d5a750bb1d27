//! Checks of the load test. Number ranges are part of the schema.

use super::Check;
use crate::config::LoadTest;
use crate::config::raw::RawLoadTest;

impl Check {
    pub(super) fn load_test(&mut self, raw: &RawLoadTest) -> Option<LoadTest> {
        let image = self.image("loadTest.image", &raw.image, "k6");
        let resources = self.resources("loadTest.resources", &raw.resources);
        Some(LoadTest {
            image: image?,
            virtual_users: raw.virtual_users,
            minutes: raw.minutes,
            resources: resources?,
        })
    }
}
