//! Exposure of Services, host names, port protocols and selectors.

use phoenix_graph::Object;

use crate::cidr::{Addresses, parse_block};
use crate::context::{CheckContext, Item, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessControl, Boundary, ChangeControl, ContingencyPlan, DataInMotion, Redundancy,
    TransmissionEncryption, TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::inventory::Workload;
use crate::kind::{AUTOSCALER, BUDGET, Kind, NETWORK_POLICY, SERVICE};
use crate::mesh::{GATEWAY_NAME, WAYPOINT_CLASS};
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::protocol::{Protocol, protocol};
use crate::selector::{Answer, PodLabels, has_all, selects};
use crate::text::rule_text;

const INGRESS: Kind = Kind::new(&["networking.k8s.io", "extensions"], "Ingress");
const GATEWAY_API: Kind = Kind::new(&["gateway.networking.k8s.io"], "Gateway");
const ISTIO: &[&str] = &["networking.istio.io"];

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
    check: Check::Resource(load_balancer),
    ..Rule::DEFAULTS
};

/// Annotations of one cloud provider that decide whether a load balancer is internal; the first that is set takes
/// precedence. An annotation with no values makes it internal by its presence.
type Provider = &'static [(&'static str, &'static [&'static str])];

const PROVIDERS: [Provider; 15] = [
    &[
        (
            "service.beta.kubernetes.io/aws-load-balancer-scheme",
            &["internal"],
        ),
        (
            "service.beta.kubernetes.io/aws-load-balancer-internal",
            &["true", "0.0.0.0/0"],
        ),
    ],
    &[(
        "service.beta.kubernetes.io/azure-load-balancer-internal",
        &["true"],
    )],
    &[
        ("networking.gke.io/load-balancer-type", &["Internal", "internal"]),
        ("cloud.google.com/load-balancer-type", &["Internal", "internal"]),
    ],
    &[(
        "service.beta.kubernetes.io/openstack-internal-load-balancer",
        &["true", "True", "t", "1"],
    )],
    &[(
        "service.beta.kubernetes.io/do-loadbalancer-network",
        &["INTERNAL", "internal"],
    )],
    &[
        (
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type",
            &["intranet"],
        ),
        (
            "service.beta.kubernetes.io/alicloud-loadbalancer-address-type",
            &["intranet"],
        ),
    ],
    &[(
        "service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type",
        &["private"],
    )],
    &[(
        "service.beta.kubernetes.io/cce-load-balancer-internal-vpc",
        &["true"],
    )],
    &[("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid", &[])],
    &[("service.beta.kubernetes.io/scw-loadbalancer-private", &["true"])],
    &[("load-balancer.hetzner.cloud/disable-public-network", &["true"])],
    &[("yandex.cloud/load-balancer-type", &["internal"])],
    &[(
        "service.beta.kubernetes.io/volcengine-loadbalancer-address-type",
        &["PRIVATE"],
    )],
    ORACLE,
    ORACLE_NETWORK,
];

const ORACLE: Provider = &[("service.beta.kubernetes.io/oci-load-balancer-internal", &["true"])];
const ORACLE_NETWORK: Provider = &[("oci-network-load-balancer.oraclecloud.com/internal", &["true"])];

/// Annotations and classes of load balancers whose addresses come from a pool of the cluster or a private network.
const POOLS: [&str; 6] = [
    "metallb.io/address-pool",
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/address-pool",
    "metallb.universe.tf/loadBalancerIPs",
    "kube-vip.io/loadbalancerIPs",
    "lbipam.cilium.io/ips",
];

/// Whether the annotations of a Service make its load balancer internal.
fn is_internal(service: Node<'_>) -> Answer {
    let annotation = |key| service.entry("metadata.annotations", key);
    // Oracle has two types of load balancers; each reads its own annotation only.
    let is_network = match annotation("oci.oraclecloud.com/load-balancer-type") {
        Field::Known(kind) => Some(kind == "nlb"),
        _ => None,
    };
    let providers = PROVIDERS.iter().filter(|provider| match is_network {
        Some(true) => **provider != ORACLE,
        Some(false) => **provider != ORACLE_NETWORK,
        None => true,
    });
    let by_annotation = Answer::any(providers.map(|provider| {
        let mut set = provider.iter().map(|(key, values)| (annotation(key), values));
        match set.find(|(value, _)| !value.is_absent()) {
            Some((Field::Known(value), values)) => {
                Answer::from_bool(values.contains(&value) || (values.is_empty() && !value.is_empty()))
            }
            Some(_) => Answer::Unknown,
            None => Answer::No,
        }
    }));
    // The controllers for these classes create internal load balancers unless the scheme says otherwise.
    let is_unset = PROVIDERS[0].iter().all(|(key, _)| annotation(key).is_absent());
    match service.text("spec.loadBalancerClass") {
        Field::Known("service.k8s.aws/nlb" | "eks.amazonaws.com/nlb") if is_unset => Answer::Yes,
        Field::Known("tailscale") => Answer::Yes,
        _ if by_annotation == Answer::No && POOLS.iter().any(|key| !annotation(key).is_absent()) => {
            Answer::Unknown
        }
        _ => by_annotation,
    }
}

fn load_balancer(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    if context.text(subject.body, "spec.type") != Some("LoadBalancer") {
        context.not_applicable("the Service is not a load balancer");
        return;
    }
    let is_internal = is_internal(subject.body);
    if is_internal == Answer::Yes {
        return;
    }
    let mut place = "spec.loadBalancerSourceRanges".to_owned();
    let mut ranges = context.texts(subject.body, &place);
    // The deprecated annotation, which Kubernetes still honors, and the one of Azure.
    for key in [
        "service.beta.kubernetes.io/load-balancer-source-ranges",
        "service.beta.kubernetes.io/azure-allowed-ip-ranges",
    ] {
        if !ranges.is_empty() || subject.body.list("spec.loadBalancerSourceRanges").is_unknown() {
            break;
        }
        if let Some(listed) = context.entry(subject.body, "metadata.annotations", key) {
            ranges = listed.split(',').map(str::trim).collect();
            ranges.retain(|range| !range.is_empty());
            place = format!("metadata.annotations[{key}]");
        }
    }
    if ranges.iter().any(|range| parse_block(range.trim()).is_none()) {
        context.fail(
            place,
            format!(
                "some source ranges are not in CIDR notation: {}",
                ranges.join(", ")
            ),
        );
    } else if Addresses::of(ranges.iter().map(|range| range.trim())).cover_the_internet() {
        context.fail(
            place,
            format!(
                "the load balancer accepts traffic from every address: {}",
                ranges.join(", ")
            ),
        );
    } else if ranges.is_empty() && is_internal == Answer::Unknown {
        context.unknown("metadata.annotations: whether the load balancer is internal");
    } else if ranges.is_empty() && !subject.body.list("spec.loadBalancerSourceRanges").is_unknown() {
        context.fail(
            place,
            "the load balancer is neither internal nor restricted to source ranges",
        );
    }
}

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
            listeners(subject.body, context);
        } else {
            ingress(subject.body, context);
        }
    }),
    ..Rule::DEFAULTS
};

fn listeners(gateway: Node<'_>, context: &mut CheckContext<'_>) {
    if gateway.text("spec.gatewayClassName") == Field::Known(WAYPOINT_CLASS) {
        context.not_applicable("a waypoint does not accept traffic from outside the mesh");
        return;
    }
    for listener in context.items(gateway, "spec.listeners") {
        // HBONE is the mutual TLS tunnel of Istio's ambient mode.
        if let Some(protocol) = context.text(listener.node(), "protocol")
            && !["HTTPS", "TLS", "HBONE"].contains(&protocol)
        {
            context.fail(
                listener.node().at("protocol"),
                format!("the listener accepts {protocol}, which is not encrypted"),
            );
        }
    }
}

/// Annotations that give the load balancer of an Ingress a certificate for all hosts, or have it forward TLS unchanged.
const CERTIFICATES: [&str; 7] = [
    "alb.ingress.kubernetes.io/certificate-arn",
    "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
    "ingress.gcp.kubernetes.io/pre-shared-cert",
    "networking.gke.io/managed-certificates",
    "oci-native-ingress.oraclecloud.com/certificate-ocid",
    "route.openshift.io/termination",
    "kubernetes.io/elb.tls-certificate-ids",
];

/// Annotations that decide whether requests without TLS are redirected, or accepted at all, with the values that keep the
/// entry open for them.
const PLAIN_HTTP: [(&str, &[&str]); 11] = [
    ("nginx.ingress.kubernetes.io/ssl-redirect", FALSE),
    ("nginx.org/redirect-to-https", FALSE),
    ("nginx.org/ssl-redirect", FALSE),
    ("ingress.kubernetes.io/ssl-redirect", FALSE),
    ("haproxy.org/ssl-redirect", FALSE),
    ("haproxy-ingress.github.io/ssl-redirect", FALSE),
    ("zalando.org/skipper-ingress-redirect", FALSE),
    ("kubernetes.io/ingress.allow-http", TRUE),
    ("ingress.bluemix.net/redirect-to-https", &["False", "false"]),
    ("konghq.com/protocols", &["http", "http,https", "https,http"]),
    ("traefik.ingress.kubernetes.io/router.tls", FALSE),
];

const FALSE: &[&str] = &["false", "False", "FALSE", "f", "F", "0"];
/// The values that Go's `strconv.ParseBool` reads as true.
pub(super) const TRUE: &[&str] = &["true", "True", "TRUE", "t", "T", "1"];

/// Annotations that redirect every request without TLS and take precedence over others.
const FORCED: [&str; 2] = [
    "nginx.ingress.kubernetes.io/force-ssl-redirect",
    "ingress.kubernetes.io/force-ssl-redirect",
];

fn ingress(ingress: Node<'_>, context: &mut CheckContext<'_>) {
    let annotation = |key: &str| ingress.entry("metadata.annotations", key);
    let is_true = |key: &&str| annotation(key).known().is_some_and(|value| TRUE.contains(&value));
    let is_forced = FORCED.iter().any(is_true);
    for (key, values) in PLAIN_HTTP {
        match annotation(key) {
            Field::Known(value) if values.contains(&value.replace(' ', "").as_str()) && !is_forced => {
                context.fail(
                    format!("metadata.annotations[{key}]"),
                    "the Ingress also accepts requests without TLS",
                );
            }
            Field::Known(_) | Field::Absent => {}
            Field::Unknown => context.unknown(format!("metadata.annotations[{key}]")),
        }
    }
    let ports = annotation(LISTEN_PORTS);
    listen_ports(ports, annotation, context);
    let mut certified = Answer::any(
        CERTIFICATES
            .iter()
            .map(|key| annotation(key).is(|value| !value.trim().is_empty())),
    );
    // A load balancer of AWS that listens for HTTPS finds the certificates of its hosts by itself, Traefik has a default
    // certificate, and with `ssl-passthrough` the certificate is the server's.
    let by_default = ports.known().is_some_and(|ports| ports.contains("HTTPS"))
        || is_true(&"traefik.ingress.kubernetes.io/router.tls")
        || (is_true(&"nginx.ingress.kubernetes.io/ssl-passthrough") && is_forced);
    if by_default {
        certified = Answer::Yes;
    }
    let is_entry_with_tls = annotation("traefik.ingress.kubernetes.io/router.entrypoints")
        .known()
        .is_some_and(|points| points.split(',').all(|point| point.trim() == "websecure"));
    let entries = context.items(ingress, "spec.tls");
    if certified == Answer::Yes || ingress.list("spec.tls").is_unknown() {
        return;
    }
    if certified == Answer::Unknown {
        context.unknown("metadata.annotations");
    }
    if entries.is_empty() {
        if is_forced || is_entry_with_tls {
            context.unknown("spec.tls: whether the controller has a certificate for the hosts");
        } else {
            context.fail("spec.tls", "the Ingress has no TLS");
        }
        return;
    }
    hosts_are_covered(ingress, &entries, context);
}

const LISTEN_PORTS: &str = "alb.ingress.kubernetes.io/listen-ports";

/// Checks the ports of a load balancer of AWS or Alibaba, such as `[{"HTTP": 80}, {"HTTPS": 443}]`.
fn listen_ports<'n>(
    ports: Field<&str>,
    annotation: impl Fn(&str) -> Field<&'n str>,
    context: &mut CheckContext<'_>,
) {
    let place = format!("metadata.annotations[{LISTEN_PORTS}]");
    let ports = match ports {
        Field::Known(ports) => ports,
        Field::Absent => return,
        Field::Unknown => {
            context.unknown(place);
            return;
        }
    };
    let Ok(ports) = serde_json::from_str::<Vec<serde_json::Map<String, serde_json::Value>>>(ports) else {
        context.unknown(place);
        return;
    };
    let is_plain = ports
        .iter()
        .flat_map(serde_json::Map::keys)
        .any(|key| key == "HTTP");
    let redirect = annotation("alb.ingress.kubernetes.io/ssl-redirect");
    let is_redirected = redirect
        .known()
        .is_some_and(|port| !port.is_empty() && !FALSE.contains(&port));
    if is_plain && !is_redirected {
        // The older way to redirect is an action that a path refers to.
        if redirect.is_unknown() || !annotation("alb.ingress.kubernetes.io/actions.ssl-redirect").is_absent()
        {
            context.unknown(place);
        } else {
            context.fail(place, "the Ingress also accepts requests without TLS");
        }
    }
}

/// Checks that the entries of `tls` cover the hosts of all rules.
fn hosts_are_covered(ingress: Node<'_>, entries: &[Item<'_>], context: &mut CheckContext<'_>) {
    let mut covered = Vec::new();
    let mut all = false;
    for entry in entries {
        all |= entry.node().list("hosts").known().is_none_or(<[_]>::is_empty)
            && !entry.node().list("hosts").is_unknown();
        covered.extend(context.texts(entry.node(), "hosts"));
    }
    for rule in context.items(ingress, "spec.rules") {
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
}

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
                    // Without TLS, these protocols do not name a host, so a gateway accepts only `*`.
                    if let Field::Known("TCP" | "MONGO" | "MYSQL" | "REDIS" | "UDP") =
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
                    "a TCP port of an ExternalName Service captures the connections to every host on this port",
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
    if subject.kind() == AUTOSCALER.name {
        scale_target(subject, context);
        return;
    }
    let namespace = subject.namespace();
    let place = match subject.kind() {
        "NetworkPolicy" => "spec.podSelector",
        _ => "spec.selector",
    };
    if subject.kind() == "Service" && subject.body.text("spec.type") == Field::Known("ExternalName") {
        context.not_applicable("the Service has no selector");
        return;
    }
    let selector = match subject.body.field(place) {
        Field::Known(selector) => selector,
        Field::Absent => {
            context.not_applicable(selects_all(subject));
            return;
        }
        Field::Unknown => {
            context.unknown(place);
            return;
        }
    };
    if selector.as_object().is_some_and(serde_json::Map::is_empty) {
        context.not_applicable(selects_all(subject));
        return;
    }
    let matches = |labels: PodLabels<'_>| match (subject.kind(), selector.as_object()) {
        ("Service", Some(wanted)) => has_all(wanted, labels),
        ("Service", None) => Answer::Unknown,
        _ => selects(Node::new(selector, ""), labels),
    };
    match context
        .inventory
        .any_workload(namespace, |workload| matches(workload.labels()))
    {
        Answer::Yes => {}
        Answer::No if namespace == "kube-system" => {
            context.unknown(format!(
                "{place}: whether it matches pods that belong to the cluster"
            ));
        }
        Answer::No if context.inventory.is_complete() => match set_elsewhere(subject, selector, context) {
            Some(label) => context.unknown(format!("{place}: whether a controller sets the label {label}")),
            None => context.fail(
                place,
                format!("its selector matches no pods in the namespace {namespace}"),
            ),
        },
        Answer::No | Answer::Unknown => context.unknown(place),
    }
}

/// Why a missing or empty selector is not checked.
fn selects_all(subject: &Subject<'_>) -> &'static str {
    match subject.kind() {
        "Service" => "the Service has no selector",
        _ => "it selects all pods of its namespace",
    }
}

/// Labels that a program in the pod, or its operator, sets when the pod takes a role.
const ROLES: [&str; 10] = [
    "role",
    "spilo-role",
    "redis-role",
    "kubedb.com/role",
    "cnpg.io/instanceRole",
    "vault-active",
    "vault-initialized",
    "vault-perf-standby",
    "vault-sealed",
    "leader",
];

/// A label of a selector that matches no pod, if something that the input does not show sets it: an operator with a domain of
/// its own for its labels, the controller of a Gateway, or the pod itself.
fn set_elsewhere(
    subject: &Subject<'_>,
    selector: &serde_json::Value,
    context: &CheckContext<'_>,
) -> Option<String> {
    let inventory = context.inventory;
    let selector = Node::new(selector, "");
    let wanted = match subject.kind() {
        "Service" => selector.map("").known()?.clone(),
        _ => selector.map("matchLabels").known().cloned().unwrap_or_default(),
    };
    let expressions = selector.list("matchExpressions").known().unwrap_or_default();
    let expressed = expressions
        .iter()
        .filter_map(|one| Node::new(one, "").text("key").known());
    let mut keys = wanted.keys().map(String::as_str).chain(expressed);
    for key in [GATEWAY_NAME, "istio.io/gateway-name"] {
        let name = wanted.get(key).and_then(serde_json::Value::as_str);
        if name.is_some_and(|name| inventory.has(GATEWAY_API, subject.namespace(), name)) {
            return Some(key.to_owned());
        }
    }
    let has_key = |is: &dyn Fn(&str) -> bool| {
        let written = |workload: &Workload<'_>| {
            let labels = workload.labels().written;
            labels
                .known()
                .is_some_and(|labels| labels.keys().any(|key| is(key)))
        };
        inventory.workloads.iter().any(written)
    };
    let by_domain = keys.find(|key| {
        let Some((domain, _)) = key.split_once('/') else {
            return false;
        };
        let is_of_kubernetes = domain.ends_with("kubernetes.io") || domain.ends_with("k8s.io");
        let is_topology = domain.starts_with("topology.");
        let is_used = || has_key(&|key| key.split_once('/').is_some_and(|(of, _)| of == domain));
        (!is_of_kubernetes || is_topology) && !is_used()
    });
    if let Some(key) = by_domain {
        return Some(key.to_owned());
    }
    let role = ROLES.into_iter().find(|key| wanted.contains_key(*key))?;
    let mut others = wanted.clone();
    others.retain(|key, _| !ROLES.contains(&key.as_str()));
    let is_role_of_a_pod = !others.is_empty()
        && !has_key(&|key| key == role)
        && inventory.any_workload(subject.namespace(), |workload| {
            has_all(&others, workload.labels())
        }) == Answer::Yes;
    is_role_of_a_pod.then(|| role.to_owned())
}

/// Checks that the target of an autoscaler exists and has replicas.
fn scale_target(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let place = "spec.scaleTargetRef";
    let (Some(kind), Some(name)) = (
        context.text(subject.body, "spec.scaleTargetRef.kind"),
        context.text(subject.body, "spec.scaleTargetRef.name"),
    ) else {
        context.unknown(place);
        return;
    };
    let namespace = subject.namespace();
    if ["CronJob", "DaemonSet", "Job", "Pod"].contains(&kind) {
        context.fail(
            place,
            format!("a {kind} has no replica count and cannot be scaled"),
        );
        return;
    }
    let is_built_in = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"].contains(&kind);
    match context.inventory.has_named(kind, namespace, name) {
        true => {}
        false if is_built_in && context.inventory.is_complete() => context.fail(
            place,
            format!("the target of the autoscaler does not exist in the namespace {namespace}"),
        ),
        false => context.unknown(place),
    }
}
