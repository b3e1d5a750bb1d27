//! Scheduled Jobs: backups, restore drills, and the synchronization with Snowflake.
//!
//! A Job ends before Prometheus could scrape it, so the alerts use the time at which each `CronJob` last succeeded,
//! from kube-state-metrics.

use super::super::Platform;
use super::super::alert::{Alert, Severity};
use crate::names::{BACKUP_PRUNE, RESTORE_DRILL, Workload};

/// Backups are daily; the run itself takes up to two more hours.
const BACKUP: u32 = 26 * 3600;

/// Drills are weekly, with a day of tolerance.
const DRILL: u32 = 8 * 24 * 3600;

/// The synchronization may fail twice; the third failure alerts.
const SYNCS: u32 = 3;

pub(super) fn alerts(platform: &Platform<'_>) -> Vec<Alert> {
    let mut alerts = Vec::new();
    // Pruning copies nothing: if it is overdue, there are too many backups, not too few.
    let is_backup = |name: &str| name.starts_with("backup-") && name != BACKUP_PRUNE.name;
    if let Some(overdue) = overdue(platform.workloads, is_backup, BACKUP) {
        alerts.push(Alert {
            name: "MemoryBackupOverdue",
            severity: Severity::Critical,
            expression: overdue,
            lasting: Some("10m"),
            labels: &[],
            summary: "{{ $labels.cronjob }} has not succeeded for more than a day",
            description: "Data stored since the last successful backup would be lost with the store.",
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
            description: "It is unknown whether the backups can be restored.",
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
            description: "Snowflake and Mem0 are no longer synchronized.",
        });
    }
    alerts
}

/// Active for a `CronJob` whose last success, or creation if it has never succeeded, is longer ago than this; `None`
/// if the stack has no such `CronJob`.
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
