//! Routing: into the platform, between its workloads, and out of it.
//!
//! Authorization belongs to `trust`; this module only routes. It adds no route that is not in the connection table
//! and opens nothing in externally managed namespaces.

mod egress;
mod routes;

use phoenix_crds::networking::{
    DestinationRule, DestinationRuleSpec, DestinationRuleTrafficPolicy,
    DestinationRuleTrafficPolicyConnectionPool, DestinationRuleTrafficPolicyConnectionPoolHttp,
    DestinationRuleTrafficPolicyConnectionPoolTcp, DestinationRuleTrafficPolicyLoadBalancer,
    DestinationRuleTrafficPolicyLoadBalancerSimple, DestinationRuleTrafficPolicyOutlierDetection,
    DestinationRuleTrafficPolicyTls, DestinationRuleTrafficPolicyTlsMode, Gateway, GatewayServers,
    GatewayServersPort, GatewayServersTls, GatewayServersTlsMinProtocolVersion, GatewayServersTlsMode,
    GatewaySpec,
};
use phoenix_graph::Graph;

use crate::config::{self, Mesh, PostgresTransport, Routing};
use crate::connections::{Connection, ExternalHost, Peer};
use crate::names::{
    self, CHAT, KNOWLEDGE_GRAPH, LANGGRAPH, MEMORY_HOST, OPENMEMORY, QDRANT, REDIS, Workload,
};
use crate::parts::metadata;

/// The system's name.
const SYSTEM: &str = "mesh";

/// The port that the gateway listens on, and its name.
const GATEWAY: &str = "sophia-memory-gateway";

/// Builds routes, destination rules, the gateway, external hosts and sidecars.
pub fn build(
    rows: &[Connection],
    workloads: &[Workload],
    routing: &Routing,
    mesh: &Mesh,
    postgres: PostgresTransport,
) -> Graph {
    let mut graph = Graph::of(SYSTEM);
    let callers = callers_of(OPENMEMORY, rows);
    let hosts = hosts(routing);
    if let Some(gateway) = &routing.gateway {
        graph.insert(open_port(gateway, &hosts));
    }
    graph.insert(routes::by_path(&hosts, routing.gateway.is_some(), &callers));
    graph.insert(routes::by_service(&callers));
    graph.insert(to_openmemory(callers.clone()));
    graph.insert(to_qdrant());
    graph.insert(to_qdrant_peers());
    if workloads.contains(&REDIS) {
        // The tier's target of tens of milliseconds leaves little time to connect.
        graph.insert(to_store(REDIS, callers_of(REDIS, rows), "1s"));
    }
    if workloads.contains(&KNOWLEDGE_GRAPH) {
        let callers = callers_of(KNOWLEDGE_GRAPH, rows);
        graph.insert(to_store(KNOWLEDGE_GRAPH, callers, "5s"));
    }
    for server in [LANGGRAPH, CHAT] {
        if workloads.contains(&server) {
            graph.insert(to_server(server, callers_of(server, rows)));
        }
    }
    if mesh.dns_capture {
        graph.insert(egress::own_name(callers));
    }
    for entry in egress::external_hosts(rows, mesh) {
        graph.insert(entry);
    }
    if postgres == PostgresTransport::Mesh
        && let Some((host, callers)) = egress::postgres(rows)
    {
        graph.insert(to_postgres(host, callers));
    }
    for route in egress::by_server_name(rows) {
        graph.insert(route);
    }
    graph.insert(egress::other_sidecars());
    for workload in workloads {
        graph.insert(egress::sidecar(*workload, rows));
    }
    graph
}

/// The host names of the platform.
fn hosts(routing: &Routing) -> Vec<String> {
    let mut hosts = vec![MEMORY_HOST.to_owned()];
    if let Some(host) = routing.gateway.as_ref().and_then(|gateway| gateway.host.as_ref())
        && host.as_str() != MEMORY_HOST
    {
        hosts.push(host.to_string());
    }
    hosts
}

/// The namespaces whose sidecars learn the routes to a workload: those of its clients, and the platform's own.
fn callers_of(target: Workload, rows: &[Connection]) -> Vec<String> {
    let mut namespaces = vec![".".to_owned()];
    for row in rows.iter().filter(|row| row.to == Peer::Workload(target)) {
        let namespace = match &row.from {
            Peer::InCluster(caller) => &caller.namespace,
            Peer::Workload(caller) => caller.namespace,
            Peer::EveryWorkload | Peer::External(_) => continue,
        };
        let namespace = egress::seen_from_memory(namespace);
        if !namespaces.contains(&namespace) {
            namespaces.push(namespace);
        }
    }
    namespaces
}

/// Opens a TLS port on the pods of the cluster's gateway.
///
/// Plain HTTP is not redirected: by then, the client would already have sent its token in plain text.
fn open_port(gateway: &config::Gateway, hosts: &[String]) -> Gateway {
    Gateway {
        metadata: metadata::memory_meta(SYSTEM, GATEWAY),
        spec: GatewaySpec {
            selector: Some(gateway.selector.clone()),
            servers: Some(vec![GatewayServers {
                port: GatewayServersPort {
                    number: 443,
                    name: "https".to_owned(),
                    protocol: "HTTPS".to_owned(),
                    ..Default::default()
                },
                // The namespace prefix prevents routes in other namespaces from taking over these hosts.
                hosts: hosts
                    .iter()
                    .map(|host| format!("{}/{host}", names::MEMORY))
                    .collect(),
                tls: Some(GatewayServersTls {
                    mode: Some(GatewayServersTlsMode::Simple),
                    credential_name: Some(gateway.credential.to_string()),
                    min_protocol_version: Some(GatewayServersTlsMinProtocolVersion::Tlsv12),
                    ..Default::default()
                }),
                ..Default::default()
            }]),
        },
    }
}

/// The values of the source document.
fn to_openmemory(callers: Vec<String>) -> DestinationRule {
    destination(
        "sophia-memory-destination",
        OPENMEMORY.host(),
        callers,
        DestinationRuleTrafficPolicy {
            load_balancer: Some(least_request()),
            connection_pool: Some(connections(100, 50)),
            outlier_detection: Some(DestinationRuleTrafficPolicyOutlierDetection {
                consecutive5xx_errors: Some(3),
                interval: Some("30s".to_owned()),
                base_ejection_time: Some("30s".to_owned()),
                ..outlier_ejection_limit()
            }),
            tls: Some(mutual_tls()),
            ..Default::default()
        },
    )
}

/// A server in the cluster, whose sidecar accepts only mutual TLS.
fn to_postgres(host: String, callers: Vec<String>) -> DestinationRule {
    destination(
        ExternalHost::POSTGRES,
        host,
        callers,
        DestinationRuleTrafficPolicy {
            tls: Some(mutual_tls()),
            ..Default::default()
        },
    )
}

fn to_qdrant() -> DestinationRule {
    destination(
        "qdrant-destination",
        QDRANT.host(),
        vec![".".to_owned()],
        DestinationRuleTrafficPolicy {
            load_balancer: Some(least_request()),
            // Each OpenMemory pod usually has a few requests in progress; these limits apply to overload.
            connection_pool: Some(connections(100, 100)),
            outlier_detection: Some(DestinationRuleTrafficPolicyOutlierDetection {
                // Qdrant returns 500 for reasons in the request, so every peer would. Errors that the sidecar
                // generates for an unreachable or overloaded peer do count.
                consecutive5xx_errors: Some(0),
                consecutive_gateway_errors: Some(3),
                interval: Some("10s".to_owned()),
                base_ejection_time: Some("30s".to_owned()),
                ..outlier_ejection_limit()
            }),
            tls: Some(mutual_tls()),
            ..Default::default()
        },
    )
}

/// Peers and their backup Jobs choose their target, so there is no load balancing and no outlier ejection.
fn to_qdrant_peers() -> DestinationRule {
    destination(
        "qdrant-peers-destination",
        QDRANT.host_for(QDRANT),
        vec![".".to_owned()],
        DestinationRuleTrafficPolicy {
            tls: Some(mutual_tls()),
            ..Default::default()
        },
    )
}

/// A single server whose protocol is opaque to the mesh: there is no load balancing and no outlier ejection. A
/// connection attempt fails after `connect`.
fn to_store(store: Workload, callers: Vec<String>, connect: &str) -> DestinationRule {
    destination(
        &format!("{}-destination", store.name),
        store.host(),
        callers,
        DestinationRuleTrafficPolicy {
            connection_pool: Some(DestinationRuleTrafficPolicyConnectionPool {
                tcp: Some(DestinationRuleTrafficPolicyConnectionPoolTcp {
                    max_connections: Some(100),
                    connect_timeout: Some(connect.to_owned()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            tls: Some(mutual_tls()),
            ..Default::default()
        },
    )
}

/// A server with interchangeable pods. Errors that the server returns are independent of the pod; errors that the
/// sidecar generates for an unreachable or overloaded pod count against that pod.
///
/// The mesh looks for the `DestinationRule` in the namespace of the Service.
fn to_server(server: Workload, callers: Vec<String>) -> DestinationRule {
    let mut rule = destination(
        &format!("{}-destination", server.name),
        server.host(),
        callers,
        DestinationRuleTrafficPolicy {
            load_balancer: Some(least_request()),
            connection_pool: Some(connections(100, 100)),
            outlier_detection: Some(DestinationRuleTrafficPolicyOutlierDetection {
                consecutive5xx_errors: Some(0),
                consecutive_gateway_errors: Some(3),
                interval: Some("10s".to_owned()),
                base_ejection_time: Some("30s".to_owned()),
                ..outlier_ejection_limit()
            }),
            tls: Some(mutual_tls()),
            ..Default::default()
        },
    );
    rule.metadata.namespace = Some(server.namespace.to_owned());
    if let Some(callers) = &mut rule.spec.export_to {
        // The namespace of the rule itself is `.` already.
        callers.retain(|caller| caller != server.namespace);
    }
    rule
}

fn destination(
    name: &str,
    host: String,
    export_to: Vec<String>,
    traffic_policy: DestinationRuleTrafficPolicy,
) -> DestinationRule {
    DestinationRule {
        metadata: metadata::memory_meta(SYSTEM, name),
        spec: DestinationRuleSpec {
            host,
            traffic_policy: Some(traffic_policy),
            export_to: Some(export_to),
            ..Default::default()
        },
    }
}

fn least_request() -> DestinationRuleTrafficPolicyLoadBalancer {
    DestinationRuleTrafficPolicyLoadBalancer {
        simple: Some(DestinationRuleTrafficPolicyLoadBalancerSimple::LeastRequest),
        ..Default::default()
    }
}

/// Limits of each client sidecar. A stream holds its connection for its whole duration, so none of them limits time.
fn connections(most: i32, waiting: i32) -> DestinationRuleTrafficPolicyConnectionPool {
    DestinationRuleTrafficPolicyConnectionPool {
        tcp: Some(DestinationRuleTrafficPolicyConnectionPoolTcp {
            max_connections: Some(most),
            connect_timeout: Some("5s".to_owned()),
            ..Default::default()
        }),
        http: Some(DestinationRuleTrafficPolicyConnectionPoolHttp {
            http1_max_pending_requests: Some(waiting),
            ..Default::default()
        }),
    }
}

/// One of three pods may be ejected, and never the only one. If fewer than half are healthy, all of them receive
/// requests.
fn outlier_ejection_limit() -> DestinationRuleTrafficPolicyOutlierDetection {
    DestinationRuleTrafficPolicyOutlierDetection {
        max_ejection_percent: Some(50),
        min_health_percent: Some(50),
        ..Default::default()
    }
}

/// Explicit instead of automatic: a pod without a sidecar behind the Service must be rejected, not called in plain
/// text.
fn mutual_tls() -> DestinationRuleTrafficPolicyTls {
    DestinationRuleTrafficPolicyTls {
        mode: Some(DestinationRuleTrafficPolicyTlsMode::IstioMutual),
        ..Default::default()
    }
}
