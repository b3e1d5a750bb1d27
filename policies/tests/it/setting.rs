//! What settings and waivers do, and what is told where they are wrong.

use std::fmt::Write as _;

use phoenix_policies::settings::assume;
use phoenix_policies::{Enforcement, Rule, Settings, Verdict, judge};
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
    Rule::named(id).unwrap()
}

const BAD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: n}\nspec:\n  containers:\n  - {name: app, securityContext: {privileged: true}}\n";

#[test]
fn everything_wrong_with_settings_is_told_with_the_nearest_name() {
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
fn a_rule_is_enforced_as_it_is_said_or_as_all_are_or_as_it_is_by_itself() {
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
    // A word about all rules switches none on.
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
fn a_rule_that_is_disabled_is_not_asked() {
    let report = judge(
        &graph(&documents(BAD)),
        &read(&json!({"rules": {"no-privileged-containers": "disabled"}})),
    );
    assert_eq!(
        report.of(rule("no-privileged-containers")).unwrap().population(),
        0
    );
}

#[test]
fn only_a_mandatory_failure_that_nobody_waived_blocks() {
    let off: serde_json::Map<String, Value> = phoenix_policies::RULES
        .iter()
        .filter(|rule| rule.id != "no-privileged-containers")
        .map(|rule| (rule.id.to_owned(), json!("disabled")))
        .collect();
    let graph = graph(&documents(BAD));
    let blocks = |more: Value| {
        let mut rules = off.clone();
        rules.extend(more.as_object().unwrap().clone());
        judge(&graph, &read(&json!({"rules": rules}))).blocks()
    };
    assert!(blocks(json!({})));
    assert!(!blocks(json!({"no-privileged-containers": "advisory"})));
}

#[test]
fn what_was_not_given_is_unknown_where_not_everything_was() {
    let bad = rule("workload-has-network-policy").bad;
    let said = |complete: bool| {
        let mut settings = read(&json!({}));
        settings.assume(&assume::COMPLETE, json!(complete));
        of_rule(
            rule("workload-has-network-policy"),
            &judge(&graph(&documents(bad)), &settings),
        )
    };
    assert!(matches!(said(true)[0].1, Verdict::Fail(_)));
    assert!(matches!(said(false)[0].1, Verdict::Unknown(_)));
}

fn waiver(change: &Value) -> Value {
    let mut waiver = json!({
        "rule": "no-privileged-containers", "objects": ["Pod n/a"], "reason": "reads the node's disks",
        "compensatingMeasure": "runs on a node of its own", "owner": "storage", "approver": "security",
        "approved": "2026-06-01", "lastDay": "2027-03-31", "ticket": "SEC-1",
    });
    waiver
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    waiver
}

/// What the pack says of a waiver, and whether it excuses the pod.
fn waived(change: &Value) -> (Vec<String>, bool) {
    let settings = read(&json!({"waivers": [waiver(change)]}));
    let report = judge(&graph(&documents(BAD)), &settings);
    let said = findings(&of_rule(rule("waivers-are-valid"), &report));
    let failure = &report.of(rule("no-privileged-containers")).unwrap().failed[0];
    let said = said
        .into_iter()
        .map(|(subject, finding)| format!("{subject} at {}: {}", finding.path, finding.message));
    (said.collect(), failure.waived.is_some())
}

#[test]
fn a_good_waiver_excuses_and_the_failure_stays_in_the_report() {
    assert_eq!(waived(&json!({})), (vec![], true));
}

#[test]
fn a_waiver_is_judged() {
    let mut text = String::new();
    for (what, change, excuses) in [
        ("ended", json!({"lastDay": "2026-11-21"}), false),
        ("not begun", json!({"approved": "2026-11-23"}), false),
        ("too long", json!({"lastDay": "2027-06-03"}), true),
        ("its last day", json!({"lastDay": "2026-11-22"}), true),
        ("unneeded", json!({"objects": ["Pod n/a", "Pod n/b"]}), true),
        ("too wide", json!({"objects": ["Pod n/*"]}), false),
        ("nobody's", json!({"owner": " ", "ticket": ""}), true),
        ("approved by its owner", json!({"approver": "storage"}), true),
        ("only a reason", json!({"compensatingMeasure": ""}), true),
    ] {
        let (said, does) = waived(&change);
        assert_eq!(does, excuses, "{what}: {said:?}");
        let _ = writeln!(text, "{what}:");
        for line in said {
            let _ = writeln!(text, "  {line}");
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_waiver_that_ends_soon_is_told() {
    let ending = |last_day: &str| {
        let settings = read(&json!({"waivers": [waiver(&json!({"lastDay": last_day}))]}));
        judge(&graph(&documents(BAD)), &settings).ending
    };
    assert_eq!(ending("2026-12-23"), Vec::<String>::new());
    assert_eq!(
        ending("2026-12-22"),
        [
            "the waiver SEC-1 of no-privileged-containers ends on 2026-12-22: storage repairs it until then, or asks security for another"
        ]
    );
}

#[test]
fn a_day_that_is_not_in_the_calendar_is_refused() {
    let said = problems(&json!({"waivers": [waiver(&json!({"lastDay": "2026-02-30"}))]}));
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("a day is written like"), "{said:?}");
}
