//! Checks of the session cache.

use super::{Check, key};
use crate::config::Redis;
use crate::config::raw::{RawRedis, RawSessionCache};

impl Check {
    pub(super) fn redis(&mut self, raw: &RawRedis, tier: &RawSessionCache) -> Option<Redis> {
        let image = self.image("redis.image", &raw.image, "redis");
        let resources = self.resources("redis.resources", &raw.resources);
        let exporter = self.image("redis.exporter.image", &raw.exporter.image, "redis-exporter");
        let exporter_resources = self.resources("redis.exporter.resources", &raw.exporter.resources);
        let persistence = match &raw.persistence {
            Some(volume) => self
                .volume("redis.persistence", &volume.size, volume.storage_class.as_ref())
                .map(Some),
            None => Some(None),
        };
        let entries = u128::from(tier.max_size_mb) << 20;
        if let Some(resources) = &resources {
            let (needed, why) = if raw.persistence.is_some() {
                // The process that writes to disk shares memory pages with the server until the server changes them.
                (2 * entries, "the same amount again while it writes to disk")
            } else {
                // Fragmentation, and the program itself. Client buffers count as entries.
                (
                    entries + entries / 4 + (64 << 20),
                    "a quarter more and 64Mi in addition",
                )
            };
            let limit = resources.limits.memory.thousandths() / 1_000;
            if limit < needed {
                let least = needed.div_ceil(1 << 20);
                self.problems.add_with_hint(
                    key("redis.resources.limits.memory"),
                    format!(
                        "is {}, but entries may take {}Mi, and the server needs {why}: it would be killed before it evicts entries",
                        resources.limits.memory, tier.max_size_mb
                    ),
                    format!("use at least {least}Mi, or reduce phoenix:tiers.sessionCache.maxSizeMb"),
                );
            }
        }
        if let Some(Some(volume)) = &persistence
            && volume.size.thousandths() / 1_000 < 3 * entries
        {
            let least = 3 * u128::from(tier.max_size_mb);
            self.problems.add_with_hint(
                key("redis.persistence.size"),
                format!(
                    "is {}, but rewriting the append-only file of {}Mi of entries requires three times that size",
                    volume.size, tier.max_size_mb
                ),
                format!("use at least {least}Mi, or reduce phoenix:tiers.sessionCache.maxSizeMb"),
            );
        }
        self.tier_is_once("sessionCache", tier.external.is_some(), "redis");
        Some(Redis {
            image: image?,
            eviction: raw.eviction,
            resources: resources?,
            persistence: persistence?,
            exporter: exporter?,
            exporter_resources: exporter_resources?,
        })
    }

    /// A tier is provided either by the stack, as `system`, or externally.
    pub(super) fn tier_is_once(&mut self, tier: &str, external: bool, system: &str) {
        if external {
            self.problems.add_with_hint(
                key(&format!("tiers.{tier}.external")),
                format!(
                    "is set, but phoenix:{system} is in this stack, so the tier would have two addresses"
                ),
                format!("remove it, or phoenix:{system}"),
            );
        }
    }
}
