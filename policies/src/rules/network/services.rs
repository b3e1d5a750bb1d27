//! Exposure of Services, host names, port protocols and selectors.

use ipnet::IpNet;
use phoenix_graph::Object;

use crate::cidr::cover_a_family;
use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessControl, Boundary, ChangeControl, ContingencyPlan, DataInMotion, Redundancy,
    TransmissionEncryption, TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{Kind, NETWORK_POLICY, SERVICE};
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::protocol::{Protocol, protocol};
use crate::rules::mesh::tokens::is_waypoint;
use crate::selector::{Answer, has_all, selects};
use crate::text::rule_text;

const INGRESS: Kind = Kind::new(&["networking.k8s.io", "extensions"], "Ingress");
const GATEWAY_API: Kind = Kind::new(&["gateway.networking.k8s.io"], "Gateway");
const ISTIO: &[&str] = &["networking.istio.io"];
const BUDGET: Kind = Kind::new(&["policy", ""], "PodDisruptionBudget");
const AUTOSCALER: Kind = Kind::new(&["autoscaling", ""], "HorizontalPodAutoscaler");

/// `NodePort`, external IP addresses, external names.
pub static SERVICE_EXPOSURE_RESTRICTED: Rule = Rule {
    id: "service-exposure-restricted",
    text: rule_text!("service-exposure-restricted"),
    kinds: &[SERVICE],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, TransmissionSecurity, AccessControl],
    check: Check::Resource(|subject, context| {
        match context.text(subject.body, "spec.type") {
            Some("NodePort") => context.fail("spec.type", "the Service opens a port on every node"),
            Some("ExternalName") => {
                context.fail("spec.type", "the Service is an alias for an external host");
            }
            _ => {}
        }
        if !context.items(subject.body, "spec.externalIPs").is_empty() {
            context.fail(
                "spec.externalIPs",
                "the Service claims traffic for external IP addresses",
            );
        }
    }),
    ..Rule::DEFAULTS
};

/// Load balancers.
pub static LOAD_BALANCER_RESTRICTED: Rule = Rule {
    id: "load-balancer-restricted",
    text: rule_text!("load-balancer-restricted"),
    kinds: &[SERVICE],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, TransmissionSecurity],
    check: Check::Resource(|subject, context| {
        const INTERNAL: [(&str, &[&str]); 12] = [
            (
                "service.beta.kubernetes.io/aws-load-balancer-scheme",
                &["internal"],
            ),
            (
                "service.beta.kubernetes.io/aws-load-balancer-internal",
                &["true", "0.0.0.0/0"],
            ),
            (
                "service.beta.kubernetes.io/azure-load-balancer-internal",
                &["true"],
            ),
            ("networking.gke.io/load-balancer-type", &["Internal"]),
            ("cloud.google.com/load-balancer-type", &["Internal"]),
            ("service.beta.kubernetes.io/oci-load-balancer-internal", &["true"]),
            ("oci-network-load-balancer.oraclecloud.com/internal", &["true"]),
            (
                "service.beta.kubernetes.io/openstack-internal-load-balancer",
                &["true"],
            ),
            (
                "service.beta.kubernetes.io/do-loadbalancer-network",
                &["INTERNAL"],
            ),
            (
                "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type",
                &["intranet"],
            ),
            (
                "service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type",
                &["private"],
            ),
            (
                "service.beta.kubernetes.io/cce-load-balancer-internal-vpc",
                &["true"],
            ),
        ];
        if let Some("LoadBalancer") = context.text(subject.body, "spec.type") {
        } else {
            context.not_applicable("the Service is not a load balancer");
            return;
        }
        let annotation = |key| subject.body.entry("metadata.annotations", key);
        let internal = INTERNAL.iter().map(|(key, values)| match annotation(key) {
            Field::Known(value) => {
                Answer::from_bool(values.iter().any(|internal| internal.eq_ignore_ascii_case(value)))
            }
            Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        });
        match Answer::any(internal) {
            Answer::Yes => return,
            Answer::Unknown => context.unknown("metadata.annotations"),
            Answer::No => {}
        }
        let mut ranges = context.texts(subject.body, "spec.loadBalancerSourceRanges");
        if ranges.is_empty() {
            // The deprecated annotation that Kubernetes still honors.
            let key = "service.beta.kubernetes.io/load-balancer-source-ranges";
            match annotation(key) {
                Field::Known(listed) => ranges = listed.split(',').map(str::trim).collect(),
                Field::Unknown => context.unknown(format!("metadata.annotations[{key}]")),
                Field::Absent => {}
            }
            ranges.retain(|range| !range.is_empty());
        }
        let blocks: Vec<_> = ranges
            .iter()
            .filter_map(|range| range.trim().parse::<IpNet>().ok())
            .collect();
        if cover_a_family(&blocks) {
            context.fail(
                "spec.loadBalancerSourceRanges",
                format!(
                    "the load balancer accepts traffic from every address: {}",
                    ranges.join(", ")
                ),
            );
        } else if ranges.is_empty() && !subject.body.list("spec.loadBalancerSourceRanges").is_unknown() {
            context.fail(
                "spec.loadBalancerSourceRanges",
                "the load balancer is neither internal nor restricted to source ranges",
            );
        }
    }),
    ..Rule::DEFAULTS
};

/// TLS of Ingresses and of the Gateway API.
pub static INGRESS_TLS_REQUIRED: Rule = Rule {
    id: "ingress-tls-required",
    text: rule_text!("ingress-tls-required"),
    kinds: &[INGRESS, GATEWAY_API],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        Boundary,
        DataInMotion,
        TransmissionSecurity,
        TransmissionEncryption,
    ],
    check: Check::Resource(|subject, context| {
        if GATEWAY_API.is(&subject.object.id.group, subject.kind()) {
            if is_waypoint(subject.object) {
                context.not_applicable(
                    "the Gateway is a waypoint, which only traffic of the mesh passes through",
                );
                return;
            }
            for listener in context.items(subject.body, "spec.listeners") {
                if let Some(protocol) = context.text(listener.node(), "protocol")
                    // HBONE is the mutual TLS of Istio's ambient mode.
                    && !["HTTPS", "TLS", "HBONE"].contains(&protocol)
                {
                    context.fail(
                        listener.node().at("protocol"),
                        format!("the listener accepts {protocol}, which is not encrypted"),
                    );
                }
            }
            return;
        }
        let certificate = subject.body.entry(
            "metadata.annotations",
            "alb.ingress.kubernetes.io/certificate-arn",
        );
        match certificate {
            Field::Known(_) => return,
            Field::Unknown => context.unknown("metadata.annotations"),
            Field::Absent => {}
        }
        let entries = context.items(subject.body, "spec.tls");
        if subject.body.list("spec.tls").is_unknown() {
            return;
        }
        if entries.is_empty() {
            context.fail("spec.tls", "the Ingress has no TLS");
            return;
        }
        let mut covered = Vec::new();
        let mut all = false;
        for entry in &entries {
            all |= entry.node().list("hosts").known().is_none_or(<[_]>::is_empty)
                && !entry.node().list("hosts").is_unknown();
            covered.extend(context.texts(entry.node(), "hosts"));
        }
        for rule in context.items(subject.body, "spec.rules") {
            let host = match rule.node().text("host") {
                Field::Known(host) => host,
                Field::Absent => "",
                Field::Unknown => {
                    context.unknown(rule.node().at("host"));
                    continue;
                }
            };
            let is_covered = |pattern: &&str| {
                **pattern == *host
                    || pattern
                        .strip_prefix("*.")
                        .is_some_and(|domain| host.split_once('.').is_some_and(|(_, rest)| rest == domain))
            };
            let every_name = host.is_empty() && !covered.is_empty();
            if !(all || every_name || covered.iter().any(is_covered)) {
                context.fail(
                    rule.node().at("host"),
                    format!("no entry of `tls` covers the host {host}"),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Wildcard hosts.
pub static EXTERNAL_HOST_EXPLICIT: Rule = Rule {
    id: "external-host-explicit",
    text: rule_text!("external-host-explicit"),
    kinds: &[
        INGRESS,
        Kind::new(ISTIO, "Gateway"),
        Kind::new(ISTIO, "VirtualService"),
    ],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, AccessControl],
    check: Check::Resource(|subject, context| {
        let named = |context: &mut CheckContext<'_>, place: String, host: &str| {
            if host.is_empty() {
                context.fail(place, "it sets no host and therefore matches every host name");
            } else if host.contains('*') {
                context.fail(place, format!("the host {host} contains a wildcard"));
            }
        };
        match subject.kind() {
            "Ingress" => {
                for rule in context.items(subject.body, "spec.rules") {
                    let place = rule.node().at("host");
                    match rule.node().text("host") {
                        Field::Known(host) => named(context, place, host),
                        Field::Absent => named(context, place, ""),
                        Field::Unknown => context.unknown(place),
                    }
                }
                // Before networking.k8s.io/v1 the field was `backend`.
                for field in ["spec.defaultBackend", "spec.backend"] {
                    if !subject.body.field(field).is_absent() {
                        context.fail(field, "the default backend serves requests for every host name");
                    }
                }
            }
            "Gateway" => {
                for server in context.items(subject.body, "spec.servers") {
                    // Plain TCP carries no host name.
                    if let Field::Known("TCP" | "MONGO" | "MYSQL" | "REDIS") =
                        server.node().text("port.protocol")
                        && server.node().field("tls").is_absent()
                    {
                        continue;
                    }
                    for host in context.texts(server.node(), "hosts") {
                        let own = host.split_once('/').map_or(host, |(_, host)| host);
                        named(context, server.node().at("hosts"), own);
                    }
                }
            }
            _ => {
                let gateways = context.texts(subject.body, "spec.gateways");
                if subject.body.list("spec.gateways").is_unknown()
                    || !gateways.iter().any(|gateway| *gateway != "mesh")
                {
                    context.not_applicable("the VirtualService is not bound to a gateway");
                    return;
                }
                if subject.body.field("spec.http").is_absent() && subject.body.field("spec.tls").is_absent() {
                    context.not_applicable("the VirtualService routes plain TCP, which carries no host name");
                    return;
                }
                for host in context.texts(subject.body, "spec.hosts") {
                    named(context, "spec.hosts".to_owned(), host);
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Port protocols.
pub static SERVICE_PORT_PROTOCOL_DECLARED: Rule = Rule {
    id: "service-port-protocol-declared",
    text: rule_text!("service-port-protocol-declared"),
    kinds: &[SERVICE],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    check: Check::Stack(|subject, context| {
        match serves_mesh(subject, context) {
            Answer::Yes => {}
            Answer::No => {
                context.not_applicable("the pods of the Service are not in a mesh");
                return;
            }
            Answer::Unknown => context.unknown("whether the pods of the Service are in the mesh"),
        }
        for port in context.items(subject.body, "spec.ports") {
            match port.node().text("protocol") {
                Field::Known("UDP" | "SCTP") => continue,
                Field::Unknown => context.unknown(port.node().at("protocol")),
                Field::Known(_) | Field::Absent => {}
            }
            if subject.body.text("spec.type") == Field::Known("ExternalName")
                && port.node().text("name") == Field::Known("tcp")
            {
                context.fail(
                    port.node().at("name"),
                    "a TCP port of an alias captures the connections to every host on this port",
                );
            }
            match protocol(port.node()) {
                Field::Known(own @ (Protocol::Requests | Protocol::Bytes)) => {
                    if let Some(other) = contradicts(subject, port.node(), own, context) {
                        let number = port.node().number("port").known().unwrap_or_default();
                        context.fail(
                            port.node().at("appProtocol"),
                            format!(
                                "{} declares another protocol for port {number} of the same pods",
                                other.id
                            ),
                        );
                    }
                }
                Field::Absent => {}
                Field::Unknown => context.unknown(port.node().at("appProtocol")),
                Field::Known(Protocol::Detected) => {
                    let number = port.node().number("port").known().unwrap_or_default();
                    let message = match port.node().text("appProtocol") {
                        Field::Known(own) => {
                            format!("port {number} declares {own}, which is not a protocol that Istio knows")
                        }
                        _ => format!("port {number} does not declare its protocol"),
                    };
                    context.fail(port.node().at("appProtocol"), message);
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Another Service that declares another protocol for a port of the same pods. The proxy uses one of the two.
fn contradicts<'a>(
    subject: &Subject<'_>,
    port: Node<'_>,
    own: Protocol,
    context: &CheckContext<'a>,
) -> Option<&'a Object> {
    let inventory = context.inventory;
    let namespace = subject.namespace();
    let selector = subject.body.map("spec.selector").known()?;
    let number = port.number("port").known()?;
    inventory.within(SERVICE, namespace).find(|other| {
        let body = Node::new(other.body(), "");
        let Field::Known(others) = body.map("spec.selector") else {
            return false;
        };
        let ports = body.list("spec.ports").known().unwrap_or_default();
        let differs = ports.iter().map(|port| Node::new(port, "")).any(|port| {
            port.number("port") == Field::Known(number)
                && matches!(
                    (protocol(port), own),
                    (Field::Known(Protocol::Bytes), Protocol::Requests)
                        | (Field::Known(Protocol::Requests), Protocol::Bytes)
                )
        });
        differs
            && other.id != subject.object.id
            && inventory.any_workload(namespace, |workload| {
                has_all(selector, workload.labels()).and(has_all(others, workload.labels()))
            }) == Answer::Yes
    })
}

/// Whether the pods of a Service are in the mesh. Without pods in the input, those of its namespace count.
fn serves_mesh(subject: &Subject<'_>, context: &CheckContext<'_>) -> Answer {
    let inventory = context.inventory;
    let namespace = subject.namespace();
    let selector = match subject.body.map("spec.selector") {
        Field::Known(selector) if !selector.is_empty() => selector,
        Field::Unknown if inventory.has_mesh() => return Answer::Unknown,
        _ => return inventory.is_enrolled(namespace),
    };
    let mut has_pods = false;
    let mut so_far = Answer::No;
    for workload in inventory.workloads_in(namespace) {
        match has_all(selector, workload.labels()) {
            Answer::No => {}
            Answer::Unknown => {
                so_far = Answer::any([so_far, inventory.is_in_mesh(workload).and(Answer::Unknown)]);
            }
            Answer::Yes => {
                has_pods = true;
                so_far = Answer::any([so_far, inventory.is_in_mesh(workload)]);
            }
        }
    }
    if so_far == Answer::No && !has_pods {
        return inventory.is_enrolled(namespace);
    }
    so_far
}

/// Selectors.
pub static SELECTORS_MATCH: Rule = Rule {
    id: "selectors-match",
    text: rule_text!("selectors-match"),
    kinds: &[SERVICE, NETWORK_POLICY, BUDGET, AUTOSCALER],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[ChangeControl, Redundancy, ContingencyPlan],
    check: Check::Stack(selectors_match),
    ..Rule::DEFAULTS
};

fn selectors_match(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let namespace = subject.namespace();
    let (place, found) = match subject.kind() {
        "Service" => {
            if subject.body.text("spec.type") == Field::Known("ExternalName") {
                context.not_applicable("the Service has no selector");
                return;
            }
            match subject.body.map("spec.selector") {
                Field::Known(selector) if !selector.is_empty() => (
                    "spec.selector",
                    context
                        .inventory
                        .any_workload(namespace, |workload| has_all(selector, workload.labels())),
                ),
                Field::Unknown => ("spec.selector", Answer::Unknown),
                _ => {
                    context.not_applicable("the Service has no selector");
                    return;
                }
            }
        }
        "HorizontalPodAutoscaler" => {
            let (Some(kind), Some(name)) = (
                context.text(subject.body, "spec.scaleTargetRef.kind"),
                context.text(subject.body, "spec.scaleTargetRef.name"),
            ) else {
                context.unknown("spec.scaleTargetRef");
                return;
            };
            let is_target = |object: &Object| object.id.kind == kind && object.id.name == name;
            let known = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"].contains(&kind);
            let found = context
                .inventory
                .workloads_in(namespace)
                .any(|workload| is_target(workload.object));
            let answer = if known || found {
                Answer::from_bool(found)
            } else {
                Answer::Unknown
            };
            ("spec.scaleTargetRef", answer)
        }
        kind => {
            let place = if kind == "NetworkPolicy" {
                "spec.podSelector"
            } else {
                "spec.selector"
            };
            match subject.body.field(place) {
                Field::Known(selector) => {
                    let is_empty = selector.as_object().is_some_and(serde_json::Map::is_empty);
                    if is_empty {
                        context.not_applicable("it selects all pods of its namespace");
                        return;
                    }
                    let selector = Node::new(selector, "");
                    (
                        place,
                        context
                            .inventory
                            .any_workload(namespace, |workload| selects(selector, workload.labels())),
                    )
                }
                Field::Absent => {
                    context.not_applicable("it selects all pods of its namespace");
                    return;
                }
                Field::Unknown => (place, Answer::Unknown),
            }
        }
    };
    match found {
        Answer::Yes => {}
        Answer::No if context.inventory.is_complete() => {
            let what = if subject.kind() == "HorizontalPodAutoscaler" {
                "the target of the autoscaler does not exist"
            } else {
                "its selector matches no pods"
            };
            context.fail(place, format!("{what} in the namespace {namespace}"));
        }
        Answer::No | Answer::Unknown => context.unknown(place),
    }
}
