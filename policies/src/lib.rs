//! The auditor does not know who wrote the resources.
//!
//! [`judge`] takes a [`Graph`] and [`Settings`], and gives a [`Report`]: what every rule of [`RULES`] says about every
//! object that it judges. The analyzer that Pulumi's engine starts, `phoenix check`, the tests and the audit all call it.
//!
//! A rule is metadata and a function ([`Rule`]); the controls that it gives evidence for are in [`control`]. A verdict is one
//! of four: pass, fail, not applicable, unknown. A value that nobody knows yet is never a pass ([`field`]).
//!
//! This package promises that the same graph and the same settings give the same report: it asks no clock, file or
//! environment. It never repeats a property's value that may be a secret. It deliberately knows nothing of Phoenix, of
//! Pulumi and of where a graph came from.

mod context;
pub mod control;
pub mod field;
mod image;
mod inventory;
pub mod pod;
pub mod remediation;
pub mod report;
pub mod rule;
pub mod rules;
pub mod schema;
pub mod selector;
pub mod settings;
mod text;
pub mod waiver;

use std::collections::BTreeMap;
use std::num::NonZero;

use phoenix_graph::{Graph, Object};

pub use context::{CheckContext, Subject};
pub use control::Control;
pub use inventory::Inventory;
pub use report::{Ending, Finding, Report, Verdict};
pub use rule::{Enforcement, Level, Rule, Severity};
pub use rules::RULES;
pub use settings::Settings;
pub use text::RuleText;
pub use waiver::{Date, Waiver};

use pod::Pod;
use report::RuleReport;

/// So many objects are worth a thread of their own.
const SHARE: usize = 500;

/// Judges every object of a graph by every rule that is not disabled.
pub fn judge(graph: &Graph, settings: &Settings) -> Report {
    let objects: Vec<&Object> = graph.objects().collect();
    let pods: Vec<Option<Pod<'_>>> = objects.iter().map(|object| Pod::of(object)).collect();
    let world = Inventory::of(&objects, &pods, settings);
    let subjects: Vec<(usize, Subject<'_>)> = objects
        .iter()
        .zip(&pods)
        .map(|(object, pod)| Subject::new(object, pod.as_ref()))
        .enumerate()
        .collect();
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(subjects.len() / SHARE).max(1);
    let mut shares = subjects.chunks(subjects.len().div_ceil(threads).max(1));
    let first = shares.next().unwrap_or_default();
    let world = &world;
    let reports = std::thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|share| scope.spawn(move || judge_share(share, world)))
            .collect();
        let mut reports = judge_share(first, world);
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
    waiver::apply(Report::new(subjects, reports), settings)
}

/// Judges some of the objects, each with its place among all of them.
fn judge_share<'a>(subjects: &[(usize, Subject<'a>)], world: &'a Inventory<'a>) -> Vec<RuleReport> {
    let mut reports: Vec<RuleReport> = RULES
        .iter()
        .map(|rule| RuleReport::new(rule, world.settings.enforcement(rule)))
        .collect();
    // Which rules judge a kind is worked out once for each kind, not once for each object.
    let mut by_kind: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, subject) in subjects {
        let kind = (subject.object.id.group.as_str(), subject.object.id.kind.as_str());
        let rules = by_kind.entry(kind).or_insert_with(|| {
            let judges = |rule: &RuleReport| {
                rule.enforcement != Enforcement::Disabled && rule.rule.judges(kind.0, kind.1)
            };
            (0..reports.len())
                .filter(|rule| judges(&reports[*rule]))
                .collect()
        });
        for rule in rules.iter() {
            let report = &mut reports[*rule];
            let mut context = CheckContext::new(world, report.rule);
            (report.rule.check)(subject, &mut context);
            report.take(*index, context.verdict());
        }
    }
    reports
}
