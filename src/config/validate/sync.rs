//! Checks of the synchronization of Snowflake and Mem0.

use super::{Check, key};
use crate::config::Sync;
use crate::config::raw::{RawConfig, RawSync};

impl Check {
    pub(super) fn sync(&mut self, raw: &RawSync, stack: &RawConfig) -> Option<Sync> {
        let image = self.image("sync.image", &raw.image, "sync");
        let resources = self.resources("sync.resources", &raw.resources);
        if stack.snowflake.is_none() {
            self.problems.add_with_hint(
                key("sync"),
                "requires a Snowflake account to synchronize with",
                "add phoenix:snowflake, or remove phoenix:sync",
            );
        }
        let interval = stack.tiers.mem0_persistent.sync_interval_minutes;
        let regular = is_regular(interval);
        if !regular {
            let message = format!(
                "is {interval} minutes, which does not divide an hour or a day evenly, so a cron schedule cannot run at equal intervals"
            );
            let hint = match (1..interval).rev().find(|minutes| is_regular(*minutes)) {
                Some(nearest) => {
                    format!(
                        "use {nearest}, another divisor of 60, or a number of whole hours that divides 24"
                    )
                }
                None => "use a divisor of 60".to_owned(),
            };
            self.problems
                .add_with_hint(key("tiers.mem0Persistent.syncIntervalMinutes"), message, hint);
        }
        regular.then_some(())?;
        Some(Sync {
            image: image?,
            resources: resources?,
            suspend: raw.suspend,
            interval_minutes: interval,
        })
    }
}

/// Whether runs at this interval, in minutes, start at the same times every day.
fn is_regular(minutes: u32) -> bool {
    const HOUR: u32 = 60;
    const DAY: u32 = 24 * HOUR;
    minutes > 0
        && (HOUR.is_multiple_of(minutes) || (minutes.is_multiple_of(HOUR) && DAY.is_multiple_of(minutes)))
}
