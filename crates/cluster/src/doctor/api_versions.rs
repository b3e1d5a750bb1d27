//! Whether the API server is new enough for the stack's objects, and serves each kind in the version that the stack uses.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::ListParams;
use kube::{Api, Client};
use phoenix_graph::Graph;
use phoenix_terminal::checklist::Check;
use serde_json::Value;

use crate::connection::error_chain;

/// The plural names of resources, such as `deployments`, by API version and kind.
pub type Resources = BTreeMap<(String, String), String>;

/// Fields that older API servers drop or reject: the field, its parent if the name alone is ambiguous, and the first minor
/// version of Kubernetes 1 that accepts it without a feature gate.
const NEEDS: [(&str, Option<&str>, u32); 6] = [
    ("persistentVolumeClaimRetentionPolicy", None, 27),
    ("minDomains", None, 27),
    ("unhealthyPodEvictionPolicy", None, 27),
    ("matchLabelKeys", None, 27),
    ("sleep", Some("preStop"), 30),
    ("trafficDistribution", None, 31),
];

/// Checks that the API server's version supports every field that the stack's objects use.
pub fn version(version: &Info, graph: &Graph) -> Check {
    let subject = "API server";
    let found = &version.git_version;
    let digits: String = version.minor.chars().take_while(char::is_ascii_digit).collect();
    let needs = NEEDS
        .iter()
        .filter(|(field, above, _)| {
            graph
                .objects()
                .any(|object| has(object.body(), field, *above, None))
        })
        .max_by_key(|(_, _, minor)| *minor);
    match (digits.parse::<u32>(), needs) {
        (Ok(minor), Some((field, _, least))) if version.major == "1" && minor < *least => Check::fail(
            subject,
            format!("version {found}, but the stack uses `{field}`, which requires Kubernetes 1.{least}"),
            "upgrade the cluster; an older API server drops the field or rejects the object",
        ),
        (Ok(_), Some((_, _, least))) => Check::good(
            subject,
            format!("version {found}; 1.{least} or later is required"),
        ),
        (Ok(_), None) => Check::good(subject, format!("version {found}")),
        (Err(_), _) => Check::warn(
            subject,
            format!("version {found}, which could not be parsed"),
            "make sure that the cluster runs Kubernetes 1.30 or later",
        ),
    }
}

/// Whether a value contains a field, directly below `above` if that is given.
fn has(value: &Value, field: &str, above: Option<&str>, parent: Option<&str>) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            (name == field && above.is_none_or(|above| parent == Some(above)))
                || has(value, field, above, Some(name))
        }),
        Value::Array(items) => items.iter().any(|item| has(item, field, above, parent)),
        _ => false,
    }
}

/// Checks that every kind is served in the version that the stack uses. Also returns the plural name of each.
pub async fn kinds(client: &Client, graph: &Graph) -> (Check, Resources) {
    let subject = "kinds";
    let mut resources = Resources::new();
    let mut missing = Vec::new();
    for (api_version, kinds) in used(graph) {
        let served = if api_version.contains('/') {
            client.list_api_group_resources(&api_version).await
        } else {
            client.list_core_api_resources(&api_version).await
        };
        let served = match served {
            Ok(list) => list.resources,
            Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
            Err(error) => {
                let found = format!(
                    "the resources of {api_version} could not be listed: {}",
                    error_chain(&error)
                );
                return (
                    Check::fail(subject, found, "run doctor again with more permissions"),
                    resources,
                );
            }
        };
        for kind in kinds {
            // `deployments/status` has the same kind, but is a subresource.
            let resource = served
                .iter()
                .find(|resource| resource.kind == kind && !resource.name.contains('/'));
            match resource {
                Some(resource) => {
                    resources.insert((api_version.clone(), kind), resource.name.clone());
                }
                None => missing.push((api_version.clone(), kind)),
            }
        }
    }
    if missing.is_empty() {
        let found = "the cluster serves every kind in the version that the stack uses".to_owned();
        let stored = stored(client, graph).await;
        return (Check::good(subject, found + &stored), resources);
    }
    let mut words = Vec::new();
    for (api_version, kind) in &missing {
        let others = other_versions(client, api_version).await;
        words.push(if others.is_empty() {
            format!("{kind} ({api_version})")
        } else {
            format!("{kind} ({api_version}; it serves {})", others.join(", "))
        });
    }
    let check = Check::fail(
        subject,
        format!("the cluster does not serve {}", words.join(", ")),
        "install the operator that defines them, or upgrade it: Istio's base chart 1.22 or later for istio.io, the External Secrets Operator for external-secrets.io, the Prometheus Operator for monitoring.coreos.com",
    );
    (check, resources)
}

/// The kinds that a graph uses, by API version.
fn used(graph: &Graph) -> BTreeMap<String, BTreeSet<String>> {
    let mut kinds = BTreeMap::<_, BTreeSet<_>>::new();
    for object in graph.objects() {
        kinds
            .entry(object.api_version.clone())
            .or_default()
            .insert(object.id.kind.clone());
    }
    kinds
}

/// The other versions of a group that are served.
async fn other_versions(client: &Client, api_version: &str) -> Vec<String> {
    let group = api_version.split('/').next().unwrap_or_default();
    let Ok(groups) = client.list_api_groups().await else {
        return Vec::new();
    };
    let versions = groups
        .groups
        .into_iter()
        .filter(|known| known.name == group)
        .flat_map(|known| known.versions);
    versions
        .map(|version| version.group_version)
        .filter(|version| version != api_version)
        .collect()
}

/// The custom resources that are also stored in another version than the stack uses. Before an upgrade removes such a
/// version, the stored objects have to be migrated.
async fn stored(client: &Client, graph: &Graph) -> String {
    let used = used(graph);
    let own: BTreeSet<(String, String, String)> = used
        .iter()
        .filter_map(|(api_version, kinds)| Some((api_version.split_once('/')?, kinds)))
        .flat_map(|((group, version), kinds)| {
            kinds
                .iter()
                .map(move |kind| (group.to_owned(), version.to_owned(), kind.clone()))
        })
        .collect();
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let Ok(definitions) = definitions.list(&ListParams::default()).await else {
        return String::new();
    };
    let mut others: Vec<_> = definitions
        .into_iter()
        .filter_map(|definition| {
            let (group, kind) = (definition.spec.group, definition.spec.names.kind);
            let version = &own.iter().find(|own| own.0 == group && own.2 == kind)?.1;
            let stored = definition.status.and_then(|status| status.stored_versions)?;
            let others: Vec<_> = stored.into_iter().filter(|stored| stored != version).collect();
            (!others.is_empty())
                .then(|| format!("\n{kind} ({group}) is also stored as {}", others.join(", ")))
        })
        .collect();
    others.sort();
    others.concat()
}
