//! What a container may use, and how it is seen to be well.

use crate::control::Control::{AnomaliesWatched, Capacity, ContingencyPlan, GeneralProtection, Redundancy};
use crate::pod::{Role, SERVERS, WORKLOADS};
use crate::read::Read;
use crate::rule::{Enforcement, Level, Rule, Severity};
use crate::rules::hardening::resource;
use crate::rules::{containers, pod};
use crate::settings::{Default, Setting};
use crate::text::rule_text;

static LIMITED: Setting = Setting {
    name: "resources",
    meaning: "resources that need a limit: `memory`, `cpu`, `ephemeral-storage`",
    default: Default::Texts(&["memory"]),
};

static REQUESTED: Setting = Setting {
    name: "resources",
    meaning: "resources that need a request: `memory`, `cpu`, `ephemeral-storage`",
    default: Default::Texts(&["cpu", "memory"]),
};

/// `resources.limits`.
pub static RESOURCE_LIMITS_SET: Rule = Rule {
    id: "resource-limits-set",
    text: rule_text!("resource-limits-set"),
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&LIMITED],
    evidence: &[Capacity, ContingencyPlan, GeneralProtection],
    check: |subject, judging| has(subject, judging, "limits", &LIMITED),
};

/// `resources.requests`.
pub static RESOURCE_REQUESTS_SET: Rule = Rule {
    id: "resource-requests-set",
    text: rule_text!("resource-requests-set"),
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Low,
    enforcement: Enforcement::Mandatory,
    options: &[&REQUESTED],
    evidence: &[Capacity, ContingencyPlan],
    check: |subject, judging| has(subject, judging, "requests", &REQUESTED),
};

fn has(
    subject: &crate::Subject<'_>,
    judging: &mut crate::Judging<'_>,
    what: &'static str,
    wanted: &'static Setting,
) {
    let Some(pod) = pod(subject, judging) else { return };
    let wanted: Vec<String> = judging
        .option_texts(wanted)
        .into_iter()
        .map(str::to_owned)
        .collect();
    for container in containers(subject, judging) {
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
                Read::Known(()) => {}
                Read::Unknown => judging.unknown(place),
                Read::Absent if what == "limits" => {
                    judging.fail(place, format!("{} has no limit for {name}", container.words()));
                }
                Read::Absent => judging.fail(
                    place,
                    format!("{} does not say how much {name} it needs", container.words()),
                ),
            }
        }
    }
}

static PROBES: Setting = Setting {
    name: "probes",
    meaning: "the probes that a container needs",
    default: Default::Texts(&["readinessProbe", "livenessProbe"]),
};

/// Probes.
pub static HEALTH_PROBES_SET: Rule = Rule {
    id: "health-probes-set",
    text: rule_text!("health-probes-set"),
    kinds: SERVERS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&PROBES],
    evidence: &[Capacity, Redundancy, AnomaliesWatched, ContingencyPlan],
    check: |subject, judging| {
        let Some(pod) = pod(subject, judging) else { return };
        if matches!(
            pod.spec().text("restartPolicy"),
            Read::Known("Never" | "OnFailure")
        ) {
            judging.not_applicable("the pod runs once and ends");
            return;
        }
        let wanted: Vec<String> = judging
            .option_texts(&PROBES)
            .into_iter()
            .map(str::to_owned)
            .collect();
        for container in containers(subject, judging) {
            if container.role != Role::Main {
                continue;
            }
            for probe in &wanted {
                let words = match probe.as_str() {
                    "readinessProbe" => "cannot say whether it is ready",
                    "livenessProbe" => "cannot say whether it is alive",
                    _ => "cannot say whether it has started",
                };
                match container.node().field(probe) {
                    Read::Known(_) => {}
                    Read::Unknown => judging.unknown(container.node().at(probe)),
                    Read::Absent => judging.fail(
                        container.node().at(probe),
                        format!("{} {words}: it has no {probe}", container.words()),
                    ),
                }
            }
        }
    },
};
