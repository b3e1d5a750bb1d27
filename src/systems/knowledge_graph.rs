//! The knowledge graph, tier L4: one Neo4j server of the Community Edition.
//!
//! That edition has no cluster, no metrics and no backup of a running server
//! (`docs/decisions/0013-knowledge-graph-single-neo4j-server.md`). How many relationships a question follows is
//! bounded by who asks.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::Graph;

use crate::config::{self, secret};
use crate::names::{self, BOLT, GRAPH_HTTP, KNOWLEDGE_GRAPH, KNOWLEDGE_GRAPH_HEADLESS, Shared};
use crate::parts::metadata::{self, label};
use crate::parts::{availability, container, identity, service, storage};

/// The user and group that the image is made for.
const NEO4J: i64 = 7474;

/// Where the image has its settings. Its entry point writes into them at each start.
const SETTINGS_FOLDER: &str = "/var/lib/neo4j/conf";

/// The server and its Services.
pub fn build(config: &config::GraphStore, shared: Shared<'_>) -> Graph {
    let ports = [BOLT, GRAPH_HTTP];
    let mut graph = Graph::of(KNOWLEDGE_GRAPH.system);
    graph.insert(identity::service_account(KNOWLEDGE_GRAPH));
    graph.insert(service::headless(
        KNOWLEDGE_GRAPH,
        KNOWLEDGE_GRAPH_HEADLESS,
        &ports,
    ));
    graph.insert(service::of_store(KNOWLEDGE_GRAPH, &ports));
    graph
        .insert(stateful_set(config, shared))
        .protect(shared.protect)
        // As long as the startup probe gives it, and a node's time to fetch the image.
        .ready_within(Duration::from_mins(35));
    graph
}

fn stateful_set(config: &config::GraphStore, shared: Shared<'_>) -> StatefulSet {
    let mut metadata = metadata::of_workload(KNOWLEDGE_GRAPH, KNOWLEDGE_GRAPH.name);
    label(&mut metadata, names::DATA_CLASSIFICATION, "restricted");
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            service_name: Some(KNOWLEDGE_GRAPH_HEADLESS.to_owned()),
            replicas: Some(1),
            selector: metadata::selector(KNOWLEDGE_GRAPH),
            min_ready_seconds: Some(availability::SETTLED_SECONDS),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                ..Default::default()
            }),
            persistent_volume_claim_retention_policy: Some(storage::retention(shared)),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(metadata::pod_labels(KNOWLEDGE_GRAPH)),
                    ..Default::default()
                }),
                spec: Some(pod(config)),
            },
            volume_claim_templates: Some(vec![
                storage::claim_of_each(KNOWLEDGE_GRAPH, "data", &config.storage),
                storage::claim_of_each(KNOWLEDGE_GRAPH, "logs", &config.logs),
            ]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn pod(config: &config::GraphStore) -> PodSpec {
    PodSpec {
        service_account_name: Some(KNOWLEDGE_GRAPH.service_account.to_owned()),
        automount_service_account_token: Some(false),
        // The entry point takes every variable that begins with NEO4J_ for a setting, and the server refuses to start
        // with one that it does not know: a Service called neo4j would do it.
        enable_service_links: Some(false),
        security_context: Some(container::pod_security(NEO4J, NEO4J)),
        init_containers: Some(vec![image_settings(config)]),
        containers: vec![server(config)],
        volumes: Some(vec![
            container::scratch("conf", "16Mi"),
            container::scratch("run", "16Mi"),
            container::scratch("tmp", "1Gi"),
        ]),
        // It writes what is only in memory to its files before it goes. Killed earlier it loses nothing, but has to go
        // through its log at the next start, which takes longer.
        termination_grace_period_seconds: Some(600),
        ..Default::default()
    }
}

/// Copies the image's own settings to where the server may write: an empty folder in their place would take away the
/// bounds of what files a query may load, and the options of the Java machine, and nothing would say so.
fn image_settings(config: &config::GraphStore) -> Container {
    Container {
        name: "settings".to_owned(),
        image: Some(config.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec![
            "cp".to_owned(),
            "-R".to_owned(),
            format!("{SETTINGS_FOLDER}/."),
            "/settings".to_owned(),
        ]),
        // What the server asks for is more, and a pod needs the larger of the two.
        resources: Some(container::resources(&config.resources, 0)),
        volume_mounts: Some(vec![container::mount("conf", "/settings")]),
        security_context: Some(container::security()),
        ..Default::default()
    }
}

fn server(config: &config::GraphStore) -> Container {
    Container {
        name: "neo4j".to_owned(),
        image: Some(config.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        ports: Some([BOLT, GRAPH_HTTP].map(container::port).to_vec()),
        env: Some(settings(config)),
        resources: Some(container::resources(&config.resources, 0)),
        volume_mounts: Some(vec![
            container::mount("data", "/data"),
            container::mount("logs", "/logs"),
            container::mount("conf", SETTINGS_FOLDER),
            container::mount("run", "/run"),
            container::mount("tmp", "/tmp"),
        ]),
        // Half an hour to go through the log of a server that was killed; restarting it would begin that anew.
        startup_probe: Some(container::tcp_probe(BOLT, 5, 360)),
        // The port of HTTP opens after the one of Bolt, and answers without a password.
        readiness_probe: Some(container::http_probe("/", GRAPH_HTTP, 5, 3)),
        // Patient: a long collection of garbage is not the end.
        liveness_probe: Some(container::tcp_probe(BOLT, 10, 12)),
        lifecycle: Some(container::stop_after(5)),
        security_context: Some(container::security()),
        ..Default::default()
    }
}

/// The settings, as the image's entry point takes them: `NEO4J_`, `_` for a dot and `__` for `_`. The server refuses to
/// start with one that it does not know.
fn settings(config: &config::GraphStore) -> Vec<EnvVar> {
    let heap = format!("{}m", config.heap_mebibytes);
    let page_cache = format!("{}m", config.page_cache_mebibytes);
    let host = KNOWLEDGE_GRAPH.host();
    let setting = |name: &str, value: &str| container::variable(&format!("NEO4J_{name}"), value);
    vec![
        // Not under a name that begins with NEO4J_: the entry point would write it into a file, as a setting.
        container::secret_variable("GRAPH_PASSWORD", &secret::NEO4J_PASSWORD),
        // Only at the very first start: later, the password is changed in the server itself.
        setting("AUTH", "neo4j/$(GRAPH_PASSWORD)"),
        // The same from the start: a server that has to grow is slow when it is asked the most.
        setting("server_memory_heap_initial__size", &heap),
        setting("server_memory_heap_max__size", &heap),
        setting("server_memory_pagecache_size", &page_cache),
        // Without memory it would live on and answer nothing.
        setting("server_jvm_additional", "-XX:+ExitOnOutOfMemoryError"),
        // Clients with neo4j:// addresses are sent here.
        setting("server_default__advertised__address", &host),
        // It reports its use to its makers unless told not to, and so does its page for browsers.
        setting("dbms_usage__report_enabled", "false"),
        setting("client_allow__telemetry", "false"),
        // A setting that the server does not know is a start that fails, not one that is passed over.
        setting("server_config_strict__validation_enabled", "true"),
        // A query must not read the files of the server, or fetch any.
        setting("dbms_security_allow__csv__import__from__file__urls", "false"),
    ]
}
