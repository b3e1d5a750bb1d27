//! What roles allow, and to whom bindings give it.
//!
//! A role is judged by its rules. A binding is judged by what it really gives: the rules of the role that it names where
//! that was given, what is known of Kubernetes' own roles otherwise. A role that is collected from others (`aggregationRule`)
//! has the rules of those that its selectors find. What the cluster makes for itself is not judged.

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

/// Something that a role can allow.
struct Power {
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    /// Whether a rule that names single objects does not count.
    any_object: bool,
    /// What it is, to follow "may".
    words: &'static str,
}

const EVERYTHING: &[Power] = &[Power {
    groups: &["*"],
    resources: &["*"],
    verbs: &["*"],
    any_object: true,
    words: "do everything",
}];

const SECRETS: &[Power] = &[Power {
    groups: &[""],
    resources: &["secrets"],
    verbs: &["get", "list", "watch"],
    any_object: true,
    words: "read every Secret",
}];

const ESCALATION: &[Power] = &[
    Power {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles"],
        verbs: &["escalate"],
        any_object: false,
        words: "give roles rights that it does not have itself (escalate)",
    },
    Power {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles"],
        verbs: &["bind"],
        any_object: true,
        words: "bind any role to anybody (bind)",
    },
    Power {
        groups: &["", "authentication.k8s.io"],
        resources: &["users", "groups", "serviceaccounts", "userextras", "uids"],
        verbs: &["impersonate"],
        any_object: true,
        words: "act as somebody else (impersonate)",
    },
    Power {
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles", "rolebindings", "clusterrolebindings"],
        verbs: &["create", "update", "patch"],
        any_object: true,
        words: "change who may do what",
    },
];

const PODS: &[Power] = &[
    Power {
        groups: &[""],
        resources: &["pods/exec", "pods/attach"],
        verbs: &["create", "get"],
        any_object: false,
        words: "run commands in pods",
    },
    Power {
        groups: &[""],
        resources: &["pods/portforward"],
        verbs: &["create", "get"],
        any_object: false,
        words: "reach ports of pods past every network policy",
    },
    Power {
        groups: &[""],
        resources: &["pods/ephemeralcontainers"],
        verbs: &["update", "patch"],
        any_object: false,
        words: "put containers into running pods",
    },
];

const NEW_PODS: &[Power] = &[Power {
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
    words: "create pods, and with them use every secret and account of the namespace",
}];

const CONTROL_PLANE: &[Power] = &[
    Power {
        groups: &[""],
        resources: &["serviceaccounts/token"],
        verbs: &["create"],
        any_object: true,
        words: "make tokens of any service account",
    },
    Power {
        groups: &["certificates.k8s.io"],
        resources: &["certificatesigningrequests/approval"],
        verbs: &["update", "patch"],
        any_object: false,
        words: "approve certificates",
    },
    Power {
        groups: &[""],
        resources: &["nodes/proxy"],
        verbs: &["get", "create", "update", "patch", "delete"],
        any_object: false,
        words: "speak to kubelets past the audit log",
    },
    Power {
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
        words: "change or switch off admission checks",
    },
    Power {
        groups: &[""],
        resources: &["persistentvolumes"],
        verbs: &["create"],
        any_object: false,
        words: "make volumes of directories of nodes",
    },
    Power {
        groups: &["networking.k8s.io", "extensions"],
        resources: &["networkpolicies"],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        any_object: false,
        words: "change network policies",
    },
    Power {
        groups: &["security.istio.io"],
        resources: &[
            "authorizationpolicies",
            "peerauthentications",
            "requestauthentications",
        ],
        verbs: &["create", "update", "patch", "delete", "deletecollection"],
        any_object: false,
        words: "change the mesh's policies",
    },
    Power {
        groups: &["", "events.k8s.io"],
        resources: &["events"],
        verbs: &["delete", "deletecollection"],
        any_object: false,
        words: "delete events, and with them traces",
    },
];

/// Everything for somebody.
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
    check: Check::Stack(|subject, context| judge(subject, context, EVERYTHING)),
    ..Rule::DEFAULTS
};

/// `*`.
pub static RBAC_NO_WILDCARDS: Rule = Rule {
    id: "rbac-no-wildcards",
    text: rule_text!("rbac-no-wildcards"),
    kinds: ROLES,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, AccessAuthorization, AccessControl],
    check: Check::Resource(|subject, context| {
        if is_own(subject.object) {
            context.not_applicable("the cluster makes this role for itself");
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
    check: Check::Stack(|subject, context| judge(subject, context, SECRETS)),
    ..Rule::DEFAULTS
};

/// Ways to more rights.
pub static RBAC_NO_ESCALATION_VERBS: Rule = Rule {
    id: "rbac-no-escalation-verbs",
    text: rule_text!("rbac-no-escalation-verbs"),
    kinds: ALL,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, WorkforceSecurity, AccessControl],
    check: Check::Stack(|subject, context| judge(subject, context, ESCALATION)),
    ..Rule::DEFAULTS
};

/// Ways into pods.
pub static RBAC_NO_POD_EXEC: Rule = Rule {
    id: "rbac-no-pod-exec",
    text: rule_text!("rbac-no-pod-exec"),
    kinds: ALL,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, AccessAuthorization, AccessControl],
    check: Check::Stack(|subject, context| judge(subject, context, PODS)),
    ..Rule::DEFAULTS
};

/// Ways to pods of one's own.
pub static RBAC_NO_POD_CREATE: Rule = Rule {
    id: "rbac-no-pod-create",
    text: rule_text!("rbac-no-pod-create"),
    kinds: ALL,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[LeastPrivilege, AccessAuthorization, AccessControl],
    check: Check::Stack(|subject, context| judge(subject, context, NEW_PODS)),
    ..Rule::DEFAULTS
};

/// Ways around the guards.
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
    check: Check::Stack(|subject, context| judge(subject, context, CONTROL_PLANE)),
    ..Rule::DEFAULTS
};

/// Everybody.
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
            context.not_applicable("the cluster makes this binding for itself");
            return;
        }
        for somebody in context.items(subject.body, "subjects") {
            let words = match context.text(somebody.node(), "name") {
                Some("system:anonymous" | "system:unauthenticated") => "anybody, without a credential",
                Some("system:authenticated") => "everybody who has any credential",
                Some("system:serviceaccounts") => "every service account of the cluster",
                Some("system:masters") => "a group that no rule can take rights from",
                _ => continue,
            };
            context.fail(
                somebody.node().at("name"),
                format!("the role is given to {words}"),
            );
        }
    }),
    ..Rule::DEFAULTS
};

/// Roles that the API server makes, and sets right whenever somebody changes them, with what they allow of what these rules
/// ask for.
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

/// The labels by which roles become parts of Kubernetes' own, and of whatever else collects the same ones.
static COLLECTED: LazyLock<[(&str, Map<String, Value>); 3]> = LazyLock::new(|| {
    ["admin", "edit", "view"].map(|role| {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        (role, Map::from_iter([(label, Value::from("true"))]))
    })
});

/// What the RBAC rules take on trust.
/// Whether the cluster makes this object for itself.
fn is_own(object: &Object) -> bool {
    if object.id.kind == CLUSTER_ROLE.name && BUILT_IN.contains_key(object.id.name.as_str()) {
        return true;
    }
    let labelled = Node::new(object.body(), "").entry("metadata.labels", "kubernetes.io/bootstrapping");
    object.id.name.starts_with("system:") || labelled == Field::Known("rbac-defaults")
}

fn judge(subject: &Subject<'_>, context: &mut CheckContext<'_>, powers: &[Power]) {
    if is_own(subject.object) {
        context.not_applicable("the cluster makes this object for itself");
        return;
    }
    if ROLES.iter().any(|kind| kind.name == subject.kind()) {
        for (place, words) in granted(subject.body, context, powers) {
            context.fail(place, format!("the role may {words}"));
        }
        return;
    }
    if matches!(subject.body.list("subjects"), Field::Absent | Field::Known([])) {
        context.not_applicable("the binding gives its role to nobody");
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
        // The cluster's own copy of a role does not have to be read to know what is in it.
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
    let whom = if subject.kind() == "RoleBinding" {
        "in its namespace"
    } else {
        "in the whole cluster"
    };
    let whose = if own.is_some() { "Kubernetes' own" } else { "the" };
    match role {
        Some(role) => {
            let granted = granted(Node::new(role, ""), context, powers);
            let words: Vec<_> = granted.into_iter().map(|(_, words)| words).collect();
            if !words.is_empty() {
                let message = format!(
                    "by {whose} {kind} {name} the binding lets its subjects, {whom}: {}",
                    words.join("; ")
                );
                context.fail("roleRef", message);
            }
        }
        None if kind == "ClusterRole" && name.starts_with("system:") => {}
        None => context.unknown(format!("what the {kind} {name} allows, which was not given")),
    }
}

/// What of these powers a role gives: where it says so, and what it is. What is not known is noted.
fn granted(role: Node<'_>, context: &mut CheckContext<'_>, powers: &[Power]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    by_rules(role, None, powers, context, &mut found);
    let place = "aggregationRule.clusterRoleSelectors";
    if role.field("aggregationRule").is_absent() {
        return found;
    }
    // The cluster fills the rules in from other roles, those of its own among them.
    let world = context.inventory;
    let selectors = context.items(role, place);
    let collects =
        |labels: Labels<'_>| Answer::any(selectors.iter().map(|selector| selects(selector.node(), labels)));
    let mut collected = 0;
    let given = world
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
                by_rules(other, Some(place), powers, context, &mut found);
            }
            Answer::Unknown => context.unknown(place),
            Answer::No => {}
        }
    }
    if found.is_empty() && (collected == 0 || !world.is_complete()) {
        context.unknown("aggregationRule: the cluster fills the rules in from other roles");
    }
    found
}

/// Adds what the rules of a role give, at `place` where they are not the role's own.
fn by_rules(
    role: Node<'_>,
    place: Option<&str>,
    powers: &[Power],
    context: &mut CheckContext<'_>,
    found: &mut Vec<(String, String)>,
) {
    for rule in context.items(role, "rules") {
        let place = place.unwrap_or(&rule.path);
        for power in powers {
            match gives(rule.node(), power) {
                Answer::Yes if !found.iter().any(|(_, words)| words == power.words) => {
                    found.push((place.to_owned(), power.words.to_owned()));
                }
                Answer::Unknown => context.unknown(place),
                Answer::Yes | Answer::No => {}
            }
        }
    }
}

fn gives(rule: Node<'_>, power: &Power) -> Answer {
    let names = match rule.list("resourceNames") {
        Field::Known(names) if !names.is_empty() && power.any_object => Answer::No,
        Field::Unknown if power.any_object => Answer::Unknown,
        _ => Answer::Yes,
    };
    let resource = |asked: &str, given: &str| {
        given == asked
            || given == "*"
            // `*/exec` is that subresource of everything.
            || given.strip_prefix("*/").is_some_and(|sub| asked.split_once('/').is_some_and(|(_, own)| own == sub))
    };
    holds(rule, "apiGroups", power.groups, |asked, given| {
        given == asked || given == "*"
    })
    .and(holds(rule, "resources", power.resources, resource))
    .and(verbs(rule, power.verbs))
    .and(names)
}

/// Whether a rule has one of these verbs; `*` is asked for by having all of the ordinary ones, too.
fn verbs(rule: Node<'_>, asked: &[&str]) -> Answer {
    let holds = |asked: &[&str]| {
        holds(rule, "verbs", asked, |asked, given| {
            given == asked || given == "*"
        })
    };
    if asked == ["*"] {
        let ordinary = ["get", "list", "watch", "create", "update", "patch", "delete"];
        let all = ordinary
            .iter()
            .fold(Answer::Yes, |so_far, verb| so_far.and(holds(&[verb])));
        return Answer::any([holds(asked), all]);
    }
    holds(asked)
}

fn holds(rule: Node<'_>, field: &str, asked: &[&str], is: impl Fn(&str, &str) -> bool) -> Answer {
    match rule.list(field) {
        Field::Known(items) => Answer::any(items.iter().map(|item| match crate::field::text(item) {
            Field::Known(given) => Answer::from_bool(asked.iter().any(|asked| is(asked, given))),
            _ => Answer::Unknown,
        })),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}
