//! An unknown value, or one of a wrong type, never makes a rule pass.

use std::collections::BTreeSet;

use phoenix_policies::field::UNKNOWN;
use phoenix_policies::{RULES, Rule, Verdict, evaluate};
use serde_json::{Value, json};

use crate::support::{documents, graph, settings, verdicts};

/// The JSON pointers of all values of a document, except the document itself.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(pointer.clone());
                pointers(value, &pointer, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                let pointer = format!("{at}/{index}");
                found.push(pointer.clone());
                pointers(value, &pointer, found);
            }
        }
        _ => {}
    }
}

/// Whether a field identifies the object; without it there is nothing to check.
fn is_identity(pointer: &str) -> bool {
    [
        "/apiVersion",
        "/kind",
        "/metadata",
        "/metadata/name",
        "/metadata/namespace",
    ]
    .contains(&pointer)
}

/// Every variant of the documents in which one value is replaced by one of `values`.
fn replaced(documents: &[Value], values: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut all = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let mut places = Vec::new();
        pointers(document, "", &mut places);
        for place in places.iter().filter(|place| !is_identity(place)) {
            for value in values {
                let mut changed = documents.to_vec();
                *changed[index].pointer_mut(place).unwrap() = value.clone();
                all.push((format!("{index}:{place} = {value}"), changed));
            }
        }
    }
    all
}

fn is_open(verdicts: &[(String, Verdict)]) -> bool {
    verdicts
        .iter()
        .any(|(_, verdict)| matches!(verdict, Verdict::Fail(_) | Verdict::Unknown(_)))
}

fn checked_rules() -> impl Iterator<Item = &'static &'static Rule> {
    RULES.iter().filter(|rule| !rule.kinds.is_empty())
}

#[test]
fn a_bad_example_never_passes_because_a_value_is_unknown() {
    let marks = UNKNOWN.map(|mark| json!(mark));
    let mut wrong = Vec::new();
    for rule in checked_rules() {
        for (place, changed) in replaced(&documents(rule.text.bad), &marks) {
            let verdicts = verdicts(rule, &changed);
            if !is_open(&verdicts) {
                wrong.push(format!("{} at {place}: {verdicts:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_reports_every_mark_of_an_unknown_value() {
    // The name, the namespace and the version of an object are always known.
    let without_unknown = BTreeSet::from(["no-removed-api", "no-default-namespace"]);
    for mark in UNKNOWN {
        let reports_unknown = |rule: &'static Rule| {
            let examples = [documents(rule.text.good), documents(rule.text.bad)];
            let changed = examples
                .iter()
                .flat_map(|example| replaced(example, &[json!(mark)]));
            changed
                .flat_map(|(_, changed)| verdicts(rule, &changed))
                .any(|(_, verdict)| matches!(verdict, Verdict::Unknown(_)))
        };
        let silent: BTreeSet<_> = checked_rules()
            .filter(|rule| !reports_unknown(rule))
            .map(|rule| rule.id)
            .collect();
        assert_eq!(
            silent, without_unknown,
            "rules that never report {mark} as unknown"
        );
    }
}

#[test]
fn values_of_wrong_types_make_no_rule_panic() {
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!("ä\u{0}"),
        json!([]),
        json!({}),
        json!([[{"a": [null]}]]),
        json!({"": {"": 0}}),
    ];
    let settings = settings();
    let mut subjects = 0;
    for rule in checked_rules() {
        for example in [rule.text.good, rule.text.bad] {
            for (_, changed) in replaced(&documents(example), &values) {
                // Every rule checks every example, not only its own.
                subjects += evaluate(&graph(&changed), &settings).subjects.len();
            }
        }
    }
    assert!(subjects > 10_000);
}

#[test]
fn a_bad_example_never_passes_for_a_field_of_a_wrong_type() {
    let mut wrong = Vec::new();
    for rule in checked_rules() {
        let bad = documents(rule.text.bad);
        for (place, changed) in replaced(&bad, &[json!(["wrong"])]) {
            let (index, rest) = place.split_once(':').unwrap();
            let pointer = rest.split_once(" = ").unwrap().0;
            let original = bad[index.parse::<usize>().unwrap()].pointer(pointer).unwrap();
            // A list in place of a list does not have a wrong type.
            if original.is_array() {
                continue;
            }
            let verdicts = verdicts(rule, &changed);
            if !is_open(&verdicts) {
                wrong.push(format!("{} at {place}: {verdicts:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
