//! Where data lies, and what keeps it from getting lost.

use phoenix_graph::Object;
use serde_json::Value;

use crate::control::Control::{
    AccessArchitecture, BackupBeforeMovement, ConfidentialKept, DataBackup, DisasterRecovery,
    EncryptionAtRest, Integrity, Recovery, Redundancy, StoredDataProtected,
};
use crate::image::Image;
use crate::judging::{Judging, Subject};
use crate::pod::{DEPLOYMENT, STATEFUL_SET};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::availability::most_replicas;
use crate::rules::{containers, pod};
use crate::selector::Answer;
use crate::settings::{Default, Setting, assume};

pub(super) const CLAIM: Kind = Kind::core("PersistentVolumeClaim");
const VOLUME: Kind = Kind::core("PersistentVolume");
const CLASS: Kind = Kind::new(&["storage.k8s.io"], "StorageClass");

/// What a storage class says of encryption.
fn encrypts(class: Node<'_>) -> Answer {
    let parameter = |key: &str, good: &[&str]| match class.entry("parameters", key) {
        Read::Known(value) => Answer::from_bool(good.contains(&value)),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    };
    match class.text("provisioner") {
        Read::Known(
            "ebs.csi.aws.com"
            | "kubernetes.io/aws-ebs"
            | "ebs.csi.eks.amazonaws.com"
            | "rbd.csi.ceph.com"
            | "rook-ceph.rbd.csi.ceph.com"
            | "driver.longhorn.io",
        ) => parameter("encrypted", &["true"]),
        // These clouds encrypt every disk, and a class cannot ask them not to.
        Read::Known(
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

/// Classes.
pub static STORAGE_CLASS_ENCRYPTED: Rule = Rule {
    id: "storage-class-encrypted",
    title: "Every storage class encrypts its volumes",
    meaning: "Judges StorageClasses by their provisioner. AWS EBS, Ceph RBD and Longhorn pass where `parameters.encrypted` is \"true\". The disks of Google and Azure are always encrypted and pass. Of any other provisioner it cannot be said, unless the settings name the class as one that encrypts.",
    why: "A disk that is not encrypted can be read by whoever gets it, or a copy of it.",
    remedy: "Set `parameters.encrypted: \"true\"`; a class cannot be changed, so make a new one.",
    kinds: &[CLASS],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, ConfidentialKept, EncryptionAtRest],
    limits: &["encryption below the provisioner (an array's, a host's) is not seen"],
    good: "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: ebs.csi.aws.com\nparameters: {encrypted: \"true\"}\n",
    bad: "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: ebs.csi.aws.com\nparameters: {encrypted: \"false\"}\n",
    check: |subject, judging| {
        if judging
            .world
            .settings
            .assumed_texts(&assume::ENCRYPTED_CLASSES)
            .contains(&subject.object.id.name.as_str())
        {
            return;
        }
        match encrypts(subject.body) {
            Answer::Yes => {}
            Answer::No => judging.fail(
                "parameters.encrypted",
                "the class does not ask its provisioner to encrypt",
            ),
            Answer::Unknown => judging.unknown("whether its provisioner encrypts"),
        }
    },
};

/// Claims.
pub static DATA_VOLUMES_ON_ENCRYPTED_CLASS: Rule = Rule {
    id: "data-volumes-on-encrypted-class",
    title: "Every claim lies on storage that is encrypted",
    meaning: "Judges claims and the claim templates of StatefulSets. A claim passes where its class was given and encrypts, or is one that the settings name; without a class, where the settings assume that the cluster's default class encrypts. It fails where its class was given and does not. Of any other it cannot be said.",
    why: "That there is an encrypted class helps only those who use it.",
    remedy: "Name an encrypted class in `storageClassName`, or say in the settings (`assume`) what is known of the cluster's classes.",
    kinds: &[CLAIM, STATEFUL_SET],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, ConfidentialKept, EncryptionAtRest],
    limits: &["classes of the cluster that were not given are taken at the settings' word"],
    good: "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {storageClassName: safe}\n---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: safe}\nprovisioner: ebs.csi.aws.com\nparameters: {encrypted: \"true\"}\n",
    bad: "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {storageClassName: plain}\n---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: plain}\nprovisioner: ebs.csi.aws.com\nparameters: {encrypted: \"false\"}\n",
    check: |subject, judging| {
        let templates = judging.items(subject.body, "spec.volumeClaimTemplates");
        let claims: Vec<Node<'_>> = if subject.kind() == "StatefulSet" {
            if templates.is_empty() && subject.body.list("spec.volumeClaimTemplates").is_absent() {
                judging.not_applicable("the StatefulSet claims no volumes");
            }
            templates.iter().map(crate::judging::Item::node).collect()
        } else {
            vec![subject.body]
        };
        for claim in claims {
            let place = claim.at("spec.storageClassName");
            match claim.text("spec.storageClassName") {
                Read::Known("") => judging.unknown(format!("{place}: which volume it is bound to")),
                Read::Known(class) => match class_encrypts(class, judging) {
                    Answer::Yes => {}
                    Answer::No => {
                        judging.fail(place, format!("the class {class} does not encrypt its volumes"));
                    }
                    Answer::Unknown => {
                        judging.unknown(format!("{place}: whether the class {class} encrypts"));
                    }
                },
                Read::Absent if judging.world.settings.assumed(&assume::DEFAULT_CLASS_ENCRYPTED) => {}
                Read::Absent => {
                    judging.unknown(format!("{place}: whether the cluster's default class encrypts"));
                }
                Read::Unknown => judging.unknown(place),
            }
        }
    },
};

fn class_encrypts(name: &str, judging: &Judging<'_>) -> Answer {
    let assumed = judging.world.settings.assumed_texts(&assume::ENCRYPTED_CLASSES);
    if assumed.contains(&name) {
        return Answer::Yes;
    }
    let class = judging.world.of_cluster(CLASS, name);
    class.map_or(Answer::Unknown, |class| encrypts(Node::new(class.body(), "")))
}

/// Stores by the last part of their image's repository, and where they keep their data.
const STORES: [(&str, &str); 14] = [
    ("postgres", "/var/lib/postgresql"),
    ("postgresql", "/bitnami/postgresql"),
    ("mysql", "/var/lib/mysql"),
    ("mariadb", "/var/lib/mysql"),
    ("mongo", "/data/db"),
    ("mongodb", "/bitnami/mongodb"),
    ("neo4j", "/data"),
    ("qdrant", "/qdrant/storage"),
    ("weaviate", "/var/lib/weaviate"),
    ("elasticsearch", "/usr/share/elasticsearch/data"),
    ("opensearch", "/usr/share/opensearch/data"),
    ("cassandra", "/var/lib/cassandra"),
    ("influxdb", "/var/lib/influxdb"),
    ("etcd", "/var/lib/etcd"),
];

/// Data on scratch space.
pub static DATA_NOT_ON_EPHEMERAL_VOLUME: Rule = Rule {
    id: "data-not-on-ephemeral-volume",
    title: "No database keeps its data where it goes with the pod",
    meaning: "Judges Deployments and StatefulSets. Where the image of a container is a store that this pack knows (by the last part of its repository: postgres, mysql, mongo, neo4j, qdrant, elasticsearch and others), fails where nothing is mounted at, above or below the place where it keeps its data, or what is mounted there is an emptyDir or another volume that goes with the pod.",
    why: "The first time such a pod is moved to another node, its data is gone.",
    remedy: "Mount a claim at the place where the store keeps its data.",
    kinds: &[DEPLOYMENT, STATEFUL_SET],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Redundancy, Integrity, DataBackup],
    limits: &[
        "a store under another name, or whose configuration moves its data, is not known",
        "caches such as Redis are not judged",
    ],
    good: "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers:\n      - {name: db, image: postgres:17, volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]}\n  volumeClaimTemplates: [{metadata: {name: data}}]\n",
    bad: "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      volumes: [{name: data, emptyDir: {}}]\n      containers:\n      - {name: db, image: postgres:17, volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]}\n",
    check: ephemeral,
};

fn ephemeral(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let Some(pod) = pod(subject, judging) else { return };
    let mut stores = 0;
    for container in containers(subject, judging) {
        if !container.is_long_running() {
            continue;
        }
        let Some(image) = judging.text(container.node(), "image") else {
            continue;
        };
        let repository = Image::of(image).repository;
        let last = repository.rsplit('/').next().unwrap_or(repository);
        let Some((_, place)) = STORES.iter().find(|(name, _)| *name == last) else {
            continue;
        };
        stores += 1;
        let mounts = judging.items(container.node(), "volumeMounts");
        let at = |path: &str| {
            let path = path.trim_end_matches('/');
            path == *place || place.starts_with(&format!("{path}/")) || path.starts_with(&format!("{place}/"))
        };
        let mut kept = Answer::No;
        let mut mounted = false;
        for mount in &mounts {
            let (Some(path), Some(name)) = (
                judging.text(mount.node(), "mountPath"),
                judging.text(mount.node(), "name"),
            ) else {
                continue;
            };
            if at(path) {
                mounted = true;
                kept = Answer::any([kept, is_kept(name, subject.body, pod.spec())]);
            }
        }
        if container.node().list("volumeMounts").is_unknown() {
            continue;
        }
        match kept {
            Answer::Yes => {}
            Answer::Unknown => judging.unknown(container.node().at("volumeMounts")),
            Answer::No if mounted => judging.fail(
                container.node().at("volumeMounts"),
                format!(
                    "{} keeps its data in {place}, on a volume that goes with the pod",
                    container.words()
                ),
            ),
            Answer::No => judging.fail(
                container.node().at("volumeMounts"),
                format!(
                    "{} keeps its data in {place}, where nothing is mounted",
                    container.words()
                ),
            ),
        }
    }
    if stores == 0 {
        judging.not_applicable("no container is a store that is known");
    }
}

/// Whether a volume outlives its pod.
fn is_kept(name: &str, workload: Node<'_>, pod: Node<'_>) -> Answer {
    match named(workload.list("spec.volumeClaimTemplates"), "metadata.name", name) {
        Read::Known(_) => return Answer::Yes,
        Read::Unknown => return Answer::Unknown,
        Read::Absent => {}
    }
    match named(pod.list("volumes"), "name", name) {
        Read::Known(volume) => {
            let goes = [
                "emptyDir",
                "ephemeral",
                "configMap",
                "secret",
                "projected",
                "downwardAPI",
            ];
            let volume = Node::new(volume, "");
            Answer::from_bool(!goes.iter().any(|kind| !volume.field(kind).is_absent()))
        }
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }
}

/// The item of a list that has this name.
fn named<'v>(list: Read<&'v [Value]>, field: &str, name: &str) -> Read<&'v Value> {
    list.and_then(|items| {
        let found = items
            .iter()
            .find(|item| Node::new(item, "").text(field) == Read::Known(name));
        found.map_or(Read::Absent, Read::Known)
    })
}

/// One writer.
pub static NO_SHARED_SINGLE_WRITER_VOLUME: Rule = Rule {
    id: "no-shared-single-writer-volume",
    title: "No two pods write to a volume that is made for one",
    meaning: "Judges Deployments that mount claims that were given. Fails where a claim can be mounted by one node or pod only (ReadWriteOnce, ReadWriteOncePod) and there can be more than one pod: by replicas, by an autoscaler, or for the length of an update (any strategy but Recreate, unless `maxSurge` is 0). A claim that was not given is unknown.",
    why: "Two processes on one data directory corrupt it; on two nodes the second hangs for ever.",
    remedy: "Use a StatefulSet with a claim for each pod, a ReadWriteMany class, or one replica with `strategy: {type: Recreate}`.",
    kinds: &[DEPLOYMENT],
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Redundancy, StoredDataProtected, Integrity],
    limits: &["claims that two workloads share are not told"],
    good: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: a}\nspec:\n  replicas: 1\n  strategy: {type: Recreate}\n  template:\n    spec:\n      containers: [{name: app}]\n      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: a}\nspec: {accessModes: [ReadWriteOnce]}\n",
    bad: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: a}\nspec:\n  replicas: 2\n  strategy: {type: Recreate}\n  template:\n    spec:\n      containers: [{name: app}]\n      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: a}\nspec: {accessModes: [ReadWriteOnce]}\n",
    check: single_writer,
};

fn single_writer(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let Some(pod) = pod(subject, judging) else { return };
    let mut claims = 0;
    for volume in judging.items(pod.spec(), "volumes") {
        if volume.node().field("persistentVolumeClaim").is_absent() {
            continue;
        }
        claims += 1;
        let Some(name) = judging.text(volume.node(), "persistentVolumeClaim.claimName") else {
            continue;
        };
        let place = volume.node().at("persistentVolumeClaim");
        let Some(claim) = judging.world.get(CLAIM, subject.namespace(), name) else {
            judging.unknown(format!("{place}: the claim {name} was not given"));
            continue;
        };
        match is_single(claim) {
            Answer::No => continue,
            Answer::Unknown => {
                judging.unknown(format!("spec.accessModes of {}", claim.id));
                continue;
            }
            Answer::Yes => {}
        }
        match most_replicas(subject, judging) {
            Read::Known(replicas) if replicas > 1 => judging.fail(
                place.clone(),
                format!("up to {replicas} pods mount the claim {name}, which one node may mount"),
            ),
            Read::Unknown => judging.unknown("spec.replicas"),
            _ => {}
        }
        let surge = match subject.body.text("spec.strategy.type") {
            Read::Known("Recreate") => Answer::No,
            Read::Unknown => Answer::Unknown,
            _ => match subject.body.field("spec.strategy.rollingUpdate.maxSurge") {
                Read::Known(surge) => {
                    Answer::from_bool(!(surge.as_i64() == Some(0) || surge.as_str() == Some("0%")))
                }
                Read::Absent => Answer::Yes,
                Read::Unknown => Answer::Unknown,
            },
        };
        match surge {
            Answer::Yes => judging.fail(
                "spec.strategy",
                format!("during an update two pods mount the claim {name}, which one node may mount"),
            ),
            Answer::Unknown => judging.unknown("spec.strategy"),
            Answer::No => {}
        }
    }
    if claims == 0 && !pod.spec().list("volumes").is_unknown() {
        judging.not_applicable("the workload mounts no claims");
    }
}

fn is_single(claim: &Object) -> Answer {
    match Node::new(claim.body(), "").list("spec.accessModes") {
        Read::Known(modes) => {
            let shared = Answer::any(modes.iter().map(|mode| match crate::read::text(mode) {
                Read::Known(mode) => Answer::from_bool(["ReadWriteMany", "ReadOnlyMany"].contains(&mode)),
                _ => Answer::Unknown,
            }));
            match shared {
                Answer::Yes => Answer::No,
                Answer::No => Answer::Yes,
                Answer::Unknown => Answer::Unknown,
            }
        }
        Read::Absent => Answer::Yes,
        Read::Unknown => Answer::Unknown,
    }
}

/// What is deleted with what.
pub static DATA_DELETION_GUARDED: Rule = Rule {
    id: "data-deletion-guarded",
    title: "Deleting a workload does not delete its data",
    meaning: "Judges StatefulSets and PersistentVolumes. Fails where `persistentVolumeClaimRetentionPolicy` of a StatefulSet is Delete, for deleting or for scaling, or where `persistentVolumeReclaimPolicy` of a PersistentVolume is Delete or Recycle.",
    why: "A mistake in a manifest should cost an hour, and not the data.",
    remedy: "Set `whenDeleted: Retain` and `whenScaled: Retain`, or the reclaim policy to Retain.",
    kinds: &[STATEFUL_SET, VOLUME],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Redundancy, ConfidentialKept, Integrity],
    limits: &[
        "the reclaim policy of a class, by which volumes are made later, is not judged",
        "whether the engine protects an object is not seen in a manifest",
    ],
    good: "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain}}\n",
    bad: "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}}\n",
    check: |subject, judging| {
        for (field, when) in [
            ("whenDeleted", "the StatefulSet is deleted"),
            ("whenScaled", "the StatefulSet is scaled down"),
        ] {
            let path = format!("spec.persistentVolumeClaimRetentionPolicy.{field}");
            if judging.text(subject.body, &path) == Some("Delete") {
                judging.fail(path, format!("the claims are deleted when {when}"));
            }
        }
        let path = "spec.persistentVolumeReclaimPolicy";
        if let Some(policy) = judging
            .text(subject.body, path)
            .filter(|policy| *policy != "Retain")
        {
            judging.fail(
                path,
                format!("the data goes with its claim: the reclaim policy is {policy}"),
            );
        }
    },
};

pub(super) static BACKUP_ANNOTATION: Setting = Setting {
    name: "annotation",
    meaning: "the annotation by which a CronJob says which claims of its namespace it backs up, separated by commas; the first is looked at",
    default: Default::Texts(&["phoenix.ai/backs-up"]),
};

/// Backups.
pub static BACKUP_COVERS_DATA: Rule = Rule {
    id: "backup-covers-data",
    title: "Everything that is kept is backed up",
    meaning: "Judges claims and the claim templates of StatefulSets. A claim passes where a CronJob of its namespace that is not suspended names it in the annotation that the settings name (a template by its own name), where a Schedule of Velero that is not paused covers its namespace, or where the settings say that it is backed up by something that was not given, or holds nothing that would have to be brought back.",
    why: "HIPAA requires exact copies that can be brought back; a replica is none, since it repeats a mistake at once.",
    remedy: "Add a backup, or name the claim in `assume.claimsBackedUpElsewhere`, or in `assume.claimsWithoutData`.",
    kinds: &[CLAIM, STATEFUL_SET],
    level: Level::Stack,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[&BACKUP_ANNOTATION],
    evidence: &[
        Redundancy,
        Recovery,
        DataBackup,
        DisasterRecovery,
        BackupBeforeMovement,
    ],
    limits: &[
        "that a backup runs and can be restored is seen in a cluster only",
        "label selectors of Velero's Schedules are not read: one that has any counts as unknown",
    ],
    good: "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a, namespace: a}\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: b, namespace: a, annotations: {phoenix.ai/backs-up: a}}\n",
    bad: "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a, namespace: a}\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: b, namespace: a, annotations: {phoenix.ai/backs-up: c}}\n",
    check: backup,
};

fn backup(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let templates = judging.items(subject.body, "spec.volumeClaimTemplates");
    let claims: Vec<(Option<&str>, String)> = if subject.kind() == "StatefulSet" {
        if templates.is_empty() && subject.body.list("spec.volumeClaimTemplates").is_absent() {
            judging.not_applicable("the StatefulSet claims no volumes");
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
            judging.unknown(place);
            continue;
        };
        let path = format!("{}/{name}", subject.namespace());
        let is_assumed = [&assume::BACKED_UP_ELSEWHERE, &assume::WITHOUT_DATA]
            .into_iter()
            .any(|setting| {
                judging
                    .world
                    .settings
                    .assumed_texts(setting)
                    .contains(&path.as_str())
            });
        if is_assumed {
            continue;
        }
        match Answer::any([
            by_job(name, subject.namespace(), judging),
            by_velero(subject.namespace(), judging),
        ]) {
            Answer::Yes => {}
            Answer::No if judging.world.is_complete() => {
                judging.fail(place, format!("nothing backs up the claim {name}"));
            }
            Answer::No | Answer::Unknown => {
                judging.unknown(format!("whether anything backs up the claim {name}"));
            }
        }
    }
}

fn by_job(claim: &str, namespace: &str, judging: &Judging<'_>) -> Answer {
    let Some(annotation) = judging.option_texts(&BACKUP_ANNOTATION).first().copied() else {
        return Answer::No;
    };
    Answer::any(judging.world.within(crate::pod::CRON_JOB, namespace).map(|job| {
        let job = Node::new(job.body(), "");
        let names = match job.entry("metadata.annotations", annotation) {
            Read::Known(claims) => Answer::from_bool(claims.split(',').any(|name| name.trim() == claim)),
            Read::Absent => Answer::No,
            Read::Unknown => Answer::Unknown,
        };
        names.and(match job.flag("spec.suspend") {
            Read::Known(suspended) => Answer::from_bool(!suspended),
            Read::Absent => Answer::Yes,
            Read::Unknown => Answer::Unknown,
        })
    }))
}

fn by_velero(namespace: &str, judging: &Judging<'_>) -> Answer {
    let schedules = judging.world.all(crate::rules::backups::SCHEDULE);
    Answer::any(schedules.map(|schedule| {
        let schedule = Node::new(schedule.body(), "");
        let listed = |field: &str, none: Answer| match schedule.list(field) {
            Read::Known([]) | Read::Absent => none,
            Read::Known(names) => Answer::any(names.iter().map(|name| match crate::read::text(name) {
                Read::Known(name) => Answer::from_bool(name == "*" || name == namespace),
                _ => Answer::Unknown,
            })),
            Read::Unknown => Answer::Unknown,
        };
        let included = listed("spec.template.includedNamespaces", Answer::Yes);
        let not_excluded = match listed("spec.template.excludedNamespaces", Answer::No) {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            Answer::Unknown => Answer::Unknown,
        };
        let runs = match schedule.flag("spec.paused") {
            Read::Known(paused) => Answer::from_bool(!paused),
            Read::Absent => Answer::Yes,
            Read::Unknown => Answer::Unknown,
        };
        let whole = if schedule.field("spec.template.labelSelector").is_absent() {
            Answer::Yes
        } else {
            Answer::Unknown
        };
        included.and(not_excluded).and(runs).and(whole)
    }))
}
