//! A live cluster as a graph to be judged. It lists what the rules look at, in pages, and changes nothing.
//!
//! No value of a Secret is asked for: of Secrets only the metadata comes over the wire, and the API server itself says
//! which of them hold a token. What controllers made of something that is judged anyway is left out: the pods of a
//! Deployment say nothing that the Deployment does not. What may not be listed is told, and makes rules say "unknown".

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, OwnerReference};
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectList, PartialObjectMeta};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use phoenix_graph::{Graph, Object};
use phoenix_policies::kind::Kind;
use phoenix_policies::kind::WORKLOADS;
use phoenix_policies::rules::{self, access::credentials, namespaces};
use phoenix_policies::settings::assume;
use phoenix_policies::{Enforcement, Rule, Settings};
use serde_json::{Value, json};

use crate::cluster::error_chain;

/// How many objects a page has at most.
const PAGE: u32 = 500;

/// The type of Secrets that hold a token for the API server.
const TOKEN: &str = "kubernetes.io/service-account-token";

/// Rules that a cluster is not asked: the one would have to read secret values, the other looks at the API version that a
/// person wrote, and the API server shows every object in the version that it is asked for.
pub static NOT_ASKED: [&Rule; 2] = [
    &credentials::SECRET_VALUES_ARE_REFERENCES,
    &namespaces::NO_REMOVED_API,
];

/// What was seen of a cluster.
#[derive(Debug)]
pub struct Seen {
    /// The objects.
    pub graph: Graph,
    /// How many objects controllers made of others.
    pub made_of_others: usize,
    /// What may not be listed.
    pub unseen: Vec<Unseen>,
}

/// Objects of a kind that may not be listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unseen {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// Where; `None` for everywhere.
    pub namespace: Option<String>,
}

impl Unseen {
    /// What it is, in a sentence.
    pub fn words(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} in {namespace}", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// Makes the settings fit for a cluster.
pub fn prepare(settings: &mut Settings) {
    for rule in NOT_ASKED {
        settings.enforce(rule, Enforcement::Disabled);
    }
}

/// Looks at everything that the rules look at: in these namespaces, and of the cluster as a whole. Without
/// namespaces it looks everywhere.
pub async fn look(client: &Client, settings: &Settings, namespaces: &BTreeSet<String>) -> Result<Seen> {
    let mut places: Vec<Option<&str>> = namespaces
        .iter()
        .map(|namespace| Some(namespace.as_str()))
        .collect();
    if places.is_empty() {
        places.push(None);
    } else {
        // Policies there hold for the whole mesh.
        let root = settings.assumed_text(&assume::MESH_ROOT);
        if !namespaces.contains(root) {
            places.push(Some(root));
        }
    }
    let mut seen = Seen {
        graph: Graph::of("cluster"),
        made_of_others: 0,
        unseen: Vec::new(),
    };
    for (resource, is_namespaced) in served(client, settings).await? {
        if is_namespaced {
            for place in &places {
                seen.take(client, &resource, *place).await?;
            }
        } else {
            seen.take(client, &resource, None).await?;
        }
    }
    Ok(seen)
}

/// The resources that the cluster serves of the kinds that rules look at, each in one version, and whether its objects are
/// in namespaces.
async fn served(client: &Client, settings: &Settings) -> Result<Vec<(ApiResource, bool)>> {
    let wanted: Vec<Kind> = rules::inspected_kinds(settings);
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let groups = client.list_api_groups().await;
    for group in groups.map_err(|error| asking("its API groups", &error))?.groups {
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
                // `deployments/status` is of the same kind, and nothing of its own.
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
        Err(error) => Err(asking(&format!("the kinds of {api_version}"), &error)),
    }
}

impl Seen {
    async fn take(&mut self, client: &Client, resource: &ApiResource, place: Option<&str>) -> Result<()> {
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
                self.unseen.push(Unseen {
                    group: resource.group.clone(),
                    kind: resource.kind.clone(),
                    namespace: place.map(str::to_owned),
                });
                return Ok(());
            }
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(error) => return Err(asking(&format!("its {}", resource.plural), &error)),
        };
        for body in bodies {
            self.add(resource, body);
        }
        Ok(())
    }

    fn add(&mut self, resource: &ApiResource, mut body: Value) {
        body["apiVersion"] = json!(resource.api_version);
        body["kind"] = json!(resource.kind);
        if is_made_of_other(&body) {
            self.made_of_others += 1;
            return;
        }
        if let Some(fields) = body.as_object_mut() {
            fields.remove("status");
        }
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        // Whatever a server says, what is no object is nothing to judge.
        if let Ok(object) = Object::from_json("cluster", body)
            && self.graph.object(&object.id).is_none()
        {
            self.graph.add(object);
        }
    }
}

/// Whether a controller made it of a workload, which is judged itself.
fn is_made_of_other(body: &Value) -> bool {
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

/// The Secrets without what is in them: those that hold a token by their type, then all others.
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

fn asking(what: &str, error: &kube::Error) -> anyhow::Error {
    anyhow!(error_chain(error)).context(format!("asking the cluster for {what}"))
}

/// The client for a context; without one, for the current one of the kubeconfig, whose name comes back with it.
pub async fn connect(context: Option<&str>) -> Result<(Client, String)> {
    let kubeconfig = kube::config::Kubeconfig::read()
        .map_err(|error| anyhow!(error_chain(&error)))
        .context("cannot read the kubeconfig")?;
    let Some(context) = context
        .map(str::to_owned)
        .or_else(|| kubeconfig.current_context.clone())
    else {
        return Err(phoenix_terminal::user_error::user_error(
            "the kubeconfig has no current context",
            "name one with --context",
        ));
    };
    let client = crate::cluster::connect(kubeconfig, &context)
        .await
        .map_err(|why| anyhow!(why))
        .with_context(|| format!("cannot look at the cluster {context}"))?;
    Ok((client, context))
}
