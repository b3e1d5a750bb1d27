//! Reports as SARIF 2.1.0, as code scanning services take it.
//!
//! Failures become results with file and line; what was waived is left out, because readers of SARIF show suppressed
//! results as open; what is not known becomes an open question. A stack's findings stand in its stack file.

use phoenix_policies::{Enforcement, RULES, Rule, Severity};
use serde_json::{Value, json};

use super::Judged;
use super::told::evidence;

/// One run with all reports in it.
pub fn document(all: &[Judged]) -> Value {
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
            "results": results,
        }],
    })
}

fn descriptor(rule: &Rule) -> Value {
    let score = match rule.severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
    };
    // Services take at most twenty tags, and a thousand letters of each text.
    let tags: Vec<_> = rule
        .evidence
        .iter()
        .map(|control| control.citation())
        .take(19)
        .chain(["security".to_owned()])
        .collect();
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.meaning.chars().take(1000).collect::<String>()},
        "help": {"text": format!("{} {} Evidence for: {}.", rule.why, rule.remedy, evidence(rule))},
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

fn results(judged: &Judged) -> Vec<Value> {
    let report = &judged.report;
    let mut results = Vec::new();
    let result = |rule: &Rule, level: &str, kind: &str, subject: usize, path: &str, message: &str| {
        let subject = &report.subjects[subject];
        let mut location = json!({"logicalLocations": [{"fullyQualifiedName": format!("{subject} {path}").trim_end(), "kind": "resource"}]});
        if let Some(place) = (judged.places)(subject, path) {
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
            "message": {"text": format!("{} {subject}{about}: {message}. {}", judged.name, rule.remedy)},
            "locations": [location],
            "partialFingerprints": {"phoenix/v1": format!("{}|{}|{subject}|{path}|{message}", judged.name, rule.id)},
        })
    };
    for rule in &report.rules {
        for failure in rule.failed.iter().filter(|failure| failure.waived.is_none()) {
            for finding in &failure.findings {
                results.push(result(
                    rule.rule,
                    level(rule.enforcement),
                    "fail",
                    failure.subject,
                    &finding.path,
                    &finding.message,
                ));
            }
        }
        for (subject, what) in &rule.unknown {
            let message = format!(
                "it cannot be said, because this is not known: {}",
                what.join("; ")
            );
            results.push(result(rule.rule, "none", "open", *subject, "", &message));
        }
    }
    results
}
