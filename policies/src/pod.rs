//! The pods of an object, in every form of the Kubernetes API: a pod, or the pod template of a workload or a custom resource.

use std::borrow::Cow;

use phoenix_graph::Object;
use serde_json::Value;

use crate::custom::{self, Custom};
use crate::field::{Field, Node, UNKNOWN_VALUE, field};
use crate::kind::WORKLOADS;
use crate::pod_labels::ControllerLabels;
use crate::selector::PodLabels;

/// The pod of a workload.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    spec: &'a Value,
    spec_path: Cow<'static, str>,
    metadata: &'a Value,
    metadata_path: Cow<'static, str>,
    /// Init containers, containers and ephemeral containers, in this order.
    pub containers: Vec<Container<'a>>,
    /// Paths that cannot be read, such as `spec.containers`.
    pub unreadable: Vec<String>,
    /// Whether a controller merges the template with fields of its own, so that an absent field may be set in the pod.
    pub is_partial: bool,
    added: ControllerLabels,
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
    /// The pods that an object is or creates: at most one, except for custom resources with several pod templates. If it is
    /// known that a controller creates pods from a custom resource without a template, nothing of the pod can be read.
    pub fn all_of(object: &'a Object) -> Vec<Self> {
        let (kind, group) = (object.id.kind.as_str(), object.id.group.as_str());
        if !WORKLOADS.iter().any(|workload| workload.is(group, kind)) {
            return match custom::pods_of(object) {
                Custom::Templates(templates) => templates
                    .into_iter()
                    .map(|(path, template)| {
                        let spec = format!("{path}.spec");
                        Self::read(
                            object,
                            template,
                            ("spec", "metadata"),
                            spec,
                            format!("{path}.metadata"),
                        )
                    })
                    .collect(),
                Custom::Unreadable => vec![Self::unreadable(object)],
                Custom::MayCreatePods | Custom::CreatesNone => Vec::new(),
            };
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
        let fields = (spec_path, metadata_path);
        vec![Self::read(
            object,
            object.body(),
            fields,
            spec_path,
            metadata_path,
        )]
    }

    /// Reads the pod from the fields of a value, which messages show with these paths.
    fn read(
        object: &'a Object,
        value: &'a Value,
        (spec, metadata): (&str, &str),
        spec_path: impl Into<Cow<'static, str>>,
        metadata_path: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut pod = Self {
            spec: &Value::Null,
            metadata: match field(value, metadata) {
                Field::Known(metadata) => metadata,
                Field::Absent => &Value::Null,
                Field::Unknown => &UNKNOWN_VALUE,
            },
            spec_path: spec_path.into(),
            metadata_path: metadata_path.into(),
            containers: Vec::new(),
            unreadable: Vec::new(),
            is_partial: false,
            added: ControllerLabels::of(object),
        };
        match field(value, spec) {
            Field::Known(spec) if spec.is_object() => pod.spec = spec,
            _ => pod.unreadable.push(pod.spec_path.to_string()),
        }
        for (list, role) in [
            ("initContainers", Role::Init),
            ("containers", Role::Main),
            ("ephemeralContainers", Role::Ephemeral),
        ] {
            pod.take(list, role);
        }
        let has_no_image = |container: &Container<'_>| container.node().field("image").is_absent();
        pod.is_partial = custom::merges_templates(object) && pod.containers.iter().any(has_no_image);
        pod
    }

    fn unreadable(object: &'a Object) -> Self {
        Self {
            spec: &UNKNOWN_VALUE,
            spec_path: "spec".into(),
            metadata: &UNKNOWN_VALUE,
            metadata_path: "metadata".into(),
            containers: Vec::new(),
            unreadable: vec![format!(
                "the pods that a controller creates from the {}",
                object.id.kind
            )],
            is_partial: false,
            added: ControllerLabels::of(object),
        }
    }

    fn take(&mut self, list: &str, role: Role) {
        let items = match Node::new(self.spec, "").list(list) {
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
    pub fn spec(&self) -> Node<'_> {
        Node::new(self.spec, &self.spec_path)
    }

    /// The metadata of the pod.
    pub fn metadata(&self) -> Node<'_> {
        Node::new(self.metadata, &self.metadata_path)
    }

    /// The labels that all of its pods have: those of the template, and those that its controller adds.
    pub fn labels(&self) -> PodLabels<'_> {
        self.added.of_all(self.metadata().map("labels"))
    }

    /// The labels of each single pod, if the controller labels its pods differently and their number is known.
    pub fn labels_of_each(&self) -> Option<impl Iterator<Item = PodLabels<'_>>> {
        self.added.of_each(self.metadata().map("labels"))
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

    /// The name of its image.
    pub fn image(&self) -> Field<&'a str> {
        Node::new(self.value, "").text("image")
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
        read(&Node::new(self.value, ""), field).or(|| read(&Node::new(pod.spec, ""), field))
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
