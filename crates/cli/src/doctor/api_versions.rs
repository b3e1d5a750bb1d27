//! Whether the API server is new enough for what the stack writes, and knows its kinds in their versions.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::ListParams;
use kube::{Api, Client};
use phoenix_graph::Graph;
use serde_json::Value;

use super::check::Check;
use crate::cluster::error_chain;

/// The names of resources in paths, such as `deployments`, by API version and kind.
pub type Resources = BTreeMap<(String, String), String>;

/// Fields that older API servers drop or refuse, with the first minor version of Kubernetes 1 that takes them
/// without a feature gate, and the field above them where the name alone is not enough.
const NEEDS: [(&str, Option<&str>, u32); 6] = [
    ("persistentVolumeClaimRetentionPolicy", None, 27),
    ("minDomains", None, 27),
    ("unhealthyPodEvictionPolicy", None, 27),
    ("matchLabelKeys", None, 27),
    ("sleep", Some("preStop"), 30),
    ("trafficDistribution", None, 31),
];

/// The API server's version, compared with what the stack's objects need.
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
            format!("{found} answers, but the stack uses `{field}`, which needs 1.{least}"),
            "upgrade the cluster; an older server drops the field or refuses the object",
        ),
        (Ok(_), Some((_, _, least))) => Check::good(subject, format!("{found} answers; 1.{least} is needed")),
        (Ok(_), None) => Check::good(subject, format!("{found} answers")),
        (Err(_), _) => Check::warn(
            subject,
            format!("{found} answers, and its version cannot be understood"),
            "make sure that it is 1.30 or newer",
        ),
    }
}

/// Whether a field is somewhere in a value, below another one where that is asked for.
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

/// Whether every kind is served in the version that the stack uses, and what each is called in paths.
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
                let found = format!("{api_version} cannot be asked for: {}", error_chain(&error));
                return (
                    Check::fail(subject, found, "try again with more rights"),
                    resources,
                );
            }
        };
        for kind in kinds {
            // `deployments/status` is of the same kind, and nothing of its own.
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
        format!("the cluster does not know {}", words.join(", ")),
        "install what defines them first, or a newer version of it; for kinds of istio.io that is Istio's base chart, from 1.22 on, for kinds of external-secrets.io the External Secrets Operator, for kinds of monitoring.coreos.com the Prometheus Operator",
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

/// In which versions the definitions of others keep the stack's objects, where those differ from what the stack writes:
/// an upgrade that drops such a version has to convert them first.
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
