//! The OpenMemory MCP server: persistent memory, tier L3.
//!
//! Upstream removed the server, so each team builds its own image. `docs/openmemory-image.md` is its contract, and
//! this module relies only on it.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{
    Container, PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, Service,
    ServicePort, ServiceSpec, Toleration, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use phoenix_graph::Graph;

use crate::config::{self, Accelerator, StackOptions, secret};
use crate::names::{self, MCP_PORT, MEMORY_CLAIM, OPENMEMORY, QDRANT, QDRANT_HTTP};
use crate::parts::availability::{self, Spread, UnhealthyPodEviction};
use crate::parts::metadata::{self, annotate, label, string_map};
use crate::parts::storage::{self, Access};
use crate::parts::{container, identity};

/// Builds OpenMemory's Deployment, Service, claim, budget and autoscaler.
pub fn build(config: &config::OpenMemory, options: StackOptions<'_>) -> Graph {
    let mut graph = Graph::of(OPENMEMORY.system);
    graph.insert(service_account(config));
    graph
        .insert(claim(config))
        .protect(options.protect)
        .retain_on_delete(options.retain);
    graph.insert(service());
    graph.insert(deployment(config, options));
    if let Some(budget) = availability::disruption_budget(
        OPENMEMORY,
        config.scale.least(),
        UnhealthyPodEviction::AlwaysAllow,
    ) {
        graph.insert(budget);
    }
    graph.insert(availability::autoscaler(OPENMEMORY, config.scale));
    graph
}

fn service_account(config: &config::OpenMemory) -> k8s_openapi::api::core::v1::ServiceAccount {
    let mut account = identity::service_account(OPENMEMORY);
    if let Some(role) = &config.cloud_role {
        annotate(&mut account.metadata, "eks.amazonaws.com/role-arn", role.as_str());
    }
    account
}

fn claim(config: &config::OpenMemory) -> PersistentVolumeClaim {
    let mut metadata = metadata::workload_meta(OPENMEMORY, MEMORY_CLAIM);
    label(&mut metadata, names::DATA_CLASSIFICATION, "restricted");
    // Otherwise the provider would wait for a claim that is already bound, because it was retained or on a second
    // `up`, to be pending again.
    annotate(&mut metadata, "pulumi.com/skipAwait", "true");
    let access = if config.storage.shared {
        Access::Shared
    } else {
        Access::Exclusive
    };
    PersistentVolumeClaim {
        metadata,
        spec: Some(storage::claim(&config.storage.volume, access)),
        ..Default::default()
    }
}

fn service() -> Service {
    let mut metadata = metadata::workload_meta(OPENMEMORY, OPENMEMORY.service());
    // The Service does not wait for its pods; the Deployment does.
    annotate(&mut metadata, "pulumi.com/skipAwait", "true");
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(string_map([("app", OPENMEMORY.app)])),
            ports: Some(vec![ServicePort {
                name: Some(MCP_PORT.name.to_owned()),
                protocol: Some("TCP".to_owned()),
                // The name does not declare the protocol to the mesh; this does.
                app_protocol: Some(MCP_PORT.protocol.to_owned()),
                port: MCP_PORT.number(),
                target_port: Some(IntOrString::Int(MCP_PORT.number())),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn deployment(config: &config::OpenMemory, options: StackOptions<'_>) -> Deployment {
    let mut metadata = metadata::workload_meta(OPENMEMORY, OPENMEMORY.name);
    label(&mut metadata, "phoenix.ai/component", "persistent-memory");
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            // The autoscaler always owns the number: `docs/decisions/0007-always-create-an-autoscaler.md`.
            replicas: None,
            selector: metadata::selector(OPENMEMORY),
            strategy: Some(strategy(config)),
            template: PodTemplateSpec {
                metadata: Some(pod_metadata()),
                spec: Some(pod(config, options)),
            },
            min_ready_seconds: Some(availability::MIN_READY_SECONDS),
            revision_history_limit: Some(5),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn strategy(config: &config::OpenMemory) -> DeploymentStrategy {
    if config.storage.shared {
        availability::surge_one()
    } else {
        // The volume can be attached to one node at a time, so the old pod has to stop first.
        DeploymentStrategy {
            type_: Some("Recreate".to_owned()),
            ..Default::default()
        }
    }
}

fn pod_metadata() -> ObjectMeta {
    let mut labels = metadata::pod_labels(OPENMEMORY);
    labels.insert("phoenix.ai/component".to_owned(), "persistent-memory".to_owned());
    ObjectMeta {
        labels: Some(labels),
        ..Default::default()
    }
}

fn pod(config: &config::OpenMemory, options: StackOptions<'_>) -> PodSpec {
    PodSpec {
        service_account_name: Some(OPENMEMORY.service_account.to_owned()),
        automount_service_account_token: Some(false),
        // The ids of the source document; the image runs as this user.
        security_context: Some(container::pod_security(1000, 2000)),
        containers: vec![server(config, options)],
        volumes: Some(vec![
            Volume {
                name: "memory-storage".to_owned(),
                persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                    claim_name: MEMORY_CLAIM.to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            },
            container::scratch("tmp", "256Mi"),
        ]),
        node_selector: config.accelerator.as_ref().map(|accelerator| {
            let (label, product) = &accelerator.label;
            string_map([(label, product.as_str())])
        }),
        tolerations: config
            .accelerator
            .as_ref()
            .map(|accelerator| vec![toleration(accelerator)]),
        topology_spread_constraints: Some(availability::spread(OPENMEMORY, Spread::Preferred)),
        // Five seconds until endpoints are updated, then the longest request that a client waits for.
        termination_grace_period_seconds: Some(45),
        ..Default::default()
    }
}

fn toleration(accelerator: &Accelerator) -> Toleration {
    let (key, value) = accelerator.taint;
    Toleration {
        key: Some(key.to_owned()),
        operator: Some("Equal".to_owned()),
        value: Some(value.to_owned()),
        effect: Some("NoSchedule".to_owned()),
        ..Default::default()
    }
}

fn server(config: &config::OpenMemory, options: StackOptions<'_>) -> Container {
    let accelerators = config
        .accelerator
        .as_ref()
        .map_or(0, |accelerator| accelerator.count);
    Container {
        name: "openmemory-api".to_owned(),
        image: Some(config.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        ports: Some(vec![container::port(MCP_PORT)]),
        env: Some(vec![
            container::secret_variable("OPENAI_API_KEY", &secret::OPENAI_API_KEY),
            container::secret_variable("DATABASE_URL", &secret::POSTGRES_CONNECTION_STRING),
            container::secret_variable("MEM0_ENCRYPTION_KEY", &secret::MEM0_ENCRYPTION_KEY),
            container::variable(
                "QDRANT_URL",
                format!("http://{}:{}", QDRANT.service(), QDRANT_HTTP.number),
            ),
            // The variable that the last upstream server reads instead of the URL above.
            container::variable("QDRANT_HOST", QDRANT.service()),
            container::variable("QDRANT_PORT", QDRANT_HTTP.number.to_string()),
            container::secret_variable("QDRANT_API_KEY", &secret::QDRANT_API_KEY),
            container::variable("MCP_SERVER_PORT", MCP_PORT.number.to_string()),
            container::variable("ENVIRONMENT", options.environment),
            // Telemetry, which upstream enables by default.
            container::variable("MEM0_TELEMETRY", "false"),
            // The root filesystem is read-only; files that libraries write to the home directory are discarded with
            // the pod.
            container::variable("HOME", "/tmp"),
        ]),
        resources: Some(container::resources(&config.resources, accelerators)),
        volume_mounts: Some(vec![
            container::mount("memory-storage", "/app/memory"),
            container::mount("tmp", "/tmp"),
        ]),
        // Two minutes to start; only then do the other probes begin.
        startup_probe: Some(container::http_probe("/health", MCP_PORT, 5, 24)),
        readiness_probe: Some(k8s_openapi::api::core::v1::Probe {
            initial_delay_seconds: Some(10),
            ..container::http_probe("/health", MCP_PORT, 5, 3)
        }),
        liveness_probe: Some(k8s_openapi::api::core::v1::Probe {
            initial_delay_seconds: Some(30),
            ..container::http_probe("/health", MCP_PORT, 10, 6)
        }),
        lifecycle: Some(container::stop_after(5)),
        security_context: Some(container::security()),
        ..Default::default()
    }
}
