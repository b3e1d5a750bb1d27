//! A policy run as text.

use std::fmt::Write as _;

use std::collections::BTreeMap;

use phoenix_policies::Rule;
use phoenix_policies::control::Framework;
use phoenix_policies::settings::Assumption;
use phoenix_style::{self as style, escape_line};

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
                escape_line(&report.subjects[*subject].to_string()),
                escape_line(&once.join("; "))
            );
        }
        text.push('\n');
    }
    text.push_str(&weakened(run));
    for waiver in &report.expiring_waivers {
        let _ = writeln!(
            text,
            "{} {}",
            style::yellow("note"),
            escape_line(&waiver.to_string())
        );
    }
    let _ = writeln!(text, "{}: {}", escape_line(&run.name), summary(run));
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
            .map(|(kind, number)| format!("{number} {}", escape_line(kind)))
            .collect();
        let _ = writeln!(text, "no rule for: {}", kinds.join(", "));
    }
    text
}

/// What weakens the evaluation, with its source, and the assumptions that the settings make, one per line. Reports always
/// contain it.
pub fn weakened(run: &PolicyRun) -> String {
    let mut text = String::new();
    // Rules with the same change by the same source are one line.
    let mut relaxed: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    let weakened = run.weakened();
    for weakened in &weakened {
        if let Some(name) = weakened.key.strip_prefix("rules.") {
            let group = (weakened.change.clone(), weakened.by.clone());
            relaxed.entry(group).or_default().push(name);
        } else {
            let line = escape_line(&weakened.to_string()).into_owned();
            let _ = writeln!(text, "{} {line}", style::yellow("weakened"));
        }
    }
    for ((change, by), names) in relaxed {
        let _ = writeln!(
            text,
            "{} {}, by {}: {}",
            style::yellow("weakened"),
            escape_line(&change),
            escape_line(&by),
            names.join(", ")
        );
    }
    for made in run.settings.made_assumptions() {
        let line = assumption(run, made);
        let _ = writeln!(text, "{} {}", style::yellow("assumed"), escape_line(&line));
    }
    text
}

/// An assumption with its review, and the number of verdicts that depend on it.
pub(crate) fn assumption(run: &PolicyRun, made: &Assumption) -> String {
    let passes = match (
        made.takes_effect_on(run.settings.today),
        run.passes_by(made.setting.name),
    ) {
        (false, _) => "has no effect".to_owned(),
        (true, 0) => "no verdict depends on it".to_owned(),
        (true, 1) => "1 pass depends on it".to_owned(),
        (true, passes) => format!("{passes} passes depend on it"),
    };
    let review = made.review.as_ref().map_or(String::new(), |review| {
        format!(
            ", owner {}, evidence: {}, review by {}",
            review.owner, review.evidence, review.review_by
        )
    });
    format!(
        "{} = {}: {passes} (by {}{review})",
        made.setting.name, made.value, made.source
    )
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
                        escape_line(&waiver.reason),
                        escape_line(&waiver.ticket)
                    )
                })
                .unwrap_or_default();
            let _ = writeln!(text, "  {}{note}", escape_line(&subject.to_string()));
            for finding in &failure.findings {
                let place = (run.places)(subject, &finding.path).map_or(String::new(), |place| {
                    format!("{} ", escape_line(&place.to_string()))
                });
                let path = if finding.path.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", escape_line(&finding.path))
                };
                let _ = writeln!(
                    text,
                    "    {}{path}{}",
                    style::dim(&place),
                    escape_line(&finding.message)
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
    let _ = write!(text, ", {} passed", counts.passed);
    if counts.assumed > 0 {
        let _ = write!(text, ", {} passed by assumption", counts.assumed);
    }
    let _ = write!(text, ", {} not applicable", counts.not_applicable);
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
