//! The graph: every object of a deployment, once, in a fixed order.

use std::collections::BTreeMap;

use k8s_openapi::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Id, Object, order, yaml};

/// A deployment as a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    component: String,
    objects: BTreeMap<Id, Object>,
}

impl Graph {
    /// Creates an empty graph for the objects of `component`.
    pub fn of(component: &str) -> Self {
        Self {
            component: component.to_owned(),
            objects: BTreeMap::new(),
        }
    }

    /// Inserts a typed resource, and returns the object so that options and secrets can be set.
    ///
    /// # Panics
    /// If the graph has an object with the same identity.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the graph takes ownership of the resource, as a map does"
    )]
    pub fn insert<K>(&mut self, resource: K) -> &mut Object
    where
        K: Resource + Serialize,
    {
        self.add(Object::from_typed(&self.component, &resource))
    }

    /// Inserts an object.
    pub fn add(&mut self, object: Object) -> &mut Object {
        let id = object.id.clone();
        assert!(!self.objects.contains_key(&id), "{id} is declared twice");
        self.objects.entry(id).or_insert(object)
    }

    /// Inserts all objects of another graph; they keep their component.
    pub fn merge(&mut self, other: Self) {
        for object in other.objects.into_values() {
            self.add(object);
        }
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether the graph has no objects.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object with this identity.
    pub fn object(&self, id: &Id) -> Option<&Object> {
        self.objects.get(id)
    }

    /// The object with this identity, for setting options.
    pub fn object_mut(&mut self, id: &Id) -> Option<&mut Object> {
        self.objects.get_mut(id)
    }

    /// All objects, for setting options.
    pub fn objects_mut(&mut self) -> impl Iterator<Item = &mut Object> {
        self.objects.values_mut()
    }

    /// All objects, ordered by identity.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// All objects in the order in which a cluster accepts them: dependencies first.
    pub fn in_apply_order(&self) -> Vec<&Object> {
        order::apply_order(self.objects())
    }

    /// The names of the components, sorted.
    pub fn components(&self) -> Vec<&str> {
        let mut components: Vec<_> = self
            .objects
            .values()
            .map(|object| object.component.as_str())
            .collect();
        components.sort_unstable();
        components.dedup();
        components
    }

    /// The part of the graph that `component` declares.
    #[must_use]
    pub fn component(&self, component: &str) -> Self {
        let objects = self
            .objects
            .iter()
            .filter(|(_, object)| object.component == component);
        Self {
            component: component.to_owned(),
            objects: objects.map(|(id, object)| (id.clone(), object.clone())).collect(),
        }
    }

    /// Keeps only the objects for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Object) -> bool) {
        self.objects.retain(|_, object| keep(object));
    }

    /// All resources of a type, each with its object.
    pub fn all<K>(&self) -> Vec<(&Object, K)>
    where
        K: Resource + DeserializeOwned,
    {
        self.objects
            .values()
            .filter_map(|object| Some((object, object.typed()?)))
            .collect()
    }

    /// The resource with this type and name.
    pub fn get<K>(&self, namespace: Option<&str>, name: &str) -> Option<K>
    where
        K: Resource + DeserializeOwned,
    {
        let id = Id {
            group: K::GROUP.to_owned(),
            kind: K::KIND.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        self.objects.get(&id)?.typed()
    }

    /// The manifests as one YAML stream, in apply order.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        for object in self.in_apply_order() {
            text.push_str("---\n");
            yaml::write(&mut text, object.body());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn config_map(name: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some("memory".to_owned()),
                ..Default::default()
            },
            data: Some(BTreeMap::from([("key".to_owned(), "value".to_owned())])),
            ..Default::default()
        }
    }

    #[test]
    fn a_typed_resource_can_be_read_back() {
        let mut graph = Graph::of("tests");
        graph.insert(config_map("a"));
        assert_eq!(graph.get::<ConfigMap>(Some("memory"), "a"), Some(config_map("a")));
        assert_eq!(graph.get::<Namespace>(None, "a"), None);
    }

    #[test]
    #[should_panic(expected = "ConfigMap memory/a is declared twice")]
    fn a_duplicate_identity_panics() {
        let mut graph = Graph::of("tests");
        graph.insert(config_map("a"));
        graph.insert(config_map("a"));
    }

    #[test]
    fn a_secret_field_shows_only_its_reference() {
        let mut graph = Graph::of("tests");
        graph
            .insert(config_map("a"))
            .secret("/data/key", "phoenix:apiKey");
        assert!(
            graph.yaml().contains("key: secret phoenix:apiKey"),
            "{}",
            graph.yaml()
        );
        assert!(!graph.yaml().contains("value"));
    }

    #[test]
    #[should_panic(expected = "has no field at /data/other")]
    fn marking_a_missing_field_panics() {
        Graph::of("tests")
            .insert(config_map("a"))
            .secret("/data/other", "apiKey");
    }
    fn deployment() -> Object {
        let body = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "memory"},
            "spec": {"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}},
        });
        Object::from_json("tests", body).expect("an object")
    }

    #[test]
    fn a_checksum_of_secrets_shows_their_names() {
        let mut graph = Graph::of("tests");
        graph
            .add(deployment())
            .restart_on_change("example.org/checksum", ["phoenix:b", "phoenix:a"]);
        let yaml = graph.yaml();
        assert!(
            yaml.contains("example.org/checksum: checksum of phoenix:a, phoenix:b"),
            "{yaml}"
        );
        let object = graph.objects().next().expect("there is one");
        let (pointer, names) = object.checksums().first_key_value().expect("there is one");
        assert_eq!(names.iter().collect::<Vec<_>>(), ["phoenix:a", "phoenix:b"]);
        let leaf = object.body().pointer(pointer).expect("the pointer leads to it");
        assert_eq!(leaf, "checksum of phoenix:a, phoenix:b");
        assert!(object.secrets().is_empty(), "a checksum is not a secret");
    }

    #[test]
    #[should_panic(expected = "ConfigMap memory/a has no pod template")]
    fn restarting_an_object_without_pods_panics() {
        Graph::of("tests")
            .insert(config_map("a"))
            .restart_on_change("example.org/checksum", ["phoenix:a"]);
    }
}
