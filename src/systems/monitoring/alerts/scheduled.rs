//! What has to happen again and again: backups, the drill that restores them, and the sync with Snowflake.
//!
//! A Job is gone before anybody scrapes it, so kube-state-metrics is asked when each `CronJob` last succeeded.

use super::super::Platform;
use super::{Alert, Severity};
use crate::names::{BACKUP_PRUNE, RESTORE_DRILL, Workload};

/// Backups are daily; two hours more for the run itself.
const BACKUP: u32 = 26 * 3600;

/// Drills are weekly; a day more.
const DRILL: u32 = 8 * 24 * 3600;

/// The sync may fail twice: the third time somebody is told.
const SYNCS: u32 = 3;

pub(super) fn alerts(platform: &Platform<'_>) -> Vec<Alert> {
    let mut alerts = Vec::new();
    // Pruning copies nothing: with it overdue there are more backups than wanted, not fewer.
    let is_backup = |name: &str| name.starts_with("backup-") && name != BACKUP_PRUNE.name;
    if let Some(overdue) = overdue(platform.workloads, is_backup, BACKUP) {
        alerts.push(Alert {
            name: "MemoryBackupOverdue",
            severity: Severity::Critical,
            expression: overdue,
            lasting: Some("10m"),
            labels: &[],
            summary: "{{ $labels.cronjob }} has not succeeded for more than a day",
            description: "What was stored since the last good backup would be lost with the store.",
        });
    }
    if let Some(overdue) = overdue(platform.workloads, |name| name == RESTORE_DRILL.name, DRILL) {
        alerts.push(Alert {
            name: "MemoryRestoreDrillOverdue",
            severity: Severity::Warning,
            expression: overdue,
            lasting: Some("10m"),
            labels: &[],
            summary: "{{ $labels.cronjob }} has not succeeded for more than a week",
            description: "Nobody knows whether the backups can be restored.",
        });
    }
    let interval = 60 * platform.tiers.mem0_persistent.sync_interval_minutes;
    if let Some(overdue) = overdue(platform.workloads, |name| name == "memory-sync", SYNCS * interval) {
        alerts.push(Alert {
            name: "MemorySyncOverdue",
            severity: Severity::Warning,
            expression: overdue,
            lasting: Some("5m"),
            labels: &[],
            summary: "{{ $labels.cronjob }} has failed three times or does not run",
            description: "Snowflake and Mem0 no longer learn from each other.",
        });
    }
    alerts
}

/// What is true of a `CronJob` whose last success, or whose making if it never had any, is longer ago than this; `None`
/// where the stack has no such `CronJob`.
fn overdue(workloads: &[Workload], wanted: impl Fn(&str) -> bool, seconds: u32) -> Option<String> {
    let chosen: Vec<_> = workloads
        .iter()
        .filter(|workload| wanted(workload.name))
        .collect();
    let namespace = chosen.first()?.namespace;
    let names: Vec<_> = chosen.iter().map(|workload| workload.name).collect();
    let since = |metric: &str| {
        format!(
            "time() - max by (namespace, cronjob) ({metric}{{namespace=\"{namespace}\",cronjob=~\"{}\"}})",
            names.join("|")
        )
    };
    let success = since("kube_cronjob_status_last_successful_time");
    let made = since("kube_cronjob_created");
    Some(format!(
        "(({success}) > {seconds})\nor\n(({made}) > {seconds} unless on (namespace, cronjob) ({success}))"
    ))
}
