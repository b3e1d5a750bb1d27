//! The data that is lost when an object is deleted, replaced, or changed.

use serde_json::Value;

use crate::{Id, Object};

/// The description of a change in place that loses data, and the data; `None` for any other change.
pub(crate) fn loss_in_place(
    id: &Id,
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Option<(String, &'static str)> {
    if (id.group.as_str(), id.kind.as_str()) != ("apps", "StatefulSet") {
        return None;
    }
    match path {
        "spec.replicas" => {
            let (before, after) = (before?.as_u64()?, after?.as_u64()?);
            let description = format!("scaled down from {before} to {after}");
            (after < before).then_some((
                description,
                "the data that only the removed replicas hold, unless it is moved to others first",
            ))
        }
        "spec.persistentVolumeClaimRetentionPolicy.whenDeleted"
        | "spec.persistentVolumeClaimRetentionPolicy.whenScaled" => {
            let deletes = after.is_some_and(|word| word == "Delete");
            deletes.then(|| {
                (
                    format!("{path} becomes Delete"),
                    "its claims, when it is deleted or scaled down",
                )
            })
        }
        _ => None,
    }
}

/// The data that is lost when this object is deleted; `None` if it can be created again from the graph.
pub(crate) fn loss(object: &Object) -> Option<&'static str> {
    match object.id.kind.as_str() {
        "Namespace" => Some("everything in it, claims included"),
        "PersistentVolumeClaim" | "PersistentVolume" => {
            Some("the data of its volume, unless the class retains it")
        }
        "StatefulSet" => Some("its pods immediately, and its claims unless its retention policy keeps them"),
        "CustomResourceDefinition" => Some("every resource of its kind, in all namespaces"),
        "Secret" => Some("its values; pods that need them no longer start"),
        "VolumeSnapshot" | "VolumeSnapshotContent" => Some("the snapshot"),
        _ => None,
    }
}
