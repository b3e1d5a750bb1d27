//! `phoenix doctor`, without and with a cluster.

use std::net::TcpListener;
use std::sync::Arc;

use phoenix_testing::http::HttpStub;
use phoenix_testing::programs::script;
use serde_json::{Value, json};

use crate::api_server::{
    CLASSES, DAEMON_SETS, FakeCluster, ISTIOD, MESH, NODES, UID, WEBHOOKS, class, daemon_set, istiod, node,
    webhook,
};
use crate::support::{Answer, Checkout};

/// Runs doctor with stub programs on PATH.
fn doctor(checkout: &Checkout, arguments: &[&str]) -> Answer {
    doctor_with(checkout, arguments, &[])
}

/// The same with these variables.
fn doctor_with(checkout: &Checkout, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    let programs = checkout.path("programs");
    std::fs::create_dir_all(&programs).unwrap();
    for (name, says) in [
        ("cargo", "cargo 1.95.0"),
        ("rustc", "rustc 1.95.0"),
        ("git", "git version 2.39.5"),
    ] {
        script(&programs.join(name), &format!("#!/bin/sh\necho '{says}'\n"));
    }
    let mut command = checkout.command(&["doctor"]);
    command.args(arguments).env("PATH", &programs);
    if checkout.path("kubeconfig").exists() {
        command.env("KUBECONFIG", checkout.path("kubeconfig"));
    }
    command.envs(variables.iter().copied());
    checkout.answer(&mut command)
}

fn line<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .out
        .lines()
        .find(|line| line.split_whitespace().nth(1) == Some(name))
        .unwrap_or_else(|| panic!("no line for {name}: {answer}"))
}

#[test]
fn missing_pulumi_and_kubeconfig_do_not_stop_the_other_checks() {
    let checkout = Checkout::bare();
    let answer = doctor(&checkout, &[]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(line(&answer, "pulumi").starts_with("FAIL"), "{answer}");
    assert!(line(&answer, "kubeconfig").starts_with("warn"), "{answer}");
    assert!(line(&answer, "git").starts_with("ok"), "{answer}");
    assert!(answer.out.contains("stack prod"), "{answer}");
}

#[test]
fn an_engine_that_is_too_old_fails() {
    let checkout = Checkout::bare();
    std::fs::create_dir_all(checkout.path("programs")).unwrap();
    script(&checkout.path("programs/pulumi"), "#!/bin/sh\necho v3.200.1\n");
    let answer = doctor(&checkout, &[]);
    assert!(
        line(&answer, "pulumi").contains("3.200.1, but at least 3.255.0 is required"),
        "{answer}"
    );
}

#[test]
fn a_stack_is_not_ready_while_it_has_placeholders_and_secrets_without_values() {
    let checkout = Checkout::bare();
    let answer = doctor(&checkout, &["dev"]);
    assert_eq!(answer.code, 1);
    assert!(line(&answer, "placeholders").starts_with("FAIL"), "{answer}");
    assert!(answer.out.contains("phoenix:cluster.context — "), "{answer}");
    assert!(line(&answer, "secrets").starts_with("FAIL"), "{answer}");
    assert!(
        answer.out.contains("phoenix:openaiApiKey has no value"),
        "{answer}"
    );
    assert!(line(&answer, "kubeconfig").starts_with("FAIL"), "{answer}");
}

#[test]
fn an_imported_environment_fails_with_any_backend_but_pulumi_cloud() {
    let checkout = Checkout::bare();
    let with = |backend| doctor_with(&checkout, &["prod"], &[("PULUMI_BACKEND_URL", backend)]);
    assert!(line(&doctor(&checkout, &["prod"]), "environment").starts_with("warn"));
    let answer = with("https://api.pulumi.com");
    assert!(line(&answer, "environment").starts_with("ok"), "{answer}");
    for other in [
        "file://~",
        "s3://canary@bucket",
        "gs://bucket",
        "postgres://canary@host/state",
    ] {
        let answer = with(other);
        assert!(line(&answer, "environment").starts_with("FAIL"), "{answer}");
        assert!(
            answer
                .out
                .contains("set phoenix:secrets.mode to esc-direct and remove `environment:`"),
            "{answer}"
        );
        assert!(!answer.to_string().contains("canary"), "{answer}");
    }
    // A stack without an import has no such check.
    let answer = doctor_with(&checkout, &["dev"], &[("PULUMI_BACKEND_URL", "file://~")]);
    assert!(!answer.out.contains("environment  "), "{answer}");
}

#[test]
fn placeholders_in_the_environment_definitions_are_reported() {
    let checkout = Checkout::bare();
    let answer = doctor(&checkout, &["prod"]);
    assert!(line(&answer, "definitions").starts_with("FAIL"), "{answer}");
    assert!(
        answer.out.contains("1 value not set;")
            && answer
                .out
                .contains("stacks/esc/prod.yaml:7: values.account — the number of the AWS account"),
        "{answer}"
    );

    // The imports of an environment count in every mode.
    let (place, modes) = (
        "    mode: pulumi-esc\n",
        [
            "    mode: esc-direct\n    environment: acme/phoenix/prod@stable\n",
            "    mode: external-secrets\n    environment: acme/phoenix/prod\n    auth: {oidc: {}}\n",
        ],
    );
    checkout.edit(
        "stacks/esc/common.yaml",
        "eu-central-1",
        "{placeholder: the region}",
    );
    for mode in modes {
        let checkout_of_mode = "stacks/Pulumi.prod.yaml";
        let text = std::fs::read_to_string(checkout.path(checkout_of_mode)).unwrap();
        checkout.edit(checkout_of_mode, place, mode);
        checkout.edit(checkout_of_mode, "environment: [phoenix/prod]\n", "");
        let answer = doctor(&checkout, &["prod"]);
        assert!(answer.out.contains("2 values not set;"), "{answer}");
        assert!(
            answer
                .out
                .contains("stacks/esc/common.yaml:5: values.shared.region — the region"),
            "{answer}"
        );
        checkout.write(checkout_of_mode, &text);
    }

    checkout.edit(
        "stacks/esc/common.yaml",
        "{placeholder: the region}",
        "eu-central-1",
    );
    checkout.edit(
        "stacks/esc/prod.yaml",
        "account:\n    placeholder: the number of the AWS account that keeps the secrets of prod\n",
        "account: \"123456789012\"\n",
    );
    let answer = doctor(&checkout, &["prod"]);
    assert!(line(&answer, "definitions").starts_with("ok"), "{answer}");
    assert!(
        answer
            .out
            .contains("complete: stacks/esc/prod.yaml, stacks/esc/common.yaml"),
        "{answer}"
    );
    checkout.write("stacks/esc/prod.yaml", "values: [\n");
    let answer = doctor(&checkout, &["prod"]);
    assert!(
        answer.out.contains("stacks/esc/prod.yaml cannot be read: line 2"),
        "{answer}"
    );
    // Environments of other projects are not checked.
    checkout.edit("stacks/Pulumi.prod.yaml", "[phoenix/prod]", "[shop/prod]");
    let answer = doctor(&checkout, &["prod"]);
    assert!(!answer.out.contains("definitions"), "{answer}");
}

#[test]
fn a_sandbox_marker_in_a_checkout_is_reported() {
    let checkout = Checkout::bare();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "  phoenix:environment: dev\n",
        "  phoenix:environment: dev\n  phoenix:sandbox: true\n",
    );
    let answer = doctor(&checkout, &[]);
    assert!(
        answer
            .out
            .contains("phoenix:sandbox is set at stacks/Pulumi.dev.yaml:"),
        "{answer}"
    );
}

#[test]
fn all_problems_of_a_stack_file_are_shown() {
    let checkout = Checkout::bare();
    checkout.edit(
        "stacks/Pulumi.prod.yaml",
        "environment: prod",
        "environment: production",
    );
    checkout.edit("stacks/Pulumi.dev.yaml", "mode: single", "mode: cluster");
    let answer = doctor(&checkout, &[]);
    assert!(
        answer.out.contains("must be one of dev, staging, prod"),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains("phoenix:qdrant.replicas is 1, but a cluster needs"),
        "{answer}"
    );
}

/// An API server for a checkout's kubeconfig.
pub enum Server {
    Stub(Arc<HttpStub>),
    /// A port on which no server listens.
    Closed(u16),
}

impl From<Arc<HttpStub>> for Server {
    fn from(stub: Arc<HttpStub>) -> Self {
        Self::Stub(stub)
    }
}

/// A checkout in which a stack names the cluster behind this server, and a kubeconfig with its address.
pub fn checkout_with_cluster(stack: &str, server: impl Into<Server>) -> Checkout {
    let mut checkout = Checkout::bare();
    let port = match server.into() {
        Server::Stub(stub) => {
            let port = stub.port();
            checkout.keep(stub);
            port
        }
        Server::Closed(port) => port,
    };
    let file = format!("stacks/Pulumi.{stack}.yaml");
    let text = std::fs::read_to_string(checkout.path(&file)).unwrap();
    let text = known(&known(&text, "context", "here"), "uid", UID);
    checkout.write(&file, &text);
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: 'http://127.0.0.1:{port}'}}\nusers:\n- name: u\n  user: {{}}\n\
         contexts:\n- name: here\n  context: {{cluster: c, user: u}}\n"
    );
    checkout.write("kubeconfig", &kubeconfig);
    checkout
}

/// The text with a value in the place of the placeholder of a key.
fn known(text: &str, key: &str, value: &str) -> String {
    let line = format!("    {key}:\n");
    let (before, after) = text.split_once(&line).unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    format!("{before}    {key}: {value}\n{after}")
}

/// Runs doctor for the stack `prod` with a cluster in which something is different.
fn examined(change: impl FnOnce(&mut FakeCluster)) -> Answer {
    let mut cluster = FakeCluster::good();
    change(&mut cluster);
    doctor(&checkout_with_cluster("prod", cluster.serve()), &["prod"])
}

/// As [`examined`], in the last phase of the migration, which enables autoscaling.
fn examined_with_autoscaling(change: impl FnOnce(&mut FakeCluster)) -> Answer {
    let mut cluster = FakeCluster::good();
    change(&mut cluster);
    let checkout = checkout_with_cluster("prod", cluster.serve());
    checkout.edit("stacks/Pulumi.prod.yaml", "phase: active", "phase: optimized");
    doctor(&checkout, &["prod"])
}

/// The hint below a line.
fn hint<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let mut lines = answer
        .out
        .lines()
        .skip_while(|line| line.split_whitespace().nth(1) != Some(name))
        .skip(1);
    lines
        .find_map(|line| line.trim_start().strip_prefix("hint: "))
        .unwrap_or_else(|| panic!("no hint for {name}: {answer}"))
}

#[test]
fn a_cluster_that_has_everything_is_fine() {
    let answer = examined_with_autoscaling(|_| {});
    for name in [
        "context",
        "API",
        "cluster",
        "kinds",
        "istiod",
        "injector",
        "istio-cni",
        "DNS",
        "audit",
        "storage",
        "nodes",
        "accelerator",
        "metrics",
        "network",
        "permissions",
        "existing",
        "unmanaged",
    ] {
        assert!(line(&answer, name).starts_with("ok"), "{name}: {answer}");
    }
}

#[test]
fn a_cluster_without_istio_fails_with_the_missing_kinds() {
    let mut cluster = FakeCluster::good();
    cluster.forget("/apis/security.istio.io/v1");
    let checkout = checkout_with_cluster("prod", cluster.serve());
    let answer = doctor(&checkout, &["prod", "--format", "json"]);
    assert_eq!(answer.code, 1);
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["ready"], false);
    let checks = document["checks"].as_array().unwrap();
    let kinds = checks.iter().find(|check| check["name"] == "kinds").unwrap();
    assert_eq!(kinds["status"], "fail");
    let found = kinds["found"].as_str().unwrap();
    assert!(
        found.contains("AuthorizationPolicy (security.istio.io/v1; it serves security.istio.io/v1beta1)"),
        "{found}"
    );
}

#[test]
fn other_stored_versions_are_reported() {
    let definition = json!({
        "metadata": {"name": "authorizationpolicies.security.istio.io"},
        "spec": {"group": "security.istio.io", "scope": "Namespaced", "versions": [],
                 "names": {"kind": "AuthorizationPolicy", "plural": "authorizationpolicies"}},
        "status": {"storedVersions": ["v1beta1", "v1"]},
    });
    let answer = examined(|cluster| {
        cluster.list(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &[definition],
        );
    });
    assert!(
        answer
            .out
            .contains("AuthorizationPolicy (security.istio.io) is also stored as v1beta1"),
        "{answer}"
    );
}

#[test]
fn another_cluster_fails_and_is_not_queried_further() {
    let other = "00000000-1111-2222-3333-444444444444";
    let answer = examined(|cluster| {
        cluster.set(
            "/api/v1/namespaces/kube-system",
            json!({"metadata": {"name": "kube-system", "uid": other}}),
        );
    });
    assert!(line(&answer, "cluster").starts_with("FAIL"), "{answer}");
    assert!(
        line(&answer, "cluster").contains("the context here leads to another cluster"),
        "{answer}"
    );
    assert!(
        hint(&answer, "cluster").contains(&format!("set `uid: {other}`")),
        "{answer}"
    );
    assert!(!answer.out.contains("permissions"), "{answer}");
}

#[test]
fn a_stack_without_a_uid_gets_the_line_to_add() {
    let checkout = checkout_with_cluster("prod", FakeCluster::good().serve());
    checkout.edit(
        "stacks/Pulumi.prod.yaml",
        &format!("    uid: {UID}\n"),
        "    uid:\n      placeholder: the UID of that cluster\n",
    );
    let answer = doctor(&checkout, &["prod"]);
    assert!(line(&answer, "cluster").starts_with("FAIL"), "{answer}");
    assert!(
        hint(&answer, "cluster").starts_with(&format!(
            "if this is the stack's cluster, set `uid: {UID}` below phoenix:cluster in stacks/Pulumi.prod.yaml"
        )),
        "{answer}"
    );
    assert!(line(&answer, "permissions").starts_with("ok"), "{answer}");
}

#[test]
fn an_api_server_that_is_too_old_for_a_field_fails_with_the_field() {
    let answer = examined(|cluster| cluster.version("29+"));
    assert!(
        line(&answer, "API").contains("the stack uses `sleep`, which requires Kubernetes 1.30"),
        "{answer}"
    );
}

#[test]
fn missing_mesh_components_are_reported() {
    let answer = examined(|cluster| cluster.list(ISTIOD, &[istiod("1.21.5", 1)]));
    assert!(
        line(&answer, "istiod").contains("1.21.5 in istio-system, but at least 1.22 is required"),
        "{answer}"
    );
    let answer = examined(|cluster| cluster.list(ISTIOD, &[istiod("1.30.3", 0)]));
    assert!(line(&answer, "istiod").starts_with("FAIL"), "{answer}");
    let answer = examined(|cluster| cluster.list(ISTIOD, &[]));
    assert!(line(&answer, "istiod").starts_with("FAIL"), "{answer}");
    let answer = examined(|cluster| cluster.list(WEBHOOKS, &[webhook("canary")]));
    assert!(line(&answer, "injector").starts_with("FAIL"), "{answer}");
    assert_eq!(
        hint(&answer, "injector"),
        "set phoenix:cluster.mesh.revision to one of canary"
    );
    let answer = examined(|cluster| cluster.list(DAEMON_SETS, &[]));
    assert!(line(&answer, "istio-cni").starts_with("warn"), "{answer}");
    assert!(line(&answer, "network").starts_with("warn"), "{answer}");
    let answer = examined(|cluster| cluster.list(DAEMON_SETS, &[daemon_set("istio-cni-node", 3, 2)]));
    assert!(
        line(&answer, "istio-cni").contains("does not run on every node yet"),
        "{answer}"
    );
    let answer = examined(|cluster| cluster.set(MESH, json!({"data": {"mesh": "defaultConfig: {}\n"}})));
    assert!(line(&answer, "DNS").starts_with("warn"), "{answer}");
}

#[test]
fn an_audit_trail_without_a_provider_or_without_the_caller_is_reported() {
    let answer = examined(|cluster| cluster.set(MESH, json!({"data": {"mesh": "extensionProviders: []\n"}})));
    assert!(line(&answer, "audit").starts_with("FAIL"), "{answer}");
    assert!(
        line(&answer, "audit").contains("istio-system/istio does not define the provider phoenix-audit"),
        "{answer}"
    );
    let silent = "extensionProviders:\n- name: phoenix-audit\n  envoyFileAccessLog: {path: /dev/stdout, logFormat: {labels: {user: \"%REQ(X-PHOENIX-USER)%\"}}}\n";
    let answer = examined(|cluster| cluster.set(MESH, json!({"data": {"mesh": silent}})));
    assert!(line(&answer, "audit").starts_with("warn"), "{answer}");
    assert!(
        line(&answer, "audit").contains("its lines have no DOWNSTREAM_PEER_URI_SAN"),
        "{answer}"
    );
}

#[test]
fn paths_with_encoded_slashes_are_reported_unless_the_mesh_decodes_them() {
    for (mesh, status, found) in [
        ("{}", "warn", "is the default in istio-system/istio"),
        ("pathNormalization: {}", "warn", "is the default"),
        ("pathNormalization: {normalization: NONE}", "warn", "is NONE"),
        (
            "pathNormalization: {normalization: MERGE_SLASHES}",
            "warn",
            "is MERGE_SLASHES",
        ),
        (
            "pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}",
            "ok",
            "sidecars decode slashes",
        ),
    ] {
        let answer = examined(move |cluster| cluster.set(MESH, json!({"data": {"mesh": mesh}})));
        let line = line(&answer, "path");
        assert!(
            line.starts_with(status) && line.contains(found),
            "{mesh}: {answer}"
        );
    }
}

#[test]
fn skipping_a_phase_of_the_migration_fails() {
    // The stack says `active`.
    let reached = |phase: &'static str| {
        examined(move |cluster| {
            let annotations = json!({"phoenix.ai/migration-phase": phase});
            cluster.set(
                "/api/v1/namespaces/sophia-memory",
                json!({"metadata": {"name": "sophia-memory", "annotations": annotations}}),
            );
        })
    };
    let answer = reached("parallel");
    assert!(line(&answer, "migration").starts_with("FAIL"), "{answer}");
    assert!(
        line(&answer, "migration").contains("skips a phase, from parallel to active"),
        "{answer}"
    );
    assert!(
        hint(&answer, "migration").contains("phoenix:migration.phase enhanced first"),
        "{answer}"
    );
    for phase in ["enhanced", "active", "optimized"] {
        let answer = reached(phase);
        assert!(line(&answer, "migration").starts_with("ok"), "{phase}: {answer}");
    }
    let answer = reached("sideways");
    assert!(line(&answer, "migration").starts_with("warn"), "{answer}");
    // A cluster without the annotation may be in any phase.
    let answer = examined(|_| {});
    assert!(line(&answer, "migration").starts_with("warn"), "{answer}");
}

#[test]
fn a_revision_is_found_by_its_tag_too() {
    let mut cluster = FakeCluster::good();
    let mut tagged = webhook("1-30-3");
    tagged["metadata"]["labels"]["istio.io/tag"] = json!("stable");
    cluster.list(WEBHOOKS, &[tagged]);
    let checkout = checkout_with_cluster("prod", cluster.serve());
    checkout.edit(
        "stacks/Pulumi.prod.yaml",
        "    identifier: phoenix-prod\n",
        "    identifier: phoenix-prod\n    mesh: {revision: stable}\n",
    );
    let answer = doctor(&checkout, &["prod"]);
    assert!(
        line(&answer, "injector").contains("the revision stable injects sidecars"),
        "{answer}"
    );
}

#[test]
fn a_missing_storage_class_fails_with_the_existing_ones() {
    let answer = examined(|cluster| cluster.list(CLASSES, &[class("fast", false)]));
    assert!(
        line(&answer, "storage").contains("does not have a default class; it has fast"),
        "{answer}"
    );
    let mut cluster = FakeCluster::good();
    cluster.list(CLASSES, &[class("standard", true)]);
    let checkout = checkout_with_cluster("prod", cluster.serve());
    let text = std::fs::read_to_string(checkout.path("stacks/Pulumi.prod.yaml")).unwrap();
    let placeholder = "        placeholder: a class of fast volumes, one node each (ReadWriteOnce)\n";
    let text = text.replace(&format!("storageClass:\n{placeholder}"), "storageClass: nvme\n");
    checkout.write("stacks/Pulumi.prod.yaml", &text);
    let answer = doctor(&checkout, &["prod"]);
    assert!(
        line(&answer, "storage").contains("does not have the class nvme; it has standard"),
        "{answer}"
    );
}

/// What doctor says of prod with priorities and a credential for images, in a cluster with these classes.
fn examined_with_priorities(classes: &[(&str, i32)], change: impl FnOnce(&mut FakeCluster)) -> Answer {
    let mut cluster = FakeCluster::good();
    let classes: Vec<_> = classes
        .iter()
        .map(|(name, value)| json!({"metadata": {"name": name}, "value": value}))
        .collect();
    cluster.list("/apis/scheduling.k8s.io/v1/priorityclasses", &classes);
    change(&mut cluster);
    let checkout = checkout_with_cluster("prod", cluster.serve());
    checkout.edit(
        "stacks/Pulumi.prod.yaml",
        "    identifier: phoenix-prod\n",
        "    identifier: phoenix-prod\n    priorityClasses: {stores: memory-first, servers: memory}\n    imagePullSecrets: [registry]\n",
    );
    doctor(&checkout, &["prod"])
}

#[test]
fn priority_classes_and_image_pull_secrets_have_to_exist() {
    let secret = |cluster: &mut FakeCluster| {
        for namespace in ["sophia-memory", "sophia-ai"] {
            cluster.set(
                &format!("/api/v1/namespaces/{namespace}/secrets/registry"),
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "registry"}}),
            );
        }
    };
    let answer = examined_with_priorities(&[("memory-first", 1000), ("memory", 500)], secret);
    let reported = line(&answer, "priorities");
    assert!(
        reported.starts_with("ok") && reported.contains("stores have 1000, servers 500, Jobs 0"),
        "{answer}"
    );
    assert!(line(&answer, "registry").starts_with("ok"), "{answer}");
    let answer = examined_with_priorities(&[("memory", 500)], |_| {});
    let reported = line(&answer, "priorities");
    assert!(
        reported.starts_with("FAIL") && reported.contains("no PriorityClass memory-first"),
        "{answer}"
    );
    let reported = line(&answer, "registry");
    assert!(
        reported.starts_with("warn")
            && reported.contains("no Secret sophia-ai/registry, sophia-memory/registry"),
        "{answer}"
    );
    let upside_down = [("memory-first", 100), ("memory", 500)];
    assert!(line(&examined_with_priorities(&upside_down, secret), "priorities").starts_with("warn"));
}

#[test]
fn too_few_zones_for_a_quorum_fail() {
    let answer =
        examined(|cluster| cluster.list(NODES, &[node("a", "z1"), node("b", "z2"), node("c", "z2")]));
    assert!(
        line(&answer, "nodes").contains("2 of 3 different values of topology.kubernetes.io/zone"),
        "{answer}"
    );
    let mut cordoned = node("c", "z3");
    cordoned["spec"]["unschedulable"] = json!(true);
    let answer = examined(|cluster| cluster.list(NODES, &[node("a", "z1"), node("b", "z2"), cordoned]));
    assert!(line(&answer, "nodes").starts_with("FAIL"), "{answer}");
}

#[test]
fn accelerators_that_no_node_has_or_that_are_tainted_otherwise_fail() {
    let nodes = |change: fn(&mut Value)| {
        ["a", "b", "c"].map(|zone| {
            let mut node = node(zone, zone);
            change(&mut node);
            node
        })
    };
    let other = nodes(|node| node["metadata"]["labels"]["lambdalabs.com/gpu-type"] = json!("a100"));
    let answer = examined(|cluster| cluster.list(NODES, &other));
    assert!(line(&answer, "accelerator").starts_with("FAIL"), "{answer}");
    assert_eq!(
        hint(&answer, "accelerator"),
        "set phoenix:openmemory.accelerator.product to one of a100"
    );
    let tainted = nodes(|node| {
        node["spec"]["taints"] = json!([{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]);
    });
    let answer = examined(|cluster| cluster.list(NODES, &tainted));
    assert!(
        line(&answer, "accelerator").contains("has a taint that Deployment"),
        "{answer}"
    );
}

#[test]
fn an_autoscaler_without_metrics_is_a_warning() {
    let answer = examined_with_autoscaling(|cluster| cluster.forget("/apis/metrics.k8s.io/v1beta1"));
    assert!(line(&answer, "metrics").starts_with("warn"), "{answer}");
}

#[test]
fn missing_permissions_are_listed() {
    let answer = examined(|cluster| cluster.refuse("networkpolicies", "delete"));
    assert!(line(&answer, "permissions").starts_with("FAIL"), "{answer}");
    assert!(
        answer
            .out
            .contains("delete networkpolicies.networking.k8s.io in the namespace sophia-memory"),
        "{answer}"
    );
}

#[test]
fn a_denied_request_is_a_warning() {
    let answer = examined(|cluster| cluster.forbid(NODES));
    assert!(line(&answer, "nodes").starts_with("warn"), "{answer}");
    assert!(line(&answer, "nodes").contains("permission denied"), "{answer}");
    assert!(line(&answer, "permissions").starts_with("ok"), "{answer}");
}

/// The Deployment of Stakater's Reloader, with so many pods that are ready.
fn reloader(ready: u32) -> Value {
    json!({
        "metadata": {"name": "reloader", "namespace": "tools"},
        "status": {"readyReplicas": ready},
    })
}

#[test]
fn external_secrets_require_reloader() {
    const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
    let examined = |change: &dyn Fn(&mut FakeCluster)| {
        let mut cluster = FakeCluster::good();
        change(&mut cluster);
        let checkout = checkout_with_cluster("prod", cluster.serve());
        checkout.edit(
            "stacks/Pulumi.prod.yaml",
            "    mode: pulumi-esc\n",
            "    mode: external-secrets\n    environment: acme/phoenix/prod\n    auth: {oidc: {}}\n",
        );
        doctor(&checkout, &["prod"])
    };
    let answer = examined(&|cluster| cluster.list(DEPLOYMENTS, &[reloader(0), reloader(1)]));
    assert!(line(&answer, "Reloader").starts_with("ok"), "{answer}");
    let answer = examined(&|cluster| cluster.list(DEPLOYMENTS, &[reloader(0)]));
    assert!(
        line(&answer, "Reloader").contains("no pod of tools/reloader is ready"),
        "{answer}"
    );
    let answer = examined(&|cluster| cluster.list(DEPLOYMENTS, &[]));
    assert!(line(&answer, "Reloader").starts_with("warn"), "{answer}");
    assert!(
        hint(&answer, "Reloader").contains("docs/runbooks/rotate-a-secret.md"),
        "{answer}"
    );
    let answer = examined(&|cluster| {
        cluster.list(DEPLOYMENTS, &[]);
        cluster.forbid(DEPLOYMENTS);
    });
    assert!(
        line(&answer, "Reloader").contains("permission denied"),
        "{answer}"
    );
    // If values pass through Pulumi, Reloader is not needed.
    let answer = self::examined(|_| {});
    assert!(!answer.out.contains("Reloader"), "{answer}");
}

/// A live object with this field manager.
fn object(kind: &str, name: &str, manager: &str) -> Value {
    json!({
        "kind": kind,
        "metadata": {"name": name, "namespace": "sophia-memory", "managedFields": [
            {"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
        ]},
    })
}

const CLAIM: &str = "/api/v1/namespaces/sophia-memory/persistentvolumeclaims/memory-pvc";

#[test]
fn objects_that_exist_and_are_not_in_the_state_are_listed() {
    let answer = examined(|cluster| {
        cluster.set(
            CLAIM,
            object("PersistentVolumeClaim", "memory-pvc", "kubectl-client-side-apply"),
        );
    });
    assert!(line(&answer, "existing").starts_with("FAIL"), "{answer}");
    assert!(
        answer
            .out
            .contains("PersistentVolumeClaim/sophia-memory/memory-pvc — set by kubectl-client-side-apply\n"),
        "{answer}"
    );
    assert!(
        hint(&answer, "existing").contains("list them in phoenix:adopt"),
        "{answer}"
    );
}

#[test]
fn objects_retained_by_an_earlier_deployment_are_reused() {
    let mut cluster = FakeCluster::good();
    cluster.set(CLAIM, object("PersistentVolumeClaim", "memory-pvc", "phoenix"));
    let checkout = checkout_with_cluster("prod", cluster.serve());
    std::fs::create_dir_all(checkout.path("programs")).unwrap();
    script(
        &checkout.path("programs/pulumi"),
        "#!/bin/sh\nif [ \"$1\" = version ]; then echo v3.259.0; else echo '{\"deployment\": {}}'; fi\n",
    );
    let answer = doctor(&checkout, &["prod"]);
    assert!(
        line(&answer, "existing").contains("reused: PersistentVolumeClaim/sophia-memory/memory-pvc"),
        "{answer}"
    );
    assert!(line(&answer, "existing").starts_with("ok"), "{answer}");
}

#[test]
fn objects_in_the_state_belong_to_the_stack_and_an_unreadable_state_is_a_warning() {
    let mut cluster = FakeCluster::good();
    cluster.set(
        CLAIM,
        object("PersistentVolumeClaim", "memory-pvc", "kubectl-client-side-apply"),
    );
    let checkout = checkout_with_cluster("prod", cluster.serve());
    std::fs::create_dir_all(checkout.path("programs")).unwrap();
    let pulumi = checkout.path("programs/pulumi");
    let state = json!({"deployment": {"resources": [
        {"type": "pulumi:pulumi:Stack", "urn": "x"},
        {"type": "kubernetes:core/v1:PersistentVolumeClaim", "id": "sophia-memory/memory-pvc", "urn": "x"},
    ]}});
    script(
        &pulumi,
        &format!("#!/bin/sh\nif [ \"$1\" = version ]; then echo v3.259.0; else echo '{state}'; fi\n"),
    );
    let answer = doctor(&checkout, &["prod"]);
    assert!(line(&answer, "state").contains("state has 1 object"), "{answer}");
    assert!(line(&answer, "existing").starts_with("ok"), "{answer}");

    script(
        &pulumi,
        "#!/bin/sh\nif [ \"$1\" = version ]; then echo v3.259.0; else echo 'error: no login' >&2; exit 1; fi\n",
    );
    let answer = doctor(&checkout, &["prod"]);
    assert!(line(&answer, "state").contains(": no login"), "{answer}");
    assert!(line(&answer, "state").starts_with("warn"), "{answer}");
    assert!(line(&answer, "existing").starts_with("FAIL"), "{answer}");

    // A stack that was never deployed has no objects.
    script(
        &pulumi,
        "#!/bin/sh\nif [ \"$1\" = version ]; then echo v3.259.0; else echo \"error: no stack named 'prod' found\" >&2; exit 1; fi\n",
    );
    let answer = doctor(&checkout, &["prod"]);
    assert!(line(&answer, "state").contains("state has 0 objects"), "{answer}");
}

#[test]
fn names_to_adopt_are_taken_over_and_wrong_ones_are_reported() {
    let mut cluster = FakeCluster::good();
    cluster.set(
        CLAIM,
        object("PersistentVolumeClaim", "memory-pvc", "kubectl-client-side-apply"),
    );
    let server = cluster.serve();
    let adopting = |names: &str| {
        let checkout = checkout_with_cluster("prod", Arc::clone(&server));
        checkout.edit(
            "stacks/Pulumi.prod.yaml",
            "  phoenix:environment: prod\n",
            &format!("  phoenix:environment: prod\n  phoenix:adopt: [{names}]\n"),
        );
        checkout
    };
    let answer = doctor(
        &adopting("PersistentVolumeClaim/sophia-memory/memory-pvc"),
        &["prod"],
    );
    assert!(line(&answer, "existing").starts_with("warn"), "{answer}");
    assert!(
        line(&answer, "existing").contains("will be taken over because of phoenix:adopt"),
        "{answer}"
    );
    let answer = doctor(
        &adopting("PersistentVolumeClaim/sophia-memory/memory-pv"),
        &["prod"],
    );
    assert!(line(&answer, "adopt").starts_with("FAIL"), "{answer}");
    assert_eq!(
        hint(&answer, "adopt"),
        "did you mean PersistentVolumeClaim/sophia-memory/memory-pvc?"
    );

    // Taken over already.
    let checkout = adopting("PersistentVolumeClaim/sophia-memory/memory-pvc");
    std::fs::create_dir_all(checkout.path("programs")).unwrap();
    let state = json!({"deployment": {"resources": [
        {"type": "kubernetes:core/v1:PersistentVolumeClaim", "id": "sophia-memory/memory-pvc"},
    ]}});
    script(
        &checkout.path("programs/pulumi"),
        &format!("#!/bin/sh\nif [ \"$1\" = version ]; then echo v3.259.0; else echo '{state}'; fi\n"),
    );
    let answer = doctor(&checkout, &["prod"]);
    assert!(line(&answer, "adopt").starts_with("warn"), "{answer}");
    assert!(hint(&answer, "adopt").starts_with("remove the names"), "{answer}");
}

#[test]
fn an_unmanaged_workload_behind_a_service_fails_and_an_unmanaged_policy_is_a_warning() {
    let mut old = object("Deployment", "qdrant", "kubectl-client-side-apply");
    old["spec"] = json!({"template": {"metadata": {"labels": {"app": "qdrant"}}}});
    let policy = object("AuthorizationPolicy", "let-all-in", "kubectl-client-side-apply");
    let policies = "/apis/security.istio.io/v1/namespaces/sophia-memory/authorizationpolicies";
    let answer = examined(|cluster| {
        cluster.list("/apis/apps/v1/namespaces/sophia-memory/deployments", &[old]);
        cluster.list(policies, std::slice::from_ref(&policy));
    });
    assert!(line(&answer, "unmanaged").starts_with("FAIL"), "{answer}");
    assert!(
        answer
            .out
            .contains("Deployment/sophia-memory/qdrant is selected by Service/sophia-memory/qdrant-"),
        "{answer}"
    );
    let answer = examined(|cluster| cluster.list(policies, &[policy]));
    assert!(line(&answer, "unmanaged").starts_with("warn"), "{answer}");
    assert!(
        answer
            .out
            .contains("AuthorizationPolicy/sophia-memory/let-all-in"),
        "{answer}"
    );
}

#[test]
fn an_unreachable_server_fails_quickly() {
    let closed = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let checkout = checkout_with_cluster("prod", Server::Closed(closed));
    let answer = doctor(&checkout, &["prod"]);
    assert!(line(&answer, "API").contains("does not answer"), "{answer}");
}

#[test]
fn an_unknown_context_is_reported_with_the_known_ones() {
    let checkout = checkout_with_cluster("prod", Server::Closed(1));
    checkout.edit("kubeconfig", "name: here", "name: there");
    let answer = doctor(&checkout, &["prod"]);
    assert!(
        line(&answer, "context").contains("here is not in the kubeconfig"),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains("hint: use one of there as phoenix:cluster.context"),
        "{answer}"
    );
}
