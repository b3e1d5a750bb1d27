//! Kinds of objects in any API version, and the kinds that several rules use.

/// A kind of object in any version of its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    groups: &'static [&'static str],
    /// The name, such as `Deployment`.
    pub name: &'static str,
}

impl Kind {
    /// A kind that is, or was in an older version, in these API groups.
    pub const fn new(groups: &'static [&'static str], name: &'static str) -> Self {
        Self { groups, name }
    }

    /// A kind of the core API group.
    pub const fn core(name: &'static str) -> Self {
        Self::new(&[""], name)
    }

    /// The API groups of the kind, past ones included.
    pub fn groups(&self) -> &'static [&'static str] {
        self.groups
    }

    /// Whether a group and a name are those of this kind.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        *self == ANY || (self.name == kind && self.groups.contains(&group))
    }
}

/// Every kind, also of custom resources.
pub const ANY: Kind = Kind::new(&[], "any kind");

/// A bare pod.
pub const POD: Kind = Kind::core("Pod");
/// A Deployment of any API version. One without an API group, a common mistake, is checked too: the API server would
/// reject it, but its other faults are still worth reporting.
pub const DEPLOYMENT: Kind = Kind::new(&["apps", "extensions", ""], "Deployment");
/// A `StatefulSet`.
pub const STATEFUL_SET: Kind = Kind::new(&["apps", ""], "StatefulSet");
/// A `DaemonSet` of any API version.
pub const DAEMON_SET: Kind = Kind::new(&["apps", "extensions", ""], "DaemonSet");
/// A `ReplicaSet` of any API version.
pub const REPLICA_SET: Kind = Kind::new(&["apps", "extensions", ""], "ReplicaSet");
/// A `ReplicationController`, the predecessor of `ReplicaSet`.
pub const REPLICATION_CONTROLLER: Kind = Kind::core("ReplicationController");
/// A Job.
pub const JOB: Kind = Kind::new(&["batch", ""], "Job");
/// A `CronJob`.
pub const CRON_JOB: Kind = Kind::new(&["batch", ""], "CronJob");
/// A `PodTemplate`.
pub const POD_TEMPLATE: Kind = Kind::core("PodTemplate");

/// Every kind that is a pod or has a pod template.
pub const WORKLOADS: &[Kind] = &[
    POD,
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    JOB,
    CRON_JOB,
    POD_TEMPLATE,
];

/// Workloads that create pods, which a `PodTemplate` does not.
pub const RUNNING_WORKLOADS: &[Kind] = &[
    POD,
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    JOB,
    CRON_JOB,
];

/// Workloads that run until they are stopped.
pub const SERVERS: &[Kind] = &[
    POD,
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
];

/// A Namespace.
pub const NAMESPACE: Kind = Kind::core("Namespace");
/// A Service.
pub const SERVICE: Kind = Kind::core("Service");
/// A `ConfigMap`.
pub const CONFIG_MAP: Kind = Kind::core("ConfigMap");
/// A `PersistentVolumeClaim`.
pub const CLAIM: Kind = Kind::core("PersistentVolumeClaim");
/// A `NetworkPolicy` of any API version.
pub const NETWORK_POLICY: Kind = Kind::new(&["networking.k8s.io", "extensions"], "NetworkPolicy");
/// A `PodDisruptionBudget` of any API version.
pub const BUDGET: Kind = Kind::new(&["policy", ""], "PodDisruptionBudget");
/// A `HorizontalPodAutoscaler` of any API version.
pub const AUTOSCALER: Kind = Kind::new(&["autoscaling", ""], "HorizontalPodAutoscaler");
