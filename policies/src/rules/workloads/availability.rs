//! Availability when a node or a zone fails.

use phoenix_graph::Object;
use serde_json::Value;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{ContingencyPlan, EmergencyMode, Redundancy};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{AUTOSCALER, BUDGET, DEPLOYMENT, POD, STATEFUL_SET};
use crate::rule::{Check, Rule, Severity};
use crate::selector::{Answer, PodLabels, selects};
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

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
        check_amounts(subject.body, context);
        check_overlap(subject, context);
        return;
    }
    let Some(pod) = context.pod(subject) else { return };
    let labels = pod.labels();
    let budgets: Vec<_> = context
        .inventory
        .within(BUDGET, subject.namespace())
        .map(|budget| (budget, budget_selects(budget, labels)))
        .collect();
    let selecting: Vec<_> = budgets
        .iter()
        .filter(|(_, selects)| *selects == Answer::Yes)
        .map(|(budget, _)| *budget)
        .collect();
    if selecting.len() > 1 {
        let names: Vec<_> = selecting.iter().map(|budget| budget.id.to_string()).collect();
        context.fail("", format!("{} select its pods: {SEVERAL}", names.join(" and ")));
    }
    let replicas = match fewest_replicas(subject, context) {
        Field::Known(replicas) if replicas < 2 => {
            context.not_applicable("it runs with one replica, for which a budget can only block evictions");
            return;
        }
        Field::Known(replicas) => Some(replicas),
        Field::Absent | Field::Unknown => {
            context.unknown("spec.replicas");
            None
        }
    };
    for budget in &selecting {
        let Some(replicas) = replicas else { break };
        let body = Node::new(budget.body(), "");
        let allowed = match (body.field("spec.minAvailable"), body.field("spec.maxUnavailable")) {
            (Field::Known(stay), Field::Absent) => amount(stay, replicas).map(|stay| replicas - stay),
            (Field::Absent, Field::Known(gone)) => amount(gone, replicas),
            _ => None,
        };
        match allowed {
            Some(allowed) if allowed <= 0 => context.fail(
                "spec.replicas",
                format!(
                    "{} allows none of its {replicas} pods to be evicted, so nodes cannot be drained",
                    budget.id
                ),
            ),
            Some(allowed) if allowed >= replicas => context.fail(
                "spec.replicas",
                format!(
                    "{} allows all of its {replicas} pods to be evicted at once",
                    budget.id
                ),
            ),
            _ => {}
        }
    }
    match Answer::any(budgets.iter().map(|(_, selects)| *selects)) {
        Answer::Yes => {}
        Answer::No if context.inventory.is_complete() => {
            context.fail("", "no PodDisruptionBudget selects its pods");
        }
        Answer::No | Answer::Unknown => context.unknown("whether a PodDisruptionBudget selects its pods"),
    }
}

/// The consequence of two budgets for one pod.
const SEVERAL: &str =
    "the API server refuses to evict a pod with more than one budget, so nodes cannot be drained";

/// Whether a budget selects pods with these labels.
fn budget_selects<'l>(budget: &Object, labels: impl Into<PodLabels<'l>>) -> Answer {
    match Node::new(budget.body(), "").field("spec.selector") {
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
    }
}

/// Checks the two amounts of a budget.
fn check_amounts(budget: Node<'_>, context: &mut CheckContext<'_>) {
    let (most, fewest) = ("spec.maxUnavailable", "spec.minAvailable");
    // Of 100 pods, a percentage is its number.
    let mut read = |field: &str| {
        let value = context.known(budget.field(field), budget, field)?;
        let number = amount(value, 100).filter(|number| *number >= 0);
        if number.is_none() {
            context.fail(
                field,
                "the value is neither a non-negative integer nor a percentage, so the API server rejects the budget",
            );
        }
        Some((number?, value.is_string()))
    };
    let (gone, stay) = (read(most), read(fewest));
    let drains = "the budget allows no disruption, so nodes cannot be drained";
    let protects = "the budget allows every disruption, so it protects nothing";
    match gone {
        Some((0, _)) => context.fail(most, drains),
        Some((100.., true)) => context.fail(most, protects),
        _ => {}
    }
    match stay {
        Some((100.., true)) => context.fail(fewest, drains),
        Some((0, _)) => context.fail(fewest, protects),
        _ => {}
    }
    match (budget.field(most).is_absent(), budget.field(fewest).is_absent()) {
        (true, true) => context.fail("spec", "the budget sets neither maxUnavailable nor minAvailable"),
        (false, false) => context.fail(
            "spec",
            "the budget sets both maxUnavailable and minAvailable, so the API server rejects it",
        ),
        _ => {}
    }
}

/// Checks that no other budget selects the same pods.
fn check_overlap(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let inventory = context.inventory;
    for other in inventory.within(BUDGET, subject.namespace()) {
        if other.id == subject.object.id {
            continue;
        }
        let shared = inventory.workloads_in(subject.namespace()).find(|workload| {
            let selects = |budget| budget_selects(budget, workload.labels()) == Answer::Yes;
            selects(subject.object) && selects(other)
        });
        if let Some(workload) = shared {
            context.fail(
                "spec.selector",
                format!(
                    "{} also selects the pods of {}: {SEVERAL}",
                    other.id, workload.object.id
                ),
            );
        }
    }
}

/// A number of pods; a percentage is rounded up, as in Kubernetes. `None` if it cannot be read.
fn amount(value: &Value, replicas: i64) -> Option<i64> {
    let Some(text) = value.as_str() else {
        return value.as_i64();
    };
    let digits = text.strip_suffix('%')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let percent: i64 = digits.parse().ok()?;
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
        let said = ["topologySpreadConstraints", required, preferred]
            .map(|field| pod.spec().list(field).is(|items| !items.is_empty()));
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
        let is_mirror = !subject
            .body
            .entry("metadata.annotations", "kubernetes.io/config.mirror")
            .is_absent();
        if is_mirror && context.inventory.is_cluster() {
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
