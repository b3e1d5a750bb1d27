//! Labels that controllers add to the pods that they create.

use phoenix_graph::Object;

use crate::field::{Field, Node};
use crate::selector::{AddedLabel, AddedValue, Labels, PodLabels};

/// The number of pods up to which the labels of each pod are listed.
const LISTED_PODS: i64 = 100;

/// The labels that the controller of an object adds to its pods.
#[derive(Clone, Debug)]
pub(crate) struct ControllerLabels {
    all: Vec<AddedLabel>,
    each: Option<Vec<Vec<AddedLabel>>>,
    is_open: bool,
}

impl ControllerLabels {
    /// <https://kubernetes.io/docs/reference/labels-annotations-taints/>, and the sources of the other controllers.
    pub(crate) fn of(object: &Object) -> Self {
        let mut labels = Self {
            all: Vec::new(),
            each: None,
            is_open: false,
        };
        let name = object.id.name.as_str();
        let body = Node::new(object.body(), "");
        match (object.id.group.as_str(), object.id.kind.as_str()) {
            ("apps" | "extensions" | "", "Deployment") => labels.add("pod-template-hash", AddedValue::Any),
            ("apps" | "extensions" | "", "DaemonSet") => {
                labels.add("controller-revision-hash", AddedValue::Any);
                labels.add("pod-template-generation", AddedValue::Any);
            }
            ("apps" | "apps.kruise.io" | "", "StatefulSet") => {
                labels.add("controller-revision-hash", AddedValue::Any);
                labels.stateful_set(name, body);
            }
            ("batch" | "", "Job") => {
                labels.job(&AddedValue::Exactly(name.to_owned()));
                labels.completions(body);
            }
            ("batch" | "", "CronJob") => {
                labels.job(&AddedValue::StartsWith(format!("{name}-")));
                if body.text("spec.jobTemplate.spec.completionMode") == Field::Known("Indexed") {
                    labels.add(COMPLETION_INDEX, AddedValue::Any);
                }
            }
            ("apps" | "extensions" | "", "Pod" | "ReplicaSet" | "ReplicationController" | "PodTemplate") => {}
            ("argoproj.io", "Rollout") => labels.add("rollouts-pod-template-hash", AddedValue::Any),
            ("apps.openshift.io" | "", "DeploymentConfig") => {
                labels.add("deploymentconfig", AddedValue::Exactly(name.to_owned()));
                labels.add("deployment", AddedValue::StartsWith(format!("{name}-")));
            }
            ("apps.kruise.io", "CloneSet") => {
                for key in ["controller-revision-hash", "apps.kruise.io/cloneset-instance-id"] {
                    labels.add(key, AddedValue::Any);
                }
            }
            ("serving.knative.dev", _) => {
                for key in ["serving.knative.dev/service", "serving.knative.dev/configuration"] {
                    labels.add(key, AddedValue::Exactly(name.to_owned()));
                }
                labels.is_open = true;
            }
            _ => labels.is_open = true,
        }
        labels
    }

    fn add(&mut self, key: &'static str, value: AddedValue) {
        self.all.push(AddedLabel { key, value });
    }

    fn job(&mut self, name: &AddedValue) {
        for key in ["job-name", "batch.kubernetes.io/job-name"] {
            self.add(key, name.clone());
        }
        for key in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
            self.add(key, AddedValue::Any);
        }
    }

    fn completions(&mut self, body: Node<'_>) {
        if body.text("spec.completionMode") != Field::Known("Indexed") {
            return;
        }
        let completions = body.number("spec.completions").or(|| Field::Known(1));
        let shared = self.all.clone();
        self.add(COMPLETION_INDEX, AddedValue::Any);
        self.list(completions, |index| {
            let index = AddedValue::Exactly(index.to_string());
            let own = AddedLabel {
                key: COMPLETION_INDEX,
                value: index,
            };
            shared.iter().cloned().chain([own]).collect()
        });
    }

    fn stateful_set(&mut self, name: &str, body: Node<'_>) {
        const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
        const POD_INDEX: &str = "apps.kubernetes.io/pod-index";
        let replicas = body.number("spec.replicas").or(|| Field::Known(1));
        let start = body.number("spec.ordinals.start").or(|| Field::Known(0));
        let shared = self.all.clone();
        self.add(POD_NAME, AddedValue::StartsWith(format!("{name}-")));
        self.add(POD_INDEX, AddedValue::Any);
        let Field::Known(start) = start else { return };
        self.list(replicas, |index| {
            let ordinal = start.saturating_add(index);
            let own = [
                (POD_NAME, format!("{name}-{ordinal}")),
                (POD_INDEX, ordinal.to_string()),
            ];
            let own = own.map(|(key, value)| AddedLabel {
                key,
                value: AddedValue::Exactly(value),
            });
            shared.iter().cloned().chain(own).collect()
        });
    }

    /// Lists the labels of each pod, if their number is known and not too large.
    fn list(&mut self, number: Field<i64>, labels: impl Fn(i64) -> Vec<AddedLabel>) {
        let Field::Known(number) = number else { return };
        if number > LISTED_PODS {
            return;
        }
        self.each = Some((0..number).map(labels).collect());
    }

    pub(crate) fn of_all<'a>(&'a self, written: Labels<'a>) -> PodLabels<'a> {
        PodLabels {
            written,
            added: &self.all,
            is_open: self.is_open,
        }
    }

    pub(crate) fn of_each<'a>(
        &'a self,
        written: Labels<'a>,
    ) -> Option<impl Iterator<Item = PodLabels<'a>> + use<'a>> {
        let each = self.each.as_ref()?;
        Some(each.iter().map(move |added| PodLabels {
            written,
            added,
            is_open: self.is_open,
        }))
    }
}

const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
