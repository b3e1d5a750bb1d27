//! What happens when nodes are drained, a zone is lost, and everything rolls at once; and who is refused at the door.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{Api, DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::{Value, json};

use crate::live::{Live, graph, pods_of};

const MEMORY: &str = "sophia-memory";

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn prod_outlives_a_rollout_of_everything_drains_and_the_loss_of_a_zone() {
    let live = Live::up("prod");
    live.is_ready_with(pods_of(&graph("prod")));
    only_restricted_pods_are_admitted(&live);
    everything_rolls_at_once_within_its_bounds(&live);
    live.is_ready_with(pods_of(&graph("prod")));
    a_zone_is_lost_and_a_drain_beside_it_is_refused(&live);
    live.is_ready_with(pods_of(&graph("prod")));
}

/// Pod Security is the API server's own; the labels of our namespace must really switch it on.
fn only_restricted_pods_are_admitted(live: &Live) {
    let pod = |security: Value| -> Pod {
        let container = json!({
            "name": "c", "image": "example.invalid/c",
            "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
            "securityContext": security,
        });
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a-stranger", "namespace": MEMORY},
            "spec": {"containers": [container]},
        }))
        .unwrap()
    };
    let restricted = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let without = |field: &str| {
        let mut security = restricted.clone();
        security.as_object_mut().unwrap().remove(field);
        security
    };
    let broken = [
        ("may gain privileges", pod(without("allowPrivilegeEscalation"))),
        ("keeps capabilities", pod(without("capabilities"))),
        ("may be root", pod(without("runAsNonRoot"))),
        ("filters no system calls", pod(without("seccompProfile"))),
    ];
    let good = pod(restricted.clone());
    live.ask(|client| async move {
        let pods: Api<Pod> = Api::namespaced(client, MEMORY);
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        for (what, pod) in broken {
            let refused = pods.create(&dry, &pod).await.expect_err(what).to_string();
            assert!(
                refused.contains(r#"violates PodSecurity "restricted"#),
                "{what}: {refused}"
            );
        }
        pods.create(&dry, &good).await.unwrap();
    });
}

/// Every workload starts anew at the same time. The quota has room for it, and nobody has fewer pods than he promises.
fn everything_rolls_at_once_within_its_bounds(live: &Live) {
    let names = |kind: &str| -> Vec<String> {
        graph("prod")
            .objects()
            .filter(|object| object.id.kind == kind && object.id.namespace.as_deref() == Some(MEMORY))
            .map(|object| object.id.name.clone())
            .collect()
    };
    let (deployments, sets) = (names("Deployment"), names("StatefulSet"));
    let least = live.ask(|client| async move {
        // A pod counts some seconds after it is ready; before that, a set replaces it as one that is down.
        for _ in 0..120 {
            if has_rolled(&client).await {
                return ready_pods(&client).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("not all pods count as available");
    });
    live.ask(|client| async move {
        let restart =
            json!({"spec": {"template": {"metadata": {"annotations": {"tests/restarted": "once"}}}}});
        let (patch, parameters) = (Patch::Merge(&restart), PatchParams::default());
        for name in &deployments {
            let api: Api<Deployment> = Api::namespaced(client.clone(), MEMORY);
            api.patch(name, &parameters, &patch).await.unwrap();
        }
        for name in &sets {
            let api: Api<StatefulSet> = Api::namespaced(client.clone(), MEMORY);
            api.patch(name, &parameters, &patch).await.unwrap();
        }
        for _ in 0..600 {
            for (app, ready) in &least {
                let now = ready_pods(&client).await.get(app).copied().unwrap_or_default();
                // A Deployment makes the new pod first; a set replaces one peer at a time.
                let bound = if app == "openmemory-mcp" {
                    *ready
                } else {
                    ready - 1
                };
                assert!(now >= bound, "{app} has {now} ready pods, and promises {bound}");
            }
            if has_rolled(&client).await {
                refused_for_want_of_room(&client).await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("the rollout did not end");
    });
}

/// Whether all pods are of the newest template, and ready.
async fn has_rolled(client: &Client) -> bool {
    let deployments = Api::<Deployment>::namespaced(client.clone(), MEMORY);
    let deployments = deployments.list(&ListParams::default()).await.unwrap();
    let sets = Api::<StatefulSet>::namespaced(client.clone(), MEMORY);
    let sets = sets.list(&ListParams::default()).await.unwrap();
    deployments.iter().all(|deployment| {
        let status = deployment.status.clone().unwrap_or_default();
        status.observed_generation == deployment.metadata.generation
            && status.updated_replicas == status.replicas
            && status.available_replicas == status.replicas
    }) && sets.iter().all(|set| {
        let status = set.status.clone().unwrap_or_default();
        status.observed_generation == set.metadata.generation
            && status.updated_replicas == Some(status.replicas)
            && status.available_replicas == Some(status.replicas)
    })
}

async fn refused_for_want_of_room(client: &Client) {
    let events = Api::<Event>::namespaced(client.clone(), MEMORY);
    let events = events.list(&ListParams::default()).await.unwrap();
    let refused: Vec<_> = events
        .into_iter()
        .filter_map(|event| event.message)
        .filter(|message| message.contains("exceeded quota"))
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

/// The nodes of a zone go, and come back.
fn a_zone_is_lost_and_a_drain_beside_it_is_refused(live: &Live) {
    live.ask(|client| async move {
        let pods: Api<Pod> = Api::namespaced(client.clone(), MEMORY);
        let zones = zones(&client).await;
        let zone_of = |pod: &Pod| {
            let node = pod.spec.as_ref().unwrap().node_name.as_ref()?;
            zones.get(node).cloned()
        };
        let peers = pods
            .list(&ListParams::default().labels("app=qdrant"))
            .await
            .unwrap();
        let lost = zone_of(&peers.items[0]).expect("a ready pod is on a node");
        let of_zone: Vec<_> = zones
            .iter()
            .filter(|(_, zone)| **zone == lost)
            .map(|(node, _)| node.as_str())
            .collect();
        assert_eq!(of_zone.len() * 3, zones.len(), "three zones of the same size");
        cordon(&client, &of_zone, true).await;
        let now = DeleteParams::default().grace_period(0);
        for pod in pods.list(&ListParams::default()).await.unwrap() {
            if zone_of(&pod).as_ref() == Some(&lost) {
                pods.delete(&pod.metadata.name.unwrap(), &now).await.unwrap();
            }
        }
        // The server's pods go elsewhere. A peer keeps to its zone; the two others are more than half of three.
        for _ in 0..240 {
            let ready = ready_pods(&client).await;
            if ready["openmemory-mcp"] == 3 && ready["qdrant"] == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let ready = ready_pods(&client).await;
        assert_eq!((ready["openmemory-mcp"], ready["qdrant"]), (3, 2));
        // Draining a node now would end the quorum, so the eviction is rejected.
        let second = peers.items[1].metadata.name.as_deref().unwrap();
        match pods.evict(second, &EvictParams::default()).await {
            Err(Error::Api(status)) => assert_eq!(status.code, 429, "{status:?}"),
            other => panic!("the eviction was not refused: {other:?}"),
        }
        // A pod of the server may go: it promises all but one.
        let servers = pods
            .list(&ListParams::default().labels("app=openmemory-mcp"))
            .await
            .unwrap();
        let server = servers.items[0].metadata.name.as_deref().unwrap();
        pods.evict(server, &EvictParams::default()).await.unwrap();
        cordon(&client, &of_zone, false).await;
    });
}

async fn zones(client: &Client) -> BTreeMap<String, String> {
    let nodes = Api::<Node>::all(client.clone());
    let nodes = nodes.list(&ListParams::default()).await.unwrap();
    let zone = |node: Node| {
        let zone = node.metadata.labels?.remove("topology.kubernetes.io/zone")?;
        Some((node.metadata.name?, zone))
    };
    nodes.into_iter().filter_map(zone).collect()
}

async fn cordon(client: &Client, nodes: &[&str], closed: bool) {
    let api: Api<Node> = Api::all(client.clone());
    let patch = json!({"spec": {"unschedulable": closed}});
    for node in nodes {
        api.patch(node, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }
}

/// How many pods are ready, by their label `app`.
async fn ready_pods(client: &Client) -> BTreeMap<String, usize> {
    let pods = Api::<Pod>::namespaced(client.clone(), MEMORY);
    let mut ready = BTreeMap::new();
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        let conditions = pod
            .status
            .and_then(|status| status.conditions)
            .unwrap_or_default();
        let is_ready = conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True");
        let labels = pod.metadata.labels.unwrap_or_default();
        if let (true, Some(app)) = (is_ready, labels.get("app")) {
            *ready.entry(app.clone()).or_default() += 1;
        }
    }
    ready
}
