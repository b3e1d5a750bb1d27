//! The objects of a live cluster as a graph, for the policies. They are listed in pages; nothing is changed.
//!
//! Values of Secrets are not read: only their metadata is requested, and the API server selects those that hold a token.
//! Objects that a controller created for a workload are left out, because the workload itself is evaluated. Kinds that the
//! user may not list are returned, so that rules about them have the result "unknown".

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, OwnerReference};
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectList, PartialObjectMeta};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use phoenix_graph::{Graph, Object};
use phoenix_policies::kind::Kind;
use phoenix_policies::kind::WORKLOADS;
use phoenix_policies::rules::{self, access::credentials, namespaces};
use phoenix_policies::settings::assume;
use phoenix_policies::{Enforcement, ObjectSource, Rule, Settings};
use serde_json::{Value, json};

use crate::connection::error_chain;

/// The maximum number of objects in a page.
const PAGE: u32 = 500;

/// The type of Secrets that hold an API server token.
const TOKEN: &str = "kubernetes.io/service-account-token";

/// Rules that are not evaluated for a cluster: one would have to read values of Secrets, the other is about the API version
/// in a manifest, while an API server returns every object in the requested version.
pub static EXCLUDED_RULES: [&Rule; 2] = [
    &credentials::SECRET_VALUES_ARE_REFERENCES,
    &namespaces::NO_REMOVED_API,
];

/// The objects of a cluster.
#[derive(Debug)]
pub struct ClusterSnapshot {
    /// The objects.
    pub graph: Graph,
    /// The number of objects left out because a controller created them for a workload.
    pub generated: usize,
    /// What the user may not list.
    pub unlisted: Vec<Unlisted>,
}

/// Objects of a kind that the user may not list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unlisted {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; `None` for all.
    pub namespace: Option<String>,
}

impl Unlisted {
    /// A description for a sentence.
    pub fn description(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} in {namespace}", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// Disables the rules that are not evaluated for a cluster, and states that the objects come from one.
pub fn prepare(settings: &mut Settings) {
    settings.objects_from = ObjectSource::Cluster;
    for rule in EXCLUDED_RULES {
        settings.enforce(rule, Enforcement::Disabled);
    }
}

/// Lists every object that the rules inspect: cluster-scoped objects, and those in the given namespaces, or in all if none
/// is given.
pub async fn list(
    client: &Client,
    settings: &Settings,
    namespaces: &BTreeSet<String>,
) -> Result<ClusterSnapshot> {
    let mut places: Vec<Option<&str>> = namespaces
        .iter()
        .map(|namespace| Some(namespace.as_str()))
        .collect();
    if places.is_empty() {
        places.push(None);
    } else {
        // Policies in this namespace apply to the whole mesh.
        let root = settings.assumed_text(&assume::MESH_ROOT);
        if !namespaces.contains(root) {
            places.push(Some(root));
        }
    }
    let mut snapshot = ClusterSnapshot {
        graph: Graph::of("cluster"),
        generated: 0,
        unlisted: Vec::new(),
    };
    for (resource, is_namespaced) in served(client, settings).await? {
        if is_namespaced {
            for place in &places {
                snapshot.add_all(client, &resource, *place).await?;
            }
        } else {
            snapshot.add_all(client, &resource, None).await?;
        }
    }
    Ok(snapshot)
}

/// The resources that the cluster serves of the kinds that the rules inspect, each in one version, and whether they are
/// namespaced.
async fn served(client: &Client, settings: &Settings) -> Result<Vec<(ApiResource, bool)>> {
    let wanted: Vec<Kind> = rules::inspected_kinds(settings);
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let groups = client.list_api_groups().await;
    for group in groups.map_err(|error| listing("the API groups", &error))?.groups {
        let preferred = group
            .preferred_version
            .map(|version| version.group_version)
            .into_iter();
        let others = group.versions.into_iter().map(|version| version.group_version);
        let mut known: Vec<String> = Vec::new();
        for version in preferred.chain(others) {
            if !known.contains(&version) {
                known.push(version);
            }
        }
        versions.insert(group.name, known);
    }
    versions.insert(String::new(), vec!["v1".to_owned()]);
    let groups: BTreeSet<&str> = wanted
        .iter()
        .flat_map(|kind| kind.groups().iter().copied())
        .collect();
    let mut found = Vec::new();
    for group in groups {
        let mut kinds = BTreeSet::new();
        for api_version in versions.get(group).into_iter().flatten() {
            for resource in resources(client, api_version).await? {
                // `deployments/status` has the same kind, but is a subresource.
                let is_own = !resource.name.contains('/')
                    && (resource.verbs.is_empty() || resource.verbs.iter().any(|verb| verb == "list"));
                if is_own
                    && wanted.iter().any(|kind| kind.is(group, &resource.kind))
                    && kinds.insert(resource.kind.clone())
                {
                    let version = api_version.rsplit('/').next().unwrap_or_default();
                    let kind = GroupVersionKind::gvk(group, version, &resource.kind);
                    found.push((
                        ApiResource::from_gvk_with_plural(&kind, &resource.name),
                        resource.namespaced,
                    ));
                }
            }
        }
    }
    Ok(found)
}

async fn resources(client: &Client, api_version: &str) -> Result<Vec<APIResource>> {
    let listed = if api_version.contains('/') {
        client.list_api_group_resources(api_version).await
    } else {
        client.list_core_api_resources(api_version).await
    };
    match listed {
        Ok(list) => Ok(list.resources),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(listing(&format!("the kinds of {api_version}"), &error)),
    }
}

impl ClusterSnapshot {
    async fn add_all(&mut self, client: &Client, resource: &ApiResource, place: Option<&str>) -> Result<()> {
        let api: Api<DynamicObject> = match place {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
            None => Api::all_with(client.clone(), resource),
        };
        let listed = if resource.group.is_empty() && resource.kind == "Secret" {
            secrets(&api).await
        } else {
            all(&api).await
        };
        let bodies = match listed {
            Ok(bodies) => bodies,
            Err(kube::Error::Api(status)) if status.code == 403 => {
                self.unlisted.push(Unlisted {
                    group: resource.group.clone(),
                    kind: resource.kind.clone(),
                    namespace: place.map(str::to_owned),
                });
                return Ok(());
            }
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(error) => return Err(listing(&format!("the {}", resource.plural), &error)),
        };
        for body in bodies {
            self.add(resource, body);
        }
        Ok(())
    }

    fn add(&mut self, resource: &ApiResource, mut body: Value) {
        body["apiVersion"] = json!(resource.api_version);
        body["kind"] = json!(resource.kind);
        if is_generated(&body) {
            self.generated += 1;
            return;
        }
        if let Some(fields) = body.as_object_mut() {
            fields.remove("status");
        }
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        // A malformed object cannot be evaluated.
        if let Ok(object) = Object::from_json("cluster", body)
            && self.graph.object(&object.id).is_none()
        {
            self.graph.add(object);
        }
    }
}

/// Whether a controller created the object for a workload, which is evaluated itself.
fn is_generated(body: &Value) -> bool {
    let owners = body.pointer("/metadata/ownerReferences").cloned();
    let owners: Vec<OwnerReference> = owners
        .and_then(|owners| serde_json::from_value(owners).ok())
        .unwrap_or_default();
    owners.iter().any(|owner| {
        let group = owner.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        owner.controller == Some(true) && WORKLOADS.iter().any(|kind| kind.is(group, &owner.kind))
    })
}

/// All objects of a kind, page by page.
async fn all(api: &Api<DynamicObject>) -> Result<Vec<Value>, kube::Error> {
    let mut bodies = Vec::new();
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let page: ObjectList<DynamicObject> = api.list(&parameters).await?;
        let next = page.metadata.continue_.filter(|next| !next.is_empty());
        bodies.extend(
            page.items
                .iter()
                .filter_map(|item| serde_json::to_value(item).ok()),
        );
        match next {
            Some(next) => parameters = parameters.continue_token(&next),
            None => return Ok(bodies),
        }
    }
}

/// The Secrets without their content: first those that hold a token, which are selected by type, then all others.
async fn secrets(api: &Api<DynamicObject>) -> Result<Vec<Value>, kube::Error> {
    let mut bodies = Vec::new();
    for (selector, of_type) in [("=", Some(TOKEN)), ("!=", None)] {
        let mut parameters = ListParams::default()
            .limit(PAGE)
            .fields(&format!("type{selector}{TOKEN}"));
        loop {
            let page: ObjectList<PartialObjectMeta<DynamicObject>> = api.list_metadata(&parameters).await?;
            let next = page.metadata.continue_.filter(|next| !next.is_empty());
            for item in &page.items {
                let mut body = json!({"metadata": item.metadata});
                if let Some(of_type) = of_type {
                    body["type"] = json!(of_type);
                }
                bodies.push(body);
            }
            match next {
                Some(next) => parameters = parameters.continue_token(&next),
                None => break,
            }
        }
    }
    Ok(bodies)
}

fn listing(what: &str, error: &kube::Error) -> anyhow::Error {
    anyhow!(error_chain(error)).context(format!("listing {what} of the cluster"))
}
