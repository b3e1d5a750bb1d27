//! Resource requests, limits and probes.

use serde_json::Value;

use crate::control::Control::{AnomaliesWatched, Capacity, ContingencyPlan, GeneralProtection, Redundancy};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{SERVERS, WORKLOADS};
use crate::pod::Role;
use crate::rule::{Check, Rule, Severity};
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
            let mut field = what;
            let mut found = amount(container.node(), pod.spec(), what, name);
            if what == "requests" && found.is_absent() {
                field = "limits";
                found = amount(container.node(), pod.spec(), field, name);
            }
            let place = container.node().at(&format!("resources.{field}.{name}"));
            let singular = field.trim_end_matches('s');
            match found {
                Field::Known(value) => {
                    if let Some(fault) =
                        Quantity::parse(value).map_or(Some("is not a quantity"), |it| it.fault(name))
                    {
                        let by = container.words();
                        context.fail(place, format!("the {name} {singular} {value} of {by} {fault}"));
                    }
                }
                Field::Unknown => context.unknown(place),
                Field::Absent => {
                    let singular = what.trim_end_matches('s');
                    let place = container.node().at(&format!("resources.{what}.{name}"));
                    context.fail(place, format!("{} has no {name} {singular}", container.words()));
                }
            }
        }
    }
}

/// An entry of `limits` or `requests` of a container or its pod. A quantity of zero means no request or no limit.
fn amount<'a>(container: Node<'a>, pod: Node<'a>, what: &str, name: &str) -> Field<&'a Value> {
    let of = |node: Node<'a>| match node.map(&format!("resources.{what}")) {
        Field::Known(map) => match map.get(name) {
            None | Some(Value::Null) => Field::Absent,
            Some(value) if crate::field::is_unknown(value) => Field::Unknown,
            Some(value @ (Value::String(_) | Value::Number(_))) => match Quantity::parse(value) {
                Some(quantity) if quantity.0 == 0.0 => Field::Absent,
                _ => Field::Known(value),
            },
            Some(_) => Field::Unknown,
        },
        Field::Absent => Field::Absent,
        Field::Unknown => Field::Unknown,
    };
    of(container).or(|| of(pod))
}

/// A quantity of Kubernetes in its base unit, a core or a byte.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Quantity(f64);

impl Quantity {
    /// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
    fn parse(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Number(number) => return number.as_f64().map(Self),
            Value::String(text) => text,
            _ => return None,
        };
        let is_part = |character: char| character.is_ascii_digit() || "+-.".contains(character);
        let unit = text.trim_start_matches(is_part);
        let digits = &text[..text.len() - unit.len()];
        let number: f64 = digits.parse().ok()?;
        let scale = match unit {
            "n" => 1e-9,
            "u" => 1e-6,
            "m" => 1e-3,
            "" => 1.0,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            "P" => 1e15,
            "E" => 1e18,
            "Ki" => KIBI,
            "Mi" => KIBI.powi(2),
            "Gi" => KIBI.powi(3),
            "Ti" => KIBI.powi(4),
            "Pi" => KIBI.powi(5),
            "Ei" => KIBI.powi(6),
            _ => {
                let exponent: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
                10f64.powi(exponent.clamp(-100, 100))
            }
        };
        Some(Self(number * scale))
    }

    /// What is wrong with it as an amount of a resource: the usual cause is a unit of another resource, such as `512m` of
    /// memory, which is half a byte.
    fn fault(self, resource: &str) -> Option<&'static str> {
        let (least, most) = match resource {
            "cpu" => (0.001, 10_000.0),
            "memory" => (KIBI.powi(2), KIBI.powi(5)),
            "ephemeral-storage" => (KIBI.powi(2), f64::INFINITY),
            _ => (0.0, f64::INFINITY),
        };
        match resource {
            _ if self.0 < 0.0 => Some("is negative"),
            "cpu" if self.0 < least => Some("is less than a thousandth of a core"),
            "cpu" if self.0 > most => Some("is more than 10,000 cores; `m` is a thousandth of a core"),
            _ if self.0 < least => {
                Some("is less than 1Mi; `m` is a thousandth of a byte, and `Mi` is a mebibyte")
            }
            _ if self.0 > most => Some("is more than 1Pi"),
            _ => None,
        }
    }
}

const KIBI: f64 = 1024.0;

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
