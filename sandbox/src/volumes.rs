//! The volume provisioner of a sandbox.
//!
//! It follows the contract of an external provisioner: it acts when Kubernetes has annotated a claim with its name; it waits
//! until the scheduler has selected a node if the class requires it; it deletes a volume only if the claim was deleted and the
//! reclaim policy is `Delete`; it expands volumes. Volumes have no storage, because simulated pods write no files.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_cluster::admin::Cluster;
use phoenix_terminal::output::message;
use serde_json::{Value, json};

use super::objects::{NEVER, PROVISIONER, SHARING};

/// The annotation with which Kubernetes assigns a claim to a provisioner.
const STORAGE_PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";

/// The annotation with which the scheduler selects the node of the first pod.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The annotation of a volume with its provisioner, without which Kubernetes tries to delete the volume itself.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

const ZONE: &str = "topology.kubernetes.io/zone";

/// The interval between two rounds. A claim waits half of it on average; a round makes four list requests.
const PERIOD: Duration = Duration::from_millis(300);

/// A change to a volume.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Create a volume for a claim.
    Create(Box<PersistentVolume>),
    /// Delete a volume whose claim was deleted.
    Delete(String),
    /// Expand a volume to the size that its claim requests.
    Expand {
        /// The volume.
        volume: String,
        /// The claim's namespace and name.
        claim: (String, String),
        /// The requested size.
        size: Quantity,
    },
}

/// Provisions volumes in a cluster until the process is stopped. A failed round is reported and repeated, because the API server
/// may be starting or stopping.
pub fn serve(kubeconfig: &Path) -> Result<()> {
    let cluster = Cluster::connect(kubeconfig)?;
    loop {
        if let Err(error) = round(&cluster) {
            message(&format!("{error:#}"));
        }
        std::thread::sleep(PERIOD);
    }
}

fn round(cluster: &Cluster) -> Result<()> {
    let claims = cluster.list::<PersistentVolumeClaim>()?;
    let volumes = cluster.list::<PersistentVolume>()?;
    if claims.is_empty() && volumes.is_empty() {
        return Ok(());
    }
    let classes = cluster.list::<StorageClass>()?;
    let nodes = cluster.list::<Node>()?;
    for action in plan(&claims, &volumes, &classes, &nodes) {
        match action {
            Action::Create(volume) => {
                cluster.create(&*volume)?;
                message(&format!("created volume {}", name_of(&volume.metadata)));
            }
            Action::Delete(name) => {
                cluster.delete::<PersistentVolume>(&name)?;
                message(&format!("deleted volume {name}"));
            }
            Action::Expand {
                volume,
                claim: (namespace, name),
                size,
            } => {
                let capacity = json!({ "spec": { "capacity": { "storage": size } } });
                cluster.patch::<PersistentVolume>(&volume, &capacity)?;
                let status = json!({ "status": { "capacity": { "storage": size } } });
                cluster.patch_status::<PersistentVolumeClaim>(&namespace, &name, &status)?;
                message(&format!("expanded volume {volume} to {}", size.0));
            }
        }
    }
    Ok(())
}

/// The changes that are required for these objects. Pure.
pub fn plan(
    claims: &[PersistentVolumeClaim],
    volumes: &[PersistentVolume],
    classes: &[StorageClass],
    nodes: &[Node],
) -> Vec<Action> {
    let classes: BTreeMap<String, &StorageClass> = classes
        .iter()
        .map(|class| (name_of(&class.metadata), class))
        .collect();
    let volumes: BTreeMap<String, &PersistentVolume> = volumes
        .iter()
        .map(|volume| (name_of(&volume.metadata), volume))
        .collect();
    let mut actions = Vec::new();
    for claim in claims {
        if let Some(volume) = volume_for(claim, &classes, nodes)
            && !volumes.contains_key(&name_of(&volume.metadata))
        {
            actions.push(Action::Create(Box::new(volume)));
        } else if let Some(expansion) = expansion(claim, &volumes) {
            actions.push(expansion);
        }
    }
    let released_volumes = volumes.values().filter(|volume| is_released(volume));
    actions.extend(released_volumes.map(|volume| Action::Delete(name_of(&volume.metadata))));
    actions
}

/// The volume that a claim requires; `None` if the claim belongs to another provisioner, is bound, or has no selected node yet.
fn volume_for(
    claim: &PersistentVolumeClaim,
    classes: &BTreeMap<String, &StorageClass>,
    nodes: &[Node],
) -> Option<PersistentVolume> {
    let spec = claim.spec.as_ref()?;
    let uid = claim.metadata.uid.as_ref()?;
    let annotations = claim.metadata.annotations.as_ref();
    let annotation = |name: &str| annotations.and_then(|annotations| annotations.get(name));
    let ours = annotation(STORAGE_PROVISIONER).is_some_and(|name| name == PROVISIONER);
    if !ours || spec.volume_name.is_some() || claim.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let class = classes.get(spec.storage_class_name.as_ref()?)?;
    let waits = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
    let selected = annotation(SELECTED_NODE);
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
    // A disk belongs to the zone of the selected node; a shared volume can be used in every zone.
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
                "namespace": claim.metadata.namespace.clone(),
                "name": name_of(&claim.metadata),
                "uid": uid,
            },
            "csi": { "driver": PROVISIONER, "volumeHandle": format!("pvc-{uid}") },
            "nodeAffinity": affinity,
            "persistentVolumeReclaimPolicy": class.reclaim_policy.as_deref().unwrap_or("Delete"),
            "storageClassName": name_of(&class.metadata),
            "volumeMode": spec.volume_mode.as_deref().unwrap_or("Filesystem"),
        },
    });
    Some(serde_json::from_value(without_nulls(volume)).expect("the volume is well formed"))
}

/// The expansion of a bound claim whose request differs from its volume's size. The API server only accepts larger requests.
fn expansion(claim: &PersistentVolumeClaim, volumes: &BTreeMap<String, &PersistentVolume>) -> Option<Action> {
    let name = claim.spec.as_ref()?.volume_name.as_ref()?;
    let volume = volumes.get(name).filter(|volume| is_ours(volume))?;
    let bound = claim.status.as_ref()?.phase.as_deref() == Some("Bound");
    let size = requested(claim)?;
    let has = volume.spec.as_ref()?.capacity.as_ref()?.get("storage")?;
    (bound && size != has).then(|| Action::Expand {
        volume: name.clone(),
        claim: (
            claim.metadata.namespace.clone().unwrap_or_default(),
            name_of(&claim.metadata),
        ),
        size: size.clone(),
    })
}

fn is_released(volume: &PersistentVolume) -> bool {
    let released = volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Released");
    let policy = volume
        .spec
        .as_ref()
        .and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    let leaving = volume.metadata.deletion_timestamp.is_some();
    is_ours(volume) && released && policy == Some("Delete") && !leaving
}

fn is_ours(volume: &PersistentVolume) -> bool {
    let annotations = volume.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(PROVISIONED_BY))
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

fn name_of(metadata: &ObjectMeta) -> String {
    metadata.name.clone().unwrap_or_default()
}

fn zone_of(node: &str, nodes: &[Node]) -> Option<String> {
    nodes
        .iter()
        .find(|candidate| name_of(&candidate.metadata) == node)?
        .metadata
        .labels
        .as_ref()?
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
    use crate::objects::{self, BLOCK_CLASS, SHARED_CLASS};

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
    fn a_disk_waits_for_the_scheduler_and_belongs_to_the_zone_of_its_node() {
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
    fn a_shared_volume_is_created_immediately_for_all_zones() {
        let volume = created(&plan_for(claim(SHARED_CLASS, "ReadWriteMany", &[OURS])));
        let spec = volume.spec.expect("specified");
        assert_eq!(spec.node_affinity, None);
        assert_eq!(spec.access_modes, Some(vec!["ReadWriteMany".to_owned()]));
    }

    #[test]
    fn a_shared_claim_of_a_disk_class_stays_pending() {
        let chosen = [OURS, (SELECTED_NODE, "sandbox-b-gpu-1")];
        assert_eq!(plan_for(claim(BLOCK_CLASS, "ReadWriteMany", &chosen)), []);
    }

    #[test]
    fn a_claim_of_another_provisioner_is_ignored() {
        let other = [
            (STORAGE_PROVISIONER, "ebs.csi.aws.com"),
            (SELECTED_NODE, "sandbox-b-gpu-1"),
        ];
        assert_eq!(plan_for(claim(BLOCK_CLASS, "ReadWriteOnce", &other)), []);
        assert_eq!(plan_for(claim(SHARED_CLASS, "ReadWriteMany", &[])), []);
    }

    #[test]
    fn a_volume_is_created_once() {
        let claim = claim(SHARED_CLASS, "ReadWriteMany", &[OURS]);
        let volume = created(&plan_for(claim.clone()));
        assert_eq!(plan(&[claim], &[volume], &classes(), &nodes()), []);
    }

    #[test]
    fn a_released_volume_is_deleted_unless_its_policy_is_retain() {
        let mut volume = created(&plan_for(claim(SHARED_CLASS, "ReadWriteMany", &[OURS])));
        volume.status = serde_json::from_value(json!({ "phase": "Released" })).expect("a status");
        let gone = plan(&[], std::slice::from_ref(&volume), &[], &[]);
        assert_eq!(gone, [Action::Delete("pvc-u1".to_owned())]);
        let spec = volume.spec.as_mut().expect("specified");
        spec.persistent_volume_reclaim_policy = Some("Retain".to_owned());
        assert_eq!(plan(&[], &[volume], &[], &[]), []);
    }

    #[test]
    fn a_larger_request_expands_the_volume() {
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
        let expansion = plan(&[claim], &volumes, &classes(), &nodes());
        assert_eq!(
            expansion,
            [Action::Expand {
                volume: "pvc-u1".into(),
                claim: ("memory".into(), "data-0".into()),
                size: Quantity("20Gi".into())
            }]
        );
    }
}
