//! A report as a text for people, and as JSON for machines.

use std::fmt::Write as _;

use phoenix_policies::control::Framework;
use phoenix_policies::{Control, Enforcement, Finding, Report, Rule};
use serde_json::{Value, json};

use super::Judged;
use phoenix_terminal::output::count;
use phoenix_terminal::style;

/// How many verdicts of each sort there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects that a mandatory rule fails.
    pub mandatory: usize,
    /// Objects that an advisory rule fails.
    pub advisory: usize,
    /// Failures that somebody waived.
    pub waived: usize,
    /// Verdicts that need a value that is not known.
    pub unknown: usize,
    /// Passes.
    pub passed: usize,
    /// Verdicts of rules that have nothing to say of an object of their kinds.
    pub not_applicable: usize,
}

impl Counts {
    /// Counts a report.
    pub fn of(judged: &Judged) -> Self {
        let mut counts = Self::default();
        for rule in &judged.report.rules {
            counts.passed += rule.passed.len();
            counts.unknown += rule.unknown.len();
            counts.not_applicable += rule.not_applicable.len();
            for failure in &rule.failed {
                match (failure.waived, rule.enforcement) {
                    (Some(_), _) => counts.waived += 1,
                    (None, enforcement) if enforcement.stops() => counts.mandatory += 1,
                    (None, _) => counts.advisory += 1,
                }
            }
        }
        counts
    }
}

/// Which failures are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failures {
    /// Those that somebody waived, too.
    All,
    /// Those that nobody waived.
    Open,
}

/// The report as a text: each rule that fails with what fails it and how to repair it, then what is not known, then the
/// sums and what was assumed.
pub fn text(judged: &Judged) -> String {
    let report = &judged.report;
    let mut text = failures(judged, Failures::All);
    for rule in report.rules.iter().filter(|rule| !rule.unknown.is_empty()) {
        let _ = writeln!(
            text,
            "{} {}: {}",
            style::yellow("unknown"),
            style::bold(rule.rule.id),
            rule.rule.text.title
        );
        for (subject, what) in &rule.unknown {
            // Several parts of a rule can miss the same value.
            let once: std::collections::BTreeSet<_> = what.iter().map(String::as_str).collect();
            let once: Vec<_> = once.into_iter().collect();
            let _ = writeln!(
                text,
                "  {}: not known: {}",
                report.subjects[*subject],
                once.join("; ")
            );
        }
        text.push('\n');
    }
    for ending in &report.expiring_waivers {
        let _ = writeln!(text, "{} {ending}", style::yellow("note"));
    }
    let _ = writeln!(text, "{}: {}", judged.name, summary(judged));
    text
}

/// Each rule that fails, with what fails it and how to repair it.
pub fn failures(judged: &Judged, which: Failures) -> String {
    let mut text = String::new();
    let report = &judged.report;
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
            (false, _) => style::yellow("advice"),
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
            let excuse = failure
                .waived
                .and_then(|index| judged.settings.waivers.get(index))
                .map(|waiver| {
                    format!(
                        " (waived until {}: {}, {})",
                        waiver.last_day, waiver.reason, waiver.ticket
                    )
                })
                .unwrap_or_default();
            let _ = writeln!(text, "  {subject}{excuse}");
            for finding in &failure.findings {
                let place = (judged.places)(subject, &finding.path)
                    .map_or(String::new(), |place| format!("{place} "));
                let path = if finding.path.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", finding.path)
                };
                let _ = writeln!(text, "    {}{path}{}", style::dim(&place), finding.message);
            }
        }
        let _ = writeln!(text, "  repair: {}", rule.rule.text.fix);
        let _ = writeln!(text, "  evidence for: {}\n", evidence(rule.rule));
    }
    text
}

/// The sums in a sentence.
pub fn summary(judged: &Judged) -> String {
    let counts = Counts::of(judged);
    let rules = judged
        .report
        .rules
        .iter()
        .filter(|rule| rule.enforcement != Enforcement::Disabled)
        .count();
    let mut text = format!(
        "{} by {}: {} failed",
        count(judged.objects, "object"),
        count(rules, "rule"),
        counts.mandatory
    );
    for (number, words) in [
        (counts.advisory, "failed as advice"),
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

/// What was assumed of the world outside, a line for each assumption.
pub fn assumptions(judged: &Judged) -> String {
    let mut text = String::from("assumed, and not looked at:\n");
    for (setting, value) in judged.settings.assumptions() {
        let _ = writeln!(text, "  {} = {value}: {}", setting.name, setting.meaning);
    }
    text
}

/// The controls of a rule, in a line.
pub fn evidence(rule: &Rule) -> String {
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

/// The report as JSON, with every verdict.
pub fn json(judged: &Judged) -> Value {
    let report = &judged.report;
    let subject = |index: usize| report.subjects[index].to_string();
    let finding = |index: usize, finding: &Finding| {
        let place = (judged.places)(&report.subjects[index], &finding.path);
        json!({
            "path": finding.path,
            "message": finding.message,
            "file": place.as_ref().map(|place| place.file.clone()),
            "line": place.map(|place| place.line),
        })
    };
    let rules = report.rules.iter().map(|rule| {
        json!({
            "id": rule.rule.id,
            "title": rule.rule.text.title,
            "severity": rule.rule.severity.word(),
            "enforcement": rule.enforcement.word(),
            "evidence": rule.rule.evidence.iter().copied().map(control_as_json).collect::<Vec<_>>(),
            "population": rule.population(),
            "passed": rule.passed.iter().map(|index| subject(*index)).collect::<Vec<_>>(),
            "failed": rule.failed.iter().map(|failure| json!({
                "object": subject(failure.subject),
                "waivedBy": failure.waived.and_then(|index| Some(judged.settings.waivers.get(index)?.ticket.clone())),
                "findings": failure.findings.iter().map(|one| finding(failure.subject, one)).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "unknown": rule.unknown.iter().map(|(index, what)| json!({"object": subject(*index), "notKnown": what})).collect::<Vec<_>>(),
            "notApplicable": rule.not_applicable.iter().map(|(index, why)| json!({"object": subject(*index), "because": why})).collect::<Vec<_>>(),
        })
    });
    let assumptions: serde_json::Map<_, _> = judged
        .settings
        .assumptions()
        .into_iter()
        .map(|(setting, value)| (setting.name.to_owned(), value))
        .collect();
    json!({
        "name": judged.name,
        "day": judged.settings.today.to_string(),
        "objects": judged.objects,
        "blocks": report.blocks(),
        "rules": rules.collect::<Vec<_>>(),
        "assumed": assumptions,
        "endingWaivers": ending(report),
    })
}

/// What was found, without the passes: for those who read a change and not an audit.
pub fn brief(judged: &Judged) -> Value {
    let (report, counts) = (&judged.report, Counts::of(judged));
    let findings = report.failures().flat_map(|(rule, failure)| {
        let subject = &report.subjects[failure.subject];
        failure.findings.iter().map(move |finding| {
            let place = (judged.places)(subject, &finding.path);
            json!({
                "rule": rule.rule.id,
                "severity": rule.rule.severity.word(),
                "enforcement": rule.enforcement.word(),
                "object": subject.to_string(),
                "path": finding.path,
                "message": finding.message,
                "repair": rule.rule.text.fix,
                "evidence": rule.rule.evidence.iter().map(|control| control.citation()).collect::<Vec<_>>(),
                "file": place.as_ref().map(|place| place.file.clone()),
                "line": place.map(|place| place.line),
            })
        })
    });
    json!({
        "blocks": report.blocks(),
        "counts": {
            "mandatory": counts.mandatory,
            "advisory": counts.advisory,
            "waived": counts.waived,
            "unknown": counts.unknown,
            "passed": counts.passed,
            "notApplicable": counts.not_applicable,
        },
        "findings": findings.collect::<Vec<_>>(),
        "endingWaivers": ending(report),
    })
}

/// The waivers that end soon, as sentences.
fn ending(report: &Report) -> Vec<String> {
    report.expiring_waivers.iter().map(ToString::to_string).collect()
}

/// A control as JSON.
pub fn control_as_json(control: Control) -> Value {
    json!({
        "framework": control.framework().name(),
        "id": control.id(),
        "topic": control.title(),
        "need": control.need().word(),
    })
}
