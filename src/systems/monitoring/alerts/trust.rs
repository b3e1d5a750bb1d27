//! Certificates, and requests that the mesh denies or accepts unencrypted.

use super::super::Platform;
use super::{Alert, Severity};
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
            description: "When it does, no pod trusts another any more and all traffic between them ends at once.",
        },
        Alert {
            name: "MeshRootCertificateExpiring",
            severity: Severity::Warning,
            expression: format!("{root} < 30 * 24 * 3600"),
            lasting: Some("15m"),
            labels: &[("namespace", MEMORY)],
            summary: "The root certificate of the mesh expires in less than 30 days",
            description: "When it does, no pod trusts another any more and all traffic between them ends at once.",
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
            summary: "The sidecar of {{ $labels.pod }} gets no new certificate",
            description: "Its certificate is valid for less than six hours; then nobody talks to the pod any more.",
        },
        Alert {
            name: "MemoryRequestsRefused",
            severity: Severity::Warning,
            expression: format!(
                "sum by (destination_workload, source_workload, source_workload_namespace, response_code) (rate(istio_requests_total{{{requests},response_code=~\"401|403\"}}[5m])) > 0.1"
            ),
            lasting: Some("10m"),
            labels: &[("namespace", MEMORY)],
            summary: "{{ $labels.destination_workload }} refuses {{ $labels.source_workload }}",
            description: "Requests end with {{ $labels.response_code }} again and again: somebody lacks a row in the connection table or a valid token, or tries doors.",
        },
        Alert {
            name: "MemoryPlaintextTraffic",
            severity: Severity::Critical,
            expression: format!(
                "sum by (destination_workload, source_workload) (increase(istio_requests_total{{{requests},connection_security_policy=\"none\"}}[5m])) > 0"
            ),
            lasting: None,
            labels: &[("namespace", MEMORY)],
            summary: "{{ $labels.destination_workload }} takes requests that are not encrypted",
            description: "Mutual TLS is STRICT in this platform, so this cannot happen unless somebody has changed it.",
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
