//! What the connection table allows, independently of the code that generates policies from it.

use std::net::IpAddr;

use phoenix::connections::{ClusterPeer, Connection, ExternalHost, Peer, Traffic};
use phoenix::names::Workload;

use super::addresses::Block;
use super::objects::Protocol;
use super::requests::{Identity, Request};
use super::world::{End, Pod, contains};

/// Facts about the cluster that the table does not contain.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The workloads that the stack has.
    pub workloads: Vec<Workload>,
    /// The first part of every identity.
    pub trust_domain: String,
    /// The mesh's own namespace, whose policies hold everywhere.
    pub root: String,
    /// Networks that are not public.
    pub private_networks: Vec<String>,
    /// Accepted user tokens; `None` if the stack accepts none.
    pub tokens: Option<Tokens>,
}

/// Issuer, audiences and keys of user tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub issuer: String,
    pub audiences: Vec<String>,
    /// The issuer's public keys, or where they are found.
    pub keys: String,
}

/// The rows of a stack, and where they hold.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub rows: &'a [Connection],
    pub setting: &'a Setting,
}

/// The user token in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// No token.
    Nothing,
    /// A token that the table accepts.
    Valid,
    /// A token of another issuer or for another audience.
    Worthless,
}

/// The expected result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A row allows it; it says why.
    Allowed(&'static str),
    /// No row allows it.
    Refused,
    /// The table leaves it open.
    Either,
}

impl<'a> Table<'a> {
    /// Whether any row is about a port.
    pub fn names(&self, protocol: Protocol, port: u16) -> bool {
        self.rows
            .iter()
            .any(|row| row.port == port && carries(&row.traffic, protocol))
    }

    /// Whether packets may go from one end to the other. Packets know neither service accounts nor paths.
    pub fn packets(&self, from: End<'_>, to: End<'_>, protocol: Protocol, port: u16) -> Expected {
        let mut rows = self.rows.iter().filter(|row| {
            row.port == port && carries(&row.traffic, protocol) && self.is_end(&row.from, from)
        });
        rows.find(|row| self.is_end(&row.to, to))
            .map_or(Expected::Refused, |row| Expected::Allowed(row.why))
    }

    /// Whether a row that leads out of the cluster holds a pod's address too, because the stack calls no network private
    /// that has it. Whether it may leave for there is left open; that it may not enter is not.
    pub fn leads_out_to(&self, from: &Pod, to: End<'_>, port: u16) -> bool {
        self.rows.iter().any(|row| {
            row.port == port
                && matches!(&row.to, Peer::External(outside) if self.is_outside(outside, to.address()))
                && self.is_end(&row.from, End::Pod(from))
        })
    }

    /// The rows that a caller with this identity has to a port of a pod. Identities know no labels.
    pub fn rows_of(&self, identity: Option<&Identity>, to: &Pod, port: u16) -> Vec<&'a Connection> {
        let is_caller = |peer: &Peer| {
            identity.is_some_and(|identity| is_identity(peer, identity, &self.setting.workloads))
        };
        let rows = self.rows.iter().filter(|row| {
            row.port == port && !matches!(row.traffic, Traffic::Infrastructure { .. }) && is_caller(&row.from)
        });
        rows.filter(|row| self.is_end(&row.to, End::Pod(to))).collect()
    }

    /// Whether one of a pod's own rows leads out to a host, on this port if one is given.
    pub fn leads_outside(&self, from: &Pod, host: &str, port: Option<u16>) -> bool {
        self.rows.iter().any(|row| {
            matches!(&row.to, Peer::External(outside) if outside.host == host)
                && port.is_none_or(|port| row.port == port)
                && self.is_end(&row.from, End::Pod(from))
        })
    }

    /// Whether one of a pod's own rows leads to a pod in another namespace. The table names their pods, not their
    /// Services, so which of the hosts there it means is left open.
    pub fn leads_to_neighbours_in(&self, from: &Pod, namespace: &str) -> bool {
        self.rows.iter().any(|row| {
            matches!(&row.to, Peer::InCluster(neighbour) if neighbour.namespace == namespace)
                && self.is_end(&row.from, End::Pod(from))
        })
    }

    /// Whether a peer of the table is this end, as far as its address and its labels show.
    pub fn is_end(&self, peer: &Peer, end: End<'_>) -> bool {
        match (peer, end) {
            (Peer::Workload(workload), End::Pod(pod)) => is_workload(*workload, pod),
            (Peer::EveryWorkload, End::Pod(pod)) => self
                .setting
                .workloads
                .iter()
                .any(|workload| is_workload(*workload, pod)),
            (Peer::InCluster(neighbour), End::Pod(pod)) => is_neighbour(neighbour, pod),
            (Peer::External(outside), End::Address(address)) => self.is_outside(outside, address),
            (_, End::Address(_)) | (Peer::External(_), End::Pod(_)) => false,
        }
    }

    /// A host without known networks may be at any public IPv4 address.
    fn is_outside(&self, outside: &ExternalHost, address: IpAddr) -> bool {
        let in_one = |networks: &[String]| {
            networks
                .iter()
                .any(|network| Block::read(network).is_ok_and(|network| network.contains(address)))
        };
        if outside.networks.is_empty() {
            address.is_ipv4() && !in_one(&self.setting.private_networks)
        } else {
            in_one(&outside.networks)
        }
    }
}

/// What rows say to a request, or to bytes where there is none.
pub fn expected(rows: &[&Connection], request: Option<Request<'_>>, proof: Proof) -> Expected {
    let mut open = false;
    for row in rows {
        match (&row.traffic, request) {
            (Traffic::Tcp | Traffic::Tls, _) => return Expected::Allowed(row.why),
            (
                Traffic::Http {
                    methods,
                    paths,
                    token,
                },
                Some(request),
            ) => {
                let method = methods.is_empty() || methods.contains(&request.method);
                let is_kept = row.except().iter().any(|pattern| is_path(pattern, request.path));
                let path = paths.is_empty() || paths.iter().any(|pattern| is_path(pattern, request.path));
                match (method && path && !is_kept, token, proof) {
                    (false, ..) | (true, true, Proof::Nothing | Proof::Worthless) => {}
                    (true, true, Proof::Valid) | (true, false, Proof::Nothing) => {
                        return Expected::Allowed(row.why);
                    }
                    // A row that requires no token does not define the result for a request with one.
                    (true, false, Proof::Valid | Proof::Worthless) => open = true,
                }
            }
            (Traffic::Http { .. }, None) | (Traffic::Infrastructure { .. }, _) => {}
        }
    }
    if open { Expected::Either } else { Expected::Refused }
}

fn is_path(pattern: &str, path: &str) -> bool {
    if pattern.contains('{') {
        // Exactly one non-empty segment of the path.
        let (parts, patterns): (Vec<_>, Vec<_>) = (path.split('/').collect(), pattern.split('/').collect());
        let mut pairs = parts.iter().zip(&patterns);
        return parts.len() == patterns.len()
            && pairs.all(|(part, pattern)| part == pattern || (*pattern == "{*}" && !part.is_empty()));
    }
    match pattern.strip_suffix('*') {
        Some(beginning) => path.starts_with(beginning),
        None => path == pattern,
    }
}

fn carries(traffic: &Traffic, protocol: Protocol) -> bool {
    match protocol {
        Protocol::Tcp => true,
        Protocol::Udp => matches!(traffic, Traffic::Infrastructure { udp: true }),
        Protocol::Sctp => false,
    }
}

fn is_workload(workload: Workload, pod: &Pod) -> bool {
    pod.namespace == workload.namespace && pod.labels.get("app").is_some_and(|app| app == workload.app)
}

fn is_neighbour(neighbour: &ClusterPeer, pod: &Pod) -> bool {
    pod.namespace == neighbour.namespace && contains(&pod.labels, &neighbour.labels)
}

fn is_identity(peer: &Peer, identity: &Identity, workloads: &[Workload]) -> bool {
    let is = |workload: &Workload| {
        identity.namespace == workload.namespace && identity.service_account == workload.service_account
    };
    match peer {
        Peer::Workload(workload) => is(workload),
        Peer::EveryWorkload => workloads.iter().any(is),
        Peer::InCluster(neighbour) => {
            identity.namespace == neighbour.namespace
                && neighbour
                    .service_account
                    .as_ref()
                    .is_none_or(|account| *account == identity.service_account)
        }
        Peer::External(_) => false,
    }
}
