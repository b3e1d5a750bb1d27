//! Resource requests, limits and probes.

use crate::control::Control::{AnomaliesWatched, Capacity, ContingencyPlan, GeneralProtection, Redundancy};
use crate::enforcement::Enforcement;
use crate::field::Field;
use crate::kind::{SERVERS, WORKLOADS};
use crate::pod::Role;
use crate::rule::{Check, Rule, Severity};
use crate::rules::pod_security::hardening::resource;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

static LIMITED: Setting = Setting {
    name: "resources",
    meaning: "resources that require a limit: `memory`, `cpu`, `ephemeral-storage`",
    default: DefaultValue::Texts(&["memory"]),
};

static REQUESTED: Setting = Setting {
    name: "resources",
    meaning: "resources that require a request: `memory`, `cpu`, `ephemeral-storage`",
    default: DefaultValue::Texts(&["cpu", "memory"]),
};

/// `resources.limits`.
pub static RESOURCE_LIMITS_SET: Rule = Rule {
    id: "resource-limits-set",
    text: rule_text!("resource-limits-set"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&LIMITED],
    evidence: &[Capacity, ContingencyPlan, GeneralProtection],
    check: Check::Resource(|subject, context| has(subject, context, "limits", &LIMITED)),
    ..Rule::DEFAULTS
};

/// `resources.requests`.
pub static RESOURCE_REQUESTS_SET: Rule = Rule {
    id: "resource-requests-set",
    text: rule_text!("resource-requests-set"),
    kinds: WORKLOADS,
    severity: Severity::Low,
    enforcement: Enforcement::Mandatory,
    options: &[&REQUESTED],
    evidence: &[Capacity, ContingencyPlan],
    check: Check::Resource(|subject, context| has(subject, context, "requests", &REQUESTED)),
    ..Rule::DEFAULTS
};

fn has(
    subject: &crate::Subject<'_>,
    context: &mut crate::CheckContext<'_>,
    what: &'static str,
    wanted: &'static Setting,
) {
    let Some(pod) = context.pod(subject) else { return };
    let wanted = context.option_texts(wanted);
    for container in context.containers(subject) {
        if container.role == Role::Ephemeral {
            continue;
        }
        for name in &wanted {
            let mut found = resource(container.node(), pod.spec(), what, name);
            if what == "requests" {
                found = found.or(|| resource(container.node(), pod.spec(), "limits", name));
            }
            let place = container.node().at(&format!("resources.{what}.{name}"));
            match found {
                Field::Known(()) => {}
                Field::Unknown => context.unknown(place),
                Field::Absent if what == "limits" => {
                    context.fail(place, format!("{} has no {name} limit", container.words()));
                }
                Field::Absent => context.fail(place, format!("{} has no {name} request", container.words())),
            }
        }
    }
}

static PROBES: Setting = Setting {
    name: "probes",
    meaning: "required probes",
    default: DefaultValue::Texts(&["readinessProbe", "livenessProbe"]),
};

/// Probes.
pub static HEALTH_PROBES_SET: Rule = Rule {
    id: "health-probes-set",
    text: rule_text!("health-probes-set"),
    kinds: SERVERS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&PROBES],
    evidence: &[Capacity, Redundancy, AnomaliesWatched, ContingencyPlan],
    check: Check::Resource(|subject, context| {
        let Some(pod) = context.pod(subject) else { return };
        if matches!(
            pod.spec().text("restartPolicy"),
            Field::Known("Never" | "OnFailure")
        ) {
            context.not_applicable("the pod runs to completion");
            return;
        }
        let wanted = context.option_texts(&PROBES);
        for container in context.containers(subject) {
            if container.role != Role::Main {
                continue;
            }
            for probe in wanted.iter().copied() {
                match container.node().field(probe) {
                    Field::Known(_) => {}
                    Field::Unknown => context.unknown(container.node().at(probe)),
                    Field::Absent => context.fail(
                        container.node().at(probe),
                        format!("{} has no {probe}", container.words()),
                    ),
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};
