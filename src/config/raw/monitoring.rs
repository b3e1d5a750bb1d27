//! How a stack file says what is scraped, and who is told.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Scraping, alerts and dashboards.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RawMonitoring {
    /// Whether the cluster has the Prometheus Operator. With it, the rules are a `PrometheusRule` and what is scraped are
    /// `ServiceMonitor` and `PodMonitor` objects; without it, the rules are a file in a ConfigMap, which Prometheus has to
    /// mount and to name in `rule_files`.
    pub prometheus_operator: bool,
    /// The labels by which the operator's Prometheus selects rules and monitors, such as
    /// `release: kube-prometheus-stack` for the chart of that name. Without them it has to select by namespace.
    pub labels: BTreeMap<String, String>,
    /// The folder in which Prometheus finds its certificate of the mesh, as its sidecar writes it there (`OUTPUT_CERTS`).
    /// Without it, only the sidecars' own metrics can be scraped: those of OpenMemory and Qdrant answer to mutual TLS alone,
    /// and alerts that need them are left out.
    pub certificates: Option<String>,
    /// Where people find the runbooks, as an address that the name of a page is put behind. Without it, the path in this
    /// repository: `docs/runbooks`.
    pub runbooks: Option<String>,
}
