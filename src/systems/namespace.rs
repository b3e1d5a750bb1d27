//! The platform's namespace with its quota, and the neighboring namespaces that no other team creates.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, ResourceQuota, ResourceQuotaSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use phoenix_graph::Graph;

use crate::config::{self, Cluster, Mesh, Phase, StackOptions};
use crate::names::{self};
use crate::parts::metadata::{self, annotate, label};

/// The system's name.
const SYSTEM: &str = "namespace";

/// Builds the namespace, its quota and its defaults.
pub fn build(
    config: &config::Namespace,
    cluster: &Cluster,
    migration: Option<Phase>,
    largest: &config::Amounts,
    options: StackOptions<'_>,
) -> Graph {
    let mesh = &cluster.mesh;
    let mut graph = Graph::of(SYSTEM);
    // Deleting the namespace would delete the claims in it, retained or not, so it is retained with them.
    graph
        .insert(memory(cluster, migration))
        .protect(options.protect)
        .retain_on_delete(options.retain);
    graph.insert(quota(&config.quota));
    graph.insert(limits(largest));
    for (name, managed) in [(names::AI, config.manage_ai), (names::MCP, config.manage_mcp)] {
        if managed {
            // Other teams deploy objects there; deleting the stack must not delete them.
            graph.insert(cluster_peer(name, mesh)).retain_on_delete(true);
        }
    }
    graph
}

fn memory(cluster: &Cluster, migration: Option<Phase>) -> Namespace {
    let mut metadata = cluster_peer(names::MEMORY, &cluster.mesh).metadata;
    // Makes the cluster visible in a comparison: another cluster means that every object is created again.
    annotate(&mut metadata, "phoenix.ai/cluster", &cluster.identifier);
    if let Some(phase) = migration {
        // The migration phase that the cluster has reached, so that doctor can detect a skipped phase.
        annotate(&mut metadata, names::MIGRATION_PHASE, phase.as_str());
    }
    label(&mut metadata, "phoenix.ai/tier", "memory");
    label(&mut metadata, "phoenix.ai/compliance", "enterprise");
    label(&mut metadata, names::DATA_CLASSIFICATION, "restricted");
    // The strictest level. Pods with injected sidecars meet it only if the mesh sets up traffic redirection with
    // istio-cni (https://istio.io/latest/docs/ops/deployment/application-requirements/), which the stack requires.
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

fn cluster_peer(name: &str, mesh: &Mesh) -> Namespace {
    let mut metadata = metadata::cluster_scoped(SYSTEM, name);
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
        metadata: metadata::memory_meta(SYSTEM, "memory-quota"),
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
                // Without a limit, a wrong schedule could fill the API server with Jobs.
                ("count/jobs.batch".to_owned(), Quantity(config.jobs.to_string())),
                ("requests.storage".to_owned(), config.storage.to_kubernetes()),
                // The platform is reached through the mesh only.
                ("services.loadbalancers".to_owned(), Quantity("0".to_owned())),
                ("services.nodeports".to_owned(), Quantity("0".to_owned())),
            ])),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The default and the largest amounts of a container. No single container can be larger than those of the platform; the
/// quota limits their sum.
///
/// The defaults are for containers that set nothing. All containers of the platform set CPU and memory, but an operator's
/// debug pod may not, and the quota would reject it. No container sets ephemeral storage: logs and scratch
/// directories are small, and a full disk of a node affects all of its pods.
fn limits(largest: &config::Amounts) -> LimitRange {
    // A sidecar with the limits of the mesh's installation must fit too.
    let at_least = |amount: &config::Quantity, least: &str| {
        let least = config::Quantity::parse(least).expect("the constants are quantities");
        amount.clone().max(least).to_kubernetes()
    };
    let amounts = |cpu: &str, memory: &str, disk: &str| {
        Some(BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
            ("ephemeral-storage".to_owned(), Quantity(disk.to_owned())),
        ]))
    };
    LimitRange {
        metadata: metadata::memory_meta(SYSTEM, "memory-defaults"),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".to_owned(),
                default_request: amounts("50m", "64Mi", "64Mi"),
                default: amounts("500m", "256Mi", "2Gi"),
                max: Some(BTreeMap::from([
                    ("cpu".to_owned(), at_least(&largest.cpu, "2")),
                    ("memory".to_owned(), at_least(&largest.memory, "1Gi")),
                ])),
                ..Default::default()
            }],
        }),
    }
}
