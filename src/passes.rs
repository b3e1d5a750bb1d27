//! Passes over the finished graph: settings that every object receives, so that no system can omit them.

mod adoption;
mod cluster_defaults;
mod deletion_annotation;
mod dns_capture;
mod restart_on_secret_change;

use phoenix_graph::Graph;

use crate::config::StackConfig;

/// Applies all passes to every object.
pub fn apply(graph: &mut Graph, config: &StackConfig) {
    let needed = config.secrets_needed();
    for object in graph.objects_mut() {
        restart_on_secret_change::apply(object, &needed, &config.secrets);
        cluster_defaults::apply(object, &config.cluster);
        deletion_annotation::apply(object);
        dns_capture::apply(object, &config.cluster.mesh);
        adoption::apply(object, &config.adopt);
    }
}
