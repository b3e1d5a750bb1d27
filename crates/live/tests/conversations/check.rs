//! `phoenix check --cluster`.

use serde_json::{Value, json};

use crate::api_server::FakeCluster;
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

/// A cluster with a standalone pod, a pod of a `DaemonSet`, two pages of Deployments, and a Secret with a token.
fn full_cluster() -> FakeCluster {
    let mut cluster = FakeCluster::good();
    cluster.set(
        "/apis",
        json!({"kind": "APIGroupList", "groups": [{
            "name": "apps",
            "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
        }]}),
    );
    cluster.serve_kinds(
        "v1",
        &[
            ("Namespace", "namespaces", false),
            ("Pod", "pods", true),
            ("Secret", "secrets", true),
        ],
    );
    cluster.serve_kinds(
        "apps/v1",
        &[
            ("Deployment", "deployments", true),
            ("DaemonSet", "daemonsets", true),
        ],
    );
    cluster.list(
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
    cluster.list(PODS, &[pod("n", "alone"), pod("m", "other"), of_daemon_set]);
    let page = json!({"kind": "List", "metadata": {"continue": "more"}, "items": [deployment("first")]});
    cluster.set(DEPLOYMENTS, page);
    cluster.list(&format!("{DEPLOYMENTS}?continue=more"), &[deployment("second")]);
    let meta = |name: &str| json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": name, "namespace": "n"}});
    let selector = "fieldSelector=type";
    cluster.list(
        &format!("{SECRETS}?{selector}%3Dkubernetes.io%2Fservice-account-token"),
        &[meta("forever")],
    );
    cluster.list(
        &format!("{SECRETS}?{selector}%21%3Dkubernetes.io%2Fservice-account-token"),
        &[meta("others")],
    );
    cluster
}

fn check(change: impl FnOnce(&mut FakeCluster), arguments: &[&str]) -> Answer {
    let mut cluster = full_cluster();
    change(&mut cluster);
    let checkout = checkout_with_cluster("prod", cluster.serve());
    let mut command = checkout.command(&["check", "--cluster"]);
    command
        .args(arguments)
        .env("KUBECONFIG", checkout.path("kubeconfig"));
    checkout.answer(&mut command)
}

const HERE: [&str; 2] = ["--context", "here"];

#[test]
fn a_namespace_without_objects_is_an_error() {
    let answer = check(|_| {}, &[&HERE[..], &["--namespace", "nothing"]].concat());
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("error: no objects found in "), "{answer}");
}

#[test]
fn requests_to_an_api_server_that_is_starting_are_repeated_three_times() {
    let answer = check(|cluster| cluster.throttle(3), &HERE);
    assert_eq!(answer.code, 3, "{answer}");
    let answer = check(|cluster| cluster.throttle(4), &HERE);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("TooManyRequests"), "{answer}");
}

#[test]
fn a_cluster_is_evaluated_page_by_page_without_values_of_secrets() {
    let answer = check(|_| {}, &[&HERE[..], &["--format", "json"]].concat());
    assert_eq!(answer.code, 3, "{answer}");
    let output: Value = serde_json::from_str(&answer.out).unwrap();
    let run = &output["runs"][0];
    assert_eq!(run["name"], "the cluster here");
    let of = |id: &str| {
        let rules = run["rules"].as_array().unwrap();
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
        "skipped secret-values-are-references: values of Secrets are not read",
        "skipped 1 object that controllers created for workloads",
        "skipped the namespaces of Kubernetes itself",
    ] {
        assert!(answer.err.contains(line), "{answer}");
    }
    assert!(!answer.out.contains("kube-system"), "{answer}");
}

#[test]
fn kinds_that_may_not_be_listed_are_unknown() {
    let answer = check(|cluster| cluster.forbid(PODS), &HERE);
    assert!(
        answer
            .err
            .contains("warning: you are not permitted to list Pod; rules about them have the result \"unknown\"\nhint: use an account"),
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
            .contains("\n  Pod *: unknown: you are not permitted to list them\n"),
        "{answer}"
    );
    // The missing object may be among those that were not listed.
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
fn only_the_selected_namespaces_are_reported() {
    let pods = "/api/v1/namespaces/m/pods";
    let answer = check(
        |cluster| {
            cluster.list(pods, &[pod("m", "other")]);
            cluster.list(
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
fn a_stack_is_only_checked_in_its_own_cluster() {
    let answer = check(
        |cluster| {
            let other = json!({"metadata": {"name": "kube-system", "uid": "another"}});
            cluster.set("/api/v1/namespaces/kube-system", other);
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
fn a_kubeconfig_without_current_context_requires_one() {
    let answer = check(|_| {}, &[]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("hint: select one with --context"), "{answer}");
    let answer = check(|_| {}, &["prod", "dev"]);
    assert!(
        answer.err.contains("--cluster accepts at most one stack"),
        "{answer}"
    );
}
