//! Taking over what the source document's script has deployed by hand, step by step as
//! `docs/how-to/adopt-an-existing-deployment.md` tells it.

use std::collections::BTreeSet;
use std::process::Output;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, ServiceAccount};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery;
use phoenix_manifests::yaml;
use serde_json::{Value, json};

use crate::live::{Live, PHOENIX, graph, pods_of, root, said};

const NAMESPACE: &str = "sophia-memory";
const STACK: &str = "prod";

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn what_was_deployed_by_hand_is_taken_over_with_its_data() {
    let live = Live::new();
    let output = live.phoenix(&["sandbox", "up", STACK, "--no-deploy"]);
    assert!(output.status.success(), "{}", said(&output));
    live.pulumi_as_it_is();
    deploy_by_hand(&live);
    let before = identities(&live);

    // Doctor tells what is there, and that the old Qdrant would be served together with the new one.
    let existing = existing(&doctor(&live));
    for name in [
        "Namespace/sophia-memory",
        "PersistentVolumeClaim/sophia-memory/memory-pvc",
        "Deployment/sophia-memory/openmemory-mcp-server",
        "Secret/sophia-memory/sophia-secrets",
        "ServiceAccount/sophia-memory/sophia-memory-sa",
        "Service/sophia-memory/qdrant-service",
    ] {
        assert!(existing.contains(name), "{name} in {existing:?}");
    }
    let unmanaged = check(&doctor(&live), "unmanaged");
    assert_eq!(unmanaged["status"], "fail", "{unmanaged}");
    assert!(
        unmanaged["found"]
            .as_str()
            .unwrap()
            .contains("Deployment/sophia-memory/qdrant is selected by"),
        "{unmanaged}"
    );

    // Without the names, the API server refuses what differs, and no pod is touched.
    let pods = live.workload_pods().len();
    let refused = up(&live, &BTreeSet::new());
    assert!(
        !refused.status.success() && said(&refused).contains("conflict"),
        "{}",
        said(&refused)
    );
    assert_eq!(live.workload_pods().len(), pods);
    assert_eq!(identities(&live), before);

    // Stop the writers and the old Qdrant, and take over what is named.
    scale(&live, 0);
    delete::<Deployment>(&live, "qdrant");
    let output = up(&live, &existing);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(identities(&live), before, "nothing was made anew");
    assert_eq!(
        check(&doctor(&live), "adopt")["status"],
        "warn",
        "the names have done their work"
    );

    // The data is restored by hand here; then the writers start, and the names go.
    scale(&live, 3);
    live.is_ready_with(pods_of(&graph(STACK)));
    let output = up(&live, &BTreeSet::new());
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        replicas(&live),
        3,
        "the number of pods is the autoscaler's and never falls"
    );
    let account: ServiceAccount = get(&live, "sophia-memory-sa");
    assert!(
        !account
            .metadata
            .annotations
            .unwrap()
            .contains_key("eks.amazonaws.com/role-arn"),
        "what was set by hand and is not declared is gone"
    );

    // The old volume is all that is left, until somebody deletes it.
    let unmanaged = check(&doctor(&live), "unmanaged");
    assert_eq!(unmanaged["status"], "warn", "{unmanaged}");
    let left: Vec<_> = unmanaged["found"].as_str().unwrap().lines().skip(1).collect();
    assert_eq!(left, ["PersistentVolumeClaim/sophia-memory/qdrant-pvc"]);
    delete::<PersistentVolumeClaim>(&live, "qdrant-pvc");

    // The state is the inventory; nothing is doubled, nothing is left to do.
    for arguments in [
        ["up", "--yes", "--skip-preview", "--expect-no-changes"].as_slice(),
        &["refresh", "--yes", "--expect-no-changes"],
    ] {
        let output = live.pulumi_as_it_is().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(state(&live), inventory());
    assert_eq!(workloads(&live), inventory_of(&["Deployment", "StatefulSet"]));
    assert_eq!(identities(&live), before);
    let checks = doctor(&live);
    for name in [
        "API server",
        "cluster",
        "kinds",
        "storage",
        "nodes",
        "accelerator",
        "permissions",
        "state",
        "existing",
        "unmanaged",
    ] {
        assert_eq!(check(&checks, name)["status"], "ok", "{}", check(&checks, name));
    }
    // A sandbox runs no mesh, and doctor says so.
    for name in ["istiod", "injector", "istio-cni", "DNS capture"] {
        assert_eq!(check(&checks, name)["status"], "warn", "{}", check(&checks, name));
    }
}

/// What `kubectl apply` does with objects that are not there yet.
fn deploy_by_hand(live: &Live) {
    let file = root().join("tests/live/adoption/deployed-by-hand.yaml");
    let documents = yaml::read(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(documents.len() >= 12);
    live.ask(|client| async move {
        let parameters = PostParams {
            field_manager: Some("kubectl-client-side-apply".to_owned()),
            ..Default::default()
        };
        for document in documents {
            let mut body = document.value;
            let last = body.to_string();
            body["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(last);
            let object: DynamicObject = serde_json::from_value(body).unwrap();
            let types = object.types.clone().unwrap();
            let (group, version) = types
                .api_version
                .split_once('/')
                .unwrap_or(("", &types.api_version));
            let kind = GroupVersionKind::gvk(group, version, &types.kind);
            let (resource, _) = discovery::pinned_kind(&client, &kind).await.unwrap();
            let api: Api<DynamicObject> = match &object.metadata.namespace {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            api.create(&parameters, &object).await.unwrap();
        }
    });
    // Both claims are bound, and both deployments have their pods.
    live.is_ready_with(2 + 3);
}

/// What must stay the same: the namespace, the claim and its volume, and the Services' addresses.
fn identities(live: &Live) -> Value {
    live.ask(|client| async move {
        let namespace = Api::<Namespace>::all(client.clone())
            .get(NAMESPACE)
            .await
            .unwrap();
        let claim = Api::<PersistentVolumeClaim>::namespaced(client.clone(), NAMESPACE)
            .get("memory-pvc")
            .await
            .unwrap();
        let services = Api::<k8s_openapi::api::core::v1::Service>::namespaced(client.clone(), NAMESPACE);
        let deployment = Api::<Deployment>::namespaced(client, NAMESPACE)
            .get("openmemory-mcp-server")
            .await
            .unwrap();
        let mut addresses = Vec::new();
        for name in ["qdrant-service", "openmemory-mcp-service"] {
            addresses.push(services.get(name).await.unwrap().spec.unwrap().cluster_ip);
        }
        json!([
            namespace.metadata.uid,
            claim.metadata.uid,
            claim.spec.unwrap().volume_name,
            deployment.metadata.uid,
            addresses
        ])
    })
}

/// The sandbox's copy of the stack file, with these names to adopt, deployed.
fn up(live: &Live, adopt: &BTreeSet<String>) -> Output {
    let file = live.sandbox().project().join(format!("Pulumi.{STACK}.yaml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let without: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("phoenix:adopt"))
        .collect();
    let names = serde_json::to_string(adopt).unwrap();
    let changed = without
        .join("\n")
        .replacen("config:", &format!("config:\n  phoenix:adopt: {names}"), 1);
    std::fs::write(&file, changed + "\n").unwrap();
    let mut up = live.pulumi_as_it_is();
    up.args(["up", "--yes", "--skip-preview", "--non-interactive"]);
    up.output().unwrap()
}

/// What doctor finds, asked of the copy as it is now.
fn doctor(live: &Live) -> Value {
    let folder = tempfile::tempdir().unwrap();
    for file in ["Cargo.toml", "Pulumi.yaml"] {
        std::fs::copy(root().join(file), folder.path().join(file)).unwrap();
    }
    let name = format!("Pulumi.{STACK}.yaml");
    std::fs::create_dir(folder.path().join("stacks")).unwrap();
    let copy = live.sandbox().project().join(&name);
    std::fs::copy(copy, folder.path().join("stacks").join(&name)).unwrap();
    let pulumi = live.pulumi_as_it_is();
    let tools = std::path::Path::new(pulumi.get_program()).parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let output = std::process::Command::new(PHOENIX)
        .arg("--root")
        .arg(folder.path())
        .args(["doctor", STACK, "--format", "json"])
        .envs(live.sandbox().environment())
        .env("PATH", path)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
}

fn check(answer: &Value, name: &str) -> Value {
    let checks = answer["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {answer:#}")).clone()
}

/// The names of what exists and is not the stack's, as doctor lists them.
fn existing(answer: &Value) -> BTreeSet<String> {
    let check = check(answer, "existing");
    assert_eq!(check["status"], "fail", "{check}");
    let found = check["found"].as_str().unwrap();
    found
        .lines()
        .skip(1)
        .map(|line| line.split(" — ").next().unwrap().to_owned())
        .collect()
}

/// What `kubectl scale` does.
fn scale(live: &Live, replicas: i32) {
    live.ask(|client| async move {
        let patch = json!({"spec": {"replicas": replicas}});
        Api::<Deployment>::namespaced(client, NAMESPACE)
            .patch_scale(
                "openmemory-mcp-server",
                &PatchParams::default(),
                &Patch::Merge(patch),
            )
            .await
            .unwrap();
    });
}

fn replicas(live: &Live) -> i32 {
    let deployment: Deployment = get(live, "openmemory-mcp-server");
    deployment.spec.unwrap().replicas.unwrap()
}

fn get<K>(live: &Live, name: &str) -> K
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    live.ask(|client| async move { Api::<K>::namespaced(client, NAMESPACE).get(name).await.unwrap() })
}

/// Deletes an object, and waits until it and its pods are gone.
fn delete<K>(live: &Live, name: &str)
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    live.ask(|client| async move {
        let api = Api::<K>::namespaced(client, NAMESPACE);
        api.delete(name, &DeleteParams::foreground()).await.unwrap();
        for _ in 0..300 {
            if api.get_opt(name).await.unwrap().is_none() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{name} is still there after half a minute");
    });
}

/// Kind and name of every object of the graph.
fn inventory() -> BTreeSet<String> {
    inventory_of(&[])
}

fn inventory_of(kinds: &[&str]) -> BTreeSet<String> {
    graph(STACK)
        .objects()
        .filter(|object| {
            kinds.is_empty()
                || (kinds.contains(&object.id.kind.as_str())
                    && object.id.namespace.as_deref() == Some(NAMESPACE))
        })
        .map(|object| object.id.to_string())
        .collect()
}

/// Kind and name of every object in the state that is the stack's own.
fn state(live: &Live) -> BTreeSet<String> {
    let output = live.pulumi_as_it_is().args(["stack", "export"]).output().unwrap();
    let state: Value = serde_json::from_slice(&output.stdout).unwrap();
    let resources = state["deployment"]["resources"].as_array().unwrap();
    resources
        .iter()
        .filter(|resource| resource["external"] != true)
        .filter_map(|resource| {
            let kind = resource["type"]
                .as_str()?
                .strip_prefix("kubernetes:")?
                .rsplit(':')
                .next()?;
            Some(format!("{kind} {}", resource["id"].as_str()?))
        })
        .collect()
}

/// Kind and name of what runs pods in the namespace.
fn workloads(live: &Live) -> BTreeSet<String> {
    live.ask(|client| async move {
        let mut found = BTreeSet::new();
        for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
            let gvk = GroupVersionKind::gvk("apps", "v1", kind);
            let (resource, _) = discovery::pinned_kind(&client, &gvk).await.unwrap();
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
            for object in api.list(&ListParams::default()).await.unwrap() {
                found.insert(format!("{kind} {NAMESPACE}/{}", object.metadata.name.unwrap()));
            }
        }
        found
    })
}
