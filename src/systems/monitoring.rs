//! Monitoring: scrape targets, rules and dashboards.
//!
//! Grafana's sidecar finds the dashboards by their label in the namespaces that it watches. The metrics of the
//! applications, with their units, are a contract: `docs/metrics.md`.

mod alert;
mod alerts;
mod dashboard;
mod dashboards;
pub mod metrics;
mod objectives;
mod scraping;
mod targets;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use phoenix_crds::monitoring::{PrometheusRule, PrometheusRuleSpec};
use phoenix_graph::{Graph, yaml};

use crate::config::{self, Monitoring, StackConfig, Tiers};
use crate::names::Workload;
use crate::parts::metadata;

pub use alerts::page;

/// The system's name.
const SYSTEM: &str = "monitoring";

/// The object with all rules, of either kind.
pub const RULES: &str = "phoenix-memory-rules";

/// The file with all rules, for clusters without the Prometheus operator.
pub const RULE_FILE: &str = "phoenix-memory.rules.yaml";

/// The monitored systems, as far as alerts and dashboards depend on them.
#[derive(Clone, Copy, Debug)]
pub struct Platform<'a> {
    /// The latency targets of the tiers.
    pub tiers: &'a Tiers,
    /// The scaling limits of OpenMemory.
    pub openmemory: &'a config::OpenMemory,
    /// The number of Qdrant peers.
    pub qdrant: &'a config::Qdrant,
    /// Every workload of the stack.
    pub workloads: &'a [Workload],
    /// Whether the servers' own metrics are collected, and not only those of their sidecars.
    pub scrapes_servers: bool,
    /// Whether the stack declares its own scrape targets.
    pub has_monitors: bool,
}

impl<'a> Platform<'a> {
    /// Collects the monitored systems of a stack.
    pub fn of(config: &'a StackConfig, workloads: &'a [Workload]) -> Self {
        Self {
            tiers: &config.tiers,
            openmemory: &config.openmemory,
            qdrant: &config.qdrant,
            workloads,
            scrapes_servers: config.monitoring.certificates.is_some(),
            has_monitors: config.monitoring.operator.is_some(),
        }
    }
}

/// The monitoring that a stack would have with all workloads. Documentation and tests of all possible alerts use it.
pub fn build_with(config: &StackConfig, others: &[Workload]) -> Graph {
    let workloads = [&config.workloads()[..], others].concat();
    build(&config.monitoring, &Platform::of(config, &workloads))
}

/// Builds monitors, rules and dashboards.
pub fn build(config: &Monitoring, platform: &Platform<'_>) -> Graph {
    let mut graph = Graph::of(SYSTEM);
    dashboards::insert(&mut graph, platform);
    let rules = rules(config, platform);
    match &config.operator {
        Some(labels) => {
            scraping::monitors(&mut graph, platform, labels, config.certificates.as_deref());
            graph.insert(PrometheusRule {
                metadata: scraping::selected(RULES, labels),
                spec: rules,
            });
        }
        None => {
            graph.insert(rule_file(&rules));
        }
    }
    graph
}

fn rules(config: &Monitoring, platform: &Platform<'_>) -> PrometheusRuleSpec {
    let mut groups = objectives::recordings(platform);
    groups.extend(alerts::groups(platform, &config.runbooks));
    PrometheusRuleSpec { groups: Some(groups) }
}

/// The rules as a Prometheus rule file, which has the same structure.
fn rule_file(rules: &PrometheusRuleSpec) -> ConfigMap {
    let rules = serde_json::to_value(rules).expect("rules are always JSON");
    ConfigMap {
        metadata: metadata::memory_meta(SYSTEM, RULES),
        data: Some(BTreeMap::from([(RULE_FILE.to_owned(), yaml::to_string(&rules))])),
        ..Default::default()
    }
}
