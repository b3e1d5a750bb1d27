//! The rules about the settings of an evaluation. Their subjects are the stack and its assumptions, not objects.

use crate::control::Control::{
    AddressableDocumented, ChangeControl, ConfigurationStandards, DeficienciesCommunicated,
};
use crate::enforcement::Enforcement;
use crate::rule::{Check, Rule, Severity};
use crate::text::rule_text;

/// Relaxations of a stack.
pub static EVALUATION_NOT_WEAKENED: Rule = Rule {
    id: "evaluation-not-weakened",
    text: rule_text!("evaluation-not-weakened"),
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        ConfigurationStandards,
        ChangeControl,
        DeficienciesCommunicated,
        AddressableDocumented,
    ],
    check: Check::Settings,
    ..Rule::DEFAULTS
};

/// Assumptions.
pub static ASSUMPTIONS_ARE_REVIEWED: Rule = Rule {
    id: "assumptions-are-reviewed",
    text: rule_text!("assumptions-are-reviewed"),
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[DeficienciesCommunicated, ChangeControl, AddressableDocumented],
    check: Check::Settings,
    ..Rule::DEFAULTS
};
