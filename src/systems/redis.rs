//! The session cache, tier L1: one Valkey server, which speaks the Redis protocol.
//!
//! A single server, by default without a disk, because its entries expire within the hour
//! (`docs/decisions/0012-session-cache-single-valkey-server.md`). Clients set the time to live of an entry; the
//! server limits the memory.

use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, PodSpec, PodTemplateSpec, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::Graph;

use crate::config::{self, SessionCache, StackOptions, secret};
use crate::names::{
    self, LANGGRAPH_KEYS, LANGGRAPH_REDIS_USER, REDIS, REDIS_HEADLESS, REDIS_METRICS, REDIS_PORT, REDIS_USER,
};
use crate::parts::metadata::{self, label, string_map};
use crate::parts::{availability, container, identity, service, storage};

/// The ConfigMap with the server's settings.
const CONFIG: &str = "redis-config";

/// The path of the settings in the container.
const SETTINGS_FOLDER: &str = "/etc/valkey";

/// The path to which the user list is written at each start; in memory.
const USERS_FOLDER: &str = "/run/valkey";

/// The monitoring user of the exporter and the probes.
const METRICS_USER: &str = "metrics";

/// Builds the server, its Services and its settings. The LangGraph server has a user of its own.
pub fn build(
    config: &config::Redis,
    tier: &SessionCache,
    has_langgraph: bool,
    options: StackOptions<'_>,
) -> Graph {
    let settings = settings(config, tier).text();
    let ports = [REDIS_PORT, REDIS_METRICS];
    let mut graph = Graph::of(REDIS.system);
    graph.insert(identity::service_account(REDIS));
    graph.insert(config_map(&settings, has_langgraph));
    graph.insert(service::headless(REDIS, REDIS_HEADLESS, &ports));
    graph.insert(service::cluster_ip(REDIS, &ports));
    graph
        .insert(stateful_set(config, &settings, has_langgraph, options))
        .protect(options.protect)
        // The startup probe's limit, plus the time to pull the image.
        .ready_within(Duration::from_mins(10));
    graph
}

/// The server's settings that differ from its defaults, or that are worth stating.
///
/// The defaults are in `valkey.conf` of the server's repository. The image's own entry point, which disables
/// protected mode, is not used.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the switches of the server"
)]
struct Settings {
    /// The file with the users, who are the only ones with access.
    aclfile: String,
    port: u16,
    /// Rejects clients without a password even if the user list would admit them.
    protected_mode: bool,
    /// Seconds until TCP keepalive checks an idle connection.
    tcp_keepalive: u32,
    /// Seconds until an idle client is disconnected. Sidecars close idle connections after an hour without notice.
    timeout: u32,
    maxclients: u32,
    maxmemory: String,
    maxmemory_policy: &'static str,
    /// The share of it for client buffers; the client with the largest buffer is disconnected first.
    maxmemory_clients: &'static str,
    /// The directory that it writes to.
    dir: &'static str,
    appendonly: bool,
    appendfsync: &'static str,
    /// When to write a full snapshot: never.
    save: &'static str,
    /// Whether a client may load modules into the server.
    enable_module_command: bool,
    enable_debug_command: bool,
}

impl Settings {
    /// The settings in the server's own format.
    fn text(&self) -> String {
        let yes = |on: bool| if on { "yes" } else { "no" }.to_owned();
        let rows = [
            ("aclfile", self.aclfile.clone()),
            ("port", self.port.to_string()),
            ("protected-mode", yes(self.protected_mode)),
            ("tcp-keepalive", self.tcp_keepalive.to_string()),
            ("timeout", self.timeout.to_string()),
            ("maxclients", self.maxclients.to_string()),
            ("maxmemory", self.maxmemory.clone()),
            ("maxmemory-policy", self.maxmemory_policy.to_owned()),
            ("maxmemory-clients", self.maxmemory_clients.to_owned()),
            ("dir", self.dir.to_owned()),
            ("appendonly", yes(self.appendonly)),
            ("appendfsync", self.appendfsync.to_owned()),
            ("save", format!("\"{}\"", self.save)),
            ("enable-module-command", yes(self.enable_module_command)),
            ("enable-debug-command", yes(self.enable_debug_command)),
        ];
        rows.iter().fold(String::new(), |mut text, (name, value)| {
            let _infallible = writeln!(text, "{name} {value}");
            text
        })
    }
}

fn settings(config: &config::Redis, tier: &SessionCache) -> Settings {
    Settings {
        aclfile: format!("{USERS_FOLDER}/users.acl"),
        port: REDIS_PORT.number,
        protected_mode: true,
        tcp_keepalive: 60,
        timeout: 1_800,
        // Ten pods with a hundred connections each, which is the maximum of a sidecar.
        maxclients: 1_000,
        maxmemory: format!("{}mb", tier.max_size_mb),
        maxmemory_policy: config.eviction.as_str(),
        maxmemory_clients: "10%",
        dir: "/data",
        appendonly: config.persistence.is_some(),
        // Losing one second of a cache is acceptable; waiting for the disk at each write is not.
        appendfsync: "everysec",
        save: "",
        enable_module_command: false,
        enable_debug_command: false,
    }
}

/// Writes the user list and starts the server.
///
/// The list contains only the digests of the passwords. Neither appears in command-line arguments, which every user
/// on the node can read, and the server process does not keep them in its environment.
fn start(has_langgraph: bool) -> String {
    let langgraph = if has_langgraph {
        format!(
            r#"
  echo "user {LANGGRAPH_REDIS_USER} on #$(digest "$LANGGRAPH_PASSWORD") resetkeys resetchannels ~{LANGGRAPH_KEYS}* &{LANGGRAPH_KEYS}* +@all {WITHOUT_OTHER_KEYS} +info""#
        )
    } else {
        String::new()
    };
    format!(
        r#"#!/bin/sh
set -eu
umask 077
digest() {{
  printf '%s' "$1" | sha256sum | cut -d ' ' -f 1
}}
{{
  echo "user default off resetpass resetkeys resetchannels -@all"
  echo "user {REDIS_USER} on #$(digest "$REDIS_PASSWORD") ~* &* +@all -@admin -@dangerous +info"
  echo "user {METRICS_USER} on #$(digest "$REDISCLI_AUTH") resetkeys resetchannels -@all {METRICS_RIGHTS}"{langgraph}
}} > {USERS_FOLDER}/users.acl
unset REDIS_PASSWORD REDISCLI_AUTH LANGGRAPH_PASSWORD
exec valkey-server {SETTINGS_FOLDER}/valkey.conf
"#
    )
}

/// The commands of the exporter, none of which shows an entry. `SLOWLOG GET` would show the arguments of slow
/// commands, so the exporter does not report the age of the last one.
const METRICS_RIGHTS: &str = "+ping +info +client|setname +latency|latest +latency|histogram +slowlog|len";

/// Commands that the LangGraph server cannot run: besides those that administer the server, the ones that show names of
/// other keys and channels, or that change code which other users run. Scripts have the rights of the user who runs them.
const WITHOUT_OTHER_KEYS: &str = "-@admin -@dangerous -scan -randomkey -dbsize -pubsub|channels -pubsub|shardchannels -client|tracking -function -script|flush";

fn config_map(settings: &str, has_langgraph: bool) -> ConfigMap {
    ConfigMap {
        metadata: metadata::memory_meta(REDIS.system, CONFIG),
        data: Some(string_map([
            ("valkey.conf", settings),
            ("start.sh", start(has_langgraph).as_str()),
        ])),
        ..Default::default()
    }
}

fn stateful_set(
    config: &config::Redis,
    settings: &str,
    has_langgraph: bool,
    options: StackOptions<'_>,
) -> StatefulSet {
    let mut metadata = metadata::workload_meta(REDIS, REDIS.name);
    label(&mut metadata, names::DATA_CLASSIFICATION, "restricted");
    let data = config
        .persistence
        .as_ref()
        .map(|volume| vec![storage::claim_template(REDIS, "data", volume)]);
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            service_name: Some(REDIS_HEADLESS.to_owned()),
            replicas: Some(1),
            selector: metadata::selector(REDIS),
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
                    labels: Some(metadata::pod_labels(REDIS)),
                    annotations: Some(string_map([(
                        "phoenix.ai/settings-checksum",
                        metadata::checksum(&[settings, &start(has_langgraph)]).as_str(),
                    )])),
                    ..Default::default()
                }),
                spec: Some(pod(config, has_langgraph)),
            },
            volume_claim_templates: data,
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn pod(config: &config::Redis, has_langgraph: bool) -> PodSpec {
    let mut volumes = vec![
        Volume {
            name: "config".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: CONFIG.to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        },
        container::memory_scratch("users", "1Mi"),
    ];
    if config.persistence.is_none() {
        // The server needs a working directory, but writes nothing to it.
        volumes.push(container::scratch("data", "16Mi"));
    }
    PodSpec {
        service_account_name: Some(REDIS.service_account.to_owned()),
        automount_service_account_token: Some(false),
        // Service link variables are not needed.
        enable_service_links: Some(false),
        // Any ids work for both images; these are the ones of Valkey's own chart.
        security_context: Some(container::pod_security(1000, 1000)),
        containers: vec![server(config, has_langgraph), exporter(config)],
        volumes: Some(volumes),
        // Pending writes are flushed, and clients are disconnected cleanly.
        termination_grace_period_seconds: Some(30),
        ..Default::default()
    }
}

fn server(config: &config::Redis, has_langgraph: bool) -> Container {
    let mut passwords = vec![
        container::secret_variable("REDIS_PASSWORD", &secret::REDIS_PASSWORD),
        // The variable from which the probe client reads its password.
        container::secret_variable("REDISCLI_AUTH", &secret::REDIS_METRICS_PASSWORD),
    ];
    if has_langgraph {
        passwords.push(container::secret_variable(
            "LANGGRAPH_PASSWORD",
            &secret::LANGGRAPH_REDIS_PASSWORD,
        ));
    }
    // The server also answers with an error while it loads its file, which the startup probe tolerates.
    let ping = [
        "valkey-cli",
        "-e",
        "--user",
        METRICS_USER,
        "--no-auth-warning",
        "ping",
    ];
    Container {
        name: "redis".to_owned(),
        image: Some(config.image.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["/bin/sh".to_owned(), format!("{SETTINGS_FOLDER}/start.sh")]),
        ports: Some(vec![container::port(REDIS_PORT)]),
        env: Some(passwords),
        resources: Some(container::resources(&config.resources, 0)),
        volume_mounts: Some(vec![
            container::mount("data", "/data"),
            container::read_only_mount("config", SETTINGS_FOLDER),
            container::mount("users", USERS_FOLDER),
        ]),
        // Five minutes to load the file.
        startup_probe: Some(container::command_probe(&ping, 5, 60)),
        readiness_probe: Some(container::command_probe(&ping, 5, 3)),
        // Tolerant: a restart loses every session.
        liveness_probe: Some(container::command_probe(&ping, 10, 6)),
        lifecycle: Some(container::stop_after(5)),
        security_context: Some(container::security()),
        ..Default::default()
    }
}

fn exporter(config: &config::Redis) -> Container {
    Container {
        name: "exporter".to_owned(),
        image: Some(config.exporter.to_string()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        ports: Some(vec![container::port(REDIS_METRICS)]),
        env: Some(vec![
            container::variable("REDIS_ADDR", format!("redis://127.0.0.1:{}", REDIS_PORT.number)),
            container::variable("REDIS_USER", METRICS_USER),
            container::secret_variable("REDIS_PASSWORD", &secret::REDIS_METRICS_PASSWORD),
            // The settings are in the ConfigMap; the exporter need not read them from the server.
            container::variable("REDIS_EXPORTER_CONFIG_COMMAND", "-"),
            container::variable("REDIS_EXPORTER_LOG_FORMAT", "json"),
        ]),
        resources: Some(container::resources(&config.exporter_resources, 0)),
        startup_probe: Some(container::http_probe("/health", REDIS_METRICS, 5, 12)),
        readiness_probe: Some(container::http_probe("/health", REDIS_METRICS, 10, 3)),
        liveness_probe: Some(container::http_probe("/health", REDIS_METRICS, 20, 3)),
        security_context: Some(container::security()),
        ..Default::default()
    }
}
