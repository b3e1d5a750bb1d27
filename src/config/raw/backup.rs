//! Backups, as a stack file writes them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawResources;
use crate::config::OrPlaceholder;

/// Copies of the stores in an object store, and how they are put back: `docs/runbooks/restore-from-backup.md`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawBackup {
    /// The image of `phoenix-backup`; every team builds its own (`docs/backup-image.md`).
    pub image: OrPlaceholder<String>,
    /// What a Job asks for and may use. Memory is bounded, however large a store is.
    pub resources: RawResources,
    /// When what begins, in UTC.
    #[serde(default)]
    pub schedule: RawBackupSchedule,
    /// After how many minutes a backup or a drill is ended, from 10 to 120. Longer, and the alert on its age would fire before.
    #[serde(default = "deadline_minutes")]
    #[schemars(range(min = 10, max = 120))]
    pub deadline_minutes: u32,
    /// Which backups are kept. The last good one of a store always is.
    #[serde(default)]
    pub retention: RawRetention,
    /// Where backups are kept.
    pub object_store: RawObjectStore,
}

/// When what begins, as hours and minutes in UTC such as `"01:10"`. Every backup is made once a day.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawBackupSchedule {
    /// The backup of Qdrant.
    pub qdrant: String,
    /// The backup of the knowledge graph, where the stack has one.
    pub neo4j: String,
    /// The backup of OpenMemory.
    pub openmemory: String,
    /// The removal of backups that are kept no longer.
    pub prune: String,
    /// The drill that restores a backup of Qdrant beside the data, once a week.
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

/// When the drill begins.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawDrill {
    /// The day of the week.
    pub day: RawDay,
    /// The time of that day, such as `"04:40"`.
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

/// Which backups of a store are kept. One that any of these numbers keeps is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawRetention {
    /// The newest, from 1 to 365.
    #[schemars(range(min = 1, max = 365))]
    pub last: u32,
    /// The newest of each of so many days, up to 3650.
    #[schemars(range(min = 0, max = 3_650))]
    pub daily: u32,
    /// The newest of each of so many weeks, up to 520.
    #[schemars(range(min = 0, max = 520))]
    pub weekly: u32,
    /// The newest of each of so many months, up to 120.
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

/// A bucket of an object store that speaks like S3, over TLS. That it encrypts what it keeps, keeps versions and lets nobody
/// else in, is assumed of it: `docs/runbooks/restore-from-backup.md` has the list.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawObjectStore {
    /// Its host, such as `s3.eu-central-1.amazonaws.com`. The bucket is a part of the path, not of the host's name.
    pub host: OrPlaceholder<String>,
    /// Its port.
    #[serde(default = "https")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The networks that its addresses are in, such as `10.20.0.0/24`; without them, every public address.
    #[serde(default)]
    pub networks: Vec<String>,
    /// The region of the bucket, such as `eu-central-1`; another one than the cluster's outlives the loss of a region.
    pub region: OrPlaceholder<String>,
    /// The bucket.
    pub bucket: OrPlaceholder<String>,
    /// The folder in the bucket; without it, `phoenix:cluster.identifier`, so that stacks may share a bucket.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The roles of the Jobs, for clusters that map service accounts to roles (EKS). Without them, the secrets `backupAccessKeyId`
    /// and `backupSecretAccessKey` open the bucket.
    #[serde(default)]
    pub cloud_roles: Option<RawBackupRoles>,
}

/// The ARNs of three roles, so that a Job that only reads cannot delete.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RawBackupRoles {
    /// Who makes backups: writes and reads.
    pub backup: OrPlaceholder<String>,
    /// Who restores, and makes the drill: reads.
    pub restore: OrPlaceholder<String>,
    /// Who prunes: reads and deletes.
    pub prune: OrPlaceholder<String>,
}

fn deadline_minutes() -> u32 {
    90
}

fn https() -> u16 {
    443
}
