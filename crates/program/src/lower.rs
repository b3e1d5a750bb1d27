//! Lowers the graph to registrations, as plain data.
//!
//! The plan has one precondition: the cluster is the stack's own. It registers a provider pinned to that cluster, a
//! component for each system, and each object below the component of its system. The engine identifies objects by the
//! names in the plan, so these never change.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phoenix::config::{StackConfig, secret};
use phoenix::names::{MCP_PORT, MEMORY, OPENMEMORY, QDRANT, QDRANT_HTTP, SANDBOX_LABEL, Workload};
use phoenix::platform::SYSTEMS;
use phoenix::provider::{self, SYSTEM_TYPE};
use phoenix_graph::{Graph, Id, Object, references};
use pulumi_wire::{
    Alias, AliasParent, Checksum, Expectation, Plan, Precondition, Registration, Timeouts, Value,
};

/// The supported versions of Pulumi: those that find a language host by path and stack files in a folder. `Pulumi.yaml`
/// requires the same versions, but versions before 3.255.0 do not read that requirement.
pub const PULUMI_VERSIONS: &str = ">=3.255.0";

/// Kinds that protect pods. Pods and claims are registered after the objects of these kinds in their namespace: a pod
/// would otherwise run unprotected, and a quota whose status is not known yet rejects pods.
const GUARDS: [&str; 7] = [
    "NetworkPolicy",
    "PeerAuthentication",
    "RequestAuthentication",
    "AuthorizationPolicy",
    "Sidecar",
    "ResourceQuota",
    "LimitRange",
];

/// Lowers the graph of a stack to the plan that the engine executes.
pub fn lower(graph: &Graph, config: &StackConfig) -> Plan {
    let mut resources = vec![provider(config)];
    let mut components = BTreeMap::new();
    for system in SYSTEMS {
        components.insert(system, resources.len());
        resources.push(Registration::component(SYSTEM_TYPE, system));
    }
    let mut places: BTreeMap<Id, usize> = BTreeMap::new();
    for object in graph.in_apply_order() {
        let registration = Registration {
            parent: Some(components[object.component.as_str()]),
            provider: Some(0),
            ..lower_object(object, graph, &places)
        };
        // Objects that the cluster creates from this one are available when this one is.
        let made = references::made_by(object);
        places.extend(made.map(|made| (made, resources.len())));
        places.insert(object.id.clone(), resources.len());
        resources.push(registration);
    }
    Plan {
        preconditions: right_cluster(config).into_iter().collect(),
        resources,
        outputs: outputs(),
    }
}

/// Requires that the context leads to the stack's own cluster, identified by a UID because context names are reused, and
/// that a stack with placeholders is deployed to a sandbox. A stack that does not identify its cluster has no precondition.
fn right_cluster(config: &StackConfig) -> Option<Precondition> {
    let context = config.cluster.context.as_deref().unwrap_or("of the kubeconfig");
    let identity = config.cluster.uid.as_ref().map(|uid| Expectation {
        property: ["metadata", "uid"].map(str::to_owned).to_vec(),
        value: uid.clone(),
        on_mismatch: format!(
            "the context {context} leads to another cluster than the stack's own: the UID of its Namespace kube-system \
             is not {uid} (phoenix:cluster.uid). Nothing was changed in that cluster.\n  hint: correct the context in the \
             kubeconfig, or, if the stack moves to a new cluster, set phoenix:cluster.uid to that cluster's UID"
        ),
    });
    let sandbox = config.sandbox.then(|| Expectation {
        property: ["metadata", "labels", SANDBOX_LABEL].map(str::to_owned).to_vec(),
        value: "true".to_owned(),
        on_mismatch: format!(
            "phoenix:sandbox is true, but the cluster of the context {context} is not a sandbox: its Namespace kube-system \
             has no label {SANDBOX_LABEL}. Nothing was changed in that cluster.\n  hint: remove phoenix:sandbox from the \
             stack file; `phoenix sandbox` sets it in its own copy"
        ),
    });
    let expectations: Vec<_> = identity.into_iter().chain(sandbox).collect();
    (!expectations.is_empty()).then(|| Precondition {
        token: "kubernetes:core/v1:Namespace".to_owned(),
        name: "kube-system".to_owned(),
        id: "kube-system".to_owned(),
        provider: 0,
        version: Some(provider::VERSION.to_owned()),
        expectations,
        on_unreadable: format!(
            "phoenix:cluster.context is {context}: the kubeconfig (KUBECONFIG, or ~/.kube/config) must have that \
             context, its cluster must be reachable, and its user must be allowed to get the Namespace kube-system. \
             `cargo phoenix doctor STACK` reports what is missing. The state needs no cleanup"
        ),
    })
}

/// The explicit provider, pinned to the stack's context, so that the current context of the kubeconfig has no effect.
fn provider(config: &StackConfig) -> Registration {
    let mut inputs = BTreeMap::from([
        // Without it, a new address of the same cluster would replace every object.
        (
            "clusterIdentifier".to_owned(),
            Value::from(config.cluster.identifier.as_str()),
        ),
        // Without these, changed data replaces the object, and a replaced Secret is missing for a moment.
        ("enableConfigMapMutable".to_owned(), Value::from("true")),
        ("enableSecretMutable".to_owned(), Value::from("true")),
        // The default of 5 requests per second slows a preview down.
        (
            "kubeClientSettings".to_owned(),
            Value::from(r#"{"burst":400,"qps":200}"#),
        ),
    ]);
    if let Some(context) = &config.cluster.context {
        inputs.insert("context".to_owned(), Value::from(context.as_str()));
    }
    Registration {
        inputs,
        version: Some(provider::VERSION.to_owned()),
        ..Registration::custom("pulumi:providers:kubernetes", "cluster")
    }
}

fn lower_object(object: &Object, graph: &Graph, places: &BTreeMap<Id, usize>) -> Registration {
    let inputs = inputs(object);
    let mut property_dependencies: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut dependencies = BTreeSet::new();
    for reference in references(object) {
        // Objects that are not in the graph are managed elsewhere and exist already.
        let Some(&place) = places.get(&reference.target) else {
            continue;
        };
        dependencies.insert(place);
        if inputs.contains_key(reference.field) {
            property_dependencies
                .entry(reference.field.to_owned())
                .or_default()
                .push(place);
        }
    }
    dependencies.extend(object.options.after.iter().map(|id| {
        *places.get(id).unwrap_or_else(|| {
            panic!(
                "{} must be registered after {id}, which is not registered before it",
                object.id
            )
        })
    }));
    if references::pod_spec(object).is_some() || object.id.kind == "PersistentVolumeClaim" {
        dependencies.extend(guards(object, graph).filter_map(|id| places.get(id)));
    }
    Registration {
        dependencies: dependencies.into_iter().collect(),
        property_dependencies,
        inputs,
        protect: object.options.protect.then_some(true),
        retain_on_delete: object.options.retain_on_delete.then_some(true),
        aliases: object
            .options
            .aliases
            .iter()
            .map(|name| former_name(name))
            .collect(),
        import_id: object.options.import.then(|| object.id.path()),
        timeouts: timeouts(&object.options.timeouts),
        version: Some(provider::VERSION.to_owned()),
        ..Registration::custom(provider::token(object), object.id.path())
    }
}

fn former_name(name: &str) -> Alias {
    Alias::Spec {
        name: Some(name.to_owned()),
        token: None,
        parent: AliasParent::Same,
    }
}

/// The body in the form that the provider expects, with references in place of secrets and their checksums.
fn inputs(object: &Object) -> BTreeMap<String, Value> {
    let value = Value::from_json(object.body()).expect("every number in the graph is exact as a double");
    let Value::Object(mut inputs) = value else {
        unreachable!("an object's body is a mapping")
    };
    for (pointer, name) in object.secrets() {
        *leaf(&mut inputs, pointer) = Value::SecretRef(name.clone());
    }
    for (pointer, names) in object.checksums() {
        let checksum = Checksum::of(secret::CHECKSUM_KEY.full_key(), names);
        *leaf(&mut inputs, pointer) = Value::ChecksumOf(checksum);
    }
    inputs
}

/// The leaf at a JSON pointer through mappings.
fn leaf<'a>(inputs: &'a mut BTreeMap<String, Value>, pointer: &str) -> &'a mut Value {
    let mut keys = pointer
        .split('/')
        .skip(1)
        .map(|key| key.replace("~1", "/").replace("~0", "~"));
    let missing = || panic!("no leaf at {pointer}");
    let first = keys.next().unwrap_or_else(missing);
    keys.fold(
        inputs
            .get_mut(&first)
            .unwrap_or_else(|| panic!("no leaf at {pointer}")),
        |value, key| match value {
            Value::Object(fields) => fields
                .get_mut(&key)
                .unwrap_or_else(|| panic!("no leaf at {pointer}")),
            _ => panic!("{pointer} passes through a value that is not a mapping"),
        },
    )
}

fn guards<'a>(object: &Object, graph: &'a Graph) -> impl Iterator<Item = &'a Id> {
    let namespace = object.id.namespace.clone();
    graph
        .objects()
        .map(|guard| &guard.id)
        .filter(move |id| id.namespace == namespace && GUARDS.contains(&id.kind.as_str()))
}

fn timeouts(timeouts: &phoenix_graph::Timeouts) -> Timeouts {
    let seconds = |limit: Option<Duration>| limit.map(|limit| format!("{}s", limit.as_secs()));
    Timeouts {
        create: seconds(timeouts.create),
        update: seconds(timeouts.update),
        delete: seconds(timeouts.delete),
    }
}

/// The outputs of the stack: the addresses of the platform inside the cluster.
fn outputs() -> BTreeMap<String, Value> {
    let address =
        |workload: Workload, port: u16| Value::from(format!("http://{}:{port}", workload.host()).as_str());
    BTreeMap::from([
        ("namespace".to_owned(), Value::from(MEMORY)),
        ("openmemory".to_owned(), address(OPENMEMORY, MCP_PORT.number)),
        ("qdrant".to_owned(), address(QDRANT, QDRANT_HTTP.number)),
    ])
}
