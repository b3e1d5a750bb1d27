//! Namespaces and labels: what holds for everything in them, and whose it is.

use crate::control::Control::{
    AccessArchitecture, AccessControl, ActionsRecorded, Capacity, ChangeControl, ConfidentialKept,
    ConfigurationStandards, ContingencyPlan, Criticality, MeasuresKeptCurrent, RiskAnalysis, RiskManagement,
    UnauthorisedSoftware,
};
use crate::pod::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, REPLICATION_CONTROLLER, STATEFUL_SET,
};
use crate::read::Read;
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::credentials::entry_is;
use crate::rules::services::SERVICE;
use crate::rules::storage::CLAIM;
use crate::settings::{Default, Setting};

const NAMESPACE: Kind = Kind::core("Namespace");

static LEVEL: Setting = Setting {
    name: "levels",
    meaning: "levels of the Pod Security Standards that a namespace may enforce",
    default: Default::Texts(&["restricted"]),
};

/// Pod Security Admission.
pub static NAMESPACE_POD_SECURITY_RESTRICTED: Rule = Rule {
    id: "namespace-pod-security-restricted",
    title: "Every namespace refuses pods that are not restricted",
    meaning: "Judges Namespaces. Fails where the label `pod-security.kubernetes.io/enforce` is not `restricted` (or another level that the settings allow). The namespaces of the cluster itself (`kube-…`) and those that the settings call somebody else's are not judged.",
    why: "What is checked before a deployment can be changed after it; the API server checks every pod, whoever makes it.",
    remedy: "Label the namespace `pod-security.kubernetes.io/enforce: restricted`, and `audit` and `warn` too.",
    kinds: &[NAMESPACE],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&LEVEL],
    evidence: &[UnauthorisedSoftware, ConfigurationStandards, RiskManagement],
    limits: &["exemptions in the API server's own configuration are not seen"],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {pod-security.kubernetes.io/enforce: restricted}}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {pod-security.kubernetes.io/enforce: privileged}}\n",
    check: |subject, judging| {
        let name = subject.object.id.name.as_str();
        if name.starts_with("kube-") || judging.world.is_foreign(name) {
            judging
                .not_applicable("the namespace is the cluster's own, or somebody else's as the settings say");
            return;
        }
        let key = "pod-security.kubernetes.io/enforce";
        let place = format!("metadata.labels[{key}]");
        match subject.body.entry("metadata.labels", key) {
            Read::Known(level) if judging.option_texts(&LEVEL).contains(&level) => {}
            Read::Known(level) => {
                judging.fail(place, format!("the namespace lets in pods of the level {level}"));
            }
            Read::Absent => judging.fail(place, "the namespace lets in pods of any kind"),
            Read::Unknown => judging.unknown(place),
        }
    },
};

/// `default`, `kube-system`, `kube-public`.
pub static NO_DEFAULT_NAMESPACE: Rule = Rule {
    id: "no-default-namespace",
    title: "Nothing is deployed into a namespace that everybody shares",
    meaning: "Judges workloads, Services, claims, ConfigMaps, Secrets and service accounts. Fails where the namespace is named as `default`, `kube-system`, `kube-public` or `kube-node-lease`. A manifest that names no namespace is not judged, since whoever applies it says where it goes; the settings can count it as `default`. The Service `kubernetes`, the account `default` and what the cluster makes for itself are not judged.",
    why: "Policies, quotas and roles are given by namespace: what lies in a shared one has those of everybody.",
    remedy: "Make a namespace for the system, and name it in `metadata.namespace`.",
    kinds: &[
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        REPLICATION_CONTROLLER,
        JOB,
        CRON_JOB,
        SERVICE,
        CLAIM,
        Kind::core("ConfigMap"),
        Kind::core("Secret"),
        Kind::core("ServiceAccount"),
    ],
    level: Level::Resource,
    severity: Severity::Low,
    enforcement: Enforcement::Mandatory,
    options: &[&UNNAMED],
    evidence: &[AccessArchitecture, AccessControl],
    limits: &[],
    good: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: a}\n",
    bad: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n",
    check: |subject, judging| {
        let own = matches!(
            (subject.kind(), subject.object.id.name.as_str()),
            ("Service", "kubernetes") | ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt")
        );
        if own {
            judging.not_applicable("the cluster makes this object for itself");
            return;
        }
        let counted = judging.option_flag(&UNNAMED);
        let namespace = match subject.body.text("metadata.namespace") {
            Read::Known(namespace) => namespace,
            Read::Absent if counted => "default",
            Read::Absent => {
                judging.not_applicable("the manifest leaves the namespace to whoever applies it");
                return;
            }
            Read::Unknown => {
                judging.unknown("metadata.namespace");
                return;
            }
        };
        if ["default", "kube-system", "kube-public", "kube-node-lease"].contains(&namespace) {
            judging.fail(
                "metadata.namespace",
                format!("it lies in the namespace {namespace}, which everybody shares"),
            );
        }
    },
};

static UNNAMED: Setting = Setting {
    name: "unnamedIsDefault",
    meaning: "a manifest that names no namespace counts as one of `default`",
    default: Default::Flag(false),
};

static REQUIRED: Setting = Setting {
    name: "labels",
    meaning: "labels that have to be there, with any value",
    default: Default::Texts(&[
        "app.kubernetes.io/name",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/managed-by",
    ]),
};

/// Labels.
pub static REQUIRED_LABELS: Rule = Rule {
    id: "required-labels",
    title: "Everything says what it is, what it belongs to and who looks after it",
    meaning: "Judges Deployments, StatefulSets, DaemonSets, Jobs, CronJobs, Services and Namespaces. Fails where a label of the list (by default name, part-of and managed-by of `app.kubernetes.io`) is missing or empty.",
    why: "An inventory of what handles data can be made of labels, or of nothing.",
    remedy: "Add the label.",
    kinds: &[
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        JOB,
        CRON_JOB,
        SERVICE,
        NAMESPACE,
    ],
    level: Level::Resource,
    severity: Severity::Low,
    enforcement: Enforcement::Advisory,
    options: &[&REQUIRED],
    evidence: &[AccessArchitecture, ChangeControl, RiskAnalysis],
    limits: &[],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {app.kubernetes.io/name: a, app.kubernetes.io/part-of: a, app.kubernetes.io/managed-by: a}}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {app.kubernetes.io/name: a, app.kubernetes.io/managed-by: a}}\n",
    check: |subject, judging| {
        let wanted: Vec<String> = judging
            .option_texts(&REQUIRED)
            .into_iter()
            .map(str::to_owned)
            .collect();
        for label in wanted {
            let place = format!("metadata.labels[{label}]");
            match subject.body.entry("metadata.labels", &label) {
                Read::Known(value) if !value.is_empty() => {}
                Read::Known(_) | Read::Absent => judging.fail(place, format!("the label {label} is missing")),
                Read::Unknown => judging.unknown(place),
            }
        }
    },
};

static TRACES: Setting = Setting {
    name: "annotations",
    meaning: "annotations by which whoever deploys says which change it is: a commit, a ticket, an approver",
    default: Default::Texts(&[]),
};

/// Which change an object came with.
pub static CHANGE_TRACEABLE: Rule = Rule {
    id: "change-traceable",
    title: "Every workload says which change it came with",
    meaning: "Judges Deployments, StatefulSets, DaemonSets, CronJobs and Namespaces. Fails where one of the annotations that the settings name is missing or empty. Not applicable where the settings name none.",
    why: "Whoever finds a workload that does harm has to learn who let it in, and with what else.",
    remedy: "Have the pipeline write the annotation, or the program that declares the object.",
    kinds: &[DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CRON_JOB, NAMESPACE],
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&TRACES],
    evidence: &[ChangeControl, ActionsRecorded],
    limits: &[
        "nothing is judged until the settings name annotations",
        "whether there is such a commit, ticket or approver is not asked",
    ],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, annotations: {example.org/commit: 9f3c2d1}}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, annotations: {example.org/commit: \"\"}}\n",
    check: |subject, judging| {
        let wanted: Vec<String> = judging
            .option_texts(&TRACES)
            .into_iter()
            .map(str::to_owned)
            .collect();
        if wanted.is_empty() {
            judging.not_applicable("the settings name no annotations");
        }
        for annotation in wanted {
            let place = format!("metadata.annotations[{annotation}]");
            match subject.body.entry("metadata.annotations", &annotation) {
                Read::Known(change) if !change.trim().is_empty() => {}
                Read::Known(_) | Read::Absent => {
                    judging.fail(
                        place,
                        format!("the annotation {annotation} does not say which change it is"),
                    );
                }
                Read::Unknown => judging.unknown(place),
            }
        }
    },
};

static CLASS_LABEL: Setting = Setting {
    name: "label",
    meaning: "the label that names the class of the data; the first is looked at",
    default: Default::Texts(&["phoenix.ai/data-classification"]),
};

static CLASSES: Setting = Setting {
    name: "classes",
    meaning: "the classes that there are",
    default: Default::Texts(&["public", "internal", "confidential", "restricted", "secret"]),
};

/// Classes of data.
pub static DATA_CLASSIFICATION_LABELLED: Rule = Rule {
    id: "data-classification-labelled",
    title: "Whatever keeps data says how sensitive that data is",
    meaning: "Judges claims, StatefulSets, their claim templates, Secrets and Namespaces. Fails where the label that the settings name is missing, or its value is none of the classes. The namespaces of the cluster itself (`kube-…`) and those that the settings call somebody else's are not judged.",
    why: "How data is to be guarded, kept and deleted depends on what it is; nobody can tell by its bytes.",
    remedy: "Add the label with one of the classes.",
    kinds: &[CLAIM, STATEFUL_SET, Kind::core("Secret"), NAMESPACE],
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&CLASS_LABEL, &CLASSES],
    evidence: &[ConfidentialKept, AccessArchitecture, Criticality, RiskAnalysis],
    limits: &["whether the class is the right one is not seen"],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {phoenix.ai/data-classification: restricted}}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {phoenix.ai/data-classification: unclear}}\n",
    check: |subject, judging| {
        let name = subject.object.id.name.as_str();
        let aside =
            subject.kind() == "Namespace" && (name.starts_with("kube-") || judging.world.is_foreign(name));
        if aside {
            judging
                .not_applicable("the namespace is the cluster's own, or somebody else's as the settings say");
            return;
        }
        let Some(label) = judging
            .option_texts(&CLASS_LABEL)
            .first()
            .map(|label| (*label).to_owned())
        else {
            judging.not_applicable("the settings name no label");
            return;
        };
        let classes: Vec<String> = judging
            .option_texts(&CLASSES)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let templates = judging.items(subject.body, "spec.volumeClaimTemplates");
        let nodes = std::iter::once(subject.body).chain(templates.iter().map(crate::judging::Item::node));
        for node in nodes {
            let place = node.at(&format!("metadata.labels[{label}]"));
            if node.entry("metadata.labels", &label).is_absent() {
                judging.fail(place, format!("the label {label} is missing"));
            } else if let Some(class) = entry_is(judging, node, "metadata.labels", &label)
                && !classes.iter().any(|known| known == class)
            {
                judging.fail(place, format!("{class} is no class of data"));
            }
        }
    },
};

/// Quotas.
pub static NAMESPACE_QUOTA_SET: Rule = Rule {
    id: "namespace-quota-set",
    title: "Every namespace has a bound to what it may use, and a default for containers that name none",
    meaning: "Judges Namespaces. Fails where no ResourceQuota or no LimitRange is in the namespace. The namespaces of the cluster itself (`kube-…`) and those that the settings call somebody else's are not judged.",
    why: "Without a bound one runaway workload takes the capacity of all.",
    remedy: "Add a ResourceQuota and a LimitRange.",
    kinds: &[NAMESPACE],
    level: Level::Stack,
    severity: Severity::Low,
    enforcement: Enforcement::Advisory,
    options: &[],
    evidence: &[Capacity, ContingencyPlan],
    limits: &["whether the numbers are sensible is not seen"],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: a, namespace: a}\n---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: a, namespace: a}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: a, namespace: a}\n",
    check: |subject, judging| {
        let name = subject.object.id.name.as_str();
        if name.starts_with("kube-") || judging.world.is_foreign(name) {
            judging
                .not_applicable("the namespace is the cluster's own, or somebody else's as the settings say");
            return;
        }
        for kind in ["ResourceQuota", "LimitRange"] {
            if judging.world.within(Kind::core(kind), name).next().is_some() {
                continue;
            }
            if judging.world.is_complete() {
                judging.fail("", format!("there is no {kind} in the namespace {name}"));
            } else {
                judging.unknown(format!(
                    "whether a {kind} that was not given is in the namespace {name}"
                ));
            }
        }
    },
};

/// API versions that are gone: the version, its kinds, and the release of Kubernetes that dropped it.
const GONE: &[(&str, &[&str], &str)] = &[
    (
        "extensions/v1beta1",
        &[
            "Deployment",
            "DaemonSet",
            "ReplicaSet",
            "NetworkPolicy",
            "PodSecurityPolicy",
        ],
        "1.16",
    ),
    ("extensions/v1beta1", &["Ingress"], "1.22"),
    ("apps/v1beta1", &["*"], "1.16"),
    ("apps/v1beta2", &["*"], "1.16"),
    ("batch/v1beta1", &["CronJob"], "1.25"),
    ("batch/v2alpha1", &["CronJob"], "1.21"),
    (
        "policy/v1beta1",
        &["PodDisruptionBudget", "PodSecurityPolicy"],
        "1.25",
    ),
    ("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"], "1.22"),
    ("rbac.authorization.k8s.io/v1alpha1", &["*"], "1.22"),
    ("rbac.authorization.k8s.io/v1beta1", &["*"], "1.22"),
    ("autoscaling/v2beta1", &["HorizontalPodAutoscaler"], "1.25"),
    ("autoscaling/v2beta2", &["HorizontalPodAutoscaler"], "1.26"),
    (
        "admissionregistration.k8s.io/v1beta1",
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        "1.22",
    ),
    (
        "apiextensions.k8s.io/v1beta1",
        &["CustomResourceDefinition"],
        "1.22",
    ),
    ("apiregistration.k8s.io/v1beta1", &["APIService"], "1.22"),
    (
        "certificates.k8s.io/v1beta1",
        &["CertificateSigningRequest"],
        "1.22",
    ),
    ("coordination.k8s.io/v1beta1", &["Lease"], "1.22"),
    ("scheduling.k8s.io/v1beta1", &["PriorityClass"], "1.22"),
    (
        "storage.k8s.io/v1beta1",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        "1.22",
    ),
    ("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], "1.27"),
    ("discovery.k8s.io/v1beta1", &["EndpointSlice"], "1.25"),
    ("events.k8s.io/v1beta1", &["Event"], "1.25"),
    ("node.k8s.io/v1beta1", &["RuntimeClass"], "1.25"),
    ("settings.k8s.io/v1alpha1", &["PodPreset"], "1.20"),
    ("scheduling.k8s.io/v1alpha1", &["PriorityClass"], "1.17"),
    ("node.k8s.io/v1alpha1", &["RuntimeClass"], "1.27"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", &["*"], "1.26"),
    ("flowcontrol.apiserver.k8s.io/v1beta2", &["*"], "1.29"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", &["*"], "1.32"),
];

/// Old API versions.
pub static NO_REMOVED_API: Rule = Rule {
    id: "no-removed-api",
    title: "Every object is written in a version of its API that there still is",
    meaning: "Judges the kinds that ever lost a version. Fails where `apiVersion` is one that Kubernetes serves no more.",
    why: "Such an object cannot be created after the next upgrade, and cannot be restored from a backup.",
    remedy: "Write it in the version that is served today; `kubectl convert` helps.",
    kinds: &[
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        CRON_JOB,
        Kind::new(&["apps"], "ControllerRevision"),
        Kind::new(&["extensions", "networking.k8s.io"], "NetworkPolicy"),
        Kind::new(&["extensions", "networking.k8s.io"], "Ingress"),
        Kind::new(&["networking.k8s.io"], "IngressClass"),
        Kind::new(&["policy"], "PodDisruptionBudget"),
        Kind::new(&["policy", "extensions"], "PodSecurityPolicy"),
        Kind::new(&["autoscaling"], "HorizontalPodAutoscaler"),
        Kind::new(&["rbac.authorization.k8s.io"], "Role"),
        Kind::new(&["rbac.authorization.k8s.io"], "ClusterRole"),
        Kind::new(&["rbac.authorization.k8s.io"], "RoleBinding"),
        Kind::new(&["rbac.authorization.k8s.io"], "ClusterRoleBinding"),
        Kind::new(&["admissionregistration.k8s.io"], "MutatingWebhookConfiguration"),
        Kind::new(
            &["admissionregistration.k8s.io"],
            "ValidatingWebhookConfiguration",
        ),
        Kind::new(&["apiextensions.k8s.io"], "CustomResourceDefinition"),
        Kind::new(&["apiregistration.k8s.io"], "APIService"),
        Kind::new(&["certificates.k8s.io"], "CertificateSigningRequest"),
        Kind::new(&["coordination.k8s.io"], "Lease"),
        Kind::new(&["scheduling.k8s.io"], "PriorityClass"),
        Kind::new(&["storage.k8s.io"], "CSIDriver"),
        Kind::new(&["storage.k8s.io"], "CSINode"),
        Kind::new(&["storage.k8s.io"], "StorageClass"),
        Kind::new(&["storage.k8s.io"], "VolumeAttachment"),
        Kind::new(&["storage.k8s.io"], "CSIStorageCapacity"),
        Kind::new(&["discovery.k8s.io"], "EndpointSlice"),
        Kind::new(&["events.k8s.io"], "Event"),
        Kind::new(&["node.k8s.io"], "RuntimeClass"),
        Kind::new(&["settings.k8s.io"], "PodPreset"),
        Kind::new(&["flowcontrol.apiserver.k8s.io"], "FlowSchema"),
        Kind::new(&["flowcontrol.apiserver.k8s.io"], "PriorityLevelConfiguration"),
    ],
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[ChangeControl, MeasuresKeptCurrent],
    limits: &["versions of custom resources are not known"],
    good: "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\n",
    bad: "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: a}\n",
    check: |subject, judging| {
        let object = subject.object;
        let gone = GONE.iter().find(|(version, kinds, _)| {
            *version == object.api_version
                && (kinds.contains(&"*") || kinds.contains(&object.id.kind.as_str()))
        });
        if let Some((version, _, release)) = gone {
            judging.fail(
                "apiVersion",
                format!(
                    "Kubernetes serves no {} of {version} since {release}",
                    object.id.kind
                ),
            );
        }
    },
};
