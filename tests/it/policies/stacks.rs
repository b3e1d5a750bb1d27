//! The shipped stacks have no findings, and the number of evaluated objects is recorded.

use std::fmt::Write as _;

use phoenix_cli::commands::check::settings_of;
use phoenix_policies::{Date, Enforcement, Report, evaluate};

use crate::support::stack;

/// The stacks with reviewed reports.
const SHIPPED: [&str; 3] = ["dev", "staging", "prod"];

/// The current day in all tests.
pub fn today() -> Date {
    phoenix_policies::waiver::parse_day("2026-11-22").unwrap()
}

/// The report on a shipped stack with its own settings.
pub fn report(name: &str) -> Report {
    let stack = stack(name);
    evaluate(&stack.graph, &settings_of(&stack, today()).unwrap())
}

/// Everything that is not a pass: rule, subject, path, and the finding or the unknown value.
pub fn open(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in &report.rules {
        for failure in &rule.failed {
            for finding in &failure.findings {
                let subject = &report.subjects[failure.subject];
                lines.push(format!(
                    "{}: {subject} {}: {}",
                    rule.rule.id, finding.path, finding.message
                ));
            }
        }
        for (subject, what) in &rule.unknown {
            let subject = &report.subjects[*subject];
            lines.push(format!(
                "{}: {subject}: unknown: {}",
                rule.rule.id,
                what.join("; ")
            ));
        }
    }
    lines
}

#[test]
fn every_shipped_stack_is_clean_but_for_what_is_written_here() {
    let mut text = String::new();
    for name in SHIPPED {
        let _ = writeln!(text, "{name}:");
        for line in open(&report(name)) {
            let _ = writeln!(text, "  {line}");
        }
    }
    insta::assert_snapshot!(text);
}

/// Rules that apply to no object of the production stack, with the reason.
const JUDGE_NOTHING: &[(&str, &str)] = &[
    (
        "image-registry-allowed",
        "the registries are the operator's to name; images are placeholders",
    ),
    (
        "image-provenance-enforced",
        "what verifies images belongs to the cluster",
    ),
    (
        "secrets-mounted-as-files",
        "off: OpenMemory and Qdrant read their keys from variables",
    ),
    (
        "cloud-identity-well-formed",
        "the roles are the operator's to name; where they are placeholders, no account has one",
    ),
    (
        "rbac-no-cluster-admin",
        "no workload speaks to the API server, so there are no roles",
    ),
    ("rbac-no-wildcards", "no roles"),
    ("rbac-no-secret-read", "no roles"),
    ("rbac-no-escalation-verbs", "no roles"),
    ("rbac-no-pod-exec", "no roles"),
    ("rbac-no-pod-create", "no roles"),
    ("rbac-no-control-plane-verbs", "no roles"),
    ("rbac-no-broad-subjects", "no roles"),
    (
        "api-extension-verifies-server",
        "no webhooks, APIServices or custom resource definitions",
    ),
    (
        "load-balancer-restricted",
        "the gateway's load balancer belongs to the mesh",
    ),
    ("ingress-tls-required", "the way in is a Gateway of Istio"),
    (
        "destination-rule-verifies-server",
        "OpenMemory opens TLS itself; the mesh passes it on",
    ),
    ("no-proxy-extension", "the stacks do not extend the proxies"),
    ("storage-class-encrypted", "storage classes belong to the cluster"),
    ("no-naked-pods", "every pod has a controller"),
    (
        "change-traceable",
        "the annotations are the pipeline's to name, and the program writes none",
    ),
    ("waivers-are-valid", "nothing is waived"),
];

#[test]
fn a_rule_that_applies_to_nothing_in_production_has_a_reason() {
    let idle: Vec<_> = report("prod")
        .rules
        .iter()
        .filter(|rule| rule.population() == 0)
        .map(|rule| rule.rule.id)
        .collect();
    let explained: Vec<_> = JUDGE_NOTHING.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(idle, explained);
}

#[test]
fn the_populations_are_as_reviewed() {
    let reports = SHIPPED.map(report);
    let mut text = String::from("evaluated objects in ");
    let _ = writeln!(text, "{}", SHIPPED.join(", "));
    for (index, rule) in reports[0].rules.iter().enumerate() {
        let counts: Vec<_> = reports
            .iter()
            .map(|report| match report.rules[index].enforcement {
                Enforcement::Disabled => "off".to_owned(),
                _ => report.rules[index].population().to_string(),
            })
            .collect();
        let _ = writeln!(text, "  {:<40} {}", rule.rule.id, counts.join(" "));
    }
    insta::assert_snapshot!(text);
}
