//! `PersistentVolumeClaims`.

use k8s_openapi::api::apps::v1::StatefulSetPersistentVolumeClaimRetentionPolicy;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::config::{StackOptions, Volume};
use crate::names::{self, Workload};
use crate::parts::metadata;

/// The access mode of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Pods on one node.
    Exclusive,
    /// Pods on all nodes.
    Shared,
}

/// The size, class and access mode of a claim.
pub fn claim(volume: &Volume, access: Access) -> PersistentVolumeClaimSpec {
    let mode = match access {
        Access::Exclusive => "ReadWriteOnce",
        Access::Shared => "ReadWriteMany",
    };
    PersistentVolumeClaimSpec {
        access_modes: Some(vec![mode.to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), volume.size.to_kubernetes())].into()),
            ..Default::default()
        }),
        storage_class_name: volume.storage_class.as_ref().map(ToString::to_string),
        ..Default::default()
    }
}

/// The claim template of a StatefulSet for memories.
pub fn claim_template(workload: Workload, name: &str, volume: &Volume) -> PersistentVolumeClaim {
    let mut labels = metadata::pod_labels(workload);
    labels.insert(names::DATA_CLASSIFICATION.to_owned(), "restricted".to_owned());
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels),
            ..Default::default()
        },
        spec: Some(claim(volume, Access::Exclusive)),
        ..Default::default()
    }
}

/// A deleted or scaled-down StatefulSet keeps its claims if the stack retains data.
pub fn retention(options: StackOptions<'_>) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: Some(if options.retain { "Retain" } else { "Delete" }.to_owned()),
        when_scaled: Some("Retain".to_owned()),
    }
}
