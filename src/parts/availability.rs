//! What keeps a workload up while nodes come and go.

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

/// Lets drains take one pod at a time. A single pod gets none: a budget would only block every drain for ever.
pub fn disruption_budget(
    workload: Workload,
    least_replicas: u32,
    unready: Unready,
) -> Option<PodDisruptionBudget> {
    (least_replicas > 1).then(|| PodDisruptionBudget {
        metadata: metadata::of_workload(workload, workload.name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(metadata::selector(workload)),
            unhealthy_pod_eviction_policy: match unready {
                Unready::MayGo => Some("AlwaysAllow".to_owned()),
                Unready::Counts => None,
            },
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// What a drain may do with a pod that is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// It protects nothing, and must not keep a node from being drained.
    MayGo,
    /// It may hold data that the others need, such as a peer that is catching up.
    Counts,
}

/// How many seconds a new pod must stay ready before a rollout goes on to the next one: a process that answers once and
/// then falls over would otherwise take all its elder siblings with it.
pub const SETTLED_SECONDS: i32 = 5;

/// How strictly pods are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// As well as the nodes allow; a pod is rather crowded than pending.
    Preferred,
    /// Over at least three zones and nodes, always; a pod is rather pending than too near to another. For quorums.
    Required,
}

/// Keeps the pods of a workload apart, over zones and over nodes.
pub fn spread(workload: Workload, spread: Spread) -> Vec<TopologySpreadConstraint> {
    ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        .map(|key| TopologySpreadConstraint {
            label_selector: Some(metadata::selector(workload)),
            max_skew: 1,
            // Without it, even pods in one and the same zone would be evenly spread.
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

/// A rollout brings one new pod up before an old one goes, so that there are never fewer than were asked for.
pub fn one_more_at_a_time() -> DeploymentStrategy {
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

/// Holds the number of pods; one that may not change is the least and the most at once.
///
/// Bounds that leave no choice are kept without any metric, so a cluster without a metrics server keeps them too.
pub fn autoscaler(workload: Workload, scale: Scale) -> HorizontalPodAutoscaler {
    let cpu_percent = match scale {
        Scale::Auto { cpu_percent, .. } => cpu_percent,
        // What the API server writes where nothing is said; it decides nothing here.
        Scale::Fixed(_) => 80,
    };
    HorizontalPodAutoscaler {
        metadata: metadata::of_workload(workload, workload.name),
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
                // Calls come in bursts; ten quiet minutes tell more than one.
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

/// Kubernetes counts in signed numbers; validation keeps ours far below their end.
fn count(number: u32) -> i32 {
    i32::try_from(number).expect("validation bounds every count")
}
