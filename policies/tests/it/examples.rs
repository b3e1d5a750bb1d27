//! The good and the bad example of each rule.

use std::fmt::Write as _;
use std::num::NonZero;

use phoenix_policies::{Authority, RULES, Scope, Settings, Source, Verdict, evaluate, evaluate_on};
use serde_json::json;

use crate::support::{documents, findings, graph, of_rule, settings, today, verdicts};

#[test]
fn every_good_example_passes_and_every_bad_one_fails() {
    let mut wrong = Vec::new();
    for rule in RULES.iter().filter(|rule| !rule.kinds.is_empty()) {
        let good = verdicts(rule, &documents(rule.text.good));
        let passes = good.iter().any(|(_, verdict)| *verdict == Verdict::Pass);
        let clean = good
            .iter()
            .all(|(_, verdict)| matches!(verdict, Verdict::Pass | Verdict::NotApplicable(_)));
        if !passes || !clean {
            wrong.push(format!("{}: the good example gives {good:#?}", rule.id));
        }
        let bad = verdicts(rule, &documents(rule.text.bad));
        if findings(&bad).is_empty() {
            wrong.push(format!("{}: the bad example gives {bad:#?}", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_examples_of_the_rule_about_waivers_are_settings() {
    let rule = phoenix_policies::rules::find("waivers-are-valid").unwrap();
    let pod = json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "proxy", "namespace": "edge"},
        "spec": {"template": {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "hostPort": 80}]}]}}},
    });
    let verdict = |example: &str| {
        let settings = Settings::read(&documents(example)[0], today()).unwrap();
        let report = evaluate(&graph(std::slice::from_ref(&pod)), &settings);
        of_rule(rule, &report).pop().unwrap().1
    };
    assert_eq!(verdict(rule.text.good), Verdict::Pass);
    assert!(matches!(verdict(rule.text.bad), Verdict::Fail(_)));
}

#[test]
fn the_examples_of_the_rules_about_settings_are_those_of_a_stack() {
    for id in ["evaluation-not-weakened", "assumptions-are-reviewed"] {
        let rule = phoenix_policies::rules::find(id).unwrap();
        let verdict = |example: &str| {
            let source = Source::new("stack.yaml", Authority::Stack);
            let stack = Settings::read_from(&documents(example)[0], &source, today()).unwrap();
            let mut settings = Settings::on(today());
            settings.tighten(&stack, "dev");
            of_rule(rule, &evaluate(&graph(&[]), &settings)).pop().unwrap().1
        };
        assert_eq!(verdict(rule.text.good), Verdict::Pass, "{id}");
        assert!(matches!(verdict(rule.text.bad), Verdict::Fail(_)), "{id}");
    }
}

#[test]
fn the_message_of_every_finding_is_as_reviewed() {
    let mut text = String::new();
    for rule in RULES.iter().filter(|rule| !rule.kinds.is_empty()) {
        let _ = writeln!(text, "{}: {}", rule.id, rule.text.title);
        for (subject, finding) in findings(&verdicts(rule, &documents(rule.text.bad))) {
            let _ = writeln!(text, "  {subject} at {:?}: {}", finding.path, finding.message);
        }
        let _ = writeln!(text, "  fix: {}", rule.text.fix);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_resource_rule_is_independent_of_other_objects() {
    for rule in RULES.iter().filter(|rule| rule.scope() == Scope::Resource) {
        let of_objects = RULES.iter().filter(|rule| !rule.kinds.is_empty());
        for example in of_objects.flat_map(|rule| [rule.text.good, rule.text.bad]) {
            let together = documents(example);
            let alone: Vec<_> = together
                .iter()
                .flat_map(|document| verdicts(rule, std::slice::from_ref(document)))
                .collect();
            let mut sorted = alone.clone();
            sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
            let mut with_others = verdicts(rule, &together);
            with_others.sort_by(|(left, _), (right, _)| left.cmp(right));
            assert_eq!(sorted, with_others, "{} on\n{example}", rule.id);
        }
    }
}

#[test]
fn thousands_of_objects_are_evaluated_individually() {
    let pod = |number: usize| {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": format!("pod-{number:04}")},
            "spec": {"hostPID": number.is_multiple_of(3), "containers": [{"name": "a", "image": "a"}]},
        })
    };
    let documents: Vec<_> = (0..3000).map(pod).collect();
    let graph = graph(&documents);
    let rule = phoenix_policies::rules::find("no-host-namespaces").unwrap();
    let verdicts = |threads: usize| {
        let threads = NonZero::new(threads).unwrap();
        of_rule(rule, &evaluate_on(threads, &graph, &settings()))
    };
    let one_thread = verdicts(1);
    assert_eq!(one_thread.len(), 3000);
    for (number, (subject, verdict)) in one_thread.iter().enumerate() {
        assert_eq!(*subject, format!("Pod pod-{number:04}"));
        assert_eq!(*verdict != Verdict::Pass, number.is_multiple_of(3), "{subject}");
    }
    assert_eq!(verdicts(4), one_thread, "the number of threads does not matter");
}
