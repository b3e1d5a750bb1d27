//! The platform's namespace with its bounds, and its neighbours where nobody else creates them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, ResourceQuota, ResourceQuotaSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use phoenix_graph::Graph;

use crate::config::{self, Cluster, Mesh, Phase};
use crate::names::{self, Shared};
use crate::parts::metadata::{self, annotate, label};

/// The system's name.
const SYSTEM: &str = "namespace";

/// The namespace, its quota and its defaults.
pub fn build(
    config: &config::Namespace,
    cluster: &Cluster,
    migration: Option<Phase>,
    shared: Shared<'_>,
) -> Graph {
    let mesh = &cluster.mesh;
    let mut graph = Graph::of(SYSTEM);
    // Deleting the namespace would take the claims in it along, retained or not; so it stays with them.
    graph
        .insert(memory(cluster, migration))
        .protect(shared.protect)
        .retain_on_delete(shared.retain);
    graph.insert(quota(&config.quota));
    graph.insert(defaults());
    for (name, managed) in [(names::AI, config.manage_ai), (names::MCP, config.manage_mcp)] {
        if managed {
            // Other teams put their objects there; deleting the stack must not delete those.
            graph.insert(neighbour(name, mesh)).retain_on_delete(true);
        }
    }
    graph
}

fn memory(cluster: &Cluster, migration: Option<Phase>) -> Namespace {
    let mut metadata = neighbour(names::MEMORY, &cluster.mesh).metadata;
    // Says so where it can be seen in a comparison: another cluster means that everything is made anew.
    annotate(&mut metadata, "phoenix.ai/cluster", &cluster.identifier);
    if let Some(phase) = migration {
        // What a cluster has reached, so that doctor can tell a step from a leap.
        annotate(&mut metadata, names::MIGRATION_PHASE, phase.as_str());
    }
    label(&mut metadata, "phoenix.ai/tier", "memory");
    label(&mut metadata, "phoenix.ai/compliance", "enterprise");
    label(&mut metadata, names::DATA_CLASSIFICATION, "restricted");
    // The strictest level. Injected pods pass it only where the mesh sets up its redirection by istio-cni
    // (https://istio.io/latest/docs/ops/deployment/application-requirements/), which the stack assumes.
    for mode in ["enforce", "audit", "warn"] {
        label(
            &mut metadata,
            &format!("pod-security.kubernetes.io/{mode}"),
            "restricted",
        );
    }
    Namespace {
        metadata,
        ..Default::default()
    }
}

fn neighbour(name: &str, mesh: &Mesh) -> Namespace {
    let mut metadata = metadata::of_cluster(SYSTEM, name);
    label(&mut metadata, "name", name);
    label(&mut metadata, names::DATA_CLASSIFICATION, "internal");
    match &mesh.revision {
        Some(revision) => label(&mut metadata, "istio.io/rev", revision.as_str()),
        None => label(&mut metadata, "istio-injection", "enabled"),
    }
    Namespace {
        metadata,
        ..Default::default()
    }
}

fn quota(config: &config::Quota) -> ResourceQuota {
    ResourceQuota {
        metadata: metadata::in_memory(SYSTEM, "memory-quota"),
        spec: Some(ResourceQuotaSpec {
            hard: Some(BTreeMap::from([
                ("requests.cpu".to_owned(), config.requests.cpu.to_kubernetes()),
                (
                    "requests.memory".to_owned(),
                    config.requests.memory.to_kubernetes(),
                ),
                ("limits.cpu".to_owned(), config.limits.cpu.to_kubernetes()),
                ("limits.memory".to_owned(), config.limits.memory.to_kubernetes()),
                ("pods".to_owned(), Quantity(config.pods.to_string())),
                // A schedule that went wild would otherwise fill the API server with Jobs.
                ("count/jobs.batch".to_owned(), Quantity(config.jobs.to_string())),
                ("requests.storage".to_owned(), config.storage.to_kubernetes()),
            ])),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// What a container gets that says nothing. Of processor time and memory ours all say something; a person's debugging
/// pod may not, and the quota would refuse it. Of the node's own disk nobody says anything: logs and scratch folders are
/// small, and what fills the disk of a node takes its neighbours along.
fn defaults() -> LimitRange {
    let amounts = |cpu: &str, memory: &str, disk: &str| {
        Some(BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
            ("ephemeral-storage".to_owned(), Quantity(disk.to_owned())),
        ]))
    };
    LimitRange {
        metadata: metadata::in_memory(SYSTEM, "memory-defaults"),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".to_owned(),
                default_request: amounts("50m", "64Mi", "64Mi"),
                default: amounts("500m", "256Mi", "2Gi"),
                ..Default::default()
            }],
        }),
    }
}
