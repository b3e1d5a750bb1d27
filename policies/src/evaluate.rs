//! Evaluates every rule against every object, finds the passes that depend on assumptions, and applies the waivers.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;

use phoenix_graph::{Graph, Id, Object};

use crate::context::{CheckContext, Subject, Verdict};
use crate::enforcement::Enforcement;
use crate::finding::Finding;
use crate::inventory::Inventory;
use crate::pod::Pod;
use crate::report::{ExpiringWaiver, Report, RuleReport};
use crate::review::days_between;
use crate::rule::{Check, Rule};
use crate::rules::evaluation::{ASSUMPTIONS_ARE_REVIEWED, EVALUATION_NOT_WEAKENED};
use crate::rules::waivers::{EXPIRY_NOTICE, WAIVERS_ARE_VALID};
use crate::rules::{self, RULES};
use crate::settings::{ASSUME, Settings};
use crate::waiver::WaiverUse;

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
    let input = Input {
        objects: &objects,
        pods: &pods,
        max_threads,
    };
    let subjects = objects.iter().map(|object| object.id.clone()).collect();
    let mut report = Report::new(subjects, input.evaluate(settings, |_| true));
    mark_assumed(&mut report, &input, settings);
    check_settings(&mut report, settings);
    apply_waivers(&mut report, settings);
    report
}

/// The objects under evaluation.
struct Input<'a> {
    objects: &'a [&'a Object],
    pods: &'a [Vec<Pod<'a>>],
    max_threads: NonZero<usize>,
}

impl Input<'_> {
    /// Evaluates these rules; the reports of the others are empty.
    fn evaluate(&self, settings: &Settings, is_asked: impl Fn(&Rule) -> bool) -> Vec<RuleReport> {
        let inventory = Inventory::of(self.objects, self.pods, settings);
        let enforcements: Vec<Enforcement> = RULES
            .iter()
            .map(|rule| {
                if is_asked(rule) {
                    settings.enforcement(rule)
                } else {
                    Enforcement::Disabled
                }
            })
            .collect();
        let subjects: Vec<(usize, (&Object, &[Pod<'_>]))> = self
            .objects
            .iter()
            .copied()
            .zip(self.pods.iter().map(Vec::as_slice))
            .enumerate()
            .collect();
        let threads = self
            .max_threads
            .get()
            .min(subjects.len() / OBJECTS_PER_THREAD)
            .max(1);
        let mut chunks = subjects.chunks(subjects.len().div_ceil(threads).max(1));
        let first = chunks.next().unwrap_or_default();
        let (inventory, enforcements) = (&inventory, enforcements.as_slice());
        std::thread::scope(|scope| {
            let others: Vec<_> = chunks
                .map(|chunk| scope.spawn(move || evaluate_chunk(chunk, inventory, enforcements)))
                .collect();
            let mut reports = evaluate_chunk(first, inventory, enforcements);
            for thread in others {
                let more = thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                for (report, more) in reports.iter_mut().zip(more) {
                    report.append(more);
                }
            }
            reports
        })
    }
}

/// Evaluates some of the objects, each with its index among all of them.
fn evaluate_chunk<'a>(
    subjects: &[(usize, (&'a Object, &'a [Pod<'a>]))],
    inventory: &'a Inventory<'a>,
    enforcements: &[Enforcement],
) -> Vec<RuleReport> {
    let mut reports: Vec<RuleReport> = RULES
        .iter()
        .zip(enforcements)
        .map(|(rule, enforcement)| RuleReport::new(rule, *enforcement))
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
            let mut context = CheckContext::new(inventory, report.rule.id, report.rule.assumptions);
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

/// Marks the verdicts that depend on the assumptions of the settings: without them, the subject would fail, or its verdict
/// would be unknown.
fn mark_assumed(report: &mut Report, input: &Input<'_>, settings: &Settings) {
    let made: Vec<&'static str> = settings
        .made_assumptions()
        .map(|assumption| assumption.setting)
        .filter(|setting| settings.value(ASSUME, setting) != setting.default.value())
        .map(|setting| setting.name)
        .collect();
    if made.is_empty() {
        return;
    }
    let without_all = input.evaluate(&settings.without_assumptions(&made), |rule| {
        made.iter().any(|name| rule.reads(name))
    });
    let mut dependent: BTreeMap<(usize, usize), Vec<&'static str>> = BTreeMap::new();
    for (index, rule) in report.rules.iter().enumerate() {
        let open = open_subjects(&without_all[index]);
        let exempt = rule.not_applicable.iter().map(|(subject, _)| subject);
        for subject in rule.passed.iter().chain(exempt) {
            if open.contains(subject) {
                dependent.insert((index, *subject), Vec::new());
            }
        }
    }
    if dependent.is_empty() {
        return;
    }
    let rules: BTreeSet<&str> = dependent
        .keys()
        .map(|(rule, _)| report.rules[*rule].rule.id)
        .collect();
    for name in &made {
        let without_one = input.evaluate(&settings.without_assumptions(&[*name]), |rule| {
            rules.contains(rule.id) && rule.reads(name)
        });
        let open: Vec<_> = without_one.iter().map(open_subjects).collect();
        for ((rule, subject), names) in &mut dependent {
            if open[*rule].contains(subject) {
                names.push(*name);
            }
        }
    }
    for ((rule, subject), names) in dependent {
        // If no assumption is necessary by itself, several of them are sufficient.
        let names = if names.is_empty() { made.clone() } else { names };
        report.mark_assumed(rule, subject, names);
    }
}

/// The subjects that fail a rule, or whose verdict is unknown.
fn open_subjects(report: &RuleReport) -> BTreeSet<usize> {
    let failed = report.failed.iter().map(|failure| failure.subject);
    failed
        .chain(report.unknown.iter().map(|(subject, _)| *subject))
        .collect()
}

/// Evaluates the rules about the settings of a stack and about assumptions.
fn check_settings(report: &mut Report, settings: &Settings) {
    let is_enabled = |rule: &Rule| settings.enforcement(rule) != Enforcement::Disabled;
    if let Some(stack) = &settings.stack
        && is_enabled(&EVALUATION_NOT_WEAKENED)
    {
        let id = Id::cluster("phoenix.ai", "Stack", stack);
        report.add(id, &EVALUATION_NOT_WEAKENED, verdict(settings.objections.clone()));
    }
    if !is_enabled(&ASSUMPTIONS_ARE_REVIEWED) {
        return;
    }
    for assumption in settings.made_assumptions().filter(|made| made.review.is_some()) {
        let name = assumption.setting.name;
        let faults = assumption.faults(settings.today).into_iter();
        let faults = faults.map(|fault| Finding {
            path: format!("{ASSUME}.{name}.{}", fault.path),
            ..fault
        });
        let id = Id::cluster("phoenix.ai", "Assumption", name);
        report.add(id, &ASSUMPTIONS_ARE_REVIEWED, verdict(faults.collect()));
    }
}

fn verdict(findings: Vec<Finding>) -> Verdict {
    if findings.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Fail(findings)
    }
}

/// Marks the failures that a valid waiver covers, and evaluates the rule about waivers.
fn apply_waivers(report: &mut Report, settings: &Settings) {
    let rule = &WAIVERS_ARE_VALID;
    let is_enabled = settings.enforcement(rule) != Enforcement::Disabled;
    let notice_days = settings.number(rule.id, &EXPIRY_NOTICE);
    for (number, waiver) in settings.waivers.iter().enumerate() {
        let is_valid = waiver.is_valid_on(settings.today);
        let takes_effect = waiver.takes_effect_on(settings.today);
        let mut unused = Vec::new();
        for object in &waiver.objects {
            if takes_effect && !object.contains('*') && !report.waive(&waiver.rule, object, number) {
                unused.push(object.clone());
            }
        }
        let Check::Waivers(check) = rule.check else {
            continue;
        };
        if !is_enabled {
            continue;
        }
        let findings = check(&WaiverUse {
            waiver,
            evidence: rules::find(&waiver.rule).map_or(&[], |rule| rule.evidence),
            unused: &unused,
            today: settings.today,
        });
        let findings = findings.into_iter().map(|finding| Finding {
            path: format!("waivers[{number}].{}", finding.path),
            ..finding
        });
        let verdict = verdict(findings.collect());
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
