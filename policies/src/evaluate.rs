//! Evaluates every rule against every object, and applies the waivers.

use std::collections::BTreeMap;
use std::num::NonZero;

use phoenix_graph::{Graph, Object};

use crate::context::{CheckContext, Finding, Subject, Verdict};
use crate::enforcement::Enforcement;
use crate::inventory::Inventory;
use crate::pod::Pod;
use crate::report::{ExpiringWaiver, Report, RuleReport};
use crate::rule::Check;
use crate::rules::waivers::{EXPIRY_NOTICE, WAIVERS_ARE_VALID};
use crate::rules::{self, RULES};
use crate::settings::Settings;
use crate::waiver::{WaiverUse, days_between};

/// The number of objects from which another thread is worthwhile.
const OBJECTS_PER_THREAD: usize = 500;

/// Evaluates every enabled rule against every object of a graph, on one thread.
pub fn evaluate(graph: &Graph, settings: &Settings) -> Report {
    evaluate_on(NonZero::<usize>::MIN, graph, settings)
}

/// Evaluates every enabled rule against every object of a graph, on at most this many threads. The number of threads does
/// not change the report.
pub fn evaluate_on(max_threads: NonZero<usize>, graph: &Graph, settings: &Settings) -> Report {
    let objects: Vec<&Object> = graph.objects().collect();
    let pods: Vec<Vec<Pod<'_>>> = objects.iter().map(|object| Pod::all_of(object)).collect();
    let inventory = Inventory::of(&objects, &pods, settings);
    let subjects: Vec<(&Object, &[Pod<'_>])> = objects
        .iter()
        .copied()
        .zip(pods.iter().map(Vec::as_slice))
        .collect();
    let subjects: Vec<_> = subjects.into_iter().enumerate().collect();
    let threads = max_threads.get().min(subjects.len() / OBJECTS_PER_THREAD).max(1);
    let mut chunks = subjects.chunks(subjects.len().div_ceil(threads).max(1));
    let first = chunks.next().unwrap_or_default();
    let inventory = &inventory;
    let reports = std::thread::scope(|scope| {
        let others: Vec<_> = chunks
            .map(|chunk| scope.spawn(move || evaluate_chunk(chunk, inventory)))
            .collect();
        let mut reports = evaluate_chunk(first, inventory);
        for thread in others {
            let more = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            for (report, more) in reports.iter_mut().zip(more) {
                report.append(more);
            }
        }
        reports
    });
    let subjects = objects.iter().map(|object| object.id.clone()).collect();
    let mut report = Report::new(subjects, reports);
    apply_waivers(&mut report, settings);
    report
}

/// Evaluates some of the objects, each with its index among all of them.
fn evaluate_chunk<'a>(
    subjects: &[(usize, (&'a Object, &'a [Pod<'a>]))],
    inventory: &'a Inventory<'a>,
) -> Vec<RuleReport> {
    let mut reports: Vec<RuleReport> = RULES
        .iter()
        .map(|rule| RuleReport::new(rule, inventory.settings.enforcement(rule)))
        .collect();
    // The rules of a kind are determined once for each kind, not once for each object.
    let mut by_kind: BTreeMap<(&str, &str, bool), Vec<usize>> = BTreeMap::new();
    for (index, (object, pods)) in subjects {
        let kind = (
            object.id.group.as_str(),
            object.id.kind.as_str(),
            !pods.is_empty(),
        );
        let applicable = by_kind.entry(kind).or_insert_with(|| {
            let is_applicable = |report: &RuleReport| {
                let rule = report.rule;
                let applies =
                    rule.applies_to(kind.0, kind.1) || (kind.2 && rule.applies_to_pods_of(kind.0, kind.1));
                report.enforcement != Enforcement::Disabled && applies
            };
            (0..reports.len())
                .filter(|rule| is_applicable(&reports[*rule]))
                .collect()
        });
        for rule in applicable.iter() {
            let report = &mut reports[*rule];
            let (Check::Resource(check) | Check::Stack(check)) = report.rule.check else {
                continue;
            };
            let mut context = CheckContext::new(inventory, report.rule.id);
            let mut check = |pod| check(&Subject::new(object, pod), &mut context);
            if pods.is_empty() {
                check(None);
            }
            for pod in *pods {
                check(Some(pod));
            }
            if pods.iter().any(|pod| pod.is_partial) {
                context.keep_written(object.body());
            }
            report.add(*index, context.verdict());
        }
    }
    reports
}

/// Marks the failures that a valid waiver covers, and evaluates the rule about waivers.
fn apply_waivers(report: &mut Report, settings: &Settings) {
    let rule = &WAIVERS_ARE_VALID;
    let is_enabled = settings.enforcement(rule) != Enforcement::Disabled;
    let notice_days = settings.number(rule.id, &EXPIRY_NOTICE);
    for (number, waiver) in settings.waivers.iter().enumerate() {
        let is_valid = waiver.is_valid_on(settings.today);
        let mut unused = Vec::new();
        for object in &waiver.objects {
            if is_valid && !object.contains('*') && !report.waive(&waiver.rule, object, number) {
                unused.push(object.clone());
            }
        }
        let Check::Waivers(check) = rule.check else { return };
        if !is_enabled {
            continue;
        }
        let findings = check(&WaiverUse {
            waiver,
            evidence: rules::find(&waiver.rule).map_or(&[], |rule| rule.evidence),
            unused: &unused,
            today: settings.today,
        });
        let verdict = if findings.is_empty() {
            Verdict::Pass
        } else {
            let findings = findings.into_iter().map(|finding| Finding {
                path: format!("waivers[{number}].{}", finding.path),
                ..finding
            });
            Verdict::Fail(findings.collect())
        };
        report.add(waiver.id(), rule, verdict);
        if is_valid && i64::from(days_between(settings.today, waiver.last_day)) <= notice_days {
            report.expiring_waivers.push(ExpiringWaiver {
                waiver: waiver.id(),
                path: format!("waivers[{number}].lastDay"),
                message: format!(
                    "waiver {} for {} expires on {}: owner {} must fix the failure by then or request an extension from {}",
                    waiver.ticket, waiver.rule, waiver.last_day, waiver.owner, waiver.approver
                ),
            });
        }
    }
}
