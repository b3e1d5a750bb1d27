//! What roles allow, and to whom bindings give it.
//!
//! A role is judged by its rules. A binding is judged by what it really gives: the rules of the role that it names where
//! that was given, what is known of Kubernetes' own roles otherwise. What the cluster makes for itself (`system:` roles,
//! bootstrap labels) is not judged.

use phoenix_graph::Object;

use crate::control::Control::{
    AccessArchitecture, AccessAuthorisation, AccessControl, AccessManagement, AnomaliesWatched,
    AuditControls, Authentication, CredentialsIssued, DataInMotion, LeastPrivilege, UniqueIdentity,
    WorkforceClearance, WorkforceSecurity,
};
use crate::judging::{Judging, Subject};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::selector::Answer;

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
        resources: &["users", "groups", "serviceaccounts", "userextras"],
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
    title: "Nobody is given every right",
    meaning: "Judges bindings. Fails where one names the ClusterRole `cluster-admin`, or a role that was given and allows every verb (`*`, or all of the ordinary ones) on every resource of every API group. A binding to a role that was not given, and is none of Kubernetes' own, is unknown.",
    why: "Whoever holds such a binding, or a token of its account, owns the cluster.",
    remedy: "Bind a role that names what is needed.",
    kinds: BINDINGS,
    level: Level::Stack,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        CredentialsIssued,
        LeastPrivilege,
        WorkforceClearance,
        AccessManagement,
        AccessControl,
    ],
    limits: &["rights from elsewhere than RBAC, such as a cloud's own, are not seen"],
    good: "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: app, namespace: a}]\n",
    bad: "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: app, namespace: a}]\n",
    check: |subject, judging| {
        judge(subject, judging, EVERYTHING, &["cluster-admin"]);
    },
};

/// `*`.
pub static RBAC_NO_WILDCARDS: Rule = Rule {
    id: "rbac-no-wildcards",
    title: "Roles say what they allow, and never \"everything\"",
    meaning: "Judges roles. Fails where a rule has `*` among its verbs, resources, API groups or non-resource URLs.",
    why: "A wildcard allows what does not exist yet: the next CRD and the next subresource are in it.",
    remedy: "Write out the groups, resources and verbs.",
    kinds: ROLES,
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[LeastPrivilege, AccessAuthorisation, AccessControl],
    limits: &[],
    good: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]\n",
    bad: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [\"\"], resources: [pods], verbs: [\"*\"]}]\n",
    check: |subject, judging| {
        if is_own(subject.object) {
            judging.not_applicable("the cluster makes this role for itself");
            return;
        }
        for rule in judging.items(subject.body, "rules") {
            for (field, words) in [
                ("verbs", "every verb"),
                ("resources", "every resource"),
                ("apiGroups", "every API group"),
                ("nonResourceURLs", "every path"),
            ] {
                if judging.texts(rule.node(), field).contains(&"*") {
                    judging.fail(rule.node().at(field), format!("the role allows {words}"));
                }
            }
        }
    },
};

/// Secrets.
pub static RBAC_NO_SECRET_READ: Rule = Rule {
    id: "rbac-no-secret-read",
    title: "Nobody may read all Secrets",
    meaning: "Judges roles and bindings. Fails where get, list or watch on secrets is allowed without naming the Secrets (`resourceNames`).",
    why: "Secrets hold the credentials of everything else.",
    remedy: "Name the Secrets in `resourceNames`, or mount them into the pod that needs them.",
    kinds: ALL,
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        LeastPrivilege,
        DataInMotion,
        AccessControl,
        AccessAuthorisation,
    ],
    limits: &["who may create pods can read the namespace's Secrets too; that is another rule's"],
    good: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [\"\"], resources: [secrets], resourceNames: [app], verbs: [get]}]\n",
    bad: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [\"\"], resources: [secrets], verbs: [get]}]\n",
    check: |subject, judging| judge(subject, judging, SECRETS, &["cluster-admin", "admin", "edit"]),
};

/// Ways to more rights.
pub static RBAC_NO_ESCALATION_VERBS: Rule = Rule {
    id: "rbac-no-escalation-verbs",
    title: "Nobody can give themselves more rights",
    meaning: "Judges roles and bindings. Fails where bind, escalate or impersonate is allowed, or creating or changing roles and bindings.",
    why: "These rights are all rights, one step later.",
    remedy: "Leave the changing of roles to the deployment, and name single roles in `resourceNames` where bind is needed.",
    kinds: ALL,
    level: Level::Stack,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[LeastPrivilege, WorkforceSecurity, AccessControl],
    limits: &[],
    good: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [get]}]\n",
    bad: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [escalate]}]\n",
    check: |subject, judging| judge(subject, judging, ESCALATION, &["cluster-admin", "admin"]),
};

/// Ways into pods.
pub static RBAC_NO_POD_EXEC: Rule = Rule {
    id: "rbac-no-pod-exec",
    title: "Nobody can get into running pods",
    meaning: "Judges roles and bindings. Fails where exec, attach or port-forward on pods is allowed (create, or get, by which a websocket asks), or changing ephemeral containers.",
    why: "Who gets into a pod has its data, its identity and its network.",
    remedy: "Remove the rule. For an emergency, keep a role that is bound for an hour, by two people.",
    kinds: ALL,
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[LeastPrivilege, AccessAuthorisation, AccessControl],
    limits: &[],
    good: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]\n",
    bad: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [\"\"], resources: [pods/exec], verbs: [create]}]\n",
    check: |subject, judging| judge(subject, judging, PODS, &["cluster-admin", "admin", "edit"]),
};

/// Ways to pods of one's own.
pub static RBAC_NO_POD_CREATE: Rule = Rule {
    id: "rbac-no-pod-create",
    title: "Nobody starts pods by hand",
    meaning: "Judges roles and bindings. Fails where creating pods is allowed, or creating what makes them: Deployments, StatefulSets, DaemonSets, ReplicaSets, ReplicationControllers, Jobs, CronJobs.",
    why: "Who creates a pod chooses its account, its secrets and its volumes, and so has all of the namespace.",
    remedy: "Leave starting pods to the deployment. What has to start Jobs gets a namespace of its own, with a waiver.",
    kinds: ALL,
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[LeastPrivilege, AccessAuthorisation, AccessControl],
    limits: &["custom resources that make pods are not known"],
    good: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [apps], resources: [deployments], verbs: [get]}]\n",
    bad: "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [apps], resources: [deployments], verbs: [create]}]\n",
    check: |subject, judging| judge(subject, judging, NEW_PODS, &["cluster-admin", "admin", "edit"]),
};

/// Ways around the guards.
pub static RBAC_NO_CONTROL_PLANE_VERBS: Rule = Rule {
    id: "rbac-no-control-plane-verbs",
    title: "Nobody can switch off what guards the cluster",
    meaning: "Judges roles and bindings. Fails where making tokens of service accounts, approving certificates, speaking to kubelets (nodes/proxy), changing admission webhooks and policies, creating PersistentVolumes, changing network policies or the mesh's policies, or deleting events is allowed.",
    why: "Each of these takes a guard away, and some of them leave no trace in the audit log.",
    remedy: "Remove the rule. What changes policies is the deployment, and it is reviewed.",
    kinds: ALL,
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        LeastPrivilege,
        AnomaliesWatched,
        AccessAuthorisation,
        AuditControls,
    ],
    limits: &[],
    good: "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\nrules: [{apiGroups: [\"\"], resources: [nodes], verbs: [get]}]\n",
    bad: "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\nrules: [{apiGroups: [\"\"], resources: [nodes/proxy], verbs: [get]}]\n",
    check: |subject, judging| {
        judge(
            subject,
            judging,
            CONTROL_PLANE,
            &["cluster-admin", "admin", "edit"],
        );
    },
};

/// Everybody.
pub static RBAC_NO_BROAD_SUBJECTS: Rule = Rule {
    id: "rbac-no-broad-subjects",
    title: "Rights are given to somebody, and never to everybody",
    meaning: "Judges bindings. Fails where a subject is `system:anonymous`, `system:unauthenticated`, `system:authenticated`, `system:masters` or `system:serviceaccounts` (every account of the cluster). All accounts of one namespace pass.",
    why: "With such a subject nobody can say who did something, and the next workload that is installed has the rights too.",
    remedy: "Name the service account or the group of people.",
    kinds: BINDINGS,
    level: Level::Resource,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        CredentialsIssued,
        Authentication,
        UniqueIdentity,
    ],
    limits: &[],
    good: "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: Role, name: a}\nsubjects: [{kind: Group, name: operators}]\n",
    bad: "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: Role, name: a}\nsubjects: [{kind: Group, name: \"system:authenticated\"}]\n",
    check: |subject, judging| {
        if is_own(subject.object) {
            judging.not_applicable("the cluster makes this binding for itself");
            return;
        }
        for somebody in judging.items(subject.body, "subjects") {
            let words = match judging.text(somebody.node(), "name") {
                Some("system:anonymous" | "system:unauthenticated") => "anybody, without a credential",
                Some("system:authenticated") => "everybody who has any credential",
                Some("system:serviceaccounts") => "every service account of the cluster",
                Some("system:masters") => "a group that no rule can take rights from",
                _ => continue,
            };
            judging.fail(
                somebody.node().at("name"),
                format!("the role is given to {words}"),
            );
        }
    },
};

/// Roles that the API server makes, and sets right whenever somebody changes them.
const BUILT_IN: [&str; 4] = ["cluster-admin", "admin", "edit", "view"];

/// Whether the cluster makes this object for itself.
fn is_own(object: &Object) -> bool {
    if object.id.kind == CLUSTER_ROLE.name && BUILT_IN.contains(&object.id.name.as_str()) {
        return true;
    }
    let labelled = Node::new(object.body(), "").entry("metadata.labels", "kubernetes.io/bootstrapping");
    object.id.name.starts_with("system:") || labelled == Read::Known("rbac-defaults")
}

/// Kubernetes' own roles that allow nothing that these rules look for.
const HARMLESS: [&str; 1] = ["view"];

fn judge(subject: &Subject<'_>, judging: &mut Judging<'_>, powers: &[Power], built_in: &[&str]) {
    if is_own(subject.object) {
        judging.not_applicable("the cluster makes this object for itself");
        return;
    }
    if ROLES.iter().any(|kind| kind.name == subject.kind()) {
        for (place, words) in granted(subject.body, judging, powers) {
            judging.fail(place, format!("the role may {words}"));
        }
        return;
    }
    if subject.body.list("subjects").is_absent() {
        judging.not_applicable("the binding gives its role to nobody");
        return;
    }
    let (Some(kind), Some(name)) = (
        judging.text(subject.body, "roleRef.kind"),
        judging.text(subject.body, "roleRef.name"),
    ) else {
        judging.unknown("roleRef");
        return;
    };
    let role = if kind == "Role" {
        judging.world.get(ROLE, subject.namespace(), name)
    } else {
        judging.world.of_cluster(CLUSTER_ROLE, name)
    };
    let whom = if subject.kind() == "RoleBinding" {
        "in its namespace"
    } else {
        "in the whole cluster"
    };
    match role {
        // The cluster's own copy of a role does not have to be read to know what is in it.
        Some(role) if !(built_in.contains(&name) && kind == "ClusterRole") => {
            let body = Node::new(role.body(), "");
            for (_, words) in granted(body, judging, powers) {
                judging.fail(
                    "roleRef",
                    format!("the binding lets its subjects {words}, {whom}: the {kind} {name} allows it"),
                );
            }
        }
        _ if kind == "ClusterRole" && built_in.contains(&name) => {
            let what = powers
                .iter()
                .map(|power| power.words)
                .collect::<Vec<_>>()
                .join("; ");
            judging.fail("roleRef", format!("the binding gives its subjects Kubernetes' own role {name}, {whom}, with which they may: {what}"));
        }
        _ if kind == "ClusterRole"
            && (HARMLESS.contains(&name)
                || ["admin", "edit"].contains(&name)
                || name.starts_with("system:")) => {}
        _ => judging.unknown(format!("what the {kind} {name} allows, which was not given")),
    }
}

/// What of these powers a role gives: where it says so, and what it is. What is not known is noted.
fn granted(role: Node<'_>, judging: &mut Judging<'_>, powers: &[Power]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for rule in judging.items(role, "rules") {
        for power in powers {
            match gives(rule.node(), power) {
                Answer::Yes if !found.iter().any(|(_, words)| words == power.words) => {
                    found.push((rule.path.clone(), power.words.to_owned()));
                }
                Answer::Unknown => judging.unknown(rule.path.clone()),
                Answer::Yes | Answer::No => {}
            }
        }
    }
    if found.is_empty() && !role.field("aggregationRule").is_absent() {
        judging.unknown("aggregationRule: the cluster fills the rules in from other roles");
    }
    found
}

fn gives(rule: Node<'_>, power: &Power) -> Answer {
    let names = match rule.list("resourceNames") {
        Read::Known(names) if !names.is_empty() && power.any_object => Answer::No,
        Read::Unknown if power.any_object => Answer::Unknown,
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
        Read::Known(items) => Answer::any(items.iter().map(|item| match crate::read::text(item) {
            Read::Known(given) => Answer::from_bool(asked.iter().any(|asked| is(asked, given))),
            _ => Answer::Unknown,
        })),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }
}
