//! Existing objects in the cluster: those that the stack declares but did not create, and those in its namespaces that it
//! does not declare.
//!
//! The provider applies an object that is not in the state, whether it exists or not. If all fields agree, the object is
//! taken over silently; if they differ, the API server reports a conflict and `pulumi up` stops halfway. Both cases are
//! reported before a deployment.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use phoenix::config::{NAMESPACE, ObjectName};
use phoenix_graph::{Graph, Id, Object};
use phoenix_terminal::checklist::Check;
use phoenix_terminal::output::count;
use serde_json::Value;
use tokio::task::JoinSet;

use super::api_versions::Resources;
use super::{Stack, could_not_check};

/// The field manager of the provider.
const OUR_MANAGER: &str = "phoenix";

const HOW_TO: &str = "docs/how-to/adopt-an-existing-deployment.md";

/// Kinds that take effect by existing in a namespace: API version, kind and plural name.
const UNMANAGED_KINDS: [(&str, &str, &str); 9] = [
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("networking.istio.io/v1", "DestinationRule", "destinationrules"),
    ("networking.istio.io/v1", "VirtualService", "virtualservices"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    (
        "security.istio.io/v1",
        "AuthorizationPolicy",
        "authorizationpolicies",
    ),
    (
        "security.istio.io/v1",
        "PeerAuthentication",
        "peerauthentications",
    ),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
];

/// The objects of a stack according to Pulumi's state.
#[derive(Debug, PartialEq, Eq)]
pub enum EngineState {
    /// These objects: group, kind, and the name with its namespace.
    Known(BTreeSet<(String, String, String)>),
    /// The state could not be read, for this reason.
    Unknown(String),
}

/// Runs all of these checks.
pub async fn run(
    client: &Client,
    state: &EngineState,
    stack: &Stack<'_>,
    resources: &Resources,
) -> Vec<Check> {
    let mut checks = vec![match state {
        EngineState::Known(objects) => Check::good(
            "state",
            format!("Pulumi's state has {}", count(objects.len(), "object")),
        ),
        EngineState::Unknown(why) => Check::warn(
            "state",
            format!("could not be read, so the stack's objects are identified by their field manager: {why}"),
            format!(
                "make sure that `pulumi stack export --stack {}` works in this directory",
                stack.name
            ),
        ),
    }];
    match live(client, stack.graph, resources).await {
        Ok(live) => checks.extend(adoption(stack, state, &live)),
        Err(error) => checks.push(could_not_check("existing", "the existing objects", &error)),
    }
    checks.push(unmanaged(client, stack.graph).await);
    checks
}

/// The objects of a graph that the cluster has.
async fn live(
    client: &Client,
    graph: &Graph,
    resources: &Resources,
) -> Result<BTreeMap<Id, DynamicObject>, kube::Error> {
    let mut questions = JoinSet::new();
    for object in graph.objects() {
        let key = (object.api_version.clone(), object.id.kind.clone());
        let Some(plural) = resources.get(&key) else {
            continue;
        };
        let api = api(
            client,
            &object.api_version,
            &object.id.kind,
            plural,
            object.id.namespace.as_deref(),
        );
        let id = object.id.clone();
        questions.spawn(async move { Ok::<_, kube::Error>((api.get_opt(&id.name).await?, id)) });
    }
    let mut found = BTreeMap::new();
    while let Some(answer) = questions.join_next().await {
        if let (Some(object), id) = answer.expect("a query does not panic")? {
            found.insert(id, object);
        }
    }
    Ok(found)
}

fn api(
    client: &Client,
    api_version: &str,
    kind: &str,
    plural: &str,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// The field managers of an object, in alphabetical order.
fn managers(object: &DynamicObject) -> BTreeSet<String> {
    let entries = object.metadata.managed_fields.iter().flatten();
    // The status is set by controllers.
    entries
        .filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
        .filter_map(|entry| entry.manager.clone())
        .collect()
}

/// Checks the objects that are declared and exist, but are not in the state.
fn adoption(stack: &Stack<'_>, state: &EngineState, live: &BTreeMap<Id, DynamicObject>) -> Vec<Check> {
    let subject = "existing";
    let in_state = |id: &Id| match state {
        EngineState::Known(objects) => objects.contains(&(id.group.clone(), id.kind.clone(), id.path())),
        EngineState::Unknown(_) => live
            .get(id)
            .is_some_and(|object| managers(object).contains(OUR_MANAGER)),
    };
    let named = |id: &Id| stack.config.adopt.iter().any(|name| means(name, id));
    let (mut taken, mut refused, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for (id, object) in live.iter().filter(|(id, _)| !in_state(id)) {
        let managers = managers(object);
        if managers.contains(OUR_MANAGER) {
            kept.push(id);
        } else if named(id) {
            taken.push(line(id, &managers));
        } else {
            refused.push(line(id, &managers));
        }
    }
    let mut checks = Vec::new();
    if !refused.is_empty() {
        let found = format!(
            "{} and not created by this stack; `pulumi up` would take them over silently, or stop halfway if fields \
             differ:{}",
            are(refused.len()),
            refused.concat()
        );
        let hint = format!(
            "see {HOW_TO}; to take them over, list them in {NAMESPACE}:adopt in {}",
            stack.file
        );
        checks.push(Check::fail(subject, found, hint));
    }
    if !taken.is_empty() {
        let found = format!(
            "{} and will be taken over because of {NAMESPACE}:adopt:{}",
            are(taken.len()),
            taken.concat()
        );
        let hint = format!(
            "read {HOW_TO} first: fields that the stack does not declare stay as they are until the names are removed from the list"
        );
        checks.push(Check::warn(subject, found, hint));
    }
    if refused.is_empty() && taken.is_empty() {
        let found = if kept.is_empty() {
            "no object of the stack exists that it did not create".to_owned()
        } else {
            let kept: Vec<_> = kept.iter().map(|id| object_name(id)).collect();
            format!(
                "retained from an earlier deployment and reused: {}",
                kept.join(", ")
            )
        };
        checks.push(Check::good(subject, found));
    }
    checks.extend(list(stack, &in_state));
    checks
}

/// Checks the list of objects to adopt: each is declared by the stack, and not in its state yet.
fn list(stack: &Stack<'_>, in_state: &dyn Fn(&Id) -> bool) -> Option<Check> {
    let subject = "adopt";
    let key = format!("{NAMESPACE}:adopt");
    let (mut unknown, mut done) = (Vec::new(), Vec::new());
    for name in &stack.config.adopt {
        match stack.graph.objects().find(|object| means(name, &object.id)) {
            None => unknown.push(name.to_string()),
            Some(object) if in_state(&object.id) => done.push(name.to_string()),
            Some(_) => {}
        }
    }
    if !unknown.is_empty() {
        let found = format!(
            "{key} lists objects that the stack does not declare: {}",
            unknown.join(", ")
        );
        let known: Vec<_> = stack
            .graph
            .objects()
            .map(|object| object_name(&object.id))
            .collect();
        let nearest = phoenix_suggest::nearest(&unknown[0], known.iter().map(String::as_str));
        let hint = nearest.map_or(
            "remove it; only objects that the stack declares can be taken over".to_owned(),
            |meant| format!("did you mean {meant}?"),
        );
        return Some(Check::fail(subject, found, hint));
    }
    (!done.is_empty()).then(|| {
        Check::warn(
            subject,
            format!("{key} lists objects that the stack owns already: {}", done.join(", ")),
            format!("remove the names from {}; while they are listed, every `pulumi up` overwrites the fields of other managers", stack.file),
        )
    })
}

fn means(name: &ObjectName, id: &Id) -> bool {
    name.kind == id.kind && name.namespace == id.namespace && name.name == id.name
}

fn line(id: &Id, managers: &BTreeSet<String>) -> String {
    let managers: Vec<_> = managers.iter().map(String::as_str).collect();
    let whose = if managers.is_empty() {
        "field manager unknown".to_owned()
    } else {
        format!("set by {}", managers.join(", "))
    };
    format!("\n{} — {whose}", object_name(id))
}

fn are(number: usize) -> String {
    match number {
        1 => "1 object exists".to_owned(),
        several => format!("{several} objects exist"),
    }
}

/// Checks for objects in the stack's namespaces that it does not declare. A workload that one of its Services selects is a
/// failure, because requests would reach both; policies and routes add to those of the stack.
async fn unmanaged(client: &Client, graph: &Graph) -> Check {
    let subject = "unmanaged";
    let services: Vec<&Object> = graph
        .objects()
        .filter(|object| object.id.kind == "Service" && object.body().pointer("/spec/selector").is_some())
        .collect();
    let namespaces: BTreeSet<&str> = services
        .iter()
        .filter_map(|service| service.id.namespace.as_deref())
        .collect();
    let (mut behind, mut beside) = (Vec::new(), Vec::new());
    for namespace in namespaces {
        for (api_version, kind, plural) in UNMANAGED_KINDS {
            let api = api(client, api_version, kind, plural, Some(namespace));
            let found = match api.list(&ListParams::default()).await {
                Ok(found) => found.items,
                // A cluster without Istio's kinds has none of them.
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                Err(error) => {
                    return could_not_check(subject, &format!("{plural} in {namespace}"), &error);
                }
            };
            for object in found {
                let Some(name) = object.metadata.name.clone() else {
                    continue;
                };
                let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
                let id = Id::namespaced(group, kind, namespace, &name);
                let is_ours = graph.object(&id).is_some()
                    || managers(&object).contains(OUR_MANAGER)
                    || object.metadata.owner_references.iter().flatten().next().is_some()
                    || is_claim_of_a_peer(&id, graph);
                if is_ours {
                    continue;
                }
                match services.iter().find(|service| {
                    service.id.namespace.as_deref() == Some(namespace) && serves(service, &object)
                }) {
                    Some(service) => behind.push(format!(
                        "\n{} is selected by {}",
                        object_name(&id),
                        object_name(&service.id)
                    )),
                    None => beside.push(format!("\n{}", object_name(&id))),
                }
            }
        }
    }
    if !behind.is_empty() {
        let found = format!(
            "the stack's Services also select pods that it does not declare:{}",
            behind.concat()
        );
        return Check::fail(
            subject,
            found,
            format!("move their data and delete them first, as described in {HOW_TO}"),
        );
    }
    if beside.is_empty() {
        return Check::good(
            subject,
            "the stack's namespaces contain only objects that it declares",
        );
    }
    Check::warn(
        subject,
        format!(
            "in the stack's namespaces, but not declared by it:{}",
            beside.concat()
        ),
        "policies and routes add to those of the stack; delete the objects that an earlier deployment left behind",
    )
}

/// Whether a Service selects a workload's pods.
fn serves(service: &Object, workload: &DynamicObject) -> bool {
    let selector = service
        .body()
        .pointer("/spec/selector")
        .and_then(Value::as_object);
    let labels = workload.data.pointer("/spec/template/metadata/labels");
    selector.is_some_and(|selector| {
        !selector.is_empty()
            && selector
                .iter()
                .all(|(name, value)| labels.and_then(|labels| labels.get(name)) == Some(value))
    })
}

/// Whether a claim was created from a template of a StatefulSet, as `template-set-0`.
fn is_claim_of_a_peer(id: &Id, graph: &Graph) -> bool {
    id.kind == "PersistentVolumeClaim"
        && graph
            .objects()
            .filter(|object| object.id.kind == "StatefulSet" && object.id.namespace == id.namespace)
            .any(|set| {
                let templates = set.body().pointer("/spec/volumeClaimTemplates");
                templates
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|template| template.pointer("/metadata/name").and_then(Value::as_str))
                    .any(|template| id.name.starts_with(&format!("{template}-{}-", set.id.name)))
            })
}

/// An object's name, as `phoenix:adopt` and `--allow-destructive` accept it.
fn object_name(id: &Id) -> String {
    format!("{}/{}", id.kind, id.path())
}
