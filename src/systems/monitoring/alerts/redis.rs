//! The session cache, as its exporter reports it.

use super::super::Platform;
use super::super::alert::{Alert, Severity};
use crate::names::REDIS;

pub(super) fn alerts(platform: &Platform<'_>) -> Vec<Alert> {
    if !(platform.scrapes_servers && platform.workloads.contains(&REDIS)) {
        return Vec::new();
    }
    // The monitor takes the job name from the label `app`; the metric names alone are not unique.
    let job = format!("job=\"{}\"", REDIS.app);
    vec![
        Alert {
            name: "RedisUnreachable",
            severity: Severity::Critical,
            expression: format!("max by (namespace, pod) (redis_up{{{job}}}) == 0"),
            lasting: Some("5m"),
            labels: &[],
            summary: "The session cache does not answer its exporter",
            description: "Either the server hangs, or it rejects the exporter's password. Clients of the session cache wait or are rejected.",
        },
        Alert {
            name: "RedisEvictingEntries",
            severity: Severity::Warning,
            expression: format!("sum by (namespace, pod) (rate(redis_evicted_keys_total{{{job}}}[5m])) > 0"),
            // A burst of a few minutes is the normal use of eviction.
            lasting: Some("30m"),
            labels: &[],
            summary: "The session cache evicts sessions before they expire",
            description: "It has been full for half an hour, so each new entry evicts an old one. Users lose the context of recent sessions.",
        },
        Alert {
            name: "RedisRefusingConnections",
            severity: Severity::Warning,
            expression: format!(
                "sum by (namespace, pod) (increase(redis_rejected_connections_total{{{job}}}[10m])) > 0"
            ),
            lasting: Some("5m"),
            labels: &[],
            summary: "The session cache rejects connections",
            description: "It has reached its maximum number of clients. Further clients are rejected and work without session data.",
        },
    ]
}
