//! The rule about exceptions to the rules. Its subjects are waivers, which are no objects of a graph.

use crate::control::Control::{
    ActionsRecorded, AddressableDocumented, ChangeControl, DeficienciesCommunicated,
};
use crate::rule::{Enforcement, Level, Rule, Severity};
use crate::settings::{Default, Setting};
use crate::text::rule_text;

/// When the end of a waiver is told.
pub static TOLD_BEFORE: Setting = Setting {
    name: "daysTold",
    meaning: "from how many days before its end on a waiver is told to be ending",
    default: Default::Number(30),
};

/// Waivers.
pub static WAIVERS_ARE_VALID: Rule = Rule {
    id: "waivers-are-valid",
    text: rule_text!("waivers-are-valid"),
    kinds: &[],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&TOLD_BEFORE],
    evidence: &[
        DeficienciesCommunicated,
        ChangeControl,
        AddressableDocumented,
        ActionsRecorded,
    ],
    check: |_, _| {},
};
