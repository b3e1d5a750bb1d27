//! Everything that was given, in the order in which rules ask for it.

use std::collections::BTreeMap;

use phoenix_graph::Object;

use crate::context::namespace;
use crate::field::{Field, Node};
use crate::pod::Pod;
use crate::rule::Kind;
use crate::selector::{Answer, Labels};
use crate::settings::{Settings, assume};

/// Everything that was given.
#[derive(Debug)]
pub struct Inventory<'a> {
    /// How it is to be judged.
    pub settings: &'a Settings,
    by_kind: BTreeMap<&'a str, Vec<&'a Object>>,
    by_namespace: BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a Object>>>,
    /// The workloads, with their pods.
    pub workloads: Vec<Workload<'a>>,
    workloads_of: BTreeMap<&'a str, Vec<usize>>,
    /// By kind, name, namespace and group.
    named: BTreeMap<(&'a str, &'a str, &'a str, &'a str), &'a Object>,
    has_mesh: bool,
}

/// Something that makes pods.
#[derive(Clone, Copy, Debug)]
pub struct Workload<'a> {
    /// The object.
    pub object: &'a Object,
    /// Its pods.
    pub pod: &'a Pod<'a>,
}

impl<'a> Workload<'a> {
    /// The labels that its pods carry.
    pub fn labels(&self) -> Labels<'a> {
        self.pod.metadata().map("labels")
    }

    /// Where it is.
    pub fn namespace(&self) -> &'a str {
        namespace(self.object)
    }
}

impl<'a> Inventory<'a> {
    pub(crate) fn of(objects: &[&'a Object], pods: &'a [Option<Pod<'a>>], settings: &'a Settings) -> Self {
        let mut world = Self {
            settings,
            by_kind: BTreeMap::new(),
            by_namespace: BTreeMap::new(),
            workloads: Vec::new(),
            workloads_of: BTreeMap::new(),
            named: BTreeMap::new(),
            has_mesh: false,
        };
        let mut is_seen = false;
        for (object, pod) in objects.iter().zip(pods) {
            let kind = object.id.kind.as_str();
            world.by_kind.entry(kind).or_default().push(object);
            world
                .by_namespace
                .entry(kind)
                .or_default()
                .entry(namespace(object))
                .or_default()
                .push(object);
            let id = &object.id;
            world
                .named
                .insert((kind, &id.name, namespace(object), &id.group), object);
            is_seen |= object.id.group.ends_with(".istio.io");
            is_seen |= kind == "Namespace" && mesh_labels(Node::new(object.body(), "")) == Answer::Yes;
            if let Some(pod) = pod {
                let index = world.workloads.len();
                world
                    .workloads_of
                    .entry(namespace(object))
                    .or_default()
                    .push(index);
                world.workloads.push(Workload { object, pod });
            }
        }
        world.has_mesh = match settings.assumed_text(&assume::MESH) {
            "always" => true,
            "never" => false,
            _ => is_seen,
        };
        world
    }

    /// Whether workloads are in a mesh at all, as far as was said or seen.
    pub fn has_mesh(&self) -> bool {
        self.has_mesh
    }

    /// Whether what was given is everything.
    pub fn is_complete(&self) -> bool {
        self.settings.assumed(&assume::COMPLETE)
    }

    /// All objects of a kind.
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

    /// Whether there is an object of this kind and name in a namespace.
    pub fn has(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.get(kind, namespace, name).is_some()
    }

    /// The object of this kind and name in a namespace.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&'a Object> {
        let nearest = self.called(kind, name, namespace).next();
        nearest.filter(|object| self::namespace(object) == namespace)
    }

    /// The object of the whole cluster of this kind and name.
    pub fn of_cluster(&self, kind: Kind, name: &str) -> Option<&'a Object> {
        self.called(kind, name, "").next()
    }

    /// The objects of this kind and name by their namespaces, from one on.
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

    /// Whether a namespace's own guards are somebody else's to give.
    pub fn is_foreign(&self, namespace: &str) -> bool {
        let foreign = self.settings.assumed_texts(&assume::FOREIGN_NAMESPACES);
        foreign.contains(&namespace)
    }

    /// Whether the pods of a workload get a sidecar or another data plane of the mesh.
    pub fn is_in_mesh(&self, workload: Workload<'_>) -> Answer {
        if !self.has_mesh {
            return Answer::No;
        }
        if workload.pod.spec().flag("hostNetwork") == Field::Known(true) {
            return Answer::No;
        }
        let metadata = workload.pod.metadata();
        let asked = metadata
            .entry("labels", "sidecar.istio.io/inject")
            .or(|| metadata.entry("annotations", "sidecar.istio.io/inject"));
        match asked {
            Field::Known("false") => return Answer::No,
            Field::Known("true") => return Answer::Yes,
            Field::Unknown => return Answer::Unknown,
            _ => {}
        }
        if metadata.entry("labels", "istio.io/rev").known().is_some() {
            return Answer::Yes;
        }
        match self.of_cluster(Kind::core("Namespace"), workload.namespace()) {
            Some(namespace) => mesh_labels(Node::new(namespace.body(), "")),
            // Where the namespace was not given, the mesh's own objects in it say that it is in the mesh.
            None => Answer::from_bool(
                self.settings.assumed_text(&assume::MESH) == "always"
                    || MESH_KINDS
                        .iter()
                        .any(|kind| self.within(*kind, workload.namespace()).next().is_some()),
            ),
        }
    }
}

/// Kinds whose presence says that a namespace takes part in a mesh.
const MESH_KINDS: [Kind; 3] = [
    Kind::new(&["security.istio.io"], "PeerAuthentication"),
    Kind::new(&["security.istio.io"], "AuthorizationPolicy"),
    Kind::new(&["networking.istio.io"], "Sidecar"),
];

/// Whether a namespace's labels put its pods into the mesh.
pub fn mesh_labels(namespace: Node<'_>) -> Answer {
    let labels = namespace.map("metadata.labels");
    let label = |key| namespace.entry("metadata.labels", key);
    match (
        label("istio-injection"),
        label("istio.io/rev"),
        label("istio.io/dataplane-mode"),
    ) {
        _ if labels.is_unknown() => Answer::Unknown,
        (Field::Unknown, _, _) | (_, Field::Unknown, _) | (_, _, Field::Unknown) => Answer::Unknown,
        (Field::Known("enabled"), _, _) | (_, _, Field::Known("ambient")) => Answer::Yes,
        // A revision does nothing where injection is switched off or on by the older label.
        (Field::Known(_), _, _) => Answer::No,
        (_, Field::Known(revision), _) => Answer::from_bool(!revision.is_empty()),
        _ => Answer::No,
    }
}
