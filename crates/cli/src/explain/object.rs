//! Explains an object of the stacks: its system, its references, its connections and the keys that change it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use phoenix::connections::{Connection, Peer, Traffic, connections};
use phoenix::names::Workload;
use phoenix::provider;
use phoenix_graph::{Id, Object, references};
use serde::Serialize;
use serde_json::Value;

use super::{LoadedStack, Subjects, probe, schema};
use crate::consent::{Consent, names};
use crate::stack::Stack;

/// An object, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The object, as it is typed: `Kind/namespace/name`.
    pub object: String,
    /// Its API version.
    pub api_version: String,
    /// What an object of its kind does.
    pub kind: Option<&'static str>,
    /// The system that declares it.
    pub system: String,
    /// What the system is, from the schema of the configuration.
    pub system_meaning: Option<String>,
    /// The stacks, and how each declares it.
    pub stacks: Vec<InStack>,
    /// What it refers to.
    pub refers_to: Vec<Neighbour>,
    /// What refers to it.
    pub referred_by: Vec<Neighbour>,
    /// The secrets whose changes restart its pods.
    pub restarts_with: Vec<String>,
    /// The connections that it routes or protects.
    pub connections: Vec<Row>,
    /// The keys of the configuration that change it.
    pub keys: Vec<String>,
}

/// How one stack declares an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InStack {
    /// The stack.
    pub stack: String,
    /// Whether it declares the object; `None` where its file has problems.
    pub declared: Option<bool>,
    /// Its deletion policy.
    pub deletion: Option<&'static str>,
    /// The engine's name for it.
    pub urn: Option<String>,
}

/// An object at the other end of a reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// The object, as it is typed.
    pub object: String,
    /// Whether a stack declares it; otherwise it has to exist already.
    pub declared: bool,
}

/// A row of the connection table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    /// Who opens the connection.
    pub from: String,
    /// Who accepts it.
    pub to: String,
    /// The port.
    pub port: u16,
    /// The allowed traffic.
    pub traffic: String,
    /// Why it is needed.
    pub why: String,
}

/// Every object of every stack, once.
pub fn all(subjects: &Subjects) -> Vec<Id> {
    let ids: BTreeSet<_> = subjects
        .stacks
        .iter()
        .filter_map(|loaded| loaded.stack.as_ref())
        .flat_map(|stack| stack.graph.objects().map(|object| object.id.clone()))
        .collect();
    ids.into_iter().collect()
}

/// The objects that these words name: `Kind/namespace/name`, `Kind/name`, `namespace/name`, or the name alone.
pub fn named(asked: &str, subjects: &Subjects) -> Vec<Id> {
    let asked = asked.to_lowercase();
    let parts: Vec<&str> = asked.split([' ', '/']).filter(|part| !part.is_empty()).collect();
    let is_named = |id: &Id| match parts.as_slice() {
        [name] => id.name.to_lowercase() == *name,
        parts => names(id, parts),
    };
    all(subjects).into_iter().filter(is_named).collect()
}

/// An object as it is typed: `Kind/namespace/name`.
pub fn typed(id: &Id) -> String {
    Consent::to(id)
}

/// Explains an object that at least one stack declares.
pub fn explain(id: &Id, subjects: &Subjects) -> Explained {
    let good: Vec<&Stack> = subjects
        .stacks
        .iter()
        .filter_map(|loaded| loaded.stack.as_ref())
        .collect();
    let declared: Vec<(&Stack, &Object)> = good
        .iter()
        .filter_map(|stack| Some((*stack, stack.graph.object(id)?)))
        .collect();
    let (_, object) = declared[0];
    let exists = |id: &Id| good.iter().any(|stack| stack.graph.object(id).is_some());
    let neighbour = |id: &Id| Neighbour {
        object: typed(id),
        declared: exists(id),
    };
    let refers_to: BTreeSet<_> = declared
        .iter()
        .flat_map(|(_, object)| references(object))
        .map(|reference| neighbour(&reference.target))
        .collect();
    let referred_by: BTreeSet<_> = good
        .iter()
        .flat_map(|stack| stack.graph.objects())
        .filter(|other| references(other).iter().any(|reference| reference.target == *id))
        .map(|other| neighbour(&other.id))
        .collect();
    let restarts_with: BTreeSet<_> = declared
        .iter()
        .flat_map(|(_, object)| object.checksums().values().flatten())
        .collect();
    let rows: BTreeSet<_> = declared
        .iter()
        .flat_map(|(stack, object)| rows(stack, object))
        .collect();
    Explained {
        object: typed(id),
        api_version: object.api_version.clone(),
        kind: kind(&id.kind),
        system_meaning: schema::meaning_of(&object.component),
        system: object.component.clone(),
        stacks: subjects
            .stacks
            .iter()
            .map(|loaded| in_stack(id, loaded, &subjects.project))
            .collect(),
        refers_to: refers_to.into_iter().collect(),
        referred_by: referred_by.into_iter().collect(),
        restarts_with: restarts_with.into_iter().cloned().collect(),
        connections: rows.into_iter().collect(),
        keys: keys(id, subjects),
    }
}

fn in_stack(id: &Id, loaded: &LoadedStack, project: &str) -> InStack {
    let object = loaded.stack.as_ref().and_then(|stack| stack.graph.object(id));
    InStack {
        stack: loaded.name.clone(),
        declared: loaded.stack.as_ref().map(|_| object.is_some()),
        deletion: object.map(
            |object| match (object.options.protect, object.options.retain_on_delete) {
                (true, true) => "denied while phoenix:protect is true; then kept in the cluster",
                (true, false) => "denied while phoenix:protect is true",
                (false, true) => "kept in the cluster, removed from the state",
                (false, false) => "deleted",
            },
        ),
        urn: object.map(|object| provider::urn(object, &loaded.name, project)),
    }
}

/// The keys that change an object in any stack where they can be tried.
fn keys(id: &Id, subjects: &Subjects) -> Vec<String> {
    let name = id.to_string();
    schema::leaves()
        .into_iter()
        .filter(|path| {
            probe::effects(path, subjects).iter().any(|effect| {
                // A key that changes most objects is not specific to this one.
                effect.objects.len() * 2 < effect.of
                    && effect.objects.iter().any(|changed| changed.object == name)
            })
        })
        .collect()
}

/// The rows of the connection table that an object takes part in or enforces.
fn rows(stack: &Stack, object: &Object) -> Vec<Row> {
    let Some(workload) = stack
        .config
        .workloads()
        .into_iter()
        .find(|workload| belongs_to(object, *workload))
    else {
        return Vec::new();
    };
    let own = Peer::Workload(workload);
    // A policy at the target does not cover outgoing calls of its workload.
    let incoming_only = object.id.kind == "AuthorizationPolicy";
    connections(&stack.config)
        .iter()
        .filter(|row| {
            let concerns = |peer: &Peer| *peer == own || *peer == Peer::EveryWorkload;
            concerns(&row.to) || (!incoming_only && concerns(&row.from))
        })
        .filter(|row| !incoming_only || !matches!(row.traffic, Traffic::Infrastructure { .. }))
        .map(row_of)
        .collect()
}

fn belongs_to(object: &Object, workload: Workload) -> bool {
    let name = object.id.name.as_str();
    match object.id.kind.as_str() {
        "Deployment" | "StatefulSet" | "HorizontalPodAutoscaler" | "PodDisruptionBudget" => {
            object.component == workload.system && name == workload.name
        }
        "Service" => object.component == workload.system && workload.service == Some(name),
        "ServiceAccount" => object.component == workload.system && name == workload.service_account,
        "NetworkPolicy" | "AuthorizationPolicy" => [
            "/spec/podSelector/matchLabels/app",
            "/spec/selector/matchLabels/app",
        ]
        .iter()
        .any(|pointer| object.body().pointer(pointer).and_then(Value::as_str) == Some(workload.app)),
        _ => false,
    }
}

fn row_of(row: &Connection) -> Row {
    Row {
        from: peer(&row.from),
        to: peer(&row.to),
        port: row.port,
        traffic: match &row.traffic {
            Traffic::Http {
                methods,
                paths,
                token,
            } => {
                let words = |words: &[&str], any: &str| {
                    if words.is_empty() {
                        any.to_owned()
                    } else {
                        words.join(", ")
                    }
                };
                let except = row.except();
                let except = if except.is_empty() {
                    String::new()
                } else {
                    format!("; not {}", except.join(", "))
                };
                let token = if *token { ", with a valid token" } else { "" };
                format!(
                    "HTTP: {} {}{token}{except}",
                    words(methods, "any method"),
                    words(paths, "any path")
                )
            }
            Traffic::Tcp => "TCP".to_owned(),
            Traffic::Tls => "end-to-end TLS".to_owned(),
            Traffic::Infrastructure { udp: true } => "TCP and UDP, not subject to mesh policies".to_owned(),
            Traffic::Infrastructure { udp: false } => "TCP, not subject to mesh policies".to_owned(),
        },
        why: row.why.to_string(),
    }
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Workload(workload) => workload.system.to_owned(),
        Peer::EveryWorkload => "every workload".to_owned(),
        Peer::InCluster(neighbour) => {
            let mut words = format!("{} (namespace {}", neighbour.name, neighbour.namespace);
            for (label, value) in &neighbour.labels {
                let _ = write!(words, ", pods with {label}={value}");
            }
            if let Some(account) = &neighbour.service_account {
                let _ = write!(words, ", service account {account}");
            }
            words.push(')');
            words
        }
        Peer::External(outside) => outside.host.clone(),
    }
}

/// What a thing of a kind does, in a sentence.
fn kind(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AuthorizationPolicy" => "defines which requests the sidecars of its pods allow",
        "ConfigMap" => "holds settings that pods read as files or variables",
        "CronJob" => "starts a Job on a schedule, or manually",
        "Deployment" => "runs a number of identical pods and replaces them without downtime",
        "DestinationRule" => {
            "defines how clients connect to a Service: load balancing, limits, and outlier detection"
        }
        "Gateway" => "opens ports at the edge of the mesh",
        "HorizontalPodAutoscaler" => "adjusts the number of pods to the load",
        "LimitRange" => "sets default requests and limits of containers",
        "Namespace" => "holds the objects of the platform; deleting it deletes everything in it",
        "NetworkPolicy" => "defines which traffic may enter and leave its pods",
        "PeerAuthentication" => "requires mutual TLS for connections to its pods",
        "PersistentVolumeClaim" => "requests a volume, which contains its data",
        "PodDisruptionBudget" => "limits how many pods a drain may evict at the same time",
        "ResourceQuota" => "limits the total requests of all pods in its namespace",
        "Secret" => "contains confidential values",
        "Service" => "gives pods a stable name and address",
        "ServiceAccount" => "is the identity of pods, in the cluster and in the mesh",
        "ServiceEntry" => "makes a host known to the mesh",
        "Sidecar" => "defines which hosts the sidecars of a namespace know",
        "StatefulSet" => "runs pods with stable names and their own volumes",
        "Telemetry" => "configures the logs and metrics of the mesh",
        "VirtualService" => "routes requests by host and path",
        _ => return None,
    })
}
