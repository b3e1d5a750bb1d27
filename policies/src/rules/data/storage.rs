//! Encryption, persistence and deletion of data.

use phoenix_graph::Object;
use serde_json::{Map, Value};

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, BackupBeforeMovement, ConfidentialKept, DataBackup, DisasterRecovery,
    EncryptionAtRest, Integrity, Recovery, Redundancy, StoredDataProtected,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::image::Image;
use crate::kind::{CLAIM, CRON_JOB, DEPLOYMENT, Kind, STATEFUL_SET};
use crate::pod::Pod;
use crate::rule::{Check, Rule, Severity};
use crate::rules::data::backups::runs;
use crate::rules::data::velero::{self, Claim};
use crate::rules::data::{BACKUP_ANNOTATION, stores};
use crate::rules::pod_security::volumes::normalized;
use crate::rules::workloads::availability::most_replicas;
use crate::selector::Answer;
use crate::settings::assume;
use crate::text::rule_text;

const VOLUME: Kind = Kind::core("PersistentVolume");
const CLASS: Kind = Kind::new(&["storage.k8s.io"], "StorageClass");

/// Whether a storage class enables encryption.
fn encrypts(class: Node<'_>) -> Answer {
    let parameter =
        |key: &str, good: &[&str]| class.entry("parameters", key).is(|value| good.contains(&value));
    match class.text("provisioner") {
        Field::Known(
            "ebs.csi.aws.com"
            | "kubernetes.io/aws-ebs"
            | "ebs.csi.eks.amazonaws.com"
            | "rbd.csi.ceph.com"
            | "rook-ceph.rbd.csi.ceph.com"
            | "driver.longhorn.io",
        ) => parameter("encrypted", &["true"]),
        // These clouds encrypt every disk; a storage class cannot disable that.
        Field::Known(
            "pd.csi.storage.gke.io"
            | "kubernetes.io/gce-pd"
            | "filestore.csi.storage.gke.io"
            | "disk.csi.azure.com"
            | "kubernetes.io/azure-disk"
            | "file.csi.azure.com",
        ) => Answer::Yes,
        _ => Answer::Unknown,
    }
}

/// Storage classes.
pub static STORAGE_CLASS_ENCRYPTED: Rule = Rule {
    id: "storage-class-encrypted",
    text: rule_text!("storage-class-encrypted"),
    kinds: &[CLASS],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    assumptions: &[&assume::ENCRYPTED_CLASSES],
    evidence: &[AccessArchitecture, ConfidentialKept, EncryptionAtRest],
    check: Check::Resource(|subject, context| {
        if context
            .assumed_texts(&assume::ENCRYPTED_CLASSES)
            .contains(&subject.object.id.name.as_str())
        {
            return;
        }
        match encrypts(subject.body) {
            Answer::Yes => {}
            Answer::No => context.fail(
                "parameters.encrypted",
                "the storage class does not enable encryption",
            ),
            Answer::Unknown => context.unknown("whether the provisioner encrypts"),
        }
    }),
    ..Rule::DEFAULTS
};

/// Claims.
pub static DATA_VOLUMES_ON_ENCRYPTED_CLASS: Rule = Rule {
    id: "data-volumes-on-encrypted-class",
    text: rule_text!("data-volumes-on-encrypted-class"),
    kinds: &[CLAIM, STATEFUL_SET],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    assumptions: &[&assume::DEFAULT_CLASS_ENCRYPTED, &assume::ENCRYPTED_CLASSES],
    evidence: &[AccessArchitecture, ConfidentialKept, EncryptionAtRest],
    check: Check::Stack(|subject, context| {
        let templates = context.items(subject.body, "spec.volumeClaimTemplates");
        let claims: Vec<Node<'_>> = if subject.kind() == "StatefulSet" {
            if templates.is_empty() && subject.body.list("spec.volumeClaimTemplates").is_absent() {
                context.not_applicable("the StatefulSet has no volume claims");
            }
            templates.iter().map(crate::context::Item::node).collect()
        } else {
            vec![subject.body]
        };
        for claim in claims {
            let place = claim.at("spec.storageClassName");
            match claim.text("spec.storageClassName") {
                Field::Known("") => {
                    context.unknown(format!("{place}: the volume that the claim is bound to"));
                }
                Field::Known(class) => match class_encrypts(class, context) {
                    Answer::Yes => {}
                    Answer::No => {
                        context.fail(
                            place,
                            format!("the storage class {class} does not encrypt its volumes"),
                        );
                    }
                    Answer::Unknown => {
                        context.unknown(format!("{place}: whether the storage class {class} encrypts"));
                    }
                },
                Field::Absent if context.assumed(&assume::DEFAULT_CLASS_ENCRYPTED) => {}
                Field::Absent => {
                    context.unknown(format!("{place}: whether the default storage class encrypts"));
                }
                Field::Unknown => context.unknown(place),
            }
        }
    }),
    ..Rule::DEFAULTS
};

fn class_encrypts(name: &str, context: &CheckContext<'_>) -> Answer {
    let assumed = context.assumed_texts(&assume::ENCRYPTED_CLASSES);
    if assumed.contains(&name) {
        return Answer::Yes;
    }
    let class = context.inventory.cluster_scoped(CLASS, name);
    class.map_or(Answer::Unknown, |class| encrypts(Node::new(class.body(), "")))
}

/// Data on ephemeral volumes.
pub static DATA_NOT_ON_EPHEMERAL_VOLUME: Rule = Rule {
    id: "data-not-on-ephemeral-volume",
    text: rule_text!("data-not-on-ephemeral-volume"),
    kinds: &[DEPLOYMENT, STATEFUL_SET],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Redundancy, Integrity, DataBackup],
    check: Check::Resource(ephemeral),
    ..Rule::DEFAULTS
};

fn ephemeral(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(pod) = context.pod(subject) else { return };
    let mut stores = 0;
    for container in context.containers(subject) {
        if !container.is_long_running() {
            continue;
        }
        let Some(image) = context.known(container.image(), container.node(), "image") else {
            continue;
        };
        let candidates = stores::of_image(&Image::of(image));
        if candidates.is_empty() {
            continue;
        }
        let place = container.node().at("volumeMounts");
        let mut mounts = Vec::new();
        for mount in context.items(container.node(), "volumeMounts") {
            let node = mount.node();
            if let (Some(path), Some(name)) = (context.text(node, "mountPath"), context.text(node, "name")) {
                mounts.push((normalized(path), is_kept(name, subject.body, pod.spec())));
            }
        }
        if candidates.iter().all(|store| store.is_cache) && !stores::persists(container, &mounts) {
            continue;
        }
        stores += 1;
        if container.node().list("volumeMounts").is_unknown() {
            continue;
        }
        let mut faults: Vec<_> = candidates
            .iter()
            .map(|store| stores::kept(store, container, &mounts))
            .collect();
        // The version of the image may be unknown.
        faults.dedup();
        match faults.as_slice() {
            [stores::Kept::Yes] => {}
            [stores::Kept::No(fault), rest @ ..]
                if rest.iter().all(|other| matches!(other, stores::Kept::No(_))) =>
            {
                context.fail(place, format!("{} stores its data in {fault}", container.words()));
            }
            _ => context.unknown(place),
        }
    }
    if stores == 0 {
        context.not_applicable("no container runs a known data store");
    }
}

/// The keys of a volume that does not outlive its pod.
const EPHEMERAL: [&str; 9] = [
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "gitRepo",
    "image",
    "name",
    "projected",
    "secret",
];

/// Whether a volume outlives its pod.
fn is_kept(name: &str, workload: Node<'_>, pod: Node<'_>) -> Answer {
    match named(workload.list("spec.volumeClaimTemplates"), "metadata.name", name) {
        Field::Known(_) => return Answer::Yes,
        Field::Unknown => return Answer::Unknown,
        Field::Absent => {}
    }
    let volume = match named(pod.list("volumes"), "name", name) {
        Field::Known(volume) => Node::new(volume, ""),
        Field::Absent => return Answer::No,
        Field::Unknown => return Answer::Unknown,
    };
    match volume.map("") {
        Field::Known(fields) if fields.get("csi").is_some_and(|csi| !csi.is_null()) => Answer::Unknown,
        // A volume without a type is an emptyDir.
        Field::Known(fields) => {
            let mut types = fields.iter().filter(|(_, value)| !value.is_null());
            Answer::from_bool(types.any(|(kind, _)| !EPHEMERAL.contains(&kind.as_str())))
        }
        _ => Answer::Unknown,
    }
}

/// The item of a list that has this name.
fn named<'v>(list: Field<&'v [Value]>, field: &str, name: &str) -> Field<&'v Value> {
    list.and_then(|items| {
        let found = items
            .iter()
            .find(|item| Node::new(item, "").text(field) == Field::Known(name));
        found.map_or(Field::Absent, Field::Known)
    })
}

/// Volumes with a single writer.
pub static NO_SHARED_SINGLE_WRITER_VOLUME: Rule = Rule {
    id: "no-shared-single-writer-volume",
    text: rule_text!("no-shared-single-writer-volume"),
    kinds: &[DEPLOYMENT],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Redundancy, StoredDataProtected, Integrity],
    check: Check::Stack(single_writer),
    ..Rule::DEFAULTS
};

fn single_writer(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(pod) = context.pod(subject) else { return };
    let mut claims = 0;
    for volume in context.items(pod.spec(), "volumes") {
        if volume.node().field("persistentVolumeClaim").is_absent() {
            continue;
        }
        claims += 1;
        let Some(name) = context.text(volume.node(), "persistentVolumeClaim.claimName") else {
            continue;
        };
        let place = volume.node().at("persistentVolumeClaim");
        let Some(claim) = context.inventory.get(CLAIM, subject.namespace(), name) else {
            context.unknown(format!("{place}: the claim {name} is not in the input"));
            continue;
        };
        match is_single(claim) {
            Answer::No => continue,
            Answer::Unknown => {
                context.unknown(format!("spec.accessModes of {}", claim.id));
                continue;
            }
            Answer::Yes => {}
        }
        match most_replicas(subject, context) {
            Field::Known(replicas) if replicas > 1 => context.fail(
                place.clone(),
                format!(
                    "up to {replicas} pods mount the claim {name}, which only one node can mount at a time"
                ),
            ),
            Field::Unknown => context.unknown("spec.replicas"),
            _ => {}
        }
        let surge = match subject.body.text("spec.strategy.type") {
            Field::Known("Recreate") => Answer::No,
            Field::Unknown => Answer::Unknown,
            _ => match subject.body.field("spec.strategy.rollingUpdate.maxSurge") {
                Field::Known(surge) => {
                    Answer::from_bool(!(surge.as_i64() == Some(0) || surge.as_str() == Some("0%")))
                }
                Field::Absent => Answer::Yes,
                Field::Unknown => Answer::Unknown,
            },
        };
        match surge {
            Answer::Yes => context.fail(
                "spec.strategy",
                format!("during a rollout, two pods mount the claim {name}, which only one node can mount at a time"),
            ),
            Answer::Unknown => context.unknown("spec.strategy"),
            Answer::No => {}
        }
    }
    if claims == 0 && !pod.spec().list("volumes").is_unknown() {
        context.not_applicable("the workload mounts no claims");
    }
}

fn is_single(claim: &Object) -> Answer {
    match Node::new(claim.body(), "").list("spec.accessModes") {
        Field::Known(modes) => Answer::any(modes.iter().map(|mode| match crate::field::text(mode) {
            Field::Known(mode) => Answer::from_bool(["ReadWriteMany", "ReadOnlyMany"].contains(&mode)),
            _ => Answer::Unknown,
        }))
        .negate(),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    }
}

/// Deletion of data.
pub static DATA_DELETION_GUARDED: Rule = Rule {
    id: "data-deletion-guarded",
    text: rule_text!("data-deletion-guarded"),
    kinds: &[STATEFUL_SET, VOLUME],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Redundancy, ConfidentialKept, Integrity],
    check: Check::Resource(|subject, context| {
        for (field, when) in [
            ("whenDeleted", "the StatefulSet is deleted"),
            ("whenScaled", "the StatefulSet is scaled down"),
        ] {
            let path = format!("spec.persistentVolumeClaimRetentionPolicy.{field}");
            if context.text(subject.body, &path) == Some("Delete") {
                context.fail(path, format!("the claims are deleted when {when}"));
            }
        }
        let path = "spec.persistentVolumeReclaimPolicy";
        if let Some(policy) = context
            .text(subject.body, path)
            .filter(|policy| *policy != "Retain")
        {
            context.fail(
                path,
                format!("the volume is deleted with its claim, because the reclaim policy is {policy}"),
            );
        }
    }),
    ..Rule::DEFAULTS
};

/// Backups.
pub static BACKUP_COVERS_DATA: Rule = Rule {
    id: "backup-covers-data",
    text: rule_text!("backup-covers-data"),
    kinds: &[CLAIM, STATEFUL_SET],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[&BACKUP_ANNOTATION],
    assumptions: &[&assume::EXTERNALLY_BACKED_UP_CLAIMS, &assume::EPHEMERAL_CLAIMS],
    evidence: &[
        Redundancy,
        Recovery,
        DataBackup,
        DisasterRecovery,
        BackupBeforeMovement,
    ],
    check: Check::Stack(backup),
    ..Rule::DEFAULTS
};

fn backup(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let templates = context.items(subject.body, "spec.volumeClaimTemplates");
    let claims: Vec<(Option<&str>, String)> = if subject.kind() == "StatefulSet" {
        if templates.is_empty() && subject.body.list("spec.volumeClaimTemplates").is_absent() {
            context.not_applicable("the StatefulSet has no volume claims");
        }
        templates
            .iter()
            .map(|template| {
                (
                    Node::new(template.value, "").text("metadata.name").known(),
                    template.path.clone(),
                )
            })
            .collect()
    } else {
        vec![(Some(subject.object.id.name.as_str()), String::new())]
    };
    for (name, place) in claims {
        let Some(name) = name else {
            context.unknown(place);
            continue;
        };
        let path = format!("{}/{name}", subject.namespace());
        let is_assumed = [&assume::EXTERNALLY_BACKED_UP_CLAIMS, &assume::EPHEMERAL_CLAIMS]
            .into_iter()
            .any(|setting| context.assumed_texts(setting).contains(&path.as_str()));
        if is_assumed {
            continue;
        }
        let labels = claim_labels(subject, &place);
        let claim = Claim {
            name,
            namespace: subject.namespace(),
            labels: labels.as_ref(),
            mounts: mounts_of(name, subject, context),
        };
        match Answer::any([by_job(&claim, context), velero::covers(&claim, context)]) {
            Answer::Yes => {}
            Answer::No if context.inventory.is_complete() => {
                context.fail(place, format!("no backup covers the claim {name}"));
            }
            Answer::No | Answer::Unknown => {
                context.unknown(format!("whether a backup covers the claim {name}"));
            }
        }
    }
}

/// The labels of a claim. The claims of a StatefulSet also have the labels of its selector.
fn claim_labels(subject: &Subject<'_>, template: &str) -> Field<Map<String, Value>> {
    if template.is_empty() {
        return subject.body.map("metadata.labels").map(Clone::clone);
    }
    let index = template
        .trim_start_matches("spec.volumeClaimTemplates[")
        .trim_end_matches(']');
    let templates = subject
        .body
        .list("spec.volumeClaimTemplates")
        .known()
        .unwrap_or_default();
    let template = index.parse().ok().and_then(|index: usize| templates.get(index));
    let own = template.map_or(Field::Absent, |template| {
        Node::new(template, "").map("metadata.labels")
    });
    match (own, subject.body.map("spec.selector.matchLabels")) {
        (Field::Unknown, _) | (_, Field::Unknown) => Field::Unknown,
        (own, selected) => {
            let mut labels = own.known().cloned().unwrap_or_default();
            labels.extend(selected.known().cloned().unwrap_or_default());
            Field::Known(labels)
        }
    }
}

/// The pods that mount a claim, each with the name of the volume.
fn mounts_of<'a>(
    name: &'a str,
    subject: &Subject<'a>,
    context: &CheckContext<'a>,
) -> Vec<(&'a Pod<'a>, &'a str)> {
    if let Some(pod) = subject.pod {
        return vec![(pod, name)];
    }
    let mut mounts = Vec::new();
    for workload in context.inventory.workloads_in(subject.namespace()) {
        for volume in workload.pod.spec().list("volumes").known().unwrap_or_default() {
            let volume = Node::new(volume, "");
            if volume.text("persistentVolumeClaim.claimName") == Field::Known(name) {
                mounts.push((workload.pod, volume.text("name").known().unwrap_or_default()));
            }
        }
    }
    mounts
}

fn by_job(claim: &Claim<'_>, context: &CheckContext<'_>) -> Answer {
    let Some(annotation) = context.option_text(&BACKUP_ANNOTATION) else {
        return Answer::No;
    };
    Answer::any(context.inventory.within(CRON_JOB, claim.namespace).map(|job| {
        let job = Node::new(job.body(), "");
        let names = job
            .entry("metadata.annotations", annotation)
            .is(|claims| claims.split(',').any(|name| name.trim() == claim.name));
        match names {
            Answer::No => Answer::No,
            names => names.and(runs(job, "spec.suspend")),
        }
    }))
}
