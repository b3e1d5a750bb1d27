//! A load test that only an operator starts: a permanently suspended `CronJob` as the template of Jobs (`kubectl
//! create job --from`). `docs/how-to/run-a-load-test.md` describes its use.
//!
//! The thresholds come from the tiers of the stack, so that the test and the dashboards agree.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, EnvVar, EnvVarSource, PodSpec, PodTemplateSpec,
    SecretKeySelector, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::Graph;
use serde::Serialize;

use crate::config::{self, Tiers};
use crate::names::{LOAD_TEST, LOAD_TEST_TOKEN, MCP_PORT, OPENMEMORY, OPENMEMORY_PATH, Tier};
use crate::parts::metadata::{self, annotate, string_map};
use crate::parts::{container, identity};

/// The ConfigMap with the test.
const CONFIG: &str = "memory-load-test";
/// The script, a file of its own so that it can be read and run separately.
const SCRIPT: &str = include_str!("load_test/script.js");
/// The share of requests that may fail and of memories that may be lost: the document promises 99.9 % persistence.
const MAY_FAIL: &str = "0.001";
const MUST_BE_KEPT: &str = "0.999";

/// Builds the test and its service account. `demands_token` states whether the stack requires user tokens.
pub fn build(config: Option<&config::LoadTest>, tiers: &Tiers, demands_token: bool) -> Graph {
    let mut graph = Graph::of(LOAD_TEST.system);
    let Some(config) = config else { return graph };
    let plan =
        serde_json::to_string_pretty(&plan(config, tiers, demands_token)).expect("a plan is always JSON");
    graph.insert(identity::service_account(LOAD_TEST));
    graph.insert(ConfigMap {
        metadata: metadata::memory_meta(LOAD_TEST.system, CONFIG),
        data: Some(string_map([("plan.json", plan.as_str()), ("script.js", SCRIPT)])),
        ..Default::default()
    });
    graph.insert(cron_job(config));
    graph
}

/// The input of the script: its target and k6's own options.
/// <https://grafana.com/docs/k6/latest/using-k6/k6-options/reference/>
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    address: String,
    demands_token: bool,
    options: Options,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    scenarios: BTreeMap<&'static str, Scenario>,
    thresholds: BTreeMap<&'static str, Vec<Bound>>,
    summary_trend_stats: [&'static str; 5],
    user_agent: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scenario {
    executor: &'static str,
    vus: u32,
    duration: String,
    graceful_stop: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bound {
    threshold: String,
    /// Stops the test, so that a failing platform is not loaded further.
    abort_on_fail: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_abort_eval: Option<&'static str>,
}

fn plan(config: &config::LoadTest, tiers: &Tiers, demands_token: bool) -> Plan {
    let bound = |threshold: String| Bound {
        threshold,
        abort_on_fail: false,
        delay_abort_eval: None,
    };
    let latency = tiers.latency_ms(Tier::Mem0Persistent);
    Plan {
        address: format!(
            "http://{}:{}{OPENMEMORY_PATH}",
            OPENMEMORY.host(),
            MCP_PORT.number
        ),
        demands_token,
        options: Options {
            scenarios: BTreeMap::from([(
                "conversations",
                Scenario {
                    executor: "constant-vus",
                    vus: config.virtual_users,
                    duration: format!("{}m", config.minutes),
                    graceful_stop: "30s",
                },
            )]),
            thresholds: BTreeMap::from([
                // The target of the tier covers a whole search, including the embedding model.
                (
                    "http_req_duration{name:search_memory}",
                    vec![bound(format!("p(95)<{latency}"))],
                ),
                (
                    "http_req_failed",
                    vec![
                        bound(format!("rate<{MAY_FAIL}")),
                        Bound {
                            threshold: "rate<0.1".to_owned(),
                            abort_on_fail: true,
                            // A few requests at the start do not give a meaningful rate.
                            delay_abort_eval: Some("30s"),
                        },
                    ],
                ),
                ("memory_kept", vec![bound(format!("rate>{MUST_BE_KEPT}"))]),
            ]),
            summary_trend_stats: ["avg", "med", "p(95)", "p(99)", "max"],
            user_agent: "phoenix-load-test",
        },
    }
}

fn cron_job(config: &config::LoadTest) -> CronJob {
    let mut metadata = metadata::workload_meta(LOAD_TEST, LOAD_TEST.name);
    annotate(
        &mut metadata,
        "phoenix.ai/run",
        "kubectl create job --from=cronjob/memory-load-test, by an operator: docs/how-to/run-a-load-test.md",
    );
    CronJob {
        metadata,
        spec: Some(CronJobSpec {
            // Permanently suspended. The schedule is required by the API; this date does not exist.
            suspend: Some(true),
            schedule: "0 0 31 2 *".to_owned(),
            concurrency_policy: Some("Forbid".to_owned()),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(metadata::pod_labels(LOAD_TEST)),
                    ..Default::default()
                }),
                spec: Some(JobSpec {
                    // A failed test is a result; a retry would be another test.
                    backoff_limit: Some(0),
                    // Time that k6 needs besides the test itself: startup, the last conversations and the summary.
                    active_deadline_seconds: Some(i64::from(config.minutes) * 60 + 300),
                    // A week to read the summary.
                    ttl_seconds_after_finished: Some(7 * 24 * 3600),
                    template: PodTemplateSpec {
                        metadata: Some(ObjectMeta {
                            labels: Some(metadata::pod_labels(LOAD_TEST)),
                            ..Default::default()
                        }),
                        spec: Some(pod(config)),
                    },
                    ..Default::default()
                }),
            },
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn pod(config: &config::LoadTest) -> PodSpec {
    PodSpec {
        service_account_name: Some(LOAD_TEST.service_account.to_owned()),
        automount_service_account_token: Some(false),
        // The user of k6's own image.
        security_context: Some(container::pod_security(12_345, 12_345)),
        restart_policy: Some("Never".to_owned()),
        containers: vec![Container {
            name: "k6".to_owned(),
            image: Some(config.image.to_string()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            args: Some(["run", "/test/script.js"].map(str::to_owned).to_vec()),
            env: Some(vec![
                token(),
                // Usage reports, which are enabled by default.
                container::variable("K6_NO_USAGE_REPORT", "true"),
                container::variable("HOME", "/tmp"),
            ]),
            resources: Some(container::resources(&config.resources, 0)),
            volume_mounts: Some(vec![
                container::mount("test", "/test"),
                container::mount("tmp", "/tmp"),
            ]),
            security_context: Some(container::security()),
            ..Default::default()
        }],
        volumes: Some(vec![
            Volume {
                name: "test".to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: CONFIG.to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            },
            container::scratch("tmp", "64Mi"),
        ]),
        ..Default::default()
    }
}

/// The user token of the test. It is not in the inventory, because tokens are valid for minutes: the operator who
/// starts a test provides one and deletes it afterwards.
fn token() -> EnvVar {
    EnvVar {
        name: "MEMORY_TOKEN".to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: LOAD_TEST_TOKEN.to_owned(),
                key: "token".to_owned(),
                optional: Some(true),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}
