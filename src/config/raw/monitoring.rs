//! Scraping and alerts, as written in a stack file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Scraping, alerts and dashboards.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawMonitoring {
    /// Whether the cluster has the Prometheus Operator. If so, the stack creates a `PrometheusRule` and
    /// `ServiceMonitor` and `PodMonitor` objects. Otherwise, the rules are a file in a ConfigMap, which Prometheus
    /// must mount and list in `rule_files`.
    pub prometheus_operator: bool,
    /// The labels by which the operator's Prometheus selects rules and monitors, such as `release:
    /// kube-prometheus-stack` for the Helm chart of that name. Without them, it must select by namespace.
    pub labels: BTreeMap<String, String>,
    /// The directory to which the sidecar of Prometheus writes its mesh certificate (`OUTPUT_CERTS`).
    /// Without it, only the sidecars can be scraped: OpenMemory and Qdrant require mutual TLS, and alerts on their
    /// metrics are omitted.
    pub certificates: Option<String>,
    /// The base URL of the runbooks, to which the name of a page is appended; by default the path in this repository,
    /// `docs/runbooks`.
    pub runbooks: Option<String>,
}
