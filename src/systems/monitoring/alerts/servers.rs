//! OpenMemory, its synchronization with Snowflake, and the other servers as their clients see them.

use super::super::Platform;
use super::super::alert::{Alert, Severity};
use super::super::targets::PERSISTENCE;
use crate::names::{CHAT, LANGGRAPH, OPENMEMORY, QDRANT, Workload};

pub(super) fn alerts(platform: &Platform<'_>) -> Vec<Alert> {
    let (namespace, name) = (OPENMEMORY.namespace, OPENMEMORY.name);
    let autoscaler = |metric: &str| {
        format!(
            "max by (namespace, horizontalpodautoscaler) ({metric}{{namespace=\"{namespace}\",horizontalpodautoscaler=\"{name}\"}})"
        )
    };
    let most = autoscaler("kube_horizontalpodautoscaler_spec_max_replicas");
    let mut alerts = vec![
        Alert {
            name: "OpenMemoryDown",
            severity: Severity::Critical,
            expression: format!(
                "max by (namespace, deployment) (kube_deployment_status_replicas_available{{namespace=\"{namespace}\",deployment=\"{name}\"}}) == 0"
            ),
            // A single pod with its own volume is briefly unavailable at each rollout.
            lasting: Some("3m"),
            labels: &[],
            summary: "No OpenMemory server is available",
            description: "Memories cannot be stored or recalled: tier L3 does not answer.",
        },
        Alert {
            name: "OpenMemoryAtMaximumScale",
            severity: Severity::Warning,
            // Equal bounds are always reached: `docs/decisions/0007-always-create-an-autoscaler.md`.
            expression: format!(
                "{}\n>= {most}\nand {most} > {}",
                autoscaler("kube_horizontalpodautoscaler_status_current_replicas"),
                autoscaler("kube_horizontalpodautoscaler_spec_min_replicas")
            ),
            lasting: Some("30m"),
            labels: &[],
            summary: "OpenMemory has reached its maximum number of servers",
            description: "The autoscaler has been at its maximum for half an hour. More load will slow the servers down.",
        },
    ];
    let others: Vec<_> = platform
        .workloads
        .iter()
        .filter(|workload| ![OPENMEMORY, QDRANT].contains(workload))
        .filter(|workload| workload.service.is_some())
        .collect();
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|workload| workload.name).collect();
        let mut namespaces: Vec<_> = others.iter().map(|workload| workload.namespace).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let (names, namespaces) = (names.join("|"), namespaces.join("|"));
        // One label for all kinds of workloads.
        let ready = |metric: &str, kind: &str| {
            format!(
                "label_replace({metric}{{namespace=~\"{namespaces}\",{kind}=~\"{names}\"}}, \"workload\", \"$1\", \"{kind}\", \"(.+)\")"
            )
        };
        alerts.push(Alert {
            name: "MemoryServerDown",
            severity: Severity::Critical,
            expression: format!(
                "max by (namespace, workload) (\n  {}\n  or {}\n) == 0",
                ready("kube_statefulset_status_replicas_ready", "statefulset"),
                ready("kube_deployment_status_replicas_available", "deployment")
            ),
            lasting: Some("5m"),
            labels: &[],
            summary: "No server of {{ $labels.workload }} is ready",
            description: "Its tier, or the chat itself, does not answer. The other systems continue.",
        });
    }
    alerts.extend(failing(platform.workloads));
    if platform.scrapes_servers {
        alerts.push(Alert {
            name: "OpenMemoryUnhealthy",
            severity: Severity::Critical,
            expression: "min(sophia_mem0_health_status) == 0".to_owned(),
            lasting: Some("5m"),
            labels: &[("namespace", OPENMEMORY.namespace)],
            summary: "An OpenMemory server reports that Mem0 is down",
            description: "The server answers, but Mem0 behind it does not work. New memories may be lost.",
        });
        alerts.push(Alert {
            name: "MemorySyncIncomplete",
            severity: Severity::Warning,
            expression: format!("min by (direction) (sophia_snowflake_mem0_sync_success_rate) < {PERSISTENCE}"),
            // Two runs of the synchronization, one of which may have failed temporarily.
            lasting: Some("30m"),
            labels: &[("namespace", OPENMEMORY.namespace)],
            summary: "Snowflake and Mem0 are diverging",
            description: "Fewer than 99.9 % of the records were synchronized, so one side lacks records of the other.",
        });
    }
    alerts
}

/// The responses of HTTP servers, as their own sidecars report them, because the servers' own metrics are not part of
/// their contracts. OpenMemory has an objective instead.
fn failing(workloads: &[Workload]) -> Option<Alert> {
    let servers: Vec<_> = [LANGGRAPH, CHAT]
        .into_iter()
        .filter(|server| workloads.contains(server))
        .collect();
    if servers.is_empty() {
        return None;
    }
    let of = |name: fn(&Workload) -> &'static str| servers.iter().map(name).collect::<Vec<_>>().join("|");
    let requests = format!(
        "reporter=\"destination\",destination_workload=~\"{}\",destination_workload_namespace=~\"{}\"",
        of(|server| server.name),
        of(|server| server.namespace)
    );
    // The label of every alert, which routes depend on.
    let share = |more: &str| {
        format!(
            "sum by (destination_workload, namespace) (label_replace(rate(istio_requests_total{{{requests}{more}}}[5m]), \"namespace\", \"$1\", \"destination_workload_namespace\", \"(.+)\"))"
        )
    };
    Some(Alert {
        name: "MemoryServerFailing",
        severity: Severity::Warning,
        // A single failure among a handful of requests is not significant; one in six seconds is.
        expression: format!(
            "{} / {} > 0.05\nand {} > 0.15",
            share(",response_code=~\"5..\""),
            share(""),
            share("")
        ),
        lasting: Some("10m"),
        labels: &[],
        summary: "{{ $labels.destination_workload }} returns server errors",
        description: "More than one request in twenty has failed for ten minutes.",
    })
}
