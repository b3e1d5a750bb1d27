//! What people look at and who is told: what is scraped, the rules over it, and the dashboards.
//!
//! Grafana's sidecar finds the dashboards by their label, in whatever namespace it is told to look. The metrics that
//! applications expose, and their units, are a contract: `docs/metrics.md`.

mod alerts;
mod dashboard;
mod dashboards;
pub mod metrics;
mod objectives;
mod scraping;

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

/// The object with all rules, whatever its kind.
pub const RULES: &str = "phoenix-memory-rules";

/// The file with all rules, where no operator reads them.
pub const RULE_FILE: &str = "phoenix-memory.rules.yaml";

/// What is watched: as much of each system as alerts and dashboards have to know.
#[derive(Clone, Copy, Debug)]
pub struct Platform<'a> {
    /// The targets of the tiers.
    pub tiers: &'a Tiers,
    /// The bounds of the OpenMemory servers.
    pub openmemory: &'a config::OpenMemory,
    /// The peers of Qdrant.
    pub qdrant: &'a config::Qdrant,
    /// Every workload of the stack.
    pub workloads: &'a [Workload],
    /// Whether the servers' own metrics arrive, and not only those of their sidecars.
    pub scrapes_servers: bool,
    /// Whether our own objects say what is scraped.
    pub has_monitors: bool,
}

impl<'a> Platform<'a> {
    /// What is watched in a stack.
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

/// What a stack would be watched by if it had these workloads too. For those who write and check what is said of every
/// alert that there can be.
pub fn build_with(config: &StackConfig, others: &[Workload]) -> Graph {
    let workloads = [&config.workloads()[..], others].concat();
    build(&config.monitoring, &Platform::of(config, &workloads))
}

/// Monitors, rules and dashboards.
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

/// The rules as a file that Prometheus reads; it has the same shape.
fn rule_file(rules: &PrometheusRuleSpec) -> ConfigMap {
    let rules = serde_json::to_value(rules).expect("rules are always JSON");
    ConfigMap {
        metadata: metadata::in_memory(SYSTEM, RULES),
        data: Some(BTreeMap::from([(RULE_FILE.to_owned(), yaml::to_string(&rules))])),
        ..Default::default()
    }
}
