//! The capacity that stacks request, before and after a change, and what it costs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use phoenix_graph::capacity::{Capacity, QuotaUse, Resources};
use serde_json::{Map, Value, json};

use crate::prices::{Cost, Prices};

/// The capacity of a stack before and after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapacityChange {
    /// What the base requests.
    pub before: Capacity,
    /// What the checkout requests.
    pub after: Capacity,
    /// The quotas of the checkout.
    pub quotas: Vec<QuotaUse>,
}

/// The columns of a table of capacities.
pub const COLUMNS: [&str; 5] = ["pods", "CPU", "memory", "storage", "devices"];

impl CapacityChange {
    /// The cells of a row: `3` or `3 -> 4`.
    pub fn cells(&self) -> [String; 5] {
        let cell = |show: &dyn Fn(&Capacity) -> String| {
            let (before, after) = (show(&self.before), show(&self.after));
            if before == after {
                after
            } else {
                format!("{before} -> {after}")
            }
        };
        [
            cell(&|capacity| capacity.workloads.pods.to_string()),
            cell(&|capacity| amount("cpu", capacity.workloads.get("cpu"))),
            cell(&|capacity| amount("memory", capacity.workloads.get("memory"))),
            cell(&|capacity| amount("memory", capacity.storage().saturating_mul(1_000))),
            cell(&|capacity| devices(&capacity.workloads)),
        ]
    }

    /// The cell with the costs of a month, and what has no price.
    pub fn cost(&self, prices: &Prices) -> (String, BTreeSet<String>) {
        let (before, after) = (prices.cost(&self.before), prices.cost(&self.after));
        let shown = |cost: &Cost| format!("{:.2}", cost.month);
        let (old, new) = (shown(&before), shown(&after));
        let cell = if old == new {
            new
        } else {
            format!("{old} -> {new}")
        };
        (cell, after.unpriced)
    }

    /// Whether anything is different.
    pub fn is_changed(&self) -> bool {
        self.before != self.after
    }

    /// What the table does not show, one sentence each: autoscalers, Jobs, nodes, and quotas that can be exceeded.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for (resources, what) in [
            (&self.after.autoscaling, "autoscalers can add"),
            (&self.after.jobs, "Jobs request, if all run at the same time,"),
            (&self.after.per_node, "each node runs"),
        ] {
            if !resources.is_empty() {
                sentences.push(format!("{what} {}", words(resources)));
            }
        }
        for quota in self.quotas.iter().filter(|quota| quota.used > quota.hard) {
            let unit = |amount: u128| amount_of_quota(&quota.resource, amount);
            sentences.push(format!(
                "the quota of {} limits {} to {}, and up to {} can be requested",
                quota.namespace,
                quota.resource,
                unit(quota.hard),
                unit(quota.used)
            ));
        }
        sentences
    }

    /// The capacities and quotas as JSON.
    pub fn json(&self) -> Value {
        let quotas = self.quotas.iter().map(|quota| {
            json!({
                "namespace": quota.namespace,
                "resource": quota.resource,
                "used": units(quota.used),
                "hard": units(quota.hard),
            })
        });
        json!({
            "before": capacity_as_json(&self.before),
            "after": capacity_as_json(&self.after),
            "quotas": quotas.collect::<Value>(),
        })
    }
}

fn capacity_as_json(capacity: &Capacity) -> Value {
    let storage: Map<String, Value> = capacity
        .storage
        .iter()
        .map(|(class, bytes)| (class.clone(), json!(u64::try_from(*bytes).unwrap_or(u64::MAX))))
        .collect();
    json!({
        "workloads": resources_as_json(&capacity.workloads),
        "autoscaling": resources_as_json(&capacity.autoscaling),
        "jobs": resources_as_json(&capacity.jobs),
        "perNode": resources_as_json(&capacity.per_node),
        "storage": storage,
    })
}

fn resources_as_json(resources: &Resources) -> Value {
    let requests: Map<String, Value> = resources
        .requests
        .iter()
        .map(|(resource, amount)| (resource.clone(), units(*amount)))
        .collect();
    json!({"pods": resources.pods, "requests": requests})
}

/// Thousandths as a number of units, exact up to 2^53 thousandths.
#[expect(
    clippy::cast_precision_loss,
    reason = "JSON numbers are floating-point numbers"
)]
fn units(thousandths: u128) -> Value {
    if thousandths.is_multiple_of(1_000) {
        return json!(u64::try_from(thousandths / 1_000).unwrap_or(u64::MAX));
    }
    json!(thousandths as f64 / 1_000.0)
}

/// `2 pods (CPU 1, memory 2Gi)`.
fn words(resources: &Resources) -> String {
    let pods = match resources.pods {
        1 => "1 pod".to_owned(),
        pods => format!("{pods} pods"),
    };
    let mut parts = vec![
        format!("CPU {}", amount("cpu", resources.get("cpu"))),
        format!("memory {}", amount("memory", resources.get("memory"))),
    ];
    let devices = devices(resources);
    if devices != "none" {
        parts.push(devices);
    }
    format!("{pods} ({})", parts.join(", "))
}

/// Devices such as `nvidia.com/gpu 2`.
fn devices(resources: &Resources) -> String {
    let devices: Vec<_> = device_names(resources)
        .into_iter()
        .map(|name| format!("{name} {}", amount(name, resources.get(name))))
        .collect();
    if devices.is_empty() {
        "none".to_owned()
    } else {
        devices.join(", ")
    }
}

/// Extended resources have the name of a domain.
fn device_names(resources: &Resources) -> BTreeSet<&str> {
    let names = resources.requests.iter().filter(|(_, amount)| **amount > 0);
    names
        .map(|(name, _)| name.as_str())
        .filter(|name| name.contains('/'))
        .collect()
}

/// An amount with its unit: `0.35`, `1.5Gi`.
fn amount(resource: &str, thousandths: u128) -> String {
    if resource != "memory" {
        return decimal(thousandths, 1_000, 3);
    }
    let bytes = thousandths / 1_000;
    match bytes {
        0 => "0".to_owned(),
        1..1_073_741_824 => format!("{}Mi", decimal(bytes, 1 << 20, 2)),
        _ => format!("{}Gi", decimal(bytes, 1 << 30, 2)),
    }
}

fn amount_of_quota(resource: &str, thousandths: u128) -> String {
    let is_size = resource.contains("memory") || resource.contains("storage");
    amount(if is_size { "memory" } else { resource }, thousandths)
}

/// A fraction in decimal notation, rounded up, without trailing zeros.
fn decimal(number: u128, unit: u128, places: u32) -> String {
    let scale = 10_u128.pow(places);
    let scaled = number.saturating_mul(scale).div_ceil(unit);
    let (whole, rest) = (scaled / scale, scaled % scale);
    let mut text = whole.to_string();
    if rest > 0 {
        let _ = write!(text, ".{rest:0width$}", width = places as usize);
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn resources(pods: u64, requests: &[(&str, u128)]) -> Resources {
        Resources {
            pods,
            requests: requests
                .iter()
                .map(|(name, amount)| ((*name).to_owned(), *amount))
                .collect(),
        }
    }

    #[test]
    fn a_row_shows_what_changes() {
        let gib = 1_073_741_824_000_u128;
        let before = Capacity {
            workloads: resources(3, &[("cpu", 350), ("memory", gib / 2)]),
            storage: BTreeMap::from([("fast".to_owned(), 10 << 30)]),
            ..Capacity::default()
        };
        let mut after = before.clone();
        after.workloads = resources(
            4,
            &[("cpu", 1_350), ("memory", 3 * gib / 2), ("nvidia.com/gpu", 2_000)],
        );
        after.jobs = resources(1, &[("cpu", 100)]);
        let mut change = CapacityChange {
            before: before.clone(),
            after,
            quotas: vec![
                QuotaUse {
                    namespace: "n".to_owned(),
                    resource: "requests.memory".to_owned(),
                    used: 3 * gib,
                    hard: 2 * gib,
                },
                QuotaUse {
                    namespace: "n".to_owned(),
                    resource: "pods".to_owned(),
                    used: 5_000,
                    hard: 5_000,
                },
            ],
        };
        assert_eq!(
            change.cells(),
            [
                "3 -> 4",
                "0.35 -> 1.35",
                "512Mi -> 1.5Gi",
                "10Gi",
                "none -> nvidia.com/gpu 2"
            ]
        );
        assert_eq!(
            change.sentences(),
            [
                "Jobs request, if all run at the same time, 1 pod (CPU 0.1, memory 0)",
                "the quota of n limits requests.memory to 2Gi, and up to 3Gi can be requested",
            ]
        );
        assert!(change.is_changed());
        assert_eq!(
            change.json()["after"]["workloads"]["requests"]["cpu"],
            json!(1.35)
        );
        change.after = before;
        assert_eq!(change.cells(), ["3", "0.35", "512Mi", "10Gi", "none"]);
        assert!(!change.is_changed());
    }

    #[test]
    fn amounts_are_rounded_up() {
        for (number, unit, places, expected) in [
            (1_u128, 3_u128, 2, "0.34"),
            (1, 1_000_000, 3, "0.001"),
            (1_500, 1_000, 3, "1.5"),
            (2_000, 1_000, 3, "2"),
            (0, 1_000, 3, "0"),
            (1_010, 1_000, 2, "1.01"),
        ] {
            assert_eq!(decimal(number, unit, places), expected);
        }
    }
}
