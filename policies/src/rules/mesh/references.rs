//! What Gateways, `DestinationRule`, `ServiceEntry` and `Sidecar` objects refer to.

use phoenix_graph::Object;

use crate::context::{CheckContext, Item, Subject};
use crate::field::{Field, Node, namespace_of};
use crate::inventory::Workload;
use crate::kind::{Kind, NAMESPACE, SERVICE};
use crate::mesh::DataPlane;
use crate::rules::mesh::effect::{GATEWAY_API, NETWORKING, SIDECAR, services_of};
use crate::rules::mesh::registry::{
    Host, SERVICE_ENTRY, describes, full_name, ports, resolve, service_of_name,
};
use crate::rules::mesh::routes::{DESTINATION_RULE, GATEWAY};
use crate::selector::{Answer, has_all};

/// The group of the Gateway API.
const STANDARD: &[&str] = &["gateway.networking.k8s.io"];
const WORKLOAD_ENTRY: Kind = Kind::new(NETWORKING, "WorkloadEntry");

/// Labels that Istio derives from the node of a pod.
const LOCALITY: [&str; 4] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
];

/// The kinds that [`check`] reads.
pub(crate) const KINDS: [Kind; 9] = [
    DESTINATION_RULE,
    GATEWAY,
    GATEWAY_API,
    SERVICE_ENTRY,
    SIDECAR,
    Kind::new(STANDARD, "HTTPRoute"),
    Kind::new(STANDARD, "GRPCRoute"),
    Kind::new(STANDARD, "TLSRoute"),
    Kind::new(STANDARD, "TCPRoute"),
];

/// Reports references to objects that do not exist. `secret` reports a Secret, of a namespace and for a path, that is missing.
pub(crate) fn check(
    subject: &Subject<'_>,
    context: &mut CheckContext<'_>,
    secret: impl Fn(&str, &str, &str, &mut CheckContext<'_>),
) {
    match subject.kind() {
        "DestinationRule" => destination_rule(subject, context),
        "ServiceEntry" => service_entry(subject, context),
        "Sidecar" => sidecar(subject, context),
        "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" => standard_route(subject, context),
        _ if GATEWAY_API.is(&subject.object.id.group, subject.kind()) => standard(subject, context, secret),
        _ => gateway(subject, context, secret),
    }
}

fn destination_rule(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    selects_pod("spec.workloadSelector.matchLabels", subject, context);
    let Some(host) = context.text(subject.body, "spec.host") else {
        return;
    };
    // A wildcard concerns all hosts that it matches.
    if host.contains('*') {
        return;
    }
    let own = subject.namespace();
    match resolve(host, own, context.inventory) {
        Host::Found(object) => {
            if object.id.kind == SERVICE.name {
                subsets(
                    Node::new(object.body(), "").map("spec.selector"),
                    namespace_of(object),
                    subject,
                    context,
                );
            }
        }
        Host::Hidden(object) => context.fail(
            "spec.host",
            format!("{} is not exported to the namespace {own}", object.id),
        ),
        Host::Missing => {
            let name = full_name(host, own);
            let what = match service_of_name(&name) {
                Some((name, namespace)) => format!("the Service {namespace}/{name} does not exist"),
                None => format!("no ServiceEntry has the host {host}"),
            };
            context.missing("spec.host", what);
        }
        Host::Unknown => context.unknown(format!("spec.host: whether the host {host} exists")),
    }
}

/// Reports subsets that select no pod of the Service.
fn subsets(
    selector: Field<&serde_json::Map<String, serde_json::Value>>,
    namespace: &str,
    subject: &Subject<'_>,
    context: &mut CheckContext<'_>,
) {
    let Field::Known(selector) = selector else {
        return;
    };
    for subset in context.items(subject.body, "spec.subsets") {
        let labels = match subset.node().map("labels") {
            Field::Known(labels) => labels,
            Field::Absent => continue,
            Field::Unknown => {
                context.unknown(subset.node().at("labels"));
                continue;
            }
        };
        // Istio takes the locality of a pod from its node.
        let labels: serde_json::Map<_, _> = labels
            .iter()
            .filter(|(key, value)| *value == "" || !LOCALITY.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let inventory = context.inventory;
        let is_backend = |workload: Workload<'_>| has_all(selector, workload.labels());
        let found = inventory.any_workload(namespace, |workload| {
            is_backend(workload).and(has_all(&labels, workload.labels()))
        });
        // Without any backend, the Service is reported by `selectors-match`.
        match (inventory.any_workload(namespace, is_backend), found) {
            (Answer::Yes, Answer::No) => context.missing(
                subset.node().at("labels"),
                "a pod of the Service with the labels of the subset does not exist",
            ),
            (_, Answer::Unknown) => context.unknown(subset.node().at("labels")),
            _ => {}
        }
    }
}

fn service_entry(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    selects_pod("spec.workloadSelector.labels", subject, context);
}

/// Reports a selector that matches no pod and no `WorkloadEntry` of the namespace.
fn selects_pod(path: &str, subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let labels = match subject.body.map(path) {
        Field::Known(labels) if !labels.is_empty() => labels,
        Field::Unknown => return context.unknown(path),
        _ => return,
    };
    let own = subject.namespace();
    let inventory = context.inventory;
    let pods = inventory.any_workload(own, |workload| has_all(labels, workload.labels()));
    let entries = inventory
        .within(WORKLOAD_ENTRY, own)
        .map(|entry| has_all(labels, Node::new(entry.body(), "").map("spec.labels")));
    match Answer::any(entries.chain([pods])) {
        Answer::Yes => {}
        Answer::No => context.missing(path, "a pod with these labels does not exist"),
        Answer::Unknown => context.unknown(path),
    }
}

fn sidecar(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let own = subject.namespace();
    for listener in context.items(subject.body, "spec.egress") {
        for entry in context.texts(listener.node(), "hosts") {
            let place = listener.node().at("hosts");
            let Some((namespace, host)) = entry.split_once('/') else {
                context.fail(place, format!("{entry} is not of the form namespace/host"));
                continue;
            };
            if ["~", "*"].contains(&namespace) && host == "*" || namespace == "~" {
                continue;
            }
            let within = if namespace == "." { own } else { namespace };
            check_egress(entry, within, host, &place, subject, context);
        }
    }
}

fn check_egress(
    entry: &str,
    within: &str,
    host: &str,
    place: &str,
    subject: &Subject<'_>,
    context: &mut CheckContext<'_>,
) {
    let own = subject.namespace();
    let inventory = context.inventory;
    if host.contains('*') {
        let exists = within == "*"
            || within == own
            || inventory.cluster_scoped(NAMESPACE, within).is_some()
            || inventory.within(SERVICE, within).next().is_some()
            || inventory.within(SERVICE_ENTRY, within).next().is_some();
        if exists {
        } else if describes(within, inventory) {
            context.missing(
                place,
                format!("a Service or ServiceEntry of {entry} does not exist"),
            );
        } else {
            context.unknown(format!("{place}: whether the namespace {within} has Services"));
        }
        return;
    }
    match resolve(host, own, inventory) {
        Host::Found(object) if within == "*" || namespace_of(object) == within => {}
        Host::Found(object) => context.fail(
            place,
            format!(
                "{entry} names the namespace {within}, but {} has the host",
                object.id
            ),
        ),
        Host::Hidden(object) => context.fail(
            place,
            format!("{} is not exported to the namespace {own}", object.id),
        ),
        Host::Missing => context.missing(
            place,
            format!("the host {host} is neither a Service nor a ServiceEntry"),
        ),
        Host::Unknown => context.unknown(format!("{place}: whether the host {host} exists")),
    }
}

fn gateway(
    subject: &Subject<'_>,
    context: &mut CheckContext<'_>,
    secret: impl Fn(&str, &str, &str, &mut CheckContext<'_>),
) {
    let inventory = context.inventory;
    let selector = match subject.body.map("spec.selector") {
        Field::Known(selector) => selector,
        Field::Absent => return,
        Field::Unknown => return context.unknown("spec.selector"),
    };
    let selected: Vec<_> = inventory
        .workloads
        .iter()
        .filter(|workload| has_all(selector, workload.labels()) == Answer::Yes)
        .copied()
        .collect();
    if selected.is_empty() {
        let in_doubt = inventory
            .workloads
            .iter()
            .any(|workload| has_all(selector, workload.labels()) == Answer::Unknown);
        let has_gateways = inventory
            .workloads
            .iter()
            .any(|workload| inventory.data_plane(*workload) == DataPlane::Gateway);
        // Gateways usually belong to the installation of the mesh, which the input does not have to contain.
        if has_gateways && !in_doubt {
            context.missing("spec.selector", "a gateway with these labels does not exist");
        } else {
            context.unknown(
                "spec.selector: whether a gateway with these labels, which is not in the input, exists",
            );
        }
        return;
    }
    let mut served = Vec::new();
    for workload in &selected {
        for (service, _) in services_of(*workload, inventory) {
            served.extend(ports(service).unwrap_or_default());
            let list = Node::new(service.body(), "")
                .list("spec.ports")
                .known()
                .unwrap_or_default();
            served.extend(
                list.iter()
                    .filter_map(|port| Node::new(port, "").number("targetPort").known()),
            );
        }
    }
    for server in context.items(subject.body, "spec.servers") {
        if let Some(port) = context.number(server.node(), "port.number")
            && !served.is_empty()
            && !served.contains(&port)
        {
            context.fail(
                server.node().at("port.number"),
                format!("no Service of the gateway has port {port}"),
            );
        }
        let names = match context.text(server.node(), "tls.credentialName") {
            Some(name) => vec![name],
            None => context.texts(server.node(), "tls.credentialNames"),
        };
        for name in names {
            // Istio reads the Secret from the namespace of the gateway's pods.
            let place = server.node().at("tls.credentialName");
            for workload in &selected {
                secret(name, workload.namespace(), &place, context);
            }
        }
    }
}

fn standard(
    subject: &Subject<'_>,
    context: &mut CheckContext<'_>,
    secret: impl Fn(&str, &str, &str, &mut CheckContext<'_>),
) {
    for listener in context.items(subject.body, "spec.listeners") {
        for certificate in context.items(listener.node(), "tls.certificateRefs") {
            let node = certificate.node();
            if matches!(node.text("kind"), Field::Absent | Field::Known("Secret"))
                && let Some(name) = context.text(node, "name")
            {
                let namespace = context.text(node, "namespace").unwrap_or(subject.namespace());
                secret(name, namespace, &node.at("name"), context);
            }
        }
    }
}

/// A route of the Gateway API: its Gateways or Services, and its backends.
fn standard_route(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    for parent in context.items(subject.body, "spec.parentRefs") {
        let node = parent.node();
        match node.text("kind") {
            Field::Absent | Field::Known("Gateway") => {
                if let Some(gateway) = referred(node, GATEWAY_API, subject, context)
                    && let Some(section) = context.text(node, "sectionName")
                {
                    let listeners = Node::new(gateway.body(), "").list("spec.listeners");
                    let is_section = |listener: &serde_json::Value| {
                        Node::new(listener, "").text("name") == Field::Known(section)
                    };
                    if listeners
                        .known()
                        .is_some_and(|listeners| !listeners.iter().any(is_section))
                    {
                        context.fail(
                            node.at("sectionName"),
                            format!("{} has no listener {section}", gateway.id),
                        );
                    }
                }
            }
            Field::Known("Service") => drop(referred(node, SERVICE, subject, context)),
            Field::Known(_) => {}
            Field::Unknown => context.unknown(node.at("kind")),
        }
    }
    for rule in context.items(subject.body, "spec.rules") {
        let mut backends = context.items(rule.node(), "backendRefs");
        for filter in context.items(rule.node(), "filters") {
            if let Field::Known(value) = Node::new(filter.value, "").field("requestMirror.backendRef") {
                let path = format!("{}.requestMirror.backendRef", filter.path);
                backends.push(Item { value, path });
            }
        }
        for backend in backends {
            let node = backend.node();
            match node.text("kind") {
                Field::Absent | Field::Known("Service") => {}
                Field::Known(_) => continue,
                Field::Unknown => {
                    context.unknown(node.at("kind"));
                    continue;
                }
            }
            let Some(service) = referred(node, SERVICE, subject, context) else {
                continue;
            };
            if let (Some(ports), Some(port)) = (ports(service), context.number(node, "port"))
                && !ports.contains(&port)
            {
                context.fail(node.at("port"), format!("the {} has no port {port}", service.id));
            }
        }
    }
}

/// The object that a reference of the Gateway API names; a missing one is reported.
fn referred<'a>(
    node: Node<'_>,
    kind: Kind,
    subject: &Subject<'_>,
    context: &mut CheckContext<'a>,
) -> Option<&'a Object> {
    let name = context.text(node, "name")?;
    let within = context.text(node, "namespace").unwrap_or(subject.namespace());
    let found = context.inventory.get(kind, within, name);
    if found.is_none() {
        let message = format!("the {} {within}/{name} does not exist", kind.name);
        if describes(within, context.inventory) {
            context.missing(node.at("name"), message);
        } else {
            context.unknown(format!("{}: {message} in the input", node.at("name")));
        }
    }
    found
}
