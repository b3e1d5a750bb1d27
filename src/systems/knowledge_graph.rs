//! The knowledge graph, tier L4: one Neo4j server of the Community Edition.
//!
//! This edition has no clustering, no metrics and no online backup
//! (`docs/decisions/0013-knowledge-graph-single-neo4j-server.md`). Clients limit how many relationships a query
//! follows.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::Graph;

use crate::config::{self, StackOptions, secret};
use crate::names::{self, BOLT, GRAPH_HTTP, KNOWLEDGE_GRAPH, KNOWLEDGE_GRAPH_HEADLESS};
use crate::parts::metadata::{self, label};
use crate::parts::{availability, container, identity, service, storage};

/// The user and group of the image.
const NEO4J: i64 = 7474;

/// The configuration directory of the image. Its entry point modifies the files in it at each start.
const SETTINGS_FOLDER: &str = "/var/lib/neo4j/conf";

/// Builds the server and its Services.
pub fn build(config: &config::GraphStore, options: StackOptions<'_>) -> Graph {
    let ports = [BOLT, GRAPH_HTTP];
    let mut graph = Graph::of(KNOWLEDGE_GRAPH.system);
    graph.insert(identity::service_account(KNOWLEDGE_GRAPH));
    graph.insert(service::headless(
        KNOWLEDGE_GRAPH,
        KNOWLEDGE_GRAPH_HEADLESS,
        &ports,
    ));
    graph.insert(service::cluster_ip(KNOWLEDGE_GRAPH, &ports));
    graph
        .insert(stateful_set(config, options))
        .protect(options.protect)
        // The startup probe's limit, plus the time to pull the image.
        .ready_within(Duration::from_mins(35));
    graph
}

fn stateful_set(config: &config::GraphStore, options: StackOptions<'_>) -> StatefulSet {
    let mut metadata = metadata::workload_meta(KNOWLEDGE_GRAPH, KNOWLEDGE_GRAPH.name);
    label(&mut metadata, names::DATA_CLASSIFICATION, "restricted");
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            service_name: Some(KNOWLEDGE_GRAPH_HEADLESS.to_owned()),
            replicas: Some(1),
            selector: metadata::selector(KNOWLEDGE_GRAPH),
            min_ready_seconds: Some(availability::MIN_READY_SECONDS),
            // With `OrderedReady`, a pod that a bad image keeps from becoming ready is not replaced when the image is corrected.
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                ..Default::default()
            }),
            persistent_volume_claim_retention_policy: Some(storage::retention(options)),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(metadata::pod_labels(KNOWLEDGE_GRAPH)),
                    ..Default::default()
                }),
                spec: Some(pod(config)),
            },
            volume_claim_templates: Some(vec![
                storage::claim_template(KNOWLEDGE_GRAPH, "data", &config.storage),
                storage::claim_template(KNOWLEDGE_GRAPH, "logs", &config.logs),
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
        // The entry point treats every variable that begins with NEO4J_ as a setting, and the server refuses to start
        // with an unknown one. Service links of a Service named neo4j would add such variables.
        enable_service_links: Some(false),
        security_context: Some(container::pod_security(NEO4J, NEO4J)),
        init_containers: Some(vec![image_settings(config)]),
        containers: vec![server(config)],
        volumes: Some(vec![
            container::scratch("conf", "16Mi"),
            container::scratch("run", "16Mi"),
            container::scratch("tmp", "1Gi"),
        ]),
        // It flushes memory to its files before it stops. If it is killed, no data is lost, but the next start has to
        // replay its log and takes longer.
        termination_grace_period_seconds: Some(600),
        ..Default::default()
    }
}

/// Copies the image's own settings to a writable directory. An empty directory in their place would silently remove
/// the limits on the files that a query may load, and the options of the Java virtual machine.
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
        // The server requests more, and a pod's request is the larger of the two.
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
        // Half an hour to replay the log of a server that was killed. A restart would begin the replay again.
        startup_probe: Some(container::tcp_probe(BOLT, 5, 360)),
        // The HTTP port opens after the Bolt port and answers without a password.
        readiness_probe: Some(container::http_probe("/", GRAPH_HTTP, 5, 3)),
        // Long enough to survive a long garbage collection.
        liveness_probe: Some(container::tcp_probe(BOLT, 10, 12)),
        lifecycle: Some(container::stop_after(5)),
        security_context: Some(container::security()),
        ..Default::default()
    }
}

/// The settings in the form of the image's entry point: `NEO4J_`, with `_` for a dot and `__` for `_`. The server
/// refuses to start with an unknown one.
fn settings(config: &config::GraphStore) -> Vec<EnvVar> {
    let heap = format!("{}m", config.heap_mebibytes);
    let page_cache = format!("{}m", config.page_cache_mebibytes);
    let host = KNOWLEDGE_GRAPH.host();
    let setting = |name: &str, value: &str| container::variable(&format!("NEO4J_{name}"), value);
    vec![
        // The name must not begin with NEO4J_, or the entry point would write it to a file as a setting.
        container::secret_variable("GRAPH_PASSWORD", &secret::NEO4J_PASSWORD),
        // Used only at the first start; afterwards the password is changed in the server.
        container::expanded_variable("NEO4J_AUTH", "neo4j/$(GRAPH_PASSWORD)"),
        // Equal initial and maximum sizes, because growing the heap is slow under load.
        setting("server_memory_heap_initial__size", &heap),
        setting("server_memory_heap_max__size", &heap),
        setting("server_memory_pagecache_size", &page_cache),
        // Without enough memory, the server would keep running without answering.
        setting("server_jvm_additional", "-XX:+ExitOnOutOfMemoryError"),
        // Clients with neo4j:// addresses are directed to this address.
        setting("server_default__advertised__address", &host),
        // Usage reports of the server and of its browser, which are enabled by default.
        setting("dbms_usage__report_enabled", "false"),
        setting("client_allow__telemetry", "false"),
        // An unknown setting makes the start fail instead of being ignored.
        setting("server_config_strict__validation_enabled", "true"),
        // Queries must not read local files or fetch remote ones.
        setting("dbms_security_allow__csv__import__from__file__urls", "false"),
    ]
}
