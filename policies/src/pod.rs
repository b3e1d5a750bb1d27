//! The pod of an object, in every form of the Kubernetes API: a pod, or the pod template of a workload.

use phoenix_graph::Object;
use serde_json::Value;

use crate::field::{Field, Node, field};
use crate::kind::WORKLOADS;

/// The pod of a workload.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    spec: &'a Value,
    spec_path: &'static str,
    metadata: &'a Value,
    metadata_path: &'static str,
    /// Init containers, containers and ephemeral containers, in this order.
    pub containers: Vec<Container<'a>>,
    /// Paths that cannot be read, such as `spec.containers`.
    pub unreadable: Vec<String>,
}

/// The list of the pod that a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `initContainers`: runs to completion before the others, unless it is a sidecar.
    Init,
    /// `containers`: runs as long as the pod.
    Main,
    /// `ephemeralContainers`: added to a running pod for debugging.
    Ephemeral,
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    value: &'a Value,
    path: String,
    /// The list that it is in.
    pub role: Role,
    /// Its name; `?` if it has none.
    pub name: &'a str,
}

impl<'a> Pod<'a> {
    /// The pod that an object is or creates; `None` for an object of another kind.
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

    /// The spec of the pod.
    pub fn spec(&self) -> Node<'a> {
        Node::new(self.spec, self.spec_path)
    }

    /// The metadata of the pod.
    pub fn metadata(&self) -> Node<'a> {
        Node::new(self.metadata, self.metadata_path)
    }

    /// Whether the pod declares Windows as its operating system, on which the security fields of Linux are invalid.
    pub fn is_windows(&self) -> bool {
        self.spec().text("os.name") == Field::Known("windows")
    }
}

impl<'a> Container<'a> {
    /// The container as a node.
    pub fn node(&self) -> Node<'_> {
        Node::new(self.value, &self.path)
    }

    /// The environment variables.
    pub fn env(&self) -> Field<&'a [Value]> {
        Node::new(self.value, "").list("env")
    }

    /// The value of an environment variable that is set literally. Of two with one name the last counts, as in the container.
    pub fn variable(&self, name: &str) -> Field<&'a str> {
        self.env().and_then(|variables| {
            let mut found = Field::Absent;
            for variable in variables {
                let variable = Node::new(variable, "");
                match variable.text("name") {
                    Field::Known(known) if known == name => {
                        found = match (variable.text("value"), variable.field("valueFrom")) {
                            (Field::Absent, Field::Absent) => Field::Known(""),
                            (value, Field::Absent) => value,
                            _ => Field::Unknown,
                        };
                    }
                    Field::Known(_) | Field::Absent => {}
                    Field::Unknown => found = Field::Unknown,
                }
            }
            found
        })
    }

    /// The path of an environment variable; the path of the list if there is none with this name.
    pub fn variable_path(&self, name: &str) -> String {
        let variables = self.env().known().unwrap_or_default();
        let is_it = |variable: &Value| Node::new(variable, "").text("name") == Field::Known(name);
        match variables.iter().rposition(is_it) {
            Some(index) => self.node().at(&format!("env[{index}].value")),
            None => self.node().at("env"),
        }
    }

    /// A field of the container or, if it is absent, the field of the same name of the pod.
    pub fn or_pod<T>(
        &self,
        read: impl Fn(&Node<'a>, &str) -> Field<T>,
        field: &str,
        pod: &Pod<'a>,
    ) -> Field<T> {
        read(&Node::new(self.value, ""), field).or(|| read(&pod.spec(), field))
    }

    /// Its name in a message: `container api`, `init container copy`.
    pub fn words(&self) -> String {
        match self.role {
            Role::Init => format!("init container {}", self.name),
            Role::Main => format!("container {}", self.name),
            Role::Ephemeral => format!("ephemeral container {}", self.name),
        }
    }

    /// Whether it runs as long as its pod: a container or a sidecar.
    pub fn is_long_running(&self) -> bool {
        match self.role {
            Role::Main => true,
            Role::Init => self.node().text("restartPolicy") == Field::Known("Always"),
            Role::Ephemeral => false,
        }
    }
}
