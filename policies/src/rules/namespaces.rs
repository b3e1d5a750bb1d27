//! Namespaces, labels, annotations and API versions.

use crate::control::Control::{
    AccessArchitecture, AccessControl, ActionsRecorded, Capacity, ChangeControl, ConfidentialKept,
    ConfigurationStandards, ContingencyPlan, Criticality, MeasuresKeptCurrent, RiskAnalysis, RiskManagement,
    UnauthorizedSoftware,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{
    CLAIM, CONFIG_MAP, CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, Kind, NAMESPACE, POD, REPLICA_SET,
    REPLICATION_CONTROLLER, SERVICE, STATEFUL_SET,
};
use crate::rule::{Check, Rule, Severity};
use crate::selector::Answer;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

static LEVEL: Setting = Setting {
    name: "levels",
    meaning: "levels of the Pod Security Standards that a namespace may enforce",
    default: DefaultValue::Texts(&["restricted"]),
};

/// Pod Security Admission.
pub static NAMESPACE_POD_SECURITY_RESTRICTED: Rule = Rule {
    id: "namespace-pod-security-restricted",
    text: rule_text!("namespace-pod-security-restricted"),
    kinds: &[NAMESPACE],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&LEVEL],
    evidence: &[UnauthorizedSoftware, ConfigurationStandards, RiskManagement],
    check: Check::Resource(|subject, context| {
        let name = subject.object.id.name.as_str();
        if context.inventory.is_of_the_cluster(name) || context.inventory.is_externally_managed(name) {
            context.not_applicable(
                "the namespace belongs to the cluster, or the settings list it as externally managed",
            );
            return;
        }
        let key = "pod-security.kubernetes.io/enforce";
        let place = format!("metadata.labels[{key}]");
        match subject.body.entry("metadata.labels", key) {
            Field::Known(level) if context.option_texts(&LEVEL).contains(&level) => {}
            Field::Known(level) => {
                context.fail(
                    place,
                    format!("the namespace enforces the Pod Security level {level}"),
                );
            }
            Field::Absent => context.fail(place, "the namespace enforces no Pod Security level"),
            Field::Unknown => context.unknown(place),
        }
    }),
    ..Rule::DEFAULTS
};

/// `default`, `kube-system`, `kube-public`.
pub static NO_DEFAULT_NAMESPACE: Rule = Rule {
    id: "no-default-namespace",
    text: rule_text!("no-default-namespace"),
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
        CONFIG_MAP,
        Kind::core("Secret"),
        Kind::core("ServiceAccount"),
    ],
    severity: Severity::Low,
    enforcement: Enforcement::Mandatory,
    options: &[&MISSING_IS_DEFAULT],
    evidence: &[AccessArchitecture, AccessControl],
    check: Check::Resource(|subject, context| {
        let is_own = matches!(
            (subject.kind(), subject.object.id.name.as_str()),
            ("Service", "kubernetes") | ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt")
        );
        if is_own && context.inventory.is_cluster() {
            context.not_applicable("the cluster creates this object");
            return;
        }
        let counted = context.option_flag(&MISSING_IS_DEFAULT);
        let namespace = match subject.body.text("metadata.namespace") {
            Field::Known(namespace) => namespace,
            Field::Absent if counted => "default",
            Field::Absent => {
                context.not_applicable("the manifest sets no namespace");
                return;
            }
            Field::Unknown => {
                context.unknown("metadata.namespace");
                return;
            }
        };
        if ["default", "kube-system", "kube-public", "kube-node-lease"].contains(&namespace) {
            context.fail(
                "metadata.namespace",
                format!("it is in the shared namespace {namespace}"),
            );
        }
    }),
    ..Rule::DEFAULTS
};

static MISSING_IS_DEFAULT: Setting = Setting {
    name: "missingNamespaceIsDefault",
    meaning: "a manifest without a namespace is treated as one in `default`",
    default: DefaultValue::Flag(false),
};

static REQUIRED: Setting = Setting {
    name: "labels",
    meaning: "required labels, with any value",
    default: DefaultValue::Texts(&[
        "app.kubernetes.io/name",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/managed-by",
    ]),
};

/// Required labels.
pub static REQUIRED_LABELS: Rule = Rule {
    id: "required-labels",
    text: rule_text!("required-labels"),
    kinds: &[
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        JOB,
        CRON_JOB,
        SERVICE,
        NAMESPACE,
    ],
    severity: Severity::Low,
    enforcement: Enforcement::Advisory,
    options: &[&REQUIRED],
    evidence: &[AccessArchitecture, ChangeControl, RiskAnalysis],
    check: Check::Resource(|subject, context| {
        let wanted = context.option_texts(&REQUIRED);
        for label in wanted {
            let place = format!("metadata.labels[{label}]");
            match subject.body.entry("metadata.labels", label) {
                Field::Known(value) if !value.is_empty() => {}
                Field::Known(_) | Field::Absent => {
                    context.fail(place, format!("the label {label} is missing"));
                }
                Field::Unknown => context.unknown(place),
            }
        }
    }),
    ..Rule::DEFAULTS
};

static TRACES: Setting = Setting {
    name: "annotations",
    meaning: "required annotations that identify the change, such as a commit, a ticket or an approver",
    default: DefaultValue::Texts(&[]),
};

/// Annotations that identify the change.
pub static CHANGE_TRACEABLE: Rule = Rule {
    id: "change-traceable",
    text: rule_text!("change-traceable"),
    kinds: &[DEPLOYMENT, STATEFUL_SET, DAEMON_SET, CRON_JOB, NAMESPACE],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&TRACES],
    evidence: &[ChangeControl, ActionsRecorded],
    check: Check::Resource(|subject, context| {
        let wanted = context.option_texts(&TRACES);
        if wanted.is_empty() {
            context.not_applicable("the settings list no annotations");
        }
        for annotation in wanted {
            let place = format!("metadata.annotations[{annotation}]");
            match subject.body.entry("metadata.annotations", annotation) {
                Field::Known(change) if !change.trim().is_empty() => {}
                Field::Known(_) | Field::Absent => {
                    context.fail(
                        place,
                        format!(
                            "the annotation {annotation}, which identifies the change, is missing or empty"
                        ),
                    );
                }
                Field::Unknown => context.unknown(place),
            }
        }
    }),
    ..Rule::DEFAULTS
};

static CLASS_LABEL: Setting = Setting {
    name: "label",
    meaning: "the label with the classification of the data; only the first entry is used",
    default: DefaultValue::Texts(&["phoenix.ai/data-classification"]),
};

static CLASSES: Setting = Setting {
    name: "classes",
    meaning: "the valid classifications",
    default: DefaultValue::Texts(&["public", "internal", "confidential", "restricted", "secret"]),
};

static PART_OF: Setting = Setting {
    name: "partOf",
    meaning: "applications (values of `app.kubernetes.io/part-of`) whose objects must have the classification label; if empty, every object must have it. If an object has the label, its class must be valid",
    default: DefaultValue::Texts(&["phoenix"]),
};

/// Classification of data.
pub static DATA_CLASSIFICATION_LABELLED: Rule = Rule {
    id: "data-classification-labelled",
    text: rule_text!("data-classification-labelled"),
    kinds: &[CLAIM, STATEFUL_SET, Kind::core("Secret"), NAMESPACE],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&CLASS_LABEL, &CLASSES, &PART_OF],
    evidence: &[ConfidentialKept, AccessArchitecture, Criticality, RiskAnalysis],
    check: Check::Resource(|subject, context| {
        let name = subject.object.id.name.as_str();
        let aside = subject.kind() == "Namespace"
            && (context.inventory.is_of_the_cluster(name) || context.inventory.is_externally_managed(name));
        if aside {
            context.not_applicable(
                "the namespace belongs to the cluster, or the settings list it as externally managed",
            );
            return;
        }
        let Some(label) = context.option_text(&CLASS_LABEL) else {
            context.not_applicable("the settings set no label");
            return;
        };
        let classes = context.option_texts(&CLASSES);
        let applications = context.option_texts(&PART_OF);
        let is_required = applications.is_empty()
            || match subject.body.entry("metadata.labels", "app.kubernetes.io/part-of") {
                Field::Known(application) => applications.contains(&application),
                Field::Absent => false,
                Field::Unknown => true,
            };
        let templates = context.items(subject.body, "spec.volumeClaimTemplates");
        let nodes = std::iter::once(subject.body).chain(templates.iter().map(crate::context::Item::node));
        for node in nodes {
            let place = node.at(&format!("metadata.labels[{label}]"));
            if node.entry("metadata.labels", label).is_absent() {
                if is_required {
                    context.fail(place, format!("the label {label} is missing"));
                } else {
                    context.not_applicable("the settings do not require the label of its application");
                }
            } else if let Some(class) = context.entry(node, "metadata.labels", label)
                && !classes.contains(&class)
            {
                context.fail(place, format!("{class} is not a valid classification"));
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Quotas.
pub static NAMESPACE_QUOTA_SET: Rule = Rule {
    id: "namespace-quota-set",
    text: rule_text!("namespace-quota-set"),
    kinds: &[NAMESPACE],
    severity: Severity::Low,
    enforcement: Enforcement::Advisory,
    evidence: &[Capacity, ContingencyPlan],
    check: Check::Stack(|subject, context| {
        let name = subject.object.id.name.as_str();
        if context.inventory.is_of_the_cluster(name) || context.inventory.is_externally_managed(name) {
            context.not_applicable(
                "the namespace belongs to the cluster, or the settings list it as externally managed",
            );
            return;
        }
        for (kind, limits) in [
            ("ResourceQuota", quota_limits as fn(Node<'_>) -> Answer),
            ("LimitRange", range_limits),
        ] {
            let given: Vec<_> = context
                .inventory
                .within(Kind::core(kind), name)
                .map(|object| limits(Node::new(object.body(), "")))
                .collect();
            let answer = Answer::any(given.iter().copied());
            if answer == Answer::Yes {
                continue;
            }
            if answer == Answer::Unknown {
                context.unknown(format!(
                    "whether a {kind} of the namespace {name} limits anything"
                ));
            } else if !context.inventory.is_complete() {
                context.unknown(format!(
                    "whether the namespace {name} has a {kind} outside of the input"
                ));
            } else if given.is_empty() {
                context.fail("", format!("the namespace {name} has no {kind}"));
            } else {
                context.fail(
                    "",
                    format!("no {kind} of the namespace {name} limits all of its pods"),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Whether a `ResourceQuota` limits something for all pods of its namespace.
fn quota_limits(quota: Node<'_>) -> Answer {
    let hard = quota.map("spec.hard").is(|hard| !hard.is_empty());
    let is_scoped = quota.list("spec.scopes").is(|scopes| !scopes.is_empty());
    let selects = quota
        .list("spec.scopeSelector.matchExpressions")
        .is(|expressions| !expressions.is_empty());
    hard.and(Answer::any([is_scoped, selects]).negate())
}

/// Whether a `LimitRange` sets a limit or a default.
fn range_limits(range: Node<'_>) -> Answer {
    let fields = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
    let limits = match range.list("spec.limits") {
        Field::Known(limits) => limits,
        Field::Absent => return Answer::No,
        Field::Unknown => return Answer::Unknown,
    };
    Answer::any(limits.iter().flat_map(|limit| {
        fields.map(|field| Node::new(limit, "").map(field).is(|amounts| !amounts.is_empty()))
    }))
}

/// Removed API versions: the version, its kinds, and the Kubernetes release that removed it.
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

/// Removed API versions.
pub static NO_REMOVED_API: Rule = Rule {
    id: "no-removed-api",
    text: rule_text!("no-removed-api"),
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
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[ChangeControl, MeasuresKeptCurrent],
    check: Check::Resource(|subject, context| {
        let object = subject.object;
        let gone = GONE.iter().find(|(version, kinds, _)| {
            *version == object.api_version
                && (kinds.contains(&"*") || kinds.contains(&object.id.kind.as_str()))
        });
        if let Some((version, _, release)) = gone {
            context.fail(
                "apiVersion",
                format!(
                    "{} of {version} was removed in Kubernetes {release}",
                    object.id.kind
                ),
            );
        }
    }),
    ..Rule::DEFAULTS
};
