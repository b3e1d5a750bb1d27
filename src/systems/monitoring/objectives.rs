//! Service level objectives: latency of the five tiers and persistence, with their error budgets.
//!
//! The alerts follow chapter 5 of the SRE workbook: an error budget with multiwindow burn rate alerts. The long
//! window shows that the budget matters, and the short one that it is still being consumed.

use std::collections::BTreeMap;

use phoenix_crds::monitoring::{PrometheusRuleGroups, PrometheusRuleGroupsRules};

use super::Platform;
use super::alert::{Alert, Severity};
use super::targets::{LATENCY, PERSISTENCE};
use crate::config::Tiers;
use crate::names::{MEMORY, OPENMEMORY, Tier, Workload};

/// The upper bounds of Istio's duration buckets, in milliseconds, as far as a target can use them
/// (<https://istio.io/latest/docs/reference/config/annotations/#SidecarStatsHistogramBuckets> can change them).
const BUCKETS: [u32; 13] = [
    1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
];

/// The windows of the recorded error ratios; the last two are long and evaluated less often.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
const SHORT: usize = 5;

/// The burn rates that alert, as multiples of the allowed rate over both windows. At 14.4, one thirtieth of the
/// period consumes half the budget; at 1, the budget lasts exactly as long as its period.
const BURNS: [(Severity, f64, &str, &str); 4] = [
    (Severity::Critical, 14.4, "1h", "5m"),
    (Severity::Critical, 6.0, "6h", "30m"),
    (Severity::Warning, 3.0, "1d", "2h"),
    (Severity::Warning, 1.0, "3d", "6h"),
];

/// The source of a tier's latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencySource {
    /// The mesh, which sees each request to this workload.
    Mesh(Workload),
    /// The server that queries the tier, which measures the duration.
    Server,
}

/// The tiers whose latency is measured in a stack, with the source.
pub fn measured(platform: &Platform<'_>) -> Vec<(Tier, LatencySource)> {
    Tier::ALL
        .into_iter()
        .filter_map(|tier| match tier {
            Tier::Mem0Persistent => Some((tier, LatencySource::Mesh(OPENMEMORY))),
            // Databases do not use HTTP, so the mesh sees bytes but no requests.
            _ => platform.scrapes_servers.then_some((tier, LatencySource::Server)),
        })
        .collect()
}

/// The bucket for a target: the first whose upper bound is at or above the target.
pub fn bucket(target_ms: u32) -> Option<u32> {
    BUCKETS.into_iter().find(|end| *end >= target_ms)
}

/// The recording rules of every objective.
pub fn recordings(platform: &Platform<'_>) -> Vec<PrometheusRuleGroups> {
    let measured = measured(platform);
    let mut short = Vec::new();
    for (tier, how) in &measured {
        if *how == LatencySource::Server {
            short.push(slow(*tier, platform.tiers));
        }
    }
    for (tier, _) in &measured {
        short.push(budget(1.0 - LATENCY, latency_labels(*tier)));
    }
    short.push(budget(1.0 - PERSISTENCE, persistence_labels()));
    let mut long = Vec::new();
    for (position, window) in WINDOWS.into_iter().enumerate() {
        let rules = if position < SHORT { &mut short } else { &mut long };
        for (tier, how) in &measured {
            let missed = missed_latency(*tier, *how, platform.tiers, window);
            rules.push(recorded(&ratio(window), missed, latency_labels(*tier)));
        }
        rules.push(recorded(
            &ratio(window),
            missed_persistence(window),
            persistence_labels(),
        ));
    }
    vec![
        PrometheusRuleGroups {
            name: "phoenix-memory-objectives".to_owned(),
            interval: Some("30s".to_owned()),
            rules: Some(short),
            ..Default::default()
        },
        PrometheusRuleGroups {
            name: "phoenix-memory-objectives-long".to_owned(),
            // They change slowly and read many samples.
            interval: Some("5m".to_owned()),
            rules: Some(long),
            ..Default::default()
        },
    ]
}

/// Alerts on error budgets that burn too fast.
pub fn alerts() -> Vec<Alert> {
    let mut alerts = Vec::new();
    for severity in [Severity::Critical, Severity::Warning] {
        alerts.push(Alert {
            name: "MemoryTierSlow",
            severity,
            expression: burning("tier-latency", 1.0 - LATENCY, severity),
            lasting: None,
            labels: &[("namespace", MEMORY)],
            summary: "Tier {{ $labels.tier }} misses its latency target too often",
            description: "Responses of tier {{ $labels.tier }} miss the latency target so often that the 30-day error budget of 1 % will be exhausted early.",
        });
    }
    for severity in [Severity::Critical, Severity::Warning] {
        alerts.push(Alert {
            name: "MemoryPersistenceAtRisk",
            severity,
            expression: burning("persistence", 1.0 - PERSISTENCE, severity),
            lasting: None,
            labels: &[("namespace", MEMORY)],
            summary: "OpenMemory fails too many requests to meet the 99.9 % persistence target",
            description: "OpenMemory returns server errors. At this rate, the 30-day error budget of 0.1 % will be exhausted early.",
        });
    }
    alerts
}

/// The name of the recorded ratio over a window.
pub fn ratio(window: &str) -> String {
    format!("phoenix_slo:sli_error:ratio_rate{window}")
}

fn burning(objective: &str, allowed: f64, severity: Severity) -> String {
    let pairs: Vec<_> = BURNS
        .into_iter()
        .filter(|(of, ..)| *of == severity)
        .map(|(_, factor, long, short)| {
            let over = |window: &str| {
                format!(
                    "{}{{slo=\"{objective}\"}} > ({factor} * {})",
                    ratio(window),
                    number(allowed)
                )
            };
            format!("(\n  {}\n  and\n  {}\n)", over(long), over(short))
        })
        .collect();
    pairs.join("\nor\n")
}

/// A ratio without binary rounding noise.
fn number(share: f64) -> String {
    format!("{share:.6}").trim_end_matches('0').to_owned()
}

fn slow(tier: Tier, tiers: &Tiers) -> PrometheusRuleGroupsRules {
    let (level, target) = (tier.level(), tiers.latency_ms(tier));
    recorded(
        "phoenix_slo:tier_slow:bool",
        format!("avg(sophia_memory_tier_response_time{{tier=~\"{level}.*\"}}) > bool {target}"),
        BTreeMap::from([("tier".to_owned(), level.to_owned())]),
    )
}

fn budget(allowed: f64, labels: BTreeMap<String, String>) -> PrometheusRuleGroupsRules {
    recorded(
        "phoenix_slo:error_budget:ratio",
        format!("vector({})", number(allowed)),
        labels,
    )
}

fn missed_latency(tier: Tier, how: LatencySource, tiers: &Tiers, window: &str) -> String {
    match how {
        LatencySource::Mesh(workload) => {
            let requests = format!(
                "reporter=\"destination\",destination_workload=\"{}\",destination_workload_namespace=\"{}\"",
                workload.name, workload.namespace
            );
            let total =
                format!("sum(rate(istio_request_duration_milliseconds_count{{{requests}}}[{window}]))");
            match bucket(tiers.latency_ms(tier)) {
                // Prometheus 3 writes `250.0` where Prometheus 2 wrote `250`.
                Some(bucket) => format!(
                    "1 - (\n  sum(rate(istio_request_duration_milliseconds_bucket{{{requests},le=~\"{bucket}(\\\\.0)?\"}}[{window}]))\n  / ({total} > 0)\n)"
                ),
                // A target above all buckets is met by any response.
                None => format!("0 * ({total} > 0)"),
            }
        }
        LatencySource::Server => format!(
            "avg_over_time(phoenix_slo:tier_slow:bool{{tier=\"{}\"}}[{window}])",
            tier.level()
        ),
    }
}

/// No result without requests: no requests are neither good nor bad, and NaN would spoil every average.
fn missed_persistence(window: &str) -> String {
    let requests = format!(
        "reporter=\"destination\",destination_workload=\"{}\",destination_workload_namespace=\"{}\"",
        OPENMEMORY.name, OPENMEMORY.namespace
    );
    format!(
        "(sum(rate(istio_requests_total{{{requests},response_code=~\"5..\"}}[{window}])) or vector(0))\n/ (sum(rate(istio_requests_total{{{requests}}}[{window}])) > 0)"
    )
}

fn latency_labels(tier: Tier) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("slo".to_owned(), "tier-latency".to_owned()),
        ("tier".to_owned(), tier.level().to_owned()),
    ])
}

fn persistence_labels() -> BTreeMap<String, String> {
    BTreeMap::from([("slo".to_owned(), "persistence".to_owned())])
}

fn recorded(name: &str, expression: String, labels: BTreeMap<String, String>) -> PrometheusRuleGroupsRules {
    PrometheusRuleGroupsRules {
        record: Some(name.to_owned()),
        expr: k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::String(expression),
        labels: Some(labels),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_uses_the_first_bucket_at_or_above_it() {
        let buckets = [50, 100, 200, 150, 1, 30_000, 30_001].map(bucket);
        assert_eq!(
            buckets,
            [
                Some(50),
                Some(100),
                Some(250),
                Some(250),
                Some(1),
                Some(30_000),
                None
            ]
        );
    }

    #[test]
    fn the_budgets_are_written_without_dust() {
        assert_eq!(number(1.0 - LATENCY), "0.01");
        assert_eq!(number(1.0 - PERSISTENCE), "0.001");
    }
}
