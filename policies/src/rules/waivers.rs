//! The rule about exceptions to the rules. Its subjects are waivers, which are no objects of a graph.

use crate::control::Control::{
    ActionsRecorded, AddressableDocumented, ChangeControl, DeficienciesCommunicated,
};
use crate::rule::{Enforcement, Level, Rule, Severity};
use crate::settings::{Default, Setting};

/// When the end of a waiver is told.
pub static TOLD_BEFORE: Setting = Setting {
    name: "daysTold",
    meaning: "from how many days before its end on a waiver is told to be ending",
    default: Default::Number(30),
};

/// Waivers.
pub static WAIVERS_ARE_VALID: Rule = Rule {
    id: "waivers-are-valid",
    title: "Every exception has a reason, an owner, an approver and an end",
    meaning: "Judges the waivers of the settings. Fails where one has ended or not begun, lasts longer than a year, names no owner, approver, reason or ticket, is approved by its owner, is too wide (a wildcard, or more than ten objects), is needed by nothing, or names no compensating measure although a specification that the rule gives evidence for is required by HIPAA; standards, which are met by their specifications, are not counted. A waiver that has ended excuses nothing.",
    why: "An exception that nobody owns is a rule that does not hold; HIPAA asks to document what is done instead.",
    remedy: "Repair what was waived and remove the waiver, or have it approved again with a new end.",
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
    limits: &["whether the measure really compensates is for people to judge"],
    good: "",
    bad: "",
    check: |_, _| {},
};
