//! Checks of backups. Number ranges are part of the schema.

use std::collections::BTreeMap;

use super::{Check, key};
use crate::config::raw::{
    RawBackup, RawBackupRoles, RawBackupSchedule, RawConfig, RawDay, RawObjectStore, RawStoreRoles,
};
use crate::config::{
    Backup, BackupRoles, BackupSchedule, Day, HostName, ObjectStore, OrPlaceholder, Retention, RoleArn,
    StoreCredentials, StoreRoles, TimeOfDay,
};

impl Check {
    pub(super) fn backup(&mut self, raw: &RawBackup, stack: &RawConfig) -> Option<Backup> {
        let image = self.image("backup.image", &raw.image, "phoenix-backup");
        let resources = self.resources("backup.resources", &raw.resources);
        let schedule = self.backup_schedule(&raw.schedule);
        let store = self.object_store(&raw.object_store, stack);
        Some(Backup {
            image: image?,
            resources: resources?,
            schedule: schedule?,
            deadline_minutes: raw.deadline_minutes,
            retention: Retention {
                last: raw.retention.last,
                daily: raw.retention.daily,
                weekly: raw.retention.weekly,
                monthly: raw.retention.monthly,
            },
            store: store?,
        })
    }

    /// Production requires backups, because replicas repeat a mistake immediately.
    pub(super) fn check_backup(&mut self, raw: &RawConfig) {
        if self.is_prod && raw.backup.is_none() {
            self.problems.add_with_hint(
                key("backup"),
                "is missing, but production must be able to restore lost memories",
                "configure an image and a bucket: phoenix:backup: {image: …, resources: …, objectStore: …}",
            );
        }
    }

    fn backup_schedule(&mut self, raw: &RawBackupSchedule) -> Option<BackupSchedule> {
        let mut time =
            |name: &str, text: &str| self.parse(&format!("backup.schedule.{name}"), text, time_of_day);
        let qdrant = time("qdrant", &raw.qdrant);
        let neo4j = time("neo4j", &raw.neo4j);
        let openmemory = time("openmemory", &raw.openmemory);
        let prune = time("prune", &raw.prune);
        let drill = time("drill.at", &raw.drill.at);
        let day = Day(match raw.drill.day {
            RawDay::Sunday => 0,
            RawDay::Monday => 1,
            RawDay::Tuesday => 2,
            RawDay::Wednesday => 3,
            RawDay::Thursday => 4,
            RawDay::Friday => 5,
            RawDay::Saturday => 6,
        });
        Some(BackupSchedule {
            qdrant: qdrant?,
            neo4j: neo4j?,
            openmemory: openmemory?,
            prune: prune?,
            drill: (day, drill?),
        })
    }

    fn object_store(&mut self, raw: &RawObjectStore, stack: &RawConfig) -> Option<ObjectStore> {
        let host = match self.known("backup.objectStore.host", &raw.host) {
            Some(host) => self.parse("backup.objectStore.host", host, HostName::parse),
            None => HostName::parse("object-store.placeholder.invalid").ok(),
        };
        if raw.port == 0 {
            self.problems
                .add(key("backup.objectStore.port"), "is 0, which is not a valid port");
        }
        self.networks("backup.objectStore.networks", &raw.networks, true);
        let region = match self.known("backup.objectStore.region", &raw.region) {
            Some(text) => self.parse("backup.objectStore.region", text, region).map(Some),
            None => Some(None),
        };
        let bucket = match self.known("backup.objectStore.bucket", &raw.bucket) {
            Some(text) => self.parse("backup.objectStore.bucket", text, bucket),
            None => Some("placeholder".to_owned()),
        };
        let prefix = match &raw.prefix {
            Some(text) => self.parse("backup.objectStore.prefix", text, prefix),
            // The cluster identifier at a provider is free text.
            None => Some(
                stack
                    .cluster
                    .identifier
                    .chars()
                    .map(|letter| if is_plain(letter) { letter } else { '-' })
                    .collect(),
            ),
        };
        let credentials = match &raw.cloud_roles {
            Some(roles) => StoreCredentials::Roles(self.backup_roles(roles, stack.knowledge_graph.is_some())),
            None => StoreCredentials::Key,
        };
        Some(ObjectStore {
            host: host?,
            port: raw.port,
            networks: raw.networks.clone(),
            region: region?,
            bucket: bucket?,
            prefix: prefix?,
            credentials,
        })
    }

    fn backup_roles(&mut self, raw: &RawBackupRoles, has_graph: bool) -> BackupRoles {
        let mut used = BTreeMap::new();
        let qdrant = self.store_roles("qdrant", &raw.qdrant, &mut used);
        if raw.neo4j.is_none() && has_graph {
            self.problems.add_with_hint(
                key("backup.objectStore.cloudRoles.neo4j"),
                "is missing, but the stack has a knowledge graph",
                "set the role for its backups and the one for their restore: neo4j: {backup: …, restore: …}",
            );
        }
        let neo4j = raw.neo4j.as_ref();
        let neo4j = neo4j.map(|roles| self.store_roles("neo4j", roles, &mut used));
        let openmemory = self.store_roles("openmemory", &raw.openmemory, &mut used);
        BackupRoles {
            qdrant,
            neo4j: neo4j.unwrap_or_default(),
            openmemory,
            prune: self.backup_role("prune", &raw.prune, &mut used),
        }
    }

    fn store_roles(
        &mut self,
        store: &str,
        raw: &RawStoreRoles,
        used: &mut BTreeMap<String, String>,
    ) -> StoreRoles {
        StoreRoles {
            backup: self.backup_role(&format!("{store}.backup"), &raw.backup, used),
            restore: self.backup_role(&format!("{store}.restore"), &raw.restore, used),
        }
    }

    /// A role that no other Job has. `used` contains the keys of the roles so far.
    fn backup_role(
        &mut self,
        name: &str,
        raw: &OrPlaceholder<String>,
        used: &mut BTreeMap<String, String>,
    ) -> Option<RoleArn> {
        let path = format!("backup.objectStore.cloudRoles.{name}");
        let text = self.known(&path, raw)?;
        let role = self.parse(&path, text, RoleArn::parse)?;
        if let Some(other) = used.insert(role.as_str().to_owned(), name.to_owned()) {
            self.problems.add_with_hint(
                key(&path),
                format!(
                    "is the same role as {other}, so one Job could do to backups what only the other should"
                ),
                "create a role for each: docs/runbooks/restore-from-backup.md lists their permissions",
            );
        }
        Some(role)
    }
}

fn time_of_day(text: &str) -> Result<TimeOfDay, &'static str> {
    const WRONG: &str = "is not a time of day such as \"01:10\"";
    let (hour, minute) = text.split_once(':').ok_or(WRONG)?;
    let number = |digits: &str, below: u8| {
        let two_digits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|number| *number < below);
        two_digits.then_some(number?)
    };
    match (number(hour, 24), number(minute, 60)) {
        (Some(hour), Some(minute)) => Ok(TimeOfDay { hour, minute }),
        _ => Err(WRONG),
    }
}

/// It becomes part of a host name.
fn region(text: &str) -> Result<String, &'static str> {
    let legal = (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    legal
        .then(|| text.to_owned())
        .ok_or("is not a region such as eu-central-1")
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn bucket(text: &str) -> Result<String, &'static str> {
    let is_edge =
        |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let legal = (3..=63).contains(&text.len())
        && is_edge(text.bytes().next())
        && is_edge(text.bytes().next_back())
        && !text.contains("..")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
    legal
        .then(|| text.to_owned())
        .ok_or("is not a bucket name: 3 to 63 lower-case letters, digits, `-` and `.`")
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let legal = text.len() <= 200
        && text
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && part.chars().all(is_plain));
    legal.then(|| text.to_owned()).ok_or(
        "is not a path prefix such as phoenix/prod: letters, digits, `-`, `_` and `.`, with `/` between them",
    )
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_two_digits_and_two_digits() {
        assert_eq!(time_of_day("01:10"), Ok(TimeOfDay { hour: 1, minute: 10 }));
        assert_eq!(time_of_day("23:59"), Ok(TimeOfDay { hour: 23, minute: 59 }));
        for text in [
            "",
            "1:10",
            "24:00",
            "01:60",
            "01:1",
            "01-10",
            "+1:10",
            "01:10:00",
            "10 1 * * *",
        ] {
            assert!(time_of_day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_buckets_folders_and_regions_are_those_that_addresses_can_hold() {
        for text in ["abc", "acme-phoenix.backups", "0-0"] {
            assert_eq!(bucket(text).as_deref(), Ok(text));
        }
        for text in ["ab", "Acme", "-abc", "abc.", "a..b", "a/b", "a b"] {
            assert!(bucket(text).is_err(), "{text}");
        }
        for text in ["phoenix", "phoenix/prod", "a_b.c"] {
            assert_eq!(prefix(text).as_deref(), Ok(text));
        }
        for text in ["", "/a", "a/", "a//b", "a/../b", "a?b", "a b"] {
            assert!(prefix(text).is_err(), "{text}");
        }
        assert_eq!(region("eu-central-1").as_deref(), Ok("eu-central-1"));
        for text in ["", "EU", "eu.central", "-eu", "eu-", "eu/"] {
            assert!(region(text).is_err(), "{text}");
        }
    }
}
