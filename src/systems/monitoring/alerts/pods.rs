//! Pods that do not start, keep restarting, or cannot be evicted.

use super::super::Platform;
use super::super::alert::{Alert, Severity};
use crate::names::{MEMORY, Workload};

pub(super) fn alerts(platform: &Platform<'_>) -> Vec<Alert> {
    let restarts = |window: &str| {
        format!(
            "sum by (namespace, pod, container) ({})",
            platform_pods(platform.workloads, |selector| format!(
                "increase(kube_pod_container_status_restarts_total{{{selector}}}[{window}])"
            ))
        )
    };
    let out_of_memory = platform_pods(platform.workloads, |selector| {
        format!("kube_pod_container_status_last_terminated_reason{{{selector},reason=\"OOMKilled\"}}")
    });
    let pending = platform_pods(platform.workloads, |selector| {
        format!("kube_pod_status_phase{{{selector},phase=\"Pending\"}}")
    });
    let mut alerts = vec![
        Alert {
            name: "MemoryContainerOutOfMemory",
            severity: Severity::Warning,
            expression: format!(
                "{} > 0\nand max by (namespace, pod, container) ({out_of_memory}) == 1",
                restarts("15m")
            ),
            lasting: None,
            labels: &[],
            summary: "The container {{ $labels.container }} of {{ $labels.pod }} exceeded its memory limit",
            description: "It was killed and restarted, and its work in progress is lost. This recurs until its memory limit or usage changes.",
        },
        Alert {
            name: "MemoryContainerRestarting",
            severity: Severity::Warning,
            expression: format!("{} > 3", restarts("1h")),
            lasting: None,
            labels: &[],
            summary: "The container {{ $labels.container }} of {{ $labels.pod }} keeps restarting",
            description: "It restarted more than three times in an hour.",
        },
        Alert {
            name: "MemoryPodPending",
            severity: Severity::Warning,
            expression: format!("max by (namespace, pod) ({pending}) == 1"),
            lasting: Some("15m"),
            labels: &[],
            summary: "The pod {{ $labels.pod }} does not start",
            description: "It has been waiting for a node, a volume or an image for 15 minutes.",
        },
    ];
    if platform.openmemory.scale.least() > 1 || platform.qdrant.is_cluster() {
        alerts.push(Alert {
            name: "MemoryDrainBlocked",
            severity: Severity::Warning,
            expression: format!(
                "max by (namespace, poddisruptionbudget) (kube_poddisruptionbudget_status_pod_disruptions_allowed{{namespace=\"{MEMORY}\"}}) == 0"
            ),
            lasting: Some("1h"),
            labels: &[],
            summary: "No node with a pod of {{ $labels.poddisruptionbudget }} can be drained",
            description: "One of its pods has been unavailable for an hour, so the budget permits no further disruption and node upgrades are blocked.",
        });
    }
    alerts
}

/// A query over all pods of the platform: every pod in its own namespace, and in shared namespaces only those of its
/// workloads.
pub(super) fn platform_pods(workloads: &[Workload], question: impl Fn(&str) -> String) -> String {
    let own = question(&format!("namespace=\"{MEMORY}\""));
    let others = workloads
        .iter()
        .filter(|workload| workload.namespace != MEMORY)
        .map(|workload| {
            question(&format!(
                "namespace=\"{}\",pod=~\"{}-.+\"",
                workload.namespace, workload.name
            ))
        });
    std::iter::once(own)
        .chain(others)
        .collect::<Vec<_>>()
        .join(" or ")
}
