//! Retention: which backups are kept, and which are deleted.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};

use crate::error::Error;
use crate::manifest::{Manifest, Store};
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

/// What `prune` may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Consent {
    /// Print what would be deleted without deleting it.
    #[arg(long)]
    pub dry_run: bool,
    /// Delete although the newest backups differ from the previous ones.
    #[arg(
        long,
        env = "PRUNE_ACCEPT_DEVIATION",
        value_name = "BOOL",
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub accept_deviation: bool,
}

/// Deletes the backups of one store that exceed the retention, and prints them. Only complete backups with data whose time
/// the object store confirms are counted. All others are printed, and kept for inspection unless they were never completed.
///
/// Deletes nothing and fails if no backup counts, or if the newest ones differ too much from the previous ones.
pub async fn prune(
    vault: &Vault,
    store: Store,
    keep: Keep,
    now: DateTime<Utc>,
    consent: Consent,
) -> Result<(), Error> {
    let backups = vault.backups(store, now).await?;
    let counted: Vec<_> = backups
        .iter()
        .rev()
        .filter_map(|backup| Some((backup, backup.counted()?)))
        .collect();
    let kept = kept(&counted, keep);
    let newest = counted.first().map(|(newest, _)| newest.begun);
    let mut expired = Vec::new();
    for backup in &backups {
        let name = format!("{store}/{}", backup.folder);
        if backup.unlisted > 0 {
            println!(
                "{name} contains {} objects that its manifest does not list",
                backup.unlisted
            );
        }
        let Some(problem) = backup.problem() else {
            if !kept.contains(&backup.folder) {
                expired.push((backup, "newer backups are kept"));
            }
            continue;
        };
        match &backup.state {
            State::Unfinished if now - backup.changed > ABANDONED_AFTER => {
                expired.push((backup, "it was never completed"));
            }
            State::Unfinished => println!("kept {name}: it has no manifest yet and may be in progress"),
            State::Good(_) if Some(backup.begun) < newest => {
                expired.push((backup, "it is empty, and a newer backup is not"));
            }
            _ => println!("kept {name} for inspection, not counted: {problem}"),
        }
    }
    // An attacker may have replaced all backups, for example.
    let is_suspicious =
        |backup: &StoredBackup| matches!(backup.state, State::Damaged(_) | State::Untimely(..));
    if newest.is_none() && (!expired.is_empty() || backups.iter().any(is_suspicious)) {
        return Err(Error::Refused(format!(
            "no backup of {store} counts, so nothing is deleted\n  hint: `phoenix-backup list --store {store}` lists all backups \
             with the reasons"
        )));
    }
    if let Some(reason) = deviation(&backups, &counted, now) {
        if !expired.is_empty() && !consent.accept_deviation {
            return Err(Error::Refused(format!(
                "nothing of {store} is deleted, because {reason}\n  hint: find out why; if it is intended, run prune once with \
                 PRUNE_ACCEPT_DEVIATION=true"
            )));
        }
        eprintln!("warning: {store}: {reason}");
    }
    let done = if consent.dry_run {
        "would be removed"
    } else {
        "removed"
    };
    for (backup, reason) in &expired {
        if !consent.dry_run {
            vault.remove(backup).await?;
        }
        println!("{store}/{} {done}: {reason}", backup.folder);
    }
    println!("{store}: {} kept, {} {done}", kept.len(), expired.len());
    Ok(())
}

/// The number of newest backups that are compared with the previous ones.
const NEWEST: usize = 3;
/// The number of previous backups with which they are compared.
const PREVIOUS: usize = 7;
/// A backup differs too much if it has less than the median of the previous ones divided by this number.
const SHRUNK: u64 = 2;
/// A backup differs too much if it has more than the median of the previous ones times this number.
const GROWN: u64 = 10;
/// The maximum number of complete backups in a day.
const MAX_A_DAY: usize = 10;

/// A number by which backups are compared.
type Measure = fn(&Manifest) -> u64;

/// Why the newest backups look wrong: the data may be lost, or the backups may be forged. `counted` begins with the newest.
fn deviation(
    backups: &[StoredBackup],
    counted: &[(&StoredBackup, &Manifest)],
    now: DateTime<Utc>,
) -> Option<String> {
    let (newest, _) = counted.first()?;
    let is_empty = |backup: &&StoredBackup| {
        matches!(&backup.state, State::Good(manifest) if manifest.is_empty()) && backup.begun > newest.begun
    };
    if let Some(empty) = backups.iter().find(is_empty) {
        return Some(format!("the newer backup {} is empty", empty.folder));
    }
    let today = counted
        .iter()
        .filter(|(backup, _)| now - backup.changed < TimeDelta::days(1))
        .count();
    if today > MAX_A_DAY {
        return Some(format!(
            "it has {today} backups of the last 24 hours, more than {MAX_A_DAY}"
        ));
    }
    let (newest, previous) = counted.split_at(NEWEST.min(counted.len() / 2));
    let previous = &previous[..PREVIOUS.min(previous.len())];
    let measures: [(&str, Measure); 3] = [
        ("bytes", Manifest::bytes),
        ("records", Manifest::records),
        ("files", |manifest| manifest.files.len() as u64),
    ];
    newest.iter().find_map(|(backup, manifest)| {
        measures.iter().find_map(|(unit, measure)| {
            let (number, usual) = (measure(manifest), median(previous, *measure));
            let differs = number < usual.div_ceil(SHRUNK) || number > usual.saturating_mul(GROWN);
            differs.then(|| {
                format!(
                    "the backup {} has {number} {unit}, but the previous ones have {usual} (median of {})",
                    backup.folder,
                    previous.len()
                )
            })
        })
    })
}

/// The median; of an even number of values, the higher one.
fn median(backups: &[(&StoredBackup, &Manifest)], measure: Measure) -> u64 {
    let mut values: Vec<_> = backups.iter().map(|(_, manifest)| measure(manifest)).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

/// Maps a time to the period that contains it.
type Period = fn(DateTime<Utc>) -> (i32, u32);

/// The folders of the backups to keep. `counted` begins with the newest.
fn kept(counted: &[(&StoredBackup, &Manifest)], keep: Keep) -> BTreeSet<String> {
    let newest = counted.iter().take(keep.last.max(1));
    let mut kept: BTreeSet<_> = newest.map(|(backup, _)| backup.folder.clone()).collect();
    let periods: [(usize, Period); 3] = [
        (keep.daily, |at| (at.year(), at.ordinal())),
        (keep.weekly, |at| (at.iso_week().year(), at.iso_week().week())),
        (keep.monthly, |at| (at.year(), at.month())),
    ];
    for (number, period) in periods {
        let mut seen = BTreeSet::new();
        for (backup, _) in counted {
            if seen.len() < number && seen.insert(period(backup.begun)) {
                kept.insert(backup.folder.clone());
            }
        }
    }
    kept
}
