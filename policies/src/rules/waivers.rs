//! The rule about waivers. Its subjects are the waivers of the settings, not the objects of the graph.

use crate::context::Finding;
use crate::control::Control::{
    ActionsRecorded, AddressableDocumented, ChangeControl, DeficienciesCommunicated,
};
use crate::control::Need;
use crate::enforcement::Enforcement;
use crate::rule::{Check, Rule, Severity};
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;
use crate::waiver::{MAX_DAYS, MAX_OBJECTS, WaiverUse, days_between};

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
    let mut findings = Vec::new();
    let mut fail = |path: &str, message: String| {
        findings.push(Finding {
            path: path.to_owned(),
            message,
        });
    };
    for (field, text) in [
        ("reason", &waiver.reason),
        ("owner", &waiver.owner),
        ("approver", &waiver.approver),
        ("ticket", &waiver.ticket),
    ] {
        if text.trim().is_empty() {
            fail(field, format!("the {field} is empty"));
        }
    }
    if waiver.owner.trim() == waiver.approver.trim() && !waiver.owner.trim().is_empty() {
        fail(
            "approver",
            "the owner approved the waiver; the approver must be a different person or team".to_owned(),
        );
    }
    if used.today > waiver.last_day {
        fail("lastDay", format!("it expired on {}", waiver.last_day));
    }
    if waiver.approved > used.today {
        fail("approved", format!("it is not valid before {}", waiver.approved));
    }
    if days_between(waiver.approved, waiver.last_day) > MAX_DAYS {
        fail(
            "lastDay",
            "it is valid for more than one year after its approval".to_owned(),
        );
    }
    if waiver.objects.is_empty() {
        fail("objects", "it names no object".to_owned());
    }
    if waiver.objects.iter().any(|object| object.contains('*')) {
        fail(
            "objects",
            "it contains a wildcard; name each object as `Kind namespace/name`".to_owned(),
        );
    }
    if waiver.objects.len() > MAX_OBJECTS {
        fail("objects", format!("it names more than {MAX_OBJECTS} objects"));
    }
    let measure = waiver.compensating_measure.as_deref().unwrap_or_default();
    let required = used
        .evidence
        .iter()
        .find(|control| control.need() == Need::Required);
    if let Some(control) = required.filter(|_| measure.trim().is_empty()) {
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
