//! Policy runs as SARIF 2.1.0, for code scanning services.
//!
//! Failures become results with file and line. Waived failures are left out, because many SARIF viewers show suppressed
//! results as open. An unknown verdict becomes a result of kind `open`, and a waiver that expires soon a note. What weakens
//! the evaluation and the assumptions that verdicts depend on become results of kind `informational`. The findings of a
//! stack are located in its stack file.

use phoenix_graph::Id;
use phoenix_policies::rules::evaluation::ASSUMPTIONS_ARE_REVIEWED;
use phoenix_policies::rules::waivers::WAIVERS_ARE_VALID;
use phoenix_policies::{Enforcement, RULES, Rule, Severity};
use serde_json::{Value, json};

use crate::text::controls;
use crate::{PolicyRun, count};

/// A SARIF log with one run that contains the results of all policy runs.
pub fn log(all: &[PolicyRun]) -> Value {
    let results: Vec<Value> = all.iter().flat_map(results).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "phoenix",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "utf16CodeUnits",
            "invocations": [{
                "executionSuccessful": all.iter().all(|run| run.objects > 0 && run.not_evaluated.is_complete()),
                "toolExecutionNotifications": all.iter().flat_map(notifications).collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    })
}

/// What was given and not evaluated. Kinds without rules are notes.
fn notifications(run: &PolicyRun) -> Vec<Value> {
    let notification = |level: &str, message: &str| json!({"level": level, "message": {"text": message}});
    let located = |level: &str, message: &str, file: &str, line: usize| {
        let mut located = notification(level, message);
        located["locations"] = json!([{"physicalLocation": {
            "artifactLocation": {"uri": file},
            "region": {"startLine": line.max(1)},
        }}]);
        located
    };
    let left_out = &run.not_evaluated;
    let unreadable = left_out.unreadable.iter().map(|(file, error)| {
        located(
            "error",
            &format!("not evaluated: {}", error.message),
            file,
            error.line,
        )
    });
    let skipped = left_out.skipped.iter().map(|skipped| {
        let message = format!("not a Kubernetes object: {}", skipped.reason);
        located("warning", &message, &skipped.place.file, skipped.place.line)
    });
    let listed = left_out.unreadable.len() + left_out.skipped.len();
    let unlisted = left_out.unreadable_count + left_out.skipped_count - listed;
    let more =
        (unlisted > 0).then(|| notification("error", &format!("not evaluated: {unlisted} more documents")));
    let kinds = run
        .not_evaluated
        .kinds_without_rules
        .iter()
        .map(|(kind, number)| {
            let objects = count(*number, "object");
            notification(
                "note",
                &format!("{}: no rule for {objects} of kind {kind}", run.name),
            )
        });
    unreadable.chain(skipped).chain(more).chain(kinds).collect()
}

fn descriptor(rule: &Rule) -> Value {
    let score = match rule.severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    };
    // GitHub accepts at most 20 tags, and 1,000 characters of each text.
    let tags: Vec<_> = rule
        .evidence
        .iter()
        .map(|control| control.citation())
        .take(19)
        .chain(["security".to_owned()])
        .collect();
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.text.title},
        "fullDescription": {"text": rule.text.what.chars().take(1000).collect::<String>()},
        "help": {"text": format!("{} {} Controls: {}.", rule.text.why, rule.text.fix, controls(rule))},
        "defaultConfiguration": {"level": level(rule.enforcement)},
        "properties": {"security-severity": score, "tags": tags},
    })
}

fn level(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Mandatory | Enforcement::Remediate => "error",
        Enforcement::Advisory => "warning",
        Enforcement::Disabled => "none",
    }
}

fn results(run: &PolicyRun) -> Vec<Value> {
    let report = &run.report;
    let mut results = Vec::new();
    let result = |rule: &Rule, level: &str, kind: &str, subject: &Id, path: &str, message: &str| {
        let mut location = json!({"logicalLocations": [{"fullyQualifiedName": format!("{subject} {path}").trim_end(), "kind": "resource"}]});
        if let Some(place) = (run.places)(subject, path) {
            location["physicalLocation"] = json!({
                "artifactLocation": {"uri": place.file},
                "region": {"startLine": place.line.max(1)},
            });
        }
        let about = if path.is_empty() {
            String::new()
        } else {
            format!(" at {path}")
        };
        json!({
            "ruleId": rule.id,
            "ruleIndex": RULES.iter().position(|known| known.id == rule.id),
            "level": level,
            "kind": kind,
            "message": {"text": format!("{} {subject}{about}: {message}. {}", run.name, rule.text.fix)},
            "locations": [location],
            "partialFingerprints": {"phoenix/v1": format!("{}|{}|{subject}|{path}|{message}", run.name, rule.id)},
        })
    };
    for rule in &report.rules {
        for failure in rule.failed.iter().filter(|failure| failure.waived.is_none()) {
            for finding in &failure.findings {
                results.push(result(
                    rule.rule,
                    level(rule.enforcement),
                    "fail",
                    &report.subjects[failure.subject],
                    &finding.path,
                    &finding.message,
                ));
            }
        }
        for (subject, what) in &rule.unknown {
            let message = format!(
                "cannot be evaluated, because a value is unknown: {}",
                what.join("; ")
            );
            results.push(result(
                rule.rule,
                "none",
                "open",
                &report.subjects[*subject],
                "",
                &message,
            ));
        }
    }
    let settings = Id::cluster("phoenix.ai", "Settings", "policies");
    for weakened in run.weakened() {
        let message = format!("the evaluation is weakened: {weakened}");
        results.push(result(
            weakened.rule,
            "none",
            "informational",
            &settings,
            &weakened.key,
            &message,
        ));
    }
    for assumption in run.settings.made_assumptions() {
        let path = format!("assume.{}", assumption.setting.name);
        let message = crate::text::assumption(run, assumption);
        results.push(result(
            &ASSUMPTIONS_ARE_REVIEWED,
            "none",
            "informational",
            &settings,
            &path,
            &message,
        ));
    }
    // A note, not a failure: the waiver still applies.
    results.extend(report.expiring_waivers.iter().map(|ending| {
        result(
            &WAIVERS_ARE_VALID,
            "note",
            "fail",
            &ending.waiver,
            &ending.path,
            &ending.message,
        )
    }));
    results
}

#[cfg(test)]
mod tests {
    use phoenix_graph::{Graph, Object};
    use phoenix_policies::{Settings, evaluate};

    use super::*;
    use phoenix_manifests::Place;

    #[test]
    fn an_expiring_waiver_is_a_note_at_its_line() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
            "spec": {"containers": [{"name": "a", "securityContext": {"privileged": true}}]},
        });
        let mut graph = Graph::of("a");
        graph.add(Object::from_json("a", pod).unwrap());
        let notes = |today: &str| -> Vec<Value> {
            let settings = json!({"waivers": [{
                "rule": "no-privileged-containers", "objects": ["Pod a"], "reason": "why", "owner": "team",
                "approver": "security", "approved": "2026-11-01", "lastDay": "2026-12-22", "ticket": "SEC-1",
                "compensatingMeasure": "a node of its own",
            }]});
            let settings =
                Settings::read(&settings, phoenix_policies::waiver::parse_day(today).unwrap()).unwrap();
            let run = PolicyRun {
                name: "stack".to_owned(),
                objects: 1,
                report: evaluate(&graph, &settings),
                settings,
                not_evaluated: crate::NotEvaluated::default(),
                places: Box::new(|_, path| {
                    (path == "waivers[0].lastDay").then(|| Place {
                        file: "stack.yaml".to_owned(),
                        line: 7,
                    })
                }),
            };
            let results = results(&run).into_iter();
            results.filter(|result| result["level"] == "note").collect()
        };
        assert_eq!(notes("2026-11-21"), Vec::<Value>::new());
        let found = notes("2026-11-22");
        let [note] = found.as_slice() else {
            panic!("one note, and not {found:?}")
        };
        assert_eq!(note["ruleId"], "waivers-are-valid");
        assert!(
            note["message"]["text"]
                .as_str()
                .unwrap()
                .contains("expires on 2026-12-22")
        );
        let place = &note["locations"][0]["physicalLocation"];
        assert_eq!(
            (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
            (&json!("stack.yaml"), &json!(7))
        );
    }
}
