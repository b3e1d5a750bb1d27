//! The pod that an object makes or is, in every shape that Kubernetes' API has for it.

use phoenix_graph::Object;
use serde_json::Value;

use crate::field::{Field, Node, field};
use crate::rule::Kind;

/// Every kind that is a pod or carries the template of one.
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

/// Workloads that run until somebody stops them.
pub const SERVERS: &[Kind] = &[
    POD,
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
];

/// A bare pod.
pub const POD: Kind = Kind::core("Pod");
/// A Deployment, of any API version that there was. Without a group, which is a common slip, it is judged all the same:
/// the cluster would refuse it, and what else is wrong with it is still worth knowing.
pub const DEPLOYMENT: Kind = Kind::new(&["apps", "extensions", ""], "Deployment");
/// A `StatefulSet`.
pub const STATEFUL_SET: Kind = Kind::new(&["apps", ""], "StatefulSet");
/// A `DaemonSet`, of any API version that there was.
pub const DAEMON_SET: Kind = Kind::new(&["apps", "extensions", ""], "DaemonSet");
/// A `ReplicaSet`, of any API version that there was.
pub const REPLICA_SET: Kind = Kind::new(&["apps", "extensions", ""], "ReplicaSet");
/// What came before `ReplicaSet`s.
pub const REPLICATION_CONTROLLER: Kind = Kind::core("ReplicationController");
/// A Job.
pub const JOB: Kind = Kind::new(&["batch", ""], "Job");
/// A `CronJob`.
pub const CRON_JOB: Kind = Kind::new(&["batch", ""], "CronJob");
/// A template for others to use.
pub const POD_TEMPLATE: Kind = Kind::core("PodTemplate");

/// The pod of a workload.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    /// Its spec, with its place.
    spec: &'a Value,
    spec_path: &'static str,
    metadata: &'a Value,
    metadata_path: &'static str,
    /// The containers of all three lists, in the order of the API: init, ordinary, ephemeral.
    pub containers: Vec<Container<'a>>,
    /// Lists of containers that cannot be read, such as `spec.containers`.
    pub unreadable: Vec<String>,
}

/// In which list of its pod a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs before the others, and ends, unless it is a sidecar.
    Init,
    /// Runs as long as the pod.
    Main,
    /// Was put into a running pod by a person, to look around.
    Ephemeral,
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    value: &'a Value,
    path: String,
    /// In which list it stands.
    pub role: Role,
    /// Its name; `?` where there is none.
    pub name: &'a str,
}

impl<'a> Pod<'a> {
    /// The pod that an object is or makes; `None` for objects that make none.
    pub fn of(object: &'a Object) -> Option<Self> {
        let (kind, group) = (object.id.kind.as_str(), object.id.group.as_str());
        if !WORKLOADS.iter().any(|workload| workload.is(group, kind)) {
            return None;
        }
        let (spec_path, metadata_path) = match kind {
            "Pod" => ("spec", "metadata"),
            "CronJob" => (
                "spec.jobTemplate.spec.template.spec",
                "spec.jobTemplate.spec.template.metadata",
            ),
            "PodTemplate" => ("template.spec", "template.metadata"),
            _ => ("spec.template.spec", "spec.template.metadata"),
        };
        let mut pod = Self {
            spec: &Value::Null,
            spec_path,
            metadata: field(object.body(), metadata_path)
                .known()
                .unwrap_or(&Value::Null),
            metadata_path,
            containers: Vec::new(),
            unreadable: Vec::new(),
        };
        match field(object.body(), spec_path) {
            Field::Known(spec) if spec.is_object() => pod.spec = spec,
            _ => pod.unreadable.push(spec_path.to_owned()),
        }
        for (list, role) in [
            ("initContainers", Role::Init),
            ("containers", Role::Main),
            ("ephemeralContainers", Role::Ephemeral),
        ] {
            pod.take(list, role);
        }
        Some(pod)
    }

    fn take(&mut self, list: &str, role: Role) {
        let items = match self.spec().list(list) {
            Field::Known(items) => items,
            Field::Absent => return,
            Field::Unknown => {
                self.unreadable.push(format!("{}.{list}", self.spec_path));
                return;
            }
        };
        for (index, value) in items.iter().enumerate() {
            let path = format!("{}.{list}[{index}]", self.spec_path);
            if value.is_object() {
                self.containers.push(Container {
                    value,
                    role,
                    name: Node::new(value, "").text("name").known().unwrap_or("?"),
                    path,
                });
            } else {
                self.unreadable.push(path);
            }
        }
    }

    /// The pod's spec.
    pub fn spec(&self) -> Node<'a> {
        Node::new(self.spec, self.spec_path)
    }

    /// The pod's metadata: labels and annotations.
    pub fn metadata(&self) -> Node<'a> {
        Node::new(self.metadata, self.metadata_path)
    }

    /// Whether it says itself that it runs on Windows, where Linux' security fields may not even be set.
    pub fn is_windows(&self) -> bool {
        self.spec().text("os.name") == Field::Known("windows")
    }
}

impl<'a> Container<'a> {
    /// The container as something to read fields of.
    pub fn node(&self) -> Node<'_> {
        Node::new(self.value, &self.path)
    }

    /// Its variables, as they stand.
    pub fn env(&self) -> Field<&'a [Value]> {
        Node::new(self.value, "").list("env")
    }

    /// What the container itself says in a field, or else what its pod says in a field of its own.
    pub fn or_pod<T>(
        &self,
        read: impl Fn(Node<'a>, &str) -> Field<T>,
        field: &str,
        pod: &Pod<'a>,
    ) -> Field<T> {
        read(Node::new(self.value, ""), field).or(|| read(pod.spec(), field))
    }

    /// What it is called in a sentence: `container api`, `init container copy`.
    pub fn words(&self) -> String {
        match self.role {
            Role::Init => format!("init container {}", self.name),
            Role::Main => format!("container {}", self.name),
            Role::Ephemeral => format!("ephemeral container {}", self.name),
        }
    }

    /// Whether it runs as long as its pod: an ordinary container, or an init container that is restarted always.
    pub fn is_long_running(&self) -> bool {
        match self.role {
            Role::Main => true,
            Role::Init => self.node().text("restartPolicy") == Field::Known("Always"),
            Role::Ephemeral => false,
        }
    }
}
