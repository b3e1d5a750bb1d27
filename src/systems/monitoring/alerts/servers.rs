//! OpenMemory, and how it is kept in step with Snowflake.

use super::super::Platform;
use super::super::objectives::PERSISTENCE;
use super::{Alert, Severity};
use crate::names::{OPENMEMORY, QDRANT};

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
            // A single pod with a volume of its own is away for a moment at each rollout.
            lasting: Some("3m"),
            labels: &[],
            summary: "No OpenMemory server is available",
            description: "Nobody can store or recall memories: tier L3 does not answer.",
        },
        Alert {
            name: "OpenMemoryAtMaximumScale",
            severity: Severity::Warning,
            // Bounds that leave no choice are no news: `docs/decisions/0007-the-autoscaler-is-always-there.md`.
            expression: format!(
                "{}\n>= {most}\nand {most} > {}",
                autoscaler("kube_horizontalpodautoscaler_status_current_replicas"),
                autoscaler("kube_horizontalpodautoscaler_spec_min_replicas")
            ),
            lasting: Some("30m"),
            labels: &[],
            summary: "OpenMemory has as many servers as it may",
            description: "The autoscaler has had no room for half an hour; more load makes the servers slow.",
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
        // Under one label, whichever kind of object runs the server.
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
            description: "Its tier, or the chat itself, does not answer; the others carry on.",
        });
    }
    if platform.scrapes_servers {
        alerts.push(Alert {
            name: "OpenMemoryUnhealthy",
            severity: Severity::Critical,
            expression: "min(sophia_mem0_health_status) == 0".to_owned(),
            lasting: Some("5m"),
            labels: &[("namespace", OPENMEMORY.namespace)],
            summary: "An OpenMemory server says that Mem0 is down",
            description: "The server answers, but Mem0 behind it does not work: what is to be remembered may be lost.",
        });
        alerts.push(Alert {
            name: "MemorySyncIncomplete",
            severity: Severity::Warning,
            expression: format!("min by (direction) (sophia_snowflake_mem0_sync_success_rate) < {PERSISTENCE}"),
            // Two runs of the sync, one of which may have had a bad moment.
            lasting: Some("30m"),
            labels: &[("namespace", OPENMEMORY.namespace)],
            summary: "Snowflake and Mem0 drift apart",
            description: "Fewer than 99.9 % of the records were brought in step: what one side knows, the other does not.",
        });
    }
    alerts
}
