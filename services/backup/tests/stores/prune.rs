//! Retention: which backups are deleted, and when nothing is deleted.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::planted::{Planted, received};
use crate::program::{Ended, key, run};

/// The time of a nightly backup.
fn nightly(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days) - TimeDelta::hours(2)
}

/// A store with a good backup of each of the last days, not including today.
fn daily(days: i64, records: impl Fn(i64) -> u64) -> TempDir {
    let store = tempdir().expect("a folder");
    for day in 1..=days {
        Planted::memories(nightly(day), records(day)).write(store.path());
    }
    store
}

fn prune_with(store: &Path, arguments: &[&str]) -> Ended {
    let keep = [
        "prune",
        "--keep-last",
        "3",
        "--keep-daily",
        "7",
        "--keep-weekly",
        "0",
        "--keep-monthly",
        "0",
    ];
    run(store, &[&keep[..], arguments].concat(), &[])
}

fn prune(store: &Path) -> Ended {
    prune_with(store, &[])
}

/// The folders of a store.
fn folders(store: &Path) -> Vec<String> {
    let folders = store.join("openmemory").read_dir().expect("a folder").flatten();
    let mut names: Vec<_> = folders
        // Object stores have no empty folders.
        .filter(|folder| {
            folder
                .path()
                .read_dir()
                .is_ok_and(|mut files| files.next().is_some())
        })
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The folders that pruning a store without forged backups keeps.
fn expected(days: i64) -> Vec<String> {
    let store = daily(days, |_| 100);
    let before = folders(store.path());
    prune(store.path()).expect(0, "openmemory: 7 kept");
    let kept = folders(store.path());
    assert_eq!(kept, before[before.len() - 7..]);
    kept
}

#[test]
fn forged_backups_do_not_displace_real_ones() {
    let kept = expected(30);
    let days: Vec<_> = kept.iter().map(|name| name[..8].to_owned()).collect();
    // (name, time of arrival, files, key): what an attacker without and with the key of the store can write.
    let now = Utc::now();
    let own = key("openmemory");
    let other = key("qdrant");
    for (label, first, modified, is_empty, key) in [
        (
            "without a key, in the future",
            now + TimeDelta::days(1),
            now,
            true,
            None,
        ),
        (
            "with another key",
            now - TimeDelta::hours(14),
            now,
            false,
            Some(&other),
        ),
        (
            "with its key, in the future",
            now + TimeDelta::days(400),
            now,
            false,
            Some(&own),
        ),
        (
            "with its key, in the near future",
            now + TimeDelta::minutes(15),
            now,
            false,
            Some(&own),
        ),
        (
            "with its key, in the past",
            now - TimeDelta::days(14),
            now,
            false,
            Some(&own),
        ),
        (
            "with its key, with a future arrival",
            now + TimeDelta::days(2),
            now + TimeDelta::days(2),
            false,
            Some(&own),
        ),
    ] {
        let store = daily(30, |_| 100);
        let mut forged = Vec::new();
        for number in 0..12 {
            let mut planted = Planted::memories(first + TimeDelta::hours(number), 100);
            planted.modified = modified;
            if is_empty {
                planted.manifest["files"] = json!([]);
                planted.files.clear();
            }
            planted.write_signed_by(store.path(), key.map(String::as_str));
            forged.push(planted.folder);
        }
        let ended = prune(store.path());
        assert_eq!(ended.code, Some(0), "{label}: {ended:?}");
        let left = folders(store.path());
        for day in &days {
            let real = |name: &&String| name.starts_with(day.as_str()) && !forged.contains(name);
            assert!(
                left.iter().any(|name| real(&name)),
                "{label}: {day} is deleted: {ended:?}"
            );
        }
        for name in forged {
            assert!(
                ended
                    .out
                    .contains(&format!("kept openmemory/{name} for inspection, not counted")),
                "{label}: {ended:?}"
            );
            assert!(left.contains(&name), "{label}");
        }
    }
}

#[test]
fn newer_empty_backups_stop_pruning() {
    let store = daily(30, |_| 100);
    for hours in [1, 2, 3] {
        Planted::memories(Utc::now() - TimeDelta::hours(hours), 0).write(store.path());
    }
    let before = folders(store.path());
    prune(store.path()).expect(3, "is empty");
    assert_eq!(folders(store.path()), before);
    let ended = prune_with(store.path(), &["--accept-deviation"]);
    ended.expect(0, "openmemory: 7 kept");
    // They are not counted, and kept for inspection.
    assert_eq!(folders(store.path()).len(), 10, "{ended:?}");
}

#[test]
fn empty_backups_before_the_newest_one_are_deleted() {
    let store = daily(3, |_| 100);
    let empty = Planted::memories(nightly(5), 0);
    empty.write(store.path());
    prune(store.path()).expect(0, "it is empty, and a newer backup is not");
    assert!(!folders(store.path()).contains(&empty.folder));
}

#[test]
fn a_store_without_data_keeps_its_empty_backups() {
    let store = daily(5, |_| 0);
    prune(store.path()).expect(0, "openmemory: 0 kept, 0 removed");
    assert_eq!(folders(store.path()).len(), 5);
}

#[test]
fn newest_backups_of_another_size_stop_pruning() {
    for (newest, days, stops) in [
        (1, 1, true),
        (49, 1, true),
        (49, 3, true),
        (60, 3, false),
        (100, 3, false),
        (900, 3, false),
        (1_100, 1, true),
        (1_100, 3, true),
        // After a week, the previous ones have the same size.
        (10, 12, false),
    ] {
        let store = daily(30, |day| if day <= days { newest } else { 100 });
        let before = folders(store.path());
        let ended = prune(store.path());
        if stops {
            ended.expect(3, "(median of 7)");
            assert_eq!(folders(store.path()), before, "{newest}");
            prune_with(store.path(), &["--dry-run"]).expect(3, "nothing of openmemory is deleted");
            run(
                store.path(),
                &["prune", "--keep-monthly", "0", "--keep-weekly", "0"],
                &[("PRUNE_ACCEPT_DEVIATION", "true")],
            )
            .expect(0, "7 kept, 23 removed");
        } else {
            ended.expect(0, "7 kept, 23 removed");
        }
    }
}

#[test]
fn a_deviation_is_only_a_warning_if_nothing_expires() {
    let store = daily(5, |day| if day == 1 { 1 } else { 100 });
    prune(store.path()).expect(0, "warning: openmemory: the backup");
    assert_eq!(folders(store.path()).len(), 5);
}

#[test]
fn many_backups_in_a_day_stop_pruning() {
    let store = daily(30, |_| 100);
    for minutes in 1..=11 {
        let mut planted = Planted::memories(Utc::now() - TimeDelta::minutes(10 * minutes), 100);
        planted.modified = Utc::now() - TimeDelta::minutes(10 * minutes - 1);
        planted.write(store.path());
    }
    let before = folders(store.path());
    prune(store.path()).expect(3, "backups of the last 24 hours");
    assert_eq!(folders(store.path()), before);
}

#[test]
fn without_a_backup_that_counts_nothing_is_deleted() {
    // Old folders without manifests: an attacker has deleted these.
    let store = daily(5, |_| 100);
    for folder in folders(store.path()) {
        let at = store.path().join("openmemory").join(folder);
        std::fs::remove_file(at.join("manifest.json")).expect("it can be deleted");
    }
    let before = folders(store.path());
    prune(store.path()).expect(3, "no backup of openmemory counts, so nothing is deleted");
    assert_eq!(folders(store.path()), before);

    // All backups have been replaced by damaged ones, which do not expire.
    let store = daily(5, |_| 100);
    for folder in folders(store.path()) {
        let manifest = store.path().join("openmemory").join(folder).join("manifest.json");
        std::fs::write(manifest, "{}").expect("it can be written");
    }
    let before = folders(store.path());
    prune(store.path()).expect(3, "no backup of openmemory counts, so nothing is deleted");
    assert_eq!(folders(store.path()), before);

    // A store without any backup.
    prune(tempdir().expect("a folder").path()).expect(0, "openmemory: 0 kept, 0 removed");
}

#[test]
fn incomplete_backups_are_deleted_a_day_after_their_last_change() {
    let store = daily(3, |_| 100);
    let mut incomplete = Vec::new();
    for (begun, changed, stays) in [
        (nightly(4), nightly(4), false),
        // A name alone does not make a folder old or new.
        (nightly(400), Utc::now(), true),
        (Utc::now(), nightly(400), true),
        (nightly(-400), nightly(4), true),
    ] {
        let planted = Planted::memories(begun, 2);
        let at = planted.write(store.path());
        std::fs::remove_file(at.join("manifest.json")).expect("it can be deleted");
        received(&at, changed);
        incomplete.push((planted.folder, stays));
    }
    prune(store.path()).expect(0, "it was never completed");
    for (folder, stays) in incomplete {
        assert_eq!(folders(store.path()).contains(&folder), stays, "{folder}");
    }
}

#[test]
fn stores_without_a_key_are_skipped_and_a_refusal_does_not_stop_the_others() {
    let store = daily(30, |day| if day == 1 { 1 } else { 100 });
    let planted = Planted::new("neo4j", nightly(5), vec![("nodes.jsonl", b"{}\n".to_vec(), 1)]);
    let at = planted.write(store.path());
    std::fs::remove_file(at.join("manifest.json")).expect("it can be deleted");
    received(&at, nightly(5));
    let good = Planted::new("neo4j", nightly(1), vec![("nodes.jsonl", b"{}\n".to_vec(), 1)]);
    good.write(store.path());
    let ended = prune(store.path());
    ended.expect(3, "nothing of openmemory is deleted");
    ended.expect(3, "neo4j: 1 kept, 1 removed");

    let ended = crate::program::run_without_keys(
        store.path(),
        &["prune"],
        &[("BACKUP_MAC_KEY_NEO4J", &key("neo4j"))],
    );
    ended.expect(0, "neo4j: 1 kept, 0 removed");
    assert!(!ended.out.contains("openmemory"), "{ended:?}");
}
