//! The effect of settings and waivers, and the errors of invalid ones.

use std::fmt::Write as _;

use phoenix_policies::settings::assume;
use phoenix_policies::{Enforcement, Rule, Settings, Verdict, evaluate};
use serde_json::{Value, json};

use crate::support::{documents, findings, graph, of_rule, today};

fn read(value: &Value) -> Settings {
    Settings::read(value, today()).unwrap()
}

fn problems(value: &Value) -> Vec<String> {
    let problems = Settings::read(value, today()).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

fn rule(id: &str) -> &'static Rule {
    phoenix_policies::rules::find(id).unwrap()
}

const BAD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: ns}\nspec:\n  containers:\n  - {name: app, securityContext: {privileged: true}}\n";

#[test]
fn all_settings_errors_are_reported_with_the_closest_name() {
    insta::assert_snapshot!(
        problems(&json!({
            "rule": {},
            "all": "strict",
            "rules": {
                "no-privileged-container": "mandatory",
                "no-host-ports": "sometimes",
                "image-registry-allowed": {"registry": [], "registries": "ghcr.io"},
            },
            "assume": {"meshRoot": "istio", "complete": "yes"},
            "waivers": [{"rule": "no-host-ports", "because": "we must"}],
        }))
        .join("\n\n")
    );
}

#[test]
fn the_example_of_the_catalog_is_accepted_as_written() {
    let example = documents(phoenix_policies::SETTINGS_EXAMPLE).remove(0);
    let settings = read(&example["phoenix:policies"]);
    assert_eq!(settings.waivers.len(), 1);
    assert!(settings.waivers[0].is_valid_on(today()));
}

#[test]
fn an_old_key_is_an_error_that_names_the_new_one() {
    assert_eq!(
        problems(&json!({
            "assume": {"foreignNamespaces": ["mesh"]},
            "rules": {"waivers-are-valid": {"daysTold": 14}},
        })),
        [
            "assume.foreignNamespaces was renamed to externallyManagedNamespaces\nhint: use externallyManagedNamespaces; its values are the same",
            "rules.waivers-are-valid.daysTold was renamed to expiryNoticeDays\nhint: use expiryNoticeDays; its values are the same",
        ]
    );
}

#[test]
fn every_missing_field_of_a_waiver_is_reported() {
    let problems =
        problems(&json!({"waivers": [{"rule": "no-host-ports", "lastDay": "tomorrow"}, "all of them"]}));
    let fields = ["objects", "reason", "owner", "approver", "approved", "ticket"];
    for field in fields {
        let message = format!("waivers[0].{field} is missing: a waiver requires it");
        assert!(problems.contains(&message), "{message} is not in {problems:#?}");
    }
    for message in [
        "waivers[0].lastDay must be a day in the form \"2026-11-22\"",
        "waivers[1] must be a mapping",
    ] {
        assert!(problems.contains(&message.to_owned()), "{problems:#?}");
    }
    assert_eq!(problems.len(), fields.len() + 2);
}

#[test]
fn enforcement_comes_from_the_rule_setting_then_all_then_the_default() {
    let settings = read(
        &json!({"all": "advisory", "rules": {"no-host-ports": "mandatory", "no-root-group": {"enforcement": "disabled"}}}),
    );
    assert_eq!(
        settings.enforcement(rule("no-host-ports")),
        Enforcement::Mandatory
    );
    assert_eq!(settings.enforcement(rule("no-root-group")), Enforcement::Disabled);
    assert_eq!(
        settings.enforcement(rule("no-host-namespaces")),
        Enforcement::Advisory
    );
    // `all` does not enable a rule that is disabled by default.
    assert_eq!(
        settings.enforcement(rule("secrets-mounted-as-files")),
        Enforcement::Disabled
    );
    assert_eq!(
        read(&json!({})).enforcement(rule("no-host-ports")),
        Enforcement::Mandatory
    );
}

#[test]
fn a_disabled_rule_is_not_evaluated() {
    let report = evaluate(
        &graph(&documents(BAD)),
        &read(&json!({"rules": {"no-privileged-containers": "disabled"}})),
    );
    assert_eq!(
        report.of(rule("no-privileged-containers")).unwrap().population(),
        0
    );
}

#[test]
fn only_an_unwaived_mandatory_failure_blocks() {
    let off: serde_json::Map<String, Value> = phoenix_policies::RULES
        .iter()
        .filter(|rule| rule.id != "no-privileged-containers")
        .map(|rule| (rule.id.to_owned(), json!("disabled")))
        .collect();
    let graph = graph(&documents(BAD));
    let blocks = |more: Value| {
        let mut rules = off.clone();
        rules.extend(more.as_object().unwrap().clone());
        evaluate(&graph, &read(&json!({"rules": rules}))).blocks()
    };
    assert!(blocks(json!({})));
    assert!(!blocks(json!({"no-privileged-containers": "advisory"})));
}

#[test]
fn a_missing_object_is_unknown_if_the_input_is_incomplete() {
    let bad = rule("workload-has-network-policy").text.bad;
    let verdicts = |complete: bool| {
        let mut settings = read(&json!({}));
        settings.assume(&assume::COMPLETE, json!(complete));
        of_rule(
            rule("workload-has-network-policy"),
            &evaluate(&graph(&documents(bad)), &settings),
        )
    };
    assert!(matches!(verdicts(true)[0].1, Verdict::Fail(_)));
    assert!(matches!(verdicts(false)[0].1, Verdict::Unknown(_)));
}

fn waiver(change: &Value) -> Value {
    let mut waiver = json!({
        "rule": "no-privileged-containers", "objects": ["Pod ns/a"], "reason": "reads the node's disks",
        "compensatingMeasure": "runs on a node of its own", "owner": "storage", "approver": "security",
        "approved": "2026-06-01", "lastDay": "2027-03-31", "ticket": "SEC-1",
    });
    waiver
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    waiver
}

/// The findings about a waiver, and whether it waives the failure of the pod.
fn waived(change: &Value) -> (Vec<String>, bool) {
    let settings = read(&json!({"waivers": [waiver(change)]}));
    let report = evaluate(&graph(&documents(BAD)), &settings);
    let found = findings(&of_rule(rule("waivers-are-valid"), &report));
    let failure = &report.of(rule("no-privileged-containers")).unwrap().failed[0];
    let found = found
        .into_iter()
        .map(|(subject, finding)| format!("{subject} at {}: {}", finding.path, finding.message));
    (found.collect(), failure.waived.is_some())
}

#[test]
fn a_valid_waiver_waives_a_failure_that_stays_in_the_report() {
    assert_eq!(waived(&json!({})), (vec![], true));
}

#[test]
fn a_waiver_is_checked() {
    let mut text = String::new();
    for (what, change, excuses) in [
        ("ended", json!({"lastDay": "2026-11-21"}), false),
        ("not begun", json!({"approved": "2026-11-23"}), false),
        ("too long", json!({"lastDay": "2027-06-03"}), true),
        ("its last day", json!({"lastDay": "2026-11-22"}), true),
        ("unneeded", json!({"objects": ["Pod ns/a", "Pod n/b"]}), true),
        ("too wide", json!({"objects": ["Pod n/*"]}), false),
        (
            "without owner and ticket",
            json!({"owner": " ", "ticket": ""}),
            true,
        ),
        ("approved by its owner", json!({"approver": "storage"}), true),
        ("only a reason", json!({"compensatingMeasure": ""}), true),
    ] {
        let (found, does) = waived(&change);
        assert_eq!(does, excuses, "{what}: {found:?}");
        let _ = writeln!(text, "{what}:");
        for line in found {
            let _ = writeln!(text, "  {line}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn an_expiring_waiver_is_reported() {
    let ending = |last_day: &str| {
        let settings = read(&json!({"waivers": [waiver(&json!({"lastDay": last_day}))]}));
        let report = evaluate(&graph(&documents(BAD)), &settings);
        report
            .expiring_waivers
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(ending("2026-12-23"), Vec::<String>::new());
    assert_eq!(
        ending("2026-12-22"),
        [
            "waiver SEC-1 for no-privileged-containers expires on 2026-12-22: owner storage must fix the failure by then or request an extension from security"
        ]
    );
}

#[test]
fn the_expiry_notice_of_waivers_is_configurable() {
    let ending = |days: u32| {
        let settings = read(&json!({
            "waivers": [waiver(&json!({"lastDay": "2026-12-22"}))],
            "rules": {"waivers-are-valid": {"expiryNoticeDays": days}},
        }));
        evaluate(&graph(&documents(BAD)), &settings)
            .expiring_waivers
            .len()
    };
    assert_eq!((ending(29), ending(30), ending(60)), (0, 1, 1));
}

#[test]
fn only_rules_with_a_remediation_are_remediated() {
    let settings = read(&json!({"rules": {"run-as-non-root": "remediate"}}));
    assert_eq!(
        settings.enforcement(rule("run-as-non-root")),
        Enforcement::Remediate
    );
    assert!(settings.enforcement(rule("run-as-non-root")).stops());
    let errors = problems(&json!({"rules": {"no-host-ports": "remediate"}}));
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].contains(
            "use mandatory; the rules with an automatic remediation are run-as-non-root, drop-all-capabilities"
        ),
        "{errors:?}"
    );
    // `all: remediate` is accepted although most rules have no remediation.
    let settings = read(&json!({"all": "remediate"}));
    assert_eq!(
        settings.enforcement(rule("no-host-ports")),
        Enforcement::Mandatory
    );
    assert_eq!(
        settings.enforcement(rule("drop-all-capabilities")),
        Enforcement::Remediate
    );
}

#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    let schema = phoenix_policies::schema::schema();
    let fields = |schema: &Value| -> Vec<String> {
        schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    // Every field of the schema is accepted with a value of the schema's type.
    let example = |field: &Value| match field["type"].as_str() {
        Some("boolean") => json!(true),
        Some("integer") => json!(1),
        Some("array") => json!(["a"]),
        Some("string") => json!("a"),
        _ => field["enum"][0].clone(),
    };
    for id in fields(&schema["properties"]["rules"]) {
        let of_rule = &schema["properties"]["rules"]["properties"][&id]["anyOf"];
        for word in of_rule[0]["enum"].as_array().unwrap() {
            read(&json!({"rules": {&id: word}}));
        }
        for field in fields(&of_rule[1]) {
            let value = example(&of_rule[1]["properties"][&field]);
            read(&json!({"rules": {&id: {&field: value}}}));
        }
    }
    for field in fields(&schema["properties"]["assume"]) {
        read(&json!({"assume": {&field: example(&schema["properties"]["assume"]["properties"][&field])}}));
    }
    // A waiver has exactly these fields, and the required ones are mandatory.
    let of_waiver = &schema["properties"]["waivers"]["items"];
    let whole = waiver(&json!({}));
    let mut written: Vec<_> = whole.as_object().unwrap().keys().cloned().collect();
    written.sort();
    assert_eq!(fields(of_waiver), written);
    for field in fields(of_waiver) {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(&field);
        let refused = Settings::read(&json!({"waivers": [without]}), today()).is_err();
        let required = of_waiver["required"].as_array().unwrap().contains(&json!(field));
        assert_eq!(refused, required, "{field}");
    }
}

#[test]
fn a_day_that_does_not_exist_is_an_error() {
    let errors = problems(&json!({"waivers": [waiver(&json!({"lastDay": "2026-02-30"}))]}));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("must be a day in the form"), "{errors:?}");
}
