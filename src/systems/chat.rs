//! The unified chat, which queries all five tiers: Snowflake first, and Mem0 to enhance the answer.
//!
//! Its namespace may be managed by another team. This module affects only its own pods and relies on nothing that is
//! configured there. `docs/chat-image.md` is the contract of its image.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, EnvVar, PodSpec, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::Graph;

use crate::config::{self, External, Mem0Use, Mesh, Snowflake, StackOptions, Tiers, secret};
use crate::names::{
    BOLT, CHAT, CHAT_PORT, KNOWLEDGE_GRAPH, LANGGRAPH, LANGGRAPH_PORT, MCP_CONFIG, MCP_FILE, MCP_PORT,
    OPENMEMORY, Port, REDIS, REDIS_PORT, REDIS_USER, Workload,
};
use crate::parts::availability::{self, Spread, UnhealthyPodEviction};
use crate::parts::container::{expanded_variable, secret_variable, variable};
use crate::parts::{container, identity, metadata, service, snowflake};

/// The path of the MCP configuration in the container.
const CONFIG_FOLDER: &str = "/etc/phoenix";

/// The confidence that the source document assigns to the primary source and to the enhancing one.
const SNOWFLAKE_CONFIDENCE: &str = "0.95";
const MEM0_CONFIDENCE: &str = "0.85";

/// The dependencies of the chat.
#[derive(Clone, Copy, Debug)]
pub struct Dependencies<'a> {
    /// The five tiers.
    pub tiers: &'a Tiers,
    /// Its primary source.
    pub snowflake: &'a Snowflake,
    /// The tiers that the stack provides.
    pub workloads: &'a [Workload],
    /// The mesh that it joins, independent of the labels of its namespace.
    pub mesh: &'a Mesh,
}

/// Builds the chat's Deployment, Service, budget and autoscaler.
pub fn build(config: &config::Chat, dependencies: Dependencies<'_>, options: StackOptions<'_>) -> Graph {
    let mut graph = Graph::of(CHAT.system);
    graph.insert(identity::service_account(CHAT));
    graph.insert(service::cluster_ip(CHAT, &[CHAT_PORT]));
    graph.insert(deployment(config, dependencies, options));
    if let Some(budget) =
        availability::disruption_budget(CHAT, config.scale.least(), UnhealthyPodEviction::AlwaysAllow)
    {
        graph.insert(budget);
    }
    graph.insert(availability::autoscaler(CHAT, config.scale));
    graph
}

fn deployment(
    config: &config::Chat,
    dependencies: Dependencies<'_>,
    options: StackOptions<'_>,
) -> Deployment {
    Deployment {
        metadata: metadata::workload_meta(CHAT, CHAT.name),
        spec: Some(DeploymentSpec {
            // The autoscaler always owns the number: `docs/decisions/0007-always-create-an-autoscaler.md`.
            replicas: None,
            selector: metadata::selector(CHAT),
            strategy: Some(availability::surge_one()),
            template: PodTemplateSpec {
                metadata: Some(pod_metadata(dependencies.mesh)),
                spec: Some(pod(config, dependencies, options)),
            },
            min_ready_seconds: Some(availability::MIN_READY_SECONDS),
            revision_history_limit: Some(5),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Without a sidecar no other workload would accept the chat, and its namespace may not enable injection.
fn pod_metadata(mesh: &Mesh) -> ObjectMeta {
    let mut labels = metadata::pod_labels(CHAT);
    labels.insert("sidecar.istio.io/inject".to_owned(), "true".to_owned());
    if let Some(revision) = &mesh.revision {
        labels.insert("istio.io/rev".to_owned(), revision.to_string());
    }
    ObjectMeta {
        labels: Some(labels),
        ..Default::default()
    }
}

fn pod(config: &config::Chat, dependencies: Dependencies<'_>, options: StackOptions<'_>) -> PodSpec {
    PodSpec {
        service_account_name: Some(CHAT.service_account.to_owned()),
        automount_service_account_token: Some(false),
        // The namespace contains Services of other teams.
        enable_service_links: Some(false),
        security_context: Some(container::pod_security(1000, 1000)),
        containers: vec![server(config, dependencies, options)],
        volumes: Some(vec![
            Volume {
                name: "mcp-config".to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: MCP_CONFIG.to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            },
            container::scratch("tmp", "256Mi"),
        ]),
        topology_spread_constraints: Some(availability::spread(CHAT, Spread::Preferred)),
        // Five seconds until endpoints are updated, then the longest answer in progress.
        termination_grace_period_seconds: Some(60),
        ..Default::default()
    }
}

fn server(config: &config::Chat, dependencies: Dependencies<'_>, options: StackOptions<'_>) -> Container {
    Container {
        name: "chat".to_owned(),
        image: Some(config.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        ports: Some(vec![container::port(CHAT_PORT)]),
        env: Some(variables(config, dependencies, options)),
        resources: Some(container::resources(&config.resources, 0)),
        volume_mounts: Some(vec![
            container::read_only_mount("mcp-config", CONFIG_FOLDER),
            container::mount("tmp", "/tmp"),
        ]),
        // Two minutes to start; only then do the other probes begin.
        startup_probe: Some(container::http_probe("/health", CHAT_PORT, 5, 24)),
        readiness_probe: Some(container::http_probe("/health", CHAT_PORT, 5, 3)),
        liveness_probe: Some(container::http_probe("/health", CHAT_PORT, 10, 6)),
        lifecycle: Some(container::stop_after(5)),
        security_context: Some(container::security()),
        ..Default::default()
    }
}

/// The tiers in query order, each with its limits, then the chat itself.
fn variables(
    config: &config::Chat,
    dependencies: Dependencies<'_>,
    options: StackOptions<'_>,
) -> Vec<EnvVar> {
    let tiers = dependencies.tiers;
    let mut variables = Vec::new();
    let cache = &tiers.session_cache;
    // The password of the server that provides the tier.
    variables.push(secret_variable("REDIS_PASSWORD", &secret::REDIS_PASSWORD));
    if let Some(address) = dependencies.address(REDIS, REDIS_PORT, cache.external.as_ref()) {
        variables.push(expanded_variable(
            "REDIS_URL",
            format!("redis://{REDIS_USER}:$(REDIS_PASSWORD)@{address}/0"),
        ));
    }
    variables.push(number("SESSION_CACHE_TTL_SECONDS", cache.ttl_seconds));
    variables.push(number("SESSION_CACHE_LATENCY_BUDGET_MS", cache.latency_ms));

    variables.extend(snowflake::variables(
        dependencies.snowflake,
        &tiers.snowflake_cortex,
    ));
    variables.push(number("SNOWFLAKE_SEARCH_LIMIT", config.snowflake_limit));
    variables.push(variable("SNOWFLAKE_CONFIDENCE", SNOWFLAKE_CONFIDENCE));
    variables.push(number(
        "SNOWFLAKE_LATENCY_BUDGET_MS",
        tiers.snowflake_cortex.latency_ms,
    ));
    variables.push(variable("PRIMARY_SOURCE", "snowflake_cortex"));

    variables.push(variable("MEM0_MODE", config.mem0.as_str()));
    if config.mem0 != Mem0Use::Off {
        variables.push(variable(
            "MEM0_URL",
            format!("http://{}:{}", OPENMEMORY.host(), MCP_PORT.number),
        ));
        variables.push(number("MEM0_SEARCH_LIMIT", config.mem0_limit));
        variables.push(variable("MEM0_CONFIDENCE", MEM0_CONFIDENCE));
        variables.push(number("MEM0_LATENCY_BUDGET_MS", tiers.mem0_persistent.latency_ms));
        // An answer without Mem0's memories is less complete, but still useful.
        variables.push(variable("MEM0_ON_FAILURE", "continue"));
    }

    let knowledge = &tiers.knowledge_graph;
    variables.push(variable("NEO4J_USERNAME", "neo4j"));
    variables.push(secret_variable("NEO4J_PASSWORD", &secret::NEO4J_PASSWORD));
    if let Some(address) = dependencies.address(KNOWLEDGE_GRAPH, BOLT, knowledge.external.as_ref()) {
        variables.push(variable("NEO4J_URI", format!("bolt://{address}")));
    }
    variables.push(number(
        "KNOWLEDGE_GRAPH_MAX_RELATIONSHIPS",
        knowledge.max_relationships,
    ));
    variables.push(number("KNOWLEDGE_GRAPH_LATENCY_BUDGET_MS", knowledge.latency_ms));

    let workflow = &tiers.langgraph_workflow;
    if let Some(address) = dependencies.address(LANGGRAPH, LANGGRAPH_PORT, workflow.external.as_ref()) {
        variables.push(variable("LANGGRAPH_URL", format!("http://{address}")));
    }
    variables.push(number(
        "LANGGRAPH_MAX_WORKFLOW_HISTORY",
        workflow.max_workflow_history,
    ));
    variables.push(number("LANGGRAPH_LATENCY_BUDGET_MS", workflow.latency_ms));

    variables.push(variable("SYNTHESIS_STRATEGY", "snowflake_primary_mem0_enhanced"));
    variables.push(number("LATENCY_BUDGET_MS", config.latency_ms));
    variables.push(variable("MCP_CONFIG_FILE", format!("{CONFIG_FOLDER}/{MCP_FILE}")));
    variables.push(variable("PORT", CHAT_PORT.number.to_string()));
    variables.push(variable("ENVIRONMENT", options.environment));
    // Telemetry of the Mem0 library, which is enabled by default.
    variables.push(variable("MEM0_TELEMETRY", "false"));
    variables.push(variable("HOME", "/tmp"));
    variables
}

impl Dependencies<'_> {
    /// The address of a tier: in the stack, or external.
    fn address(self, workload: Workload, port: Port, external: Option<&External>) -> Option<String> {
        if self.workloads.contains(&workload) {
            return Some(format!("{}:{}", workload.host(), port.number));
        }
        external.map(|external| format!("{}:{}", external.host, external.port))
    }
}

fn number(name: &str, number: u32) -> EnvVar {
    variable(name, number.to_string())
}
