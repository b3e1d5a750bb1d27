//! From the graph to what the engine will be asked, as plain data.
//!
//! The plan has one precondition: that this is the stack's own cluster. It holds a provider pinned to the stack's cluster, a component for each system, and each
//! object below its system. Names in it are for ever: the engine knows an object by them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phoenix_graph::{Graph, Id, Object, references};
use pulumi_wire::{
    Alias, AliasParent, Checksum, Expectation, Plan, Precondition, Registration, Timeouts, Value,
};

use crate::config::{StackConfig, secret};
use crate::names::{MCP_PORT, MEMORY, OPENMEMORY, QDRANT, QDRANT_HTTP, Workload};
use crate::platform::SYSTEMS;

/// The version of the Kubernetes provider that everything here was proven with. `Cargo.toml` tells it to the host too.
pub const PROVIDER_VERSION: &str = "4.25.0";

/// The versions of Pulumi's command that find a host by its path and a stack file in its folder. `Pulumi.yaml` tells it
/// to commands that look there; older ones do not.
pub const PULUMI_VERSIONS: &str = ">=3.255.0";

/// What the Namespace `kube-system` of a sandbox's cluster is labelled with, and of no other.
pub const SANDBOX_LABEL: &str = "phoenix.ai/sandbox";

/// The type of a system's component. One type for all: an object that moves to another system keeps its name.
const SYSTEM: &str = "phoenix:index:System";

/// Kinds that guard pods. No pod runs, and no volume is claimed, before those of its namespace stand: besides being
/// unguarded, it would be refused while the quota's status is not known yet.
const GUARDS: [&str; 7] = [
    "NetworkPolicy",
    "PeerAuthentication",
    "RequestAuthentication",
    "AuthorizationPolicy",
    "Sidecar",
    "ResourceQuota",
    "LimitRange",
];

/// What the engine will be asked for this graph.
pub fn lower(graph: &Graph, config: &StackConfig) -> Plan {
    let mut resources = vec![provider(config)];
    let mut components = BTreeMap::new();
    for system in SYSTEMS {
        components.insert(system, resources.len());
        resources.push(Registration::component(SYSTEM, system));
    }
    let mut places: BTreeMap<Id, usize> = BTreeMap::new();
    for object in graph.in_apply_order() {
        let registration = Registration {
            parent: Some(components[object.component.as_str()]),
            provider: Some(0),
            ..lower_object(object, graph, &places)
        };
        // Whoever needs what the cluster makes of this object waits for this object.
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

/// That the context leads to the stack's own cluster: names of contexts are given anew, a UID is not. And that a stack
/// that may hold placeholders goes to a sandbox. Where nothing of the cluster is known, nothing is asked.
fn right_cluster(config: &StackConfig) -> Option<Precondition> {
    let context = config.cluster.context.as_deref().unwrap_or("of the kubeconfig");
    let identity = config.cluster.uid.as_ref().map(|uid| Expectation {
        property: ["metadata", "uid"].map(str::to_owned).to_vec(),
        value: uid.clone(),
        on_mismatch: format!(
            "the context {context} leads to another cluster than the stack's own: the UID of its Namespace kube-system \
             is not {uid}, as phoenix:cluster.uid says. Nothing was changed in it.\n  hint: repair the context in the \
             kubeconfig, or, if the stack is to have a new cluster, write its UID into the stack file"
        ),
    });
    let sandbox = config.sandbox.then(|| Expectation {
        property: ["metadata", "labels", SANDBOX_LABEL].map(str::to_owned).to_vec(),
        value: "true".to_owned(),
        on_mismatch: format!(
            "phoenix:sandbox is true, but the context {context} leads to no sandbox: its Namespace kube-system has no \
             label {SANDBOX_LABEL}. Nothing was changed in it.\n  hint: remove phoenix:sandbox from the stack file; \
             `phoenix sandbox` sets it in a copy of its own"
        ),
    });
    let expectations: Vec<_> = identity.into_iter().chain(sandbox).collect();
    (!expectations.is_empty()).then(|| Precondition {
        token: "kubernetes:core/v1:Namespace".to_owned(),
        name: "kube-system".to_owned(),
        id: "kube-system".to_owned(),
        provider: 0,
        version: Some(PROVIDER_VERSION.to_owned()),
        expectations,
        on_unreadable: format!(
            "phoenix:cluster.context is {context}: the kubeconfig (KUBECONFIG, else ~/.kube/config) must have that \
             context, its cluster must answer, and its user may get the Namespace kube-system. `cargo phoenix doctor \
             STACK` tells what is missing. Nothing has to be removed from the state"
        ),
    })
}

/// The explicit provider: pinned to the stack's context, so that a kubeconfig that points elsewhere changes nothing.
fn provider(config: &StackConfig) -> Registration {
    let mut inputs = BTreeMap::from([
        // Without it, another address of the same cluster would replace everything.
        (
            "clusterIdentifier".to_owned(),
            Value::from(config.cluster.identifier.as_str()),
        ),
        // Without these, changed data replaces the object, and a replaced Secret is gone for a moment.
        ("enableConfigMapMutable".to_owned(), Value::from("true")),
        ("enableSecretMutable".to_owned(), Value::from("true")),
        // The default of 5 requests a second makes a preview wait for its own provider.
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
        version: Some(PROVIDER_VERSION.to_owned()),
        ..Registration::custom("pulumi:providers:kubernetes", "cluster")
    }
}

fn lower_object(object: &Object, graph: &Graph, places: &BTreeMap<Id, usize>) -> Registration {
    let inputs = inputs(object);
    let mut property_dependencies: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut dependencies = BTreeSet::new();
    for reference in references(object) {
        // What is not in the graph is somebody else's, and there already.
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
        *places
            .get(id)
            .unwrap_or_else(|| panic!("{} is to come after {id}, which is not before it", object.id))
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
            .formerly
            .iter()
            .map(|name| former_name(name))
            .collect(),
        import_id: object.options.import.then(|| object.id.path()),
        timeouts: timeouts(&object.options.timeouts),
        version: Some(PROVIDER_VERSION.to_owned()),
        ..Registration::custom(token(object), object.id.path())
    }
}

fn former_name(name: &str) -> Alias {
    Alias::Spec {
        name: Some(name.to_owned()),
        token: None,
        parent: AliasParent::Same,
    }
}

/// The body as the provider wants it, with references in the place of secrets and of their checksums.
fn inputs(object: &Object) -> BTreeMap<String, Value> {
    let value = Value::from_json(object.body()).expect("the graph has no number that a double cannot carry");
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

/// The leaf at a JSON pointer; marks are made only on leaves of mappings.
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
            _ => panic!("{pointer} does not lead through mappings only"),
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

/// The engine's type of an object: `kubernetes:apps/v1:StatefulSet`, `kubernetes:core/v1:Secret`.
fn token(object: &Object) -> String {
    let api_version = if object.id.group.is_empty() {
        "core/v1"
    } else {
        &object.api_version
    };
    format!("kubernetes:{api_version}:{}", object.id.kind)
}

fn timeouts(timeouts: &phoenix_graph::Timeouts) -> Timeouts {
    let seconds = |limit: Option<Duration>| limit.map(|limit| format!("{}s", limit.as_secs()));
    Timeouts {
        create: seconds(timeouts.create),
        update: seconds(timeouts.update),
        delete: seconds(timeouts.delete),
    }
}

/// What `pulumi stack output` answers: where the platform is reached from inside the cluster.
fn outputs() -> BTreeMap<String, Value> {
    let address =
        |workload: Workload, port: u16| Value::from(format!("http://{}:{port}", workload.host()).as_str());
    BTreeMap::from([
        ("namespace".to_owned(), Value::from(MEMORY)),
        ("openmemory".to_owned(), address(OPENMEMORY, MCP_PORT.number)),
        ("qdrant".to_owned(), address(QDRANT, QDRANT_HTTP.number)),
    ])
}
