//! One resource of a graph: its canonical body, its secret fields, and its registration options.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::PodSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::pod_template::pod_template;
use crate::{Id, canonical};

/// A resource in a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The identity.
    pub id: Id,
    /// The system that declares it, which is also the component it is registered under.
    pub component: String,
    /// The API version, such as `apps/v1`.
    pub api_version: String,
    body: Value,
    secrets: BTreeMap<String, String>,
    checksums: BTreeMap<String, BTreeSet<String>>,
    /// The registration options. Manifests and comparisons do not include them.
    pub options: Options,
}

/// Registration options of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Objects that must exist before this one, in addition to those it refers to.
    pub after: BTreeSet<Id>,
    /// Whether the engine refuses to delete it.
    pub protect: bool,
    /// Whether the engine removes it from its state without deleting it from the cluster.
    pub retain_on_delete: bool,
    /// Previous names, as `namespace/name`, so that a rename does not replace it.
    pub aliases: Vec<String>,
    /// Whether to import the existing object of the same name instead of creating one.
    pub import: bool,
    /// The time limits of operations.
    pub timeouts: Timeouts,
}

/// The time limits of operations; `None` uses the default of the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For creation, until the object is ready.
    pub create: Option<Duration>,
    /// For an update, until the object is ready.
    pub update: Option<Duration>,
    /// For deletion.
    pub delete: Option<Duration>,
}

/// The error for a document that is not a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnObject {
    /// The field that is missing or is not a string.
    pub missing: &'static str,
}

impl std::fmt::Display for NotAnObject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "not a Kubernetes object: `{}` is missing or is not a string",
            self.missing
        )
    }
}

impl std::error::Error for NotAnObject {}

impl Object {
    pub(crate) fn from_typed<K>(component: &str, resource: &K) -> Self
    where
        K: Resource + Serialize,
    {
        let body = serde_json::to_value(resource).expect("a typed resource is always JSON");
        Self::from_json(component, body).expect("a typed resource has apiVersion, kind and a name")
    }

    /// Creates an object from JSON that was read from a file, the engine or a cluster.
    pub fn from_json(component: &str, body: Value) -> Result<Self, NotAnObject> {
        let text = |pointer: &str, missing: &'static str| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .ok_or(NotAnObject { missing })
        };
        let api_version = text("/apiVersion", "apiVersion")?;
        let id = Id {
            group: api_version
                .rsplit_once('/')
                .map_or("", |(group, _)| group)
                .to_owned(),
            kind: text("/kind", "kind")?,
            namespace: text("/metadata/namespace", "metadata.namespace").ok(),
            name: text("/metadata/name", "metadata.name")?,
        };
        Ok(Self {
            id,
            component: component.to_owned(),
            api_version,
            body: canonical::object(body),
            secrets: BTreeMap::new(),
            checksums: BTreeMap::new(),
            options: Options::default(),
        })
    }

    /// The canonical JSON. A secret field holds a reference to its value, never the value.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The secret fields: JSON pointer → name of the secret.
    pub fn secrets(&self) -> &BTreeMap<String, String> {
        &self.secrets
    }

    /// The fields with a checksum of several secrets: JSON pointer → names of the secrets.
    pub fn checksums(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.checksums
    }

    /// The object as a typed resource; `None` if it is of another kind or does not match the type.
    pub fn typed<K>(&self) -> Option<K>
    where
        K: Resource + DeserializeOwned,
    {
        let same_kind = K::KIND == self.id.kind && K::GROUP == self.id.group;
        same_kind
            .then(|| serde_json::from_value(self.body.clone()).ok())
            .flatten()
    }

    /// Marks the field at `pointer` as the secret `name`. The body then shows `secret` and the name in its place.
    ///
    /// # Panics
    /// If the field does not exist. A missing mark would deploy the placeholder in the field.
    pub fn secret(&mut self, pointer: &str, name: &str) -> &mut Self {
        let leaf = self
            .body
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("{} has no field at {pointer} to mark as a secret", self.id));
        *leaf = Value::String(format!("secret {name}"));
        self.secrets.insert(pointer.to_owned(), name.to_owned());
        self
    }

    /// Adds an annotation.
    pub fn annotate(&mut self, key: &str, value: &str) -> &mut Self {
        self.annotate_at("", key, value)
    }

    /// Restarts the object's pods when one of these secrets changes: adds the annotation `key` to the pod template, with a
    /// checksum of the secrets. The body shows `checksum of` and the names.
    ///
    /// # Panics
    /// If the object has no pod template, or `names` is empty.
    pub fn restart_on_change<'a>(
        &mut self,
        key: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> &mut Self {
        let template =
            pod_template(&self.id.kind).unwrap_or_else(|| panic!("{} has no pod template", self.id));
        let names: BTreeSet<_> = names.into_iter().map(str::to_owned).collect();
        assert!(!names.is_empty(), "{} is given no secret", self.id);
        let shown: Vec<_> = names.iter().map(String::as_str).collect();
        self.annotate_at(template, key, &format!("checksum of {}", shown.join(", ")));
        let key = key.replace('~', "~0").replace('/', "~1");
        self.checksums
            .insert(format!("{template}/metadata/annotations/{key}"), names);
        self
    }

    /// Adds an annotation to the object at a JSON pointer.
    fn annotate_at(&mut self, pointer: &str, key: &str, value: &str) -> &mut Self {
        let empty = || Value::Object(serde_json::Map::new());
        let annotated = self
            .body
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut)
            .expect("every object and every pod template is a mapping");
        let metadata = annotated.entry("metadata").or_insert_with(empty);
        let annotations = metadata
            .as_object_mut()
            .expect("metadata is a mapping")
            .entry("annotations")
            .or_insert_with(empty);
        annotations[key] = Value::from(value);
        self.body = canonical::object(self.body.take());
        self
    }

    /// Adds an annotation to the pod template; an object without one stays unchanged.
    pub fn annotate_pods(&mut self, key: &str, value: &str) -> &mut Self {
        let Some(pointer) = pod_template(&self.id.kind) else {
            return self;
        };
        let pod = self.body.pointer_mut(pointer).and_then(Value::as_object_mut);
        let pod = pod.expect("a workload has a pod template");
        let empty = || Value::Object(serde_json::Map::new());
        let metadata = pod.entry("metadata").or_insert_with(empty);
        metadata
            .as_object_mut()
            .expect("metadata is an object")
            .entry("annotations")
            .or_insert_with(empty)[key] = Value::from(value);
        self.body = canonical::object(self.body.take());
        self
    }

    /// Edits the pod template of the object; an object without pods stays unchanged.
    ///
    /// # Panics
    /// If a workload has no pod template.
    pub fn edit_pods(&mut self, edit: impl FnOnce(&mut PodSpec)) -> &mut Self {
        let Some(template) = pod_template(&self.id.kind) else {
            return self;
        };
        let body = self.body.pointer_mut(&format!("{template}/spec"));
        let body = body.expect("a workload has a pod template");
        let mut pod: PodSpec =
            serde_json::from_value(body.take()).expect("the pod template has the type of its kind");
        edit(&mut pod);
        *body = serde_json::to_value(pod).expect("a pod is always JSON");
        self.body = canonical::object(self.body.take());
        self
    }

    /// Registers the object only after `id`.
    pub fn after(&mut self, id: Id) -> &mut Self {
        self.options.after.insert(id);
        self
    }

    /// Sets whether the engine refuses to delete the object.
    pub fn protect(&mut self, protect: bool) -> &mut Self {
        self.options.protect = protect;
        self
    }

    /// Sets whether the engine removes the object from its state without deleting it from the cluster.
    pub fn retain_on_delete(&mut self, retain: bool) -> &mut Self {
        self.options.retain_on_delete = retain;
        self
    }

    /// Adds a previous name (`namespace/name`) under which the object was registered.
    pub fn aliases(&mut self, name: &str) -> &mut Self {
        self.options.aliases.push(name.to_owned());
        self
    }

    /// Sets whether to import the existing object of the same name instead of creating one.
    pub fn import(&mut self, import: bool) -> &mut Self {
        self.options.import = import;
        self
    }

    /// Sets the time limit for the object to become ready after creation and after an update.
    pub fn ready_within(&mut self, limit: Duration) -> &mut Self {
        self.options.timeouts.create = Some(limit);
        self.options.timeouts.update = Some(limit);
        self
    }
}
