//! Check: a live cluster, judged by the policies.

use serde_json::{Value, json};

use crate::api_server::World;
use crate::doctor::checkout_with_cluster;
use crate::support::Answer;

const PODS: &str = "/api/v1/pods";
const SECRETS: &str = "/api/v1/secrets";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";

fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "managedFields": [{"manager": "kubectl"}]},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:1", "securityContext": {"privileged": true}}]},
        "status": {"phase": "Running"},
    })
}

fn deployment(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "n"},
        "spec": {"selector": {}, "template": {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}},
    })
}

/// A cluster with a pod by itself, one of a `DaemonSet`, Deployments on two pages, and a Secret with a token.
fn cluster() -> World {
    let mut world = World::good();
    world.set(
        "/apis",
        json!({"kind": "APIGroupList", "groups": [{
            "name": "apps",
            "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
        }]}),
    );
    world.serve_kinds(
        "v1",
        &[
            ("Namespace", "namespaces", false),
            ("Pod", "pods", true),
            ("Secret", "secrets", true),
        ],
    );
    world.serve_kinds(
        "apps/v1",
        &[
            ("Deployment", "deployments", true),
            ("DaemonSet", "daemonsets", true),
        ],
    );
    world.list(
        "/api/v1/namespaces",
        &[
            json!({"metadata": {"name": "n"}}),
            json!({"metadata": {"name": "m"}}),
        ],
    );
    let mut of_daemon_set = pod("n", "agent-x");
    of_daemon_set["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": true},
    ]);
    world.list(PODS, &[pod("n", "alone"), pod("m", "other"), of_daemon_set]);
    let page = json!({"kind": "List", "metadata": {"continue": "more"}, "items": [deployment("first")]});
    world.set(DEPLOYMENTS, page);
    world.list(&format!("{DEPLOYMENTS}?continue=more"), &[deployment("second")]);
    let meta = |name: &str| json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": name, "namespace": "n"}});
    let selector = "fieldSelector=type";
    world.list(
        &format!("{SECRETS}?{selector}%3Dkubernetes.io%2Fservice-account-token"),
        &[meta("forever")],
    );
    world.list(
        &format!("{SECRETS}?{selector}%21%3Dkubernetes.io%2Fservice-account-token"),
        &[meta("others")],
    );
    world
}

fn check(change: impl FnOnce(&mut World), arguments: &[&str]) -> Answer {
    let mut world = cluster();
    change(&mut world);
    let checkout = checkout_with_cluster("prod", world.serve());
    let mut command = checkout.command(&["check", "--cluster"]);
    command
        .args(arguments)
        .env("KUBECONFIG", checkout.path("kubeconfig"));
    checkout.answer(&mut command)
}

const HERE: [&str; 2] = ["--context", "here"];

#[test]
fn what_a_cluster_has_is_judged_page_by_page_and_no_value_of_a_secret_is_asked_for() {
    let answer = check(|_| {}, &[&HERE[..], &["--format", "json"]].concat());
    assert_eq!(answer.code, 3, "{answer}");
    let judged: Value = serde_json::from_str(&answer.out).unwrap();
    let judged = &judged["judged"][0];
    assert_eq!(judged["name"], "the cluster here");
    let of = |id: &str| {
        let rules = judged["rules"].as_array().unwrap();
        rules.iter().find(|rule| rule["id"] == id).unwrap().clone()
    };
    let failed = |id: &str| -> Vec<String> {
        let of = of(id);
        let failed = of["failed"].as_array().unwrap().iter();
        failed
            .map(|failure| failure["object"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(failed("no-privileged-containers"), ["Pod m/other", "Pod n/alone"]);
    assert_eq!(
        of("no-privileged-containers")["passed"],
        json!(["Deployment n/first", "Deployment n/second"])
    );
    assert_eq!(failed("no-static-service-account-token"), ["Secret n/forever"]);
    assert_eq!(of("secret-values-are-references")["enforcement"], "disabled");
    for line in [
        "secret-values-are-references is not asked of a cluster: no value of a Secret is read",
        "left out 1 object that controllers made of others",
        "left out the cluster's own namespaces",
    ] {
        assert!(answer.err.contains(line), "{answer}");
    }
    assert!(!answer.out.contains("kube-system"), "{answer}");
}

#[test]
fn what_may_not_be_listed_is_told_and_unknown() {
    let answer = check(|world| world.forbid(PODS), &HERE);
    assert!(
        answer
            .err
            .contains("warning: you may not list Pod; what rules say of them is unknown\nhint: ask again"),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains("unknown no-privileged-containers: Containers are not privileged\n"),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains("\n  Pod *: not known: you may not list them\n"),
        "{answer}"
    );
    // What is missing may be among what was not seen.
    assert!(
        answer.out.contains("unknown workload-has-network-policy"),
        "{answer}"
    );
    assert!(
        !answer.out.contains("FAIL workload-has-network-policy"),
        "{answer}"
    );
}

#[test]
fn only_the_namespaces_that_are_named_are_told_of() {
    let pods = "/api/v1/namespaces/m/pods";
    let answer = check(
        |world| {
            world.list(pods, &[pod("m", "other")]);
            world.list(
                "/api/v1/namespaces/istio-system/pods",
                &[pod("istio-system", "istiod")],
            );
        },
        &[&HERE[..], &["--namespace", "m"]].concat(),
    );
    assert_eq!(answer.code, 3, "{answer}");
    assert!(answer.out.contains("Pod m/other"), "{answer}");
    assert!(answer.out.contains("Namespace m"), "{answer}");
    for other in ["istiod", "Namespace n", "n/alone"] {
        assert!(!answer.out.contains(other), "{answer}");
    }
}

#[test]
fn a_stack_is_looked_for_in_its_own_cluster_only() {
    let answer = check(
        |world| {
            let other = json!({"metadata": {"name": "kube-system", "uid": "another"}});
            world.set("/api/v1/namespaces/kube-system", other);
        },
        &["prod"],
    );
    assert_eq!(answer.code, 1, "{answer}");
    assert!(
        answer.err.contains("it is another cluster: its UID is another"),
        "{answer}"
    );
    assert_eq!(answer.out, "");
}

#[test]
fn a_cluster_without_a_context_is_asked_for_one() {
    let answer = check(|_| {}, &[]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("hint: name one with --context"), "{answer}");
    let answer = check(|_| {}, &["prod", "dev"]);
    assert!(
        answer
            .err
            .contains("--cluster is given for several stacks at once"),
        "{answer}"
    );
}
