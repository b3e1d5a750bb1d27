//! Policy reports and changes as documents: text, JSON, SARIF.
//!
//! | document | of a policy run | of changes |
//! |---|---|---|
//! | text | [`text`] | [`changes::text`] |
//! | JSON | [`json`] | [`changes::json`] |
//! | SARIF 2.1.0 | [`sarif`] | – |
//! | Markdown | [`comment`], of both | [`comment`] |
//!
//! The package is pure: no file, clock or network. Text contains escape sequences for styles; the caller removes them
//! where they are not wanted.

use std::collections::BTreeMap;
use std::fmt;

use phoenix_graph::Id;
use phoenix_manifests::{Place, Skipped, SyntaxError};
use phoenix_policies::{Enforcement, Report, Rule, Settings};

pub mod capacity;
pub mod changes;
pub mod comment;
pub mod json;
pub mod markdown;
pub mod prices;
pub mod sarif;
pub mod text;

/// Returns the place of a field: object and path to file and line.
pub type Places = Box<dyn Fn(&Id, &str) -> Option<Place>>;

/// One evaluation of the policies, with what its documents need.
pub struct PolicyRun {
    /// The name of the stack, or of the manifests together.
    pub name: String,
    /// The number of objects that were checked.
    pub objects: usize,
    /// The findings.
    pub report: Report,
    /// The settings of the evaluation.
    pub settings: Settings,
    /// The places of findings.
    pub places: Places,
    /// The manifests that were not evaluated. Empty for stacks and clusters.
    pub not_evaluated: NotEvaluated,
}

/// Manifests that were not evaluated, and why.
#[derive(Debug, Default)]
pub struct NotEvaluated {
    /// What could not be read, each with the name of its file: the first errors of each file.
    pub unreadable: Vec<(String, SyntaxError)>,
    /// The number of documents and files that could not be read.
    pub unreadable_count: usize,
    /// What is not a Kubernetes object: the first documents of each file.
    pub skipped: Vec<Skipped>,
    /// The number of documents and list items that are not Kubernetes objects.
    pub skipped_count: usize,
    /// The number of objects of each kind that no enabled rule checks.
    pub kinds_without_rules: BTreeMap<String, usize>,
}

impl NotEvaluated {
    /// Whether every document is a Kubernetes object.
    pub fn is_complete(&self) -> bool {
        self.unreadable_count == 0 && self.skipped_count == 0
    }
}

/// The number of verdicts by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    /// Objects that fail a mandatory rule.
    pub mandatory: usize,
    /// Objects that fail an advisory rule.
    pub advisory: usize,
    /// Failures with a waiver.
    pub waived: usize,
    /// Verdicts that depend on an unknown value.
    pub unknown: usize,
    /// Passes.
    pub passed: usize,
    /// Passes that depend on an assumption.
    pub assumed: usize,
    /// Verdicts of rules that do not apply to an object of their kinds.
    pub not_applicable: usize,
}

impl PolicyRun {
    /// The number of verdicts by kind.
    pub fn counts(&self) -> VerdictCounts {
        let mut counts = VerdictCounts::default();
        for rule in &self.report.rules {
            counts.passed += rule.passed.len();
            counts.assumed += rule.assumed.len();
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

    /// The number of verdicts that depend on an assumption.
    pub(crate) fn passes_by(&self, assumption: &str) -> usize {
        let passes = self.report.rules.iter().flat_map(|rule| &rule.assumed);
        passes
            .filter(|pass| pass.assumptions.contains(&assumption))
            .count()
    }

    /// Everything that weakens the evaluation, and who did it: relaxed rules and options, and the waivers in use.
    pub fn weakened(&self) -> Vec<Weakened> {
        let relaxations = self
            .settings
            .relaxations()
            .into_iter()
            .map(|relaxation| Weakened {
                rule: relaxation.rule,
                key: relaxation.key.clone(),
                by: relaxation.source.clone(),
                change: format!("{} instead of {}", relaxation.value, relaxation.default),
                objects: Vec::new(),
            });
        let waivers = self.report.rules.iter().flat_map(|rule| {
            let mut objects: BTreeMap<usize, Vec<String>> = BTreeMap::new();
            for failure in &rule.failed {
                if let Some(number) = failure.waived {
                    let subject = self.report.subjects[failure.subject].to_string();
                    objects.entry(number).or_default().push(subject);
                }
            }
            objects.into_iter().filter_map(move |(number, objects)| {
                let waiver = self.settings.waivers.get(number)?;
                Some(Weakened {
                    rule: rule.rule,
                    key: format!("waivers[{number}]"),
                    by: waiver.approver.clone(),
                    change: format!("waived until {}, {}", waiver.last_day, waiver.ticket),
                    objects,
                })
            })
        });
        relaxations.chain(waivers).collect()
    }

    /// The number of objects of each kind that no enabled rule checks.
    pub fn kinds_without_rules(&self) -> BTreeMap<String, usize> {
        let mut checked = vec![false; self.report.subjects.len()];
        // A rule for every kind says nothing about what a kind means.
        let of_kinds = self
            .report
            .rules
            .iter()
            .filter(|rule| !rule.rule.is_for_every_kind());
        for rule in of_kinds {
            let failed = rule.failed.iter().map(|failure| failure.subject);
            let not_applicable = rule.not_applicable.iter().map(|(subject, _)| *subject);
            let unknown = rule.unknown.iter().map(|(subject, _)| *subject);
            let assumed = rule.assumed.iter().map(|pass| pass.subject);
            let passed = rule.passed.iter().copied().chain(assumed);
            for subject in passed.chain(failed).chain(not_applicable).chain(unknown) {
                checked[subject] = true;
            }
        }
        let subjects = self.report.subjects.iter().zip(checked);
        let unchecked = subjects.filter(|(_, is_checked)| !is_checked);
        let mut kinds = BTreeMap::new();
        for (id, _) in unchecked {
            let kind = match id.group.as_str() {
                "" => id.kind.clone(),
                group => format!("{}.{group}", id.kind),
            };
            *kinds.entry(kind).or_default() += 1;
        }
        kinds
    }

    /// The number of rules that were evaluated.
    fn enabled_rules(&self) -> usize {
        let rules = self.report.rules.iter();
        rules
            .filter(|rule| rule.enforcement != Enforcement::Disabled)
            .count()
    }
}

/// Something that weakens an evaluation.
#[derive(Clone, Debug)]
pub struct Weakened {
    /// The rule.
    pub rule: &'static Rule,
    /// The key of the settings.
    pub key: String,
    /// Who weakened it: the source of the settings, or the approver of a waiver.
    pub by: String,
    /// What is different.
    pub change: String,
    /// The objects; empty if all are affected.
    pub objects: Vec<String>,
}

impl fmt::Display for Weakened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.key.strip_prefix("rules.") {
            Some(name) => name,
            None => self.rule.id,
        };
        write!(formatter, "{name}: {}, by {}", self.change, self.by)?;
        if !self.objects.is_empty() {
            write!(formatter, ": {}", self.objects.join(", "))?;
        }
        Ok(())
    }
}
/// `1 object`, `3 objects`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}
