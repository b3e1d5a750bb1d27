//! RBAC roles and bindings.
//!
//! A role is checked by its rules, and a binding by the permissions that it grants: the rules of its role if that is in the
//! input, and those of the built-in role of this name. An aggregated role (`aggregationRule`) has the rules of the roles that
//! its selectors match. Names and labels prove nothing in manifests: only in a cluster are its default objects not checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use phoenix_graph::Object;
use serde_json::{Value, json};

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessAuthorization, AccessControl, AccessManagement, AnomaliesWatched,
    AuditControls, Authentication, CredentialsIssued, DataInMotion, LeastPrivilege, UniqueIdentity,
    WorkforceClearance, WorkforceSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of, text};
use crate::inventory::Inventory;
use crate::kind::Kind;
use crate::rule::{Check, Rule, Severity};
use crate::selector::{Answer, selects};
use crate::text::rule_text;

const GROUP: &[&str] = &["rbac.authorization.k8s.io"];
const ROLE: Kind = Kind::new(GROUP, "Role");
const CLUSTER_ROLE: Kind = Kind::new(GROUP, "ClusterRole");
const BINDINGS: &[Kind] = &[ROLE_BINDING, CLUSTER_ROLE_BINDING];
const ROLE_BINDING: Kind = Kind::new(GROUP, "RoleBinding");
const CLUSTER_ROLE_BINDING: Kind = Kind::new(GROUP, "ClusterRoleBinding");
const ROLES: &[Kind] = &[ROLE, CLUSTER_ROLE];
const ALL: &[Kind] = &[ROLE, CLUSTER_ROLE, ROLE_BINDING, CLUSTER_ROLE_BINDING];

/// A permission that a role can grant.
struct Permission {
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    /// What `resourceNames` change.
    names: Names,
    /// A verb phrase: "may …".
    words: &'static str,
}

/// What `resourceNames` of a rule change about a permission.
#[derive(Clone, Copy, PartialEq)]
enum Names {
    /// Nothing: one object is as bad as all.
    Irrelevant,
    /// The permission covers only these objects, which is acceptable.
    Limit,
    /// The names are those of roles that may be bound.
    Roles,
    /// The names are those of users, groups and service accounts that may be impersonated.
    Subjects,
    /// The names are those of signers; `kubernetes.io/` has those of the cluster.
    Signers,
}

const EVERYTHING: &[Permission] = &[Permission {
    groups: &["*"],
    resources: &["*"],
    verbs: &["*"],
    names: Names::Limit,
    words: "perform any action",
}];

const SECRETS: &[Permission] = &[Permission {
    groups: &[""],
    resources: &["secrets"],
    verbs: &["get", "list", "watch"],
    names: Names::Limit,
    words: "read every Secret",
}];

const ESCALATION: &[Permission] = &[
    Permission {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles"],
        verbs: &["escalate"],
        names: Names::Irrelevant,
        words: "grant permissions that it does not have (escalate)",
    },
    Permission {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles"],
        verbs: &["bind"],
        names: Names::Roles,
        words: "bind roles with more permissions (bind)",
    },
    Permission {
        groups: &["", "authentication.k8s.io"],
        resources: &["users", "groups", "serviceaccounts", "userextras", "uids"],
        verbs: &["impersonate"],
        names: Names::Subjects,
        words: "impersonate other users (impersonate)",
    },
    Permission {
        groups: &["authentication.k8s.io"],
        resources: &["nodes"],
        verbs: &["impersonate"],
        names: Names::Irrelevant,
        words: "impersonate nodes (impersonate)",
    },
    Permission {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles", "rolebindings", "clusterrolebindings"],
        verbs: &["create", "update", "patch"],
        names: Names::Limit,
        words: "change RBAC roles and bindings",
    },
];

const PODS: &[Permission] = &[
    Permission {
        groups: &[""],
        resources: &["pods/exec", "pods/attach"],
        verbs: &["create", "get"],
        names: Names::Irrelevant,
        words: "run commands in pods",
    },
    Permission {
        groups: &[""],
        resources: &["pods/portforward"],
        verbs: &["create", "get"],
        names: Names::Irrelevant,
        words: "forward ports to pods, which bypasses network policies",
    },
    Permission {
        groups: &[""],
        resources: &["pods/proxy", "services/proxy"],
        verbs: &["create", "get", "update", "patch", "delete"],
        names: Names::Irrelevant,
        words: "send requests to pods through the API server, which bypasses network and mesh policies",
    },
    Permission {
        groups: &[""],
        resources: &["pods/ephemeralcontainers"],
        verbs: &["update", "patch"],
        names: Names::Irrelevant,
        words: "add ephemeral containers to running pods",
    },
];

const NEW_PODS: &[Permission] = &[Permission {
    groups: &["", "apps", "batch", "extensions"],
    resources: &[
        "pods",
        "deployments",
        "statefulsets",
        "daemonsets",
        "replicasets",
        "replicationcontrollers",
        "jobs",
        "cronjobs",
    ],
    verbs: &["create"],
    names: Names::Irrelevant,
    words: "create pods, which gives access to every Secret and service account of the namespace",
}];

const CONTROL_PLANE: &[Permission] = &[
    Permission {
        groups: &[""],
        resources: &["serviceaccounts/token"],
        verbs: &["create"],
        names: Names::Limit,
        words: "create tokens for any service account",
    },
    Permission {
        groups: &["certificates.k8s.io"],
        resources: &["certificatesigningrequests/approval"],
        verbs: &["update", "patch"],
        names: Names::Irrelevant,
        words: "approve certificate signing requests",
    },
    Permission {
        groups: &["certificates.k8s.io"],
        resources: &["signers"],
        verbs: &["approve", "sign", "attest"],
        names: Names::Signers,
        words: "approve or sign certificates of the cluster's signers",
    },
    Permission {
        groups: &[""],
        resources: &["nodes/proxy"],
        verbs: &["get", "create", "update", "patch", "delete"],
        names: Names::Irrelevant,
        words: "access kubelets, which bypasses the audit log",
    },
    Permission {
        groups: &["admissionregistration.k8s.io"],
        resources: &[
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
        ],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        names: Names::Irrelevant,
        words: "change or disable admission webhooks and policies",
    },
    Permission {
        groups: &[""],
        resources: &["persistentvolumes"],
        verbs: &["create"],
        names: Names::Irrelevant,
        words: "create PersistentVolumes with host paths",
    },
    Permission {
        groups: &["networking.k8s.io", "extensions"],
        resources: &["networkpolicies"],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        names: Names::Irrelevant,
        words: "change network policies",
    },
    Permission {
        groups: &[
            "cilium.io",
            "crd.projectcalico.org",
            "projectcalico.org",
            "policy.networking.k8s.io",
            "crd.antrea.io",
            "k8s.ovn.org",
        ],
        resources: &[
            "ciliumnetworkpolicies",
            "ciliumclusterwidenetworkpolicies",
            "networkpolicies",
            "globalnetworkpolicies",
            "adminnetworkpolicies",
            "baselineadminnetworkpolicies",
            "clusternetworkpolicies",
            "egressfirewalls",
        ],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        names: Names::Irrelevant,
        words: "change network policies of the network plugin",
    },
    Permission {
        groups: &["networking.istio.io", "extensions.istio.io"],
        resources: &["envoyfilters", "wasmplugins"],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        names: Names::Irrelevant,
        words: "change the proxies of the mesh (EnvoyFilter, WasmPlugin), which can disable its policies",
    },
    Permission {
        groups: &[""],
        resources: &["namespaces"],
        verbs: &["update", "patch"],
        names: Names::Irrelevant,
        words: "change the labels of namespaces, which select Pod Security levels, policies and the mesh",
    },
    Permission {
        groups: &["apiregistration.k8s.io"],
        resources: &["apiservices"],
        verbs: &["create", "update", "patch"],
        names: Names::Irrelevant,
        words: "redirect API groups to other servers (APIService)",
    },
    Permission {
        groups: &["security.istio.io"],
        resources: &[
            "authorizationpolicies",
            "peerauthentications",
            "requestauthentications",
        ],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        names: Names::Irrelevant,
        words: "change mesh policies",
    },
    Permission {
        groups: &["", "events.k8s.io"],
        resources: &["events"],
        verbs: &["delete", "deletecollection"],
        names: Names::Irrelevant,
        words: "delete events, which removes evidence",
    },
];

/// Full access.
pub static RBAC_NO_CLUSTER_ADMIN: Rule = Rule {
    id: "rbac-no-cluster-admin",
    text: rule_text!("rbac-no-cluster-admin"),
    kinds: BINDINGS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        CredentialsIssued,
        LeastPrivilege,
        WorkforceClearance,
        AccessManagement,
        AccessControl,
    ],
    check: Check::Stack(|subject, context| check_permissions(subject, context, EVERYTHING)),
    ..Rule::DEFAULTS
};

/// Wildcards.
pub static RBAC_NO_WILDCARDS: Rule = Rule {
    id: "rbac-no-wildcards",
    text: rule_text!("rbac-no-wildcards"),
    kinds: ROLES,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, AccessAuthorization, AccessControl],
    check: Check::Resource(|subject, context| {
        if is_own(subject.object, context) {
            context.not_applicable("the role is a default role of the cluster");
            return;
        }
        for rule in context.items(subject.body, "rules") {
            for (field, words) in [
                ("verbs", "every verb"),
                ("resources", "every resource"),
                ("apiGroups", "every API group"),
                ("nonResourceURLs", "every path"),
            ] {
                for word in context.texts(rule.node(), field) {
                    if word == "*" || (field == "nonResourceURLs" && word == "/*") {
                        context.fail(rule.node().at(field), format!("the role allows {words}"));
                    } else if field == "resources"
                        && let Some(subresource) = word.strip_prefix("*/")
                    {
                        let message =
                            format!("the role allows the subresource {subresource} of every resource");
                        context.fail(rule.node().at(field), message);
                    }
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Secrets.
pub static RBAC_NO_SECRET_READ: Rule = Rule {
    id: "rbac-no-secret-read",
    text: rule_text!("rbac-no-secret-read"),
    kinds: ALL,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        LeastPrivilege,
        DataInMotion,
        AccessControl,
        AccessAuthorization,
    ],
    check: Check::Stack(|subject, context| check_permissions(subject, context, SECRETS)),
    ..Rule::DEFAULTS
};

/// Privilege escalation.
pub static RBAC_NO_ESCALATION_VERBS: Rule = Rule {
    id: "rbac-no-escalation-verbs",
    text: rule_text!("rbac-no-escalation-verbs"),
    kinds: ALL,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, WorkforceSecurity, AccessControl],
    check: Check::Stack(|subject, context| check_permissions(subject, context, ESCALATION)),
    ..Rule::DEFAULTS
};

/// Access to running pods.
pub static RBAC_NO_POD_EXEC: Rule = Rule {
    id: "rbac-no-pod-exec",
    text: rule_text!("rbac-no-pod-exec"),
    kinds: ALL,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, AccessAuthorization, AccessControl],
    check: Check::Stack(|subject, context| check_permissions(subject, context, PODS)),
    ..Rule::DEFAULTS
};

/// Creation of pods.
pub static RBAC_NO_POD_CREATE: Rule = Rule {
    id: "rbac-no-pod-create",
    text: rule_text!("rbac-no-pod-create"),
    kinds: ALL,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, AccessAuthorization, AccessControl],
    check: Check::Stack(|subject, context| check_permissions(subject, context, NEW_PODS)),
    ..Rule::DEFAULTS
};

/// Control plane permissions.
pub static RBAC_NO_CONTROL_PLANE_VERBS: Rule = Rule {
    id: "rbac-no-control-plane-verbs",
    text: rule_text!("rbac-no-control-plane-verbs"),
    kinds: ALL,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        LeastPrivilege,
        AnomaliesWatched,
        AccessAuthorization,
        AuditControls,
    ],
    check: Check::Stack(|subject, context| check_permissions(subject, context, CONTROL_PLANE)),
    ..Rule::DEFAULTS
};

/// Broad subjects.
pub static RBAC_NO_BROAD_SUBJECTS: Rule = Rule {
    id: "rbac-no-broad-subjects",
    text: rule_text!("rbac-no-broad-subjects"),
    kinds: BINDINGS,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        CredentialsIssued,
        Authentication,
        UniqueIdentity,
    ],
    check: Check::Resource(|subject, context| {
        if is_own(subject.object, context) {
            context.not_applicable("the binding is a default binding of the cluster");
            return;
        }
        for subject_ref in context.items(subject.body, "subjects") {
            let words = match context.text(subject_ref.node(), "name") {
                Some("system:anonymous" | "system:unauthenticated") => "unauthenticated users",
                Some("system:authenticated") => "all authenticated users",
                Some("system:serviceaccounts") => "every service account of the cluster",
                Some("system:masters") => "system:masters, which bypasses RBAC",
                _ => continue,
            };
            context.fail(
                subject_ref.node().at("name"),
                format!("the role is bound to {words}"),
            );
        }
    }),
    ..Rule::DEFAULTS
};

/// Roles that the API server creates and reconciles, with those of their permissions that these rules
/// check.
///
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>
static BUILT_IN: LazyLock<BTreeMap<&str, Value>> = LazyLock::new(|| {
    let write = ["create", "update", "patch", "delete", "deletecollection"];
    let read = ["get", "list", "watch"];
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let core = |resources: &[&str], verbs: &[&str]| rule(&[""], resources, verbs);
    let rbac = |resources: &[&str], verbs: &[&str]| rule(&["rbac.authorization.k8s.io"], resources, verbs);
    let edit = vec![
        core(
            &[
                "pods/attach",
                "pods/exec",
                "pods/portforward",
                "pods/proxy",
                "secrets",
                "services/proxy",
            ],
            &read,
        ),
        core(&["serviceaccounts"], &["impersonate"]),
        core(&["serviceaccounts/token"], &["create"]),
        core(
            &[
                "pods",
                "pods/attach",
                "pods/exec",
                "pods/portforward",
                "pods/proxy",
                "replicationcontrollers",
                "secrets",
                "services/proxy",
                "events",
            ],
            &write,
        ),
        rule(
            &["apps", "extensions", "batch"],
            &[
                "daemonsets",
                "deployments",
                "replicasets",
                "statefulsets",
                "jobs",
                "cronjobs",
            ],
            &write,
        ),
        rule(&["networking.k8s.io", "extensions"], &["networkpolicies"], &write),
    ];
    let mut admin = edit.clone();
    admin.push(rbac(&["roles", "rolebindings"], &write));
    let pods = || vec![core(&["pods"], &["create"])];
    let approve = || vec![rule(&["certificates.k8s.io"], &["signers"], &["approve"])];
    let roles = [
        ("cluster-admin", vec![rule(&["*"], &["*"], &["*"])]),
        ("admin", admin.clone()),
        ("edit", edit.clone()),
        ("view", Vec::new()),
        (
            "system:aggregate-to-admin",
            vec![rbac(&["roles", "rolebindings"], &write)],
        ),
        ("system:aggregate-to-edit", edit),
        ("system:aggregate-to-view", Vec::new()),
        (
            "system:node",
            vec![
                core(&["secrets"], &read),
                core(&["pods"], &["create"]),
                core(&["serviceaccounts/token"], &["create"]),
            ],
        ),
        ("system:kubelet-api-admin", vec![core(&["nodes/proxy"], &["*"])]),
        (
            "system:kube-controller-manager",
            vec![
                rule(&["*"], &["*"], &["list", "watch"]),
                core(&["secrets"], &["get"]),
                core(&["serviceaccounts/token"], &["create"]),
                // With a token of the service account clusterrole-aggregation-controller.
                rbac(&["clusterroles"], &["escalate"]),
            ],
        ),
        (
            "system:persistent-volume-provisioner",
            vec![core(&["persistentvolumes"], &["create"])],
        ),
        (
            "system:certificates.k8s.io:kube-apiserver-client-approver",
            approve(),
        ),
        (
            "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
            approve(),
        ),
        ("system:certificates.k8s.io:kubelet-serving-approver", approve()),
        ("system:certificates.k8s.io:legacy-unknown-approver", approve()),
        (
            "system:controller:clusterrole-aggregation-controller",
            vec![rbac(
                &["clusterroles"],
                &["escalate", "get", "list", "patch", "update", "watch"],
            )],
        ),
        (
            "system:controller:certificate-controller",
            vec![
                rule(
                    &["certificates.k8s.io"],
                    &["certificatesigningrequests/approval"],
                    &["update"],
                ),
                rule(&["certificates.k8s.io"], &["signers"], &["approve", "sign"]),
            ],
        ),
        (
            "system:controller:namespace-controller",
            vec![rule(
                &["*"],
                &["*"],
                &["delete", "deletecollection", "get", "list"],
            )],
        ),
        (
            "system:controller:generic-garbage-collector",
            vec![rule(
                &["*"],
                &["*"],
                &["delete", "get", "list", "patch", "update", "watch"],
            )],
        ),
        (
            "system:controller:resourcequota-controller",
            vec![rule(&["*"], &["*"], &["list", "watch"])],
        ),
        (
            "system:controller:persistent-volume-binder",
            vec![
                core(&["persistentvolumes"], &["create"]),
                core(&["secrets"], &["get"]),
                core(&["pods"], &["create"]),
            ],
        ),
        (
            "system:controller:expand-controller",
            vec![core(&["secrets"], &["get"])],
        ),
        (
            "system:controller:legacy-service-account-token-cleaner",
            vec![core(&["secrets"], &read)],
        ),
        ("system:controller:daemon-set-controller", pods()),
        ("system:controller:replicaset-controller", pods()),
        ("system:controller:replication-controller", pods()),
        ("system:controller:statefulset-controller", pods()),
        ("system:controller:job-controller", pods()),
        (
            "system:controller:deployment-controller",
            vec![rule(&["apps"], &["replicasets"], &["create"])],
        ),
        (
            "system:controller:cronjob-controller",
            vec![rule(&["batch"], &["jobs"], &["create"])],
        ),
        // None of the permissions that these rules check.
        ("system:auth-delegator", Vec::new()),
        ("system:basic-user", Vec::new()),
        ("system:discovery", Vec::new()),
        ("system:heapster", Vec::new()),
        ("system:kube-dns", Vec::new()),
        ("system:monitoring", Vec::new()),
        ("system:node-bootstrapper", Vec::new()),
        ("system:node-proxier", Vec::new()),
        ("system:public-info-viewer", Vec::new()),
        ("system:service-account-issuer-discovery", Vec::new()),
        ("system:volume-scheduler", Vec::new()),
    ];
    // The cluster adds the rules of other roles to these, by labels.
    let collects =
        |role: &str| json!({"clusterRoleSelectors": [{"matchLabels": {aggregate_to(role): "true"}}]});
    let labels = |roles: &[&str]| -> Value {
        roles
            .iter()
            .map(|role| (aggregate_to(role), json!("true")))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let role = |(name, rules): (&'static str, Vec<Value>)| {
        let mut role = json!({"rules": rules});
        let (into, is_aggregated): (&[&str], bool) = match name {
            "admin" => (&[], true),
            "edit" => (&["admin"], true),
            "view" => (&["edit"], true),
            "system:aggregate-to-admin" => (&["admin"], false),
            "system:aggregate-to-edit" => (&["edit"], false),
            "system:aggregate-to-view" => (&["view"], false),
            _ => (&[], false),
        };
        role["metadata"] = json!({"labels": labels(into)});
        if is_aggregated {
            role["aggregationRule"] = collects(name);
        }
        (name, role)
    };
    roles.into_iter().map(role).collect()
});

fn aggregate_to(role: &str) -> String {
    format!("rbac.authorization.k8s.io/aggregate-to-{role}")
}

/// The names of further roles and bindings that the API server creates, apart from those of the controllers of
/// [`CONTROLLERS`]. A default binding has the name of its role.
const DEFAULTS: &[&str] = &[
    "system:kube-aggregator",
    "system:kube-scheduler",
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
    "extension-apiserver-authentication-reader",
    "system::extension-apiserver-authentication-reader",
    "system::leader-locking-kube-controller-manager",
    "system::leader-locking-kube-scheduler",
];

/// The controllers of Kubernetes, whose roles are named `system:controller:…`.
const CONTROLLERS: &[&str] = &[
    "attachdetach-controller",
    "bootstrap-signer",
    "cloud-provider",
    "device-taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpointslice-controller",
    "endpointslicemirroring-controller",
    "ephemeral-volume-controller",
    "horizontal-pod-autoscaler",
    "kube-apiserver-serving-clustertrustbundle-publisher",
    "node-controller",
    "pod-garbage-collector",
    "podcertificaterequestcleaner",
    "pv-protection-controller",
    "pvc-protection-controller",
    "resource-claim-controller",
    "root-ca-cert-publisher",
    "route-controller",
    "selinux-warning-controller",
    "service-account-controller",
    "service-cidrs-controller",
    "service-controller",
    "storage-version-migrator-controller",
    "taint-eviction-controller",
    "token-cleaner",
    "ttl-after-finished-controller",
    "ttl-controller",
    "validatingadmissionpolicy-status-controller",
    "volumeattributesclass-protection-controller",
];

/// Whether a cluster created the object itself: it comes from an API server, has the name and the label of a default object,
/// and, if it is a binding, no subjects apart from those of the cluster.
fn is_own(object: &Object, context: &CheckContext<'_>) -> bool {
    let name = object.id.name.as_str();
    let is_default = BUILT_IN.contains_key(name)
        || DEFAULTS.contains(&name)
        || name
            .strip_prefix("system:controller:")
            .is_some_and(|controller| CONTROLLERS.contains(&controller));
    let body = Node::new(object.body(), "");
    let label = body.entry("metadata.labels", "kubernetes.io/bootstrapping");
    let subjects = body.list("subjects").known().unwrap_or_default();
    context.inventory.is_cluster()
        && is_default
        && label == Field::Known("rbac-defaults")
        && subjects.iter().all(|subject| is_default_subject(subject, name))
}

/// Whether the API server itself creates a binding of this name with this subject.
fn is_default_subject(subject: &Value, binding: &str) -> bool {
    let subject = Node::new(subject, "");
    let Field::Known(name) = subject.text("name") else {
        return false;
    };
    match subject.text("kind") {
        Field::Known("ServiceAccount") => subject.text("namespace") == Field::Known("kube-system"),
        Field::Known("Group") => DEFAULT_GROUPS
            .iter()
            .any(|(group, bindings)| *group == name && bindings.contains(&binding)),
        Field::Known("User") => DEFAULT_USERS.contains(&name),
        _ => false,
    }
}

/// The groups in the default bindings of a cluster, with the names of these bindings.
const DEFAULT_GROUPS: [(&str, &[&str]); 5] = [
    (
        "system:authenticated",
        &[
            "system:basic-user",
            "system:discovery",
            "system:public-info-viewer",
        ],
    ),
    ("system:unauthenticated", &["system:public-info-viewer"]),
    (
        "system:serviceaccounts",
        &["system:service-account-issuer-discovery"],
    ),
    ("system:masters", &["cluster-admin"]),
    ("system:monitoring", &["system:monitoring"]),
];

/// The users in the default bindings of a cluster.
const DEFAULT_USERS: [&str; 3] = [
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kube-proxy",
];

/// What is unknown about an aggregated role.
const MORE: &str = "aggregationRule: the permissions depend on other roles";

/// A rule of a role: its path and its value.
type RoleRule<'a> = (String, &'a Value);

fn check_permissions(subject: &Subject<'_>, context: &mut CheckContext<'_>, permissions: &[Permission]) {
    if is_own(subject.object, context) {
        context.not_applicable("the object is a default object of the cluster");
        return;
    }
    let inventory = context.inventory;
    if ROLES.iter().any(|kind| kind.name == subject.kind()) {
        let rules = Rules::of([subject.body.value], inventory, context);
        let granted = granted(&rules.rules, inventory, context, permissions, BINDS);
        if granted.is_empty() && rules.has_more {
            context.unknown(MORE);
        }
        for (place, words) in granted {
            context.fail(place, format!("the role may {words}"));
        }
        return;
    }
    if matches!(subject.body.list("subjects"), Field::Absent | Field::Known([])) {
        context.not_applicable("the binding has no subjects");
        return;
    }
    let (Some(kind), Some(name)) = (
        context.text(subject.body, "roleRef.kind"),
        context.text(subject.body, "roleRef.name"),
    ) else {
        context.unknown("roleRef");
        return;
    };
    let bound = roles_called(kind, name, subject.namespace(), inventory);
    let rules = Rules::of(bound.iter().copied(), inventory, context);
    let words: Vec<_> = granted(&rules.rules, inventory, context, permissions, BINDS)
        .into_iter()
        .map(|(_, words)| words)
        .collect();
    let scope = if subject.kind() == "RoleBinding" {
        "in its namespace"
    } else {
        "in the whole cluster"
    };
    let origin = if kind == "ClusterRole" && BUILT_IN.contains_key(name) {
        "the built-in"
    } else {
        "the"
    };
    if !words.is_empty() {
        let message = format!(
            "the binding grants {origin} {kind} {name} {scope}, which allows its subjects to {}",
            words.join("; ")
        );
        context.fail("roleRef", message);
    } else if bound.is_empty() {
        context.unknown(format!(
            "the permissions of the {kind} {name}, which is not in the input"
        ));
    } else {
        if rules.has_more {
            context.unknown(MORE);
        }
        if permissions.iter().any(|permission| permission.verbs == ["*"]) {
            check_union(subject, &rules.rules, scope, context);
        }
    }
}

/// Checks that a binding does not complete the permissions of a subject, which other bindings give a part of, to all
/// permissions.
fn check_union(subject: &Subject<'_>, own: &[RoleRule<'_>], scope: &str, context: &mut CheckContext<'_>) {
    // A binding that allows nothing on all resources adds nothing.
    if all_verbs(own).is_empty() {
        return;
    }
    let inventory = context.inventory;
    let namespace = subject.namespace();
    let of_namespace = (subject.kind() == "RoleBinding").then(|| inventory.within(ROLE_BINDING, namespace));
    let bindings: Vec<_> = inventory
        .all(CLUSTER_ROLE_BINDING)
        .chain(of_namespace.into_iter().flatten())
        .filter(|binding| binding.id != subject.object.id)
        .collect();
    for item in context.items(subject.body, "subjects") {
        let identities = identities(item.node(), namespace);
        let mut verbs = all_verbs(own);
        let mut with = Vec::new();
        for binding in &bindings {
            let body = Node::new(binding.body(), "");
            let subjects = body.list("subjects").known().unwrap_or_default();
            let is_bound = |other: &Value| {
                let other = identity(Node::new(other, ""), namespace_of(binding));
                other.is_some_and(|other| identities.contains(&other))
            };
            if !subjects.iter().any(is_bound) {
                continue;
            }
            let (Field::Known(kind), Field::Known(name)) =
                (body.text("roleRef.kind"), body.text("roleRef.name"))
            else {
                continue;
            };
            let bound = roles_called(kind, name, namespace_of(binding), inventory);
            let rules = Rules::of(bound, inventory, context).rules;
            let more = all_verbs(&rules);
            if more.iter().any(|verb| !verbs.contains(verb)) {
                with.push(binding.id.to_string());
                verbs.extend(more);
            }
        }
        if ORDINARY.iter().all(|verb| verbs.contains(verb)) {
            context.fail(
                "roleRef",
                format!(
                    "together with {}, the binding allows {} to perform any action {scope}",
                    with.join(" and "),
                    item.node().text("name").known().unwrap_or("a subject"),
                ),
            );
        }
    }
}

/// The verbs that together allow every change of an object.
const ORDINARY: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

/// The ordinary verbs that rules allow on every resource of every API group.
fn all_verbs<'a>(rules: &[RoleRule<'a>]) -> BTreeSet<&'a str> {
    let has_all = |rule: Node<'_>, field: &str| {
        let texts = rule.list(field).known().unwrap_or_default();
        texts.iter().any(|text| text.as_str() == Some("*"))
    };
    let mut verbs = BTreeSet::new();
    for (_, value) in rules {
        let rule = Node::new(value, "");
        if has_all(rule, "apiGroups") && has_all(rule, "resources") && is_limited(rule) == Answer::No {
            let given = value.get("verbs").and_then(Value::as_array).into_iter().flatten();
            let given: BTreeSet<_> = given.filter_map(Value::as_str).collect();
            verbs.extend(
                ORDINARY
                    .iter()
                    .filter(|verb| given.contains("*") || given.contains(**verb)),
            );
        }
    }
    verbs
}

/// Who a subject of a binding is.
fn identity(subject: Node<'_>, namespace: &str) -> Option<String> {
    let name = subject.text("name").known()?;
    match subject.text("kind").known()? {
        "ServiceAccount" => {
            let own = subject.text("namespace").known().unwrap_or(namespace);
            Some(format!("User system:serviceaccount:{own}:{name}"))
        }
        kind => Some(format!("{kind} {name}")),
    }
}

/// Who a subject of a binding is, and the groups that it belongs to.
fn identities(subject: Node<'_>, namespace: &str) -> Vec<String> {
    let Some(own) = identity(subject, namespace) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    if let Some(account) = own.strip_prefix("User system:serviceaccount:") {
        let of = account.split(':').next().unwrap_or_default();
        all.push("Group system:serviceaccounts".to_owned());
        all.push(format!("Group system:serviceaccounts:{of}"));
    }
    if own != "Group system:unauthenticated" && own != "User system:anonymous" {
        all.push("Group system:authenticated".to_owned());
    }
    all.push(own);
    all
}

/// Whether a binding in the input may give permissions to the pods of a service account.
pub(super) fn has_permissions(namespace: &str, account: &str, context: &CheckContext<'_>) -> bool {
    let own = format!("User system:serviceaccount:{namespace}:{account}");
    let group = format!("Group system:serviceaccounts:{namespace}");
    let inventory = context.inventory;
    let mut bindings = inventory
        .all(ROLE_BINDING)
        .chain(inventory.all(CLUSTER_ROLE_BINDING));
    bindings.any(|binding| {
        let body = Node::new(binding.body(), "");
        let of = namespace_of(binding);
        let subjects = body.list("subjects").known().unwrap_or_default();
        let is_bound = subjects
            .iter()
            .filter_map(|subject| identity(Node::new(subject, ""), of))
            .any(|identity| identity == own || identity == group);
        if !is_bound {
            return false;
        }
        let role = (
            body.text("roleRef.kind").known(),
            body.text("roleRef.name").known(),
        );
        let given = match role {
            (Some("Role"), Some(name)) => inventory.get(ROLE, of, name),
            (_, Some(name)) => inventory.cluster_scoped(CLUSTER_ROLE, name),
            (_, None) => return false,
        };
        let is_empty = given.is_some_and(|role| {
            let role = Node::new(role.body(), "");
            matches!(role.list("rules"), Field::Absent | Field::Known([]))
                && role.field("aggregationRule").is_absent()
        });
        !is_empty
    })
}

/// The roles of this kind and name: the one in the input, and the built-in one.
fn roles_called<'a>(kind: &str, name: &str, namespace: &str, inventory: &Inventory<'a>) -> Vec<&'a Value> {
    let given = match kind {
        "Role" => inventory.get(ROLE, namespace, name),
        _ => inventory.cluster_scoped(CLUSTER_ROLE, name),
    };
    let built_in = BUILT_IN.get(name).filter(|_| kind == "ClusterRole");
    given.map(Object::body).into_iter().chain(built_in).collect()
}

/// The rules of a role, with those of the roles that are aggregated into it.
#[derive(Default)]
struct Rules<'a> {
    rules: Vec<RoleRule<'a>>,
    /// Whether the role may have more rules, of roles that are not in the input.
    has_more: bool,
}

impl<'a> Rules<'a> {
    /// The rules of roles. Unknown values are recorded.
    fn of(
        given: impl IntoIterator<Item = &'a Value>,
        inventory: &'a Inventory<'a>,
        context: &mut CheckContext<'_>,
    ) -> Self {
        let mut rules = Self::default();
        for role in given {
            rules.collect(role, None, inventory, context, &mut Vec::new());
        }
        rules
    }

    /// Adds the rules of a role, at `place` if they are aggregated. `seen` contains the roles that were added before.
    fn collect(
        &mut self,
        role: &'a Value,
        place: Option<&str>,
        inventory: &'a Inventory<'a>,
        context: &mut CheckContext<'_>,
        seen: &mut Vec<&'a Value>,
    ) {
        if seen.iter().any(|other| std::ptr::eq(*other, role)) {
            return;
        }
        seen.push(role);
        let node = Node::new(role, "");
        for item in context.items(node, "rules") {
            self.rules
                .push((place.unwrap_or(&item.path).to_owned(), item.value));
        }
        if node.field("aggregationRule").is_absent() {
            return;
        }
        // The cluster adds the rules of other roles, including built-in ones.
        let place = "aggregationRule.clusterRoleSelectors";
        let selectors = context.items(node, place);
        let given = inventory.all(CLUSTER_ROLE).map(Object::body);
        let before = seen.len();
        for other in given.chain(BUILT_IN.values()) {
            let labels = Node::new(other, "").map("metadata.labels");
            match Answer::any(selectors.iter().map(|selector| selects(selector.node(), labels))) {
                Answer::Yes => self.collect(other, Some(place), inventory, context, seen),
                Answer::Unknown => context.unknown(place),
                Answer::No => {}
            }
        }
        let is_built_in = BUILT_IN.values().any(|built_in| std::ptr::eq(built_in, role));
        self.has_more |= !is_built_in && (seen.len() == before || !inventory.is_complete());
    }
}

/// How often `bind` leads from one role to the next before the answer is unknown.
const BINDS: usize = 4;

/// The permissions that rules grant, with their paths. Unknown values are recorded.
fn granted(
    rules: &[RoleRule<'_>],
    inventory: &Inventory<'_>,
    context: &mut CheckContext<'_>,
    permissions: &[Permission],
    binds: usize,
) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    if let Some(all) = permissions.iter().find(|permission| permission.verbs == ["*"]) {
        let verbs = all_verbs(rules);
        if ORDINARY.iter().all(|verb| verbs.contains(verb)) {
            let place = rules.first().map(|(place, _)| place.clone());
            found.push((place.unwrap_or_default(), all.words.to_owned()));
        }
    }
    for (place, value) in rules {
        let rule = Node::new(value, place);
        for permission in permissions {
            if found.iter().any(|(_, words)| words == permission.words) {
                continue;
            }
            let answer = match grants(rule, permission) {
                Answer::Yes if permission.names == Names::Roles => {
                    binds_more(rule, inventory, context, binds)
                }
                answer => answer,
            };
            match answer {
                Answer::Yes => found.push((place.clone(), permission.words.to_owned())),
                Answer::Unknown => context.unknown(place.clone()),
                Answer::No => {}
            }
        }
    }
    found
}

/// Whether a rule that allows `bind` allows it for a role that can escalate permissions itself.
fn binds_more(
    rule: Node<'_>,
    inventory: &Inventory<'_>,
    context: &mut CheckContext<'_>,
    binds: usize,
) -> Answer {
    let names = match rule.list("resourceNames") {
        Field::Known(names) if is_limited(rule) == Answer::Yes => names,
        Field::Unknown => return Answer::Unknown,
        _ => return Answer::Yes,
    };
    let Some(binds) = binds.checked_sub(1) else {
        return Answer::Unknown;
    };
    let resources = rule.list("resources").known().unwrap_or_default();
    let covers = |resource: &str| resources.iter().any(|given| given == resource || given == "*");
    let mut answers = Vec::new();
    for name in names {
        let Field::Known(name) = text(name) else {
            return Answer::Unknown;
        };
        let mut bound = Vec::new();
        if covers("clusterroles") {
            bound.extend(roles_called("ClusterRole", name, "", inventory));
        }
        if covers("roles") {
            bound.extend(
                inventory
                    .all(ROLE)
                    .filter(|role| role.id.name == name)
                    .map(Object::body),
            );
        }
        if bound.is_empty() {
            answers.push(Answer::Unknown);
        }
        let rules = Rules::of(bound, inventory, context);
        let is_powerful = [EVERYTHING, ESCALATION]
            .iter()
            .any(|permissions| !granted(&rules.rules, inventory, context, permissions, binds).is_empty());
        answers.push(Answer::from_bool(is_powerful));
        if rules.has_more {
            answers.push(Answer::Unknown);
        }
    }
    Answer::any(answers)
}

/// Whether `resourceNames` limit a rule. The empty name is that of all requests without a name, such as list.
fn is_limited(rule: Node<'_>) -> Answer {
    match rule.list("resourceNames") {
        Field::Known(names) if !names.is_empty() => {
            Answer::from_bool(!names.iter().any(|name| name.as_str() == Some("")))
        }
        Field::Unknown => Answer::Unknown,
        Field::Known(_) | Field::Absent => Answer::No,
    }
}

fn grants(rule: Node<'_>, permission: &Permission) -> Answer {
    let resource = |required: &str, given: &str| {
        given == required
            || given == "*"
            // `*/exec` is this subresource of every resource.
            || given.strip_prefix("*/").is_some_and(|sub| required.split_once('/').is_some_and(|(_, own)| own == sub))
            // The extra fields of a user are subresources.
            || (required == "userextras" && given.starts_with("userextras/"))
    };
    let answer = contains_any(rule, "apiGroups", permission.groups, |required, given| {
        given == required || given == "*"
    })
    .and(contains_any(rule, "resources", permission.resources, resource))
    .and(verbs(rule, permission.verbs));
    if answer == Answer::No {
        return answer;
    }
    answer.and(match (permission.names, is_limited(rule)) {
        (Names::Irrelevant | Names::Roles, _) | (_, Answer::No) => Answer::Yes,
        (_, Answer::Unknown) => Answer::Unknown,
        (Names::Limit, Answer::Yes) => Answer::No,
        (Names::Signers, Answer::Yes) => {
            named(rule, |name| Answer::from_bool(name.starts_with("kubernetes.io/")))
        }
        (Names::Subjects, Answer::Yes) => impersonates(rule),
    })
}

/// Whether the users, groups and service accounts that a rule names have more permissions: those of the cluster do, others
/// may. Neither a UID nor extra fields have permissions of their own.
fn impersonates(rule: Node<'_>) -> Answer {
    let subjects = ["users", "groups", "serviceaccounts", "*"];
    contains_any(rule, "resources", &subjects, |required, given| required == given).and(named(rule, |name| {
        if name.starts_with("system:") {
            Answer::Yes
        } else {
            Answer::Unknown
        }
    }))
}

/// Whether any of the names of a rule is one of these.
fn named(rule: Node<'_>, is: impl Fn(&str) -> Answer) -> Answer {
    let names = rule.list("resourceNames").known().unwrap_or_default();
    Answer::any(names.iter().map(|name| match text(name) {
        Field::Known(name) => is(name),
        _ => Answer::Unknown,
    }))
}

/// Whether a rule has one of these verbs.
fn verbs(rule: Node<'_>, required: &[&str]) -> Answer {
    contains_any(rule, "verbs", required, |required, given| {
        given == required
            || given == "*"
            // Constrained impersonation has a verb for each kind of subject, such as `impersonate:user-info`.
            || (required == "impersonate" && given.starts_with("impersonate:"))
    })
}

fn contains_any(rule: Node<'_>, field: &str, required: &[&str], is: impl Fn(&str, &str) -> bool) -> Answer {
    match rule.list(field) {
        Field::Known(items) => Answer::any(items.iter().map(|item| match text(item) {
            Field::Known(given) => Answer::from_bool(required.iter().any(|required| is(required, given))),
            _ => Answer::Unknown,
        })),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}
