//! What a rule is: metadata and a function.

use crate::context::{CheckContext, Subject};
use crate::control::Control;
use crate::settings::Setting;
use crate::text::RuleText;

/// A rule. Its documentation, the analyzer's answer, the catalogue, `phoenix explain` and the test matrix all come from it.
#[derive(Debug)]
pub struct Rule {
    /// Its name in settings, waivers and reports.
    pub id: &'static str,
    /// Its documentation and its examples.
    pub text: RuleText,
    /// The kinds that it judges. Of any other it says "not applicable".
    pub kinds: &'static [Kind],
    /// Whether one object shows the fault, or only the whole stack.
    pub level: Level,
    /// How bad a failure is.
    pub severity: Severity,
    /// What a failure does unless the settings say otherwise.
    pub enforcement: Enforcement,
    /// What can be set.
    pub options: &'static [&'static Setting],
    /// The controls that it gives evidence for.
    pub evidence: &'static [Control],
    /// The check.
    pub check: fn(&Subject<'_>, &mut CheckContext<'_>),
}

impl Rule {
    /// The rule of this name.
    pub fn named(id: &str) -> Option<&'static Self> {
        crate::RULES.iter().copied().find(|rule| rule.id == id)
    }

    /// Whether it judges objects of this kind.
    pub fn judges(&self, group: &str, kind: &str) -> bool {
        self.kinds.iter().any(|judged| judged.is(group, kind))
    }
}

/// A kind of object, whatever the version of its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    groups: &'static [&'static str],
    /// Its name, such as `Deployment`.
    pub name: &'static str,
}

impl Kind {
    /// A kind that is or was in these API groups.
    pub const fn new(groups: &'static [&'static str], name: &'static str) -> Self {
        Self { groups, name }
    }

    /// A kind of the core group.
    pub const fn core(name: &'static str) -> Self {
        Self::new(&[""], name)
    }

    /// The API groups that it is or was in.
    pub fn groups(&self) -> &'static [&'static str] {
        self.groups
    }

    /// Whether it is this one.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.name == kind && self.groups.contains(&group)
    }
}

/// What a rule has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One object, whatever else there is.
    Resource,
    /// An object and others: a workload and the policies that select it.
    Stack,
}

/// How bad a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A blemish.
    Low,
    /// A weakness that needs another one to be used.
    Medium,
    /// A way in, or a loss that will happen.
    High,
    /// Whoever finds it has everything.
    Critical,
}

impl Severity {
    /// The word for it, as Pulumi and SARIF readers use it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a failure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Enforcement {
    /// The rule is not asked.
    Disabled,
    /// It is told.
    Advisory,
    /// It stops the deployment.
    Mandatory,
    /// It is put right where that cannot change what an object means ([`crate::remediation`]), and else stops the deployment.
    Remediate,
}

impl Enforcement {
    /// All of them, the weakest first.
    pub const ALL: [Self; 4] = [Self::Disabled, Self::Advisory, Self::Mandatory, Self::Remediate];

    /// Whether a failure stops the deployment.
    pub fn stops(self) -> bool {
        self >= Self::Mandatory
    }

    /// The word for it in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Advisory => "advisory",
            Self::Mandatory => "mandatory",
            Self::Remediate => "remediate",
        }
    }
}
