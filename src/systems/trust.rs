//! Who may talk to whom, as the cluster enforces it: mutual TLS, and policies derived from the
//! connection table. Nothing here knows a workload that the table does not name.

mod user;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kcr_security_istio_io::v1::authorizationpolicies::{
    AuthorizationPolicy, AuthorizationPolicyAction, AuthorizationPolicyRules, AuthorizationPolicyRulesFrom,
    AuthorizationPolicyRulesFromSource, AuthorizationPolicyRulesTo, AuthorizationPolicyRulesToOperation,
    AuthorizationPolicySelector, AuthorizationPolicySpec,
};
use kcr_security_istio_io::v1::peerauthentications::{
    PeerAuthentication, PeerAuthenticationMtls, PeerAuthenticationMtlsMode, PeerAuthenticationSpec,
};
use phoenix_graph::Graph;

use crate::config::{Cluster, Trust};
use crate::connections::{Connection, Neighbour, Outside, Peer, Traffic};
use crate::names::{self, MCP_PORT, OPENMEMORY, WORKLOADS, Workload};
use crate::parts::metadata::{self, Labels, pairs};

/// The system's name.
const SYSTEM: &str = "trust";

/// Mutual TLS, the denial of everything, and what each row of the table allows.
pub fn build(rows: &[Connection], trust: &Trust, cluster: &Cluster) -> Graph {
    let mut graph = Graph::of(SYSTEM);
    graph.insert(mutual_tls());
    graph.insert(deny_requests());
    graph.insert(deny_packets());
    match &trust.jwt {
        Some(jwt) => graph.insert(user::tokens(OPENMEMORY, jwt)),
        None => graph.insert(user::nobody(OPENMEMORY, MCP_PORT)),
    };
    for workload in WORKLOADS {
        graph.insert(requests(workload, rows, cluster));
        graph.insert(packets(workload, rows, cluster));
    }
    graph
}

/// Every pod speaks mutual TLS and accepts nothing else.
fn mutual_tls() -> PeerAuthentication {
    PeerAuthentication {
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-mtls"),
        spec: PeerAuthenticationSpec {
            mtls: Some(PeerAuthenticationMtls {
                mode: Some(PeerAuthenticationMtlsMode::Strict),
            }),
            ..Default::default()
        },
        status: None,
    }
}

/// An empty policy allows nothing; what other policies allow is added to it.
fn deny_requests() -> AuthorizationPolicy {
    AuthorizationPolicy {
        metadata: metadata::in_memory(SYSTEM, "deny-all"),
        spec: AuthorizationPolicySpec::default(),
        status: None,
    }
}

fn deny_packets() -> NetworkPolicy {
    NetworkPolicy {
        metadata: metadata::in_memory(SYSTEM, "deny-all"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(both_directions()),
            ..Default::default()
        }),
    }
}

/// What the sidecars of a workload let through: one rule a row, with caller and operation in the same
/// rule, because rules are alternatives.
fn requests(workload: Workload, rows: &[Connection], cluster: &Cluster) -> AuthorizationPolicy {
    let rules = rows
        .iter()
        .filter(|row| row.to == Peer::Workload(workload))
        .filter_map(|row| {
            let operation = operation(row)?;
            let mut source = source(&row.from, cluster)?;
            if let Traffic::Http { token: true, .. } = row.traffic {
                // Only one issuer is known, so that whatever a valid token says is his word.
                source.request_principals = Some(vec!["*".to_owned()]);
            }
            Some(AuthorizationPolicyRules {
                from: Some(vec![AuthorizationPolicyRulesFrom { source: Some(source) }]),
                to: Some(vec![AuthorizationPolicyRulesTo {
                    operation: Some(operation),
                }]),
                ..Default::default()
            })
        });
    AuthorizationPolicy {
        metadata: metadata::in_memory(SYSTEM, &policy_name(workload)),
        spec: AuthorizationPolicySpec {
            action: Some(AuthorizationPolicyAction::Allow),
            rules: Some(rules.collect()),
            selector: Some(AuthorizationPolicySelector {
                match_labels: Some(pairs([("app", workload.app)])),
            }),
            ..Default::default()
        },
        status: None,
    }
}

/// The source document names the server's policy; the others are named after their system.
fn policy_name(workload: Workload) -> String {
    if workload == names::OPENMEMORY {
        "sophia-memory-authz".to_owned()
    } else {
        format!("{}-authz", workload.system)
    }
}

fn operation(row: &Connection) -> Option<AuthorizationPolicyRulesToOperation> {
    let texts =
        |texts: &[&str]| (!texts.is_empty()).then(|| texts.iter().map(|&text| text.to_owned()).collect());
    let (methods, paths) = match &row.traffic {
        Traffic::Http { methods, paths, .. } => (texts(methods), texts(paths)),
        // An HTTP attribute on a TCP port would make the whole rule disappear.
        Traffic::Tcp | Traffic::Tls => (None, None),
        Traffic::Infrastructure { .. } => return None,
    };
    Some(AuthorizationPolicyRulesToOperation {
        ports: Some(vec![row.port.to_string()]),
        methods,
        paths,
        ..Default::default()
    })
}

/// The identities that a caller's certificates carry; a caller outside the mesh has none.
fn source(from: &Peer, cluster: &Cluster) -> Option<AuthorizationPolicyRulesFromSource> {
    let principal =
        |namespace: &str, account: &str| format!("{}/ns/{namespace}/sa/{account}", cluster.mesh.trust_domain);
    let principals = |principals| AuthorizationPolicyRulesFromSource {
        principals: Some(principals),
        ..Default::default()
    };
    match from {
        Peer::Workload(caller) => Some(principals(vec![principal(names::MEMORY, caller.service_account)])),
        Peer::EveryWorkload => Some(principals(
            WORKLOADS
                .iter()
                .map(|caller| principal(names::MEMORY, caller.service_account))
                .collect(),
        )),
        Peer::Neighbour(Neighbour {
            namespace,
            service_account: Some(account),
            ..
        }) => Some(principals(vec![principal(namespace, account)])),
        Peer::Neighbour(Neighbour {
            namespace,
            service_account: None,
            ..
        }) => Some(AuthorizationPolicyRulesFromSource {
            namespaces: Some(vec![namespace.clone()]),
            ..Default::default()
        }),
        Peer::Outside(_) => None,
    }
}

/// What reaches and leaves the pods of a workload at all.
fn packets(workload: Workload, rows: &[Connection], cluster: &Cluster) -> NetworkPolicy {
    let is_workload = |peer: &Peer| *peer == Peer::EveryWorkload || *peer == Peer::Workload(workload);
    let mut ingress = Vec::new();
    let mut egress = Vec::new();
    for row in rows {
        // Rows that differ only in what may be said are one rule here: packets have no paths.
        if is_workload(&row.to) {
            let rule = NetworkPolicyIngressRule {
                from: Some(peers(&row.from, cluster)),
                ports: Some(ports(row)),
            };
            if !ingress.contains(&rule) {
                ingress.push(rule);
            }
        }
        if is_workload(&row.from) {
            let rule = NetworkPolicyEgressRule {
                to: Some(peers(&row.to, cluster)),
                ports: Some(ports(row)),
            };
            if !egress.contains(&rule) {
                egress.push(rule);
            }
        }
    }
    NetworkPolicy {
        metadata: metadata::in_memory(SYSTEM, workload.name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(metadata::selector(workload)),
            policy_types: Some(both_directions()),
            ingress: Some(ingress),
            egress: Some(egress),
        }),
    }
}

fn peers(peer: &Peer, cluster: &Cluster) -> Vec<NetworkPolicyPeer> {
    let pods = |selector: LabelSelector| NetworkPolicyPeer {
        pod_selector: Some(selector),
        ..Default::default()
    };
    match peer {
        Peer::Workload(workload) => vec![pods(metadata::selector(*workload))],
        Peer::EveryWorkload => WORKLOADS
            .iter()
            .map(|workload| pods(metadata::selector(*workload)))
            .collect(),
        Peer::Neighbour(neighbour) => vec![NetworkPolicyPeer {
            namespace_selector: Some(selects(pairs([(
                "kubernetes.io/metadata.name",
                neighbour.namespace.as_str(),
            )]))),
            pod_selector: (!neighbour.labels.is_empty()).then(|| selects(neighbour.labels.clone())),
            ..Default::default()
        }],
        Peer::Outside(outside) => blocks(outside, &cluster.private_networks),
    }
}

/// A network policy knows no host names: a host without known networks may be at any public address.
/// See `docs/known-limitations.md`.
fn blocks(outside: &Outside, private_networks: &[String]) -> Vec<NetworkPolicyPeer> {
    let block = |cidr: &str, except: Option<Vec<String>>| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except,
        }),
        ..Default::default()
    };
    if outside.networks.is_empty() {
        vec![block(
            "0.0.0.0/0",
            (!private_networks.is_empty()).then(|| private_networks.to_vec()),
        )]
    } else {
        outside
            .networks
            .iter()
            .map(|network| block(network, None))
            .collect()
    }
}

fn ports(row: &Connection) -> Vec<NetworkPolicyPort> {
    let port = |protocol: &str| NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(row.port))),
        protocol: Some(protocol.to_owned()),
        ..Default::default()
    };
    match row.traffic {
        Traffic::Infrastructure { udp: true } => vec![port("UDP"), port("TCP")],
        _ => vec![port("TCP")],
    }
}

fn selects(labels: Labels) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        ..Default::default()
    }
}

fn both_directions() -> Vec<String> {
    vec!["Ingress".to_owned(), "Egress".to_owned()]
}
