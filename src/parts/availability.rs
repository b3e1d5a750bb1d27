//! Availability of a workload during node changes and rollouts.

use k8s_openapi::api::apps::v1::{DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource,
};
use k8s_openapi::api::core::v1::TopologySpreadConstraint;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::config::Scale;
use crate::names::Workload;
use crate::parts::metadata;

/// Lets a drain evict one pod at a time. A single pod gets no budget, because it would block every drain permanently.
pub fn disruption_budget(
    workload: Workload,
    least_replicas: u32,
    unready: UnhealthyPodEviction,
) -> Option<PodDisruptionBudget> {
    (least_replicas > 1).then(|| PodDisruptionBudget {
        metadata: metadata::workload_meta(workload, workload.name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(metadata::selector(workload)),
            unhealthy_pod_eviction_policy: match unready {
                UnhealthyPodEviction::AlwaysAllow => Some("AlwaysAllow".to_owned()),
                UnhealthyPodEviction::IfHealthyBudget => None,
            },
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// How a drain treats pods that are not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnhealthyPodEviction {
    /// They hold nothing worth protecting and must not block the drain.
    AlwaysAllow,
    /// They may hold data that the others need, such as a peer that is catching up.
    IfHealthyBudget,
}

/// How many seconds a new pod must stay ready before a rollout continues. Otherwise a process that becomes ready and
/// then crashes would replace all of its predecessors.
pub const MIN_READY_SECONDS: i32 = 5;

/// How strictly pods are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Best effort: a pod is scheduled on the same node rather than left pending.
    Preferred,
    /// Strictly across at least three zones and nodes: a pod is left pending rather than scheduled too close to
    /// another. For quorums.
    Required,
}

/// Spreads the pods of a workload across zones and nodes.
pub fn spread(workload: Workload, spread: Spread) -> Vec<TopologySpreadConstraint> {
    ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        .map(|key| TopologySpreadConstraint {
            label_selector: Some(metadata::selector(workload)),
            max_skew: 1,
            // Without it, all pods in a single zone would also count as evenly spread.
            min_domains: (spread == Spread::Required).then_some(3),
            topology_key: key.to_owned(),
            when_unsatisfiable: match spread {
                Spread::Preferred => "ScheduleAnyway".to_owned(),
                Spread::Required => "DoNotSchedule".to_owned(),
            },
            ..Default::default()
        })
        .to_vec()
}

/// A rollout starts one new pod before it stops an old one, so that the number of ready pods never drops below
/// `replicas`.
pub fn surge_one() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

/// Holds the number of pods. A fixed number is minimum and maximum at the same time.
///
/// The autoscaler enforces equal bounds without a metric, so this also works in a cluster without a metrics server.
pub fn autoscaler(workload: Workload, scale: Scale) -> HorizontalPodAutoscaler {
    let cpu_percent = match scale {
        Scale::Auto { cpu_percent, .. } => cpu_percent,
        // The API server's default, stated explicitly; it has no effect here.
        Scale::Fixed(_) => 80,
    };
    HorizontalPodAutoscaler {
        metadata: metadata::workload_meta(workload, workload.name),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: workload.name.to_owned(),
            },
            min_replicas: Some(count(scale.least())),
            max_replicas: count(scale.most()),
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(count(cpu_percent)),
                        ..Default::default()
                    },
                }),
                ..Default::default()
            }]),
            behavior: Some(HorizontalPodAutoscalerBehavior {
                // Load comes in bursts; scaling down waits for ten quiet minutes.
                scale_down: Some(HPAScalingRules {
                    stabilization_window_seconds: Some(600),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        }),
        ..Default::default()
    }
}

/// The Kubernetes API uses signed numbers; validation keeps all counts far below the maximum.
fn count(number: u32) -> i32 {
    i32::try_from(number).expect("validation bounds every count")
}
