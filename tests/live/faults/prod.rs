//! The production stack: autoscaling is switched while pods are counted, and interruptions find retained data again.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Api, ListParams, Patch, PatchParams};

use super::kills::{self, Moment, point};
use super::pods::Count;
use super::processes::Victim;
use super::proxy::Proxy;
use super::{edit, how_to, run};
use crate::inventory;
use crate::live::{Live, graph, pods_of, said};

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn prod_keeps_its_pods_when_autoscaling_is_switched_and_its_data_when_it_is_interrupted() {
    let live = Live::up("prod");
    live.is_ready_with(pods_of(&graph("prod")));
    autoscaling_is_switched_off_and_on(&live);
    the_data_outlives_an_interrupted_destroy_and_an_interrupted_up(&live);
}

fn autoscaling_is_switched_off_and_on(live: &Live) {
    let on = "autoscaling:\n      cpuPercent: 70\n      maxReplicas: 6\n    ";
    let count = Count::begin(live, "app=openmemory-mcp");
    let file = live.sandbox().project().join("Pulumi.prod.yaml");
    let with = std::fs::read_to_string(&file).unwrap();
    edit(live, "prod", on, "");
    up(live);
    the_autoscaler_has_looked();
    std::fs::write(&file, with).unwrap();
    up(live);
    the_autoscaler_has_looked();
    let numbers = count.end();
    assert!(numbers.iter().all(|ready| *ready >= 3), "{numbers:?}");
    live.is_ready_with(pods_of(&graph("prod")));

    // The control: a pod less is seen; and it comes back without an `up`.
    let count = Count::begin(live, "app=openmemory-mcp");
    live.ask(|client| async move {
        let patch = Patch::Merge(serde_json::json!({"spec": {"replicas": 2}}));
        Api::<Deployment>::namespaced(client, "sophia-memory")
            .patch_scale("openmemory-mcp-server", &PatchParams::default(), &patch)
            .await
            .unwrap();
    });
    the_autoscaler_has_looked();
    live.is_ready_with(pods_of(&graph("prod")));
    let numbers = count.end();
    assert!(numbers.contains(&2), "{numbers:?}");
}

fn up(live: &Live) {
    let output = run::engine(live, &["up"]).output();
    assert!(output.status.success(), "{}", said(&output));
}

/// The sandbox's autoscaler looks every two seconds.
fn the_autoscaler_has_looked() {
    std::thread::sleep(Duration::from_secs(5));
}

fn the_data_outlives_an_interrupted_destroy_and_an_interrupted_up(live: &Live) {
    let proxy = Proxy::of(live);
    let before = claims(live);
    assert_eq!(
        before.len(),
        1 + 2 * 3 + 2,
        "one that OpenMemory's pods share, two for each of Qdrant's peers, two of the knowledge graph"
    );
    edit(live, "prod", "phoenix:protect: true", "phoenix:protect: false");
    up(live);

    kills::interrupt(
        live,
        &proxy,
        "prod",
        point("destroy", Victim::Engine, Moment::After, 0x21),
    );
    how_to::follow(live, "prod", "destroy --run-program");
    assert_eq!(inventory::of_the_state(live), inventory::Inventory::new());
    assert_eq!(live.pods(), 0);
    assert_eq!(claims(live), before, "retained");

    kills::interrupt(
        live,
        &proxy,
        "prod",
        point("up", Victim::Engine, Moment::After, 0x22),
    );
    how_to::follow(live, "prod", "up");
    inventory::is_the_state_and_the_graph(live, &graph("prod"));
    live.is_ready_with(pods_of(&graph("prod")));
    assert_eq!(claims(live), before, "the same claims with the same volumes");
    let known = inventory::of_the_state(live);
    let shared = "sophia-memory/memory-pvc";
    assert_eq!(
        known[&format!("PersistentVolumeClaim {shared}")],
        before[shared].0
    );
    // Nothing is stuck: neither the engine nor the cluster wants anything more.
    let output = run::engine(live, &["up", "--expect-no-changes"]).output();
    assert!(output.status.success(), "{}", said(&output));
}

/// The UIDs and volumes of the claims, by name.
fn claims(live: &Live) -> BTreeMap<String, (String, String)> {
    live.ask(|client| async move {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(client, "sophia-memory");
        let list = claims.list(&ListParams::default()).await.unwrap();
        list.into_iter()
            .map(|claim| {
                let name = format!("sophia-memory/{}", claim.metadata.name.unwrap());
                let volume = claim.spec.unwrap().volume_name.unwrap();
                (name, (claim.metadata.uid.unwrap(), volume))
            })
            .collect()
    })
}
