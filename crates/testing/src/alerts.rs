//! Examples of every alert: series for which it fires, and series for which it does not.
//!
//! The test program `it` checks that every alert has both; `live` runs them with promtool against the rules of every stack.
//! An example is skipped in a stack whose rules do not use its metrics.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use phoenix::config::StackConfig;
use phoenix::names::{
    BACKUP_OPENMEMORY, BACKUP_PRUNE, BACKUP_QDRANT, OPENMEMORY, RESTORE_DRILL, SYNC, Workload,
};
use phoenix::platform::{RULE_FILE, RULES, monitoring_with};
use phoenix_crds::monitoring::{PrometheusRule, PrometheusRuleGroupsRules, PrometheusRuleSpec};
use phoenix_graph::Graph;
use serde_json::{Value, json};

/// One example.
pub struct Example {
    /// The alert under test.
    pub alert: &'static str,
    /// What the example shows, as a fact.
    pub fact: &'static str,
    /// The series: what each is, and its values, one a minute, in promtool's notation.
    pub series: &'static [(&'static str, &'static str)],
    /// The time at which the alert is evaluated.
    pub at: &'static str,
    /// The labels of each alert that then fires; none for one that is silent.
    pub fires: &'static [&'static [(&'static str, &'static str)]],
}

const CRITICAL: (&str, &str) = ("severity", "critical");
const WARNING: (&str, &str) = ("severity", "warning");
const MEMORY: (&str, &str) = ("namespace", "sophia-memory");

/// All of them, alert by alert.
pub const EXAMPLES: &[Example] = &[
    Example {
        alert: "MemoryTierSlow",
        fact: "a third of the requests misses the target of tier L3, with the labels of Prometheus 2",
        series: &[
            (
                "istio_request_duration_milliseconds_bucket{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",le=\"250\"}",
                "0+40x40",
            ),
            (
                "istio_request_duration_milliseconds_count{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\"}",
                "0+60x40",
            ),
        ],
        at: "40m",
        fires: &[
            &[CRITICAL, MEMORY, ("slo", "tier-latency"), ("tier", "L3")],
            &[WARNING, MEMORY, ("slo", "tier-latency"), ("tier", "L3")],
        ],
    },
    Example {
        alert: "MemoryTierSlow",
        fact: "a twentieth misses the target of tier L3, with the labels of Prometheus 3",
        series: &[
            (
                "istio_request_duration_milliseconds_bucket{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",le=\"250.0\"}",
                "0+57x40",
            ),
            (
                "istio_request_duration_milliseconds_count{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\"}",
                "0+60x40",
            ),
        ],
        at: "40m",
        fires: &[&[WARNING, MEMORY, ("slo", "tier-latency"), ("tier", "L3")]],
    },
    Example {
        alert: "MemoryTierSlow",
        fact: "one in two hundred misses the target of tier L3",
        series: &[
            (
                "istio_request_duration_milliseconds_bucket{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",le=\"250\"}",
                "0+199x40",
            ),
            (
                "istio_request_duration_milliseconds_count{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\"}",
                "0+200x40",
            ),
        ],
        at: "40m",
        fires: &[],
    },
    Example {
        alert: "MemoryTierSlow",
        fact: "tier L3 receives no requests",
        series: &[
            (
                "istio_request_duration_milliseconds_bucket{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",le=\"250\"}",
                "7x40",
            ),
            (
                "istio_request_duration_milliseconds_count{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\"}",
                "9x40",
            ),
        ],
        at: "40m",
        fires: &[],
    },
    Example {
        alert: "MemoryTierSlow",
        fact: "a server reports each tier a little slower than its target",
        series: &[
            (
                "sophia_memory_tier_response_time{tier=\"L1\",operation=\"get\"}",
                "51x40",
            ),
            (
                "sophia_memory_tier_response_time{tier=\"L2-snowflake\",operation=\"search\"}",
                "101x40",
            ),
            (
                "sophia_memory_tier_response_time{tier=\"L4\",operation=\"search\"}",
                "151x40",
            ),
            (
                "sophia_memory_tier_response_time{tier=\"L5\",operation=\"search\"}",
                "101x40",
            ),
        ],
        at: "40m",
        fires: &[
            &[CRITICAL, MEMORY, ("slo", "tier-latency"), ("tier", "L1")],
            &[CRITICAL, MEMORY, ("slo", "tier-latency"), ("tier", "L2")],
            &[CRITICAL, MEMORY, ("slo", "tier-latency"), ("tier", "L4")],
            &[CRITICAL, MEMORY, ("slo", "tier-latency"), ("tier", "L5")],
            &[WARNING, MEMORY, ("slo", "tier-latency"), ("tier", "L1")],
            &[WARNING, MEMORY, ("slo", "tier-latency"), ("tier", "L2")],
            &[WARNING, MEMORY, ("slo", "tier-latency"), ("tier", "L4")],
            &[WARNING, MEMORY, ("slo", "tier-latency"), ("tier", "L5")],
        ],
    },
    Example {
        alert: "MemoryTierSlow",
        fact: "a server reports each tier just at its target",
        series: &[
            (
                "sophia_memory_tier_response_time{tier=\"L1\",operation=\"get\"}",
                "50x40",
            ),
            (
                "sophia_memory_tier_response_time{tier=\"L2-snowflake\",operation=\"search\"}",
                "100x40",
            ),
            (
                "sophia_memory_tier_response_time{tier=\"L4\",operation=\"search\"}",
                "150x40",
            ),
            (
                "sophia_memory_tier_response_time{tier=\"L5\",operation=\"search\"}",
                "100x40",
            ),
        ],
        at: "40m",
        fires: &[],
    },
    Example {
        alert: "MemoryTierSlow",
        fact: "tier L1 was slow for twenty minutes and has been fast for forty",
        series: &[(
            "sophia_memory_tier_response_time{tier=\"L1\",operation=\"get\"}",
            "90x20 10x40",
        )],
        at: "60m",
        fires: &[&[WARNING, MEMORY, ("slo", "tier-latency"), ("tier", "L1")]],
    },
    Example {
        alert: "MemoryPersistenceAtRisk",
        fact: "one request in fifty fails",
        series: &[
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",response_code=\"200\"}",
                "0+98x40",
            ),
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",response_code=\"503\"}",
                "0+2x40",
            ),
        ],
        at: "40m",
        fires: &[
            &[CRITICAL, MEMORY, ("slo", "persistence")],
            &[WARNING, MEMORY, ("slo", "persistence")],
        ],
    },
    Example {
        alert: "MemoryPersistenceAtRisk",
        fact: "one request in five hundred fails",
        series: &[
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",response_code=\"200\"}",
                "0+998x40",
            ),
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",response_code=\"500\"}",
                "0+2x40",
            ),
        ],
        at: "40m",
        fires: &[&[WARNING, MEMORY, ("slo", "persistence")]],
    },
    Example {
        alert: "MemoryPersistenceAtRisk",
        fact: "callers make mistakes, and the server makes none",
        series: &[
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",response_code=\"200\"}",
                "0+50x40",
            ),
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",response_code=\"404\"}",
                "0+50x40",
            ),
        ],
        at: "40m",
        fires: &[],
    },
    Example {
        alert: "OpenMemoryDown",
        fact: "no server has been available for five minutes",
        series: &[(
            "kube_deployment_status_replicas_available{namespace=\"sophia-memory\",deployment=\"openmemory-mcp-server\"}",
            "1x10 0x5",
        )],
        at: "15m",
        fires: &[&[CRITICAL, MEMORY, ("deployment", "openmemory-mcp-server")]],
    },
    Example {
        alert: "OpenMemoryDown",
        fact: "a rollout takes the only server away for two minutes",
        series: &[(
            "kube_deployment_status_replicas_available{namespace=\"sophia-memory\",deployment=\"openmemory-mcp-server\"}",
            "1x10 0x1 1x5",
        )],
        at: "12m",
        fires: &[],
    },
    Example {
        alert: "OpenMemoryAtMaximumScale",
        fact: "the autoscaler has been at its bound for 40 minutes",
        series: &[
            (
                "kube_horizontalpodautoscaler_status_current_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "6x45",
            ),
            (
                "kube_horizontalpodautoscaler_spec_max_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "6x45",
            ),
            (
                "kube_horizontalpodautoscaler_spec_min_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "3x45",
            ),
        ],
        at: "40m",
        fires: &[&[
            WARNING,
            MEMORY,
            ("horizontalpodautoscaler", "openmemory-mcp-server"),
        ]],
    },
    Example {
        alert: "OpenMemoryAtMaximumScale",
        fact: "the autoscaler has room for one more",
        series: &[
            (
                "kube_horizontalpodautoscaler_status_current_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "5x45",
            ),
            (
                "kube_horizontalpodautoscaler_spec_max_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "6x45",
            ),
            (
                "kube_horizontalpodautoscaler_spec_min_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "3x45",
            ),
        ],
        at: "40m",
        fires: &[],
    },
    Example {
        alert: "OpenMemoryAtMaximumScale",
        fact: "the number of servers is fixed",
        series: &[
            (
                "kube_horizontalpodautoscaler_status_current_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "1x45",
            ),
            (
                "kube_horizontalpodautoscaler_spec_max_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "1x45",
            ),
            (
                "kube_horizontalpodautoscaler_spec_min_replicas{namespace=\"sophia-memory\",horizontalpodautoscaler=\"openmemory-mcp-server\"}",
                "1x45",
            ),
        ],
        at: "40m",
        fires: &[],
    },
    Example {
        alert: "OpenMemoryUnhealthy",
        fact: "one of two servers says that Mem0 is down",
        series: &[
            ("sophia_mem0_health_status{pod=\"a\"}", "0x10"),
            ("sophia_mem0_health_status{pod=\"b\"}", "1x10"),
        ],
        at: "10m",
        fires: &[&[CRITICAL, MEMORY]],
    },
    Example {
        alert: "OpenMemoryUnhealthy",
        fact: "all servers say that Mem0 is well",
        series: &[("sophia_mem0_health_status{pod=\"a\"}", "1x10")],
        at: "10m",
        fires: &[],
    },
    Example {
        alert: "MemorySyncIncomplete",
        fact: "one direction has lost records for 40 minutes",
        series: &[
            (
                "sophia_snowflake_mem0_sync_success_rate{direction=\"to_mem0\"}",
                "0.998x40",
            ),
            (
                "sophia_snowflake_mem0_sync_success_rate{direction=\"to_snowflake\"}",
                "1x40",
            ),
        ],
        at: "40m",
        fires: &[&[WARNING, MEMORY, ("direction", "to_mem0")]],
    },
    Example {
        alert: "MemorySyncIncomplete",
        fact: "one run lost records and the next made up for it",
        series: &[(
            "sophia_snowflake_mem0_sync_success_rate{direction=\"to_mem0\"}",
            "1x20 0.9x14 0.9995x20",
        )],
        at: "40m",
        fires: &[],
    },
    Example {
        alert: "MemoryServerFailing",
        fact: "one request in ten to LangGraph fails, and the chat is well",
        series: &[
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"langgraph\",destination_workload_namespace=\"sophia-memory\",response_code=\"200\"}",
                "0+54x30",
            ),
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"langgraph\",destination_workload_namespace=\"sophia-memory\",response_code=\"500\"}",
                "0+6x30",
            ),
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"sophia-unified-chat\",destination_workload_namespace=\"sophia-ai\",response_code=\"200\"}",
                "0+60x30",
            ),
        ],
        at: "25m",
        fires: &[&[WARNING, MEMORY, ("destination_workload", "langgraph")]],
    },
    Example {
        alert: "MemoryServerFailing",
        fact: "the chat fails all of its requests",
        series: &[
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"sophia-unified-chat\",destination_workload_namespace=\"sophia-ai\",response_code=\"503\"}",
                "0+30x30",
            ),
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"sophia-unified-chat\",destination_workload_namespace=\"sophia-ai\",response_code=\"502\"}",
                "0+30x30",
            ),
        ],
        at: "25m",
        fires: &[&[
            WARNING,
            ("namespace", "sophia-ai"),
            ("destination_workload", "sophia-unified-chat"),
        ]],
    },
    Example {
        alert: "MemoryServerFailing",
        fact: "one request in a hundred fails",
        series: &[
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"langgraph\",destination_workload_namespace=\"sophia-memory\",response_code=\"200\"}",
                "0+99x30",
            ),
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"langgraph\",destination_workload_namespace=\"sophia-memory\",response_code=\"500\"}",
                "0+1x30",
            ),
        ],
        at: "25m",
        fires: &[],
    },
    Example {
        alert: "MemoryServerFailing",
        fact: "there are two requests a minute, and both fail",
        series: &[(
            "istio_requests_total{reporter=\"destination\",destination_workload=\"langgraph\",destination_workload_namespace=\"sophia-memory\",response_code=\"500\"}",
            "0x10 0+2x20",
        )],
        at: "25m",
        fires: &[],
    },
    Example {
        alert: "MemoryServerFailing",
        fact: "callers make mistakes, and the server makes none",
        series: &[
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"langgraph\",destination_workload_namespace=\"sophia-memory\",response_code=\"200\"}",
                "0+30x30",
            ),
            (
                "istio_requests_total{reporter=\"destination\",destination_workload=\"langgraph\",destination_workload_namespace=\"sophia-memory\",response_code=\"404\"}",
                "0+30x30",
            ),
        ],
        at: "25m",
        fires: &[],
    },
    Example {
        alert: "RedisUnreachable",
        fact: "the server has not answered the exporter for ten minutes",
        series: &[(
            "redis_up{job=\"redis\",namespace=\"sophia-memory\",pod=\"redis-0\"}",
            "1x10 0x12",
        )],
        at: "20m",
        fires: &[&[CRITICAL, MEMORY, ("pod", "redis-0")]],
    },
    Example {
        alert: "RedisUnreachable",
        fact: "the server restarts and is back in two minutes",
        series: &[(
            "redis_up{job=\"redis\",namespace=\"sophia-memory\",pod=\"redis-0\"}",
            "1x10 0x2 1x10",
        )],
        at: "13m",
        fires: &[],
    },
    Example {
        alert: "RedisEvictingEntries",
        fact: "an entry a second has had to go for 40 minutes",
        series: &[(
            "redis_evicted_keys_total{job=\"redis\",namespace=\"sophia-memory\",pod=\"redis-0\"}",
            "0+60x50",
        )],
        at: "40m",
        fires: &[&[WARNING, MEMORY, ("pod", "redis-0")]],
    },
    Example {
        alert: "RedisEvictingEntries",
        fact: "a burst made room for itself, ten minutes long",
        series: &[(
            "redis_evicted_keys_total{job=\"redis\",namespace=\"sophia-memory\",pod=\"redis-0\"}",
            "0x10 0+60x10 600x30",
        )],
        at: "22m",
        fires: &[],
    },
    Example {
        alert: "RedisRefusingConnections",
        fact: "clients are turned away all the time",
        series: &[(
            "redis_rejected_connections_total{job=\"redis\",namespace=\"sophia-memory\",pod=\"redis-0\"}",
            "0+3x30",
        )],
        at: "25m",
        fires: &[&[WARNING, MEMORY, ("pod", "redis-0")]],
    },
    Example {
        alert: "RedisRefusingConnections",
        fact: "some were turned away an hour ago, and none since",
        series: &[(
            "redis_rejected_connections_total{job=\"redis\",namespace=\"sophia-memory\",pod=\"redis-0\"}",
            "0+3x5 15x70",
        )],
        at: "70m",
        fires: &[],
    },
    Example {
        alert: "QdrantWithoutQuorum",
        fact: "one peer of three is ready",
        series: &[
            (
                "kube_statefulset_replicas{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "3x25",
            ),
            (
                "kube_statefulset_status_replicas_ready{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "1x10",
            ),
        ],
        at: "10m",
        fires: &[&[CRITICAL, MEMORY, ("statefulset", "qdrant")]],
    },
    Example {
        alert: "QdrantWithoutQuorum",
        fact: "all peers but one are ready",
        series: &[
            (
                "kube_statefulset_replicas{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "3x25",
            ),
            (
                "kube_statefulset_status_replicas_ready{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "2x10",
            ),
        ],
        at: "10m",
        fires: &[],
    },
    Example {
        alert: "QdrantPeerMissing",
        fact: "one of three peers has been away for 20 minutes",
        series: &[
            (
                "kube_statefulset_replicas{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "3x25",
            ),
            (
                "kube_statefulset_status_replicas_ready{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "2x20",
            ),
        ],
        at: "20m",
        fires: &[&[WARNING, MEMORY, ("statefulset", "qdrant")]],
    },
    Example {
        alert: "QdrantPeerMissing",
        fact: "one of three peers restarts",
        series: &[
            (
                "kube_statefulset_replicas{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "3x25",
            ),
            (
                "kube_statefulset_status_replicas_ready{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "3x5 2x9 3x10",
            ),
        ],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "QdrantInRecoveryMode",
        fact: "a peer was started in recovery mode",
        series: &[(
            "app_status_recovery_mode{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-1\"}",
            "1x10",
        )],
        at: "10m",
        fires: &[&[CRITICAL, MEMORY, ("pod", "qdrant-1")]],
    },
    Example {
        alert: "QdrantInRecoveryMode",
        fact: "the peers run as they should, and another workload's does not",
        series: &[
            (
                "app_status_recovery_mode{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-1\"}",
                "0x10",
            ),
            (
                "app_status_recovery_mode{job=\"other\",namespace=\"other\",pod=\"qdrant-1\"}",
                "1x10",
            ),
        ],
        at: "10m",
        fires: &[],
    },
    Example {
        alert: "QdrantConsensusStopped",
        fact: "the consensus of one peer has stopped",
        series: &[
            (
                "cluster_working_state{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-0\",state=\"stopped\"}",
                "1x10",
            ),
            (
                "cluster_working_state{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-0\",state=\"working\"}",
                "0x10",
            ),
        ],
        at: "10m",
        fires: &[&[CRITICAL, MEMORY, ("pod", "qdrant-0")]],
    },
    Example {
        alert: "QdrantConsensusStopped",
        fact: "the consensus of a peer works",
        series: &[
            (
                "cluster_working_state{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-0\",state=\"stopped\"}",
                "0x10",
            ),
            (
                "cluster_working_state{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-0\",state=\"working\"}",
                "1x10",
            ),
        ],
        at: "10m",
        fires: &[],
    },
    Example {
        alert: "QdrantConsensusBehind",
        fact: "operations wait for 20 minutes",
        series: &[(
            "cluster_pending_operations_total{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-2\"}",
            "4x20",
        )],
        at: "20m",
        fires: &[&[WARNING, MEMORY, ("pod", "qdrant-2")]],
    },
    Example {
        alert: "QdrantConsensusBehind",
        fact: "operations come and go",
        series: &[(
            "cluster_pending_operations_total{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-2\"}",
            "4x9 0 4x9 0",
        )],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "QdrantMembershipWrong",
        fact: "a peer knows only itself",
        series: &[
            (
                "kube_statefulset_replicas{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "3x25",
            ),
            (
                "cluster_peers_total{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-0\"}",
                "3x20",
            ),
            (
                "cluster_peers_total{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-1\"}",
                "1x20",
            ),
        ],
        at: "20m",
        fires: &[&[WARNING, MEMORY, ("pod", "qdrant-1")]],
    },
    Example {
        alert: "QdrantMembershipWrong",
        fact: "every peer knows three",
        series: &[
            (
                "kube_statefulset_replicas{namespace=\"sophia-memory\",statefulset=\"qdrant\"}",
                "3x25",
            ),
            (
                "cluster_peers_total{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-0\"}",
                "3x20",
            ),
        ],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "QdrantReplicaDead",
        fact: "a replica has been dead for 20 minutes",
        series: &[(
            "collection_dead_replicas{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-0\"}",
            "1x20",
        )],
        at: "20m",
        fires: &[&[WARNING, MEMORY, ("pod", "qdrant-0")]],
    },
    Example {
        alert: "QdrantReplicaDead",
        fact: "a replica catches up in ten minutes",
        series: &[(
            "collection_dead_replicas{job=\"qdrant\",namespace=\"sophia-memory\",pod=\"qdrant-0\"}",
            "0x5 1x9 0x10",
        )],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "MemoryVolumeAlmostFull",
        fact: "4 % are free, as one of the two nodes that mount the volume says",
        series: &[
            (
                "kubelet_volume_stats_available_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"memory-pvc\",node=\"a\"}",
                "4x10",
            ),
            (
                "kubelet_volume_stats_available_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"memory-pvc\",node=\"b\"}",
                "5x10",
            ),
            (
                "kubelet_volume_stats_capacity_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"memory-pvc\",node=\"a\"}",
                "100x10",
            ),
            (
                "kubelet_volume_stats_capacity_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"memory-pvc\",node=\"b\"}",
                "100x10",
            ),
        ],
        at: "10m",
        fires: &[&[CRITICAL, MEMORY, ("persistentvolumeclaim", "memory-pvc")]],
    },
    Example {
        alert: "MemoryVolumeAlmostFull",
        fact: "6 % are free, and a volume of another namespace is full",
        series: &[
            (
                "kubelet_volume_stats_available_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"memory-pvc\"}",
                "6x10",
            ),
            (
                "kubelet_volume_stats_capacity_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"memory-pvc\"}",
                "100x10",
            ),
            (
                "kubelet_volume_stats_available_bytes{namespace=\"other\",persistentvolumeclaim=\"memory-pvc\"}",
                "0x10",
            ),
            (
                "kubelet_volume_stats_capacity_bytes{namespace=\"other\",persistentvolumeclaim=\"memory-pvc\"}",
                "100x10",
            ),
        ],
        at: "10m",
        fires: &[],
    },
    Example {
        alert: "MemoryVolumeFillingUp",
        fact: "a fifth is free, and it is gone in a day",
        series: &[
            (
                "kubelet_volume_stats_available_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"qdrant-storage-qdrant-0\"}",
                "22000-10x240",
            ),
            (
                "kubelet_volume_stats_capacity_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"qdrant-storage-qdrant-0\"}",
                "100000x240",
            ),
        ],
        at: "4h",
        fires: &[&[
            WARNING,
            MEMORY,
            ("persistentvolumeclaim", "qdrant-storage-qdrant-0"),
        ]],
    },
    Example {
        alert: "MemoryVolumeFillingUp",
        fact: "a fifth is free, and it stays so",
        series: &[
            (
                "kubelet_volume_stats_available_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"qdrant-storage-qdrant-0\"}",
                "20000x240",
            ),
            (
                "kubelet_volume_stats_capacity_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"qdrant-storage-qdrant-0\"}",
                "100000x240",
            ),
        ],
        at: "4h",
        fires: &[],
    },
    Example {
        alert: "MemoryContainerOutOfMemory",
        fact: "a container was killed for its memory and started again",
        series: &[
            (
                "kube_pod_container_status_restarts_total{namespace=\"sophia-memory\",pod=\"qdrant-0\",container=\"qdrant\",uid=\"1\"}",
                "0x10 1x10",
            ),
            (
                "kube_pod_container_status_last_terminated_reason{namespace=\"sophia-memory\",pod=\"qdrant-0\",container=\"qdrant\",uid=\"1\",reason=\"OOMKilled\"}",
                "0x10 1x10",
            ),
        ],
        at: "15m",
        fires: &[&[WARNING, MEMORY, ("pod", "qdrant-0"), ("container", "qdrant")]],
    },
    Example {
        alert: "MemoryContainerOutOfMemory",
        fact: "a container was killed for its memory yesterday, and another ended by itself",
        series: &[
            (
                "kube_pod_container_status_restarts_total{namespace=\"sophia-memory\",pod=\"qdrant-0\",container=\"qdrant\"}",
                "1x20",
            ),
            (
                "kube_pod_container_status_last_terminated_reason{namespace=\"sophia-memory\",pod=\"qdrant-0\",container=\"qdrant\",reason=\"OOMKilled\"}",
                "1x20",
            ),
            (
                "kube_pod_container_status_restarts_total{namespace=\"sophia-memory\",pod=\"qdrant-1\",container=\"qdrant\"}",
                "0x10 1x10",
            ),
            (
                "kube_pod_container_status_last_terminated_reason{namespace=\"sophia-memory\",pod=\"qdrant-1\",container=\"qdrant\",reason=\"Error\"}",
                "0x10 1x10",
            ),
        ],
        at: "15m",
        fires: &[],
    },
    Example {
        alert: "MemoryContainerRestarting",
        fact: "a container restarts every five minutes",
        series: &[(
            "kube_pod_container_status_restarts_total{namespace=\"sophia-memory\",pod=\"a\",container=\"openmemory-api\"}",
            "0x4 1x4 2x4 3x4 4x4 5x4 6x40",
        )],
        at: "40m",
        fires: &[&[WARNING, MEMORY, ("pod", "a"), ("container", "openmemory-api")]],
    },
    Example {
        alert: "MemoryContainerRestarting",
        fact: "a container restarted twice",
        series: &[(
            "kube_pod_container_status_restarts_total{namespace=\"sophia-memory\",pod=\"a\",container=\"openmemory-api\"}",
            "0x10 1x10 2x30",
        )],
        at: "40m",
        fires: &[],
    },
    Example {
        alert: "MemoryPodPending",
        fact: "a pod has waited for 20 minutes",
        series: &[(
            "kube_pod_status_phase{namespace=\"sophia-memory\",pod=\"a\",phase=\"Pending\"}",
            "1x20",
        )],
        at: "20m",
        fires: &[&[WARNING, MEMORY, ("pod", "a")]],
    },
    Example {
        alert: "MemoryPodPending",
        fact: "a pod started after five minutes",
        series: &[(
            "kube_pod_status_phase{namespace=\"sophia-memory\",pod=\"a\",phase=\"Pending\"}",
            "1x5 0x15",
        )],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "MemoryDrainBlocked",
        fact: "a budget has allowed no eviction for 70 minutes",
        series: &[(
            "kube_poddisruptionbudget_status_pod_disruptions_allowed{namespace=\"sophia-memory\",poddisruptionbudget=\"qdrant\"}",
            "0x70",
        )],
        at: "70m",
        fires: &[&[WARNING, MEMORY, ("poddisruptionbudget", "qdrant")]],
    },
    Example {
        alert: "MemoryDrainBlocked",
        fact: "a drain takes one pod after the other",
        series: &[(
            "kube_poddisruptionbudget_status_pod_disruptions_allowed{namespace=\"sophia-memory\",poddisruptionbudget=\"qdrant\"}",
            "0x30 1 0x30 1x10",
        )],
        at: "70m",
        fires: &[],
    },
    Example {
        alert: "MeshRootCertificateExpiring",
        fact: "the root expires in six days",
        series: &[("citadel_server_root_cert_expiry_timestamp", "518400x30")],
        at: "20m",
        fires: &[&[CRITICAL, MEMORY], &[WARNING, MEMORY]],
    },
    Example {
        alert: "MeshRootCertificateExpiring",
        fact: "the root expires in twenty days",
        series: &[("citadel_server_root_cert_expiry_timestamp", "1728000x30")],
        at: "20m",
        fires: &[&[WARNING, MEMORY]],
    },
    Example {
        alert: "MeshRootCertificateExpiring",
        fact: "the root expires in forty days",
        series: &[("citadel_server_root_cert_expiry_timestamp", "3456000x30")],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "MemorySidecarCertificateOld",
        fact: "a certificate has not been renewed for 19 hours",
        series: &[(
            "istio_agent_cert_expiry_seconds{namespace=\"sophia-memory\",pod=\"qdrant-0\",resource_name=\"default\"}",
            "18000-60x30",
        )],
        at: "20m",
        fires: &[&[CRITICAL, MEMORY, ("pod", "qdrant-0")]],
    },
    Example {
        alert: "MemorySidecarCertificateOld",
        fact: "a certificate is just about to be renewed",
        series: &[(
            "istio_agent_cert_expiry_seconds{namespace=\"sophia-memory\",pod=\"qdrant-0\",resource_name=\"default\"}",
            "43200-60x30",
        )],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "MemoryRequestsRefused",
        fact: "a caller is refused once a second",
        series: &[(
            "istio_requests_total{reporter=\"destination\",destination_workload=\"qdrant\",destination_workload_namespace=\"sophia-memory\",source_workload=\"stranger\",source_workload_namespace=\"other\",response_code=\"403\"}",
            "0+60x20",
        )],
        at: "20m",
        fires: &[&[
            WARNING,
            MEMORY,
            ("destination_workload", "qdrant"),
            ("source_workload", "stranger"),
            ("source_workload_namespace", "other"),
            ("response_code", "403"),
        ]],
    },
    Example {
        alert: "MemoryRequestsRefused",
        fact: "a caller without a token is refused now and then",
        series: &[(
            "istio_requests_total{reporter=\"destination\",destination_workload=\"openmemory-mcp-server\",destination_workload_namespace=\"sophia-memory\",source_workload=\"chat\",source_workload_namespace=\"sophia-ai\",response_code=\"401\"}",
            "0+3x20",
        )],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "MemoryPlaintextTraffic",
        fact: "Qdrant takes requests without mutual TLS",
        series: &[(
            "istio_requests_total{reporter=\"destination\",destination_workload=\"qdrant\",destination_workload_namespace=\"sophia-memory\",source_workload=\"unknown\",connection_security_policy=\"none\",response_code=\"200\"}",
            "0 0 1x10",
        )],
        at: "5m",
        fires: &[&[
            CRITICAL,
            MEMORY,
            ("destination_workload", "qdrant"),
            ("source_workload", "unknown"),
        ]],
    },
    Example {
        alert: "MemoryPlaintextTraffic",
        fact: "all requests come with mutual TLS",
        series: &[(
            "istio_requests_total{reporter=\"destination\",destination_workload=\"qdrant\",destination_workload_namespace=\"sophia-memory\",source_workload=\"openmemory-mcp-server\",connection_security_policy=\"mutual_tls\",response_code=\"200\"}",
            "0+60x10",
        )],
        at: "5m",
        fires: &[],
    },
    Example {
        alert: "MemoryMetricsMissing",
        fact: "no metrics arrive",
        series: &[],
        at: "20m",
        fires: &[
            &[WARNING, MEMORY, ("source", "kube-state-metrics")],
            &[WARNING, MEMORY, ("source", "kubelet")],
            &[WARNING, MEMORY, ("source", "sidecars")],
            &[WARNING, MEMORY, ("source", "istiod")],
            &[WARNING, MEMORY, ("source", "openmemory")],
            &[WARNING, MEMORY, ("source", "qdrant")],
            &[WARNING, MEMORY, ("source", "redis")],
        ],
    },
    Example {
        alert: "MemoryMetricsMissing",
        fact: "metrics arrive from all sources of every stack, but not from the servers",
        series: &[
            (
                "kube_deployment_status_replicas_available{namespace=\"sophia-memory\",deployment=\"openmemory-mcp-server\"}",
                "1x20",
            ),
            (
                "kubelet_volume_stats_available_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"memory-pvc\"}",
                "9x20",
            ),
            (
                "istio_agent_cert_expiry_seconds{namespace=\"sophia-memory\",pod=\"a\"}",
                "80000x20",
            ),
            ("citadel_server_root_cert_expiry_timestamp", "99999999x20"),
        ],
        at: "20m",
        fires: &[
            &[WARNING, MEMORY, ("source", "openmemory")],
            &[WARNING, MEMORY, ("source", "qdrant")],
            &[WARNING, MEMORY, ("source", "redis")],
        ],
    },
    Example {
        alert: "MemoryMetricsMissing",
        fact: "metrics arrive from all sources",
        series: &[
            (
                "kube_deployment_status_replicas_available{namespace=\"sophia-memory\",deployment=\"openmemory-mcp-server\"}",
                "1x20",
            ),
            (
                "kubelet_volume_stats_available_bytes{namespace=\"sophia-memory\",persistentvolumeclaim=\"memory-pvc\"}",
                "9x20",
            ),
            (
                "istio_agent_cert_expiry_seconds{namespace=\"sophia-memory\",pod=\"a\"}",
                "80000x20",
            ),
            ("citadel_server_root_cert_expiry_timestamp", "99999999x20"),
            ("sophia_mem0_health_status", "1x20"),
            ("sophia_memory_tier_response_time{tier=\"L1\"}", "9x20"),
            ("app_status_recovery_mode{job=\"qdrant\"}", "0x20"),
            ("redis_up{job=\"redis\"}", "1x20"),
        ],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "MemoryTargetDown",
        fact: "a peer cannot be scraped",
        series: &[
            (
                "up{namespace=\"sophia-memory\",job=\"qdrant\",pod=\"qdrant-0\"}",
                "0x20",
            ),
            (
                "up{namespace=\"sophia-memory\",job=\"qdrant\",pod=\"qdrant-1\"}",
                "1x20",
            ),
        ],
        at: "20m",
        fires: &[&[WARNING, MEMORY, ("job", "qdrant"), ("pod", "qdrant-0")]],
    },
    Example {
        alert: "MemoryTargetDown",
        fact: "the chat, which is in another namespace, cannot be scraped",
        series: &[
            (
                "up{namespace=\"sophia-ai\",job=\"sophia-unified-chat\",pod=\"sophia-unified-chat-1\"}",
                "0x20",
            ),
            (
                "up{namespace=\"sophia-ai\",job=\"other\",pod=\"other-1\"}",
                "0x20",
            ),
        ],
        at: "20m",
        fires: &[&[
            WARNING,
            ("namespace", "sophia-ai"),
            ("job", "sophia-unified-chat"),
            ("pod", "sophia-unified-chat-1"),
        ]],
    },
    Example {
        alert: "MemoryTargetDown",
        fact: "a peer restarts, and another namespace has a target that is down",
        series: &[
            (
                "up{namespace=\"sophia-memory\",job=\"qdrant\",pod=\"qdrant-0\"}",
                "1x5 0x9 1x10",
            ),
            ("up{namespace=\"other\",job=\"other\",pod=\"b\"}", "0x20"),
        ],
        at: "20m",
        fires: &[],
    },
    Example {
        alert: "MemoryServerDown",
        fact: "neither a store nor a server of others is ready",
        series: &[
            (
                "kube_statefulset_status_replicas_ready{namespace=\"sophia-memory\",statefulset=\"redis\"}",
                "1x5 0x10",
            ),
            (
                "kube_deployment_status_replicas_available{namespace=\"sophia-ai\",deployment=\"sophia-unified-chat\"}",
                "1x5 0x10",
            ),
        ],
        at: "12m",
        fires: &[
            &[CRITICAL, MEMORY, ("workload", "redis")],
            &[
                CRITICAL,
                ("namespace", "sophia-ai"),
                ("workload", "sophia-unified-chat"),
            ],
        ],
    },
    Example {
        alert: "MemoryServerDown",
        fact: "a store restarts, and a server of another namespace is down",
        series: &[
            (
                "kube_statefulset_status_replicas_ready{namespace=\"sophia-memory\",statefulset=\"redis\"}",
                "1x5 0x3 1x10",
            ),
            (
                "kube_deployment_status_replicas_available{namespace=\"sophia-ai\",deployment=\"not-ours\"}",
                "0x15",
            ),
        ],
        at: "12m",
        fires: &[],
    },
    Example {
        alert: "MemoryBackupOverdue",
        fact: "one backup succeeded 27 hours ago, and another never",
        series: &[
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"backup-qdrant\"}",
                "-97200x40",
            ),
            (
                "kube_cronjob_status_last_successful_time{namespace=\"sophia-memory\",cronjob=\"backup-qdrant\"}",
                "-97200x40",
            ),
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"backup-openmemory\"}",
                "-97200x40",
            ),
        ],
        at: "30m",
        fires: &[
            &[CRITICAL, MEMORY, ("cronjob", "backup-qdrant")],
            &[CRITICAL, MEMORY, ("cronjob", "backup-openmemory")],
        ],
    },
    Example {
        alert: "MemoryBackupOverdue",
        fact: "one backup succeeded three hours ago, another was declared three hours ago, and pruning never succeeded",
        series: &[
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"backup-prune\"}",
                "-97200x40",
            ),
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"backup-qdrant\"}",
                "-97200x40",
            ),
            (
                "kube_cronjob_status_last_successful_time{namespace=\"sophia-memory\",cronjob=\"backup-qdrant\"}",
                "-10800x40",
            ),
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"backup-openmemory\"}",
                "-10800x40",
            ),
        ],
        at: "30m",
        fires: &[],
    },
    Example {
        alert: "MemoryRestoreDrillOverdue",
        fact: "the last drill that succeeded is more than eight days ago",
        series: &[
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"restore-drill\"}",
                "-9000000x60",
            ),
            (
                "kube_cronjob_status_last_successful_time{namespace=\"sophia-memory\",cronjob=\"restore-drill\"}",
                "-700000x60",
            ),
        ],
        at: "30m",
        fires: &[&[WARNING, MEMORY, ("cronjob", "restore-drill")]],
    },
    Example {
        alert: "MemoryRestoreDrillOverdue",
        fact: "the last drill that succeeded was yesterday",
        series: &[
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"restore-drill\"}",
                "-9000000x60",
            ),
            (
                "kube_cronjob_status_last_successful_time{namespace=\"sophia-memory\",cronjob=\"restore-drill\"}",
                "-86400x60",
            ),
        ],
        at: "30m",
        fires: &[],
    },
    Example {
        alert: "MemorySyncOverdue",
        fact: "the sync has not succeeded for an hour",
        series: &[
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"memory-sync\"}",
                "0x70",
            ),
            (
                "kube_cronjob_status_last_successful_time{namespace=\"sophia-memory\",cronjob=\"memory-sync\"}",
                "0x70",
            ),
        ],
        at: "60m",
        fires: &[&[WARNING, MEMORY, ("cronjob", "memory-sync")]],
    },
    Example {
        alert: "MemorySyncOverdue",
        fact: "the sync failed once and then succeeded",
        series: &[
            (
                "kube_cronjob_created{namespace=\"sophia-memory\",cronjob=\"memory-sync\"}",
                "0x70",
            ),
            (
                "kube_cronjob_status_last_successful_time{namespace=\"sophia-memory\",cronjob=\"memory-sync\"}",
                "0x29 1800x40",
            ),
        ],
        at: "60m",
        fires: &[],
    },
];

/// What a stack is watched by that has more than any other: a store and a server of others, backups, a drill and the sync.
pub fn with_everything(config: &StackConfig) -> Graph {
    let other = |name: &'static str, namespace: &'static str| Workload {
        namespace,
        name,
        ..OPENMEMORY
    };
    monitoring_with(
        config,
        &[
            other("redis", "sophia-memory"),
            other("sophia-unified-chat", "sophia-ai"),
            BACKUP_QDRANT,
            BACKUP_OPENMEMORY,
            BACKUP_PRUNE,
            RESTORE_DRILL,
            SYNC,
        ],
    )
}

/// The rules of a stack, whichever object has them.
pub fn rules(graph: &Graph) -> PrometheusRuleSpec {
    if let Some(rule) = graph.get::<PrometheusRule>(Some("sophia-memory"), RULES) {
        return rule.spec;
    }
    let map: ConfigMap = graph
        .get(Some("sophia-memory"), RULES)
        .expect("every stack has rules");
    let file = &map.data.expect("the ConfigMap has data")[RULE_FILE];
    let documents = phoenix_manifests::yaml::read(file).expect("the file is YAML");
    serde_json::from_value(documents[0].value.clone()).expect("the file has the shape of rules")
}

/// The alerting rules.
pub fn alerts(rules: &PrometheusRuleSpec) -> Vec<PrometheusRuleGroupsRules> {
    let groups = rules.groups.clone().unwrap_or_default();
    let rules = groups
        .into_iter()
        .flat_map(|group| group.rules.unwrap_or_default());
    rules.filter(|rule| rule.alert.is_some()).collect()
}

/// The names of the metrics that an example has series of.
pub fn metrics(example: &Example) -> BTreeSet<&'static str> {
    example
        .series
        .iter()
        .map(|(series, _)| series.split('{').next().expect("split gives one part at least"))
        .collect()
}

/// The examples that say something of these rules, with the alerts that are expected to fire there.
pub fn of(
    rules: &PrometheusRuleSpec,
) -> Vec<(&'static Example, Vec<PrometheusRuleGroupsRules>, Vec<Labels>)> {
    let text = serde_json::to_string(rules).expect("rules are always JSON");
    let alerts = alerts(rules);
    let mut chosen = Vec::new();
    for example in EXAMPLES {
        let named = alerts
            .iter()
            .any(|rule| rule.alert.as_deref() == Some(example.alert));
        if !named || !metrics(example).iter().all(|metric| text.contains(metric)) {
            continue;
        }
        let mut firing = Vec::new();
        let mut labels = Vec::new();
        for expected in example.fires {
            let expected: Labels = expected
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let rule = alerts.iter().find(|rule| {
                rule.alert.as_deref() == Some(example.alert)
                    && own_labels(rule).all(|label| expected.get(label.0) == Some(label.1))
            });
            if let Some(rule) = rule {
                firing.push(rule.clone());
                labels.push(expected);
            }
        }
        chosen.push((example, firing, labels));
    }
    chosen
}

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

fn own_labels(rule: &PrometheusRuleGroupsRules) -> impl Iterator<Item = (&String, &String)> {
    rule.labels.iter().flatten()
}

/// promtool's file of tests for the rules in `file`.
pub fn test_file(rules: &PrometheusRuleSpec, file: &str) -> Value {
    let tests: Vec<_> = of(rules)
        .into_iter()
        .map(|(example, firing, labels)| {
            let expected: Vec<_> = firing
                .iter()
                .zip(labels)
                .map(|(rule, labels)| {
                    json!({"exp_labels": labels, "exp_annotations": expanded(rule, &labels)})
                })
                .collect();
            let series: Vec<_> = example
                .series
                .iter()
                .map(|(series, values)| json!({"series": series, "values": values}))
                .collect();
            json!({
                "name": format!("{}: {}", example.alert, example.fact),
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [{
                    "eval_time": example.at,
                    "alertname": example.alert,
                    "exp_alerts": expected,
                }],
            })
        })
        .collect();
    json!({"rule_files": [file], "evaluation_interval": "1m", "tests": tests})
}

/// The annotations of a rule as a person reads them: names of labels give way to their values.
fn expanded(rule: &PrometheusRuleGroupsRules, labels: &Labels) -> Labels {
    let mut annotations = rule.annotations.clone().unwrap_or_default();
    for text in annotations.values_mut() {
        for (name, value) in labels {
            *text = text.replace(&format!("{{{{ $labels.{name} }}}}"), value);
        }
    }
    annotations
}
