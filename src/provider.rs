//! The Kubernetes provider of Pulumi: its version, its names for objects, and the changes that it makes by replacement.

use phoenix_graph::{Changes, Graph, Id, Object};

/// The version of the provider that the tests run with. The manifest of the program reports the same version to the host.
pub const VERSION: &str = "4.25.0";

/// The type of the component of every system. An object that moves to another system keeps its name.
pub const SYSTEM_TYPE: &str = "phoenix:index:System";

/// The type of an object: `kubernetes:apps/v1:StatefulSet`, `kubernetes:core/v1:Secret`.
pub fn token(object: &Object) -> String {
    let api_version = if object.id.group.is_empty() {
        "core/v1"
    } else {
        &object.api_version
    };
    format!("kubernetes:{api_version}:{}", object.id.kind)
}

/// The URN of an object in a stack of a Pulumi project.
pub fn urn(object: &Object, stack: &str, project: &str) -> String {
    format!(
        "urn:pulumi:{stack}::{project}::{SYSTEM_TYPE}${}::{}",
        token(object),
        object.id.path()
    )
}

/// Compares two graphs, with the replacements that the provider makes.
pub fn compare(before: &Graph, after: &Graph) -> Changes {
    phoenix_graph::compare(before, after, replaces)
}

/// Whether the provider deletes and creates the object when the field at `path` (`spec.serviceName`) changes.
///
/// The fields are those of pulumi-kubernetes 4.25 with `enableSecretMutable` and `enableConfigMapMutable` set, as in the
/// provider that the program registers.
pub fn replaces(id: &Id, path: &str) -> bool {
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
        // Another cluster: the provider deletes everything in the old cluster and creates it in the new one.
        ("", "Namespace") => &["metadata.annotations[\"phoenix.ai/cluster\"]"],
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

#[cfg(test)]
mod tests {
    use phoenix_graph::Object;
    use serde_json::json;

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

    #[test]
    fn another_cluster_replaces_the_namespace() {
        let namespace = |cluster: &str| {
            let mut graph = Graph::of("tests");
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "annotations": {"phoenix.ai/cluster": cluster}}});
            graph.add(Object::from_json("tests", body).unwrap());
            graph
        };
        let losses = compare(&namespace("one"), &namespace("two")).losses();
        assert!(losses[0].why.contains("phoenix.ai/cluster"), "{}", losses[0].why);
    }
}
