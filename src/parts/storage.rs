//! Claims for volumes.

use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, VolumeResourceRequirements};

use crate::config::Volume;

/// Who may mount a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Pods of one node.
    Exclusive,
    /// Pods of all nodes.
    Shared,
}

/// What a claim asks for.
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
