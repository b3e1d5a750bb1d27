//! What is left when a node or a zone is gone.

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

/// What scales a workload, as its spec.
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

/// The fewest replicas that a workload runs with.
fn fewest_replicas(subject: &Subject<'_>, context: &CheckContext<'_>) -> Field<i64> {
    let set = match autoscaler(subject, context) {
        Some(scaler) => scaler.number("spec.minReplicas"),
        None => subject.body.number("spec.replicas"),
    };
    set.or(|| Field::Known(1))
}

/// The most replicas that a workload runs with.
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
            Field::Known(0) => context.not_applicable("it is scaled to nothing"),
            Field::Known(replicas) if replicas < minimum => context.fail(
                "spec.replicas",
                format!("it may run with {replicas} where {minimum} are asked for"),
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
            context.fail(most, "the budget lets no pod go, so no node can be emptied");
        }
        if context
            .known(subject.body.field(fewest), subject.body, fewest)
            .is_some_and(all)
        {
            context.fail(fewest, "the budget lets no pod go, so no node can be emptied");
        }
        if subject.body.field(most).is_absent() && subject.body.field(fewest).is_absent() {
            context.fail(
                "spec",
                "the budget names neither how many pods may go nor how many must stay",
            );
        }
        return;
    }
    match fewest_replicas(subject, context) {
        Field::Known(replicas) if replicas < 2 => {
            context.not_applicable("it runs once, so that a budget could only block");
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
            // Before policy/v1 a selector that asks for nothing found nothing.
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
                    "{} keeps {stay} of its {replicas} pods, so no node can be emptied",
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

/// How many of so many pods have to stay; a percentage is rounded up, as the cluster does. Nothing where it cannot be read.
fn kept(stay: &serde_json::Value, replicas: i64) -> Option<i64> {
    let Some(text) = stay.as_str() else {
        return stay.as_i64();
    };
    let percent: i64 = text.trim().strip_suffix('%')?.parse().ok()?;
    Some(percent.checked_mul(replicas)?.checked_add(99)? / 100)
}

/// Spread.
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
                context.not_applicable("it runs once");
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
                "all its pods may run on one node",
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
            context.not_applicable("the kubelet makes the pod from a file of its node");
            return;
        }
        let owners = context.known(
            subject.body.list("metadata.ownerReferences"),
            subject.body,
            "metadata.ownerReferences",
        );
        let none = owners.is_none_or(<[_]>::is_empty);
        if none && !subject.body.list("metadata.ownerReferences").is_unknown() {
            context.fail("", "the pod has no owner, so nothing replaces it");
        }
    }),
    ..Rule::DEFAULTS
};
