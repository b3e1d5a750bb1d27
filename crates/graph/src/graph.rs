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
    /// An empty graph whose objects will belong to `component`.
    pub fn of(component: &str) -> Self {
        Self {
            component: component.to_owned(),
            objects: BTreeMap::new(),
        }
    }

    /// Puts a typed resource in, and gives it back for options and secret marks.
    ///
    /// Two resources of one identity are a bug of the program, hence a panic.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the graph takes the resource over, as a map takes a value"
    )]
    pub fn insert<K>(&mut self, resource: K) -> &mut Object
    where
        K: Resource + Serialize,
    {
        self.add(Object::from_typed(&self.component, &resource))
    }

    /// Puts an object in that is already canonical.
    pub fn add(&mut self, object: Object) -> &mut Object {
        let id = object.id.clone();
        assert!(!self.objects.contains_key(&id), "{id} is declared twice");
        self.objects.entry(id).or_insert(object)
    }

    /// Takes in all objects of another graph; they keep their component.
    pub fn merge(&mut self, other: Self) {
        for object in other.objects.into_values() {
            self.add(object);
        }
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object of this identity.
    pub fn object(&self, id: &Id) -> Option<&Object> {
        self.objects.get(id)
    }

    /// The object of this identity, to be given options.
    pub fn object_mut(&mut self, id: &Id) -> Option<&mut Object> {
        self.objects.get_mut(id)
    }

    /// All objects, to be given options.
    pub fn objects_mut(&mut self) -> impl Iterator<Item = &mut Object> {
        self.objects.values_mut()
    }

    /// All objects, ordered by identity.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// All objects in an order in which a cluster accepts them: what others need comes first.
    pub fn in_apply_order(&self) -> Vec<&Object> {
        order::apply_order(self)
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

    /// Keeps only the objects that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&Object) -> bool) {
        self.objects.retain(|_, object| keep(object));
    }

    /// All resources of a type, with the objects they came from.
    pub fn all<K>(&self) -> Vec<(&Object, K)>
    where
        K: Resource + DeserializeOwned,
    {
        self.objects
            .values()
            .filter_map(|object| Some((object, object.typed()?)))
            .collect()
    }

    /// The resource of this type and name.
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
    fn what_goes_in_typed_comes_out_typed() {
        let mut graph = Graph::of("tests");
        graph.insert(config_map("a"));
        assert_eq!(graph.get::<ConfigMap>(Some("memory"), "a"), Some(config_map("a")));
        assert_eq!(graph.get::<Namespace>(None, "a"), None);
    }

    #[test]
    #[should_panic(expected = "ConfigMap memory/a is declared twice")]
    fn one_identity_declared_twice_is_a_bug() {
        let mut graph = Graph::of("tests");
        graph.insert(config_map("a"));
        graph.insert(config_map("a"));
    }

    #[test]
    fn a_secret_leaf_shows_its_reference_only() {
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
    #[should_panic(expected = "has no leaf at /data/other")]
    fn marking_a_leaf_that_is_not_there_is_a_bug() {
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
    fn a_checksum_of_secrets_is_shown_by_their_names_and_found_again() {
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
        assert!(object.secrets().is_empty(), "what tells of a change is no secret");
    }

    #[test]
    #[should_panic(expected = "ConfigMap memory/a makes no pods")]
    fn restarting_what_makes_no_pods_is_a_bug() {
        Graph::of("tests")
            .insert(config_map("a"))
            .restart_on_change("example.org/checksum", ["phoenix:a"]);
    }
}
