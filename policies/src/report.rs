//! What was found: for every rule its verdict on every object that it judges, and what was waived.

use phoenix_graph::Id;

use crate::rule::{Enforcement, Rule};

/// What a rule says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as the rule's title says.
    Pass,
    /// It is not, for these reasons.
    Fail(Vec<Finding>),
    /// The rule has nothing to say of it.
    NotApplicable(&'static str),
    /// It cannot be said, because these values are not known.
    Unknown(Vec<String>),
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the object, such as `spec.template.spec.containers[0].securityContext.privileged`; empty for the whole object.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was judged; verdicts name their subject by its place here.
    pub subjects: Vec<Id>,
    /// Each rule, in the order of the table.
    pub rules: Vec<RuleReport>,
    /// Waivers that end soon.
    pub ending: Vec<Ending>,
}

/// A waiver that ends soon. That is no failure yet, and is told all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The waiver, which is among the subjects too.
    pub waiver: Id,
    /// Where its end stands in the settings, such as `waivers[0].lastDay`.
    pub path: String,
    /// When it ends, and who does what until then.
    pub message: String,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// What one rule found.
#[derive(Clone, Debug)]
pub struct RuleReport {
    /// The rule.
    pub rule: &'static Rule,
    /// How it was enforced.
    pub enforcement: Enforcement,
    /// The subjects that pass.
    pub passed: Vec<usize>,
    /// The subjects that fail.
    pub failed: Vec<Failure>,
    /// The subjects of its kinds that it does not judge, and why not.
    pub not_applicable: Vec<(usize, &'static str)>,
    /// The subjects of which it cannot be said, and what is not known.
    pub unknown: Vec<(usize, Vec<String>)>,
}

/// A subject that fails a rule.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its place among the subjects.
    pub subject: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The waiver that allows it, by its place in the settings.
    pub waived: Option<usize>,
}

impl RuleReport {
    pub(crate) fn new(rule: &'static Rule, enforcement: Enforcement) -> Self {
        Self {
            rule,
            enforcement,
            passed: Vec::new(),
            failed: Vec::new(),
            not_applicable: Vec::new(),
            unknown: Vec::new(),
        }
    }

    pub(crate) fn take(&mut self, subject: usize, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.passed.push(subject),
            Verdict::Fail(findings) => self.failed.push(Failure {
                subject,
                findings,
                waived: None,
            }),
            Verdict::NotApplicable(why) => self.not_applicable.push((subject, why)),
            Verdict::Unknown(what) => self.unknown.push((subject, what)),
        }
    }

    /// Adds what the same rule said of other subjects.
    pub(crate) fn append(&mut self, mut more: Self) {
        self.passed.append(&mut more.passed);
        self.failed.append(&mut more.failed);
        self.not_applicable.append(&mut more.not_applicable);
        self.unknown.append(&mut more.unknown);
    }

    /// How many subjects it judged: those that pass, fail or cannot be said.
    pub fn population(&self) -> usize {
        self.passed.len() + self.failed.len() + self.unknown.len()
    }

    /// What it says of a subject; `None` where it is not asked.
    pub fn verdict(&self, subject: usize) -> Option<Verdict> {
        if self.passed.contains(&subject) {
            return Some(Verdict::Pass);
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
            ending: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, id: Id, rule: &'static Rule, verdict: Verdict) {
        self.subjects.push(id);
        let subject = self.subjects.len() - 1;
        if let Some(report) = self.rules.iter_mut().find(|report| report.rule.id == rule.id) {
            report.take(subject, verdict);
        }
    }

    /// Notes that no object of a kind could be looked at: every rule that judges the kind says "unknown" of it.
    pub fn unseen(&mut self, group: &str, kind: &str, namespace: Option<&str>, why: &str) {
        let id = match namespace {
            Some(namespace) => Id::namespaced(group, kind, namespace, "*"),
            None => Id::cluster(group, kind, "*"),
        };
        self.subjects.push(id);
        let subject = self.subjects.len() - 1;
        for report in &mut self.rules {
            if report.enforcement != Enforcement::Disabled && report.rule.judges(group, kind) {
                report.take(subject, Verdict::Unknown(vec![why.to_owned()]));
            }
        }
    }

    /// Keeps the verdicts on these subjects; the others were looked at for what they mean to them.
    pub fn retain(&mut self, keep: impl Fn(&Id) -> bool) {
        let kept: Vec<bool> = self.subjects.iter().map(keep).collect();
        for report in &mut self.rules {
            report.passed.retain(|subject| kept[*subject]);
            report.failed.retain(|failure| kept[failure.subject]);
            report.not_applicable.retain(|(subject, _)| kept[*subject]);
            report.unknown.retain(|(subject, _)| kept[*subject]);
        }
    }

    /// Marks a failure as waived; false where there is none.
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

    /// The rule's part.
    pub fn of(&self, rule: &Rule) -> Option<&RuleReport> {
        self.rules.iter().find(|report| report.rule.id == rule.id)
    }

    /// Every failure that nobody waived, with its rule.
    pub fn failures(&self) -> impl Iterator<Item = (&RuleReport, &Failure)> {
        self.rules.iter().flat_map(|rule| {
            let failed = rule.failed.iter().filter(|failure| failure.waived.is_none());
            failed.map(move |failure| (rule, failure))
        })
    }

    /// Whether a mandatory rule failed and nobody waived it.
    pub fn blocks(&self) -> bool {
        self.failures().any(|(rule, _)| rule.enforcement.stops())
    }
}
