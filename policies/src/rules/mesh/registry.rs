//! The registry of hosts: Services and `ServiceEntry` objects, as routes refer to them.

use phoenix_graph::Object;

use crate::field::{Field, Node, namespace_of, text};
use crate::inventory::Inventory;
use crate::kind::{Kind, SERVICE};
use crate::rules::mesh::effect::NETWORKING;
use crate::settings::assume;

pub(crate) const SERVICE_ENTRY: Kind = Kind::new(NETWORKING, "ServiceEntry");

/// The domain of the cluster.
const DOMAIN: &str = ".svc.cluster.local";

/// What a host refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Host<'a> {
    /// A Service or a `ServiceEntry`.
    Found(&'a Object),
    /// An object that is not exported to the namespace.
    Hidden(&'a Object),
    /// Nothing under review.
    Missing,
    /// It may be an object that is not under review, or depends on an unknown value.
    Unknown,
}

/// The full name of a host: a name without dots belongs to the namespace of the object that uses it. Other forms, such as
/// `name.namespace`, are not completed.
pub(crate) fn full_name(host: &str, namespace: &str) -> String {
    if host.contains(['.', '*']) {
        host.to_owned()
    } else {
        format!("{host}.{namespace}{DOMAIN}")
    }
}

/// The name and namespace of the Service that a full name refers to.
pub(crate) fn service_of_name(name: &str) -> Option<(&str, &str)> {
    let (service, namespace) = name.strip_suffix(DOMAIN)?.split_once('.')?;
    (!namespace.contains('.') && service != "*").then_some((service, namespace))
}

/// Whether a pattern with a leading wildcard, or a name, covers a host.
pub(crate) fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => {
            host.trim_start_matches('*').ends_with(suffix)
                && (host.starts_with('*') || host.len() > suffix.len())
        }
        None => pattern == host,
    }
}

/// What a host refers to, seen from a namespace.
pub(crate) fn resolve<'a>(host: &str, namespace: &str, inventory: &Inventory<'a>) -> Host<'a> {
    let name = full_name(host, namespace);
    let mut in_doubt = false;
    let mut hidden = None;
    let service =
        service_of_name(&name).and_then(|(service, within)| inventory.get(SERVICE, within, service));
    let named = inventory.all(SERVICE_ENTRY).filter(|entry| {
        let hosts = Node::new(entry.body(), "").list("spec.hosts");
        in_doubt |= hosts.is_unknown();
        hosts.known().unwrap_or_default().iter().any(|host| {
            in_doubt |= text(host).is_unknown();
            text(host).known().is_some_and(|pattern| covers(pattern, &name))
        })
    });
    let candidates: Vec<_> = service.into_iter().chain(named).collect();
    for object in candidates {
        match is_exported(object, namespace) {
            Field::Known(true) | Field::Absent => return Host::Found(object),
            Field::Known(false) => hidden = Some(object),
            Field::Unknown => in_doubt = true,
        }
    }
    match hidden {
        _ if in_doubt => Host::Unknown,
        Some(object) => Host::Hidden(object),
        None if is_elsewhere(&name, inventory) => Host::Unknown,
        None => Host::Missing,
    }
}

/// Whether a host is a Service of a namespace that the input does not describe: one of the cluster, of the mesh, or one
/// that is managed externally.
fn is_elsewhere(name: &str, inventory: &Inventory<'_>) -> bool {
    service_of_name(name).is_some_and(|(service, namespace)| {
        (service, namespace) == ("kubernetes", "default") || !describes(namespace, inventory)
    })
}

/// Whether the input is expected to contain the Services of a namespace.
pub(crate) fn describes(namespace: &str, inventory: &Inventory<'_>) -> bool {
    let root = inventory.settings.assumed_text(&assume::MESH_ROOT);
    let foreign = inventory.is_externally_managed(namespace)
        || [root, "kube-system", "kube-public"].contains(&namespace);
    !foreign || inventory.within(SERVICE, namespace).next().is_some()
}

/// Whether an object is visible to a namespace: `exportTo`, or the annotation of that name on a Service.
pub(crate) fn is_exported(object: &Object, namespace: &str) -> Field<bool> {
    let body = Node::new(object.body(), "");
    let own = namespace_of(object);
    let admits = |item: &str| match item {
        "*" => true,
        "." => own == namespace,
        "~" | "" => false,
        name => name == namespace,
    };
    if object.id.kind == SERVICE.name {
        return body
            .entry("metadata.annotations", "networking.istio.io/exportTo")
            .map(|list| list.split(',').any(|item| admits(item.trim())));
    }
    match body.list("spec.exportTo") {
        Field::Known([]) | Field::Absent => Field::Absent,
        Field::Known(items) => {
            let mut found = Field::Known(false);
            for item in items {
                match text(item) {
                    Field::Known(item) if admits(item) => return Field::Known(true),
                    Field::Known(_) => {}
                    _ => found = Field::Unknown,
                }
            }
            found
        }
        Field::Unknown => Field::Unknown,
    }
}

/// The numbers of the TCP ports of a Service or a `ServiceEntry`; `None` if they are not known.
pub(crate) fn ports(object: &Object) -> Option<Vec<i64>> {
    let number = if object.id.kind == SERVICE.name {
        "port"
    } else {
        "number"
    };
    let ports = match Node::new(object.body(), "").list("spec.ports") {
        Field::Known(ports) => ports,
        Field::Absent => return Some(Vec::new()),
        Field::Unknown => return None,
    };
    let tcp = ports
        .iter()
        .map(|port| Node::new(port, ""))
        .filter(|port| !matches!(port.text("protocol"), Field::Known("UDP" | "SCTP")));
    tcp.map(|port| port.number(number).known()).collect()
}
