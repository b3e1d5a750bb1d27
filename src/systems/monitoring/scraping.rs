//! The monitors of the Prometheus operator.
//!
//! Sidecars serve metrics in plain text on a port of their own. Servers accept only mutual TLS at the address of each
//! pod, so Prometheus must present its mesh certificate itself: its own sidecar provides mutual TLS only for Service
//! names (<https://istio.io/latest/docs/ops/integrations/prometheus/>).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_crds::monitoring::{
    PodMonitor, PodMonitorNamespaceSelector, PodMonitorPodMetricsEndpoints,
    PodMonitorPodMetricsEndpointsRelabelings, PodMonitorSelector, PodMonitorSpec, ServiceMonitor,
    ServiceMonitorEndpoints, ServiceMonitorEndpointsAuthorization,
    ServiceMonitorEndpointsAuthorizationCredentials, ServiceMonitorEndpointsRelabelings,
    ServiceMonitorEndpointsRelabelingsAction, ServiceMonitorEndpointsScheme,
    ServiceMonitorEndpointsTlsConfig, ServiceMonitorNamespaceSelector, ServiceMonitorSelector,
    ServiceMonitorSpec,
};
use phoenix_graph::Graph;

use super::{Platform, SYSTEM};
use crate::config::secret::{QDRANT_READ_ONLY_API_KEY, SecretRow};
use crate::names::{
    CHAT, CHAT_PORT, LANGGRAPH, LANGGRAPH_PORT, MCP_PORT, OPENMEMORY, Port, QDRANT, QDRANT_HEADLESS,
    QDRANT_HTTP, REDIS, REDIS_METRICS, Workload,
};
use crate::parts::metadata::{self, label, string_map};

/// The monitor of the sidecars.
pub const SIDECARS: &str = "phoenix-memory-sidecars";

/// The scrape interval and timeout; sidecars of all pods export many series.
const INTERVAL: &str = "30s";
const TIMEOUT: &str = "10s";

/// The path at which each sidecar's agent serves the metrics of its Envoy and its own.
const MERGED: u16 = 15_020;

/// The monitors, with the `labels` by which the operator selects them.
pub fn monitors(
    graph: &mut Graph,
    platform: &Platform<'_>,
    labels: &BTreeMap<String, String>,
    certificates: Option<&str>,
) {
    graph.insert(sidecars(platform.workloads, labels));
    let Some(certificates) = certificates else {
        return;
    };
    graph.insert(server(
        OPENMEMORY,
        OPENMEMORY.service(),
        MCP_PORT,
        None,
        labels,
        certificates,
    ));
    graph.insert(server(
        QDRANT,
        // The Service that lists each peer, because a peer reports only about itself.
        QDRANT_HEADLESS,
        QDRANT_HTTP,
        Some(&QDRANT_READ_ONLY_API_KEY),
        labels,
        certificates,
    ));
    // The knowledge graph is missing, because its edition has no metrics.
    for (workload, port) in [
        (REDIS, REDIS_METRICS),
        (LANGGRAPH, LANGGRAPH_PORT),
        (CHAT, CHAT_PORT),
    ] {
        if platform.workloads.contains(&workload) {
            graph.insert(server(
                workload,
                workload.service(),
                port,
                None,
                labels,
                certificates,
            ));
        }
    }
}

fn sidecars(workloads: &[Workload], labels: &BTreeMap<String, String>) -> PodMonitor {
    let namespaces: BTreeSet<_> = workloads
        .iter()
        .map(|workload| workload.namespace.to_owned())
        .collect();
    PodMonitor {
        metadata: selected(SIDECARS, labels),
        spec: PodMonitorSpec {
            selector: PodMonitorSelector {
                match_labels: Some(string_map([("app.kubernetes.io/part-of", "phoenix")])),
                ..Default::default()
            },
            namespace_selector: Some(PodMonitorNamespaceSelector {
                match_names: Some(namespaces.into_iter().collect()),
                ..Default::default()
            }),
            pod_metrics_endpoints: Some(vec![PodMonitorPodMetricsEndpoints {
                // The only port that an injected container declares, so that each pod is one target. The scrape uses
                // the agent's port, which adds the certificate metrics.
                port: Some("http-envoy-prom".to_owned()),
                path: Some("/stats/prometheus".to_owned()),
                interval: Some(INTERVAL.to_owned()),
                scrape_timeout: Some(TIMEOUT.to_owned()),
                relabelings: Some(vec![
                    address("([0-9.]+)", &format!("$1:{MERGED}")),
                    address("(.*:.*)", &format!("[$1]:{MERGED}")),
                ]),
                ..Default::default()
            }]),
            ..Default::default()
        },
    }
}

/// Scrapes the pod at another port, for addresses of one form.
fn address(form: &str, target: &str) -> PodMonitorPodMetricsEndpointsRelabelings {
    PodMonitorPodMetricsEndpointsRelabelings {
        source_labels: Some(vec!["__meta_kubernetes_pod_ip".to_owned()]),
        regex: Some(form.to_owned()),
        target_label: Some("__address__".to_owned()),
        replacement: Some(target.to_owned()),
        ..Default::default()
    }
}

fn server(
    workload: Workload,
    service: &str,
    port: Port,
    key: Option<&SecretRow>,
    labels: &BTreeMap<String, String>,
    certificates: &str,
) -> ServiceMonitor {
    let file = |name: &str| Some(format!("{certificates}/{name}"));
    ServiceMonitor {
        metadata: selected(workload.name, labels),
        spec: ServiceMonitorSpec {
            // The name of the job: `qdrant`, `openmemory-mcp`.
            job_label: Some("app".to_owned()),
            selector: ServiceMonitorSelector {
                match_labels: Some(string_map([("app", workload.app)])),
                ..Default::default()
            },
            namespace_selector: Some(ServiceMonitorNamespaceSelector {
                match_names: Some(vec![workload.namespace.to_owned()]),
                ..Default::default()
            }),
            endpoints: vec![ServiceMonitorEndpoints {
                port: Some(port.name.to_owned()),
                path: Some("/metrics".to_owned()),
                interval: Some(INTERVAL.to_owned()),
                scrape_timeout: Some(TIMEOUT.to_owned()),
                scheme: Some(ServiceMonitorEndpointsScheme::Https),
                tls_config: Some(ServiceMonitorEndpointsTlsConfig {
                    ca_file: file("root-cert.pem"),
                    cert_file: file("cert-chain.pem"),
                    key_file: file("key.pem"),
                    // Mesh certificates identify a workload, not a host, and Prometheus can verify only hosts. The
                    // server authenticates Prometheus, but Prometheus does not authenticate the server.
                    insecure_skip_verify: Some(true),
                    ..Default::default()
                }),
                authorization: key.map(|key| ServiceMonitorEndpointsAuthorization {
                    credentials: Some(ServiceMonitorEndpointsAuthorizationCredentials {
                        name: Some(key.secret.to_owned()),
                        key: key.data_key.to_owned(),
                        optional: None,
                    }),
                    ..Default::default()
                }),
                // Two Services may select the same pods; one of them provides the targets.
                relabelings: Some(vec![ServiceMonitorEndpointsRelabelings {
                    action: Some(ServiceMonitorEndpointsRelabelingsAction::Keep),
                    source_labels: Some(vec!["__meta_kubernetes_service_name".to_owned()]),
                    regex: Some(service.to_owned()),
                    ..Default::default()
                }]),
                ..Default::default()
            }],
            ..Default::default()
        },
    }
}

/// Metadata of an object that the operator selects.
pub fn selected(name: &str, labels: &BTreeMap<String, String>) -> ObjectMeta {
    let mut metadata = metadata::memory_meta(SYSTEM, name);
    for (key, value) in labels {
        label(&mut metadata, key, value);
    }
    metadata
}
