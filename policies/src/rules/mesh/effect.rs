//! Whether a policy of Istio is in force for a workload.
//!
//! Every rule about Istio's policies asks [`in_force`]. It reads the namespace of the policy, its selector or `targetRefs`,
//! the annotation `istio.io/dry-run`, and what the data plane of the workload enforces: a sidecar enforces everything that
//! passes through it, the proxy of the node (ambient mode) only connections, and a workload outside of the mesh nothing.

use phoenix_graph::Object;

use crate::field::{Field, Node, namespace_of};
use crate::inventory::{Inventory, Workload};
use crate::kind::{Kind, NAMESPACE, SERVICE};
use crate::mesh::{DataPlane, GATEWAY_NAME, WAYPOINT_CLASS, inbound_bypass};
use crate::selector::{Answer, has_all};
use crate::settings::assume;

pub(crate) const SECURITY: &[&str] = &["security.istio.io"];
pub(crate) const NETWORKING: &[&str] = &["networking.istio.io"];
const EXTENSIONS: &[&str] = &["extensions.istio.io"];
pub(crate) const PEER_AUTHENTICATION: Kind = Kind::new(SECURITY, "PeerAuthentication");
pub(crate) const AUTHORIZATION: Kind = Kind::new(SECURITY, "AuthorizationPolicy");
pub(crate) const REQUESTS: Kind = Kind::new(SECURITY, "RequestAuthentication");
pub(crate) const SIDECAR: Kind = Kind::new(NETWORKING, "Sidecar");
pub(crate) const ENVOY_FILTER: Kind = Kind::new(NETWORKING, "EnvoyFilter");
pub(crate) const TELEMETRY: Kind = Kind::new(&["telemetry.istio.io"], "Telemetry");
pub(crate) const WASM_PLUGIN: Kind = Kind::new(EXTENSIONS, "WasmPlugin");
pub(crate) const TRAFFIC_EXTENSION: Kind = Kind::new(EXTENSIONS, "TrafficExtension");
pub(crate) const GATEWAY_API: Kind = Kind::new(&["gateway.networking.k8s.io"], "Gateway");

/// The scope of an Istio policy; a narrower one takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PolicyScope {
    Mesh,
    Namespace,
    Workload,
}

/// Whether a policy is in force for a workload, and with which scope.
pub(crate) fn in_force(
    policy: &Object,
    workload: Workload<'_>,
    inventory: &Inventory<'_>,
) -> (Answer, PolicyScope) {
    let (selected, scope) = selects(policy, workload, inventory);
    if selected == Answer::No {
        return (Answer::No, scope);
    }
    let enforced = selected
        .and(dry_run(policy).negate())
        .and(reaches_proxy(policy, workload, inventory));
    (enforced, scope)
}

/// Whether an `AuthorizationPolicy` is only tried: Istio logs what it would deny.
pub(crate) fn dry_run(policy: &Object) -> Answer {
    let annotation = Node::new(policy.body(), "").entry("metadata.annotations", "istio.io/dry-run");
    match annotation {
        _ if policy.id.kind != AUTHORIZATION.name => Answer::No,
        Field::Known(value) => Answer::from_bool(["1", "t", "T", "true", "TRUE", "True"].contains(&value)),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}

/// The path of the selector of a policy.
pub(crate) fn selector_path(kind: &str) -> &'static str {
    match kind {
        "Sidecar" | "EnvoyFilter" => "spec.workloadSelector.labels",
        _ => "spec.selector.matchLabels",
    }
}

/// Whether a policy of this kind can be attached by `targetRefs`.
pub(crate) fn takes_targets(kind: &str) -> bool {
    [AUTHORIZATION, REQUESTS, TELEMETRY, WASM_PLUGIN, TRAFFIC_EXTENSION]
        .iter()
        .any(|known| known.name == kind)
}

/// A reference of a policy to what it is attached to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub group: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
}

/// The `targetRefs` of a policy; absent if it has none and is therefore bound by its selector.
pub(crate) fn targets(policy: Node<'_>) -> Field<Vec<Target<'_>>> {
    fn read(reference: Node<'_>) -> Field<Target<'_>> {
        match (
            reference.text("group"),
            reference.text("kind"),
            reference.text("name"),
        ) {
            (Field::Unknown, ..) => Field::Unknown,
            (group, Field::Known(kind), Field::Known(name)) => Field::Known(Target {
                group: group.known().unwrap_or(""),
                kind,
                name,
            }),
            _ => Field::Unknown,
        }
    }
    match (policy.list("spec.targetRefs"), policy.field("spec.targetRef")) {
        (Field::Known([]) | Field::Absent, Field::Absent) => Field::Absent,
        (Field::Known([]) | Field::Absent, Field::Known(one)) => {
            read(Node::new(one, "")).map(|target| vec![target])
        }
        (Field::Known(many), _) => {
            let read: Option<Vec<_>> = many
                .iter()
                .map(|item| read(Node::new(item, "")).known())
                .collect();
            read.map_or(Field::Unknown, Field::Known)
        }
        _ => Field::Unknown,
    }
}

/// Whether a policy selects a workload, by its namespace and by its selector or `targetRefs`.
fn selects(policy: &Object, workload: Workload<'_>, inventory: &Inventory<'_>) -> (Answer, PolicyScope) {
    let root = inventory.settings.assumed_text(&assume::MESH_ROOT);
    let kind = policy.id.kind.as_str();
    let own = namespace_of(policy) == workload.namespace();
    let everywhere = namespace_of(policy) == root;
    if !own && !everywhere {
        return (Answer::No, PolicyScope::Mesh);
    }
    let body = Node::new(policy.body(), "");
    match targets(body) {
        Field::Absent => {}
        Field::Known(targets) => {
            let found = targets
                .iter()
                .map(|target| is_target(*target, policy, workload, inventory));
            return (Answer::any(found), PolicyScope::Workload);
        }
        Field::Unknown => return (Answer::Unknown, PolicyScope::Workload),
    }
    match body.map(selector_path(kind)) {
        Field::Known(labels) if !labels.is_empty() => {
            // In the root namespace, Istio ignores the selector of some kinds for other namespaces, or altogether.
            let ignored = everywhere
                && (kind == PEER_AUTHENTICATION.name
                    || !own && [SIDECAR.name, TELEMETRY.name].contains(&kind));
            // Pods of the Gateway API are selected by `targetRefs` only.
            let of_gateway_api = match workload.pod.metadata().entry("labels", GATEWAY_NAME) {
                Field::Absent => Answer::No,
                _ if !takes_targets(kind) => Answer::No,
                Field::Known(_) => Answer::Yes,
                Field::Unknown => Answer::Unknown,
            };
            let matches = has_all(labels, workload.labels())
                .and(Answer::from_bool(!ignored))
                .and(of_gateway_api.negate());
            (matches, PolicyScope::Workload)
        }
        Field::Unknown => (Answer::Unknown, PolicyScope::Workload),
        _ if everywhere => (Answer::Yes, PolicyScope::Mesh),
        _ => (Answer::Yes, PolicyScope::Namespace),
    }
}

/// Whether the proxy of a workload, or the waypoint in front of it, is one that a policy is attached to.
fn is_target(
    target: Target<'_>,
    policy: &Object,
    workload: Workload<'_>,
    inventory: &Inventory<'_>,
) -> Answer {
    let own = namespace_of(policy) == workload.namespace();
    if target.kind == "Gateway" && own {
        let gateway = workload.pod.metadata().entry("labels", GATEWAY_NAME);
        if gateway == Field::Known(target.name) {
            return Answer::Yes;
        }
    }
    if inventory.data_plane(workload) != DataPlane::Ambient {
        return Answer::No;
    }
    let services = services_of(workload, inventory);
    Answer::any(services.into_iter().map(|(service, serves)| {
        let bound = match (target.kind, waypoint(service, inventory)) {
            (_, Field::Unknown) => Answer::Unknown,
            ("Service", Field::Known(_)) => Answer::from_bool(own && service.id.name == target.name),
            ("Gateway", Field::Known((namespace, name))) => {
                Answer::from_bool(namespace == namespace_of(policy) && name == target.name)
            }
            ("GatewayClass", Field::Known(_)) => {
                let root = inventory.settings.assumed_text(&assume::MESH_ROOT);
                Answer::from_bool(target.name == WAYPOINT_CLASS && namespace_of(policy) == root)
            }
            _ => Answer::No,
        };
        serves.and(bound)
    }))
}

/// The Services that have a workload as a backend, or may have it.
pub(crate) fn services_of<'a>(
    workload: Workload<'_>,
    inventory: &Inventory<'a>,
) -> Vec<(&'a Object, Answer)> {
    let services = inventory.within(SERVICE, workload.namespace());
    let with_answer = services.map(|service| {
        let serves = match Node::new(service.body(), "").map("spec.selector") {
            Field::Known(selector) if !selector.is_empty() => has_all(selector, workload.labels()),
            Field::Known(_) | Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        };
        (service, serves)
    });
    with_answer.filter(|(_, serves)| *serves != Answer::No).collect()
}

/// The namespace and name of the waypoint in front of a Service.
pub(crate) fn waypoint<'a>(service: &'a Object, inventory: &Inventory<'a>) -> Field<(&'a str, &'a str)> {
    fn of<'a>(object: &'a Object, namespace: &'a str) -> Field<(&'a str, &'a str)> {
        let body = Node::new(object.body(), "");
        let within = body.entry("metadata.labels", "istio.io/use-waypoint-namespace");
        body.entry("metadata.labels", "istio.io/use-waypoint")
            .and_then(|name| match within {
                Field::Known(within) => Field::Known((within, name)),
                Field::Absent => Field::Known((namespace, name)),
                Field::Unknown => Field::Unknown,
            })
    }
    let namespace = namespace_of(service);
    let found = of(service, namespace).or(|| {
        inventory
            .cluster_scoped(NAMESPACE, namespace)
            .map_or(Field::Absent, |object| of(object, namespace))
    });
    match found {
        Field::Known((_, "none")) => Field::Absent,
        found => found,
    }
}

/// Whether the data plane of a workload enforces policies of this kind on all its traffic.
fn reaches_proxy(policy: &Object, workload: Workload<'_>, inventory: &Inventory<'_>) -> Answer {
    let kind = policy.id.kind.as_str();
    let is_bound = !targets(Node::new(policy.body(), "")).is_absent();
    let inbound = [PEER_AUTHENTICATION.name, AUTHORIZATION.name, REQUESTS.name].contains(&kind);
    let bypassed = match inbound_bypass(workload) {
        Field::Known(_) if inbound => Answer::Yes,
        Field::Unknown if inbound => Answer::Unknown,
        _ => Answer::No,
    };
    let enforced = match inventory.data_plane(workload) {
        DataPlane::Outside => Answer::No,
        DataPlane::Unknown => Answer::Unknown,
        DataPlane::Sidecar => Answer::Yes,
        DataPlane::Gateway => Answer::from_bool(![SIDECAR.name, PEER_AUTHENTICATION.name].contains(&kind)),
        DataPlane::Ambient => {
            Answer::from_bool(is_bound || [PEER_AUTHENTICATION.name, AUTHORIZATION.name].contains(&kind))
        }
    };
    enforced.and(bypassed.negate())
}

/// Whether a workload has a policy of one of these kinds in force.
pub(crate) fn is_protected(workload: Workload<'_>, inventory: &Inventory<'_>) -> Answer {
    let policies = [AUTHORIZATION, REQUESTS]
        .into_iter()
        .flat_map(|kind| inventory.all(kind));
    Answer::any(policies.map(|policy| in_force(policy, workload, inventory).0))
}
