//! Mutual TLS, and the policies that are derived from the connection table. This module knows no workload that is not
//! in the table.

mod user;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use phoenix_crds::security::{
    AuthorizationPolicy, AuthorizationPolicyAction, AuthorizationPolicyRules, AuthorizationPolicyRulesFrom,
    AuthorizationPolicyRulesFromSource, AuthorizationPolicyRulesTo, AuthorizationPolicyRulesToOperation,
    AuthorizationPolicySelector, AuthorizationPolicySpec, PeerAuthentication, PeerAuthenticationMtls,
    PeerAuthenticationMtlsMode, PeerAuthenticationSelector, PeerAuthenticationSpec,
};
use phoenix_graph::Graph;

use crate::config::{Cluster, Trust};
use crate::connections::{ClusterPeer, Connection, ExternalHost, Peer, Traffic};
use crate::names::{self, MCP_PORT, OPENMEMORY, Workload};
use crate::parts::metadata::{self, Labels, string_map};

/// The system's name.
const SYSTEM: &str = "trust";

/// Builds mutual TLS, the default-deny policies, and a policy for each row of the table.
pub fn build(rows: &[Connection], workloads: &[Workload], trust: &Trust, cluster: &Cluster) -> Graph {
    let policies = PolicyBuilder {
        rows,
        workloads,
        cluster,
    };
    let mut graph = Graph::of(SYSTEM);
    graph.insert(mutual_tls());
    graph.insert(default_deny_authorization_policy());
    graph.insert(default_deny_network_policy());
    if let Some(jwt) = &trust.jwt {
        graph.insert(user::tokens(OPENMEMORY, jwt));
    }
    graph.insert(user::refused(OPENMEMORY, MCP_PORT, trust.jwt.is_some()));
    graph.insert(policies.bulk_paths_policy());
    for workload in workloads {
        if workload.namespace != names::MEMORY {
            // Namespace-wide policies are possible only in the platform's own namespace.
            graph.insert(mutual_tls_of(*workload));
            graph.insert(policies.other_callers_policy(*workload));
        }
        // It has no clients, and the namespace already denies everything by default.
        let needs_none = workload.namespace == names::MEMORY && !policies.is_called(*workload);
        if !needs_none {
            graph.insert(policies.authorization_policy(*workload));
        }
        graph.insert(policies.network_policy(*workload));
    }
    graph
}

/// The input of the policies.
#[derive(Clone, Copy)]
struct PolicyBuilder<'a> {
    rows: &'a [Connection],
    workloads: &'a [Workload],
    cluster: &'a Cluster,
}

/// Every pod requires mutual TLS.
fn mutual_tls() -> PeerAuthentication {
    PeerAuthentication {
        metadata: metadata::memory_meta(SYSTEM, "sophia-memory-mtls"),
        spec: PeerAuthenticationSpec {
            mtls: Some(PeerAuthenticationMtls {
                mode: Some(PeerAuthenticationMtlsMode::Strict),
            }),
            ..Default::default()
        },
    }
}

/// The pods of one workload require mutual TLS, independent of other pods in their namespace.
fn mutual_tls_of(workload: Workload) -> PeerAuthentication {
    PeerAuthentication {
        metadata: metadata::in_namespace(SYSTEM, workload.namespace, workload.name),
        spec: PeerAuthenticationSpec {
            selector: Some(PeerAuthenticationSelector {
                match_labels: Some(string_map([("app", workload.app)])),
            }),
            ..mutual_tls().spec
        },
    }
}

/// An empty policy allows nothing; other policies add to it.
fn default_deny_authorization_policy() -> AuthorizationPolicy {
    AuthorizationPolicy {
        metadata: metadata::memory_meta(SYSTEM, "deny-all"),
        spec: AuthorizationPolicySpec::default(),
    }
}

fn default_deny_network_policy() -> NetworkPolicy {
    NetworkPolicy {
        metadata: metadata::memory_meta(SYSTEM, "deny-all"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(both_directions()),
            ..Default::default()
        }),
    }
}

impl PolicyBuilder<'_> {
    /// Whether the workload has clients that pass through the mesh.
    fn is_called(self, workload: Workload) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|row| row.to == Peer::Workload(workload) && operation(row).is_some())
    }

    /// The requests that the sidecars of a workload allow: one rule for each row, with caller and operation in the
    /// same rule, because rules are alternatives.
    fn authorization_policy(self, workload: Workload) -> AuthorizationPolicy {
        let rules = self
            .rows
            .iter()
            .filter(|row| row.to == Peer::Workload(workload))
            .filter_map(|row| {
                let operation = operation(row)?;
                let mut source = self.source(&row.from)?;
                if let Traffic::Http { token: true, .. } = row.traffic {
                    // Only one issuer is configured, so every valid token is from it.
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
            metadata: metadata::in_namespace(SYSTEM, workload.namespace, &policy_name(workload)),
            spec: AuthorizationPolicySpec {
                action: Some(AuthorizationPolicyAction::Allow),
                rules: Some(rules.collect()),
                selector: Some(AuthorizationPolicySelector {
                    match_labels: Some(string_map([("app", workload.app)])),
                }),
                ..Default::default()
            },
        }
    }

    /// Denies every caller without a row. In a namespace of other teams, one of their policies can select the pods too, and ALLOW
    /// rules add up; nothing overrides a DENY rule.
    fn other_callers_policy(self, workload: Workload) -> AuthorizationPolicy {
        let rows = self.rows.iter();
        let mut not = AuthorizationPolicyRulesFromSource::default();
        for row in rows.filter(|row| row.to == Peer::Workload(workload) && operation(row).is_some()) {
            let Some(source) = self.source(&row.from) else {
                continue;
            };
            for (excluded, callers) in [
                (&mut not.not_principals, source.principals),
                (&mut not.not_namespaces, source.namespaces),
            ] {
                for caller in callers.unwrap_or_default() {
                    let excluded = excluded.get_or_insert_default();
                    if !excluded.contains(&caller) {
                        excluded.push(caller);
                    }
                }
            }
        }
        // Without any caller, the rule has no condition and denies everything.
        let has_callers = not.not_principals.is_some() || not.not_namespaces.is_some();
        let from = has_callers.then(|| vec![AuthorizationPolicyRulesFrom { source: Some(not) }]);
        AuthorizationPolicy {
            metadata: metadata::in_namespace(
                SYSTEM,
                workload.namespace,
                &format!("{}-other-callers", workload.name),
            ),
            spec: AuthorizationPolicySpec {
                action: Some(AuthorizationPolicyAction::Deny),
                rules: Some(vec![AuthorizationPolicyRules {
                    from,
                    ..Default::default()
                }]),
                selector: Some(AuthorizationPolicySelector {
                    match_labels: Some(string_map([("app", workload.app)])),
                }),
                ..Default::default()
            },
        }
    }

    /// Denies OpenMemory's bulk endpoints to every caller without a row that names them. Rows for `/memory/*` do not
    /// include these paths, and an ALLOW rule cannot express that without exclusions.
    fn bulk_paths_policy(self) -> AuthorizationPolicy {
        let names_it = |row: &&Connection| {
            let kept = |path: &&str| names::BULK_PATHS.contains(path);
            row.to == Peer::Workload(OPENMEMORY)
                && matches!(&row.traffic, Traffic::Http { paths, .. } if paths.iter().any(kept))
        };
        let sources = self
            .rows
            .iter()
            .filter(names_it)
            .filter_map(|row| self.source(&row.from));
        let callers: Vec<_> = sources.filter_map(|source| source.principals).flatten().collect();
        // If no row names the endpoint, it is denied to every caller.
        let from = (!callers.is_empty()).then(|| {
            vec![AuthorizationPolicyRulesFrom {
                source: Some(AuthorizationPolicyRulesFromSource {
                    not_principals: Some(callers),
                    ..Default::default()
                }),
            }]
        });
        let rule = AuthorizationPolicyRules {
            from,
            // On a TCP port, the paths would count as matched and deny every connection.
            to: Some(vec![AuthorizationPolicyRulesTo {
                operation: Some(AuthorizationPolicyRulesToOperation {
                    ports: Some(vec![MCP_PORT.number.to_string()]),
                    paths: Some(names::BULK_PATHS.map(str::to_owned).to_vec()),
                    ..Default::default()
                }),
            }]),
            ..Default::default()
        };
        AuthorizationPolicy {
            metadata: metadata::memory_meta(SYSTEM, "sophia-memory-of-all-people"),
            spec: AuthorizationPolicySpec {
                action: Some(AuthorizationPolicyAction::Deny),
                rules: Some(vec![rule]),
                selector: Some(AuthorizationPolicySelector {
                    match_labels: Some(string_map([("app", OPENMEMORY.app)])),
                }),
                ..Default::default()
            },
        }
    }

    /// The identities in a client's certificates; a client outside the mesh has none.
    fn source(self, from: &Peer) -> Option<AuthorizationPolicyRulesFromSource> {
        let principal = |namespace: &str, account: &str| {
            format!("{}/ns/{namespace}/sa/{account}", self.cluster.mesh.trust_domain)
        };
        let of = |caller: &Workload| principal(caller.namespace, caller.service_account);
        let principals = |principals| AuthorizationPolicyRulesFromSource {
            principals: Some(principals),
            ..Default::default()
        };
        match from {
            Peer::Workload(caller) => Some(principals(vec![of(caller)])),
            Peer::EveryWorkload => Some(principals(self.workloads.iter().map(of).collect())),
            Peer::InCluster(ClusterPeer {
                namespace,
                service_account: Some(account),
                ..
            }) => Some(principals(vec![principal(namespace, account)])),
            Peer::InCluster(ClusterPeer {
                namespace,
                service_account: None,
                ..
            }) => Some(AuthorizationPolicyRulesFromSource {
                namespaces: Some(vec![namespace.clone()]),
                ..Default::default()
            }),
            Peer::External(_) => None,
        }
    }

    /// The traffic that may reach and leave the pods of a workload.
    fn network_policy(self, workload: Workload) -> NetworkPolicy {
        let is_workload = |peer: &Peer| *peer == Peer::EveryWorkload || *peer == Peer::Workload(workload);
        let mut ingress = Vec::new();
        let mut egress = Vec::new();
        for row in self.rows {
            // Rows that differ only in HTTP fields become one rule, because packets have no paths.
            if is_workload(&row.to) {
                let rule = NetworkPolicyIngressRule {
                    from: Some(self.peers(&row.from, workload.namespace)),
                    ports: Some(ports(row)),
                };
                if !ingress.contains(&rule) {
                    ingress.push(rule);
                }
            }
            if is_workload(&row.from) {
                let rule = NetworkPolicyEgressRule {
                    to: Some(self.peers(&row.to, workload.namespace)),
                    ports: Some(ports(row)),
                };
                if !egress.contains(&rule) {
                    egress.push(rule);
                }
            }
        }
        NetworkPolicy {
            metadata: metadata::in_namespace(SYSTEM, workload.namespace, workload.name),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(metadata::selector(workload)),
                policy_types: Some(both_directions()),
                ingress: Some(ingress),
                egress: Some(egress),
            }),
        }
    }

    /// A peer as a policy in `namespace` selects it.
    fn peers(self, peer: &Peer, namespace: &str) -> Vec<NetworkPolicyPeer> {
        let pods = |workload: &Workload| NetworkPolicyPeer {
            namespace_selector: (workload.namespace != namespace).then(|| is_namespace(workload.namespace)),
            pod_selector: Some(metadata::selector(*workload)),
            ..Default::default()
        };
        match peer {
            Peer::Workload(workload) => vec![pods(workload)],
            Peer::EveryWorkload => self.workloads.iter().map(pods).collect(),
            Peer::InCluster(cluster_peer) => vec![NetworkPolicyPeer {
                namespace_selector: Some(is_namespace(&cluster_peer.namespace)),
                pod_selector: (!cluster_peer.labels.is_empty()).then(|| selects(cluster_peer.labels.clone())),
                ..Default::default()
            }],
            Peer::External(host) => blocks(host, &self.cluster.private_networks),
        }
    }
}

/// The source document names the policy of OpenMemory; the others are named after their workload.
fn policy_name(workload: Workload) -> String {
    if workload == names::OPENMEMORY {
        "sophia-memory-authz".to_owned()
    } else {
        format!("{}-authz", workload.name)
    }
}

fn operation(row: &Connection) -> Option<AuthorizationPolicyRulesToOperation> {
    let texts =
        |texts: &[&str]| (!texts.is_empty()).then(|| texts.iter().map(|&text| text.to_owned()).collect());
    let (methods, paths) = match &row.traffic {
        Traffic::Http { methods, paths, .. } => (texts(methods), texts(paths)),
        // On a TCP port, an HTTP attribute would make Istio ignore the whole rule.
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

fn is_namespace(name: &str) -> LabelSelector {
    selects(string_map([("kubernetes.io/metadata.name", name)]))
}

/// NetworkPolicies have no host names, so a host without known networks may be at any public address. See
/// `docs/known-limitations.md`.
fn blocks(host: &ExternalHost, private_networks: &[String]) -> Vec<NetworkPolicyPeer> {
    let block = |cidr: &str, except: Option<Vec<String>>| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except,
        }),
        ..Default::default()
    };
    if host.networks.is_empty() {
        vec![block(
            "0.0.0.0/0",
            (!private_networks.is_empty()).then(|| private_networks.to_vec()),
        )]
    } else {
        host.networks.iter().map(|network| block(network, None)).collect()
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
