//! Backups.

use super::{HostName, Image, Resources, RoleArn};

/// Backups of the stores in an object store, and their restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The image of `phoenix-backup`.
    pub image: Image,
    /// The resource requests and limits of a Job.
    pub resources: Resources,
    /// The schedules.
    pub schedule: BackupSchedule,
    /// The time limit of a backup or drill, in minutes.
    pub deadline_minutes: u32,
    /// The retention of backups.
    pub retention: Retention,
    /// The object store for backups.
    pub store: ObjectStore,
}

/// The schedules, in UTC. Every backup runs daily, the drill weekly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSchedule {
    /// The backup of Qdrant.
    pub qdrant: TimeOfDay,
    /// The backup of the knowledge graph.
    pub neo4j: TimeOfDay,
    /// The backup of OpenMemory.
    pub openmemory: TimeOfDay,
    /// The removal of expired backups.
    pub prune: TimeOfDay,
    /// The drill.
    pub drill: (Day, TimeOfDay),
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay {
    /// From 0 to 23.
    pub hour: u8,
    /// From 0 to 59.
    pub minute: u8,
}

/// A day of the week, by its number in cron: Sunday is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(pub u8);

/// The retention of a store's backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The number of newest backups; at least one.
    pub last: u32,
    /// The number of days of which the newest backup is kept.
    pub daily: u32,
    /// The number of weeks of which the newest backup is kept.
    pub weekly: u32,
    /// The number of months of which the newest backup is kept.
    pub monthly: u32,
}

/// A bucket of an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStore {
    /// Its host.
    pub host: HostName,
    /// Its port.
    pub port: u16,
    /// The networks of its addresses; empty for every public address.
    pub networks: Vec<String>,
    /// The region of the bucket; `None` while it is a placeholder.
    pub region: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The path prefix in the bucket.
    pub prefix: String,
    /// The credentials of the Jobs.
    pub credentials: StoreCredentials,
}

/// The credentials of the Jobs for the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreCredentials {
    /// Cloud roles of the service accounts.
    Roles(BackupRoles),
    /// An access key from the inventory of secrets.
    Key,
}

/// The roles of the Jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRoles {
    /// The roles for Qdrant.
    pub qdrant: StoreRoles,
    /// The roles for the knowledge graph.
    pub neo4j: StoreRoles,
    /// The roles for OpenMemory.
    pub openmemory: StoreRoles,
    /// The role for pruning; `None` while it is a placeholder.
    pub prune: Option<RoleArn>,
}

/// The roles for one store; `None` while one is a placeholder, or for a store that the stack does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreRoles {
    /// The role for backups.
    pub backup: Option<RoleArn>,
    /// The role for restores and the drill.
    pub restore: Option<RoleArn>,
}
