//! How traffic enters, crosses and leaves the mesh: TLS of gateways and destinations, routes, and what may leave.

use phoenix_graph::Object;

use crate::control::Control::{
    AccessArchitecture, Authentication, Boundary, ChangeControl, ContingencyPlan, DataInMotion, Redundancy,
    TransmissionEncryption, TransmissionIntegrity, TransmissionSecurity,
};
use crate::judging::{Judging, Subject, namespace};
use crate::pod::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, REPLICATION_CONTROLLER, STATEFUL_SET,
};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::mesh_authorization::service_of;
use crate::rules::mesh_identity::{Scope, applies, in_mesh};
use crate::rules::services::SERVICE;
use crate::selector::Answer;
use crate::settings::assume;

const GROUP: &[&str] = &["networking.istio.io"];
const DESTINATION_RULE: Kind = Kind::new(GROUP, "DestinationRule");
const GATEWAY: Kind = Kind::new(GROUP, "Gateway");
const VIRTUAL_SERVICE: Kind = Kind::new(GROUP, "VirtualService");
const SERVICE_ENTRY: Kind = Kind::new(GROUP, "ServiceEntry");
const SIDECAR: Kind = Kind::new(GROUP, "Sidecar");

/// Every place of a `DestinationRule` where TLS can be set: the policy itself, of ports and of subsets.
fn tls_places<'n>(subject: &Subject<'n>, judging: &mut Judging<'_>) -> Vec<(String, Node<'n>)> {
    let mut places = Vec::new();
    let policy = |node: Node<'n>, judging: &mut Judging<'_>, places: &mut Vec<(String, Node<'n>)>| {
        for path in ["trafficPolicy.tls", "trafficPolicy"] {
            if node.field(path).is_unknown() {
                judging.unknown(node.at(path));
                return;
            }
        }
        if let Read::Known(tls) = node.field("trafficPolicy.tls") {
            places.push((node.at("trafficPolicy.tls"), Node::new(tls, "")));
        }
        for (index, port) in judging
            .note(
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
                Read::Known(tls) => places.push((node.at(&path), Node::new(tls, ""))),
                Read::Unknown => judging.unknown(node.at(&path)),
                Read::Absent => {}
            }
        }
    };
    if let Read::Known(spec) = subject.body.field("spec") {
        policy(Node::new(spec, "spec"), judging, &mut places);
        for subset in judging.items(subject.body, "spec.subsets") {
            let mut found = Vec::new();
            policy(Node::new(subset.value, ""), judging, &mut found);
            places.extend(
                found
                    .into_iter()
                    .map(|(path, node)| (format!("{}.{path}", subset.path), node)),
            );
        }
    } else if subject.body.field("spec").is_unknown() {
        judging.unknown("spec");
    }
    places
}

/// Plain text on purpose.
pub static DESTINATION_RULE_TLS_NOT_DISABLED: Rule = Rule {
    id: "destination-rule-tls-not-disabled",
    title: "Nobody is told to speak plain text, or TLS without an identity, to a workload of the mesh",
    meaning: "Judges DestinationRules: the policy itself, its ports and its subsets. Fails where `tls.mode` is DISABLE, or where it is SIMPLE or MUTUAL and the host is a Service that was given. ISTIO_MUTUAL, or no mode, passes.",
    why: "A caller that is told to speak plain text does, even where the server could do better; SIMPLE drops the caller's identity.",
    remedy: "Set the mode to ISTIO_MUTUAL, or remove `tls`.",
    kinds: &[DESTINATION_RULE],
    level: Level::Stack,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[DataInMotion, TransmissionSecurity, TransmissionEncryption],
    limits: &["`credentialName` and files with certificates are not opened"],
    good: "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}\n",
    bad: "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a, trafficPolicy: {tls: {mode: DISABLE}}}\n",
    check: |subject, judging| {
        let host = judging.text(subject.body, "spec.host");
        let own = subject.namespace();
        let inside = host
            .and_then(|host| service_of(host, own))
            .is_some_and(|(name, namespace)| judging.world.has(SERVICE, namespace, name));
        for (path, tls) in tls_places(subject, judging) {
            match tls.text("mode") {
                Read::Known("DISABLE") => judging.fail(format!("{path}.mode"), "callers are told to speak plain text"),
                Read::Known(mode @ ("SIMPLE" | "MUTUAL")) if inside => judging.fail(
                    format!("{path}.mode"),
                    format!("callers are told to speak {mode} TLS to a Service of the mesh, without their identity in it"),
                ),
                Read::Unknown => judging.unknown(format!("{path}.mode")),
                _ => {}
            }
        }
    },
};

/// Certificates of servers.
pub static DESTINATION_RULE_VERIFIES_SERVER: Rule = Rule {
    id: "destination-rule-verifies-server",
    title: "Whoever opens TLS to the outside looks whom it speaks to",
    meaning: "Judges DestinationRules: the policy itself, its ports and its subsets. Where `tls.mode` is SIMPLE or MUTUAL, fails where `insecureSkipVerify` is true, or none of `caCertificates`, `credentialName` and `subjectAltNames` is set. Not applicable where no TLS is opened.",
    why: "TLS to somebody unknown keeps out listeners, and lets in whoever answers.",
    remedy: "Set `caCertificates` (or `credentialName`) and `subjectAltNames`.",
    kinds: &[DESTINATION_RULE],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[DataInMotion, TransmissionIntegrity, Authentication],
    limits: &["that Istio takes the system's certificates where none are named is the mesh's own setting"],
    good: "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: api.example, trafficPolicy: {tls: {mode: SIMPLE, subjectAltNames: [api.example]}}}\n",
    bad: "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: api.example, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}}\n",
    check: |subject, judging| {
        let mut opens = false;
        for (path, tls) in tls_places(subject, judging) {
            match tls.text("mode") {
                Read::Known("SIMPLE" | "MUTUAL") => opens = true,
                Read::Unknown => {
                    judging.unknown(format!("{path}.mode"));
                    continue;
                }
                _ => continue,
            }
            match tls.flag("insecureSkipVerify") {
                Read::Known(true) => {
                    judging.fail(
                        format!("{path}.insecureSkipVerify"),
                        "the server's certificate is not looked at",
                    );
                    continue;
                }
                Read::Unknown => judging.unknown(format!("{path}.insecureSkipVerify")),
                _ => {}
            }
            let fields = ["caCertificates", "credentialName", "subjectAltNames"];
            let said = fields.iter().map(|field| match tls.field(field) {
                Read::Known(_) => Answer::Yes,
                Read::Absent => Answer::No,
                Read::Unknown => Answer::Unknown,
            });
            match Answer::any(said) {
                Answer::Yes => {}
                Answer::No => judging.fail(path, "nothing says whose certificate the server has to show"),
                Answer::Unknown => judging.unknown(path),
            }
        }
        if !opens {
            judging.not_applicable("no TLS is opened to anybody outside");
        }
    },
};

/// TLS of gateways.
pub static GATEWAY_TLS_ENFORCED: Rule = Rule {
    id: "gateway-tls-enforced",
    title: "Every gateway takes TLS 1.2 or later only",
    meaning: "Judges Gateways of Istio, each server. A server passes where it only sends callers to TLS (`httpsRedirect`), passes TLS on untouched (PASSTHROUGH, AUTO_PASSTHROUGH), or ends TLS itself with a certificate (`credentialName`, or files), from version 1.2 on (unset means so) and without a cipher that is known to be weak.",
    why: "Without TLS everybody on the way reads and changes what is sent; old versions and ciphers can be broken.",
    remedy: "Set `tls.mode: SIMPLE` with `credentialName` and `minProtocolVersion: TLSV1_2`; on port 80, `tls.httpsRedirect: true`.",
    kinds: &[GATEWAY],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        Boundary,
        DataInMotion,
        TransmissionSecurity,
        TransmissionEncryption,
    ],
    limits: &[
        "whether the Secret of `credentialName` lies in the gateway's namespace, where it has to, is not seen",
    ],
    good: "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec:\n  servers:\n  - port: {number: 443, name: https, protocol: HTTPS}\n    hosts: [a.example]\n    tls: {mode: SIMPLE, credentialName: a}\n",
    bad: "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec:\n  servers:\n  - port: {number: 443, name: https, protocol: HTTPS}\n    hosts: [a.example]\n    tls: {mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_0}\n",
    check: |subject, judging| {
        for server in judging.items(subject.body, "spec.servers") {
            gateway_server(server.node(), judging);
        }
    },
};

fn gateway_server(server: Node<'_>, judging: &mut Judging<'_>) {
    let number = server.number("port.number").known().unwrap_or_default();
    match server.flag("tls.httpsRedirect") {
        Read::Known(true) => return,
        Read::Unknown => {
            judging.unknown(server.at("tls"));
            return;
        }
        _ => {}
    }
    if server.field("tls").is_absent() {
        match judging.text(server, "port.protocol") {
            Some(protocol) => judging.fail(
                server.at("tls"),
                format!("the port {number} takes {protocol} without TLS, and does not send callers to it"),
            ),
            None => judging.fail(server.at("tls"), format!("the port {number} has no TLS")),
        }
        return;
    }
    match judging.text(server, "port.protocol") {
        Some(protocol @ ("HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" | "TCP" | "MONGO" | "MYSQL" | "REDIS")) => {
            judging.fail(
                server.at("port.protocol"),
                format!("the port {number} takes {protocol}, for which Istio does not read `tls`"),
            );
            return;
        }
        _ if server.text("port.protocol").is_unknown() => return,
        _ => {}
    }
    match server.text("tls.mode") {
        Read::Known("PASSTHROUGH" | "AUTO_PASSTHROUGH" | "ISTIO_MUTUAL") => return,
        Read::Unknown => {
            judging.unknown(server.at("tls.mode"));
            return;
        }
        _ => {}
    }
    if let Some(version) = judging
        .text(server, "tls.minProtocolVersion")
        .filter(|version| ["TLSV1_0", "TLSV1_1"].contains(version))
    {
        judging.fail(
            server.at("tls.minProtocolVersion"),
            format!("the port {number} takes {version}, which can be broken"),
        );
    }
    for cipher in judging.texts(server, "tls.cipherSuites") {
        let weak = ["RC4", "3DES", "DES-", "NULL", "EXPORT", "MD5", "-CBC", "_CBC"];
        let forward =
            cipher.contains("ECDHE") || cipher.starts_with("TLS_AES") || cipher.starts_with("TLS_CHACHA");
        if weak.iter().any(|weak| cipher.contains(weak)) || !forward {
            judging.fail(
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
        Read::Known(_) => Answer::Yes,
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    });
    match Answer::any(said) {
        Answer::Yes => {}
        Answer::No => judging.fail(server.at("tls"), format!("the port {number} has no certificate")),
        Answer::Unknown => judging.unknown(server.at("tls")),
    }
}

/// Routes to somewhere.
pub static VIRTUAL_SERVICE_REFERENCES_RESOLVE: Rule = Rule {
    id: "virtual-service-references-resolve",
    title: "Every route leads from a gateway that is there to a Service that is there",
    meaning: "Judges VirtualServices. Fails where a gateway that is named was not given, where a destination is neither a Service nor a host of a ServiceEntry that was given, where its port is none of the Service's, or where its subset is in no DestinationRule of the host. Where the settings say that not everything was given, what is missing is unknown.",
    why: "A route to nowhere is an outage that no check of the cluster refuses.",
    remedy: "Compare the names, namespaces and ports.",
    kinds: &[VIRTUAL_SERVICE],
    level: Level::Stack,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[ChangeControl, Redundancy, ContingencyPlan],
    limits: &[
        "whether a route is hidden by an earlier one is not told",
        "`exportTo` is not looked at",
    ],
    good: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: a}\nspec:\n  http: [{route: [{destination: {host: a, port: {number: 80}}}]}]\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a}\nspec: {ports: [{port: 80}]}\n",
    bad: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: a}\nspec:\n  http: [{route: [{destination: {host: a, port: {number: 81}}}]}]\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a}\nspec: {ports: [{port: 80}]}\n",
    check: routes,
};

fn routes(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let missing = |judging: &mut Judging<'_>, place: String, message: String| {
        if judging.world.is_complete() {
            judging.fail(place, message);
        } else {
            judging.unknown(format!("{place}: {message}"));
        }
    };
    for gateway in judging.texts(subject.body, "spec.gateways") {
        let (namespace, name) = gateway.split_once('/').unwrap_or((subject.namespace(), gateway));
        if gateway != "mesh" && !judging.world.has(GATEWAY, namespace, name) {
            missing(
                judging,
                "spec.gateways".to_owned(),
                format!("there is no Gateway {namespace}/{name}"),
            );
        }
    }
    for protocol in ["http", "tls", "tcp"] {
        for route in judging.items(subject.body, &format!("spec.{protocol}")) {
            for destination in judging.items(route.node(), "route") {
                let node = destination.node();
                let Some(host) = judging.text(node, "destination.host") else {
                    continue;
                };
                let service = service_of(host, subject.namespace())
                    .and_then(|(name, namespace)| judging.world.get(SERVICE, namespace, name));
                let Some(service) = service else {
                    let entry = judging.world.all(SERVICE_ENTRY).any(|entry| {
                        let hosts = Node::new(entry.body(), "").list("spec.hosts").known();
                        hosts.is_some_and(|hosts| hosts.iter().any(|known| known.as_str() == Some(host)))
                    });
                    if !entry {
                        let message = format!("the host {host} is neither a Service nor a ServiceEntry");
                        missing(judging, node.at("destination.host"), message);
                    }
                    continue;
                };
                if let Some(port) = judging.number(node, "destination.port.number") {
                    let ports = Node::new(service.body(), "").list("spec.ports");
                    let numbers = |ports: &[serde_json::Value]| {
                        Answer::any(ports.iter().map(|item| match Node::new(item, "").number("port") {
                            Read::Known(number) => Answer::from_bool(number == port),
                            _ => Answer::Unknown,
                        }))
                    };
                    match ports.map(numbers) {
                        Read::Known(Answer::Yes) => {}
                        Read::Unknown | Read::Known(Answer::Unknown) => {
                            judging.unknown(format!("spec.ports of {}", service.id));
                        }
                        Read::Known(Answer::No) | Read::Absent => judging.fail(
                            node.at("destination.port.number"),
                            format!("the {} has no port {port}", service.id),
                        ),
                    }
                }
                if let Some(subset) = judging.text(node, "destination.subset") {
                    let has = judging
                        .world
                        .all(DESTINATION_RULE)
                        .any(|rule| has_subset(rule, service, subset));
                    if !has {
                        let message = format!("no DestinationRule of {host} has the subset {subset}");
                        missing(judging, node.at("destination.subset"), message);
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
        .and_then(|host| service_of(host, namespace(rule)))
        .is_some_and(|(name, within)| name == service.id.name && within == namespace(service));
    let named = |item: &serde_json::Value| Node::new(item, "").text("name") == Read::Known(subset);
    of_host
        && body
            .list("spec.subsets")
            .known()
            .is_some_and(|subsets| subsets.iter().any(named))
}

/// What may leave.
pub static MESH_EGRESS_REGISTRY_ONLY: Rule = Rule {
    id: "mesh-egress-registry-only",
    title: "Nothing leaves the mesh to a host that was not declared",
    meaning: "Judges workloads in the mesh and ServiceEntries. A workload passes where the Sidecar that holds for it (the one that selects it, or else the namespace's, or else the mesh's) has the outbound policy REGISTRY_ONLY, or says nothing and the mesh's own policy is assumed to be so. A ServiceEntry fails where a host has a wildcard.",
    why: "Data that was stolen has to leave somehow; a host that nobody declared is where it goes.",
    remedy: "Set `outboundTrafficPolicy: {mode: REGISTRY_ONLY}` in a Sidecar, and declare each host in a ServiceEntry.",
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
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    limits: &[
        "it is the workload's own proxy that refuses: who has broken into a pod can go past it, and only a network policy holds",
    ],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {istio-injection: enabled}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a, namespace: a}\nspec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {istio-injection: enabled}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app}]}\n---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a, namespace: a}\nspec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}\n",
    check: egress,
};

fn egress(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    if subject.pod.is_none() {
        for host in judging.texts(subject.body, "spec.hosts") {
            if host.contains('*') {
                judging.fail(
                    "spec.hosts",
                    format!("the host {host} is more than one, and most of them nobody declared"),
                );
            }
        }
        return;
    }
    let Some(workload) = in_mesh(subject, judging) else {
        return;
    };
    let world = judging.world;
    let root = world.settings.assumed_text(&assume::MESH_ROOT);
    let mut closest: Option<(Scope, &Object)> = None;
    for sidecar in world.all(SIDECAR) {
        let (answer, scope) = applies(sidecar, workload, root, "spec.workloadSelector.labels");
        match answer {
            Answer::Yes if closest.is_none_or(|(closest, _)| scope > closest) => {
                closest = Some((scope, sidecar));
            }
            Answer::Unknown => judging.unknown(format!("whether {} applies", sidecar.id)),
            Answer::Yes | Answer::No => {}
        }
    }
    let assumed = world.settings.assumed_text(&assume::MESH_OUTBOUND);
    let mode = closest.map_or(Read::Absent, |(_, sidecar)| {
        Node::new(sidecar.body(), "").text("spec.outboundTrafficPolicy.mode")
    });
    let by = closest.map_or_else(
        || "no Sidecar holds for it, and the mesh's own policy is assumed to be".to_owned(),
        |(_, sidecar)| format!("{} holds for it, with the policy", sidecar.id),
    );
    match mode {
        Read::Known("REGISTRY_ONLY") => {}
        Read::Absent if assumed == "REGISTRY_ONLY" => {}
        Read::Known(mode) => judging.fail("", format!("it may reach any host: {by} {mode}")),
        Read::Absent => judging.fail("", format!("it may reach any host: {by} {assumed}")),
        Read::Unknown => judging.unknown("spec.outboundTrafficPolicy.mode of the Sidecar"),
    }
}
