//! All objects under review, indexed by kind, namespace and name.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_graph::Object;

use crate::custom::{self, Custom};
use crate::field::{Field, Node, namespace_of};
use crate::kind::{AUTOSCALER, Kind};
use crate::pod::Pod;
use crate::selector::{Answer, PodLabels};
use crate::settings::{ObjectSource, Settings, assume};

/// All objects under review, indexed by kind, namespace and name.
#[derive(Debug)]
pub struct Inventory<'a> {
    /// How the objects are evaluated.
    pub settings: &'a Settings,
    by_kind: BTreeMap<&'a str, Vec<&'a Object>>,
    by_namespace: BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a Object>>>,
    /// The workloads with their pods.
    pub workloads: Vec<Workload<'a>>,
    workloads_of: BTreeMap<&'a str, Vec<usize>>,
    /// By kind, name, namespace and group.
    named: BTreeMap<(&'a str, &'a str, &'a str, &'a str), &'a Object>,
    has_mesh: bool,
    /// Namespaces with custom resources from which a controller may create pods.
    unread_namespaces: BTreeSet<&'a str>,
}

/// An object that is or creates a pod.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its pod.
    pub pod: &'a Pod<'a>,
    /// The labels of one of its pods, if only this one is considered.
    one: Option<PodLabels<'a>>,
}

impl<'a> Workload<'a> {
    /// An object and its pod.
    pub fn new(object: &'a Object, pod: &'a Pod<'a>) -> Self {
        Self {
            object,
            pod,
            one: None,
        }
    }

    /// The labels of its pods.
    pub fn labels(&self) -> PodLabels<'a> {
        self.one.unwrap_or_else(|| self.pod.labels())
    }

    /// Its namespace.
    pub fn namespace(&self) -> &'a str {
        namespace_of(self.object)
    }
}

impl<'a> Inventory<'a> {
    pub(crate) fn of(objects: &[&'a Object], pods: &'a [Vec<Pod<'a>>], settings: &'a Settings) -> Self {
        let mut inventory = Self {
            settings,
            by_kind: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
            workloads: Vec::new(),
            workloads_of: BTreeMap::new(),
            named: BTreeMap::new(),
            has_mesh: false,
            unread_namespaces: BTreeSet::new(),
        };
        let mut is_detected = false;
        for (object, pods) in objects.iter().zip(pods) {
            let kind = object.id.kind.as_str();
            inventory.by_kind.entry(kind).or_default().push(object);
            inventory
                .by_namespace
                .entry(kind)
                .or_default()
                .entry(namespace_of(object))
                .or_default()
                .push(object);
            let id = &object.id;
            inventory
                .named
                .insert((kind, &id.name, namespace_of(object), &id.group), object);
            is_detected |= object.id.group.ends_with(".istio.io");
            is_detected |= kind == "Namespace" && mesh_labels(Node::new(object.body(), "")) == Answer::Yes;
            for pod in pods {
                let index = inventory.workloads.len();
                inventory
                    .workloads_of
                    .entry(namespace_of(object))
                    .or_default()
                    .push(index);
                inventory.workloads.push(Workload::new(object, pod));
            }
            if pods.is_empty() && matches!(custom::pods_of(object), Custom::MayCreatePods) {
                let body = Node::new(object.body(), "");
                inventory.unread_namespaces.insert(namespace_of(object));
                // Controllers of Flux and Argo CD deploy to the namespace that their objects name.
                for field in ["spec.targetNamespace", "spec.destination.namespace"] {
                    inventory.unread_namespaces.extend(body.text(field).known());
                }
            }
        }
        inventory.has_mesh = match settings.assumed_text(&assume::MESH) {
            "always" => true,
            "never" => false,
            _ => is_detected,
        };
        inventory
    }

    /// Whether the cluster has a mesh, as configured or detected.
    pub fn has_mesh(&self) -> bool {
        self.has_mesh
    }

    /// Whether the input is the whole deployment.
    pub fn is_complete(&self) -> bool {
        self.settings.assumed(&assume::COMPLETE)
    }

    /// The objects of a kind.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &'a Object> {
        let objects = self.by_kind.get(kind.name).into_iter().flatten().copied();
        objects.filter(move |object| kind.is(&object.id.group, &object.id.kind))
    }

    /// The objects of a kind in a namespace.
    pub fn within(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &'a Object> {
        let namespaces = self.by_namespace.get(kind.name);
        let objects = namespaces.and_then(|namespaces| namespaces.get(namespace));
        let objects = objects.into_iter().flatten().copied();
        objects.filter(move |object| kind.is(&object.id.group, &object.id.kind))
    }

    /// Whether a namespace has an object of this kind and name.
    pub fn has(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.get(kind, namespace, name).is_some()
    }

    /// The object of this kind and name in a namespace.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&'a Object> {
        let nearest = self.called(kind, name, namespace).next();
        nearest.filter(|object| namespace_of(object) == namespace)
    }

    /// Whether a namespace has an object of this name and of a kind in any API group.
    pub fn has_named(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let mut all = self.named.range((kind, name, namespace, "")..);
        all.next()
            .is_some_and(|((of, called, place, _), _)| *of == kind && *called == name && *place == namespace)
    }

    /// The cluster-scoped object of this kind and name.
    pub fn cluster_scoped(&self, kind: Kind, name: &str) -> Option<&'a Object> {
        self.called(kind, name, "").next()
    }

    /// The objects of this kind and name, ordered by namespace, from one namespace on.
    fn called<'n>(
        &'n self,
        kind: Kind,
        name: &'n str,
        namespace: &'n str,
    ) -> impl Iterator<Item = &'a Object> + 'n {
        self.named
            .range((kind.name, name, namespace, "")..)
            .map(|(_, object)| *object)
            .take_while(move |object| object.id.kind == kind.name && object.id.name == name)
            .filter(move |object| kind.is(&object.id.group, &object.id.kind))
    }

    /// The workloads of a namespace.
    pub fn workloads_in(&self, namespace: &str) -> impl Iterator<Item = Workload<'a>> {
        let indexes = self.workloads_of.get(namespace).into_iter().flatten();
        indexes.map(|index| self.workloads[*index])
    }

    /// Whether a namespace has a pod that matches. Pods that a controller of a custom resource may create are unknown.
    pub fn any_workload(&self, namespace: &str, matches: impl Fn(Workload<'a>) -> Answer) -> Answer {
        let workloads = self.workloads_in(namespace);
        match Answer::any(workloads.map(|workload| self.any_pod(workload, &matches))) {
            Answer::No if self.has_unread_pods_in(namespace) => Answer::Unknown,
            answer => answer,
        }
    }

    /// Whether a controller of a custom resource may create pods that are not in the inventory.
    pub fn has_unread_pods(&self) -> bool {
        !self.unread_namespaces.is_empty()
    }

    /// The same for the pods of a namespace.
    pub fn has_unread_pods_in(&self, namespace: &str) -> bool {
        self.unread_namespaces.contains(namespace)
    }

    /// Whether a workload has a pod that matches, if its controller labels its pods differently.
    pub fn any_pod(&self, workload: Workload<'a>, matches: impl Fn(Workload<'a>) -> Answer) -> Answer {
        match (matches(workload), workload.pod.labels_of_each()) {
            (Answer::Unknown, Some(each)) => {
                let one = |labels| Workload {
                    one: Some(labels),
                    ..workload
                };
                match Answer::any(each.map(|labels| matches(one(labels)))) {
                    Answer::No if self.is_scaled(workload.object) => Answer::Unknown,
                    answer => answer,
                }
            }
            (answer, _) => answer,
        }
    }

    /// Whether an autoscaler sets the number of replicas of a workload.
    fn is_scaled(&self, workload: &Object) -> bool {
        let mut targets = AUTOSCALERS
            .iter()
            .flat_map(|kind| self.within(*kind, namespace_of(workload)))
            .map(|scaler| Node::new(scaler.body(), "").text("spec.scaleTargetRef.name"));
        targets.any(|name| name == Field::Known(workload.id.name.as_str()))
    }

    /// Whether the objects come from an API server. Only then can the name of an object show that the cluster created it.
    pub fn is_cluster(&self) -> bool {
        self.settings.objects_from == ObjectSource::Cluster
    }

    /// Whether the cluster itself created the namespace.
    pub fn is_of_the_cluster(&self, namespace: &str) -> bool {
        self.is_cluster() && CLUSTER_NAMESPACES.contains(&namespace)
    }

    /// Whether the settings list the namespace as managed by another team.
    pub fn is_externally_managed(&self, namespace: &str) -> bool {
        let namespaces = self
            .settings
            .assumed_texts(&assume::EXTERNALLY_MANAGED_NAMESPACES);
        namespaces.contains(&namespace)
    }
}

/// The namespaces that every cluster has for itself.
pub const CLUSTER_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

const AUTOSCALERS: [Kind; 2] = [AUTOSCALER, Kind::new(&["keda.sh"], "ScaledObject")];

/// Whether the labels of a namespace enroll its pods in the mesh.
pub fn mesh_labels(namespace: Node<'_>) -> Answer {
    let ambient = namespace
        .entry("metadata.labels", "istio.io/dataplane-mode")
        .is(|mode| mode == "ambient");
    Answer::any([injects(namespace), ambient])
}

/// Whether the labels of a namespace make the webhook add sidecars to its pods.
pub fn injects(namespace: Node<'_>) -> Answer {
    let label = |key| namespace.entry("metadata.labels", key);
    match (label("istio-injection"), label("istio.io/rev")) {
        (Field::Unknown, _) | (Field::Absent, Field::Unknown) => Answer::Unknown,
        // `istio-injection` takes precedence over a revision label.
        (Field::Known(injection), _) => Answer::from_bool(injection == "enabled"),
        (Field::Absent, Field::Known(revision)) => Answer::from_bool(!revision.is_empty()),
        (Field::Absent, Field::Absent) => Answer::No,
    }
}
