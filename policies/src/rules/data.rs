//! Storage, backups and retention.

pub mod backups;
pub mod storage;
mod stores;
mod velero;

use crate::kind::Kind;
use crate::settings::{DefaultValue, Setting};

/// A backup schedule of Velero.
pub(crate) const VELERO_SCHEDULE: Kind = Kind::new(&["velero.io"], "Schedule");

pub(crate) static BACKUP_ANNOTATION: Setting = Setting {
    name: "annotation",
    meaning: "the annotation of a CronJob that lists the claims of its namespace that it backs up, separated by commas; only the first entry is used",
    default: DefaultValue::Texts(&["phoenix.ai/backs-up"]),
};
