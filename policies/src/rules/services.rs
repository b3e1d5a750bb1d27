//! What can be reached from outside, by which names, and whether what is named is there.

use crate::control::Control::{
    AccessArchitecture, AccessControl, Boundary, ChangeControl, ContingencyPlan, DataInMotion, Redundancy,
    TransmissionEncryption, TransmissionSecurity,
};
use crate::judging::{Judging, Subject};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::network::{Block, NETWORK_POLICY, finds_a_workload};
use crate::selector::{Answer, has_all, selects};

pub(super) const SERVICE: Kind = Kind::core("Service");
const INGRESS: Kind = Kind::new(&["networking.k8s.io", "extensions"], "Ingress");
const GATEWAY_API: Kind = Kind::new(&["gateway.networking.k8s.io"], "Gateway");
const ISTIO: &[&str] = &["networking.istio.io"];
const BUDGET: Kind = Kind::new(&["policy", ""], "PodDisruptionBudget");
const AUTOSCALER: Kind = Kind::new(&["autoscaling", ""], "HorizontalPodAutoscaler");

/// `NodePort`, external addresses, external names.
pub static SERVICE_EXPOSURE_RESTRICTED: Rule = Rule {
    id: "service-exposure-restricted",
    title: "No Service opens a port of the nodes or borrows a foreign name or address",
    meaning: "Fails where a Service is of the type NodePort or ExternalName, or has `externalIPs`. Load balancers are another rule's.",
    why: "A port of every node is reachable past the gateway; an external address takes traffic of others; an external name sends pods wherever its owner likes.",
    remedy: "Use ClusterIP, and reach the Service through the gateway; for a host outside, a ServiceEntry.",
    kinds: &[SERVICE],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, TransmissionSecurity, AccessControl],
    limits: &[],
    good: "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: ClusterIP, ports: [{port: 80}]}\n",
    bad: "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: NodePort, ports: [{port: 80}]}\n",
    check: |subject, judging| {
        match judging.text(subject.body, "spec.type") {
            Some("NodePort") => judging.fail("spec.type", "the Service opens a port on every node"),
            Some("ExternalName") => {
                judging.fail("spec.type", "the Service is another name for a host outside");
            }
            _ => {}
        }
        if !judging.items(subject.body, "spec.externalIPs").is_empty() {
            judging.fail(
                "spec.externalIPs",
                "the Service takes the traffic of addresses that are not its own",
            );
        }
    },
};

/// Load balancers.
pub static LOAD_BALANCER_RESTRICTED: Rule = Rule {
    id: "load-balancer-restricted",
    title: "A load balancer is internal, or open to named addresses",
    meaning: "Judges Services of the type LoadBalancer. Passes where an annotation of the cloud makes it internal, or `loadBalancerSourceRanges` (or the older annotation for them) names addresses that are not all together.",
    why: "A load balancer is an address on the internet, past the gateway and its certificate.",
    remedy: "Reach the Service through the gateway. Where it must have an address of its own, make it internal or name who may connect.",
    kinds: &[SERVICE],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, TransmissionSecurity],
    limits: &[
        "annotations of clouds other than AWS, Azure, Google, Oracle, OpenStack, DigitalOcean, Alibaba and IBM are not known",
    ],
    good: "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24], ports: [{port: 80}]}\n",
    bad: "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer, loadBalancerSourceRanges: [0.0.0.0/0], ports: [{port: 80}]}\n",
    check: |subject, judging| {
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
        if let Some("LoadBalancer") = judging.text(subject.body, "spec.type") {
        } else {
            judging.not_applicable("the Service is no load balancer");
            return;
        }
        let annotation = |key| subject.body.entry("metadata.annotations", key);
        let internal = INTERNAL.iter().map(|(key, values)| match annotation(key) {
            Read::Known(value) => {
                Answer::from_bool(values.iter().any(|internal| internal.eq_ignore_ascii_case(value)))
            }
            Read::Absent => Answer::No,
            Read::Unknown => Answer::Unknown,
        });
        match Answer::any(internal) {
            Answer::Yes => return,
            Answer::Unknown => judging.unknown("metadata.annotations"),
            Answer::No => {}
        }
        let mut ranges = judging.texts(subject.body, "spec.loadBalancerSourceRanges");
        if ranges.is_empty() {
            // The older way to say the same, of which Kubernetes still takes notice.
            let key = "service.beta.kubernetes.io/load-balancer-source-ranges";
            match annotation(key) {
                Read::Known(listed) => ranges = listed.split(',').map(str::trim).collect(),
                Read::Unknown => judging.unknown(format!("metadata.annotations[{key}]")),
                Read::Absent => {}
            }
            ranges.retain(|range| !range.is_empty());
        }
        let blocks: Vec<_> = ranges
            .iter()
            .filter_map(|range| Block::read(range.trim()))
            .collect();
        if Block::are_everything(&blocks) {
            judging.fail(
                "spec.loadBalancerSourceRanges",
                format!(
                    "the load balancer is open to every address: {}",
                    ranges.join(", ")
                ),
            );
        } else if ranges.is_empty() && !subject.body.list("spec.loadBalancerSourceRanges").is_unknown() {
            judging.fail(
                "spec.loadBalancerSourceRanges",
                "the load balancer is neither internal nor open to named addresses only",
            );
        }
    },
};

/// TLS of Ingresses and of the Gateway API.
pub static INGRESS_TLS_REQUIRED: Rule = Rule {
    id: "ingress-tls-required",
    title: "Whoever comes from outside comes by TLS",
    meaning: "Judges Ingresses and Gateways of the Gateway API. An Ingress passes where every host of its rules is a host of an entry of `tls` (an entry without hosts stands for all; a wildcard for one label), or where AWS' load balancer has a certificate by annotation. A Gateway passes where every listener is HTTPS or TLS.",
    why: "Without TLS everybody on the way reads and changes what is sent.",
    remedy: "Add the host and the Secret with its certificate to `tls`.",
    kinds: &[INGRESS, GATEWAY_API],
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
    limits: &["a listener that only redirects to TLS is told too: that it does so stands in a route"],
    good: "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n  tls: [{hosts: [a.example], secretName: a}]\n  rules: [{host: a.example}]\n",
    bad: "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n  tls: [{hosts: [b.example], secretName: a}]\n  rules: [{host: a.example}]\n",
    check: |subject, judging| {
        if GATEWAY_API.is(&subject.object.id.group, subject.kind()) {
            for listener in judging.items(subject.body, "spec.listeners") {
                if let Some(protocol) = judging.text(listener.node(), "protocol")
                    && !["HTTPS", "TLS"].contains(&protocol)
                {
                    judging.fail(
                        listener.node().at("protocol"),
                        format!("the listener takes {protocol}, which is not encrypted"),
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
            Read::Known(_) => return,
            Read::Unknown => judging.unknown("metadata.annotations"),
            Read::Absent => {}
        }
        let entries = judging.items(subject.body, "spec.tls");
        if subject.body.list("spec.tls").is_unknown() {
            return;
        }
        if entries.is_empty() {
            judging.fail("spec.tls", "the Ingress has no TLS");
            return;
        }
        let mut covered = Vec::new();
        let mut all = false;
        for entry in &entries {
            all |= entry.node().list("hosts").known().is_none_or(<[_]>::is_empty)
                && !entry.node().list("hosts").is_unknown();
            covered.extend(judging.texts(entry.node(), "hosts"));
        }
        for rule in judging.items(subject.body, "spec.rules") {
            let host = match rule.node().text("host") {
                Read::Known(host) => host,
                Read::Absent => "",
                Read::Unknown => {
                    judging.unknown(rule.node().at("host"));
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
                judging.fail(
                    rule.node().at("host"),
                    format!("no entry of `tls` has the host {host}"),
                );
            }
        }
    },
};

/// Wildcard hosts.
pub static EXTERNAL_HOST_EXPLICIT: Rule = Rule {
    id: "external-host-explicit",
    title: "What can be reached from outside has a name of its own",
    meaning: "Fails where a host of an Ingress' rule, of a server of an Istio Gateway, or of a VirtualService that is bound to a gateway is missing or has a wildcard in it. For an Istio Gateway the part before the slash, which namespaces may bind, is not looked at.",
    why: "A wildcard answers to names that nobody registered, and takes the names of what is deployed next.",
    remedy: "Write out each host.",
    kinds: &[
        INGRESS,
        Kind::new(ISTIO, "Gateway"),
        Kind::new(ISTIO, "VirtualService"),
    ],
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, AccessControl],
    limits: &[],
    good: "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n  rules: [{host: a.example}]\n",
    bad: "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n  rules: [{host: \"*.example\"}]\n",
    check: |subject, judging| {
        let named = |judging: &mut Judging<'_>, place: String, host: &str| {
            if host.is_empty() {
                judging.fail(place, "no host is named, so it answers to every name");
            } else if host.contains('*') {
                judging.fail(place, format!("the host {host} answers to more than one name"));
            }
        };
        match subject.kind() {
            "Ingress" => {
                for rule in judging.items(subject.body, "spec.rules") {
                    let place = rule.node().at("host");
                    match rule.node().text("host") {
                        Read::Known(host) => named(judging, place, host),
                        Read::Absent => named(judging, place, ""),
                        Read::Unknown => judging.unknown(place),
                    }
                }
                // `backend` was its name before networking.k8s.io/v1.
                for field in ["spec.defaultBackend", "spec.backend"] {
                    if !subject.body.field(field).is_absent() {
                        judging.fail(field, "what no rule names is served too, under every name");
                    }
                }
            }
            "Gateway" => {
                for server in judging.items(subject.body, "spec.servers") {
                    for host in judging.texts(server.node(), "hosts") {
                        let own = host.split_once('/').map_or(host, |(_, host)| host);
                        named(judging, server.node().at("hosts"), own);
                    }
                }
            }
            _ => {
                let gateways = judging.texts(subject.body, "spec.gateways");
                if subject.body.list("spec.gateways").is_unknown()
                    || !gateways.iter().any(|gateway| *gateway != "mesh")
                {
                    judging.not_applicable("the VirtualService is bound to no gateway");
                    return;
                }
                for host in judging.texts(subject.body, "spec.hosts") {
                    named(judging, "spec.hosts".to_owned(), host);
                }
            }
        }
    },
};

/// Protocols of ports.
pub static SERVICE_PORT_PROTOCOL_DECLARED: Rule = Rule {
    id: "service-port-protocol-declared",
    title: "Every port of a Service in the mesh says which protocol it speaks",
    meaning: "Judges Services where there is a mesh. A TCP port passes where it has an `appProtocol`, or a name that is or begins with a protocol that Istio knows (`http-…`). Services without selector are judged too; UDP and SCTP ports are not.",
    why: "Where Istio has to guess, a port can become plain TCP, and rules about methods and paths no longer hold for it.",
    remedy: "Set `appProtocol` on the port.",
    kinds: &[SERVICE],
    level: Level::Stack,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    limits: &[],
    good: "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80, appProtocol: http}]}\n",
    bad: "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n",
    check: |subject, judging| {
        const KNOWN: [&str; 11] = [
            "http", "http2", "https", "tcp", "tls", "grpc", "grpc-web", "mongo", "mysql", "redis", "udp",
        ];
        if !judging.world.has_mesh() {
            judging.not_applicable("no mesh was given");
            return;
        }
        for port in judging.items(subject.body, "spec.ports") {
            if matches!(port.node().text("protocol"), Read::Known("UDP" | "SCTP")) {
                continue;
            }
            let name = port.node().text("name");
            let is_known = |name: &str| {
                KNOWN.iter().any(|known| {
                    name.strip_prefix(known)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
                })
            };
            match (port.node().text("appProtocol"), name) {
                (Read::Known(_), _) => {}
                (Read::Absent, Read::Known(name)) if is_known(name) => {}
                (Read::Unknown, _) | (_, Read::Unknown) => judging.unknown(port.node().at("appProtocol")),
                _ => {
                    let number = port.node().number("port").known().unwrap_or_default();
                    judging.fail(
                        port.node().at("appProtocol"),
                        format!("the port {number} does not say which protocol it speaks"),
                    );
                }
            }
        }
    },
};

/// Selectors.
pub static SELECTORS_MATCH: Rule = Rule {
    id: "selectors-match",
    title: "Whatever selects pods finds some",
    meaning: "Judges Services with a selector, NetworkPolicies and PodDisruptionBudgets that select some pods, and HorizontalPodAutoscalers. Fails where no workload that was given is selected in the namespace, or the target is not there. Where the settings say that not everything was given, it is unknown.",
    why: "A Service without pods answers nobody, and a policy that selects nothing guards nothing, while it looks as if it did.",
    remedy: "Compare the selector with the labels of the pod template.",
    kinds: &[SERVICE, NETWORK_POLICY, BUDGET, AUTOSCALER],
    level: Level::Stack,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[ChangeControl, Redundancy, ContingencyPlan],
    limits: &["pods that a controller of a custom resource makes are not seen"],
    good: "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a}\nspec: {selector: {app: a}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: a}}\nspec: {containers: [{name: app}]}\n",
    bad: "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a}\nspec: {selector: {app: a}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: b}}\nspec: {containers: [{name: app}]}\n",
    check: selectors_match,
};

fn selectors_match(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let namespace = subject.namespace();
    let (place, found) = match subject.kind() {
        "Service" => {
            if subject.body.text("spec.type") == Read::Known("ExternalName") {
                judging.not_applicable("the Service selects no pods");
                return;
            }
            match subject.body.map("spec.selector") {
                Read::Known(selector) if !selector.is_empty() => (
                    "spec.selector",
                    finds_a_workload(judging, namespace, |workload| {
                        has_all(selector, workload.labels())
                    }),
                ),
                Read::Unknown => ("spec.selector", Answer::Unknown),
                _ => {
                    judging.not_applicable("the Service selects no pods");
                    return;
                }
            }
        }
        "HorizontalPodAutoscaler" => {
            let (Some(kind), Some(name)) = (
                judging.text(subject.body, "spec.scaleTargetRef.kind"),
                judging.text(subject.body, "spec.scaleTargetRef.name"),
            ) else {
                judging.unknown("spec.scaleTargetRef");
                return;
            };
            let is_target = |object: &phoenix_graph::Object| object.id.kind == kind && object.id.name == name;
            let known = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"].contains(&kind);
            let found = judging
                .world
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
                Read::Known(selector) => {
                    let is_empty = selector.as_object().is_some_and(serde_json::Map::is_empty);
                    if is_empty {
                        judging.not_applicable("it selects all pods of its namespace");
                        return;
                    }
                    let selector = Node::new(selector, "");
                    (
                        place,
                        finds_a_workload(judging, namespace, |workload| {
                            selects(selector, workload.labels())
                        }),
                    )
                }
                Read::Absent => {
                    judging.not_applicable("it selects all pods of its namespace");
                    return;
                }
                Read::Unknown => (place, Answer::Unknown),
            }
        }
    };
    match found {
        Answer::Yes => {}
        Answer::No if judging.world.is_complete() => {
            let what = if subject.kind() == "HorizontalPodAutoscaler" {
                "what it scales is not there"
            } else {
                "it selects no pods"
            };
            judging.fail(place, format!("{what} in the namespace {namespace}"));
        }
        Answer::No | Answer::Unknown => judging.unknown(place),
    }
}
