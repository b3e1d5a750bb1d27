//! What the mesh's registry knows besides Services, and what of it each workload may reach.

use std::net::Ipv4Addr;

use kcr_networking_istio_io::v1::serviceentries::{
    ServiceEntry, ServiceEntryEndpoints, ServiceEntryLocation, ServiceEntryPorts, ServiceEntryResolution,
    ServiceEntrySpec, ServiceEntryWorkloadSelector,
};
use kcr_networking_istio_io::v1::sidecars::{
    Sidecar, SidecarEgress, SidecarOutboundTrafficPolicy, SidecarOutboundTrafficPolicyMode, SidecarSpec,
    SidecarWorkloadSelector,
};

use super::SYSTEM;
use crate::config::Mesh;
use crate::connections::{Connection, Outside, Peer, Traffic};
use crate::names::{self, MCP_PORT, MEMORY_HOST, OPENMEMORY, Workload};
use crate::parts::metadata::{self, pairs};

/// How names are asked for; all other infrastructure passes beside the sidecars.
const NAMES: Traffic = Traffic::Infrastructure { udp: true };

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
pub fn outside(rows: &[Connection]) -> Vec<ServiceEntry> {
    rows.iter()
        .filter_map(|row| match &row.to {
            Peer::Outside(outside) => Some(entry(outside, row)),
            _ => None,
        })
        .collect()
}

fn entry(outside: &Outside, row: &Connection) -> ServiceEntry {
    let (name, protocol) = match row.traffic {
        // The sidecar passes the caller's own TLS on, and tells it by its server name.
        Traffic::Tls => ("tls", "TLS"),
        _ => ("tcp", "TCP"),
    };
    let (resolution, endpoints) = if address(outside).is_some() {
        (
            ServiceEntryResolution::Static,
            Some(vec![ServiceEntryEndpoints {
                address: Some(outside.host.clone()),
                ..Default::default()
            }]),
        )
    } else {
        // The sidecar looks the host up itself, so that a caller cannot put another address under the name.
        (ServiceEntryResolution::Dns, None)
    };
    ServiceEntry {
        metadata: metadata::in_memory(SYSTEM, outside.name),
        spec: ServiceEntrySpec {
            hosts: vec![registered_host(outside)],
            addresses: addresses(outside, &row.traffic),
            ports: Some(vec![ServiceEntryPorts {
                number: i64::from(row.port),
                name: name.to_owned(),
                protocol: Some(protocol.to_owned()),
                ..Default::default()
            }]),
            location: Some(ServiceEntryLocation::MeshExternal),
            resolution: Some(resolution),
            endpoints,
            export_to: Some(vec![".".to_owned()]),
            ..Default::default()
        },
        status: None,
    }
}

/// Plain TCP carries no name, so that only its address tells where it wants to go. Whichever of these addresses a
/// caller opens, the sidecar connects to the host of the entry and to nobody else.
fn addresses(outside: &Outside, traffic: &Traffic) -> Option<Vec<String>> {
    if *traffic == Traffic::Tls {
        return None;
    }
    Some(match address(outside) {
        Some(address) => vec![address.to_string()],
        None if outside.networks.is_empty() => vec!["0.0.0.0/0".to_owned()],
        None => outside.networks.clone(),
    })
}

/// The name under which the registry knows a host. It takes no addresses for names, so those get one.
fn registered_host(outside: &Outside) -> String {
    match address(outside) {
        Some(_) => format!("{}.outside.{}", outside.name, names::MEMORY),
        None => outside.host.clone(),
    }
}

fn address(outside: &Outside) -> Option<Ipv4Addr> {
    outside.host.parse().ok()
}

/// A workload's sidecar knows what the rows of the workload name, and sends nothing anywhere else.
///
/// It keeps mistakes in, not attackers: a process that goes around its sidecar is stopped by the NetworkPolicy only.
pub fn sidecar(workload: Workload, rows: &[Connection], mesh: &Mesh) -> Sidecar {
    let mut hosts: Vec<String> = Vec::new();
    for row in rows
        .iter()
        .filter(|row| row.from == Peer::Workload(workload) || row.from == Peer::EveryWorkload)
    {
        let host = match &row.to {
            Peer::Workload(target) => format!("./{}", names::service_host(target.service_on(row.port))),
            Peer::Outside(outside) => format!("./{}", registered_host(outside)),
            // A sidecar that does not answer names itself stands in the way of those that are asked for by TCP.
            Peer::Neighbour(neighbour) if row.traffic == NAMES && !mesh.dns_capture => {
                format!("{}/*", neighbour.namespace)
            }
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
    Sidecar {
        metadata: metadata::in_memory(SYSTEM, workload.name),
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
