//! External hosts in the mesh's registry, and which of them each workload can reach.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use phoenix_crds::networking::{
    ServiceEntry, ServiceEntryEndpoints, ServiceEntryLocation, ServiceEntryPorts, ServiceEntryResolution,
    ServiceEntrySpec, ServiceEntryWorkloadSelector, Sidecar, SidecarEgress, SidecarOutboundTrafficPolicy,
    SidecarOutboundTrafficPolicyMode, SidecarSpec, SidecarWorkloadSelector, VirtualService,
    VirtualServiceHttpMirrorPort, VirtualServiceSpec, VirtualServiceTls, VirtualServiceTlsMatch,
    VirtualServiceTlsRoute, VirtualServiceTlsRouteDestination,
};

use super::SYSTEM;
use crate::config::Mesh;
use crate::connections::{Connection, ExternalHost, Peer, Traffic};
use crate::names::{self, MCP_PORT, MEMORY_HOST, OPENMEMORY, Workload};
use crate::parts::metadata::{self, string_map};

/// The platform's host name inside the mesh, which sidecars resolve by DNS capture.
///
/// Its endpoints are the pods themselves, so that the name works even where the routes are unknown.
pub fn own_name(callers: Vec<String>) -> ServiceEntry {
    ServiceEntry {
        metadata: metadata::memory_meta(SYSTEM, "sophia-memory-local"),
        spec: ServiceEntrySpec {
            hosts: vec![MEMORY_HOST.to_owned()],
            ports: Some(vec![ServiceEntryPorts {
                number: 80,
                name: "http".to_owned(),
                protocol: Some("HTTP".to_owned()),
                target_port: Some(i64::from(MCP_PORT.number)),
            }]),
            location: Some(ServiceEntryLocation::MeshInternal),
            resolution: Some(ServiceEntryResolution::Static),
            workload_selector: Some(ServiceEntryWorkloadSelector {
                labels: Some(string_map([("app", OPENMEMORY.app)])),
            }),
            export_to: Some(callers),
            ..Default::default()
        },
    }
}

/// A `ServiceEntry` for each external host in the table.
pub fn external_hosts(rows: &[Connection], mesh: &Mesh) -> Vec<ServiceEntry> {
    let entries = hosts(rows).into_iter().enumerate();
    entries
        .map(|(position, (external, connections))| entry(external, &connections, position, mesh))
        .collect()
}

/// For each host that clients reach over TLS: only its own server name (SNI) is routed to it.
///
/// If the sidecar resolves the host to a virtual address, traffic to that address would otherwise reach the host with
/// any server name, including that of another tenant of the same servers.
pub fn by_server_name(rows: &[Connection]) -> Vec<VirtualService> {
    let hosts = hosts(rows).into_iter();
    hosts
        .filter(|(external, _)| address(external).is_none())
        .filter_map(|(external, connections)| {
            let ports: BTreeSet<u16> = connections
                .iter()
                .filter(|row| row.traffic == Traffic::Tls)
                .map(|row| row.port)
                .collect();
            (!ports.is_empty()).then(|| server_name(external, &connections, ports))
        })
        .collect()
}

/// The registered name of the Postgres server, and the namespaces of its clients.
pub fn postgres(rows: &[Connection]) -> Option<(String, Vec<String>)> {
    let mut hosts = hosts(rows).into_iter();
    let (external, connections) = hosts.find(|(external, _)| external.name == ExternalHost::POSTGRES)?;
    Some((registered_host(external), callers(&connections)))
}

fn server_name(external: &ExternalHost, connections: &[&Connection], ports: BTreeSet<u16>) -> VirtualService {
    let routes = ports.into_iter().map(|port| VirtualServiceTls {
        r#match: vec![VirtualServiceTlsMatch {
            port: Some(i64::from(port)),
            sni_hosts: vec![external.host.clone()],
            ..Default::default()
        }],
        route: Some(vec![VirtualServiceTlsRoute {
            destination: VirtualServiceTlsRouteDestination {
                host: external.host.clone(),
                port: Some(VirtualServiceHttpMirrorPort {
                    number: Some(i64::from(port)),
                }),
                ..Default::default()
            },
            ..Default::default()
        }]),
    });
    VirtualService {
        metadata: metadata::memory_meta(SYSTEM, &external.entry()),
        spec: VirtualServiceSpec {
            hosts: Some(vec![external.host.clone()]),
            tls: Some(routes.collect()),
            export_to: Some(callers(connections)),
            ..Default::default()
        },
    }
}

/// The external hosts, each with its rows.
fn hosts(rows: &[Connection]) -> Vec<(&ExternalHost, Vec<&Connection>)> {
    let mut hosts: Vec<(&ExternalHost, Vec<&Connection>)> = Vec::new();
    for row in rows {
        if let Peer::External(external) = &row.to {
            match hosts.iter_mut().find(|(known, _)| *known == external) {
                Some((_, connections)) => connections.push(row),
                None => hosts.push((external, vec![row])),
            }
        }
    }
    hosts
}

/// The namespaces of all clients of a host.
fn callers(connections: &[&Connection]) -> Vec<String> {
    let mut namespaces = Vec::new();
    for row in connections {
        if let Peer::Workload(caller) = row.from {
            let namespace = seen_from_memory(caller.namespace);
            if !namespaces.contains(&namespace) {
                namespaces.push(namespace);
            }
        }
    }
    namespaces
}

/// A host with the ports of all its rows, visible to the namespaces of its clients.
fn entry(external: &ExternalHost, connections: &[&Connection], position: usize, mesh: &Mesh) -> ServiceEntry {
    let (resolution, addresses) = resolution(external, &connections[0].traffic, position, mesh);
    let mut ports: Vec<ServiceEntryPorts> = Vec::new();
    for row in connections {
        let (name, protocol) = match row.traffic {
            // The sidecar forwards the client's TLS and routes it by SNI.
            Traffic::Tls => ("tls", "TLS"),
            // HTTP requests carry the host name too.
            Traffic::Http { .. } => ("http", "HTTP"),
            _ => ("tcp", "TCP"),
        };
        if ports.iter().any(|port| port.number == i64::from(row.port)) {
            continue;
        }
        ports.push(ServiceEntryPorts {
            number: i64::from(row.port),
            // Names are unique; the first keeps the short one.
            name: match ports.len() {
                0 => name.to_owned(),
                _ => format!("{name}-{}", row.port),
            },
            protocol: Some(protocol.to_owned()),
            ..Default::default()
        });
    }
    let endpoints = address(external).map(|address| {
        vec![ServiceEntryEndpoints {
            address: Some(address.to_string()),
            ..Default::default()
        }]
    });
    ServiceEntry {
        metadata: metadata::memory_meta(SYSTEM, &external.entry()),
        spec: ServiceEntrySpec {
            hosts: vec![registered_host(external)],
            addresses,
            ports: Some(ports),
            location: Some(ServiceEntryLocation::MeshExternal),
            resolution: Some(resolution),
            endpoints,
            export_to: Some(callers(connections)),
            ..Default::default()
        },
    }
}

/// How a sidecar resolves a host, and which addresses identify it.
///
/// TLS and HTTP carry the host name. Plain TCP does not, so only the address identifies its destination.
fn resolution(
    external: &ExternalHost,
    traffic: &Traffic,
    position: usize,
    mesh: &Mesh,
) -> (ServiceEntryResolution, Option<Vec<String>>) {
    if let Some(address) = address(external) {
        return (ServiceEntryResolution::Static, Some(vec![address.to_string()]));
    }
    if *traffic != Traffic::Tcp {
        // The sidecar resolves the host itself, so that a client cannot substitute another address.
        return (ServiceEntryResolution::Dns, None);
    }
    if mesh.dns_capture {
        // The sidecar resolves the host to a virtual address and connects to the host itself. The address is from a
        // range that no network uses, outside the part that istiod assigns automatically.
        let address = format!("240.0.0.{}", position + 1);
        return (ServiceEntryResolution::Dns, Some(vec![address]));
    }
    // Clients resolve the host themselves. Without an address, the sidecar treats every connection to this port as
    // one to the host, and still connects only to the host.
    (ServiceEntryResolution::Dns, None)
}

/// The registry name of a host. A `ServiceEntry` does not accept an IP address as a host, so addresses get a name.
fn registered_host(external: &ExternalHost) -> String {
    match address(external) {
        Some(_) => format!("{}.outside.{}", external.name, names::MEMORY),
        None => external.host.clone(),
    }
}

/// A namespace in `exportTo`, as seen from the platform's own namespace.
pub fn seen_from_memory(namespace: &str) -> String {
    if namespace == names::MEMORY {
        ".".to_owned()
    } else {
        namespace.to_owned()
    }
}

fn address(external: &ExternalHost) -> Option<Ipv4Addr> {
    external.host.parse().ok()
}

/// Restricts the sidecar of a workload to the hosts in the workload's rows.
///
/// This prevents mistakes, not attacks: only a NetworkPolicy stops a process that bypasses its sidecar.
pub fn sidecar(workload: Workload, rows: &[Connection]) -> Sidecar {
    let mut hosts: Vec<String> = Vec::new();
    for row in rows
        .iter()
        .filter(|row| row.from == Peer::Workload(workload) || row.from == Peer::EveryWorkload)
    {
        let host = match &row.to {
            Peer::Workload(target) => {
                let namespace = if target.namespace == workload.namespace {
                    "."
                } else {
                    target.namespace
                };
                format!("{namespace}/{}", target.host_for(workload))
            }
            // The ServiceEntries are in the platform's own namespace.
            Peer::External(external) if workload.namespace == names::MEMORY => {
                format!("./{}", registered_host(external))
            }
            Peer::External(external) => format!("{}/{}", names::MEMORY, registered_host(external)),
            // DNS, configuration and metrics bypass the sidecar.
            Peer::InCluster(_) | Peer::EveryWorkload => continue,
        };
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    if hosts.is_empty() {
        // No host at all.
        hosts.push("~/*".to_owned());
    }
    let mut metadata = metadata::in_namespace(SYSTEM, workload.namespace, workload.name);
    if workload.is_job() {
        // It usually has no pod, which `istioctl analyze` would report as a selector without a match.
        metadata::annotate(&mut metadata, "galley.istio.io/analyze-suppress", "IST0101");
    }
    let selector = SidecarWorkloadSelector {
        labels: Some(string_map([("app", workload.app)])),
    };
    Sidecar {
        metadata,
        spec: limited_to(hosts, Some(selector)),
    }
}

/// Leaves no host to the sidecars of all other pods in the platform's namespace, such as those that an operator starts.
/// Without it, they could reach every host.
pub fn other_sidecars() -> Sidecar {
    Sidecar {
        metadata: metadata::memory_meta(SYSTEM, "default"),
        spec: limited_to(vec!["~/*".to_owned()], None),
    }
}

fn limited_to(hosts: Vec<String>, workload_selector: Option<SidecarWorkloadSelector>) -> SidecarSpec {
    SidecarSpec {
        workload_selector,
        egress: Some(vec![SidecarEgress {
            hosts,
            ..Default::default()
        }]),
        outbound_traffic_policy: Some(SidecarOutboundTrafficPolicy {
            mode: Some(SidecarOutboundTrafficPolicyMode::RegistryOnly),
            ..Default::default()
        }),
        ..Default::default()
    }
}
