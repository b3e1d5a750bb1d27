//! The peers of Qdrant and their consensus.

use super::super::Platform;
use super::super::alert::{Alert, Severity};
use crate::names::QDRANT;

pub(super) fn alerts(platform: &Platform<'_>) -> Vec<Alert> {
    let is_cluster = platform.qdrant.is_cluster();
    // The expected number comes from the cluster, so that another number of peers does not change the rule.
    let replicas = |by: &str| {
        format!(
            "max by ({by}) (kube_statefulset_replicas{{namespace=\"{}\",statefulset=\"{}\"}})",
            QDRANT.namespace, QDRANT.name
        )
    };
    let ready = format!(
        "max by (namespace, statefulset) (kube_statefulset_status_replicas_ready{{namespace=\"{}\",statefulset=\"{}\"}})",
        QDRANT.namespace, QDRANT.name
    );
    let mut alerts = vec![Alert {
        name: "QdrantWithoutQuorum",
        severity: Severity::Critical,
        expression: format!("{ready}\n< floor({} / 2) + 1", replicas("namespace, statefulset")),
        lasting: Some("3m"),
        labels: &[],
        summary: "Too few Qdrant peers are ready",
        description: "Without a majority of its peers, Qdrant accepts no changes: memories cannot be stored and may not be found.",
    }];
    if is_cluster {
        alerts.push(Alert {
            name: "QdrantPeerMissing",
            severity: Severity::Warning,
            expression: format!("{ready}\n< {}", replicas("namespace, statefulset")),
            // A rollout stops each peer for a few minutes.
            lasting: Some("15m"),
            labels: &[],
            summary: "A Qdrant peer is not ready",
            description: "The other peers continue, but the next failure may cost the quorum.",
        });
    }
    if !platform.scrapes_servers {
        return alerts;
    }
    // The monitor takes the job name from the label `app`; the metric names alone are not unique.
    let job = format!("job=\"{}\"", QDRANT.app);
    alerts.push(Alert {
        name: "QdrantInRecoveryMode",
        severity: Severity::Critical,
        expression: format!("max by (namespace, pod) (app_status_recovery_mode{{{job}}}) == 1"),
        lasting: Some("5m"),
        labels: &[],
        summary: "Qdrant peer {{ $labels.pod }} runs in recovery mode",
        description: "It loads no collections and serves no searches until it is restarted in normal mode.",
    });
    if is_cluster {
        alerts.extend([
            Alert {
                name: "QdrantConsensusStopped",
                severity: Severity::Critical,
                expression: format!("max by (namespace, pod) (cluster_working_state{{{job},state=\"stopped\"}}) == 1"),
                lasting: Some("5m"),
                labels: &[],
                summary: "Qdrant peer {{ $labels.pod }} does not participate in consensus",
                description: "Its consensus thread has stopped, so it no longer receives changes to collections, shards and peers.",
            },
            Alert {
                name: "QdrantConsensusBehind",
                severity: Severity::Warning,
                expression: format!("max by (namespace, pod) (cluster_pending_operations_total{{{job}}}) > 0"),
                lasting: Some("15m"),
                labels: &[],
                summary: "Qdrant peer {{ $labels.pod }} lags behind the consensus",
                description: "Operations that the cluster agreed on have been pending for 15 minutes.",
            },
            Alert {
                name: "QdrantMembershipWrong",
                severity: Severity::Warning,
                expression: format!(
                    "max by (namespace, pod) (cluster_peers_total{{{job}}})\n!= on (namespace) group_left () {}",
                    replicas("namespace")
                ),
                lasting: Some("15m"),
                labels: &[],
                summary: "Qdrant peer {{ $labels.pod }} reports a different number of peers than the stack has",
                description: "A peer was lost and not removed, or a peer has bootstrapped a cluster of its own.",
            },
            Alert {
                name: "QdrantReplicaDead",
                severity: Severity::Warning,
                expression: format!("max by (namespace, pod) (collection_dead_replicas{{{job}}}) > 0"),
                // A returning peer first receives its shards from the others.
                lasting: Some("15m"),
                labels: &[],
                summary: "Qdrant peer {{ $labels.pod }} reports inactive shard replicas",
                description: "Some memories have fewer replicas than the stack requires.",
            },
        ]);
    }
    alerts
}
