//! The provisioner of a sandbox: claims get volumes as a storage driver would give them.
//!
//! Promises: it follows the contract of an external provisioner. It acts when Kubernetes has marked a
//! claim as ours to serve; it waits for the scheduler's choice of a node where the class says so; it
//! removes a volume only when its claim is gone and its policy is `Delete`; it grows what is asked to
//! grow. Behind a volume is nothing at all: simulated pods write no files. It knows no stack.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::cluster;
use super::objects::{NEVER, PROVISIONER, SHARING};
use super::talk::say;

/// Kubernetes writes our name here when a claim is ours to serve.
const STORAGE_PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";

/// The scheduler writes here where the first consumer will run.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// We write our name here; without it Kubernetes would look for a driver of its own to delete with.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

const ZONE: &str = "topology.kubernetes.io/zone";

/// How often we look. A claim waits half of it on average, and a look is three small lists.
const PERIOD: Duration = Duration::from_millis(300);

/// One thing to do about volumes.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// A claim needs a volume.
    Create(Box<PersistentVolume>),
    /// A volume's claim is gone.
    Delete(String),
    /// A claim asks for more than its volume has.
    Grow {
        /// The volume.
        volume: String,
        /// The claim's namespace and name.
        claim: (String, String),
        /// What is asked for.
        size: Quantity,
    },
}

/// Serves the claims of a cluster until it is ended. A failed round is told and tried again: the API
/// server may be starting or ending.
pub async fn serve(kubeconfig: &Path) -> Result<()> {
    let client = cluster::client(kubeconfig).await?;
    loop {
        if let Err(error) = round(&client).await {
            say(&format!("{error:#}"));
        }
        tokio::time::sleep(PERIOD).await;
    }
}

async fn round(client: &Client) -> Result<()> {
    let everything = ListParams::default();
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let classes: Api<StorageClass> = Api::all(client.clone());
    let nodes: Api<Node> = Api::all(client.clone());
    let wanted = claims.list(&everything).await.context("listing claims")?.items;
    let there = volumes.list(&everything).await.context("listing volumes")?.items;
    if wanted.is_empty() && there.is_empty() {
        return Ok(());
    }
    let classes = classes
        .list(&everything)
        .await
        .context("listing storage classes")?
        .items;
    let nodes = nodes.list(&everything).await.context("listing nodes")?.items;
    for action in plan(&wanted, &there, &classes, &nodes) {
        match action {
            Action::Create(volume) => {
                volumes
                    .create(&PostParams::default(), &volume)
                    .await
                    .context("creating a volume")?;
                say(&format!("created volume {}", volume.name_any()));
            }
            Action::Delete(name) => {
                volumes
                    .delete(&name, &DeleteParams::default())
                    .await
                    .context("deleting a volume")?;
                say(&format!("deleted volume {name}"));
            }
            Action::Grow {
                volume,
                claim: (namespace, name),
                size,
            } => {
                let parameters = PatchParams::default();
                let capacity = json!({ "spec": { "capacity": { "storage": size } } });
                volumes
                    .patch(&volume, &parameters, &Patch::Merge(&capacity))
                    .await
                    .context("growing a volume")?;
                let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
                let status = json!({ "status": { "capacity": { "storage": size } } });
                let patch = Patch::Merge(&status);
                claims
                    .patch_status(&name, &parameters, &patch)
                    .await
                    .context("telling a claim that it grew")?;
                say(&format!("grew volume {volume} to {}", size.0));
            }
        }
    }
    Ok(())
}

/// What is to be done now, as a pure function of what is there.
pub fn plan(
    claims: &[PersistentVolumeClaim],
    volumes: &[PersistentVolume],
    classes: &[StorageClass],
    nodes: &[Node],
) -> Vec<Action> {
    let classes: BTreeMap<String, &StorageClass> =
        classes.iter().map(|class| (class.name_any(), class)).collect();
    let volumes: BTreeMap<String, &PersistentVolume> =
        volumes.iter().map(|volume| (volume.name_any(), volume)).collect();
    let mut actions = Vec::new();
    for claim in claims {
        if let Some(volume) = volume_for(claim, &classes, nodes)
            && !volumes.contains_key(&volume.name_any())
        {
            actions.push(Action::Create(Box::new(volume)));
        } else if let Some(growth) = growth(claim, &volumes) {
            actions.push(growth);
        }
    }
    let abandoned = volumes.values().filter(|volume| is_abandoned(volume));
    actions.extend(abandoned.map(|volume| Action::Delete(volume.name_any())));
    actions
}

/// The volume that a claim waits for; nothing if it is not ours, has one, or the scheduler has not chosen.
fn volume_for(
    claim: &PersistentVolumeClaim,
    classes: &BTreeMap<String, &StorageClass>,
    nodes: &[Node],
) -> Option<PersistentVolume> {
    let spec = claim.spec.as_ref()?;
    let uid = claim.metadata.uid.as_ref()?;
    let annotations = claim.annotations();
    let ours = annotations
        .get(STORAGE_PROVISIONER)
        .is_some_and(|name| name == PROVISIONER);
    if !ours || spec.volume_name.is_some() || claim.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let class = classes.get(spec.storage_class_name.as_ref()?)?;
    let waits = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
    let selected = annotations.get(SELECTED_NODE);
    if waits && selected.is_none() {
        return None;
    }
    let modes = spec.access_modes.clone().unwrap_or_default();
    let shared = modes
        .iter()
        .any(|mode| mode == "ReadWriteMany" || mode == "ReadOnlyMany");
    let sharing = class
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.get(SHARING));
    if shared && sharing.is_some_and(|sharing| sharing == NEVER) {
        return None;
    }
    // A disk belongs to the zone of the node that was chosen for it; a share is reachable from everywhere.
    let zone = selected.filter(|_| !shared).and_then(|name| zone_of(name, nodes));
    let affinity = zone.map(|zone| {
        json!({ "required": { "nodeSelectorTerms": [
            { "matchExpressions": [{ "key": ZONE, "operator": "In", "values": [zone] }] }
        ]}})
    });
    let volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": format!("pvc-{uid}"),
            "annotations": { PROVISIONED_BY: PROVISIONER },
        },
        "spec": {
            "accessModes": modes,
            "capacity": { "storage": requested(claim)? },
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(),
                "name": claim.name_any(),
                "uid": uid,
            },
            "csi": { "driver": PROVISIONER, "volumeHandle": format!("pvc-{uid}") },
            "nodeAffinity": affinity,
            "persistentVolumeReclaimPolicy": class.reclaim_policy.as_deref().unwrap_or("Delete"),
            "storageClassName": class.name_any(),
            "volumeMode": spec.volume_mode.as_deref().unwrap_or("Filesystem"),
        },
    });
    Some(serde_json::from_value(without_nulls(volume)).expect("a volume written here is a volume"))
}

/// The growth of a bound claim that asks for something else than its volume has. The API server lets a
/// request only grow, so a difference is enough.
fn growth(claim: &PersistentVolumeClaim, volumes: &BTreeMap<String, &PersistentVolume>) -> Option<Action> {
    let name = claim.spec.as_ref()?.volume_name.as_ref()?;
    let volume = volumes.get(name).filter(|volume| is_ours(volume))?;
    let bound = claim.status.as_ref()?.phase.as_deref() == Some("Bound");
    let size = requested(claim)?;
    let has = volume.spec.as_ref()?.capacity.as_ref()?.get("storage")?;
    (bound && size != has).then(|| Action::Grow {
        volume: name.clone(),
        claim: (claim.namespace().unwrap_or_default(), claim.name_any()),
        size: size.clone(),
    })
}

fn is_abandoned(volume: &PersistentVolume) -> bool {
    let released = volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Released");
    let policy = volume
        .spec
        .as_ref()
        .and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let leaving = volume.metadata.deletion_timestamp.is_some();
    is_ours(volume) && released && policy == Some("Delete") && !leaving
}

fn is_ours(volume: &PersistentVolume) -> bool {
    volume
        .annotations()
        .get(PROVISIONED_BY)
        .is_some_and(|name| name == PROVISIONER)
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&Quantity> {
    claim
        .spec
        .as_ref()?
        .resources
        .as_ref()?
        .requests
        .as_ref()?
        .get("storage")
}

fn zone_of(node: &str, nodes: &[Node]) -> Option<String> {
    nodes
        .iter()
        .find(|candidate| candidate.name_any() == node)?
        .labels()
        .get(ZONE)
        .cloned()
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(spec) = value["spec"].as_object_mut() {
        spec.retain(|_, field| !field.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::objects::{self, BLOCK_CLASS, SHARED_CLASS};

    fn claim(class: &str, mode: &str, annotations: &[(&str, &str)]) -> PersistentVolumeClaim {
        let annotations: BTreeMap<_, _> = annotations.iter().copied().collect();
        let claim = json!({
            "metadata": { "name": "data-0", "namespace": "memory", "uid": "u1", "annotations": annotations },
            "spec": {
                "accessModes": [mode],
                "resources": { "requests": { "storage": "10Gi" } },
                "storageClassName": class,
            },
        });
        serde_json::from_value(claim).expect("a claim")
    }

    fn classes() -> Vec<StorageClass> {
        let objects = objects::all()
            .into_iter()
            .filter(|object| object["kind"] == "StorageClass");
        objects
            .map(|object| serde_json::from_value(object).expect("a class"))
            .collect()
    }

    fn nodes() -> Vec<Node> {
        objects::nodes()
            .into_iter()
            .map(|node| serde_json::from_value(node).expect("a node"))
            .collect()
    }

    fn plan_for(claim: PersistentVolumeClaim) -> Vec<Action> {
        plan(&[claim], &[], &classes(), &nodes())
    }

    fn created(actions: &[Action]) -> PersistentVolume {
        match actions {
            [Action::Create(volume)] => (**volume).clone(),
            other => panic!("expected one new volume, got {other:?}"),
        }
    }

    const OURS: (&str, &str) = (STORAGE_PROVISIONER, PROVISIONER);

    #[test]
    fn a_disk_waits_for_the_scheduler_and_then_belongs_to_the_zone_of_its_node() {
        assert_eq!(plan_for(claim(BLOCK_CLASS, "ReadWriteOnce", &[OURS])), []);
        let chosen = [OURS, (SELECTED_NODE, "sandbox-b-gpu-1")];
        let volume = created(&plan_for(claim(BLOCK_CLASS, "ReadWriteOnce", &chosen)));
        let spec = serde_json::to_value(volume.spec).expect("JSON");
        assert_eq!(
            spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0],
            json!({ "key": ZONE, "operator": "In", "values": ["sandbox-b"] })
        );
        assert_eq!(spec["claimRef"]["uid"], "u1");
        assert_eq!(spec["capacity"]["storage"], "10Gi");
        assert_eq!(spec["persistentVolumeReclaimPolicy"], "Delete");
    }

    #[test]
    fn a_share_is_made_at_once_and_reachable_from_everywhere() {
        let volume = created(&plan_for(claim(SHARED_CLASS, "ReadWriteMany", &[OURS])));
        let spec = volume.spec.expect("specified");
        assert_eq!(spec.node_affinity, None);
        assert_eq!(spec.access_modes, Some(vec!["ReadWriteMany".to_owned()]));
    }

    #[test]
    fn a_share_of_a_disk_class_stays_pending_as_it_would_in_a_real_cluster() {
        let chosen = [OURS, (SELECTED_NODE, "sandbox-b-gpu-1")];
        assert_eq!(plan_for(claim(BLOCK_CLASS, "ReadWriteMany", &chosen)), []);
    }

    #[test]
    fn a_claim_for_another_driver_is_left_alone() {
        let foreign = [
            (STORAGE_PROVISIONER, "ebs.csi.aws.com"),
            (SELECTED_NODE, "sandbox-b-gpu-1"),
        ];
        assert_eq!(plan_for(claim(BLOCK_CLASS, "ReadWriteOnce", &foreign)), []);
        assert_eq!(plan_for(claim(SHARED_CLASS, "ReadWriteMany", &[])), []);
    }

    #[test]
    fn a_volume_is_made_once() {
        let claim = claim(SHARED_CLASS, "ReadWriteMany", &[OURS]);
        let volume = created(&plan_for(claim.clone()));
        assert_eq!(plan(&[claim], &[volume], &classes(), &nodes()), []);
    }

    #[test]
    fn a_released_volume_goes_unless_its_policy_is_to_stay() {
        let mut volume = created(&plan_for(claim(SHARED_CLASS, "ReadWriteMany", &[OURS])));
        volume.status = serde_json::from_value(json!({ "phase": "Released" })).expect("a status");
        let gone = plan(&[], std::slice::from_ref(&volume), &[], &[]);
        assert_eq!(gone, [Action::Delete("pvc-u1".to_owned())]);
        let spec = volume.spec.as_mut().expect("specified");
        spec.persistent_volume_reclaim_policy = Some("Retain".to_owned());
        assert_eq!(plan(&[], &[volume], &[], &[]), []);
    }

    #[test]
    fn a_bound_claim_that_asks_for_more_makes_its_volume_grow() {
        let mut claim = claim(SHARED_CLASS, "ReadWriteMany", &[OURS]);
        let volume = created(&plan_for(claim.clone()));
        claim.status = serde_json::from_value(json!({ "phase": "Bound" })).expect("a status");
        let spec = claim.spec.as_mut().expect("specified");
        spec.volume_name = Some("pvc-u1".to_owned());
        let volumes = [volume];
        assert_eq!(
            plan(std::slice::from_ref(&claim), &volumes, &classes(), &nodes()),
            []
        );
        let spec = claim.spec.as_mut().expect("specified");
        spec.resources = serde_json::from_value(json!({ "requests": { "storage": "20Gi" } })).ok();
        let growth = plan(&[claim], &volumes, &classes(), &nodes());
        assert_eq!(
            growth,
            [Action::Grow {
                volume: "pvc-u1".into(),
                claim: ("memory".into(), "data-0".into()),
                size: Quantity("20Gi".into())
            }]
        );
    }
}
