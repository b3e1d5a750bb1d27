//! A policy run as text.

use std::fmt::Write as _;

use phoenix_policies::Rule;
use phoenix_policies::control::Framework;
use phoenix_style::{self as style, escape_control};

use crate::{PolicyRun, count};

/// The failures to include.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failures {
    /// All, including waived ones.
    All,
    /// Those without a waiver.
    Open,
}

/// The whole report: each failed rule with its findings and fix, then what is unknown, then the counts.
pub fn report(run: &PolicyRun) -> String {
    let report = &run.report;
    let mut text = failures(run, Failures::All);
    for rule in report.rules.iter().filter(|rule| !rule.unknown.is_empty()) {
        let _ = writeln!(
            text,
            "{} {}: {}",
            style::yellow("unknown"),
            style::bold(rule.rule.id),
            rule.rule.text.title
        );
        for (subject, what) in &rule.unknown {
            // Several parts of a rule can depend on the same value.
            let once: std::collections::BTreeSet<_> = what.iter().map(String::as_str).collect();
            let once: Vec<_> = once.into_iter().collect();
            let _ = writeln!(
                text,
                "  {}: unknown: {}",
                escape_control(&report.subjects[*subject].to_string()),
                escape_control(&once.join("; "))
            );
        }
        text.push('\n');
    }
    for waiver in &report.expiring_waivers {
        let _ = writeln!(text, "{} {waiver}", style::yellow("note"));
    }
    let _ = writeln!(text, "{}: {}", run.name, summary(run));
    text.push_str(&not_evaluated(run));
    text
}

/// What was not evaluated, one line each; nothing if there is none.
fn not_evaluated(run: &PolicyRun) -> String {
    let mut text = String::new();
    let left_out = &run.not_evaluated;
    let be = if left_out.skipped_count == 1 {
        "is not a Kubernetes object"
    } else {
        "are not Kubernetes objects"
    };
    for (number, words) in [
        (
            left_out.unreadable_count,
            "could not be read or would be rejected by kubectl",
        ),
        (left_out.skipped_count, be),
    ] {
        if number > 0 {
            let documents = count(number, "document");
            let _ = writeln!(text, "{} {documents} {words}", style::yellow("incomplete:"));
        }
    }
    if !left_out.kinds_without_rules.is_empty() {
        let kinds = left_out.kinds_without_rules.iter();
        let kinds: Vec<_> = kinds
            .map(|(kind, number)| format!("{number} {}", escape_control(kind)))
            .collect();
        let _ = writeln!(text, "no rule for: {}", kinds.join(", "));
    }
    text
}

/// Each failed rule, with its findings and fix.
pub fn failures(run: &PolicyRun, which: Failures) -> String {
    let mut text = String::new();
    let report = &run.report;
    for rule in &report.rules {
        let (waived, failed): (Vec<_>, Vec<_>) =
            rule.failed.iter().partition(|failure| failure.waived.is_some());
        if failed.is_empty() && (waived.is_empty() || which == Failures::Open) {
            continue;
        }
        let waived = if which == Failures::Open {
            Vec::new()
        } else {
            waived
        };
        let word = match (failed.is_empty(), rule.enforcement) {
            (true, _) => style::dim("waived"),
            (false, enforcement) if enforcement.stops() => style::red("FAIL"),
            (false, _) => style::yellow("advisory"),
        };
        let _ = writeln!(
            text,
            "{word} {} ({}): {}",
            style::bold(rule.rule.id),
            rule.rule.severity.word(),
            rule.rule.text.title
        );
        for failure in failed.into_iter().chain(waived) {
            let subject = &report.subjects[failure.subject];
            let note = failure
                .waived
                .and_then(|index| run.settings.waivers.get(index))
                .map(|waiver| {
                    format!(
                        " (waived until {}: {}, {})",
                        waiver.last_day,
                        escape_control(&waiver.reason),
                        escape_control(&waiver.ticket)
                    )
                })
                .unwrap_or_default();
            let _ = writeln!(text, "  {}{note}", escape_control(&subject.to_string()));
            for finding in &failure.findings {
                let place =
                    (run.places)(subject, &finding.path).map_or(String::new(), |place| format!("{place} "));
                let path = if finding.path.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", escape_control(&finding.path))
                };
                let _ = writeln!(
                    text,
                    "    {}{path}{}",
                    style::dim(&place),
                    escape_control(&finding.message)
                );
            }
        }
        let _ = writeln!(text, "  fix: {}", rule.rule.text.fix);
        let _ = writeln!(text, "  controls: {}\n", controls(rule.rule));
    }
    text
}

/// The verdict counts as a sentence.
pub fn summary(run: &PolicyRun) -> String {
    let counts = run.counts();
    let mut text = format!(
        "{} checked by {}: {} failed",
        count(run.objects, "object"),
        count(run.enabled_rules(), "rule"),
        counts.mandatory
    );
    for (number, words) in [
        (counts.advisory, "advisory"),
        (counts.waived, "waived"),
        (counts.unknown, "unknown"),
    ] {
        if number > 0 {
            let _ = write!(text, ", {number} {words}");
        }
    }
    let _ = write!(
        text,
        ", {} passed, {} not applicable",
        counts.passed, counts.not_applicable
    );
    text
}

/// The assumptions about the cluster that were not verified, one per line.
pub fn assumptions(run: &PolicyRun) -> String {
    let mut text = String::from("assumptions, not verified:\n");
    for (setting, value) in run.settings.assumptions() {
        let _ = writeln!(text, "  {} = {value}: {}", setting.name, setting.meaning);
    }
    text
}

/// The controls that a rule provides evidence for, on one line.
pub fn controls(rule: &Rule) -> String {
    let of = |framework: Framework| {
        let ids = rule
            .evidence
            .iter()
            .filter(|control| control.framework() == framework)
            .map(|control| control.id());
        format!("{} {}", framework.name(), ids.collect::<Vec<_>>().join(", "))
    };
    format!("{}; {}", of(Framework::Soc2), of(Framework::Hipaa))
}
