//! A rule: metadata and a function.

use crate::context::{CheckContext, Subject};
use crate::control::Control;
use crate::custom::SERVERS;
use crate::enforcement::Enforcement;
use crate::finding::Finding;
use crate::kind::{DEPLOYMENT, JOB, Kind, POD, REPLICA_SET, STATEFUL_SET, WORKLOADS};
use crate::remediation::Remediation;
use crate::settings::{Setting, Settings, assume};
use crate::text::RuleText;
use crate::waiver::WaiverUse;

/// A rule. The policy pack, the catalog, `phoenix explain` and the tests are all derived from it.
///
/// A row of the catalog sets the fields that have no default and takes the others from `Rule::DEFAULTS`.
#[derive(Debug)]
pub struct Rule {
    /// Its name in settings, waivers and reports.
    pub id: &'static str,
    /// Its documentation and its examples.
    pub text: RuleText,
    /// The kinds that it checks; empty for a rule about settings.
    pub kinds: &'static [Kind],
    /// How severe a failure is.
    pub severity: Severity,
    /// The effect of a failure, unless the settings change it.
    pub enforcement: Enforcement,
    /// The options that the settings may set.
    pub options: &'static [&'static Setting],
    /// The assumptions that only some rules read. [`assume::SHARED`] can affect every rule.
    pub assumptions: &'static [&'static Setting],
    /// The controls that the rule gives evidence for.
    pub evidence: &'static [Control],
    /// The automatic fix, if there is one.
    pub remediation: Option<Remediation>,
    /// The check.
    pub check: Check,
}

/// The function of a rule.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// Checks an object without looking at others.
    Resource(fn(&Subject<'_>, &mut CheckContext<'_>)),
    /// Checks an object together with others, such as a workload and the policies that select it.
    Stack(fn(&Subject<'_>, &mut CheckContext<'_>)),
    /// Checks a waiver of the settings.
    Waivers(fn(&WaiverUse<'_>) -> Vec<Finding>),
    /// Checks the settings of a stack or an assumption; [`crate::evaluate`] knows how.
    Settings,
}

/// How much of the input a rule needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One object.
    Resource,
    /// All objects of the stack.
    Stack,
}

/// How severe a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Hygiene, without direct impact.
    Low,
    /// A weakness that is exploitable together with another one.
    Medium,
    /// A weakness that is exploitable by itself, or a likely loss of data or availability.
    High,
    /// Full compromise without any further weakness.
    Critical,
}

impl Rule {
    /// Whether the rule checks objects of every kind, known or not.
    pub fn is_for_every_kind(&self) -> bool {
        self.kinds.contains(&crate::kind::ANY)
    }

    /// The fields that a row may omit. The others have to be set; the tests report a row that does not.
    pub(crate) const DEFAULTS: Self = Self {
        id: "",
        text: RuleText::EMPTY,
        kinds: &[],
        severity: Severity::Medium,
        enforcement: Enforcement::Mandatory,
        options: &[],
        assumptions: &[],
        evidence: &[],
        remediation: None,
        check: Check::Waivers(|_| Vec::new()),
    };

    /// Whether a verdict of the rule can depend on an assumption.
    pub(crate) fn reads(&self, assumption: &str) -> bool {
        let shared = assume::SHARED.iter().chain(self.assumptions);
        shared.into_iter().any(|setting| setting.name == assumption)
    }

    /// How much of the input the rule needs.
    pub fn scope(&self) -> Scope {
        match self.check {
            Check::Resource(_) => Scope::Resource,
            Check::Stack(_) | Check::Waivers(_) | Check::Settings => Scope::Stack,
        }
    }

    /// Whether the rule checks the settings, not objects. Its failures cannot be waived.
    pub fn is_about_settings(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether the rule checks objects of this kind.
    pub fn applies_to(&self, group: &str, kind: &str) -> bool {
        self.kinds.iter().any(|checked| checked.is(group, kind))
    }

    /// Whether the rule checks the pods of a custom resource: rules about pods check all of them, and rules about
    /// Deployments check those that are like one.
    pub fn applies_to_pods_of(&self, group: &str, kind: &str) -> bool {
        let checks = |kinds: &[Kind]| kinds.iter().all(|kind| self.kinds.contains(kind));
        let is_custom = !WORKLOADS.iter().any(|workload| workload.is(group, kind));
        let is_server = || SERVERS.iter().any(|server| server.is(group, kind));
        is_custom
            && (checks(&[POD, REPLICA_SET, JOB]) || (checks(&[DEPLOYMENT, STATEFUL_SET]) && is_server()))
    }
}

impl Settings {
    /// How a rule is enforced.
    pub fn enforcement(&self, rule: &Rule) -> Enforcement {
        let own = self.enforcement.get(rule.id).copied();
        // `all` does not enable a rule that is disabled by default.
        let all = self.all.filter(|_| rule.enforcement != Enforcement::Disabled);
        match own.or(all).unwrap_or(rule.enforcement) {
            // `all: remediate` also applies to rules that have no remediation.
            Enforcement::Remediate if rule.remediation.is_none() => Enforcement::Mandatory,
            enforcement => enforcement,
        }
    }

    /// Sets the enforcement of a rule.
    pub fn enforce(&mut self, rule: &'static Rule, enforcement: Enforcement) {
        self.enforcement.insert(rule.id, enforcement);
    }
}

impl Severity {
    /// The word for it, as Pulumi and readers of SARIF use it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
