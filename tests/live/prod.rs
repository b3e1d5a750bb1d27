//! Protection, retention, and manifests that the API server accepts.

use std::collections::BTreeSet;

use phoenix_graph::Object;

use crate::live::{Live, graph, pods_of, said};

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn prod_runs_in_three_zones_and_keeps_its_data_when_it_is_destroyed() {
    let live = Live::up("prod");
    live.is_ready_with(pods_of(&graph("prod")));
    assert_eq!(qdrant_zones(&live).len(), 3, "each peer is in a zone of its own");
    live.pulumi(&["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    live.pulumi(&["refresh", "--yes", "--expect-no-changes"]);

    // Protected: the destroy's own preview refuses it, and nothing is gone.
    let graph = graph("prod");
    let refused = live.phoenix(&["sandbox", "pulumi", "--", "destroy", "--yes"]);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("protect"), "{}", said(&refused));
    assert_eq!(live.versions(&graph).len(), graph.len());

    // The documented way: lift the protection in the stack file, `up`, `destroy`.
    let file = live.sandbox().project().join("Pulumi.prod.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let lifted = text.replace("phoenix:protect: true", "phoenix:protect: false");
    assert_ne!(text, lifted);
    std::fs::write(&file, lifted).unwrap();
    for arguments in [
        ["up", "--yes", "--skip-preview"],
        ["destroy", "--yes", "--skip-preview"],
    ] {
        let output = live.pulumi_as_it_is().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let left: BTreeSet<_> = live
        .versions(&graph)
        .into_keys()
        .map(|id| id.to_string())
        .collect();
    // What holds data, and what opens it.
    let is_kept = |kind: &str| matches!(kind, "Namespace" | "PersistentVolumeClaim" | "Secret");
    let kept = graph.objects().filter(|object| is_kept(&object.id.kind));
    assert_eq!(left, kept.map(|object| object.id.to_string()).collect());
    assert_eq!(
        claims(&live),
        1 + 2 * 3 + 2,
        "the claims of the peers and of the knowledge graph are kept as well"
    );

    // What was retained is found again.
    live.pulumi(&["up", "--yes", "--skip-preview"]);
    live.is_ready_with(pods_of(&graph));
    assert_eq!(claims(&live), 1 + 2 * 3 + 2, "no claim was made a second time");
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn the_server_accepts_every_object_of_every_stack_with_strict_validation() {
    let live = Live::new();
    let output = live.phoenix(&["sandbox", "up", "dev", "--no-deploy"]);
    assert!(output.status.success(), "{}", said(&output));
    // A dry run in a namespace needs the namespace.
    let namespaces: Vec<_> = graph("prod")
        .objects()
        .filter(|object| object.id.kind == "Namespace")
        .map(|object| object.body().clone())
        .collect();
    assert_eq!(namespaces.len(), 1);
    live.sandbox().cluster().unwrap().apply(&namespaces).unwrap();
    for stack in ["dev", "staging", "prod"] {
        for object in graph(stack).objects() {
            assert_eq!(live.validate(object), Ok(()), "{stack}: {}", object.id);
        }
    }
    // The control: a field that does not exist is refused.
    let graph = graph("prod");
    let service = graph
        .objects()
        .find(|object| object.id.kind == "Service")
        .unwrap();
    let mut body = service.body().clone();
    body["spec"]["circuitBreaker"] = serde_json::json!({"consecutiveErrors": 3});
    let refused = live
        .validate(&Object::from_json("tests", body).unwrap())
        .unwrap_err();
    assert!(refused.contains("circuitBreaker"), "{refused}");
}

fn qdrant_zones(live: &Live) -> BTreeSet<String> {
    use k8s_openapi::api::core::v1::{Node, Pod};
    use kube::api::{Api, ListParams};
    live.ask(|client| async move {
        let pods: Api<Pod> = Api::namespaced(client.clone(), "sophia-memory");
        let nodes: Api<Node> = Api::all(client);
        let mut zones = BTreeSet::new();
        for pod in pods
            .list(&ListParams::default().labels("app=qdrant"))
            .await
            .unwrap()
        {
            let node = nodes.get(&pod.spec.unwrap().node_name.unwrap()).await.unwrap();
            zones.insert(node.metadata.labels.unwrap()["topology.kubernetes.io/zone"].clone());
        }
        zones
    })
}

fn claims(live: &Live) -> usize {
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    use kube::api::{Api, ListParams};
    live.ask(|client| async move {
        Api::<PersistentVolumeClaim>::namespaced(client, "sophia-memory")
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .len()
    })
}
