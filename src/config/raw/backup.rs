//! Backups, as written in a stack file.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawResources;
use crate::config::OrPlaceholder;

/// Backups of the stores in an object store, and their restores: `docs/runbooks/restore-from-backup.md`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawBackup {
    /// The image of `phoenix-backup`; every team builds its own (`docs/backup-image.md`).
    pub image: OrPlaceholder<String>,
    /// The resource requests and limits of a Job. Its memory use is bounded, independent of the size of a store.
    pub resources: RawResources,
    /// The schedules, in UTC.
    #[serde(default)]
    pub schedule: RawBackupSchedule,
    /// The time limit of a backup or drill in minutes, from 10 to 120. A longer run would trigger the alert on the
    /// age of backups.
    #[serde(default = "deadline_minutes")]
    #[schemars(range(min = 10, max = 120))]
    pub deadline_minutes: u32,
    /// The retention of backups. The last successful backup of a store is always kept.
    #[serde(default)]
    pub retention: RawRetention,
    /// The object store for backups.
    pub object_store: RawObjectStore,
}

/// The schedules, as hours and minutes in UTC such as `"01:10"`. Every backup runs daily.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawBackupSchedule {
    /// The backup of Qdrant.
    pub qdrant: String,
    /// The backup of the knowledge graph, if the stack has one.
    pub neo4j: String,
    /// The backup of OpenMemory.
    pub openmemory: String,
    /// The removal of expired backups.
    pub prune: String,
    /// The weekly drill, which restores a backup of Qdrant beside the data.
    pub drill: RawDrill,
}

impl Default for RawBackupSchedule {
    fn default() -> Self {
        Self {
            qdrant: "01:10".to_owned(),
            neo4j: "01:40".to_owned(),
            openmemory: "02:10".to_owned(),
            prune: "04:10".to_owned(),
            drill: RawDrill::default(),
        }
    }
}

/// The schedule of the drill.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawDrill {
    /// The day of the week.
    pub day: RawDay,
    /// The time on that day, such as `"04:40"`.
    pub at: String,
}

impl Default for RawDrill {
    fn default() -> Self {
        Self {
            day: RawDay::Sunday,
            at: "04:40".to_owned(),
        }
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawDay {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

/// The retention of a store's backups. A backup is kept if at least one of these settings applies to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawRetention {
    /// The number of newest backups to keep, from 1 to 365.
    #[schemars(range(min = 1, max = 365))]
    pub last: u32,
    /// The number of days for each of which the newest backup is kept, up to 3650.
    #[schemars(range(min = 0, max = 3_650))]
    pub daily: u32,
    /// The number of weeks for each of which the newest backup is kept, up to 520.
    #[schemars(range(min = 0, max = 520))]
    pub weekly: u32,
    /// The number of months for each of which the newest backup is kept, up to 120.
    #[schemars(range(min = 0, max = 120))]
    pub monthly: u32,
}

impl Default for RawRetention {
    fn default() -> Self {
        Self {
            last: 3,
            daily: 7,
            weekly: 5,
            monthly: 12,
        }
    }
}

/// A bucket of an S3-compatible object store with TLS. The store must encrypt at rest, keep versions and deny public
/// access: see the list in `docs/runbooks/restore-from-backup.md`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawObjectStore {
    /// The host name, such as `s3.eu-central-1.amazonaws.com`. The bucket is part of the path, not of the host name.
    pub host: OrPlaceholder<String>,
    /// The port.
    #[serde(default = "https")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The networks of the host's addresses, such as `10.20.0.0/24`; by default every public address.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The region of the bucket, such as `eu-central-1`. A region other than that of the cluster protects against the
    /// loss of a region.
    pub region: OrPlaceholder<String>,
    /// The bucket.
    pub bucket: OrPlaceholder<String>,
    /// The path prefix in the bucket; by default `phoenix:cluster.identifier`, so that stacks can share a bucket.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The roles of the Jobs, for clusters that map service accounts to roles (EKS). Without them, the Jobs use the
    /// secrets `backupAccessKeyId` and `backupSecretAccessKey`.
    #[serde(default)]
    pub cloud_roles: Option<RawBackupRoles>,
}

/// The ARNs of the roles. All must be different, so that a Job can neither read the backups of other stores nor
/// overwrite or delete any: `docs/runbooks/restore-from-backup.md` lists their permissions.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawBackupRoles {
    /// The roles for the backups of Qdrant, below `PREFIX/qdrant/`.
    pub qdrant: RawStoreRoles,
    /// The roles for the backups of the knowledge graph, below `PREFIX/neo4j/`. Required if the stack has one.
    #[serde(default)]
    pub neo4j: Option<RawStoreRoles>,
    /// The roles for the backups of OpenMemory, below `PREFIX/openmemory/`.
    pub openmemory: RawStoreRoles,
    /// The role for pruning: list, read and delete in all three folders.
    pub prune: OrPlaceholder<String>,
}

/// The roles of one store.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawStoreRoles {
    /// The role for backups: write only.
    pub backup: OrPlaceholder<String>,
    /// The role for restores and the drill: list and read.
    pub restore: OrPlaceholder<String>,
}

fn deadline_minutes() -> u32 {
    90
}

fn https() -> u16 {
    443
}
