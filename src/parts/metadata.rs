//! Names and labels of objects.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use sha2::{Digest, Sha256};

use crate::names::{self, Workload};

/// Labels, sorted as the Kubernetes API keeps them.
pub type Labels = BTreeMap<String, String>;

/// Metadata of an object of `system` in the platform's own namespace.
pub fn memory_meta(system: &str, name: &str) -> ObjectMeta {
    in_namespace(system, names::MEMORY, name)
}

/// Metadata of an object of `system` in a namespace, which another team may manage.
pub fn in_namespace(system: &str, namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        ..cluster_scoped(system, name)
    }
}

/// Metadata of a cluster-scoped object of `system`.
pub fn cluster_scoped(system: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(labels(system)),
        // Without it, the provider chooses a random field manager each time it creates an object. An object created
        // just before a crash could then never be changed again without a conflict.
        annotations: Some(string_map([("pulumi.com/patchFieldManager", "phoenix")])),
        ..Default::default()
    }
}

/// Metadata of a workload or its Service: the labels are those of its pods.
pub fn workload_meta(workload: Workload, name: &str) -> ObjectMeta {
    let mut metadata = in_namespace(workload.system, workload.namespace, name);
    metadata.labels = Some(pod_labels(workload));
    metadata
}

/// The labels of every object of a system.
pub fn labels(system: &str) -> Labels {
    string_map([
        ("app.kubernetes.io/name", system),
        ("app.kubernetes.io/part-of", "phoenix"),
        ("app.kubernetes.io/managed-by", "pulumi"),
    ])
}

/// The labels of a workload's pods.
pub fn pod_labels(workload: Workload) -> Labels {
    let mut labels = labels(workload.system);
    labels.insert("app".to_owned(), workload.app.to_owned());
    labels
}

/// Selects the pods of a workload. It uses one label, because a selector is immutable.
pub fn selector(workload: Workload) -> LabelSelector {
    LabelSelector {
        match_labels: Some(string_map([("app", workload.app)])),
        ..Default::default()
    }
}

/// Adds a label.
pub fn label(metadata: &mut ObjectMeta, key: &str, value: &str) {
    metadata
        .labels
        .get_or_insert_default()
        .insert(key.to_owned(), value.to_owned());
}

/// Adds an annotation.
pub fn annotate(metadata: &mut ObjectMeta, key: &str, value: &str) {
    metadata
        .annotations
        .get_or_insert_default()
        .insert(key.to_owned(), value.to_owned());
}

/// A short checksum of some texts. Pods annotated with it are replaced when their files change.
pub fn checksum(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text);
    }
    let digest = digest.finalize();
    let start = digest.first_chunk().expect("a digest has 32 bytes");
    format!("sha256-{:016x}", u64::from_be_bytes(*start))
}

/// A map of strings.
pub fn string_map<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
