//! Access logging: which requests are logged, and that no workload is omitted.

use phoenix::config::check;
use phoenix_crds::telemetry::{Telemetry, TelemetryAccessLoggingMatchMode};
use serde_json::{Value, json};

use crate::support::{STACKS, keys, stack};

/// The problems of prod with another value of this key; `None` removes the key.
fn reported(key: &str, pointer: &str, value: Option<Value>) -> String {
    let mut keys = keys("prod");
    match value {
        Some(value) => *keys.get_mut(key).unwrap().pointer_mut(pointer).unwrap() = value,
        None => {
            keys.remove(key);
        }
    }
    check(&keys).expect_err("the change makes it wrong").to_string()
}

#[test]
fn production_requires_a_complete_audit_trail_with_long_retention() {
    let missing = reported("phoenix:auditTrail", "", None);
    assert!(missing.contains("phoenix:auditTrail is missing"), "{missing}");
    let short = reported("phoenix:auditTrail", "/retentionDays", Some(json!(365)));
    assert!(
        short.contains("phoenix:auditTrail.retentionDays is 365, but must be"),
        "{short}"
    );
    let holey = reported("phoenix:qdrant", "/auditDays", Some(json!(0)));
    assert!(
        holey.contains(
            "phoenix:qdrant.auditDays is 0, but phoenix:auditTrail also requires Qdrant's audit log"
        ),
        "{holey}"
    );
    let odd = reported("phoenix:auditTrail", "/provider", Some(json!("a b")));
    assert!(odd.contains("phoenix:auditTrail.provider is \"a b\""), "{odd}");
}

#[test]
fn the_sidecars_of_every_workload_log_both_directions() {
    for name in STACKS {
        let stack = stack(name);
        let trails = stack.graph.all::<Telemetry>();
        let trail = stack
            .config
            .audit_trail
            .as_ref()
            .expect("each shipped stack has one");
        for (object, telemetry) in &trails {
            let logging = &telemetry.spec.access_logging.as_ref().unwrap()[0];
            assert_eq!(
                logging.r#match.as_ref().unwrap().mode,
                Some(TelemetryAccessLoggingMatchMode::ClientAndServer),
                "{name}: {}",
                object.id
            );
            assert_eq!(logging.disabled, None);
            assert_eq!(logging.providers.as_ref().unwrap()[0].name, trail.provider);
            // Without the first condition, whatever has no path, such as a connection to a database, is not written.
            let filter = logging.filter.as_ref().unwrap().expression.as_ref().unwrap();
            assert!(filter.starts_with("!has(request.url_path) || "), "{filter}");
            let annotations = telemetry.metadata.annotations.as_ref().unwrap();
            let days: u32 = annotations["phoenix.ai/audit-retention-days"].parse().unwrap();
            assert!(days >= 6 * 365, "{name}: {days}");
        }
        // Istio heeds one object without a selector in a namespace, and in one of others none may be ours.
        for workload in stack.config.workloads() {
            let covering: Vec<_> = trails
                .iter()
                .filter(|(object, _)| object.id.namespace.as_deref() == Some(workload.namespace))
                .filter(|(_, telemetry)| match &telemetry.spec.selector {
                    None => workload.namespace == phoenix::names::MEMORY,
                    Some(selector) => selector.match_labels.as_ref().unwrap()["app"] == workload.app,
                })
                .collect();
            assert_eq!(covering.len(), 1, "{name}: {}", workload.name);
        }
    }
}
