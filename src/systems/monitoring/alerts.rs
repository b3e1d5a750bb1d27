//! The alerts of the platform, for the systems that the stack has.
//!
//! The name of an alert determines its runbook: `MemoryTierSlow` is `docs/runbooks/memory-tier-slow.md`. Tests
//! compare both, and evaluate every alert with series for which it fires and for which it does not.

mod pods;
mod qdrant;
mod redis;
mod scheduled;
mod servers;
mod sources;
mod trust;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use phoenix_crds::monitoring::{PrometheusRuleGroups, PrometheusRuleGroupsRules};

use super::alert::Alert;
use super::{Platform, objectives};

/// All alerts of a stack, in groups.
pub fn groups(platform: &Platform<'_>, runbooks: &str) -> Vec<PrometheusRuleGroups> {
    let groups = [
        ("phoenix-memory-burn-rates", objectives::alerts()),
        ("phoenix-memory-servers", servers::alerts(platform)),
        ("phoenix-memory-qdrant", qdrant::alerts(platform)),
        ("phoenix-memory-redis", redis::alerts(platform)),
        ("phoenix-memory-volumes", volumes::alerts(platform)),
        ("phoenix-memory-pods", pods::alerts(platform)),
        ("phoenix-memory-scheduled", scheduled::alerts(platform)),
        ("phoenix-memory-trust", trust::alerts(platform)),
        ("phoenix-memory-sources", sources::alerts(platform)),
    ];
    groups
        .into_iter()
        .filter(|(_, alerts)| !alerts.is_empty())
        .map(|(name, alerts)| PrometheusRuleGroups {
            name: name.to_owned(),
            rules: Some(alerts.iter().map(|alert| rule(alert, runbooks)).collect()),
            ..Default::default()
        })
        .collect()
}

fn rule(alert: &Alert, runbooks: &str) -> PrometheusRuleGroupsRules {
    let mut labels = BTreeMap::from([("severity".to_owned(), alert.severity.as_str().to_owned())]);
    for (name, value) in alert.labels {
        labels.insert((*name).to_owned(), (*value).to_owned());
    }
    PrometheusRuleGroupsRules {
        alert: Some(alert.name.to_owned()),
        expr: IntOrString::String(alert.expression.clone()),
        r#for: alert.lasting.map(str::to_owned),
        labels: Some(labels),
        annotations: Some(BTreeMap::from([
            ("summary".to_owned(), alert.summary.to_owned()),
            ("description".to_owned(), alert.description.to_owned()),
            (
                "runbook_url".to_owned(),
                format!("{runbooks}/{}.md", page(alert.name)),
            ),
        ])),
        ..Default::default()
    }
}

/// The name of an alert's runbook: `MemoryTierSlow` is `memory-tier-slow`.
pub fn page(alert: &str) -> String {
    let mut page = String::new();
    for character in alert.chars() {
        if character.is_ascii_uppercase() && !page.is_empty() {
            page.push('-');
        }
        page.push(character.to_ascii_lowercase());
    }
    page
}
