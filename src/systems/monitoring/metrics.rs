//! The metrics that rules and dashboards query, with their exporters.
//!
//! A query for a metric that is not listed would return nothing; a test compares all queries with this table.
//! `docs/metrics.md` is generated from it.

use crate::names::{OPENMEMORY, QDRANT, REDIS, Workload};

/// A metric. Each series of a histogram is a row of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// The exporter.
    pub source: Source,
    /// The labels that queries use.
    pub labels: &'static [&'static str],
    /// The meaning of its value, including the unit.
    pub meaning: &'static str,
}

/// The type of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A gauge.
    Gauge,
    /// A counter, which resets when its exporter restarts.
    Counter,
}

impl Kind {
    /// The name of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// An exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The OpenMemory server, as part of the contract of its image.
    OpenMemory,
    /// Each peer of Qdrant.
    Qdrant,
    /// The exporter beside the session cache.
    Redis,
    /// The sidecar of each of the platform's pods.
    Sidecars,
    /// The control plane of the mesh, which the cluster provides.
    Istiod,
    /// kube-state-metrics, which the cluster provides.
    KubeStateMetrics,
    /// The kubelet of each node, which the cluster provides.
    Kubelet,
    /// Prometheus itself, for each of its targets.
    Prometheus,
    /// The recording rules of this stack.
    Rules,
}

impl Source {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::OpenMemory,
        Self::Qdrant,
        Self::Redis,
        Self::Sidecars,
        Self::Istiod,
        Self::KubeStateMetrics,
        Self::Kubelet,
        Self::Prometheus,
        Self::Rules,
    ];

    /// The display name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenMemory => "OpenMemory",
            Self::Qdrant => "Qdrant",
            Self::Redis => "the session cache",
            Self::Sidecars => "the sidecars",
            Self::Istiod => "istiod",
            Self::KubeStateMetrics => "kube-state-metrics",
            Self::Kubelet => "the kubelets",
            Self::Prometheus => "Prometheus",
            Self::Rules => "the recording rules",
        }
    }

    /// The workload that serves it at a scrape address of its own.
    pub fn workload(self) -> Option<Workload> {
        match self {
            Self::OpenMemory => Some(OPENMEMORY),
            Self::Qdrant => Some(QDRANT),
            Self::Redis => Some(REDIS),
            _ => None,
        }
    }
}

const fn gauge(
    source: Source,
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        source,
        labels,
        meaning,
    }
}

const fn counter(
    source: Source,
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric {
        kind: Kind::Counter,
        ..gauge(source, name, labels, meaning)
    }
}

/// The labels of Istio's request metrics.
const REQUEST: &[&str] = &[
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "destination_workload",
    "destination_workload_namespace",
    "response_code",
    "connection_security_policy",
];

/// Every metric that rules and dashboards query.
pub const METRICS: &[Metric] = &[
    gauge(
        Source::OpenMemory,
        "sophia_memory_tier_response_time",
        &["tier", "operation"],
        "response time of a tier in milliseconds, the unit of the targets; `tier` begins with `L1` to `L5`",
    ),
    gauge(
        Source::OpenMemory,
        "sophia_mem0_health_status",
        &[],
        "health of Mem0: 1 is healthy, 0 is down",
    ),
    counter(
        Source::OpenMemory,
        "sophia_mem0_learning_events",
        &[],
        "learning events across sessions",
    ),
    gauge(
        Source::OpenMemory,
        "sophia_snowflake_mem0_sync_success_rate",
        &["direction"],
        "share of synchronized records, from 0 to 1; `direction` is `to_mem0` or `to_snowflake`",
    ),
    gauge(
        Source::Qdrant,
        "app_status_recovery_mode",
        &["pod"],
        "1 if a peer was started in recovery mode, in which it accepts only deletions",
    ),
    gauge(
        Source::Qdrant,
        "cluster_working_state",
        &["pod", "state"],
        "1 for the state that a peer's consensus is in: `working` or `stopped`",
    ),
    gauge(
        Source::Qdrant,
        "cluster_pending_operations_total",
        &["pod"],
        "consensus operations that a peer has not applied yet",
    ),
    gauge(
        Source::Qdrant,
        "cluster_peers_total",
        &["pod"],
        "number of cluster members that a peer knows, including itself",
    ),
    gauge(
        Source::Qdrant,
        "collection_dead_replicas",
        &["pod"],
        "inactive shard replicas, as a peer reports them",
    ),
    gauge(
        Source::Qdrant,
        "collection_points",
        &["pod", "id"],
        "approximate number of points of each collection on a peer",
    ),
    gauge(
        Source::Redis,
        "redis_up",
        &["pod"],
        "whether the exporter reaches its server: 1 is yes, 0 is no",
    ),
    gauge(
        Source::Redis,
        "redis_memory_used_bytes",
        &["pod"],
        "memory used by entries, clients and the server itself, in bytes",
    ),
    gauge(
        Source::Redis,
        "redis_memory_max_bytes",
        &["pod"],
        "memory limit, in bytes",
    ),
    counter(
        Source::Redis,
        "redis_evicted_keys_total",
        &["pod"],
        "entries evicted before they expired",
    ),
    counter(
        Source::Redis,
        "redis_rejected_connections_total",
        &["pod"],
        "connections rejected because of the client limit",
    ),
    counter(
        Source::Sidecars,
        "istio_requests_total",
        REQUEST,
        "requests by source, destination and response",
    ),
    counter(
        Source::Sidecars,
        "istio_request_duration_milliseconds_bucket",
        REQUEST,
        "requests that took at most `le` milliseconds",
    ),
    counter(
        Source::Sidecars,
        "istio_request_duration_milliseconds_count",
        REQUEST,
        "requests whose duration was measured",
    ),
    gauge(
        Source::Sidecars,
        "istio_agent_cert_expiry_seconds",
        &["namespace", "pod"],
        "remaining validity of a sidecar's certificate in seconds; negative after it expired",
    ),
    gauge(
        Source::Istiod,
        "citadel_server_root_cert_expiry_timestamp",
        &[],
        "expiry time of the mesh's root certificate, as a Unix timestamp",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_deployment_status_replicas_available",
        &["namespace", "deployment"],
        "available pods of a Deployment",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_statefulset_status_replicas_ready",
        &["namespace", "statefulset"],
        "ready pods of a StatefulSet",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_statefulset_replicas",
        &["namespace", "statefulset"],
        "desired pods of a StatefulSet",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_horizontalpodautoscaler_status_current_replicas",
        &["namespace", "horizontalpodautoscaler"],
        "pods that an autoscaler has",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_horizontalpodautoscaler_spec_max_replicas",
        &["namespace", "horizontalpodautoscaler"],
        "maximum pods of an autoscaler",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_horizontalpodautoscaler_spec_min_replicas",
        &["namespace", "horizontalpodautoscaler"],
        "minimum pods of an autoscaler",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_poddisruptionbudget_status_pod_disruptions_allowed",
        &["namespace", "poddisruptionbudget"],
        "pods that may currently be evicted",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_cronjob_status_last_successful_time",
        &["namespace", "cronjob"],
        "time at which a Job of a CronJob last succeeded, as a Unix timestamp; absent before the first success",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_cronjob_created",
        &["namespace", "cronjob"],
        "creation time of a CronJob, as a Unix timestamp",
    ),
    counter(
        Source::KubeStateMetrics,
        "kube_pod_container_status_restarts_total",
        &["namespace", "pod", "container"],
        "restarts of a container",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_pod_container_status_last_terminated_reason",
        &["namespace", "pod", "container", "reason"],
        "1 for the reason of a container's last termination",
    ),
    gauge(
        Source::KubeStateMetrics,
        "kube_pod_status_phase",
        &["namespace", "pod", "phase"],
        "1 for the current phase of a pod",
    ),
    gauge(
        Source::Kubelet,
        "kubelet_volume_stats_available_bytes",
        &["namespace", "persistentvolumeclaim"],
        "free space of a mounted volume, in bytes",
    ),
    gauge(
        Source::Kubelet,
        "kubelet_volume_stats_capacity_bytes",
        &["namespace", "persistentvolumeclaim"],
        "the size of a mounted volume, in bytes",
    ),
    gauge(
        Source::Prometheus,
        "up",
        &["namespace", "job", "pod"],
        "1 if the last scrape of a target succeeded",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:tier_slow:bool",
        &["tier"],
        "1 while a tier responds more slowly than its target, otherwise 0",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:sli_error:ratio_rate5m",
        &["slo", "tier"],
        "share of requests, or of time, that missed an objective in the last 5 minutes",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:sli_error:ratio_rate30m",
        &["slo", "tier"],
        "the same over 30 minutes",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:sli_error:ratio_rate1h",
        &["slo", "tier"],
        "the same over an hour",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:sli_error:ratio_rate2h",
        &["slo", "tier"],
        "the same over 2 hours",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:sli_error:ratio_rate6h",
        &["slo", "tier"],
        "the same over 6 hours",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:sli_error:ratio_rate1d",
        &["slo", "tier"],
        "the same over a day",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:sli_error:ratio_rate3d",
        &["slo", "tier"],
        "the same over 3 days",
    ),
    gauge(
        Source::Rules,
        "phoenix_slo:error_budget:ratio",
        &["slo", "tier"],
        "allowed share that may miss an objective",
    ),
];
