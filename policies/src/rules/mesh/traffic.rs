//! Traffic management: TLS of gateways and destinations, routes, and egress.

use phoenix_graph::Object;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, Authentication, Boundary, ChangeControl, ContingencyPlan, DataInMotion, Redundancy,
    TransmissionEncryption, TransmissionIntegrity, TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of};
use crate::kind::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, Kind, POD, REPLICA_SET, REPLICATION_CONTROLLER, SERVICE,
    STATEFUL_SET,
};
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::identity::{PolicyScope, applies, in_mesh};
use crate::rules::network::services::service_of;
use crate::selector::Answer;
use crate::settings::assume;
use crate::text::rule_text;

const GROUP: &[&str] = &["networking.istio.io"];
const DESTINATION_RULE: Kind = Kind::new(GROUP, "DestinationRule");
const GATEWAY: Kind = Kind::new(GROUP, "Gateway");
const VIRTUAL_SERVICE: Kind = Kind::new(GROUP, "VirtualService");
const SERVICE_ENTRY: Kind = Kind::new(GROUP, "ServiceEntry");
const SIDECAR: Kind = Kind::new(GROUP, "Sidecar");

/// Every traffic policy of a `DestinationRule` that can set TLS: the top-level one, and those of ports and subsets.
fn tls_places<'n>(subject: &Subject<'n>, context: &mut CheckContext<'_>) -> Vec<(String, Node<'n>)> {
    let mut places = Vec::new();
    let policy = |node: Node<'n>, context: &mut CheckContext<'_>, places: &mut Vec<(String, Node<'n>)>| {
        for path in ["trafficPolicy.tls", "trafficPolicy"] {
            if node.field(path).is_unknown() {
                context.unknown(node.at(path));
                return;
            }
        }
        if let Field::Known(tls) = node.field("trafficPolicy.tls") {
            places.push((node.at("trafficPolicy.tls"), Node::new(tls, "")));
        }
        for (index, port) in context
            .known(
                node.list("trafficPolicy.portLevelSettings"),
                node,
                "trafficPolicy.portLevelSettings",
            )
            .into_iter()
            .flatten()
            .enumerate()
        {
            let path = format!("trafficPolicy.portLevelSettings[{index}].tls");
            match Node::new(port, "").field("tls") {
                Field::Known(tls) => places.push((node.at(&path), Node::new(tls, ""))),
                Field::Unknown => context.unknown(node.at(&path)),
                Field::Absent => {}
            }
        }
    };
    if let Field::Known(spec) = subject.body.field("spec") {
        policy(Node::new(spec, "spec"), context, &mut places);
        for subset in context.items(subject.body, "spec.subsets") {
            let mut found = Vec::new();
            policy(Node::new(subset.value, ""), context, &mut found);
            places.extend(
                found
                    .into_iter()
                    .map(|(path, node)| (format!("{}.{path}", subset.path), node)),
            );
        }
    } else if subject.body.field("spec").is_unknown() {
        context.unknown("spec");
    }
    places
}

/// TLS modes of destinations.
pub static DESTINATION_RULE_TLS_NOT_DISABLED: Rule = Rule {
    id: "destination-rule-tls-not-disabled",
    text: rule_text!("destination-rule-tls-not-disabled"),
    kinds: &[DESTINATION_RULE],
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[DataInMotion, TransmissionSecurity, TransmissionEncryption],
    check: Check::Stack(|subject, context| {
        let host = context.text(subject.body, "spec.host");
        let own = subject.namespace();
        let inside = host
            .and_then(|host| service_of(host, own))
            .is_some_and(|(name, namespace)| context.inventory.has(SERVICE, namespace, name));
        for (path, tls) in tls_places(subject, context) {
            match tls.text("mode") {
                Field::Known("DISABLE") => context.fail(format!("{path}.mode"), "clients use plain text"),
                Field::Known(mode @ ("SIMPLE" | "MUTUAL")) if inside => context.fail(
                    format!("{path}.mode"),
                    format!(
                        "clients use TLS mode {mode} for a Service in the mesh, without their mesh identity"
                    ),
                ),
                Field::Unknown => context.unknown(format!("{path}.mode")),
                _ => {}
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Verification of server certificates.
pub static DESTINATION_RULE_VERIFIES_SERVER: Rule = Rule {
    id: "destination-rule-verifies-server",
    text: rule_text!("destination-rule-verifies-server"),
    kinds: &[DESTINATION_RULE],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[DataInMotion, TransmissionIntegrity, Authentication],
    check: Check::Resource(|subject, context| {
        let mut opens = false;
        for (path, tls) in tls_places(subject, context) {
            match tls.text("mode") {
                Field::Known("SIMPLE" | "MUTUAL") => opens = true,
                Field::Unknown => {
                    context.unknown(format!("{path}.mode"));
                    continue;
                }
                _ => continue,
            }
            match tls.flag("insecureSkipVerify") {
                Field::Known(true) => {
                    context.fail(
                        format!("{path}.insecureSkipVerify"),
                        "the certificate of the server is not verified",
                    );
                    continue;
                }
                Field::Unknown => context.unknown(format!("{path}.insecureSkipVerify")),
                _ => {}
            }
            let fields = ["caCertificates", "credentialName", "subjectAltNames"];
            let said = fields.iter().map(|field| match tls.field(field) {
                Field::Known(_) => Answer::Yes,
                Field::Absent => Answer::No,
                Field::Unknown => Answer::Unknown,
            });
            match Answer::any(said) {
                Answer::Yes => {}
                Answer::No => context.fail(
                    path,
                    "the expected subject of the server's certificate is not set",
                ),
                Answer::Unknown => context.unknown(path),
            }
        }
        if !opens {
            context.not_applicable("it originates no TLS to an external host");
        }
    }),
    ..Rule::DEFAULTS
};

/// TLS of gateways.
pub static GATEWAY_TLS_ENFORCED: Rule = Rule {
    id: "gateway-tls-enforced",
    text: rule_text!("gateway-tls-enforced"),
    kinds: &[GATEWAY],
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
        for server in context.items(subject.body, "spec.servers") {
            gateway_server(server.node(), context);
        }
    }),
    ..Rule::DEFAULTS
};

fn gateway_server(server: Node<'_>, context: &mut CheckContext<'_>) {
    let number = server.number("port.number").known().unwrap_or_default();
    match server.flag("tls.httpsRedirect") {
        Field::Known(true) => return,
        Field::Unknown => {
            context.unknown(server.at("tls"));
            return;
        }
        _ => {}
    }
    if server.field("tls").is_absent() {
        match context.text(server, "port.protocol") {
            Some(protocol) => context.fail(
                server.at("tls"),
                format!("port {number} accepts {protocol} without TLS and does not redirect to HTTPS"),
            ),
            None => context.fail(server.at("tls"), format!("port {number} has no TLS")),
        }
        return;
    }
    match context.text(server, "port.protocol") {
        Some(protocol @ ("HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" | "TCP" | "MONGO" | "MYSQL" | "REDIS")) => {
            context.fail(
                server.at("port.protocol"),
                format!("port {number} accepts {protocol}, for which Istio ignores `tls`"),
            );
            return;
        }
        _ if server.text("port.protocol").is_unknown() => return,
        _ => {}
    }
    match server.text("tls.mode") {
        Field::Known("PASSTHROUGH" | "AUTO_PASSTHROUGH" | "ISTIO_MUTUAL") => return,
        Field::Unknown => {
            context.unknown(server.at("tls.mode"));
            return;
        }
        _ => {}
    }
    if let Some(version) = context
        .text(server, "tls.minProtocolVersion")
        .filter(|version| ["TLSV1_0", "TLSV1_1"].contains(version))
    {
        context.fail(
            server.at("tls.minProtocolVersion"),
            format!("port {number} accepts {version}, which is insecure"),
        );
    }
    for cipher in context.texts(server, "tls.cipherSuites") {
        let weak = ["RC4", "3DES", "DES-", "NULL", "EXPORT", "MD5", "-CBC", "_CBC"];
        let forward =
            cipher.contains("ECDHE") || cipher.starts_with("TLS_AES") || cipher.starts_with("TLS_CHACHA");
        if weak.iter().any(|weak| cipher.contains(weak)) || !forward {
            context.fail(
                server.at("tls.cipherSuites"),
                format!("the cipher {cipher} is weak"),
            );
        }
    }
    let named = [
        "tls.credentialName",
        "tls.credentialNames",
        "tls.serverCertificate",
        "tls.tlsCertificates",
    ];
    let said = named.iter().map(|field| match server.field(field) {
        Field::Known(_) => Answer::Yes,
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    });
    match Answer::any(said) {
        Answer::Yes => {}
        Answer::No => context.fail(server.at("tls"), format!("port {number} has no certificate")),
        Answer::Unknown => context.unknown(server.at("tls")),
    }
}

/// References of a `VirtualService`.
pub static VIRTUAL_SERVICE_REFERENCES_RESOLVE: Rule = Rule {
    id: "virtual-service-references-resolve",
    text: rule_text!("virtual-service-references-resolve"),
    kinds: &[VIRTUAL_SERVICE],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[ChangeControl, Redundancy, ContingencyPlan],
    check: Check::Stack(routes),
    ..Rule::DEFAULTS
};

fn routes(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let missing = |context: &mut CheckContext<'_>, place: String, message: String| {
        if context.inventory.is_complete() {
            context.fail(place, message);
        } else {
            context.unknown(format!("{place}: {message} in the input"));
        }
    };
    for gateway in context.texts(subject.body, "spec.gateways") {
        let (namespace, name) = gateway.split_once('/').unwrap_or((subject.namespace(), gateway));
        if gateway != "mesh" && !context.inventory.has(GATEWAY, namespace, name) {
            missing(
                context,
                "spec.gateways".to_owned(),
                format!("the Gateway {namespace}/{name} does not exist"),
            );
        }
    }
    for protocol in ["http", "tls", "tcp"] {
        for route in context.items(subject.body, &format!("spec.{protocol}")) {
            for destination in context.items(route.node(), "route") {
                let node = destination.node();
                let Some(host) = context.text(node, "destination.host") else {
                    continue;
                };
                let service = service_of(host, subject.namespace())
                    .and_then(|(name, namespace)| context.inventory.get(SERVICE, namespace, name));
                let Some(service) = service else {
                    let entry = context.inventory.all(SERVICE_ENTRY).any(|entry| {
                        let hosts = Node::new(entry.body(), "").list("spec.hosts").known();
                        hosts.is_some_and(|hosts| hosts.iter().any(|known| known.as_str() == Some(host)))
                    });
                    if !entry {
                        let message = format!("the host {host} is neither a Service nor a ServiceEntry");
                        missing(context, node.at("destination.host"), message);
                    }
                    continue;
                };
                if let Some(port) = context.number(node, "destination.port.number") {
                    let ports = Node::new(service.body(), "").list("spec.ports");
                    let numbers = |ports: &[serde_json::Value]| {
                        Answer::any(ports.iter().map(|item| match Node::new(item, "").number("port") {
                            Field::Known(number) => Answer::from_bool(number == port),
                            _ => Answer::Unknown,
                        }))
                    };
                    match ports.map(numbers) {
                        Field::Known(Answer::Yes) => {}
                        Field::Unknown | Field::Known(Answer::Unknown) => {
                            context.unknown(format!("spec.ports of {}", service.id));
                        }
                        Field::Known(Answer::No) | Field::Absent => context.fail(
                            node.at("destination.port.number"),
                            format!("the {} has no port {port}", service.id),
                        ),
                    }
                }
                if let Some(subset) = context.text(node, "destination.subset") {
                    let has = context
                        .inventory
                        .all(DESTINATION_RULE)
                        .any(|rule| has_subset(rule, service, subset));
                    if !has {
                        let message = format!("no DestinationRule of {host} has the subset {subset}");
                        missing(context, node.at("destination.subset"), message);
                    }
                }
            }
        }
    }
}

fn has_subset(rule: &Object, service: &Object, subset: &str) -> bool {
    let body = Node::new(rule.body(), "");
    let of_host = body
        .text("spec.host")
        .known()
        .and_then(|host| service_of(host, namespace_of(rule)))
        .is_some_and(|(name, within)| name == service.id.name && within == namespace_of(service));
    let named = |item: &serde_json::Value| Node::new(item, "").text("name") == Field::Known(subset);
    of_host
        && body
            .list("spec.subsets")
            .known()
            .is_some_and(|subsets| subsets.iter().any(named))
}

/// The outbound traffic policy.
pub static MESH_EGRESS_REGISTRY_ONLY: Rule = Rule {
    id: "mesh-egress-registry-only",
    text: rule_text!("mesh-egress-registry-only"),
    kinds: &[
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        REPLICATION_CONTROLLER,
        JOB,
        CRON_JOB,
        SERVICE_ENTRY,
    ],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    check: Check::Stack(egress),
    ..Rule::DEFAULTS
};

fn egress(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    if subject.pod.is_none() {
        for host in context.texts(subject.body, "spec.hosts") {
            if host.contains('*') {
                context.fail("spec.hosts", format!("the host {host} contains a wildcard"));
            }
        }
        return;
    }
    let Some(workload) = in_mesh(subject, context) else {
        return;
    };
    let inventory = context.inventory;
    let root = inventory.settings.assumed_text(&assume::MESH_ROOT);
    let mut closest: Option<(PolicyScope, &Object)> = None;
    for sidecar in inventory.all(SIDECAR) {
        let (answer, scope) = applies(sidecar, workload, root, "spec.workloadSelector.labels");
        match answer {
            Answer::Yes if closest.is_none_or(|(closest, _)| scope > closest) => {
                closest = Some((scope, sidecar));
            }
            Answer::Unknown => context.unknown(format!("whether {} applies", sidecar.id)),
            Answer::Yes | Answer::No => {}
        }
    }
    let assumed = inventory.settings.assumed_text(&assume::MESH_OUTBOUND);
    let mode = closest.map_or(Field::Absent, |(_, sidecar)| {
        Node::new(sidecar.body(), "").text("spec.outboundTrafficPolicy.mode")
    });
    let by = closest.map_or_else(
        || "no Sidecar applies, and the outbound policy of the mesh is assumed to be".to_owned(),
        |(_, sidecar)| format!("{} applies, with the outbound policy", sidecar.id),
    );
    match mode {
        Field::Known("REGISTRY_ONLY") => {}
        Field::Absent if assumed == "REGISTRY_ONLY" => {}
        Field::Known(mode) => context.fail("", format!("it can reach any host: {by} {mode}")),
        Field::Absent => context.fail("", format!("it can reach any host: {by} {assumed}")),
        Field::Unknown => context.unknown("spec.outboundTrafficPolicy.mode of the Sidecar"),
    }
}
