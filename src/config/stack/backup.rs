//! Backups.

use super::{HostName, Image, Resources, RoleArn};

/// Copies of the stores in an object store, and how they are put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The image of `phoenix-backup`.
    pub image: Image,
    /// What a Job asks for and may use.
    pub resources: Resources,
    /// When what begins.
    pub schedule: BackupSchedule,
    /// After how many minutes a backup or a drill is ended.
    pub deadline_minutes: u32,
    /// Which backups are kept.
    pub retention: Retention,
    /// Where backups are kept.
    pub store: ObjectStore,
}

/// When what begins, in UTC. Every backup is made once a day, the drill once a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSchedule {
    /// The backup of Qdrant.
    pub qdrant: TimeOfDay,
    /// The backup of the knowledge graph.
    pub neo4j: TimeOfDay,
    /// The backup of OpenMemory.
    pub openmemory: TimeOfDay,
    /// The removal of backups that are kept no longer.
    pub prune: TimeOfDay,
    /// The drill.
    pub drill: (Day, TimeOfDay),
}

/// A time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay {
    /// From 0 to 23.
    pub hour: u8,
    /// From 0 to 59.
    pub minute: u8,
}

/// A day of the week, by the number that cron has for it: Sunday is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub u8);

/// Which backups of a store are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The newest; at least one.
    pub last: u32,
    /// The newest of each of so many days.
    pub daily: u32,
    /// The newest of each of so many weeks.
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
}

/// A bucket of an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStore {
    /// Its host.
    pub host: HostName,
    /// Its port.
    pub port: u16,
    /// The networks its addresses are in; empty for every public address.
    pub networks: Vec<String>,
    /// The region of the bucket; `None` while it is a placeholder.
    pub region: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The folder in the bucket.
    pub prefix: String,
    /// Who the Jobs are to it.
    pub credentials: StoreCredentials,
}

/// Who the Jobs are to the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreCredentials {
    /// Roles that the cloud gives to service accounts.
    Roles(BackupRoles),
    /// A key of the inventory of secrets.
    Key,
}

/// The roles of the Jobs; `None` while one is a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRoles {
    /// Who makes backups.
    pub backup: Option<RoleArn>,
    /// Who restores, and makes the drill.
    pub restore: Option<RoleArn>,
    /// Who prunes.
    pub prune: Option<RoleArn>,
}
