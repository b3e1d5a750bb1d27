//! The connections and requests to evaluate: every value that the table or a policy mentions, and its neighbors. Between two
//! neighboring numbers, addresses or texts that neither mentions, no result can change.

use std::collections::BTreeSet;
use std::net::IpAddr;

use phoenix::connections::{Connection, Peer, Traffic};
use phoenix::names::{MEMORY, Workload};

use super::addresses::Block;
use super::objects::{
    LabelSelector, Labels, Manifest, NameOrNumber, NetworkPeer, NetworkPort, Operation, Operator, Source,
};
use super::paths::normalised;
use super::requests::Identity;
use super::table::Table;
use super::world::{BESIDE_THE_MESH, Pod, namespace_labels};

/// Everything that is evaluated for a stack.
#[derive(Debug)]
pub struct Probes {
    /// Pods of other namespaces, and undeclared pods in the stack's namespaces.
    pub strangers: Vec<Pod>,
    /// Addresses outside.
    pub addresses: Vec<IpAddr>,
    /// Ports, for packets.
    pub ports: Vec<u16>,
    /// Ports, for requests: fewer, because each is tried with each request.
    pub request_ports: Vec<u16>,
    /// Callers' identities, besides none.
    pub identities: Vec<Identity>,
    pub methods: Vec<String>,
    pub paths: Vec<Path>,
}

/// A path as it is sent, and what becomes of it.
#[derive(Debug)]
pub struct Path {
    pub sent: String,
    /// As the sidecar and the pod see it.
    pub seen: String,
}

impl Probes {
    /// The probes for a stack with these declared pods.
    pub fn new(manifest: &Manifest, table: Table<'_>, declared: &[Pod]) -> Self {
        let named = Named::gather(manifest, table.rows, &table.setting.workloads);
        Self {
            strangers: strangers(manifest, table.rows, &table.setting.workloads, &named),
            addresses: addresses(manifest, table),
            ports: ports(manifest, table.rows, declared),
            request_ports: request_ports(manifest, table.rows, declared),
            identities: identities(table, &named),
            methods: methods(manifest, table.rows),
            paths: paths(manifest, table.rows),
        }
    }
}

/// Names that policies and rows mention.
struct Named {
    namespaces: BTreeSet<String>,
    accounts: BTreeSet<String>,
    /// Accounts with the namespaces that they are mentioned with.
    pairs: BTreeSet<(String, String)>,
}

impl Named {
    fn gather(manifest: &Manifest, rows: &[Connection], workloads: &[Workload]) -> Self {
        let mut named = Self {
            namespaces: manifest.namespaces.keys().cloned().collect(),
            accounts: workloads
                .iter()
                .map(|workload| workload.service_account.to_owned())
                .chain(["default".to_owned()])
                .collect(),
            pairs: BTreeSet::new(),
        };
        named.namespaces.insert(MEMORY.to_owned());
        for peer in rows.iter().flat_map(|row| [&row.from, &row.to]) {
            if let Peer::InCluster(neighbour) = peer {
                named.namespaces.insert(neighbour.namespace.clone());
                if let Some(account) = &neighbour.service_account {
                    named.pair(&neighbour.namespace, account);
                }
            }
        }
        for source in sources(manifest) {
            let plain = |text: &String| text.replace('*', "");
            named
                .namespaces
                .extend(source.namespaces.iter().chain(&source.not_namespaces).map(plain));
            for principal in source.principals.iter().chain(&source.not_principals) {
                let principal = plain(principal);
                let mut parts = principal.split('/').skip_while(|part| *part != "ns").skip(1);
                let namespace = parts.next().unwrap_or_default();
                named.pair(namespace, parts.nth(1).unwrap_or_default());
            }
            for account in source.service_accounts.iter().chain(&source.not_service_accounts) {
                let (namespace, account) = account.split_once('/').unwrap_or((MEMORY, account));
                named.pair(namespace, account);
            }
        }
        for selector in namespace_selectors(manifest) {
            named
                .namespaces
                .extend(selector.match_labels.get("kubernetes.io/metadata.name").cloned());
        }
        named.namespaces.remove("");
        named.accounts.remove("");
        named
    }

    fn pair(&mut self, namespace: &str, account: &str) {
        self.namespaces.insert(namespace.to_owned());
        self.accounts.insert(account.to_owned());
        self.pairs.insert((namespace.to_owned(), account.to_owned()));
    }
}

fn sources(manifest: &Manifest) -> impl Iterator<Item = &Source> {
    let rules = manifest
        .authorization_policies
        .iter()
        .flat_map(|policy| &policy.spec.rules);
    rules
        .flat_map(|rule| rule.from.iter().flatten())
        .map(|from| &from.source)
}

fn operations(manifest: &Manifest) -> impl Iterator<Item = &Operation> {
    let rules = manifest
        .authorization_policies
        .iter()
        .flat_map(|policy| &policy.spec.rules);
    rules
        .flat_map(|rule| rule.to.iter().flatten())
        .map(|to| &to.operation)
}

fn network_peers(manifest: &Manifest) -> impl Iterator<Item = &NetworkPeer> {
    manifest.network_policies.iter().flat_map(|policy| {
        let ingress = policy.spec.ingress.iter().flat_map(|rule| &rule.from);
        ingress.chain(policy.spec.egress.iter().flat_map(|rule| &rule.to))
    })
}

fn network_ports(manifest: &Manifest) -> impl Iterator<Item = &NetworkPort> {
    manifest.network_policies.iter().flat_map(|policy| {
        let ingress = policy.spec.ingress.iter().flat_map(|rule| &rule.ports);
        ingress.chain(policy.spec.egress.iter().flat_map(|rule| &rule.ports))
    })
}

fn namespace_selectors(manifest: &Manifest) -> impl Iterator<Item = &LabelSelector> {
    network_peers(manifest).filter_map(|peer| peer.namespace_selector.as_ref())
}

/// In every namespace, a pod for every set of labels that a selector names, and one without labels. Also namespaces with
/// every label that their owner can set, which is each except the name.
fn strangers(manifest: &Manifest, rows: &[Connection], workloads: &[Workload], named: &Named) -> Vec<Pod> {
    let mut labels: BTreeSet<Labels> = BTreeSet::from([Labels::new()]);
    let selectors = network_peers(manifest)
        .filter_map(|peer| peer.pod_selector.as_ref())
        .chain(
            manifest
                .network_policies
                .iter()
                .map(|policy| &policy.spec.pod_selector),
        );
    labels.extend(selectors.map(satisfying));
    for peer in rows.iter().flat_map(|row| [&row.from, &row.to]) {
        if let Peer::InCluster(neighbour) = peer {
            labels.insert(neighbour.labels.clone());
        }
    }
    labels.extend(
        workloads
            .iter()
            .map(|workload| Labels::from([("app".to_owned(), workload.app.to_owned())])),
    );
    let beside: Vec<Labels> = labels
        .iter()
        .filter_map(|labels| {
            let (key, value) = labels.first_key_value()?;
            let mut beside = labels.clone();
            beside.insert(key.clone(), format!("{value}x"));
            Some(beside)
        })
        .collect();
    labels.extend(beside);
    let mut namespaces: BTreeSet<(String, Labels)> = named
        .namespaces
        .iter()
        .map(|namespace| (namespace.clone(), namespace_labels(manifest, namespace)))
        .collect();
    for (place, selector) in namespace_selectors(manifest).enumerate() {
        let mut labels_of_namespace = satisfying(selector);
        let only_name = labels_of_namespace
            .remove("kubernetes.io/metadata.name")
            .is_some()
            && labels_of_namespace.is_empty();
        if !only_name {
            let name = format!("impostor-{place}");
            labels_of_namespace.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
            namespaces.insert((name, labels_of_namespace));
        }
    }
    namespaces.insert(("elsewhere".to_owned(), namespace_labels(manifest, "elsewhere")));
    let mut strangers = Vec::new();
    for (namespace, namespace_labels) in &namespaces {
        for labels in &labels {
            strangers.push(Pod::stranger(
                namespace,
                namespace_labels,
                labels,
                "default",
                true,
            ));
        }
    }
    strangers
}

/// Labels that a selector selects.
fn satisfying(selector: &LabelSelector) -> Labels {
    let mut labels = selector.match_labels.clone();
    for requirement in &selector.match_expressions {
        match requirement.operator {
            Operator::In => {
                let value = requirement.values.first().cloned().unwrap_or_default();
                labels.insert(requirement.key.clone(), value);
            }
            Operator::Exists => {
                labels.insert(requirement.key.clone(), "anything".to_owned());
            }
            Operator::NotIn | Operator::DoesNotExist => {}
        }
    }
    labels
}

fn addresses(manifest: &Manifest, table: Table<'_>) -> Vec<IpAddr> {
    let mut blocks: BTreeSet<String> = table.setting.private_networks.iter().cloned().collect();
    for block in network_peers(manifest).filter_map(|peer| peer.ip_block.as_ref()) {
        blocks.insert(block.cidr.clone());
        blocks.extend(block.except.iter().cloned());
    }
    for peer in table.rows.iter().flat_map(|row| [&row.from, &row.to]) {
        if let Peer::External(outside) = peer {
            blocks.extend(outside.networks.iter().cloned());
        }
    }
    // A public resolver, a cloud's metadata, a private machine, another version of the protocol.
    let usual = ["8.8.8.8", "169.254.169.254", "10.0.0.1", "2001:db8::1"];
    let mut addresses: BTreeSet<IpAddr> = usual.iter().filter_map(|address| address.parse().ok()).collect();
    for block in blocks {
        addresses.extend(Block::read(&block).into_iter().flat_map(Block::edges));
    }
    addresses.into_iter().collect()
}

fn ports(manifest: &Manifest, rows: &[Connection], declared: &[Pod]) -> Vec<u16> {
    let mut ports: BTreeSet<u16> = request_ports(manifest, rows, declared).into_iter().collect();
    ports.extend(BESIDE_THE_MESH.into_iter().flat_map(around));
    for port in network_ports(manifest) {
        if let Some(NameOrNumber::Number(number)) = port.port {
            ports.extend(around(number));
        }
        ports.extend(port.end_port.into_iter().flat_map(around));
    }
    ports.extend([22, 80, 443, 65_535]);
    ports.into_iter().collect()
}

fn request_ports(manifest: &Manifest, rows: &[Connection], declared: &[Pod]) -> Vec<u16> {
    let mut ports = BTreeSet::from([1, 8080]);
    ports.extend(rows.iter().flat_map(|row| around(row.port)));
    for pod in declared {
        ports.extend(pod.ports.iter().chain(pod.spoken.keys()).chain(&pod.excluded));
    }
    for operation in operations(manifest) {
        let mentioned = operation.ports.iter().chain(&operation.not_ports);
        ports.extend(mentioned.filter_map(|port| port.parse().ok()).flat_map(around));
    }
    for policy in &manifest.peer_authentications {
        let mentioned = policy.spec.port_level_mtls.keys();
        ports.extend(mentioned.filter_map(|port| port.parse::<u16>().ok()));
    }
    // No policy of the mesh sees what arrives there.
    ports.retain(|port| *port != 0 && !BESIDE_THE_MESH.contains(port));
    ports.into_iter().collect()
}

fn around(port: u16) -> [u16; 3] {
    [port.saturating_sub(1), port, port.saturating_add(1)]
}

/// The accounts that are mentioned with a namespace, each account at home and elsewhere, the default account in each
/// namespace, and names that begin or end like those that are mentioned.
fn identities(table: Table<'_>, named: &Named) -> Vec<Identity> {
    let mut pairs = named.pairs.clone();
    for account in &named.accounts {
        pairs.insert((MEMORY.to_owned(), account.clone()));
        pairs.insert(("elsewhere".to_owned(), account.clone()));
    }
    for namespace in &named.namespaces {
        pairs.insert((namespace.clone(), "default".to_owned()));
    }
    pairs.retain(|(namespace, account)| !namespace.is_empty() && !account.is_empty());
    let beside = pairs.iter().flat_map(|(namespace, account)| {
        [
            (format!("{namespace}-x"), account.clone()),
            (format!("x-{namespace}"), account.clone()),
            (namespace.clone(), format!("{account}-x")),
            (namespace.clone(), format!("x-{account}")),
        ]
    });
    let beside: Vec<_> = beside.collect();
    pairs.extend(beside);
    let domain = &table.setting.trust_domain;
    pairs
        .iter()
        .map(|(namespace, account)| Identity::new(domain, namespace, account))
        .collect()
}

fn methods(manifest: &Manifest, rows: &[Connection]) -> Vec<String> {
    let usual = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "get",
    ];
    let mut methods: BTreeSet<String> = usual.into_iter().map(str::to_owned).collect();
    for row in rows {
        if let Traffic::Http { methods: named, .. } = &row.traffic {
            methods.extend(named.iter().map(|&method| method.to_owned()));
        }
    }
    for operation in operations(manifest) {
        let mentioned = operation.methods.iter().chain(&operation.not_methods);
        methods.extend(mentioned.map(|method| method.replace('*', "")));
    }
    methods.remove("");
    methods.into_iter().collect()
}

fn paths(manifest: &Manifest, rows: &[Connection]) -> Vec<Path> {
    let mut patterns = BTreeSet::new();
    for row in rows {
        if let Traffic::Http { paths, .. } = &row.traffic {
            patterns.extend(paths.iter().map(|&path| path.to_owned()));
        }
    }
    for operation in operations(manifest) {
        patterns.extend(operation.paths.iter().chain(&operation.not_paths).cloned());
    }
    let usual = ["/", "/collections/memories/points", "/telemetry"];
    let mut paths: BTreeSet<String> = usual.into_iter().map(str::to_owned).collect();
    for pattern in &patterns {
        // A part that may be anything, and one that is missing.
        if pattern.contains("{*}") {
            paths.extend(near(&pattern.replace("{*}", "memories")));
            paths.insert(pattern.replacen("{*}", "memories/x", 1));
        }
        paths.extend(near(pattern));
    }
    // What ends as one of them says and begins as another does.
    for beginning in patterns.iter().filter_map(|pattern| pattern.strip_suffix('*')) {
        for end in patterns.iter().filter_map(|pattern| pattern.strip_prefix('*')) {
            paths.insert(format!("{beginning}x/{}", end.trim_start_matches('/')));
        }
    }
    paths.retain(|path| path.starts_with('/'));
    paths
        .into_iter()
        .map(|sent| Path {
            seen: normalised(&sent),
            sent,
        })
        .collect()
}

/// A path that a pattern is about, and those that only look like it.
fn near(pattern: &str) -> Vec<String> {
    let base = pattern.replace(['*', '{', '}'], "");
    let stem = base.trim_end_matches('/');
    let mut paths = vec![
        base.clone(),
        stem.to_owned(),
        format!("{stem}/"),
        format!("{stem}/x"),
        format!("{stem}/x/y"),
        format!("{stem}X"),
        format!("{stem}z/x"),
        format!("{stem}%2Fx"),
        format!("{stem}/x%2f..%5cx"),
        format!("{stem}%2f..%2fx"),
        format!("{stem}//x"),
        format!("/{base}"),
        format!("/x{base}"),
        format!("{stem}/../x"),
        format!("/x/..{base}"),
        format!("{stem}/%2e%2e/x"),
        format!("{stem}\\x"),
        format!("{stem};x"),
        format!("{stem}?x=/memory/x"),
        format!("/?x={base}"),
        base.to_ascii_uppercase(),
    ];
    // A path that says a letter by its number is the same path.
    if let Some(last) = stem.bytes().last().filter(u8::is_ascii_alphanumeric) {
        paths.push(format!("{}%{last:02x}", &stem[..stem.len() - 1]));
    }
    paths.retain(|path| path.starts_with('/'));
    paths
}
