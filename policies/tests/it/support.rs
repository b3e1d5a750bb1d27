//! Graphs from YAML, and settings that enable every rule.

use phoenix_graph::{Graph, Object};
use phoenix_policies::{Date, Enforcement, Finding, Report, Rule, Settings, Verdict, evaluate};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

/// The current day in all tests.
pub fn today() -> Date {
    phoenix_policies::waiver::parse_day("2026-11-22").unwrap()
}

/// Settings that enable every rule and set the options that rules need.
pub fn settings() -> Settings {
    let value = json!({"rules": {
        "image-registry-allowed": {"registries": ["registry.example"]},
        "change-traceable": {"annotations": ["example.org/commit"]},
    }});
    let mut settings = Settings::read(&value, today()).unwrap();
    for rule in phoenix_policies::RULES {
        settings.enforce(rule, Enforcement::Mandatory);
    }
    settings
}

/// The documents of a YAML text.
pub fn documents(text: &str) -> Vec<Value> {
    Yaml::load_from_str(text).unwrap().iter().map(json_of).collect()
}

/// A graph of these objects.
pub fn graph(documents: &[Value]) -> Graph {
    let mut graph = Graph::of("tests");
    for document in documents {
        graph.add(Object::from_json("tests", document.clone()).unwrap());
    }
    graph
}

/// The verdicts of one rule on all objects that it checks.
pub fn verdicts(rule: &Rule, documents: &[Value]) -> Vec<(String, Verdict)> {
    of_rule(rule, &evaluate(&graph(documents), &settings()))
}

/// The verdicts of one rule in a report.
pub fn of_rule(rule: &Rule, report: &Report) -> Vec<(String, Verdict)> {
    let own = report.of(rule).unwrap();
    let verdict =
        |(index, subject): (usize, &phoenix_graph::Id)| Some((subject.to_string(), own.verdict(index)?));
    report.subjects.iter().enumerate().filter_map(verdict).collect()
}

/// The findings of all failures.
pub fn findings(verdicts: &[(String, Verdict)]) -> Vec<(String, Finding)> {
    verdicts
        .iter()
        .flat_map(|(subject, verdict)| match verdict {
            Verdict::Fail(findings) => findings
                .iter()
                .map(|finding| (subject.clone(), finding.clone()))
                .collect(),
            _ => Vec::new(),
        })
        .collect()
}

fn json_of(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json_of).collect()),
        Yaml::Mapping(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.as_str().unwrap().to_owned(), json_of(value)))
                .collect(),
        ),
        _ => Value::Null,
    }
}
