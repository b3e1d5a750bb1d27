//! Certificates, and requests that the mesh denies or accepts unencrypted.

use super::super::Platform;
use super::super::alert::{Alert, Severity};
use crate::names::{MEMORY, Workload};

pub(super) fn alerts(platform: &Platform<'_>) -> Vec<Alert> {
    let namespaces = namespaces(platform.workloads);
    let requests = format!("reporter=\"destination\",destination_workload_namespace=\"{MEMORY}\"");
    let root = "min(citadel_server_root_cert_expiry_timestamp) - time()";
    vec![
        Alert {
            name: "MeshRootCertificateExpiring",
            severity: Severity::Critical,
            expression: format!("{root} < 7 * 24 * 3600"),
            lasting: Some("15m"),
            labels: &[("namespace", MEMORY)],
            summary: "The root certificate of the mesh expires in less than 7 days",
            description: "After that, pods no longer trust each other and all traffic between them fails immediately.",
        },
        Alert {
            name: "MeshRootCertificateExpiring",
            severity: Severity::Warning,
            expression: format!("{root} < 30 * 24 * 3600"),
            lasting: Some("15m"),
            labels: &[("namespace", MEMORY)],
            summary: "The root certificate of the mesh expires in less than 30 days",
            description: "After that, pods no longer trust each other and all traffic between them fails immediately.",
        },
        Alert {
            name: "MemorySidecarCertificateOld",
            severity: Severity::Critical,
            // Certificates are valid for a day and renewed halfway; the renewal of one this old has failed many
            // times.
            expression: format!(
                "min by (namespace, pod) (istio_agent_cert_expiry_seconds{{namespace=~\"{namespaces}\"}}) < 6 * 3600"
            ),
            lasting: Some("15m"),
            labels: &[],
            summary: "The sidecar of {{ $labels.pod }} cannot renew its certificate",
            description: "Its certificate is valid for less than six hours. After that, all connections to and from the pod fail.",
        },
        Alert {
            name: "MemoryRequestsRefused",
            severity: Severity::Warning,
            expression: format!(
                "sum by (destination_workload, source_workload, source_workload_namespace, response_code) (rate(istio_requests_total{{{requests},response_code=~\"401|403\"}}[5m])) > 0.1"
            ),
            lasting: Some("10m"),
            labels: &[("namespace", MEMORY)],
            summary: "{{ $labels.destination_workload }} denies requests of {{ $labels.source_workload }}",
            description: "Requests repeatedly fail with {{ $labels.response_code }}: the client is not in the table of allowed connections, has no valid token, or is probing for access.",
        },
        Alert {
            name: "MemoryPlaintextTraffic",
            severity: Severity::Critical,
            expression: format!(
                "sum by (destination_workload, source_workload) (increase(istio_requests_total{{{requests},connection_security_policy=\"none\"}}[5m])) > 0"
            ),
            lasting: None,
            labels: &[("namespace", MEMORY)],
            summary: "{{ $labels.destination_workload }} accepts unencrypted requests",
            description: "Mutual TLS is STRICT in this platform, so this can happen only if the policy was changed.",
        },
    ]
}

/// The namespaces of all workloads, as a pattern.
fn namespaces(workloads: &[Workload]) -> String {
    let mut namespaces: Vec<_> = workloads.iter().map(|workload| workload.namespace).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    namespaces.join("|")
}
