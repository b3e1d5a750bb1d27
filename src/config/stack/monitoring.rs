//! Scraping and alerts.

use std::collections::BTreeMap;

/// Scraping, alerts and dashboards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// The labels by which the Prometheus Operator selects the platform's objects; `None` without the operator.
    pub operator: Option<BTreeMap<String, String>>,
    /// The directory in which Prometheus finds its mesh certificate, without a trailing slash; `None` if it has none
    /// and can only scrape the sidecars.
    pub certificates: Option<String>,
    /// The base URL of the runbooks, without a trailing slash.
    pub runbooks: String,
}
