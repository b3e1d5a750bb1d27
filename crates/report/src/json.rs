//! A policy run as JSON.

use phoenix_policies::{Control, Finding, Report};
use serde_json::{Value, json};

use crate::PolicyRun;

/// The whole report, with every verdict.
pub fn report(run: &PolicyRun) -> Value {
    let report = &run.report;
    let subject = |index: usize| report.subjects[index].to_string();
    let finding = |index: usize, finding: &Finding| {
        let place = (run.places)(&report.subjects[index], &finding.path);
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
            "evidence": rule.rule.evidence.iter().copied().map(control).collect::<Vec<_>>(),
            "population": rule.population(),
            "passed": rule.passed.iter().map(|index| subject(*index)).collect::<Vec<_>>(),
            "passedByAssumption": rule.assumed.iter().map(|pass| json!({"object": subject(pass.subject), "assumptions": pass.assumptions})).collect::<Vec<_>>(),
            "failed": rule.failed.iter().map(|failure| json!({
                "object": subject(failure.subject),
                "waivedBy": failure.waived.and_then(|index| Some(run.settings.waivers.get(index)?.ticket.clone())),
                "findings": failure.findings.iter().map(|one| finding(failure.subject, one)).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "unknown": rule.unknown.iter().map(|(index, what)| json!({"object": subject(*index), "unknownValues": what})).collect::<Vec<_>>(),
            "notApplicable": rule.not_applicable.iter().map(|(index, why)| json!({"object": subject(*index), "because": why})).collect::<Vec<_>>(),
        })
    });
    let assumptions: serde_json::Map<_, _> = run
        .settings
        .assumptions()
        .into_iter()
        .map(|(setting, value)| (setting.name.to_owned(), value))
        .collect();
    json!({
        "name": run.name,
        "day": run.settings.today.to_string(),
        "objects": run.objects,
        "blocks": report.blocks(),
        "rules": rules.collect::<Vec<_>>(),
        "assumed": assumptions,
        "assumptions": made(run),
        "weakened": weakened(run),
        "expiringWaivers": ending(report),
        "notEvaluated": {
            "unreadable": run.not_evaluated.unreadable_count,
            "notObjects": run.not_evaluated.skipped_count,
            "documents": left_out(run),
            "kindsWithoutRules": run.not_evaluated.kinds_without_rules,
        },
    })
}

/// The documents that could not be evaluated, at most some of each file.
fn left_out(run: &PolicyRun) -> Vec<Value> {
    let unreadable = run.not_evaluated.unreadable.iter().map(|(file, error)| {
        json!({"file": file, "line": error.line, "column": error.column, "reason": error.message})
    });
    let skipped = run.not_evaluated.skipped.iter().map(
        |skipped| json!({"file": skipped.place.file, "line": skipped.place.line, "reason": skipped.reason}),
    );
    unreadable.chain(skipped).collect()
}

/// The findings and counts, without passed objects: for reviewing a change.
pub fn brief(run: &PolicyRun) -> Value {
    let (report, counts) = (&run.report, run.counts());
    let findings = report.failures().flat_map(|(rule, failure)| {
        let subject = &report.subjects[failure.subject];
        failure.findings.iter().map(move |finding| {
            let place = (run.places)(subject, &finding.path);
            json!({
                "rule": rule.rule.id,
                "severity": rule.rule.severity.word(),
                "enforcement": rule.enforcement.word(),
                "object": subject.to_string(),
                "path": finding.path,
                "message": finding.message,
                "fix": rule.rule.text.fix,
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
            "passedByAssumption": counts.assumed,
            "notApplicable": counts.not_applicable,
        },
        "findings": findings.collect::<Vec<_>>(),
        "assumptions": made(run),
        "weakened": weakened(run),
        "expiringWaivers": ending(report),
    })
}

/// The assumptions that the settings make, with their review and the number of verdicts that depend on each.
fn made(run: &PolicyRun) -> Vec<Value> {
    let assumptions = run.settings.made_assumptions();
    assumptions
        .map(|assumption| {
            let review = assumption.review.as_ref();
            json!({
                "name": assumption.setting.name,
                "value": assumption.value,
                "applies": assumption.takes_effect_on(run.settings.today),
                "owner": review.map(|review| &review.owner),
                "evidence": review.map(|review| &review.evidence),
                "reviewBy": review.map(|review| review.review_by.to_string()),
                "source": assumption.source,
                "passes": run.passes_by(assumption.setting.name),
            })
        })
        .collect()
}

/// What weakens the evaluation, with the source of each entry.
fn weakened(run: &PolicyRun) -> Vec<Value> {
    let weakened = run.weakened().into_iter();
    weakened
        .map(|weakened| {
            json!({
                "rule": weakened.rule.id,
                "key": weakened.key,
                "change": weakened.change,
                "by": weakened.by,
                "objects": weakened.objects,
            })
        })
        .collect()
}

/// The waivers that expire soon, as sentences.
fn ending(report: &Report) -> Vec<String> {
    report.expiring_waivers.iter().map(ToString::to_string).collect()
}

/// A control.
pub fn control(control: Control) -> Value {
    json!({
        "framework": control.framework().name(),
        "id": control.id(),
        "title": control.title(),
        "requirement": control.need().word(),
    })
}
