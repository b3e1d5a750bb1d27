//! Settings that every pod receives because of its cluster.

use k8s_openapi::api::core::v1::LocalObjectReference;
use phoenix_graph::Object;

use crate::config::Cluster;

/// Sets `priorityClassName` and `imagePullSecrets` on the pod template.
pub fn apply(object: &mut Object, cluster: &Cluster) {
    let classes = &cluster.priority_classes;
    let class = match object.id.kind.as_str() {
        "StatefulSet" => &classes.stores,
        "Deployment" => &classes.servers,
        "CronJob" => &classes.jobs,
        // No other kind in the graph has a pod template.
        _ => return,
    };
    if class.is_none() && cluster.image_pull_secrets.is_empty() {
        return;
    }
    object.edit_pods(|pod| {
        pod.priority_class_name = class.as_ref().map(ToString::to_string);
        let secrets = cluster
            .image_pull_secrets
            .iter()
            .map(|name| LocalObjectReference {
                name: name.to_string(),
            });
        pod.image_pull_secrets = (!cluster.image_pull_secrets.is_empty()).then(|| secrets.collect());
    });
}
