//! Routes: what a `VirtualService` refers to, and the hosts that it takes over.

use phoenix_graph::Object;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessControl, Boundary, ChangeControl, ContingencyPlan, Redundancy,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of, text};
use crate::inventory::Inventory;
use crate::kind::Kind;
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::effect::{GATEWAY_API, NETWORKING};
use crate::rules::mesh::registry::{Host, covers, full_name, is_exported, ports, resolve};
use crate::selector::Answer;
use crate::text::rule_text;

pub(crate) const VIRTUAL_SERVICE: Kind = Kind::new(NETWORKING, "VirtualService");
pub(crate) const GATEWAY: Kind = Kind::new(NETWORKING, "Gateway");
pub(crate) const DESTINATION_RULE: Kind = Kind::new(NETWORKING, "DestinationRule");

/// References of a `VirtualService`.
pub static VIRTUAL_SERVICE_REFERENCES_RESOLVE: Rule = Rule {
    id: "virtual-service-references-resolve",
    text: rule_text!("virtual-service-references-resolve"),
    kinds: &[VIRTUAL_SERVICE],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[ChangeControl, Redundancy, ContingencyPlan],
    check: Check::Stack(references),
    ..Rule::DEFAULTS
};

fn references(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let gateways = context.texts(subject.body, "spec.gateways");
    let hosts = context.texts(subject.body, "spec.hosts");
    for gateway in &gateways {
        check_gateway(gateway, "spec.gateways", subject, context);
    }
    check_hosts(&gateways, &hosts, subject, context);
    let is_root = !hosts.is_empty();
    for protocol in ["http", "tls", "tcp"] {
        for route in context.items(subject.body, &format!("spec.{protocol}")) {
            for item in context.items(route.node(), "match") {
                for gateway in context.texts(item.node(), "gateways") {
                    let place = item.node().at("gateways");
                    check_gateway(gateway, &place, subject, context);
                    let bound = if gateways.is_empty() {
                        vec!["mesh"]
                    } else {
                        gateways.clone()
                    };
                    let own = subject.namespace();
                    let is_bound = bound
                        .iter()
                        .any(|known| reference(known, own) == reference(gateway, own));
                    if is_root && !is_bound && !subject.body.list("spec.gateways").is_unknown() {
                        context.fail(
                            place,
                            format!(
                                "the VirtualService is not bound to {gateway}, so the match never applies"
                            ),
                        );
                    }
                }
            }
            check_delegate(route.node(), subject, context);
            for (path, destination) in destinations(route.node(), context) {
                check_destination(Node::new(destination, &path), subject, context);
            }
        }
    }
}

/// The namespace and name of a gateway; the word `mesh` has no namespace.
fn reference<'r>(gateway: &'r str, own: &'r str) -> (&'r str, &'r str) {
    match gateway {
        "mesh" => ("", gateway),
        _ => gateway.split_once('/').unwrap_or((own, gateway)),
    }
}

fn check_gateway(gateway: &str, place: &str, subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let (namespace, name) = reference(gateway, subject.namespace());
    let inventory = context.inventory;
    let exists = gateway == "mesh"
        || inventory.has(GATEWAY, namespace, name)
        || inventory.has(GATEWAY_API, namespace, name);
    if !exists {
        let message = format!("the Gateway {namespace}/{name} does not exist");
        if inventory.is_externally_managed(namespace) {
            context.unknown(format!("{place}: {message} in the input"));
        } else {
            context.missing(place, message);
        }
    }
}

/// Reports hosts that none of the gateways serves.
fn check_hosts(gateways: &[&str], hosts: &[&str], subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let own = subject.namespace();
    let mut served: Vec<(&str, &str)> = Vec::new();
    for gateway in gateways {
        let (namespace, name) = reference(gateway, own);
        // The mesh serves every host. A missing Gateway is reported elsewhere, and those of the Gateway API have routes of
        // their own.
        let Some(object) = context.inventory.get(GATEWAY, namespace, name) else {
            return;
        };
        let servers = Node::new(object.body(), "").list("spec.servers");
        if servers.is_unknown() {
            return;
        }
        for server in servers.known().unwrap_or_default() {
            let hosts = Node::new(server, "").list("hosts");
            for host in hosts.known().unwrap_or_default() {
                match text(host) {
                    Field::Known(host) => served.push((namespace, host)),
                    _ => return,
                }
            }
            if hosts.is_unknown() {
                return;
            }
        }
    }
    if gateways.is_empty() {
        return;
    }
    for host in hosts {
        let full = full_name(host, own);
        let is_served = served.iter().any(|(namespace, served)| {
            let (within, pattern) = served.split_once('/').unwrap_or(("*", served));
            let admits = match within {
                "*" => true,
                "." => *namespace == own,
                within => within == own,
            };
            admits && (covers(pattern, host) || covers(pattern, &full) || covers(host, pattern))
        });
        if !is_served {
            context.fail(
                "spec.hosts",
                format!("no gateway of the VirtualService serves the host {host} for the namespace {own}"),
            );
        }
    }
}

fn check_delegate(route: Node<'_>, subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(name) = context.text(route, "delegate.name") else {
        return;
    };
    let own = subject.namespace();
    let namespace = context.text(route, "delegate.namespace").unwrap_or(own);
    let place = route.at("delegate");
    match context.inventory.get(VIRTUAL_SERVICE, namespace, name) {
        None => context.missing(
            place,
            format!("the VirtualService {namespace}/{name} does not exist"),
        ),
        Some(delegate) => {
            let body = Node::new(delegate.body(), "");
            if is_exported(delegate, own) == Field::Known(false) {
                context.fail(
                    place,
                    format!("{} is not exported to the namespace {own}", delegate.id),
                );
            } else if body
                .list("spec.hosts")
                .known()
                .is_some_and(|hosts| !hosts.is_empty())
            {
                context.fail(
                    place,
                    format!(
                        "{} has hosts of its own, so Istio does not use it as a delegate",
                        delegate.id
                    ),
                );
            }
        }
    }
}

/// The destinations of a route with their paths: those of the route and of its mirrors.
fn destinations<'n>(route: Node<'n>, context: &mut CheckContext<'_>) -> Vec<(String, &'n serde_json::Value)> {
    let mut found = Vec::new();
    for list in ["route", "mirrors"] {
        for item in context.items(route, list) {
            match Node::new(item.value, "").field("destination") {
                Field::Known(destination) => found.push((format!("{}.destination", item.path), destination)),
                Field::Absent => {}
                Field::Unknown => context.unknown(format!("{}.destination", item.path)),
            }
        }
    }
    match route.field("mirror") {
        Field::Known(mirror) => found.push((route.at("mirror"), mirror)),
        Field::Absent => {}
        Field::Unknown => context.unknown(route.at("mirror")),
    }
    found
}

fn check_destination(node: Node<'_>, subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let own = subject.namespace();
    let Some(host) = context.text(node, "host") else {
        return;
    };
    let place = node.at("host");
    let object = match resolve(host, own, context.inventory) {
        Host::Found(object) => object,
        Host::Hidden(object) => {
            context.fail(
                place,
                format!("{} is not exported to the namespace {own}", object.id),
            );
            return;
        }
        Host::Missing => {
            context.missing(
                place,
                format!("the host {host} is neither a Service nor a ServiceEntry"),
            );
            return;
        }
        Host::Unknown => {
            context.unknown(format!("{place}: whether the host {host} exists"));
            return;
        }
    };
    match (ports(object), context.number(node, "port.number")) {
        (None, _) => context.unknown(format!("spec.ports of {}", object.id)),
        (Some(ports), Some(port)) if !ports.contains(&port) => context.fail(
            node.at("port.number"),
            format!("the {} has no port {port}", object.id),
        ),
        (Some(ports), None) if ports.len() > 1 && node.field("port").is_absent() => context.fail(
            node.at("port"),
            format!("the {} has several ports, so the route must name one", object.id),
        ),
        _ => {}
    }
    if let Some(subset) = context.text(node, "subset") {
        let name = full_name(host, own);
        let rules = context.inventory.all(DESTINATION_RULE);
        match Answer::any(rules.map(|rule| has_subset(rule, &name, own, subset))) {
            Answer::Yes => {}
            Answer::No => context.missing(
                node.at("subset"),
                format!("no DestinationRule of {host} has the subset {subset}"),
            ),
            Answer::Unknown => context.unknown(node.at("subset")),
        }
    }
}

/// Whether a `DestinationRule` defines a subset of a host for the routes of a namespace.
fn has_subset(rule: &Object, host: &str, namespace: &str, subset: &str) -> Answer {
    let body = Node::new(rule.body(), "");
    let of_host = match body.text("spec.host") {
        Field::Known(pattern) => Answer::from_bool(covers(&full_name(pattern, namespace_of(rule)), host)),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    };
    let exported = match is_exported(rule, namespace) {
        Field::Known(exported) => Answer::from_bool(exported),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    let defines = match body.list("spec.subsets") {
        Field::Known(subsets) => {
            Answer::any(subsets.iter().map(|item| match Node::new(item, "").text("name") {
                Field::Known(name) => Answer::from_bool(name == subset),
                Field::Absent => Answer::No,
                Field::Unknown => Answer::Unknown,
            }))
        }
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    };
    of_host.and(exported).and(defines)
}

/// Whether a route that is bound to a gateway leads to a host.
pub(crate) fn leads_from_gateway(host: &str, inventory: &Inventory<'_>) -> bool {
    inventory.all(VIRTUAL_SERVICE).any(|object| {
        let body = Node::new(object.body(), "");
        let own = namespace_of(object);
        let gateways = body.list("spec.gateways").known().unwrap_or_default();
        let leads = |protocol: &str| {
            let routes = body.list(protocol).known().unwrap_or_default();
            routes.iter().any(|route| {
                let destinations = Node::new(route, "").list("route").known().unwrap_or_default();
                destinations.iter().any(|destination| {
                    let to = Node::new(destination, "").text("destination.host").known();
                    to.is_some_and(|to| covers(host, &full_name(to, own)))
                })
            })
        };
        gateways.iter().any(|gateway| gateway != "mesh")
            && ["spec.http", "spec.tls", "spec.tcp"].into_iter().any(leads)
    })
}

/// Hosts of routes within the mesh.
pub static MESH_ROUTE_HOST_EXPLICIT: Rule = Rule {
    id: "mesh-route-host-explicit",
    text: rule_text!("mesh-route-host-explicit"),
    kinds: &[VIRTUAL_SERVICE],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, Boundary, ChangeControl, AccessControl],
    check: Check::Stack(route_hosts),
    ..Rule::DEFAULTS
};

fn route_hosts(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    match is_for_mesh(subject.body) {
        Answer::Yes => {}
        Answer::No => {
            context.not_applicable("the VirtualService is not bound to the mesh");
            return;
        }
        Answer::Unknown => context.unknown("spec.gateways"),
    }
    let own = subject.namespace();
    for host in context.texts(subject.body, "spec.hosts") {
        let name = full_name(host, own);
        if name.contains('*') && covers_services(&name) {
            context.fail(
                "spec.hosts",
                format!("{host} takes over the requests to every Service that it matches"),
            );
        }
        let other = context.inventory.all(VIRTUAL_SERVICE).find(|other| {
            let body = Node::new(other.body(), "");
            let hosts = body.list("spec.hosts").known().unwrap_or_default();
            let namespace = namespace_of(other);
            let same = |host: &serde_json::Value| {
                host.as_str()
                    .is_some_and(|host| full_name(host, namespace) == name)
            };
            other.id != subject.object.id
                && is_for_mesh(body) == Answer::Yes
                && hosts.iter().any(same)
                && share_clients(subject.object, other)
        });
        if let Some(other) = other {
            context.fail(
                "spec.hosts",
                format!(
                    "{} routes the host {host} as well, and Istio uses one of the two",
                    other.id
                ),
            );
        }
    }
}

/// Whether a `VirtualService` applies to sidecars. One without hosts is a delegate.
fn is_for_mesh(body: Node<'_>) -> Answer {
    match body.list("spec.gateways") {
        Field::Known([]) | Field::Absent => Answer::Yes,
        Field::Known(gateways) => Answer::from_bool(gateways.iter().any(|gateway| gateway == "mesh")),
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether a wildcard covers the Services of a namespace.
fn covers_services(pattern: &str) -> bool {
    let suffix = pattern.trim_start_matches('*');
    "svc.cluster.local".ends_with(suffix.trim_start_matches('.')) || suffix.ends_with(".svc.cluster.local")
}

/// Whether a namespace sees both objects.
fn share_clients(one: &Object, other: &Object) -> bool {
    let listed = |object: &Object| -> Vec<String> {
        let own = namespace_of(object);
        let list = Node::new(object.body(), "")
            .list("spec.exportTo")
            .known()
            .unwrap_or_default();
        let names = list.iter().filter_map(|item| item.as_str());
        let names = names.map(|name| if name == "." { own } else { name }.to_owned());
        let names: Vec<_> = names.collect();
        if names.is_empty() {
            vec!["*".to_owned()]
        } else {
            names
        }
    };
    let others = listed(other);
    listed(one).iter().any(|name| {
        name != "~" && (name == "*" || others.contains(name) || others.iter().any(|other| other == "*"))
    })
}
