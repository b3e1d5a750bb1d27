//! The load test: it is started manually, connects to OpenMemory only, and uses the stack's own targets.

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::ConfigMap;
use phoenix::config::check;
use phoenix::connections::{Peer, connections};
use phoenix::names::{LOAD_TEST, OPENMEMORY};
use phoenix::platform;
use serde_json::{Value, json};

use crate::support::{STACKS, keys, stack};

fn plan(graph: &phoenix_graph::Graph) -> Value {
    let config = graph
        .get::<ConfigMap>(Some("sophia-memory"), "memory-load-test")
        .unwrap();
    serde_json::from_str(&config.data.unwrap()["plan.json"]).unwrap()
}

#[test]
fn the_load_test_is_started_manually_and_never_retried() {
    for name in STACKS {
        let job = stack(name)
            .graph
            .get::<CronJob>(Some("sophia-memory"), "memory-load-test")
            .unwrap();
        let spec = job.spec.unwrap();
        assert_eq!(spec.suspend, Some(true), "{name}");
        assert_eq!(
            spec.schedule, "0 0 31 2 *",
            "{name}: a day that there is would start it"
        );
        let job = spec.job_template.spec.unwrap();
        assert_eq!(job.backoff_limit, Some(0), "{name}");
        let minutes = i64::from(stack(name).config.load_test.unwrap().minutes);
        assert!(job.active_deadline_seconds.unwrap() > minutes * 60, "{name}");
    }
}

#[test]
fn the_load_test_reaches_openmemory_and_accepts_no_connections() {
    for name in STACKS {
        let rows = connections(&stack(name).config);
        let own = Peer::Workload(LOAD_TEST);
        let reached: Vec<_> = rows
            .iter()
            .filter(|row| row.from == own)
            .map(|row| &row.to)
            .collect();
        assert_eq!(reached, [&Peer::Workload(OPENMEMORY)], "{name}");
        assert_eq!(rows.iter().filter(|row| row.to == own).count(), 0, "{name}");
    }
}

#[test]
fn its_thresholds_are_the_targets_of_the_stack() {
    let mut changed = keys("prod");
    let plan_of =
        |keys: &std::collections::BTreeMap<String, Value>| plan(&platform::build(&check(keys).unwrap()));
    let before = plan_of(&changed);
    let searches = "/options/thresholds/http_req_duration{name:search_memory}/0/threshold";
    assert_eq!(before.pointer(searches).unwrap(), "p(95)<200");
    assert_eq!(
        before
            .pointer("/options/thresholds/memory_kept/0/threshold")
            .unwrap(),
        "rate>0.999"
    );
    assert_eq!(before["demandsToken"], true);
    *changed
        .get_mut("phoenix:tiers")
        .unwrap()
        .pointer_mut("/mem0Persistent/latencyMs")
        .unwrap() = json!(120);
    assert_eq!(plan_of(&changed).pointer(searches).unwrap(), "p(95)<120");
    assert_eq!(plan(&stack("dev").graph)["demandsToken"], false);
}

#[test]
fn a_stack_without_it_has_nothing_of_it() {
    let mut keys = keys("prod");
    keys.remove("phoenix:loadTest");
    let graph = platform::build(&check(&keys).unwrap());
    assert!(!graph.yaml().contains("load-test"));
}

#[test]
fn production_rejects_an_image_tag() {
    let mut keys = keys("prod");
    keys.get_mut("phoenix:loadTest").unwrap()["image"] = json!("grafana/k6:1.0.0");
    let reported = check(&keys).unwrap_err().to_string();
    assert!(
        reported.contains(
            "phoenix:loadTest.image is grafana/k6:1.0.0, but production requires images with a digest"
        ),
        "{reported}"
    );
}

#[test]
fn the_manually_provided_token_is_the_only_optional_secret() {
    fn optional<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| optional(item, found)),
            Value::Object(fields) => {
                found.extend(
                    fields
                        .get("secretKeyRef")
                        .filter(|reference| reference["optional"] == json!(true)),
                );
                fields.values().for_each(|field| optional(field, found));
            }
            _ => {}
        }
    }
    for name in STACKS {
        let graph = stack(name).graph;
        let mut found = Vec::new();
        for object in graph.objects() {
            optional(object.body(), &mut found);
        }
        let names: Vec<_> = found
            .iter()
            .map(|reference| reference["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["memory-load-test-token"], "{name}");
    }
}
