//! Prices from a file of the team, and what the requests of the workloads cost in a month.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_graph::capacity::Capacity;
use serde_json::{Map, Value};

/// The hours of a month, as cloud providers count them: a year of 8,760 hours divided by twelve.
const HOURS: f64 = 730.0;

/// Prices without taxes.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// The currency, which is only shown.
    pub currency: String,
    /// The price of a core for an hour.
    cpu_hour: f64,
    /// The price of a GiB of memory for an hour.
    memory_gib_hour: f64,
    /// The price of a GiB of storage for a month by storage class. The default class is `default`.
    storage_gib_month: BTreeMap<String, f64>,
    /// The price of a device for an hour by the name of its resource.
    device_hour: BTreeMap<String, f64>,
}

/// What a capacity costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The sum for a month.
    pub month: f64,
    /// Storage classes and devices without a price.
    pub unpriced: BTreeSet<String>,
}

impl Prices {
    /// Reads the content of a file. Errors name the key.
    pub fn read(value: &Value) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let empty = Map::new();
        let fields = value.as_object().unwrap_or_else(|| {
            errors.push("the file is not a mapping with the keys currency, cpuHour, memoryGibHour, storageGibMonth and deviceHour".to_owned());
            &empty
        });
        for key in fields.keys() {
            if ![
                "currency",
                "cpuHour",
                "memoryGibHour",
                "storageGibMonth",
                "deviceHour",
            ]
            .contains(&key.as_str())
            {
                errors.push(format!("{key} is not a key of the prices"));
            }
        }
        let currency = match fields.get("currency").and_then(Value::as_str) {
            Some(currency) if (1..=8).contains(&currency.chars().count()) => currency.to_owned(),
            _ => {
                errors.push("currency must be a text with at most 8 characters, such as EUR".to_owned());
                String::new()
            }
        };
        let mut price = |key: &str, value: Option<&Value>| match value.and_then(Value::as_f64) {
            Some(price) if price.is_finite() && price >= 0.0 => price,
            _ => {
                errors.push(format!("{key} must be a number that is not negative"));
                0.0
            }
        };
        let cpu_hour = price("cpuHour", fields.get("cpuHour"));
        let memory_gib_hour = price("memoryGibHour", fields.get("memoryGibHour"));
        let mut table = |name: &str| -> BTreeMap<String, f64> {
            let entries = fields.get(name).and_then(Value::as_object).into_iter().flatten();
            entries
                .map(|(key, value)| (key.clone(), price(&format!("{name}.{key}"), Some(value))))
                .collect()
        };
        let (storage_gib_month, device_hour) = (table("storageGibMonth"), table("deviceHour"));
        for name in ["storageGibMonth", "deviceHour"] {
            if fields.get(name).is_some_and(|value| !value.is_object()) {
                errors.push(format!("{name} must be a mapping from names to prices"));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            currency,
            cpu_hour,
            memory_gib_hour,
            storage_gib_month,
            device_hour,
        })
    }

    /// What the pods that run all the time and the claims cost in a month.
    pub fn cost(&self, capacity: &Capacity) -> Cost {
        let mut unpriced = BTreeSet::new();
        let mut month = 0.0;
        for (resource, amount) in &capacity.workloads.requests {
            let units = units(*amount, 1_000);
            let hour = match resource.as_str() {
                "cpu" => units * self.cpu_hour,
                "memory" => units / GIB * self.memory_gib_hour,
                device if device.contains('/') && *amount > 0 => {
                    let price = self.device_hour.get(device);
                    if price.is_none() {
                        unpriced.insert(device.to_owned());
                    }
                    units * price.copied().unwrap_or_default()
                }
                _ => 0.0,
            };
            month += HOURS * hour;
        }
        for (class, bytes) in &capacity.storage {
            let class = if class.is_empty() { "default" } else { class };
            match self.storage_gib_month.get(class) {
                Some(price) => month += units(*bytes, 1) / GIB * price,
                None if *bytes > 0 => {
                    unpriced.insert(format!("storage class {class}"));
                }
                None => {}
            }
        }
        Cost { month, unpriced }
    }
}

const GIB: f64 = 1_073_741_824.0;

#[expect(clippy::cast_precision_loss, reason = "amounts of money are rounded to cents")]
fn units(number: u128, unit: u128) -> f64 {
    number as f64 / unit as f64
}

#[cfg(test)]
mod tests {
    use phoenix_graph::capacity::Resources;
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_and_claims_have_a_price() {
        let prices = Prices::read(&json!({
            "currency": "EUR", "cpuHour": 0.03, "memoryGibHour": 0.004,
            "storageGibMonth": {"default": 0.1, "fast": 0.2}, "deviceHour": {"nvidia.com/gpu": 1.5},
        }))
        .unwrap();
        let requests = [
            ("cpu", 2_500),
            ("memory", 4 * (1 << 30) * 1_000),
            ("nvidia.com/gpu", 1_000),
            ("amd.com/gpu", 1_000),
        ];
        let capacity = Capacity {
            workloads: Resources {
                pods: 1,
                requests: requests.map(|(name, amount)| (name.to_owned(), amount)).into(),
            },
            storage: [("", 10), ("fast", 5), ("slow", 1)]
                .map(|(class, gib)| (class.to_owned(), gib << 30))
                .into(),
            ..Capacity::default()
        };
        let cost = prices.cost(&capacity);
        let expected = 730.0 * (2.5 * 0.03 + 4.0 * 0.004 + 1.5) + 10.0 * 0.1 + 5.0 * 0.2;
        assert!((cost.month - expected).abs() < 1e-9, "{cost:?}");
        assert_eq!(
            cost.unpriced.into_iter().collect::<Vec<_>>(),
            ["amd.com/gpu", "storage class slow"]
        );
    }

    #[test]
    fn every_error_names_its_key() {
        let errors = Prices::read(&json!({
            "currency": "", "cpuHour": -1, "memoryGibHours": 1, "storageGibMonth": {"fast": "x"}, "deviceHour": 3,
        }))
        .unwrap_err();
        assert_eq!(
            errors,
            [
                "memoryGibHours is not a key of the prices",
                "currency must be a text with at most 8 characters, such as EUR",
                "cpuHour must be a number that is not negative",
                "memoryGibHour must be a number that is not negative",
                "storageGibMonth.fast must be a number that is not negative",
                "deviceHour must be a mapping from names to prices",
            ]
        );
        assert_eq!(Prices::read(&json!([])).unwrap_err().len(), 4);
    }
}
