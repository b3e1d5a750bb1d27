//! The result of an evaluation: for every rule its verdict on every object that it checks, and the waived failures.

use phoenix_graph::Id;

use crate::context::Verdict;
use crate::enforcement::Enforcement;
use crate::finding::Finding;
use crate::rule::Rule;

/// The result of an evaluation.
#[derive(Clone, Debug)]
pub struct Report {
    /// The objects under review, and the parts of the settings that rules check; a verdict refers to its subject by its index here.
    pub subjects: Vec<Id>,
    /// The result of each rule, in the order of the catalog.
    pub rules: Vec<RuleReport>,
    /// The waivers that expire soon.
    pub expiring_waivers: Vec<ExpiringWaiver>,
}

/// A waiver that expires soon. It is reported, although it is not a failure yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiringWaiver {
    /// The waiver, which is also one of the subjects.
    pub waiver: Id,
    /// The path of its last day in the settings, such as `waivers[0].lastDay`.
    pub path: String,
    /// When it expires, and what its owner has to do.
    pub message: String,
}

impl std::fmt::Display for ExpiringWaiver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// The result of one rule.
#[derive(Clone, Debug)]
pub struct RuleReport {
    /// The rule.
    pub rule: &'static Rule,
    /// How the rule is enforced.
    pub enforcement: Enforcement,
    /// The subjects that pass.
    pub passed: Vec<usize>,
    /// The subjects that pass, or that the rule does not apply to, only because of assumptions.
    pub assumed: Vec<AssumedPass>,
    /// The subjects that fail.
    pub failed: Vec<Failure>,
    /// The subjects that the rule does not apply to although it checks their kind, and why.
    pub not_applicable: Vec<(usize, &'static str)>,
    /// The subjects with an unknown verdict, and the values that are not known.
    pub unknown: Vec<(usize, Vec<String>)>,
}

/// A subject that would fail a rule, or have an unknown verdict, without assumptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedPass {
    /// The index of the subject.
    pub subject: usize,
    /// The names of the assumptions.
    pub assumptions: Vec<&'static str>,
}

/// A subject that fails a rule.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The index of the subject.
    pub subject: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The index of the waiver in the settings.
    pub waived: Option<usize>,
}

impl RuleReport {
    pub(crate) fn new(rule: &'static Rule, enforcement: Enforcement) -> Self {
        Self {
            rule,
            enforcement,
            passed: Vec::new(),
            assumed: Vec::new(),
            failed: Vec::new(),
            not_applicable: Vec::new(),
            unknown: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, subject: usize, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.passed.push(subject),
            Verdict::AssumedPass(assumptions) => self.assumed.push(AssumedPass { subject, assumptions }),
            Verdict::Fail(findings) => self.failed.push(Failure {
                subject,
                findings,
                waived: None,
            }),
            Verdict::NotApplicable(why) => self.not_applicable.push((subject, why)),
            Verdict::Unknown(what) => self.unknown.push((subject, what)),
        }
    }

    /// Adds the results of the same rule for other subjects.
    pub(crate) fn append(&mut self, mut more: Self) {
        self.passed.append(&mut more.passed);
        self.assumed.append(&mut more.assumed);
        self.failed.append(&mut more.failed);
        self.not_applicable.append(&mut more.not_applicable);
        self.unknown.append(&mut more.unknown);
    }

    /// The number of subjects with a verdict: those that pass, also by assumption, fail or are unknown.
    pub fn population(&self) -> usize {
        self.passed.len() + self.assumed.len() + self.failed.len() + self.unknown.len()
    }

    /// The verdict on a subject; `None` if the rule does not check it.
    pub fn verdict(&self, subject: usize) -> Option<Verdict> {
        if self.passed.contains(&subject) {
            return Some(Verdict::Pass);
        }
        if let Some(pass) = self.assumed.iter().find(|pass| pass.subject == subject) {
            return Some(Verdict::AssumedPass(pass.assumptions.clone()));
        }
        if let Some(failure) = self.failed.iter().find(|failure| failure.subject == subject) {
            return Some(Verdict::Fail(failure.findings.clone()));
        }
        if let Some((_, why)) = self.not_applicable.iter().find(|(other, _)| *other == subject) {
            return Some(Verdict::NotApplicable(why));
        }
        let unknown = self.unknown.iter().find(|(other, _)| *other == subject);
        unknown.map(|(_, what)| Verdict::Unknown(what.clone()))
    }
}

impl Report {
    pub(crate) fn new(subjects: Vec<Id>, rules: Vec<RuleReport>) -> Self {
        Self {
            subjects,
            rules,
            expiring_waivers: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, id: Id, rule: &'static Rule, verdict: Verdict) {
        self.subjects.push(id);
        let subject = self.subjects.len() - 1;
        if let Some(report) = self.rules.iter_mut().find(|report| report.rule.id == rule.id) {
            report.add(subject, verdict);
        }
    }

    /// Replaces the verdict on a subject that passes only because of these assumptions.
    pub(crate) fn mark_assumed(&mut self, rule: usize, subject: usize, assumptions: Vec<&'static str>) {
        let report = &mut self.rules[rule];
        report.passed.retain(|passed| *passed != subject);
        report.not_applicable.retain(|(other, _)| *other != subject);
        report.assumed.push(AssumedPass { subject, assumptions });
    }

    /// Records that the objects of a kind could not be listed: every rule that checks the kind has an unknown verdict.
    pub fn add_unlisted(&mut self, group: &str, kind: &str, namespace: Option<&str>, why: &str) {
        let id = match namespace {
            Some(namespace) => Id::namespaced(group, kind, namespace, "*"),
            None => Id::cluster(group, kind, "*"),
        };
        self.subjects.push(id);
        let subject = self.subjects.len() - 1;
        for report in &mut self.rules {
            if report.enforcement != Enforcement::Disabled && report.rule.applies_to(group, kind) {
                report.add(subject, Verdict::Unknown(vec![why.to_owned()]));
            }
        }
    }

    /// Keeps only the verdicts on these subjects. The other objects were needed to evaluate them.
    pub fn retain(&mut self, keep: impl Fn(&Id) -> bool) {
        let kept: Vec<bool> = self.subjects.iter().map(keep).collect();
        for report in &mut self.rules {
            report.passed.retain(|subject| kept[*subject]);
            report.assumed.retain(|pass| kept[pass.subject]);
            report.failed.retain(|failure| kept[failure.subject]);
            report.not_applicable.retain(|(subject, _)| kept[*subject]);
            report.unknown.retain(|(subject, _)| kept[*subject]);
        }
    }

    /// Marks a failure as waived; false if there is none.
    pub(crate) fn waive(&mut self, rule: &str, object: &str, waiver: usize) -> bool {
        let subjects = &self.subjects;
        let report = self.rules.iter_mut().find(|report| report.rule.id == rule);
        let failure = report.and_then(|report| {
            report
                .failed
                .iter_mut()
                .find(|failure| subjects[failure.subject].to_string() == object)
        });
        match failure {
            Some(failure) => {
                failure.waived = Some(waiver);
                true
            }
            None => false,
        }
    }

    /// The result of a rule.
    pub fn of(&self, rule: &Rule) -> Option<&RuleReport> {
        self.rules.iter().find(|report| report.rule.id == rule.id)
    }

    /// Every failure that is not waived, with its rule.
    pub fn failures(&self) -> impl Iterator<Item = (&RuleReport, &Failure)> {
        self.rules.iter().flat_map(|rule| {
            let failed = rule.failed.iter().filter(|failure| failure.waived.is_none());
            failed.map(move |failure| (rule, failure))
        })
    }

    /// Whether a mandatory rule has a failure that is not waived.
    pub fn blocks(&self) -> bool {
        self.failures().any(|(rule, _)| rule.enforcement.stops())
    }
}
