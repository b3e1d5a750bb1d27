//! As whom a pod speaks to the cluster.

use crate::control::Control::{
    AccessArchitecture, AccessControl, Authentication, LeastPrivilege, UniqueIdentity,
};
use crate::pod::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, POD_TEMPLATE, REPLICA_SET, REPLICATION_CONTROLLER,
    STATEFUL_SET, WORKLOADS,
};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::pod;
use crate::settings::{Default, Setting};

const RBAC: &[&str] = &["rbac.authorization.k8s.io", "authorization.openshift.io"];

/// Who a pod is.
pub static DEDICATED_SERVICE_ACCOUNT: Rule = Rule {
    id: "dedicated-service-account",
    title: "Every workload has an identity of its own",
    meaning: "Fails where a pod names no service account or the namespace's `default` one, and where a role is bound to a `default` one.",
    why: "The default account is everybody's: what is granted to it is granted to all pods of the namespace, and a mesh cannot tell them apart.",
    remedy: "Make a ServiceAccount for the workload, and name it in `serviceAccountName`.",
    kinds: &[
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        REPLICATION_CONTROLLER,
        JOB,
        CRON_JOB,
        POD_TEMPLATE,
        Kind::new(RBAC, "RoleBinding"),
        Kind::new(RBAC, "ClusterRoleBinding"),
    ],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[AccessArchitecture, LeastPrivilege, UniqueIdentity, Authentication],
    limits: &["two workloads that share an account are not told"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  serviceAccountName: app\n  containers: [{name: app}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  serviceAccountName: default\n  containers: [{name: app}]\n",
    check: |subject, judging| {
        if subject.pod.is_none() {
            for account in judging.items(subject.body, "subjects") {
                let kind = judging.text(account.node(), "kind");
                let name = judging.text(account.node(), "name");
                if kind == Some("ServiceAccount") && name == Some("default") {
                    judging.fail(
                        account.node().at("name"),
                        "the role is given to a default service account, which is every pod's",
                    );
                }
            }
            return;
        }
        let Some(pod) = pod(subject, judging) else { return };
        // `serviceAccount` is the older name of the same field.
        let named = pod
            .spec()
            .text("serviceAccountName")
            .or(|| pod.spec().text("serviceAccount"));
        let place = pod.spec().at("serviceAccountName");
        match named {
            Read::Known("" | "default") => judging.fail(place, "the pod uses the default service account"),
            Read::Known(_) => {}
            Read::Absent => judging.fail(
                place,
                "the pod names no service account, so it gets the default one",
            ),
            Read::Unknown => judging.unknown(place),
        }
    },
};

static NEEDED_BY: Setting = Setting {
    name: "neededBy",
    meaning: "service accounts, as `namespace/name`, whose pods speak to the API server and need a token",
    default: Default::Texts(&[]),
};

/// Tokens in pods.
pub static NO_TOKEN_AUTOMOUNT: Rule = Rule {
    id: "no-token-automount",
    title: "No pod holds a token for the cluster that it does not need",
    meaning: "Fails where a token is mounted into a pod: `automountServiceAccountToken` of the pod is true, or it is absent and that of its ServiceAccount is not false (the pod's word wins). An account whose pods need a token is named in the settings.",
    why: "Who breaks into a pod with a token speaks to the API server as its account.",
    remedy: "Set `automountServiceAccountToken: false` in the pod's spec, or in the ServiceAccount.",
    kinds: WORKLOADS,
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&NEEDED_BY],
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl],
    limits: &["tokens of projected volumes, which a person wrote on purpose, are not judged"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  automountServiceAccountToken: false\n  containers: [{name: app}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  automountServiceAccountToken: true\n  containers: [{name: app}]\n",
    check: |subject, judging| {
        let Some(pod) = pod(subject, judging) else { return };
        let account = pod
            .spec()
            .text("serviceAccountName")
            .or(|| pod.spec().text("serviceAccount"))
            .or(|| Read::Known("default"));
        if let Read::Known(account) = account
            && judging
                .option_texts(&NEEDED_BY)
                .contains(&format!("{}/{account}", subject.namespace()).as_str())
        {
            judging.not_applicable("the settings say that the account's pods need a token");
            return;
        }
        let field = "automountServiceAccountToken";
        let place = pod.spec().at(field);
        let of_account = || match account {
            Read::Known(account) => {
                match judging
                    .world
                    .get(Kind::core("ServiceAccount"), subject.namespace(), account)
                {
                    Some(account) => Node::new(account.body(), "").flag(field),
                    None if judging.world.is_complete() => Read::Absent,
                    None => Read::Unknown,
                }
            }
            Read::Absent | Read::Unknown => Read::Unknown,
        };
        match pod.spec().flag(field).or(of_account) {
            Read::Known(false) => {}
            Read::Known(true) => judging.fail(place, "a token for the cluster is mounted into the pod"),
            Read::Absent => judging.fail(
                place,
                "neither the pod nor its service account keeps the token for the cluster out of the pod",
            ),
            Read::Unknown => judging.unknown(place),
        }
    },
};
