//! Traffic management: TLS of gateways and destinations, routes, and egress.

use std::cmp::Ordering;

use phoenix_graph::Object;

use crate::cidr::{Addresses, parse_block};
use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, Authentication, Boundary, DataInMotion, TransmissionEncryption,
    TransmissionIntegrity, TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, REPLICATION_CONTROLLER, SERVICE, STATEFUL_SET,
};
use crate::mesh::{DataPlane, outbound_bypass};
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::effect::{PolicyScope, SIDECAR, in_force};
use crate::rules::mesh::identity::in_mesh;
use crate::rules::mesh::registry::{SERVICE_ENTRY, full_name, service_of_name};
use crate::rules::mesh::routes::{DESTINATION_RULE, GATEWAY, leads_from_gateway};
use crate::selector::Answer;
use crate::settings::assume;
use crate::text::rule_text;

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
        let inside = host.is_some_and(|host| {
            let name = full_name(host, subject.namespace());
            let service = service_of_name(&name);
            service.is_some_and(|(name, namespace)| context.inventory.has(SERVICE, namespace, name))
        });
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
    check: Check::Stack(|subject, context| {
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
            let is_set = |field: &str| match tls.field(field) {
                Field::Known(_) => Answer::Yes,
                Field::Absent => Answer::No,
                Field::Unknown => Answer::Unknown,
            };
            if is_set("credentialName") == Answer::Yes && is_set("caCertificates") == Answer::No {
                if !is_read_by_proxies(subject, context) {
                    context.fail(
                        format!("{path}.credentialName"),
                        "sidecars ignore credentialName in a DestinationRule without a workloadSelector, and no gateway routes to the host",
                    );
                }
                continue;
            }
            match Answer::any([
                is_set("caCertificates"),
                is_set("credentialName"),
                is_set("subjectAltNames"),
            ]) {
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

/// Whether a proxy reads the `credentialName` of a `DestinationRule`: a selected sidecar, or a gateway.
fn is_read_by_proxies(subject: &Subject<'_>, context: &mut CheckContext<'_>) -> bool {
    match subject.body.map("spec.workloadSelector.matchLabels") {
        Field::Known(labels) => return !labels.is_empty(),
        Field::Unknown => {
            context.unknown("spec.workloadSelector");
            return true;
        }
        Field::Absent => {}
    }
    let Some(host) = context.text(subject.body, "spec.host") else {
        return true;
    };
    leads_from_gateway(&full_name(host, subject.namespace()), context.inventory)
}

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

fn is_tls(protocol: Field<&str>) -> bool {
    let is_one_of = |protocol: &str| {
        ["HTTPS", "TLS"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(protocol))
    };
    protocol.known().is_some_and(is_one_of)
}

fn gateway_server(server: Node<'_>, context: &mut CheckContext<'_>) {
    let number = server.number("port.number").known().unwrap_or_default();
    match server.flag("tls.httpsRedirect") {
        // The redirect answers HTTP requests; over TLS, the rest of `tls` applies as well.
        Field::Known(true) if !is_tls(server.text("port.protocol")) => return,
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
    if let Some(version) = context
        .text(server, "tls.maxProtocolVersion")
        .filter(|version| ["TLSV1_0", "TLSV1_1"].contains(version))
    {
        context.fail(
            server.at("tls.maxProtocolVersion"),
            format!("port {number} accepts at most {version}, which is insecure"),
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
        service_entry(subject, context);
        return;
    }
    let Some(workload) = in_mesh(subject, context) else {
        return;
    };
    let inventory = context.inventory;
    match inventory.data_plane(workload) {
        DataPlane::Gateway => {
            context.not_applicable(
                "the workload is a gateway, which reaches only the destinations of its routes",
            );
            return;
        }
        DataPlane::Ambient => {
            context.fail(
                "",
                "it can reach any host: the proxy of the node does not restrict destinations (ambient mode)",
            );
            return;
        }
        _ => {}
    }
    match outbound_bypass(workload) {
        Field::Known(key) => {
            context.fail(
                "",
                format!("{key} lets connections bypass the proxy, which therefore does not restrict them"),
            );
            return;
        }
        Field::Unknown => context.unknown("whether connections bypass the proxy"),
        Field::Absent => {}
    }
    let mut closest: Vec<(PolicyScope, &Object)> = Vec::new();
    for sidecar in inventory.all(SIDECAR) {
        let (answer, scope) = in_force(sidecar, workload, inventory);
        match answer {
            Answer::Yes => match closest.first().map(|(closest, _)| scope.cmp(closest)) {
                Some(Ordering::Less) => {}
                Some(Ordering::Equal) => closest.push((scope, sidecar)),
                Some(Ordering::Greater) | None => closest = vec![(scope, sidecar)],
            },
            Answer::Unknown => context.unknown(format!("whether {} applies", sidecar.id)),
            Answer::No => {}
        }
    }
    if let [(_, first), (_, second), ..] = closest.as_slice() {
        context.fail(
            "",
            format!(
                "{} and {} both apply, and Istio uses one of the two",
                first.id, second.id
            ),
        );
    }
    let assumed = inventory.settings.assumed_text(&assume::MESH_OUTBOUND);
    let closest = closest.first().map(|(_, sidecar)| *sidecar);
    let mode = closest.map_or(Field::Absent, |sidecar| {
        let body = Node::new(sidecar.body(), "");
        // The default of the field, if its parent is set.
        match body.field("spec.outboundTrafficPolicy") {
            Field::Known(_) => body
                .text("spec.outboundTrafficPolicy.mode")
                .or(|| Field::Known("REGISTRY_ONLY")),
            Field::Absent => Field::Absent,
            Field::Unknown => Field::Unknown,
        }
    });
    let by = closest.map_or_else(
        || "no Sidecar applies, and the outbound policy of the mesh is assumed to be".to_owned(),
        |sidecar| format!("{} applies, with the outbound policy", sidecar.id),
    );
    match mode {
        Field::Known("REGISTRY_ONLY") => {}
        Field::Absent if assumed == "REGISTRY_ONLY" => {}
        Field::Known(mode) => context.fail("", format!("it can reach any host: {by} {mode}")),
        Field::Absent => context.fail("", format!("it can reach any host: {by} {assumed}")),
        Field::Unknown => context.unknown("spec.outboundTrafficPolicy.mode of the Sidecar"),
    }
}

/// Whether a block contains at least one of 256 parts of all addresses.
fn is_large(block: &str) -> bool {
    parse_block(block).is_some_and(|block| block.prefix_len() <= 8)
}

/// Reports an entry of the registry that admits more than the hosts that it lists.
fn service_entry(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    for host in context.texts(subject.body, "spec.hosts") {
        if host.contains('*') {
            context.fail("spec.hosts", format!("the host {host} contains a wildcard"));
        }
    }
    let addresses = context.texts(subject.body, "spec.addresses");
    if Addresses::of(addresses.iter().copied()).cover_the_internet() {
        context.fail("spec.addresses", "the addresses include every host");
    } else if addresses.iter().any(|block| is_large(block)) {
        let all = context.inventory.all(SERVICE_ENTRY).flat_map(|entry| {
            let addresses = Node::new(entry.body(), "").list("spec.addresses").known();
            let addresses = addresses.unwrap_or_default().iter();
            addresses.filter_map(serde_json::Value::as_str)
        });
        if Addresses::of(all).cover_the_internet() {
            context.fail(
                "spec.addresses",
                "together with other ServiceEntries, the addresses include every host",
            );
        }
    }
    // Without resolution, a connection goes to the address that the caller chose.
    let by_caller = matches!(
        subject.body.text("spec.resolution"),
        Field::Known("NONE") | Field::Absent
    );
    context.text(subject.body, "spec.resolution");
    if by_caller && addresses.is_empty() && !subject.body.list("spec.addresses").is_unknown() {
        for port in context.items(subject.body, "spec.ports") {
            let protocol = match port.node().text("protocol") {
                Field::Known(protocol) => protocol.to_ascii_uppercase(),
                Field::Absent => "TCP".to_owned(),
                Field::Unknown => {
                    context.unknown(port.node().at("protocol"));
                    continue;
                }
            };
            if ["TCP", "MONGO", "MYSQL", "REDIS"].contains(&protocol.as_str()) {
                context.fail(
                    port.node().at("protocol"),
                    format!("without addresses and resolution, the {protocol} port allows connections to every host"),
                );
            }
        }
    }
}
