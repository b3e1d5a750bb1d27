//! What is scraped, and who is told.

use std::collections::BTreeMap;

/// Scraping, alerts and dashboards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// The labels by which the Prometheus Operator selects our objects; `None` where there is no operator.
    pub operator: Option<BTreeMap<String, String>>,
    /// The folder in which Prometheus finds its certificate of the mesh, without a slash at its end; `None` where it has
    /// none, and can ask nobody but the sidecars.
    pub certificates: Option<String>,
    /// What the name of a runbook's page is put behind, without a slash at its end.
    pub runbooks: String,
}
