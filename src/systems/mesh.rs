//! How requests find their way: into the platform, between its workloads, and out of it.
//!
//! What may be said is not decided here but in `trust`; this module only knows the ways. It routes nowhere that the
//! connection table does not name, and opens nothing in namespaces that are not ours.

mod egress;
mod routes;

use kcr_networking_istio_io::v1::destinationrules::{
    DestinationRule, DestinationRuleSpec, DestinationRuleTrafficPolicy,
    DestinationRuleTrafficPolicyConnectionPool, DestinationRuleTrafficPolicyConnectionPoolHttp,
    DestinationRuleTrafficPolicyConnectionPoolTcp, DestinationRuleTrafficPolicyLoadBalancer,
    DestinationRuleTrafficPolicyLoadBalancerSimple, DestinationRuleTrafficPolicyOutlierDetection,
    DestinationRuleTrafficPolicyTls, DestinationRuleTrafficPolicyTlsMode,
};
use kcr_networking_istio_io::v1::gateways::{
    Gateway, GatewayServers, GatewayServersPort, GatewayServersTls, GatewayServersTlsMinProtocolVersion,
    GatewayServersTlsMode, GatewaySpec,
};
use phoenix_graph::Graph;

use crate::config::{self, Mesh, Routing};
use crate::connections::{Connection, Peer};
use crate::names::{
    self, CHAT, KNOWLEDGE_GRAPH, LANGGRAPH, MEMORY_HOST, OPENMEMORY, QDRANT, REDIS, Workload,
};
use crate::parts::metadata;

/// The system's name.
const SYSTEM: &str = "mesh";

/// The port that the gateway listens on, and its name.
const GATEWAY: &str = "sophia-memory-gateway";

/// Routes, their protection, and the ways in and out.
pub fn build(rows: &[Connection], workloads: &[Workload], routing: &Routing, mesh: &Mesh) -> Graph {
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
        // Within its tier's tens of milliseconds there is no time to wait for long.
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
    for entry in egress::outside(rows, mesh) {
        graph.insert(entry);
    }
    for route in egress::by_server_name(rows) {
        graph.insert(route);
    }
    for workload in workloads {
        graph.insert(egress::sidecar(*workload, rows));
    }
    graph
}

/// The names under which people and programs address the platform.
fn hosts(routing: &Routing) -> Vec<String> {
    let mut hosts = vec![MEMORY_HOST.to_owned()];
    if let Some(host) = routing.gateway.as_ref().and_then(|gateway| gateway.host.as_ref())
        && host.as_str() != MEMORY_HOST
    {
        hosts.push(host.to_string());
    }
    hosts
}

/// The namespaces whose sidecars learn the ways to a workload: those that the table lets call it, and our own.
fn callers_of(target: Workload, rows: &[Connection]) -> Vec<String> {
    let mut namespaces = vec![".".to_owned()];
    for row in rows.iter().filter(|row| row.to == Peer::Workload(target)) {
        let namespace = match &row.from {
            Peer::Neighbour(caller) => &caller.namespace,
            Peer::Workload(caller) => caller.namespace,
            Peer::EveryWorkload | Peer::Outside(_) => continue,
        };
        let namespace = egress::seen_from_memory(namespace);
        if !namespaces.contains(&namespace) {
            namespaces.push(namespace);
        }
    }
    namespaces
}

/// Opens a port for TLS on the pods of the cluster's gateway.
///
/// Plain HTTP is not even redirected: by the time of the redirect the client would have sent its token in the clear.
fn open_port(gateway: &config::Gateway, hosts: &[String]) -> Gateway {
    Gateway {
        metadata: metadata::in_memory(SYSTEM, GATEWAY),
        spec: GatewaySpec {
            selector: Some(gateway.selector.clone()),
            servers: Some(vec![GatewayServers {
                port: GatewayServersPort {
                    number: 443,
                    name: "https".to_owned(),
                    protocol: "HTTPS".to_owned(),
                    ..Default::default()
                },
                // With the namespace before them, routes of other namespaces cannot take these hosts over.
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
        status: None,
    }
}

/// The numbers of the source document.
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
                ..half_must_stay()
            }),
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
            // Each of OpenMemory's pods has a few calls under way at a time; these are bounds for a storm.
            connection_pool: Some(connections(100, 100)),
            outlier_detection: Some(DestinationRuleTrafficPolicyOutlierDetection {
                // A 500 of Qdrant speaks of the request, and every peer would say the same. What a peer that is away
                // or overloaded makes its sidecar say does count.
                consecutive5xx_errors: Some(0),
                consecutive_gateway_errors: Some(3),
                interval: Some("10s".to_owned()),
                base_ejection_time: Some("30s".to_owned()),
                ..half_must_stay()
            }),
            tls: Some(mutual_tls()),
            ..Default::default()
        },
    )
}

/// The peers, and those who copy them, choose whom they talk to, so there is no balancing and nobody to leave out.
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

/// A single server whose protocol the mesh takes for bytes: there is no balancing, and nobody to leave out. A connection
/// is opened within `connect`, or the caller is told.
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

/// A server whose pods are all alike. What it says of a request every pod would say; what its sidecar says of a pod that
/// is away or overloaded counts against that pod.
///
/// The mesh looks for the rule of a Service in its own namespace.
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
                ..half_must_stay()
            }),
            tls: Some(mutual_tls()),
            ..Default::default()
        },
    );
    rule.metadata.namespace = Some(server.namespace.to_owned());
    if let Some(callers) = &mut rule.spec.export_to {
        // The rule's own namespace is `.` already.
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
        metadata: metadata::in_memory(SYSTEM, name),
        spec: DestinationRuleSpec {
            host,
            traffic_policy: Some(traffic_policy),
            export_to: Some(export_to),
            ..Default::default()
        },
        status: None,
    }
}

fn least_request() -> DestinationRuleTrafficPolicyLoadBalancer {
    DestinationRuleTrafficPolicyLoadBalancer {
        simple: Some(DestinationRuleTrafficPolicyLoadBalancerSimple::LeastRequest),
        ..Default::default()
    }
}

/// Bounds of each calling sidecar. A stream holds its connection for as long as it lasts, so nothing here bounds time.
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

/// Of three pods one may be left out, and never the only one: with fewer than half of them well, all of them are asked.
fn half_must_stay() -> DestinationRuleTrafficPolicyOutlierDetection {
    DestinationRuleTrafficPolicyOutlierDetection {
        max_ejection_percent: Some(50),
        min_health_percent: Some(50),
        ..Default::default()
    }
}

/// Said, not left to be found out: a pod without a sidecar behind the Service must be refused, not spoken to in clear.
fn mutual_tls() -> DestinationRuleTrafficPolicyTls {
    DestinationRuleTrafficPolicyTls {
        mode: Some(DestinationRuleTrafficPolicyTlsMode::IstioMutual),
        ..Default::default()
    }
}
