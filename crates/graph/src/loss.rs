//! Which changes of a field the Kubernetes provider carries out by deleting the object and
//! creating it anew, and which kinds lose data when that happens.
//!
//! The fields are those that pulumi-kubernetes 4.25 replaces on, with `enableSecretMutable` and
//! `enableConfigMapMutable` set, as our provider resource sets them.

use serde_json::Value;

use crate::{FieldChange, Id, Object};

/// The annotation by which a namespace says for which cluster it is declared, as a path.
const CLUSTER: &str = "metadata.annotations[\"phoenix.ai/cluster\"]";

/// Whether a change at `path` (in dotted form, such as `spec.serviceName`) replaces the object.
pub(crate) fn replaces(id: &Id, path: &str) -> bool {
    let fields: &[&str] = match (id.group.as_str(), id.kind.as_str()) {
        ("apps", "Deployment" | "DaemonSet") => &["spec.selector"],
        ("apps", "StatefulSet") => &[
            "spec.podManagementPolicy",
            "spec.revisionHistoryLimit",
            "spec.selector",
            "spec.serviceName",
            "spec.volumeClaimTemplates",
        ],
        ("batch", "Job") => &[
            "spec.completions",
            "spec.parallelism",
            "spec.selector",
            "spec.template",
        ],
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => &["roleRef"],
        ("storage.k8s.io", "StorageClass") => &["parameters", "provisioner"],
        // Another cluster: the provider deletes everything where it was, and creates it where it shall be.
        ("", "Namespace") => &[CLUSTER],
        ("", "PersistentVolumeClaim") => &[
            "spec.accessModes",
            "spec.selector",
            "spec.storageClassName",
            "spec.volumeName",
        ],
        ("", "ResourceQuota") => &["spec.scopes"],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP"],
        _ => &[],
    };
    fields.iter().any(|field| {
        path.strip_prefix(field)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// What a change in place gives up: how it is said, and what is lost; `None` where it gives up nothing.
pub(crate) fn given_up(id: &Id, field: &FieldChange) -> Option<(String, &'static str)> {
    if (id.group.as_str(), id.kind.as_str()) != ("apps", "StatefulSet") {
        return None;
    }
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_u64);
    match field.path.as_str() {
        "spec.replicas" => {
            let (before, after) = (number(&field.before)?, number(&field.after)?);
            let said = format!("scaled down from {before} to {after}");
            (after < before).then_some((
                said,
                "what only the removed replicas hold, unless it is moved off them first",
            ))
        }
        "spec.persistentVolumeClaimRetentionPolicy.whenDeleted"
        | "spec.persistentVolumeClaimRetentionPolicy.whenScaled" => {
            let deletes = field.after.as_ref().is_some_and(|word| word == "Delete");
            deletes.then(|| {
                (
                    format!("{} becomes Delete", field.path),
                    "its claims, as soon as it is deleted or scaled down",
                )
            })
        }
        _ => None,
    }
}

/// What is lost when this object is deleted; `None` where it can be made again from the graph.
pub(crate) fn loss(object: &Object) -> Option<&'static str> {
    match object.id.kind.as_str() {
        "Namespace" => Some("everything in it, claims included"),
        "PersistentVolumeClaim" | "PersistentVolume" => {
            Some("the data of its volume, unless the class retains it")
        }
        "StatefulSet" => Some("its pods at once; claims stay only where its retention policy says so"),
        "CustomResourceDefinition" => Some("every resource of its kind, in all namespaces"),
        "Secret" => Some("its values, and every pod that starts without them"),
        "VolumeSnapshot" | "VolumeSnapshotContent" => Some("the snapshot"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_immutable_fields_replace() {
        let stateful_set = Id::namespaced("apps", "StatefulSet", "memory", "qdrant");
        assert!(replaces(
            &stateful_set,
            "spec.volumeClaimTemplates[storage].spec.resources"
        ));
        assert!(replaces(&stateful_set, "spec.serviceName"));
        assert!(!replaces(&stateful_set, "spec.serviceNameSuffix"));
        assert!(!replaces(&stateful_set, "spec.replicas"));
        assert!(!replaces(
            &Id::namespaced("", "Secret", "memory", "keys"),
            "stringData.a"
        ));
    }
}
