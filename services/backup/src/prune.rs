//! Which backups are kept, and which are removed.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};

use crate::error::Error;
use crate::manifest::Store;
use crate::vault::{Kept, State, Vault};

/// How long something may be without a manifest before nobody can be writing it any more.
const HALF_WRITTEN: TimeDelta = TimeDelta::hours(24);

/// How many backups are kept, of each store. One may count for several of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Keep {
    /// The newest, however old they are; at least one is kept in any case.
    #[arg(long = "keep-last", env = "BACKUP_KEEP_LAST", default_value_t = 3)]
    pub last: usize,
    /// The newest of each of so many days.
    #[arg(long = "keep-daily", env = "BACKUP_KEEP_DAILY", default_value_t = 7)]
    pub daily: usize,
    /// The newest of each of so many weeks.
    #[arg(long = "keep-weekly", env = "BACKUP_KEEP_WEEKLY", default_value_t = 4)]
    pub weekly: usize,
    /// The newest of each of so many months.
    #[arg(long = "keep-monthly", env = "BACKUP_KEEP_MONTHLY", default_value_t = 6)]
    pub monthly: usize,
}

/// Removes what need not be kept of one store, and says so on stdout. What is damaged but has a manifest is left for a
/// person to look at.
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
        let why = match &backup.state {
            State::Good(_) if kept.contains(&backup.folder) => continue,
            State::Good(_) => "newer ones are kept",
            State::Unfinished if now - backup.begun > HALF_WRITTEN => "it was never finished",
            State::Unfinished => {
                println!("left {name}: it has no manifest yet, and somebody may be writing it");
                continue;
            }
            State::Damaged(why) => {
                println!("left {name} for a person to look at: {why}");
                continue;
            }
        };
        if !dry_run {
            vault.remove(backup).await?;
        }
        println!("{name} {done}: {why}");
        removed += 1;
    }
    println!("{store}: {} kept, {removed} {done}", kept.len());
    Ok(())
}

/// The period that a moment is in.
type Period = fn(DateTime<Utc>) -> (i32, u32);

/// The folders of the good ones that are kept.
fn kept(backups: &[Kept], keep: Keep) -> BTreeSet<String> {
    let mut good: Vec<&Kept> = backups
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
