//! What is in the cluster, what the engine's state says, and what the graph declares: three lists that must be one.

use std::collections::BTreeMap;

use kube::api::{Api, DynamicObject, ListParams};
use kube::discovery::{ApiGroup, Discovery, verbs};
use phoenix_graph::Graph;
use serde_json::Value;

use crate::live::{Live, said};

/// The name under which everything of ours is applied.
const MANAGER: &str = "phoenix";

/// The UIDs of objects, by kind and name, such as `Secret sophia-memory/qdrant-keys`.
pub type Inventory = BTreeMap<String, String>;

/// Expects that the cluster, the state and the graph name the same objects, each once, and that the state asks for nothing more.
pub fn is_the_state_and_the_graph(live: &Live, graph: &Graph) {
    let declared: Vec<String> = {
        let mut names: Vec<_> = graph.objects().map(|object| object.id.to_string()).collect();
        names.sort();
        names
    };
    let state = of_the_state(live);
    let cluster = of_the_cluster(live);
    assert_eq!(
        state.keys().collect::<Vec<_>>(),
        declared.iter().collect::<Vec<_>>()
    );
    assert_eq!(cluster, state, "left: the cluster, right: the state");
}

/// Everything in the cluster that the engine has put there, of whatever kind, whoever has forgotten it.
///
/// It is found by who owns its fields. An owner of the provider's own making is not ours: it would fight with us over the next changed value.
pub fn of_the_cluster(live: &Live) -> Inventory {
    live.ask(|client| async move {
        let discovery = Discovery::new(client.clone()).run().await.unwrap();
        let mut found = Inventory::new();
        for (resource, capabilities) in discovery.groups().flat_map(ApiGroup::recommended_resources) {
            if !capabilities.supports_operation(verbs::LIST) {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            for object in api.list_metadata(&ListParams::default()).await.unwrap() {
                let metadata = object.metadata;
                let name = metadata.name.unwrap();
                let path = metadata
                    .namespace
                    .map_or(name.clone(), |namespace| format!("{namespace}/{name}"));
                let id = format!("{} {path}", resource.kind);
                let owners: Vec<String> = metadata
                    .managed_fields
                    .into_iter()
                    .flatten()
                    .filter_map(|entry| entry.manager)
                    .filter(|manager| manager == MANAGER || manager.starts_with("pulumi"))
                    .collect();
                if owners.is_empty() {
                    continue;
                }
                assert_eq!(owners, [MANAGER], "the owners of {id}");
                found.insert(id, metadata.uid.unwrap());
            }
        }
        found
    })
}

/// What the engine believes to be there. Nothing in the state may be half done, or there twice.
pub fn of_the_state(live: &Live) -> Inventory {
    let output = live.pulumi_as_it_is().args(["stack", "export"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let state: Value = serde_json::from_slice(&output.stdout).unwrap();
    let deployment = &state["deployment"];
    let pending = deployment["pending_operations"].as_array().map_or(0, Vec::len);
    assert_eq!(pending, 0, "operations that nobody knows the end of");
    let mut found = Inventory::new();
    for resource in deployment["resources"].as_array().into_iter().flatten() {
        assert_eq!(
            resource.get("delete"),
            None,
            "{} is to be deleted",
            resource["urn"]
        );
        let token = resource["type"].as_str().unwrap();
        if !token.starts_with("kubernetes:") || resource["external"] == true {
            continue;
        }
        let kind = token.rsplit(':').next().unwrap();
        let id = format!("{kind} {}", resource["id"].as_str().unwrap());
        let uid = resource["outputs"]["metadata"]["uid"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(found.insert(id.clone(), uid), None, "{id} is in the state twice");
    }
    found
}
