//! The synchronization of Snowflake and Mem0: a Job that runs at regular intervals and transfers changes in both
//! directions.
//!
//! `docs/sync-image.md` is the contract of its image.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use phoenix_graph::Graph;

use crate::config::{self, Snowflake, SnowflakeCortex, StackOptions};
use crate::names::{MCP_PORT, OPENMEMORY, SYNC, SYNC_PATH};
use crate::parts::container::variable;
use crate::parts::{container, identity, metadata, snowflake};

/// Builds the `CronJob` and its service account.
pub fn build(
    config: &config::Sync,
    account: &Snowflake,
    tier: &SnowflakeCortex,
    options: StackOptions<'_>,
) -> Graph {
    let mut graph = Graph::of(SYNC.system);
    graph.insert(identity::service_account(SYNC));
    graph.insert(cron_job(config, variables(config, account, tier, options)));
    graph
}

fn cron_job(config: &config::Sync, env: Vec<EnvVar>) -> CronJob {
    let seconds = i64::from(config.interval_minutes) * 60;
    let labels = || {
        Some(ObjectMeta {
            labels: Some(metadata::pod_labels(SYNC)),
            ..Default::default()
        })
    };
    CronJob {
        metadata: metadata::workload_meta(SYNC, SYNC.name),
        spec: Some(CronJobSpec {
            schedule: schedule(config.interval_minutes),
            // Days begin at the same time in every cluster.
            time_zone: Some("Etc/UTC".to_owned()),
            // Two runs at a time would transfer the same memory twice.
            concurrency_policy: Some("Forbid".to_owned()),
            // A run that could not start within half an interval is skipped. Without a deadline, a controller that
            // finds a hundred missed runs never starts another.
            starting_deadline_seconds: Some(seconds / 2),
            successful_jobs_history_limit: Some(3),
            failed_jobs_history_limit: Some(3),
            suspend: Some(config.suspend),
            job_template: JobTemplateSpec {
                metadata: labels(),
                spec: Some(JobSpec {
                    // A hanging run is stopped before the next one is due, which would otherwise never start.
                    active_deadline_seconds: Some(seconds * 9 / 10),
                    // One retry for a transient network failure; after that, the next run is due soon.
                    backoff_limit: Some(1),
                    template: PodTemplateSpec {
                        metadata: labels(),
                        spec: Some(pod(config, env)),
                    },
                    ..Default::default()
                }),
            },
        }),
        ..Default::default()
    }
}

/// The cron expression of an interval that divides an hour, or of whole hours that divide a day.
fn schedule(interval_minutes: u32) -> String {
    match (interval_minutes / 60, interval_minutes % 60) {
        (0, 1) => "* * * * *".to_owned(),
        (0, minutes) => format!("*/{minutes} * * * *"),
        (1, _) => "0 * * * *".to_owned(),
        (24, _) => "0 0 * * *".to_owned(),
        (hours, _) => format!("0 */{hours} * * *"),
    }
}

fn pod(config: &config::Sync, env: Vec<EnvVar>) -> PodSpec {
    PodSpec {
        service_account_name: Some(SYNC.service_account.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(container::pod_security(1000, 1000)),
        containers: vec![Container {
            name: "sync".to_owned(),
            image: Some(config.image.to_string()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            env: Some(env),
            resources: Some(container::resources(&config.resources, 0)),
            volume_mounts: Some(vec![container::mount("tmp", "/tmp")]),
            security_context: Some(container::security()),
            ..Default::default()
        }],
        volumes: Some(vec![container::scratch("tmp", "256Mi")]),
        // Time to finish or roll back the current transfer.
        termination_grace_period_seconds: Some(30),
        ..Default::default()
    }
}

fn variables(
    config: &config::Sync,
    account: &Snowflake,
    tier: &SnowflakeCortex,
    options: StackOptions<'_>,
) -> Vec<EnvVar> {
    let mut variables = snowflake::variables(account, tier);
    variables.extend([
        variable(
            "MEM0_SYNC_URL",
            format!("http://{}:{}{SYNC_PATH}", OPENMEMORY.service(), MCP_PORT.number),
        ),
        variable("SYNC_DIRECTIONS", "snowflake_to_mem0,mem0_to_snowflake"),
        variable("SYNC_INTERVAL_MINUTES", config.interval_minutes.to_string()),
        variable("ENVIRONMENT", options.environment),
        variable("MEM0_TELEMETRY", "false"),
        variable("HOME", "/tmp"),
    ]);
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_the_expression_that_says_it() {
        for (minutes, expression) in [
            (1, "* * * * *"),
            (15, "*/15 * * * *"),
            (30, "*/30 * * * *"),
            (60, "0 * * * *"),
            (120, "0 */2 * * *"),
            (720, "0 */12 * * *"),
            (1_440, "0 0 * * *"),
        ] {
            assert_eq!(schedule(minutes), expression);
        }
    }
}
