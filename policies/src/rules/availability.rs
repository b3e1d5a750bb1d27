//! What is left when a node or a zone is gone.

use crate::control::Control::{ContingencyPlan, EmergencyMode, Redundancy};
use crate::judging::{Judging, Subject};
use crate::pod::{DEPLOYMENT, POD, STATEFUL_SET};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::pod;
use crate::selector::{Answer, selects};
use crate::settings::{Default, Setting};

const BUDGET: Kind = Kind::new(&["policy", ""], "PodDisruptionBudget");
const AUTOSCALER: Kind = Kind::new(&["autoscaling", ""], "HorizontalPodAutoscaler");

/// What scales a workload, as its spec.
fn autoscaler<'a>(subject: &Subject<'_>, judging: &Judging<'a>) -> Option<Node<'a>> {
    judging
        .world
        .within(AUTOSCALER, subject.namespace())
        .map(|scaler| Node::new(scaler.body(), ""))
        .find(|scaler| {
            scaler.text("spec.scaleTargetRef.kind") == Read::Known(subject.kind())
                && scaler.text("spec.scaleTargetRef.name") == Read::Known(subject.object.id.name.as_str())
        })
}

/// The fewest replicas that a workload runs with.
fn fewest_replicas(subject: &Subject<'_>, judging: &Judging<'_>) -> Read<i64> {
    let set = match autoscaler(subject, judging) {
        Some(scaler) => scaler.number("spec.minReplicas"),
        None => subject.body.number("spec.replicas"),
    };
    set.or(|| Read::Known(1))
}

/// The most replicas that a workload runs with.
pub(super) fn most_replicas(subject: &Subject<'_>, judging: &Judging<'_>) -> Read<i64> {
    let set = match autoscaler(subject, judging) {
        Some(scaler) => scaler.number("spec.maxReplicas"),
        None => subject.body.number("spec.replicas"),
    };
    set.or(|| Read::Known(1))
}

static MINIMUM: Setting = Setting {
    name: "minimum",
    meaning: "the fewest replicas",
    default: Default::Number(2),
};

/// Replicas.
pub static REPLICAS_MINIMUM: Rule = Rule {
    id: "replicas-minimum",
    title: "Every server runs more than once",
    meaning: "Judges Deployments and StatefulSets. Fails where there are fewer replicas than the minimum (2): by the `minReplicas` of the autoscaler that scales it, or else by `replicas`, which is 1 where it is absent. One that is scaled to 0 is not judged.",
    why: "With one pod, every update and every lost node is an outage.",
    remedy: "Set `replicas` to 2 or more, or `minReplicas` of the autoscaler.",
    kinds: &[DEPLOYMENT, STATEFUL_SET],
    level: Level::Stack,
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[&MINIMUM],
    evidence: &[Redundancy, ContingencyPlan],
    limits: &["whether the program may run more than once is not seen"],
    good: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 2}\n",
    bad: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 1}\n",
    check: |subject, judging| {
        let minimum = judging.option_number(&MINIMUM);
        match fewest_replicas(subject, judging) {
            Read::Known(0) => judging.not_applicable("it is scaled to nothing"),
            Read::Known(replicas) if replicas < minimum => judging.fail(
                "spec.replicas",
                format!("it may run with {replicas} where {minimum} are asked for"),
            ),
            Read::Known(_) => {}
            Read::Absent | Read::Unknown => judging.unknown("spec.replicas"),
        }
    },
};

/// Budgets.
pub static DISRUPTION_BUDGET_SET: Rule = Rule {
    id: "disruption-budget-set",
    title: "Every replicated workload keeps pods while nodes are emptied, and lets them be emptied",
    meaning: "Judges Deployments and StatefulSets with more than one replica, and PodDisruptionBudgets. A workload fails where no budget of its namespace selects its pods, or one keeps as many as there are. A budget fails where it lets no pod go at all (`maxUnavailable` 0 or 0%, `minAvailable` 100%) or names neither.",
    why: "Without a budget an upgrade of the cluster may stop all pods at once; with one that lets none go it cannot go on.",
    remedy: "Add a PodDisruptionBudget with `maxUnavailable: 1`.",
    kinds: &[DEPLOYMENT, STATEFUL_SET, BUDGET],
    level: Level::Stack,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Redundancy, EmergencyMode],
    limits: &["percentages of a budget that selects several workloads are compared with each by itself"],
    good: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: a}\nspec: {replicas: 2, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: app}]}}}\n---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a, namespace: a}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: a}}}\n",
    bad: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: a}\nspec: {replicas: 2, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: app}]}}}\n---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a, namespace: a}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: b}}}\n",
    check: budget,
};

fn budget(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    if subject.kind() == BUDGET.name {
        let zero = |value: &serde_json::Value| {
            value.as_i64() == Some(0) || value.as_str().is_some_and(|text| text.trim() == "0%")
        };
        let all = |value: &serde_json::Value| value.as_str().is_some_and(|text| text.trim() == "100%");
        let (most, fewest) = ("spec.maxUnavailable", "spec.minAvailable");
        if judging
            .note(subject.body.field(most), subject.body, most)
            .is_some_and(zero)
        {
            judging.fail(most, "the budget lets no pod go, so no node can be emptied");
        }
        if judging
            .note(subject.body.field(fewest), subject.body, fewest)
            .is_some_and(all)
        {
            judging.fail(fewest, "the budget lets no pod go, so no node can be emptied");
        }
        if subject.body.field(most).is_absent() && subject.body.field(fewest).is_absent() {
            judging.fail(
                "spec",
                "the budget names neither how many pods may go nor how many must stay",
            );
        }
        return;
    }
    match fewest_replicas(subject, judging) {
        Read::Known(replicas) if replicas < 2 => {
            judging.not_applicable("it runs once, so that a budget could only block");
            return;
        }
        Read::Known(_) => {}
        Read::Absent | Read::Unknown => judging.unknown("spec.replicas"),
    }
    let Some(pod) = pod(subject, judging) else { return };
    let labels = pod.metadata().map("labels");
    let mut guarded = Answer::No;
    for budget in judging.world.within(BUDGET, subject.namespace()) {
        let body = Node::new(budget.body(), "");
        let selected = match body.field("spec.selector") {
            // Before policy/v1 a selector that asks for nothing found nothing.
            Read::Known(selector)
                if budget.api_version == "policy/v1beta1"
                    && selector.as_object().is_some_and(serde_json::Map::is_empty) =>
            {
                Answer::No
            }
            Read::Known(selector) => selects(Node::new(selector, ""), labels),
            Read::Absent => Answer::No,
            Read::Unknown => Answer::Unknown,
        };
        guarded = Answer::any([guarded, selected]);
        if let (Answer::Yes, Read::Known(stay), Read::Known(replicas)) = (
            selected,
            body.field("spec.minAvailable"),
            fewest_replicas(subject, judging),
        ) && let Some(stay) = kept(stay, replicas)
            && stay >= replicas
        {
            judging.fail(
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
        Answer::No if judging.world.is_complete() => {
            judging.fail("", "no PodDisruptionBudget selects its pods");
        }
        Answer::No | Answer::Unknown => judging.unknown("whether a PodDisruptionBudget selects its pods"),
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
    title: "The pods of a workload do not share their fate",
    meaning: "Judges Deployments and StatefulSets with more than one replica. Fails where a pod has neither a topology spread constraint nor a rule of pod anti-affinity.",
    why: "Three replicas on one node are one.",
    remedy: "Add `topologySpreadConstraints` over `topology.kubernetes.io/zone` and `kubernetes.io/hostname`.",
    kinds: &[DEPLOYMENT, STATEFUL_SET],
    level: Level::Stack,
    severity: Severity::Low,
    enforcement: Enforcement::Advisory,
    options: &[],
    evidence: &[Redundancy, EmergencyMode],
    limits: &[
        "the scheduler's own default spread is not seen",
        "whether the constraint's selector finds the pods is not looked at",
    ],
    good: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: 2\n  template:\n    spec:\n      containers: [{name: app}]\n      topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname}]\n",
    bad: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: 2\n  template:\n    spec:\n      containers: [{name: app}]\n      topologySpreadConstraints: []\n",
    check: |subject, judging| {
        match fewest_replicas(subject, judging) {
            Read::Known(replicas) if replicas < 2 => {
                judging.not_applicable("it runs once");
                return;
            }
            Read::Known(_) => {}
            Read::Absent | Read::Unknown => judging.unknown("spec.replicas"),
        }
        let Some(pod) = pod(subject, judging) else { return };
        let required = "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution";
        let preferred = "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution";
        let said =
            ["topologySpreadConstraints", required, preferred].map(|field| match pod.spec().list(field) {
                Read::Known(items) => Answer::from_bool(!items.is_empty()),
                Read::Absent => Answer::No,
                Read::Unknown => Answer::Unknown,
            });
        match Answer::any(said) {
            Answer::Yes => {}
            Answer::No => judging.fail(
                pod.spec().at("topologySpreadConstraints"),
                "all its pods may run on one node",
            ),
            Answer::Unknown => judging.unknown(pod.spec().at("topologySpreadConstraints")),
        }
    },
};

/// Bare pods.
pub static NO_NAKED_PODS: Rule = Rule {
    id: "no-naked-pods",
    title: "Every pod has something that replaces it",
    meaning: "Judges Pods. Fails where a Pod has no owner (`metadata.ownerReferences`). Static pods, which the kubelet marks with an annotation, are not judged.",
    why: "A bare pod that is evicted, or whose node goes away, is gone.",
    remedy: "Make it a Deployment, a StatefulSet, a DaemonSet or a Job.",
    kinds: &[POD],
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Redundancy, ContingencyPlan],
    limits: &["pods that an operator will adopt later are told too"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, ownerReferences: [{kind: ReplicaSet, name: a}]}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, ownerReferences: []}\n",
    check: |subject, judging| {
        if !subject
            .body
            .entry("metadata.annotations", "kubernetes.io/config.mirror")
            .is_absent()
        {
            judging.not_applicable("the kubelet makes the pod from a file of its node");
            return;
        }
        let owners = judging.note(
            subject.body.list("metadata.ownerReferences"),
            subject.body,
            "metadata.ownerReferences",
        );
        let none = owners.is_none_or(<[_]>::is_empty);
        if none && !subject.body.list("metadata.ownerReferences").is_unknown() {
            judging.fail("", "the pod has no owner, so nothing replaces it");
        }
    },
};
