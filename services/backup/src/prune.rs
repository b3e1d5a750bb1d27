//! Retention: which backups are kept, and which are deleted.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};

use crate::error::Error;
use crate::manifest::Store;
use crate::vault::{State, StoredBackup, Vault};

/// The age after which a folder without a manifest is considered abandoned.
const ABANDONED_AFTER: TimeDelta = TimeDelta::hours(24);

/// The number of backups to keep for each store. A backup can count for several of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Keep {
    /// Keep this many of the newest backups, regardless of age. At least one is always kept.
    #[arg(long = "keep-last", env = "BACKUP_KEEP_LAST", default_value_t = 3)]
    pub last: usize,
    /// Keep the newest backup of each of this many days.
    #[arg(long = "keep-daily", env = "BACKUP_KEEP_DAILY", default_value_t = 7)]
    pub daily: usize,
    /// Keep the newest backup of each of this many weeks.
    #[arg(long = "keep-weekly", env = "BACKUP_KEEP_WEEKLY", default_value_t = 4)]
    pub weekly: usize,
    /// Keep the newest backup of each of this many months.
    #[arg(long = "keep-monthly", env = "BACKUP_KEEP_MONTHLY", default_value_t = 6)]
    pub monthly: usize,
}

/// Deletes the backups of one store that exceed the retention, and prints them. A damaged backup with a manifest is kept
/// for inspection.
pub async fn prune(
    vault: &Vault,
    store: Store,
    keep: Keep,
    now: DateTime<Utc>,
    dry_run: bool,
) -> Result<(), Error> {
    let backups = vault.backups(store).await?;
    let kept = kept(&backups, keep);
    let done = if dry_run { "would be removed" } else { "removed" };
    let mut removed = 0;
    for backup in &backups {
        let name = format!("{store}/{}", backup.folder);
        let reason = match &backup.state {
            State::Good(_) if kept.contains(&backup.folder) => continue,
            State::Good(_) => "newer backups are kept",
            State::Unfinished if now - backup.begun > ABANDONED_AFTER => "it was never completed",
            State::Unfinished => {
                println!("kept {name}: it has no manifest yet and may be in progress");
                continue;
            }
            State::Damaged(problem) => {
                println!("kept {name} for inspection: {problem}");
                continue;
            }
        };
        if !dry_run {
            vault.remove(backup).await?;
        }
        println!("{name} {done}: {reason}");
        removed += 1;
    }
    println!("{store}: {} kept, {removed} {done}", kept.len());
    Ok(())
}

/// Maps a time to the period that contains it.
type Period = fn(DateTime<Utc>) -> (i32, u32);

/// The folders of the complete backups to keep.
fn kept(backups: &[StoredBackup], keep: Keep) -> BTreeSet<String> {
    let mut good: Vec<&StoredBackup> = backups
        .iter()
        .filter(|backup| matches!(backup.state, State::Good(_)))
        .collect();
    good.sort_by_key(|backup| std::cmp::Reverse(backup.begun));
    let mut kept = BTreeSet::new();
    kept.extend(
        good.iter()
            .take(keep.last.max(1))
            .map(|backup| backup.folder.clone()),
    );
    let periods: [(usize, Period); 3] = [
        (keep.daily, |at| (at.year(), at.ordinal())),
        (keep.weekly, |at| (at.iso_week().year(), at.iso_week().week())),
        (keep.monthly, |at| (at.year(), at.month())),
    ];
    for (number, period) in periods {
        let mut seen = BTreeSet::new();
        for backup in &good {
            if seen.len() < number && seen.insert(period(backup.begun)) {
                kept.insert(backup.folder.clone());
            }
        }
    }
    kept
}
