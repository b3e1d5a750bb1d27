//! Which claims a Schedule of Velero backs up.

use serde_json::{Map, Value};

use crate::context::CheckContext;
use crate::field::{Field, Node, text};
use crate::pod::Pod;
use crate::rules::data::VELERO_SCHEDULE;
use crate::rules::data::backups::runs;
use crate::rules::workloads::provenance::{Star, is_like};
use crate::selector::{Answer, PodLabels, selects};

/// A claim, and the pods that mount it with the names of their volumes.
pub(super) struct Claim<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub labels: Field<&'a Map<String, Value>>,
    pub mounts: Vec<(&'a Pod<'a>, &'a str)>,
}

/// Whether a Schedule backs up the data of a claim.
pub(super) fn covers(claim: &Claim<'_>, context: &CheckContext<'_>) -> Answer {
    let is_excluded = match claim
        .labels
        .map(|labels| labels.get("velero.io/exclude-from-backup").cloned())
    {
        Field::Known(Some(value)) => match text(&value) {
            Field::Known(value) => Answer::from_bool(value == "true"),
            _ => Answer::Unknown,
        },
        Field::Known(None) | Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    };
    let schedules = context.inventory.all(VELERO_SCHEDULE);
    Answer::any(schedules.map(|schedule| {
        let schedule = Node::new(schedule.body(), "");
        let empty = Value::Object(Map::new());
        let backup = match schedule.field("spec.template") {
            Field::Known(template) => Node::new(template, ""),
            Field::Absent => Node::new(&empty, ""),
            Field::Unknown => return Answer::Unknown,
        };
        is_excluded
            .negate()
            .and(runs(schedule, "spec.paused"))
            .and(includes_namespace(backup, claim.namespace))
            .and(selects_claim(backup, claim))
            .and(data(backup, claim))
    }))
}

/// A list of names or patterns: whether it contains one of these names, and what an empty list means.
fn listed(backup: Node<'_>, field: &str, names: &[&str], empty: Answer) -> Answer {
    match backup.list(field) {
        Field::Known([]) | Field::Absent => empty,
        Field::Known(items) => Answer::any(items.iter().map(|item| {
            match text(item) {
                Field::Known(pattern) => Answer::from_bool(
                    names
                        .iter()
                        .any(|name| is_like(name.as_bytes(), pattern.as_bytes(), Star::Anything)),
                ),
                _ => Answer::Unknown,
            }
        })),
        Field::Unknown => Answer::Unknown,
    }
}

fn includes_namespace(backup: Node<'_>, namespace: &str) -> Answer {
    listed(backup, "includedNamespaces", &[namespace], Answer::Yes)
        .and(listed(backup, "excludedNamespaces", &[namespace], Answer::No).negate())
}

/// Whether the label selectors match the claim or a pod that mounts it, with which its claims are included.
fn selects_claim(backup: Node<'_>, claim: &Claim<'_>) -> Answer {
    let by = |selector: Node<'_>| {
        let pods = claim
            .mounts
            .iter()
            .map(|(pod, _)| selects(selector, pod.labels()));
        Answer::any(std::iter::once(selects(selector, PodLabels::from(claim.labels))).chain(pods))
    };
    let one = match backup.field("labelSelector") {
        Field::Known(selector) => by(Node::new(selector, "")),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    one.and(match backup.list("orLabelSelectors") {
        Field::Known([]) | Field::Absent => Answer::Yes,
        Field::Known(selectors) => Answer::any(selectors.iter().map(|selector| by(Node::new(selector, "")))),
        Field::Unknown => Answer::Unknown,
    })
}

const CLAIMS: &[&str] = &["persistentvolumeclaims", "persistentvolumeclaim", "pvc", "pvcs"];
const VOLUMES: &[&str] = &["persistentvolumes", "persistentvolume", "pv", "pvs"];
const PODS: &[&str] = &["pods", "pod", "po"];

/// Whether the backup contains the data of the claim: as a snapshot of its volume, or as files that Velero reads in the pods.
fn data(backup: Node<'_>, claim: &Claim<'_>) -> Answer {
    let namespaced = |names| {
        let fields = [
            ("includedResources", "excludedResources"),
            (
                "includedNamespaceScopedResources",
                "excludedNamespaceScopedResources",
            ),
        ];
        fields
            .into_iter()
            .fold(Answer::Yes, |so_far, (included, excluded)| {
                so_far
                    .and(listed(backup, included, names, Answer::Yes))
                    .and(listed(backup, excluded, names, Answer::No).negate())
            })
    };
    // A snapshot of the CSI driver is taken with the claim, and any other with the volume.
    let has_volumes = listed(backup, "includedResources", VOLUMES, Answer::Yes)
        .and(listed(backup, "excludedResources", VOLUMES, Answer::No).negate())
        .and(listed(
            backup,
            "includedClusterScopedResources",
            VOLUMES,
            Answer::Yes,
        ))
        .and(listed(backup, "excludedClusterScopedResources", VOLUMES, Answer::No).negate())
        .and(flag(backup, "includeClusterResources", true));
    let snapshot = flag(backup, "snapshotVolumes", true).and(match has_volumes {
        Answer::No => Answer::Unknown,
        answer => answer,
    });
    let by_default = Answer::any([
        flag(backup, "defaultVolumesToFsBackup", false),
        flag(backup, "defaultVolumesToRestic", false),
    ]);
    let in_pods = claim
        .mounts
        .iter()
        .map(|(pod, volume)| files(pod, volume, by_default));
    let files = match (Answer::any(in_pods), claim.mounts.is_empty()) {
        // No pod in the input mounts the claim.
        (_, true) if by_default != Answer::No => Answer::Unknown,
        (answer, _) => answer,
    };
    // A policy that the Schedule refers to can skip volumes.
    let is_plain = if backup.field("resourcePolicy").is_absent() {
        Answer::Yes
    } else {
        Answer::Unknown
    };
    Answer::any([snapshot, files.and(namespaced(PODS))])
        .and(namespaced(CLAIMS))
        .and(is_plain)
}

fn flag(backup: Node<'_>, field: &str, default: bool) -> Answer {
    match backup.flag(field) {
        Field::Known(flag) => Answer::from_bool(flag),
        Field::Absent => Answer::from_bool(default),
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether the files of a volume of a pod are backed up: by default unless the pod excludes the volume, or if the pod requests
/// it, which is certain only in a cluster with the agents that do it.
fn files(pod: &Pod<'_>, volume: &str, by_default: Answer) -> Answer {
    let annotated = |key| {
        pod.metadata()
            .entry("annotations", key)
            .is(|volumes| volumes.split(',').any(|name| name.trim() == volume))
    };
    let wanted = match annotated("backup.velero.io/backup-volumes") {
        Answer::No => Answer::No,
        Answer::Yes | Answer::Unknown => Answer::Unknown,
    };
    let kept = by_default.and(annotated("backup.velero.io/backup-volumes-excludes").negate());
    Answer::any([kept, wanted])
}
