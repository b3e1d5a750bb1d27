//! The Qdrant vector database: a single peer, or a cluster with a quorum.
//!
//! A StatefulSet, because two processes on one storage directory destroy it
//! (`docs/decisions/0003-qdrant-three-peer-statefulset.md`).

use std::time::Duration;

use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, EnvVar, EnvVarSource, ObjectFieldSelector, PodSpec,
    PodTemplateSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::{Graph, yaml};
use serde::Serialize;

use crate::config::{self, StackOptions, secret};
use crate::names::{self, QDRANT, QDRANT_GRPC, QDRANT_HEADLESS, QDRANT_HTTP, QDRANT_PEERS};
use crate::parts::availability::{self, Spread, UnhealthyPodEviction};
use crate::parts::metadata::{self, label, string_map};
use crate::parts::{container, identity, service, storage};

/// The ConfigMap with the server's settings.
const CONFIG: &str = "qdrant-config";

/// Builds the peers, their Services, their settings and their budget.
pub fn build(config: &config::Qdrant, options: StackOptions<'_>) -> Graph {
    let settings =
        yaml::to_string(&serde_json::to_value(settings(config)).expect("settings are always JSON"));
    let mut graph = Graph::of(QDRANT.system);
    graph.insert(identity::service_account(QDRANT));
    graph.insert(config_map(config, &settings));
    graph.insert(service::headless(
        QDRANT,
        QDRANT_HEADLESS,
        &[QDRANT_HTTP, QDRANT_GRPC, QDRANT_PEERS],
    ));
    graph.insert(service::cluster_ip(QDRANT, &[QDRANT_HTTP, QDRANT_GRPC]));
    graph
        .insert(stateful_set(config, &settings, options))
        .protect(options.protect)
        // The startup probe's limit for each peer, one after the other.
        .ready_within(loading_time(config) * config.replicas + Duration::from_mins(5));
    if let Some(budget) =
        availability::disruption_budget(QDRANT, config.replicas, UnhealthyPodEviction::IfHealthyBudget)
    {
        graph.insert(budget);
    }
    graph
}

/// The server's settings that differ from its defaults.
///
/// The defaults are in `config/config.yaml` of the server's repository.
#[derive(Serialize)]
struct Settings {
    logger: Logger,
    storage: StorageSettings,
    service: ServiceSettings,
    cluster: ClusterSettings,
    audit: Option<Audit>,
    /// Usage reports, which are enabled by default.
    telemetry_disabled: bool,
}

#[derive(Serialize)]
struct Logger {
    format: &'static str,
}

#[derive(Serialize)]
struct StorageSettings {
    storage_path: &'static str,
    snapshots_path: &'static str,
    /// Transfers shards by records over the peer port. Other methods download from a peer's REST port, which no row
    /// of the table allows.
    shard_transfer_method: &'static str,
    collection: Collection,
}

/// The defaults of a new collection. OpenMemory sets none.
#[derive(Serialize)]
struct Collection {
    replication_factor: u32,
    write_consistency_factor: u32,
}

#[derive(Serialize)]
struct ServiceSettings {
    /// Browsers do not call this server.
    enable_cors: bool,
    /// Recovery from a URL would let a client make the server request any address.
    enable_snapshot_url_recovery: bool,
}

#[derive(Serialize)]
struct ClusterSettings {
    enabled: bool,
    p2p: PeerToPeer,
}

#[derive(Serialize)]
struct PeerToPeer {
    port: u16,
}

#[derive(Serialize)]
struct Audit {
    enabled: bool,
    dir: &'static str,
    rotation: &'static str,
    max_log_files: u32,
}

fn settings(config: &config::Qdrant) -> Settings {
    Settings {
        logger: Logger { format: "json" },
        storage: StorageSettings {
            storage_path: "/qdrant/storage",
            snapshots_path: "/qdrant/snapshots",
            shard_transfer_method: "stream_records",
            collection: Collection {
                replication_factor: config.replication_factor,
                write_consistency_factor: config.write_consistency_factor,
            },
        },
        service: ServiceSettings {
            enable_cors: false,
            enable_snapshot_url_recovery: false,
        },
        cluster: ClusterSettings {
            enabled: config.is_cluster(),
            p2p: PeerToPeer {
                port: QDRANT_PEERS.number,
            },
        },
        audit: config.audit_days.map(|days| Audit {
            enabled: true,
            dir: "/qdrant/storage/audit",
            rotation: "daily",
            max_log_files: days,
        }),
        telemetry_disabled: true,
    }
}

fn config_map(config: &config::Qdrant, settings: &str) -> ConfigMap {
    ConfigMap {
        metadata: metadata::memory_meta(QDRANT.system, CONFIG),
        data: Some(string_map([
            ("production.yaml", settings),
            ("start.sh", start(config).as_str()),
        ])),
        ..Default::default()
    }
}

/// Each segment of each collection opens several files, so the usual soft limit of 1024 is too low; the hard limit of
/// the node is sufficient.
const OPEN_FILES: &str = r#"#!/bin/sh
set -eu
ulimit -n "$(ulimit -Hn)" || true
"#;

/// Peer 0 bootstraps the cluster; the others join it by its DNS name. Each announces its own DNS name.
fn start(config: &config::Qdrant) -> String {
    if !config.is_cluster() {
        return format!("{OPEN_FILES}exec ./entrypoint.sh\n");
    }
    let (name, service, port) = (QDRANT.name, QDRANT_HEADLESS, QDRANT_PEERS.number);
    format!(
        r#"{OPEN_FILES}self="http://${{POD_NAME}}.{service}:{port}"
if [ "${{POD_NAME##*-}}" = 0 ]; then
  exec ./entrypoint.sh --uri "$self"
fi
exec ./entrypoint.sh --bootstrap "http://{name}-0.{service}:{port}" --uri "$self"
"#
    )
}

/// How long a peer may take to load its collections: ten minutes, and a minute for each 4 GiB of its volume, which is the
/// throughput of a slow network disk (68 MiB/s). At most six hours.
fn loading_time(config: &config::Qdrant) -> Duration {
    let gibibytes = config.storage.size.thousandths() / 1_000 / (1 << 30);
    let minutes = 10 + u64::try_from(gibibytes / 4).unwrap_or(u64::MAX).min(350);
    Duration::from_mins(minutes)
}

fn stateful_set(config: &config::Qdrant, settings: &str, options: StackOptions<'_>) -> StatefulSet {
    let mut metadata = metadata::workload_meta(QDRANT, QDRANT.name);
    label(&mut metadata, names::DATA_CLASSIFICATION, "restricted");
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            service_name: Some(QDRANT_HEADLESS.to_owned()),
            replicas: Some(i32::try_from(config.replicas).expect("validation bounds every count")),
            selector: metadata::selector(QDRANT),
            min_ready_seconds: Some(availability::MIN_READY_SECONDS),
            // Starting them one after the other would never finish: a peer is ready only when most of the peers are.
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateStatefulSetStrategy {
                    partition: Some(0),
                    ..Default::default()
                }),
            }),
            persistent_volume_claim_retention_policy: Some(storage::retention(options)),
            template: PodTemplateSpec {
                metadata: Some(pod_metadata(config, settings)),
                spec: Some(pod(config)),
            },
            volume_claim_templates: Some(vec![
                storage::claim_template(QDRANT, "qdrant-storage", &config.storage),
                storage::claim_template(QDRANT, "qdrant-snapshots", &config.snapshots),
            ]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The pods carry the checksum of their settings, so that new settings replace them.
fn pod_metadata(config: &config::Qdrant, settings: &str) -> ObjectMeta {
    let checksum = metadata::checksum(&[settings, &start(config)]);
    ObjectMeta {
        labels: Some(metadata::pod_labels(QDRANT)),
        annotations: Some(string_map([("phoenix.ai/settings-checksum", checksum.as_str())])),
        ..Default::default()
    }
}

fn pod(config: &config::Qdrant) -> PodSpec {
    PodSpec {
        service_account_name: Some(QDRANT.service_account.to_owned()),
        automount_service_account_token: Some(false),
        // Any ids work for the unprivileged image; these are the ones of OpenMemory.
        security_context: Some(container::pod_security(1000, 2000)),
        containers: vec![server(config)],
        volumes: Some(vec![
            Volume {
                name: "config".to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: CONFIG.to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            },
            container::scratch("init", "16Mi"),
            container::scratch("tmp", "256Mi"),
        ]),
        // Two peers of a quorum in one zone would fail together.
        topology_spread_constraints: config
            .is_cluster()
            .then(|| availability::spread(QDRANT, Spread::Required)),
        // A peer flushes its segments to disk before it stops.
        termination_grace_period_seconds: Some(90),
        ..Default::default()
    }
}

fn server(config: &config::Qdrant) -> Container {
    Container {
        name: "qdrant".to_owned(),
        image: Some(config.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["/bin/sh".to_owned(), "/qdrant/config/start.sh".to_owned()]),
        ports: Some(
            [QDRANT_HTTP, QDRANT_GRPC, QDRANT_PEERS]
                .map(container::port)
                .to_vec(),
        ),
        env: Some(variables(config)),
        resources: Some(container::resources(&config.resources, 0)),
        volume_mounts: Some(vec![
            container::mount("qdrant-storage", "/qdrant/storage"),
            container::mount("qdrant-snapshots", "/qdrant/snapshots"),
            file("production.yaml"),
            file("start.sh"),
            container::mount("init", "/qdrant/init"),
            container::mount("tmp", "/tmp"),
        ]),
        // To load the collections; `/readyz` then waits for consensus.
        startup_probe: Some(container::http_probe(
            "/livez",
            QDRANT_HTTP,
            5,
            i32::try_from(loading_time(config).as_secs() / 5).expect("it is bounded"),
        )),
        readiness_probe: Some(container::http_probe("/readyz", QDRANT_HTTP, 5, 3)),
        // Tolerant: restarting a busy peer increases the load on the others.
        liveness_probe: Some(container::http_probe("/livez", QDRANT_HTTP, 20, 6)),
        lifecycle: Some(container::stop_after(5)),
        security_context: Some(container::security()),
        ..Default::default()
    }
}

fn variables(config: &config::Qdrant) -> Vec<EnvVar> {
    // Accepted like the first key, since version 1.17 (qdrant/qdrant#7835). An absent key is not an empty one.
    let second = config
        .alt_api_key
        .then(|| container::secret_variable("QDRANT__SERVICE__ALT_API_KEY", &secret::QDRANT_ALT_API_KEY));
    let mut variables = vec![
        pod_name(),
        container::secret_variable("QDRANT__SERVICE__API_KEY", &secret::QDRANT_API_KEY),
        container::secret_variable(
            "QDRANT__SERVICE__READ_ONLY_API_KEY",
            &secret::QDRANT_READ_ONLY_API_KEY,
        ),
    ];
    variables.extend(second);
    // The default path is in a directory that is read-only here.
    variables.push(container::variable(
        "QDRANT_INIT_FILE_PATH",
        "/qdrant/init/.qdrant-initialized",
    ));
    variables
}

fn pod_name() -> EnvVar {
    let field = ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: "metadata.name".to_owned(),
    };
    EnvVar {
        name: "POD_NAME".to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(field),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Mounts one configuration file beside those of the image.
fn file(name: &str) -> VolumeMount {
    VolumeMount {
        sub_path: Some(name.to_owned()),
        read_only: Some(true),
        ..container::mount("config", &format!("/qdrant/config/{name}"))
    }
}
