//! Missing metrics. An alert without its metric never fires, which looks like health.

use super::super::Platform;
use super::super::alert::{Alert, Severity};
use super::pods;
use crate::names::{MEMORY, OPENMEMORY, QDRANT, REDIS};

pub(super) fn alerts(platform: &Platform<'_>) -> Vec<Alert> {
    let mut alerts = vec![
        missing(
            &[("source", "kube-state-metrics"), ("namespace", MEMORY)],
            "Metrics of kube-state-metrics are missing",
            format!(
                "absent(max(kube_deployment_status_replicas_available{{namespace=\"{}\",deployment=\"{}\"}}))",
                OPENMEMORY.namespace, OPENMEMORY.name
            ),
        ),
        missing(
            &[("source", "kubelet"), ("namespace", MEMORY)],
            "Metrics of the kubelets are missing",
            format!("absent(max(kubelet_volume_stats_available_bytes{{namespace=\"{MEMORY}\"}}))"),
        ),
        missing(
            &[("source", "sidecars"), ("namespace", MEMORY)],
            "Metrics of the sidecars are missing",
            format!("absent(max(istio_agent_cert_expiry_seconds{{namespace=\"{MEMORY}\"}}))"),
        ),
        missing(
            &[("source", "istiod"), ("namespace", MEMORY)],
            "Metrics of istiod are missing",
            "absent(max(citadel_server_root_cert_expiry_timestamp))".to_owned(),
        ),
    ];
    if platform.scrapes_servers {
        alerts.push(missing(
            &[("source", "openmemory"), ("namespace", MEMORY)],
            "Metrics of OpenMemory are missing",
            "absent(max(sophia_mem0_health_status)) or absent(max(sophia_memory_tier_response_time))"
                .to_owned(),
        ));
        alerts.push(missing(
            &[("source", "qdrant"), ("namespace", MEMORY)],
            "Metrics of Qdrant are missing",
            format!("absent(max(app_status_recovery_mode{{job=\"{}\"}}))", QDRANT.app),
        ));
    }
    if platform.scrapes_servers && platform.workloads.contains(&REDIS) {
        alerts.push(missing(
            &[("source", "redis"), ("namespace", MEMORY)],
            "Metrics of the session cache are missing",
            format!("absent(max(redis_up{{job=\"{}\"}}))", REDIS.app),
        ));
    }
    if platform.has_monitors {
        let up = pods::platform_pods(platform.workloads, |selector| format!("up{{{selector}}}"));
        alerts.push(Alert {
            name: "MemoryTargetDown",
            severity: Severity::Warning,
            expression: format!("max by (namespace, job, pod) ({up}) == 0"),
            lasting: Some("15m"),
            labels: &[],
            summary: "Prometheus cannot scrape {{ $labels.pod }} for {{ $labels.job }}",
            description: "Alerts for this pod cannot fire until this is resolved.",
        });
    }
    alerts
}

fn missing(
    labels: &'static [(&'static str, &'static str)],
    // The expression cannot use labels of the rule itself.
    summary: &'static str,
    expression: String,
) -> Alert {
    Alert {
        name: "MemoryMetricsMissing",
        severity: Severity::Warning,
        expression,
        lasting: Some("15m"),
        labels,
        summary,
        description: "Alerts that need these metrics cannot fire.",
    }
}
