//! What a container may use, and how it is seen to be well.

use crate::control::Control::{AnomaliesWatched, Capacity, ContingencyPlan, GeneralProtection, Redundancy};
use crate::pod::{Role, SERVERS, WORKLOADS};
use crate::read::Read;
use crate::rule::{Enforcement, Level, Rule, Severity};
use crate::rules::hardening::resource;
use crate::rules::{containers, pod};
use crate::settings::{Default, Setting};

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
    title: "No container can take all of its node's memory",
    meaning: "Fails where a container or init container has no limit for memory (or for what the settings name), neither its own nor its pod's (`spec.resources`); a limit of 0 is none. Ephemeral containers, which cannot have one, are not judged. A limit for the processor is not asked for by default, since it slows a container down although its node is idle.",
    why: "A container without a limit takes what its neighbours need, and the kernel then kills whom it likes.",
    remedy: "Set `resources.limits.memory` to somewhat more than the most that the container was seen to use.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&LIMITED],
    evidence: &[Capacity, ContingencyPlan, GeneralProtection],
    limits: &["a LimitRange that fills the limit in is not counted: it belongs to the namespace, and can go"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, resources: {limits: {memory: 1Gi}}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, resources: {limits: {cpu: 1}}}\n",
    check: |subject, judging| has(subject, judging, "limits", &LIMITED),
};

/// `resources.requests`.
pub static RESOURCE_REQUESTS_SET: Rule = Rule {
    id: "resource-requests-set",
    title: "Every container says what it needs",
    meaning: "Fails where a container or init container has no request for processor and memory (or for what the settings name), neither its own nor its pod's; a limit counts as a request of the same size, as Kubernetes makes it one. Ephemeral containers are not judged.",
    why: "The scheduler places by requests: without them nodes are overcommitted, and these pods are the first to be evicted.",
    remedy: "Set `resources.requests` to what the container needs in ordinary use.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Low,
    enforcement: Enforcement::Mandatory,
    options: &[&REQUESTED],
    evidence: &[Capacity, ContingencyPlan],
    limits: &["a LimitRange that fills the request in is not counted"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, resources: {requests: {cpu: 1, memory: 1Gi}}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: app, resources: {requests: {cpu: 1}}}\n",
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
    title: "Every server says whether it is ready and whether it is alive",
    meaning: "Fails where an ordinary container has no readiness or no liveness probe. Jobs, CronJobs, pods that are not restarted for ever, init and ephemeral containers are not judged.",
    why: "Without readiness requests go to pods that cannot answer; without liveness a hung one stays until somebody looks.",
    remedy: "Add both probes. Where a restart cannot help, a liveness probe on the process itself is enough.",
    kinds: SERVERS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&PROBES],
    evidence: &[Capacity, Redundancy, AnomaliesWatched, ContingencyPlan],
    limits: &["whether the probe asks anything sensible is not seen"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    livenessProbe: {tcpSocket: {port: 80}}\n    readinessProbe: {tcpSocket: {port: 80}}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    readinessProbe: {tcpSocket: {port: 80}}\n",
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
