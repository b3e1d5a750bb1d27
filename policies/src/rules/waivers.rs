//! The rule about waivers. Its subjects are the waivers of the settings, not the objects of the graph.

use crate::control::Control::{
    ActionsRecorded, AddressableDocumented, ChangeControl, DeficienciesCommunicated,
};
use crate::control::Need;
use crate::enforcement::Enforcement;
use crate::finding::Finding;
use crate::review::is_placeholder;
use crate::rule::{Check, Rule, Severity};
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;
use crate::waiver::WaiverUse;

/// From when on a report announces the expiry of a waiver.
pub static EXPIRY_NOTICE: Setting = Setting {
    name: "expiryNoticeDays",
    meaning: "the number of days before its expiry from which a waiver is reported as expiring soon",
    default: DefaultValue::Number(30),
};

/// Waivers.
pub static WAIVERS_ARE_VALID: Rule = Rule {
    id: "waivers-are-valid",
    text: rule_text!("waivers-are-valid"),
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&EXPIRY_NOTICE],
    evidence: &[
        DeficienciesCommunicated,
        ChangeControl,
        AddressableDocumented,
        ActionsRecorded,
    ],
    check: Check::Waivers(check_waiver),
    ..Rule::DEFAULTS
};

fn check_waiver(used: &WaiverUse<'_>) -> Vec<Finding> {
    let waiver = used.waiver;
    let mut findings = waiver.faults(used.today);
    let mut fail = |path: &str, message: String| {
        findings.push(Finding {
            path: path.to_owned(),
            message,
        });
    };
    let measure = waiver.compensating_measure.as_deref().unwrap_or_default();
    let required = used
        .evidence
        .iter()
        .find(|control| control.need() == Need::Required);
    if let Some(control) = required.filter(|_| is_placeholder(measure)) {
        fail(
            "compensatingMeasure",
            format!(
                "it names no compensating measure, although HIPAA requires {} ({})",
                control.id(),
                control.title()
            ),
        );
    }
    for object in used.unused {
        fail(
            "objects",
            format!("it is unused: {object} does not fail {}", waiver.rule),
        );
    }
    findings
}
