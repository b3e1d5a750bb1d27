//! What the mesh's registry knows besides Services, and what of it each workload may reach.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use kcr_networking_istio_io::v1::serviceentries::{
    ServiceEntry, ServiceEntryEndpoints, ServiceEntryLocation, ServiceEntryPorts, ServiceEntryResolution,
    ServiceEntrySpec, ServiceEntryWorkloadSelector,
};
use kcr_networking_istio_io::v1::sidecars::{
    Sidecar, SidecarEgress, SidecarOutboundTrafficPolicy, SidecarOutboundTrafficPolicyMode, SidecarSpec,
    SidecarWorkloadSelector,
};
use kcr_networking_istio_io::v1::virtualservices::{
    VirtualService, VirtualServiceSpec, VirtualServiceTls, VirtualServiceTlsMatch, VirtualServiceTlsRoute,
    VirtualServiceTlsRouteDestination, VirtualServiceTlsRouteDestinationPort,
};

use super::SYSTEM;
use crate::config::Mesh;
use crate::connections::{Connection, Outside, Peer, Traffic};
use crate::names::{self, MCP_PORT, MEMORY_HOST, OPENMEMORY, Workload};
use crate::parts::metadata::{self, pairs};

/// The platform's own name inside the mesh: its sidecars answer it by their DNS capture.
///
/// The pods themselves stand behind it, so that the name leads to them even where the routes are not known.
pub fn own_name(callers: Vec<String>) -> ServiceEntry {
    ServiceEntry {
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-local"),
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
                labels: Some(pairs([("app", OPENMEMORY.app)])),
            }),
            export_to: Some(callers),
            ..Default::default()
        },
        status: None,
    }
}

/// An entry for each host outside the cluster that the table names.
pub fn outside(rows: &[Connection], mesh: &Mesh) -> Vec<ServiceEntry> {
    let entries = hosts(rows).into_iter().enumerate();
    entries
        .map(|(position, (outside, ways))| entry(outside, &ways, position, mesh))
        .collect()
}

/// For each host that callers reach by TLS: only its own server name leads there.
///
/// Where the sidecar answers the host's name with an address of its own, whatever is sent to that address would go to
/// the host, with the server name of another tenant of the same machines too.
pub fn by_server_name(rows: &[Connection]) -> Vec<VirtualService> {
    let hosts = hosts(rows).into_iter();
    hosts
        .filter(|(outside, _)| address(outside).is_none())
        .filter_map(|(outside, ways)| {
            let ports: BTreeSet<u16> = ways
                .iter()
                .filter(|row| row.traffic == Traffic::Tls)
                .map(|row| row.port)
                .collect();
            (!ports.is_empty()).then(|| server_name(outside, &ways, ports))
        })
        .collect()
}

fn server_name(outside: &Outside, ways: &[&Connection], ports: BTreeSet<u16>) -> VirtualService {
    let routes = ports.into_iter().map(|port| VirtualServiceTls {
        r#match: vec![VirtualServiceTlsMatch {
            port: Some(i64::from(port)),
            sni_hosts: vec![outside.host.clone()],
            ..Default::default()
        }],
        route: Some(vec![VirtualServiceTlsRoute {
            destination: VirtualServiceTlsRouteDestination {
                host: outside.host.clone(),
                port: Some(VirtualServiceTlsRouteDestinationPort {
                    number: Some(i64::from(port)),
                }),
                ..Default::default()
            },
            ..Default::default()
        }]),
    });
    VirtualService {
        metadata: metadata::in_memory(SYSTEM, &outside.entry()),
        spec: VirtualServiceSpec {
            hosts: Some(vec![outside.host.clone()]),
            tls: Some(routes.collect()),
            export_to: Some(callers(ways)),
            ..Default::default()
        },
        status: None,
    }
}

/// The hosts that rows lead out to, each with its rows.
fn hosts(rows: &[Connection]) -> Vec<(&Outside, Vec<&Connection>)> {
    let mut hosts: Vec<(&Outside, Vec<&Connection>)> = Vec::new();
    for row in rows {
        if let Peer::Outside(outside) = &row.to {
            match hosts.iter_mut().find(|(known, _)| *known == outside) {
                Some((_, ways)) => ways.push(row),
                None => hosts.push((outside, vec![row])),
            }
        }
    }
    hosts
}

/// The namespaces of all who open a host.
fn callers(ways: &[&Connection]) -> Vec<String> {
    let mut namespaces = Vec::new();
    for row in ways {
        if let Peer::Workload(caller) = row.from {
            let namespace = seen_from_memory(caller.namespace);
            if !namespaces.contains(&namespace) {
                namespaces.push(namespace);
            }
        }
    }
    namespaces
}

/// One host, with the ports of all rows that lead to it, for the namespaces of all who open them.
fn entry(outside: &Outside, ways: &[&Connection], position: usize, mesh: &Mesh) -> ServiceEntry {
    let (resolution, addresses) = way_to(outside, &ways[0].traffic, position, mesh);
    let mut ports: Vec<ServiceEntryPorts> = Vec::new();
    for row in ways {
        let (name, protocol) = match row.traffic {
            // The sidecar passes the caller's own TLS on, and tells it by its server name.
            Traffic::Tls => ("tls", "TLS"),
            // Requests carry the host's name too.
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
    let endpoints = address(outside).map(|address| {
        vec![ServiceEntryEndpoints {
            address: Some(address.to_string()),
            ..Default::default()
        }]
    });
    ServiceEntry {
        metadata: metadata::in_memory(SYSTEM, &outside.entry()),
        spec: ServiceEntrySpec {
            hosts: vec![registered_host(outside)],
            addresses,
            ports: Some(ports),
            location: Some(ServiceEntryLocation::MeshExternal),
            resolution: Some(resolution),
            endpoints,
            export_to: Some(callers(ways)),
            ..Default::default()
        },
        status: None,
    }
}

/// How a sidecar finds a host, and by which addresses it knows that a caller means it.
///
/// TLS and HTTP carry the host's name. Plain TCP carries none, so that only its address tells where it wants to go.
fn way_to(
    outside: &Outside,
    traffic: &Traffic,
    position: usize,
    mesh: &Mesh,
) -> (ServiceEntryResolution, Option<Vec<String>>) {
    if let Some(address) = address(outside) {
        return (ServiceEntryResolution::Static, Some(vec![address.to_string()]));
    }
    if *traffic != Traffic::Tcp {
        // The sidecar looks the host up itself, so that a caller cannot put another address under its name.
        return (ServiceEntryResolution::Dns, None);
    }
    if mesh.dns_capture {
        // The sidecar answers the host's name with an address of its own, and connects to the host for whoever opens
        // it. The address is of a range that no network uses, beside the part that istiod gives out by itself.
        let address = format!("240.0.0.{}", position + 1);
        return (ServiceEntryResolution::Dns, Some(vec![address]));
    }
    // Callers find the host themselves. Without an address the sidecar takes whatever they open on this port for the
    // host's, and still connects to the host and to nobody else.
    (ServiceEntryResolution::Dns, None)
}

/// The name under which the registry knows a host. It takes no addresses for names, so those get one.
fn registered_host(outside: &Outside) -> String {
    match address(outside) {
        Some(_) => format!("{}.outside.{}", outside.name, names::MEMORY),
        None => outside.host.clone(),
    }
}

/// A namespace as an object of the platform's own namespace names it where it says who may see it.
pub fn seen_from_memory(namespace: &str) -> String {
    if namespace == names::MEMORY {
        ".".to_owned()
    } else {
        namespace.to_owned()
    }
}

fn address(outside: &Outside) -> Option<Ipv4Addr> {
    outside.host.parse().ok()
}

/// A workload's sidecar knows what the rows of the workload name, and sends nothing anywhere else.
///
/// It keeps mistakes in, not attackers: a process that goes around its sidecar is stopped by the NetworkPolicy only.
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
            // The entries are in the platform's own namespace.
            Peer::Outside(outside) if workload.namespace == names::MEMORY => {
                format!("./{}", registered_host(outside))
            }
            Peer::Outside(outside) => format!("{}/{}", names::MEMORY, registered_host(outside)),
            // Names, configuration and metrics pass beside the sidecar.
            Peer::Neighbour(_) | Peer::EveryWorkload => continue,
        };
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    if hosts.is_empty() {
        // Nothing at all.
        hosts.push("~/*".to_owned());
    }
    let mut metadata = metadata::in_namespace(SYSTEM, workload.namespace, workload.name);
    if workload.is_job() {
        // Most of the time it has no pod, which `istioctl analyze` takes for a selector that is wrong.
        metadata::annotate(&mut metadata, "galley.istio.io/analyze-suppress", "IST0101");
    }
    Sidecar {
        metadata,
        spec: SidecarSpec {
            workload_selector: Some(SidecarWorkloadSelector {
                labels: Some(pairs([("app", workload.app)])),
            }),
            egress: Some(vec![SidecarEgress {
                hosts,
                ..Default::default()
            }]),
            outbound_traffic_policy: Some(SidecarOutboundTrafficPolicy {
                mode: Some(SidecarOutboundTrafficPolicyMode::RegistryOnly),
                ..Default::default()
            }),
            ..Default::default()
        },
        status: None,
    }
}
