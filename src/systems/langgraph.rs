//! The LangGraph server, tier L5: workflows and behavioral memory.
//!
//! The image contains a team's own workflows. `docs/langgraph-image.md` is its contract, and this module relies only
//! on it.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::Graph;

use crate::config::{self, LanggraphWorkflow, StackOptions, secret};
use crate::names::{LANGGRAPH, LANGGRAPH_KEYS, LANGGRAPH_PORT, LANGGRAPH_REDIS_USER, REDIS, REDIS_PORT};
use crate::parts::availability::{self, Spread, UnhealthyPodEviction};
use crate::parts::{container, identity, metadata, service};

/// Builds the server's Deployment, Service, budget and autoscaler.
pub fn build(config: &config::Langgraph, tier: &LanggraphWorkflow, options: StackOptions<'_>) -> Graph {
    let mut graph = Graph::of(LANGGRAPH.system);
    graph.insert(identity::service_account(LANGGRAPH));
    graph.insert(service::cluster_ip(LANGGRAPH, &[LANGGRAPH_PORT]));
    graph.insert(deployment(config, tier, options));
    if let Some(budget) =
        availability::disruption_budget(LANGGRAPH, config.scale.least(), UnhealthyPodEviction::AlwaysAllow)
    {
        graph.insert(budget);
    }
    graph.insert(availability::autoscaler(LANGGRAPH, config.scale));
    graph
}

fn deployment(config: &config::Langgraph, tier: &LanggraphWorkflow, options: StackOptions<'_>) -> Deployment {
    Deployment {
        metadata: metadata::workload_meta(LANGGRAPH, LANGGRAPH.name),
        spec: Some(DeploymentSpec {
            // The autoscaler always owns the number: `docs/decisions/0007-always-create-an-autoscaler.md`.
            replicas: None,
            selector: metadata::selector(LANGGRAPH),
            strategy: Some(availability::surge_one()),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(metadata::pod_labels(LANGGRAPH)),
                    ..Default::default()
                }),
                spec: Some(pod(config, tier, options)),
            },
            min_ready_seconds: Some(availability::MIN_READY_SECONDS),
            revision_history_limit: Some(5),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn pod(config: &config::Langgraph, tier: &LanggraphWorkflow, options: StackOptions<'_>) -> PodSpec {
    PodSpec {
        service_account_name: Some(LANGGRAPH.service_account.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        security_context: Some(container::pod_security(1000, 1000)),
        containers: vec![server(config, tier, options)],
        volumes: Some(vec![container::scratch("tmp", "256Mi")]),
        topology_spread_constraints: Some(availability::spread(LANGGRAPH, Spread::Preferred)),
        // An interrupted run resumes elsewhere from its last step; most runs finish within a minute.
        termination_grace_period_seconds: Some(90),
        ..Default::default()
    }
}

fn server(config: &config::Langgraph, tier: &LanggraphWorkflow, options: StackOptions<'_>) -> Container {
    let mut env = vec![
        container::secret_variable("POSTGRES_URI", &secret::LANGGRAPH_POSTGRES_CONNECTION_STRING),
        container::secret_variable("REDIS_PASSWORD", &secret::LANGGRAPH_REDIS_PASSWORD),
        // Kubernetes expands the password when the container starts. Its format is safe in a URL without escaping.
        container::expanded_variable(
            "REDIS_URI",
            format!(
                "redis://{LANGGRAPH_REDIS_USER}:$(REDIS_PASSWORD)@{}:{}/0",
                REDIS.service(),
                REDIS_PORT.number
            ),
        ),
        // The user has access to these keys only.
        container::variable("REDIS_KEY_PREFIX", LANGGRAPH_KEYS),
        container::variable("PORT", LANGGRAPH_PORT.number.to_string()),
        container::variable("MAX_WORKFLOW_HISTORY", tier.max_workflow_history.to_string()),
        container::variable("LATENCY_BUDGET_MS", tier.latency_ms.to_string()),
        container::variable("ENVIRONMENT", options.environment),
        // Workflows contain personal data, which must not be sent to the vendor's tracing service.
        container::variable("LANGSMITH_TRACING", "false"),
        container::variable("LANGGRAPH_CLI_NO_ANALYTICS", "1"),
        container::variable("HOME", "/tmp"),
    ];
    if config.license {
        env.push(container::secret_variable(
            "LANGGRAPH_CLOUD_LICENSE_KEY",
            &secret::LANGGRAPH_LICENSE_KEY,
        ));
    }
    Container {
        name: "langgraph".to_owned(),
        image: Some(config.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        ports: Some(vec![container::port(LANGGRAPH_PORT)]),
        env: Some(env),
        resources: Some(container::resources(&config.resources, 0)),
        volume_mounts: Some(vec![container::mount("tmp", "/tmp")]),
        // Three minutes: the first pod of a new version migrates the tables.
        startup_probe: Some(container::http_probe("/ok", LANGGRAPH_PORT, 5, 36)),
        readiness_probe: Some(container::http_probe("/ok", LANGGRAPH_PORT, 5, 3)),
        liveness_probe: Some(container::http_probe("/ok", LANGGRAPH_PORT, 10, 6)),
        lifecycle: Some(container::stop_after(5)),
        security_context: Some(container::security()),
        ..Default::default()
    }
}
