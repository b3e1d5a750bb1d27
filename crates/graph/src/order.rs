//! The order in which a cluster accepts the objects of a graph.
//!
//! Objects are sorted by kind: namespaces, policies, objects that pods refer to, workloads, and objects that refer to
//! workloads; within a kind by namespace and name. References between objects of one graph never point to a later kind.

use crate::Object;

/// Kinds in the order in which they are applied; all other kinds are applied between the two halves.
const FIRST: [&str; 16] = [
    "Namespace",
    "CustomResourceDefinition",
    "StorageClass",
    "PriorityClass",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "PeerAuthentication",
    "AuthorizationPolicy",
    "ServiceAccount",
    "Secret",
    "SecretStore",
    "ExternalSecret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Service",
];
const LAST: [&str; 7] = [
    "DaemonSet",
    "Deployment",
    "StatefulSet",
    "Job",
    "CronJob",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
];

pub(crate) fn apply_order<'a>(objects: impl Iterator<Item = &'a Object>) -> Vec<&'a Object> {
    let mut objects: Vec<_> = objects.collect();
    objects.sort_by_key(|object| {
        (
            rank(&object.id.kind),
            &object.id.kind,
            &object.id.namespace,
            &object.id.name,
        )
    });
    objects
}

fn rank(kind: &str) -> usize {
    if let Some(rank) = FIRST.iter().position(|first| *first == kind) {
        rank
    } else if let Some(rank) = LAST.iter().position(|last| *last == kind) {
        FIRST.len() + 1 + rank
    } else {
        FIRST.len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Graph, Object};

    #[test]
    fn a_namespace_comes_first_and_an_autoscaler_last() {
        let mut graph = Graph::of("tests");
        for (api_version, kind) in [
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("apps/v1", "Deployment"),
            ("networking.istio.io/v1", "VirtualService"),
            ("v1", "Secret"),
            ("v1", "Namespace"),
        ] {
            let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
            graph.add(Object::from_json("tests", body).unwrap());
        }
        let kinds: Vec<_> = graph
            .in_apply_order()
            .iter()
            .map(|object| object.id.kind.clone())
            .collect();
        assert_eq!(
            kinds,
            [
                "Namespace",
                "Secret",
                "VirtualService",
                "Deployment",
                "HorizontalPodAutoscaler"
            ]
        );
    }
}
