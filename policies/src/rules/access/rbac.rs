//! RBAC roles and bindings.
//!
//! A role is checked by its rules, and a binding by the permissions that it grants: the rules of its role if that is in the
//! input, and otherwise those of the built-in role. An aggregated role (`aggregationRule`) has the rules of the roles that its
//! selectors match. Default roles and bindings of the cluster are not checked.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use phoenix_graph::Object;
use serde_json::{Map, Value, json};

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessAuthorization, AccessControl, AccessManagement, AnomaliesWatched,
    AuditControls, Authentication, CredentialsIssued, DataInMotion, LeastPrivilege, UniqueIdentity,
    WorkforceClearance, WorkforceSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::Kind;
use crate::rule::{Check, Rule, Severity};
use crate::selector::{Answer, Labels, selects};
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
    /// Whether a rule with `resourceNames` is ignored.
    any_object: bool,
    /// A verb phrase: "may …".
    words: &'static str,
}

const EVERYTHING: &[Permission] = &[Permission {
    groups: &["*"],
    resources: &["*"],
    verbs: &["*"],
    any_object: true,
    words: "perform any action",
}];

const SECRETS: &[Permission] = &[Permission {
    groups: &[""],
    resources: &["secrets"],
    verbs: &["get", "list", "watch"],
    any_object: true,
    words: "read every Secret",
}];

const ESCALATION: &[Permission] = &[
    Permission {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles"],
        verbs: &["escalate"],
        any_object: false,
        words: "grant permissions that it does not have (escalate)",
    },
    Permission {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles"],
        verbs: &["bind"],
        any_object: true,
        words: "bind any role to any subject (bind)",
    },
    Permission {
        groups: &["", "authentication.k8s.io"],
        resources: &["users", "groups", "serviceaccounts", "userextras", "uids"],
        verbs: &["impersonate"],
        any_object: true,
        words: "impersonate other users (impersonate)",
    },
    Permission {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles", "rolebindings", "clusterrolebindings"],
        verbs: &["create", "update", "patch"],
        any_object: true,
        words: "change RBAC roles and bindings",
    },
];

const PODS: &[Permission] = &[
    Permission {
        groups: &[""],
        resources: &["pods/exec", "pods/attach"],
        verbs: &["create", "get"],
        any_object: false,
        words: "run commands in pods",
    },
    Permission {
        groups: &[""],
        resources: &["pods/portforward"],
        verbs: &["create", "get"],
        any_object: false,
        words: "forward ports to pods, which bypasses network policies",
    },
    Permission {
        groups: &[""],
        resources: &["pods/ephemeralcontainers"],
        verbs: &["update", "patch"],
        any_object: false,
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
    any_object: false,
    words: "create pods, which gives access to every Secret and service account of the namespace",
}];

const CONTROL_PLANE: &[Permission] = &[
    Permission {
        groups: &[""],
        resources: &["serviceaccounts/token"],
        verbs: &["create"],
        any_object: true,
        words: "create tokens for any service account",
    },
    Permission {
        groups: &["certificates.k8s.io"],
        resources: &["certificatesigningrequests/approval"],
        verbs: &["update", "patch"],
        any_object: false,
        words: "approve certificate signing requests",
    },
    Permission {
        groups: &[""],
        resources: &["nodes/proxy"],
        verbs: &["get", "create", "update", "patch", "delete"],
        any_object: false,
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
        any_object: false,
        words: "change or disable admission webhooks and policies",
    },
    Permission {
        groups: &[""],
        resources: &["persistentvolumes"],
        verbs: &["create"],
        any_object: false,
        words: "create PersistentVolumes with host paths",
    },
    Permission {
        groups: &["networking.k8s.io", "extensions"],
        resources: &["networkpolicies"],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        any_object: false,
        words: "change network policies",
    },
    Permission {
        groups: &["security.istio.io"],
        resources: &[
            "authorizationpolicies",
            "peerauthentications",
            "requestauthentications",
        ],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        any_object: false,
        words: "change mesh policies",
    },
    Permission {
        groups: &["", "events.k8s.io"],
        resources: &["events"],
        verbs: &["delete", "deletecollection"],
        any_object: false,
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
        if is_own(subject.object) {
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
                let is_all = |text: &&str| *text == "*" || (field == "nonResourceURLs" && *text == "/*");
                if context.texts(rule.node(), field).iter().any(is_all) {
                    context.fail(rule.node().at(field), format!("the role allows {words}"));
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
        if is_own(subject.object) {
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
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#user-facing-roles>
static BUILT_IN: LazyLock<BTreeMap<&str, Value>> = LazyLock::new(|| {
    let write = ["create", "update", "patch", "delete", "deletecollection"];
    let edit = json!([
        {"apiGroups": [""], "verbs": ["get", "list", "watch"],
         "resources": ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"]},
        {"apiGroups": [""], "verbs": ["impersonate"], "resources": ["serviceaccounts"]},
        {"apiGroups": [""], "verbs": ["create"], "resources": ["serviceaccounts/token"]},
        {"apiGroups": [""], "verbs": write,
         "resources": ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "replicationcontrollers",
                       "serviceaccounts", "services", "persistentvolumeclaims", "configmaps", "secrets", "events"]},
        {"apiGroups": ["apps", "extensions", "batch"], "verbs": write,
         "resources": ["daemonsets", "deployments", "replicasets", "statefulsets", "jobs", "cronjobs"]},
        {"apiGroups": ["networking.k8s.io", "extensions"], "verbs": write, "resources": ["ingresses", "networkpolicies"]},
    ]);
    let mut admin = edit.clone();
    if let Value::Array(rules) = &mut admin {
        rules.push(json!({"apiGroups": ["rbac.authorization.k8s.io"], "verbs": write, "resources": ["roles", "rolebindings"]}));
    }
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    BTreeMap::from([
        ("cluster-admin", json!({"rules": all})),
        ("admin", json!({"rules": admin})),
        ("edit", json!({"rules": edit})),
        ("view", json!({"rules": []})),
    ])
});

/// Labels that aggregate a role into the built-in roles.
static COLLECTED: LazyLock<[(&str, Map<String, Value>); 3]> = LazyLock::new(|| {
    ["admin", "edit", "view"].map(|role| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        (role, Map::from_iter([(label, Value::from("true"))]))
    })
});

/// Whether the object is a default object of the cluster. The names and labels are not verified.
fn is_own(object: &Object) -> bool {
    if object.id.kind == CLUSTER_ROLE.name && BUILT_IN.contains_key(object.id.name.as_str()) {
        return true;
    }
    let labelled = Node::new(object.body(), "").entry("metadata.labels", "kubernetes.io/bootstrapping");
    object.id.name.starts_with("system:") || labelled == Field::Known("rbac-defaults")
}

fn check_permissions(subject: &Subject<'_>, context: &mut CheckContext<'_>, permissions: &[Permission]) {
    if is_own(subject.object) {
        context.not_applicable("the object is a default object of the cluster");
        return;
    }
    if ROLES.iter().any(|kind| kind.name == subject.kind()) {
        for (place, words) in granted(subject.body, context, permissions) {
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
    let own = BUILT_IN.get(name).filter(|_| kind == "ClusterRole");
    let role = match (own, kind) {
        // The permissions of a built-in role are known without the object.
        (Some(role), _) => Some(role),
        (None, "Role") => context
            .inventory
            .get(ROLE, subject.namespace(), name)
            .map(Object::body),
        (None, _) => context
            .inventory
            .cluster_scoped(CLUSTER_ROLE, name)
            .map(Object::body),
    };
    let binding_scope = if subject.kind() == "RoleBinding" {
        "in its namespace"
    } else {
        "in the whole cluster"
    };
    let origin = if own.is_some() { "the built-in" } else { "the" };
    match role {
        Some(role) => {
            let granted = granted(Node::new(role, ""), context, permissions);
            let words: Vec<_> = granted.into_iter().map(|(_, words)| words).collect();
            if !words.is_empty() {
                let message = format!(
                    "through {origin} {kind} {name}, the binding allows its subjects {binding_scope} to {}",
                    words.join("; ")
                );
                context.fail("roleRef", message);
            }
        }
        None if kind == "ClusterRole" && name.starts_with("system:") => {}
        None => context.unknown(format!(
            "the permissions of the {kind} {name}, which is not in the input"
        )),
    }
}

/// The permissions that a role grants, with their paths. Unknown values are recorded.
fn granted(
    role: Node<'_>,
    context: &mut CheckContext<'_>,
    permissions: &[Permission],
) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    collect_grants(role, None, permissions, context, &mut found);
    let place = "aggregationRule.clusterRoleSelectors";
    if role.field("aggregationRule").is_absent() {
        return found;
    }
    // The cluster adds the rules of other roles, including built-in ones.
    let inventory = context.inventory;
    let selectors = context.items(role, place);
    let collects =
        |labels: Labels<'_>| Answer::any(selectors.iter().map(|selector| selects(selector.node(), labels)));
    let mut collected = 0;
    let given = inventory
        .all(CLUSTER_ROLE)
        .filter(|role| !BUILT_IN.contains_key(role.id.name.as_str()))
        .map(|role| Node::new(role.body(), ""))
        .map(|role| (role, role.map("metadata.labels")));
    let own = COLLECTED
        .iter()
        .filter_map(|(name, labels)| Some((Node::new(BUILT_IN.get(name)?, ""), Field::Known(labels))));
    for (other, labels) in given.chain(own) {
        match collects(labels) {
            Answer::Yes => {
                collected += 1;
                collect_grants(other, Some(place), permissions, context, &mut found);
            }
            Answer::Unknown => context.unknown(place),
            Answer::No => {}
        }
    }
    if found.is_empty() && (collected == 0 || !inventory.is_complete()) {
        context.unknown("aggregationRule: the permissions depend on other roles");
    }
    found
}

/// Adds the permissions of the rules of a role, at `place` if they are aggregated.
fn collect_grants(
    role: Node<'_>,
    place: Option<&str>,
    permissions: &[Permission],
    context: &mut CheckContext<'_>,
    found: &mut Vec<(String, String)>,
) {
    for rule in context.items(role, "rules") {
        let place = place.unwrap_or(&rule.path);
        for permission in permissions {
            match grants(rule.node(), permission) {
                Answer::Yes if !found.iter().any(|(_, words)| words == permission.words) => {
                    found.push((place.to_owned(), permission.words.to_owned()));
                }
                Answer::Unknown => context.unknown(place),
                Answer::Yes | Answer::No => {}
            }
        }
    }
}

fn grants(rule: Node<'_>, permission: &Permission) -> Answer {
    let names = match rule.list("resourceNames") {
        Field::Known(names) if !names.is_empty() && permission.any_object => Answer::No,
        Field::Unknown if permission.any_object => Answer::Unknown,
        _ => Answer::Yes,
    };
    let resource = |required: &str, given: &str| {
        given == required
            || given == "*"
            // `*/exec` is this subresource of every resource.
            || given.strip_prefix("*/").is_some_and(|sub| required.split_once('/').is_some_and(|(_, own)| own == sub))
    };
    contains_any(rule, "apiGroups", permission.groups, |required, given| {
        given == required || given == "*"
    })
    .and(contains_any(rule, "resources", permission.resources, resource))
    .and(verbs(rule, permission.verbs))
    .and(names)
}

/// Whether a rule has one of these verbs; all ordinary verbs together count as `*`.
fn verbs(rule: Node<'_>, required: &[&str]) -> Answer {
    let has_any = |required: &[&str]| {
        contains_any(rule, "verbs", required, |required, given| {
            given == required || given == "*"
        })
    };
    if required == ["*"] {
        let ordinary = ["get", "list", "watch", "create", "update", "patch", "delete"];
        let all = ordinary
            .iter()
            .fold(Answer::Yes, |so_far, verb| so_far.and(has_any(&[verb])));
        return Answer::any([has_any(required), all]);
    }
    has_any(required)
}

fn contains_any(rule: Node<'_>, field: &str, required: &[&str], is: impl Fn(&str, &str) -> bool) -> Answer {
    match rule.list(field) {
        Field::Known(items) => Answer::any(items.iter().map(|item| match crate::field::text(item) {
            Field::Known(given) => Answer::from_bool(required.iter().any(|required| is(required, given))),
            _ => Answer::Unknown,
        })),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}
