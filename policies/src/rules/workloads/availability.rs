//! Availability when a node or a zone fails.

use crate::context::{CheckContext, Subject};
use crate::control::Control::{ContingencyPlan, EmergencyMode, Redundancy};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{DEPLOYMENT, Kind, POD, STATEFUL_SET};
use crate::rule::{Check, Rule, Severity};
use crate::selector::{Answer, selects};
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

const BUDGET: Kind = Kind::new(&["policy", ""], "PodDisruptionBudget");
const AUTOSCALER: Kind = Kind::new(&["autoscaling", ""], "HorizontalPodAutoscaler");

/// The autoscaler of a workload.
fn autoscaler<'a>(subject: &Subject<'_>, context: &CheckContext<'a>) -> Option<Node<'a>> {
    context
        .inventory
        .within(AUTOSCALER, subject.namespace())
        .map(|scaler| Node::new(scaler.body(), ""))
        .find(|scaler| {
            scaler.text("spec.scaleTargetRef.kind") == Field::Known(subject.kind())
                && scaler.text("spec.scaleTargetRef.name") == Field::Known(subject.object.id.name.as_str())
        })
}

/// The minimum number of replicas of a workload.
fn fewest_replicas(subject: &Subject<'_>, context: &CheckContext<'_>) -> Field<i64> {
    let set = match autoscaler(subject, context) {
        Some(scaler) => scaler.number("spec.minReplicas"),
        None => subject.body.number("spec.replicas"),
    };
    set.or(|| Field::Known(1))
}

/// The maximum number of replicas of a workload.
pub(crate) fn most_replicas(subject: &Subject<'_>, context: &CheckContext<'_>) -> Field<i64> {
    let set = match autoscaler(subject, context) {
        Some(scaler) => scaler.number("spec.maxReplicas"),
        None => subject.body.number("spec.replicas"),
    };
    set.or(|| Field::Known(1))
}

static MINIMUM: Setting = Setting {
    name: "minimum",
    meaning: "the minimum number of replicas",
    default: DefaultValue::Number(2),
};

/// Replicas.
pub static REPLICAS_MINIMUM: Rule = Rule {
    id: "replicas-minimum",
    text: rule_text!("replicas-minimum"),
    kinds: &[DEPLOYMENT, STATEFUL_SET],
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[&MINIMUM],
    evidence: &[Redundancy, ContingencyPlan],
    check: Check::Stack(|subject, context| {
        let minimum = context.option_number(&MINIMUM);
        match fewest_replicas(subject, context) {
            Field::Known(0) => context.not_applicable("it is scaled to zero"),
            Field::Known(replicas) if replicas < minimum => context.fail(
                "spec.replicas",
                format!("the minimum number of replicas is {replicas}, but {minimum} are required"),
            ),
            Field::Known(_) => {}
            Field::Absent | Field::Unknown => context.unknown("spec.replicas"),
        }
    }),
    ..Rule::DEFAULTS
};

/// Budgets.
pub static DISRUPTION_BUDGET_SET: Rule = Rule {
    id: "disruption-budget-set",
    text: rule_text!("disruption-budget-set"),
    kinds: &[DEPLOYMENT, STATEFUL_SET, BUDGET],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[Redundancy, EmergencyMode],
    check: Check::Stack(budget),
    ..Rule::DEFAULTS
};

fn budget(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    if subject.kind() == BUDGET.name {
        let zero = |value: &serde_json::Value| {
            value.as_i64() == Some(0) || value.as_str().is_some_and(|text| text.trim() == "0%")
        };
        let all = |value: &serde_json::Value| value.as_str().is_some_and(|text| text.trim() == "100%");
        let (most, fewest) = ("spec.maxUnavailable", "spec.minAvailable");
        if context
            .known(subject.body.field(most), subject.body, most)
            .is_some_and(zero)
        {
            context.fail(
                most,
                "the budget allows no disruption, so that nodes cannot be drained",
            );
        }
        if context
            .known(subject.body.field(fewest), subject.body, fewest)
            .is_some_and(all)
        {
            context.fail(
                fewest,
                "the budget allows no disruption, so that nodes cannot be drained",
            );
        }
        if subject.body.field(most).is_absent() && subject.body.field(fewest).is_absent() {
            context.fail("spec", "the budget sets neither maxUnavailable nor minAvailable");
        }
        return;
    }
    match fewest_replicas(subject, context) {
        Field::Known(replicas) if replicas < 2 => {
            context.not_applicable("it runs with one replica, for which a budget can only block evictions");
            return;
        }
        Field::Known(_) => {}
        Field::Absent | Field::Unknown => context.unknown("spec.replicas"),
    }
    let Some(pod) = context.pod(subject) else { return };
    let labels = pod.metadata().map("labels");
    let mut guarded = Answer::No;
    for budget in context.inventory.within(BUDGET, subject.namespace()) {
        let body = Node::new(budget.body(), "");
        let selected = match body.field("spec.selector") {
            // Before policy/v1 an empty selector matched no pods.
            Field::Known(selector)
                if budget.api_version == "policy/v1beta1"
                    && selector.as_object().is_some_and(serde_json::Map::is_empty) =>
            {
                Answer::No
            }
            Field::Known(selector) => selects(Node::new(selector, ""), labels),
            Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        };
        guarded = Answer::any([guarded, selected]);
        if let (Answer::Yes, Field::Known(stay), Field::Known(replicas)) = (
            selected,
            body.field("spec.minAvailable"),
            fewest_replicas(subject, context),
        ) && let Some(stay) = kept(stay, replicas)
            && stay >= replicas
        {
            context.fail(
                "spec.replicas",
                format!(
                    "{} requires {stay} of its {replicas} pods, so that nodes cannot be drained",
                    budget.id
                ),
            );
        }
    }
    match guarded {
        Answer::Yes => {}
        Answer::No if context.inventory.is_complete() => {
            context.fail("", "no PodDisruptionBudget selects its pods");
        }
        Answer::No | Answer::Unknown => context.unknown("whether a PodDisruptionBudget selects its pods"),
    }
}

/// The number of pods that must stay available; a percentage is rounded up, as in Kubernetes. `None` if it cannot be read.
fn kept(stay: &serde_json::Value, replicas: i64) -> Option<i64> {
    let Some(text) = stay.as_str() else {
        return stay.as_i64();
    };
    let percent: i64 = text.trim().strip_suffix('%')?.parse().ok()?;
    Some(percent.checked_mul(replicas)?.checked_add(99)? / 100)
}

/// Topology spread.
pub static SPREAD_ACROSS_FAILURE_DOMAINS: Rule = Rule {
    id: "spread-across-failure-domains",
    text: rule_text!("spread-across-failure-domains"),
    kinds: &[DEPLOYMENT, STATEFUL_SET],
    severity: Severity::Low,
    enforcement: Enforcement::Advisory,
    evidence: &[Redundancy, EmergencyMode],
    check: Check::Stack(|subject, context| {
        match fewest_replicas(subject, context) {
            Field::Known(replicas) if replicas < 2 => {
                context.not_applicable("it runs with one replica");
                return;
            }
            Field::Known(_) => {}
            Field::Absent | Field::Unknown => context.unknown("spec.replicas"),
        }
        let Some(pod) = context.pod(subject) else { return };
        let required = "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution";
        let preferred = "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution";
        let said =
            ["topologySpreadConstraints", required, preferred].map(|field| match pod.spec().list(field) {
                Field::Known(items) => Answer::from_bool(!items.is_empty()),
                Field::Absent => Answer::No,
                Field::Unknown => Answer::Unknown,
            });
        match Answer::any(said) {
            Answer::Yes => {}
            Answer::No => context.fail(
                pod.spec().at("topologySpreadConstraints"),
                "all of its pods can run on one node",
            ),
            Answer::Unknown => context.unknown(pod.spec().at("topologySpreadConstraints")),
        }
    }),
    ..Rule::DEFAULTS
};

/// Bare pods.
pub static NO_NAKED_PODS: Rule = Rule {
    id: "no-naked-pods",
    text: rule_text!("no-naked-pods"),
    kinds: &[POD],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[Redundancy, ContingencyPlan],
    check: Check::Resource(|subject, context| {
        if !subject
            .body
            .entry("metadata.annotations", "kubernetes.io/config.mirror")
            .is_absent()
        {
            context.not_applicable("the pod is a static pod of its node");
            return;
        }
        let owners = context.known(
            subject.body.list("metadata.ownerReferences"),
            subject.body,
            "metadata.ownerReferences",
        );
        let none = owners.is_none_or(<[_]>::is_empty);
        if none && !subject.body.list("metadata.ownerReferences").is_unknown() {
            context.fail("", "the pod has no owner and is not recreated");
        }
    }),
    ..Rule::DEFAULTS
};
