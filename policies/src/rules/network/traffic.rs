//! What NetworkPolicies allow together.
//!
//! NetworkPolicies are additive: a pod may exchange the traffic that any rule of any policy allows that selects it. A rule
//! allows some ports to some peers. This module adds up the rules and answers which ports are open to which peers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use phoenix_graph::Object;
use serde_json::Value;

use crate::cidr::{Addresses, Ranges, parse_block};
use crate::context::Subject;
use crate::field::{Field, Node, is_unknown, text};
use crate::inventory::Inventory;
use crate::kind::{Kind, NETWORK_POLICY};
use crate::selector::{Answer, PodLabels, selects};

/// A direction of traffic.
#[derive(Clone, Copy, PartialEq)]
pub enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    pub fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    pub fn peers(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// The numbers of all ports.
const PORTS: (u128, u128) = (1, 65_535);
/// Named ports have numbers from here on.
const NAMED: u128 = 65_536;
/// More open ports than these are not a list of ports but nearly all of them.
pub const MANY_PORTS: u128 = 16_384;

/// A rule of a policy.
#[derive(Clone, Default)]
pub struct Allowed {
    /// By protocol; empty for all ports of all protocols.
    ports: BTreeMap<String, Ranges>,
    /// Whether the ports, or some of them, are not known.
    pub unknown_ports: bool,
    /// Whether it applies to everyone: it has no peers, or a peer that selects every pod of every namespace.
    everyone: bool,
    /// The addresses of its IP blocks, without the exceptions.
    pub addresses: Addresses,
    /// The number of its IP blocks.
    blocks: usize,
    /// Whether some of the peers are not known.
    pub unknown_peers: bool,
}

impl Allowed {
    fn of(rule: &Value, direction: Direction) -> Self {
        let mut allowed = Self::default();
        if is_unknown(rule) {
            allowed.unknown_ports = true;
            allowed.unknown_peers = true;
            return allowed;
        }
        let rule = Node::new(rule, "");
        allowed.read_ports(rule);
        match rule.list(direction.peers()) {
            Field::Absent | Field::Known([]) => allowed.everyone = true,
            Field::Unknown => allowed.unknown_peers = true,
            Field::Known(peers) => {
                for peer in peers {
                    allowed.read_peer(Node::new(peer, ""));
                }
            }
        }
        allowed
    }

    fn read_ports(&mut self, rule: Node<'_>) {
        let ports = match rule.list("ports") {
            Field::Absent | Field::Known([]) => return,
            Field::Unknown => {
                self.unknown_ports = true;
                return;
            }
            Field::Known(ports) => ports,
        };
        for port in ports {
            let node = Node::new(port, "");
            let protocol = node.text("protocol").or(|| Field::Known("TCP"));
            let (Field::Known(protocol), false) = (protocol, is_unknown(port)) else {
                self.unknown_ports = true;
                continue;
            };
            let ranges = self.ports.entry(protocol.to_owned()).or_default();
            match (node.field("port"), node.number("endPort")) {
                (Field::Absent, _) => ranges.add(PORTS.0, u128::MAX),
                (Field::Known(first), last) => match (first.as_u64(), first.as_str(), last) {
                    (Some(_), _, Field::Unknown) | (None, None, _) => self.unknown_ports = true,
                    (Some(first), _, last) => {
                        let last = last
                            .known()
                            .and_then(|last| u64::try_from(last).ok())
                            .unwrap_or(first);
                        ranges.add(first.into(), last.max(first).min(65_535).max(first).into());
                    }
                    (None, Some(name), _) => {
                        let number = number_of(name);
                        ranges.add(number, number);
                    }
                },
                (Field::Unknown, _) => self.unknown_ports = true,
            }
        }
    }

    fn read_peer(&mut self, peer: Node<'_>) {
        match matches_every_pod(peer) {
            Answer::Yes => self.everyone = true,
            Answer::Unknown => self.unknown_peers = true,
            Answer::No => {}
        }
        let (addresses, is_known) = addresses_of(peer);
        self.addresses.union(&addresses);
        self.blocks += usize::from(!peer.field("ipBlock").is_absent());
        self.unknown_peers |= !is_known;
    }

    fn is_open_on(&self, protocol: &str, port: u128) -> bool {
        (self.ports.is_empty() && !self.unknown_ports)
            || self.ports.get(protocol).is_some_and(|ports| ports.contains(port))
    }

    /// Whether the rule has IP blocks.
    pub fn has_blocks(&self) -> bool {
        self.blocks > 0
    }

    /// Whether the rule allows all traffic to or from an address.
    pub fn includes(&self, address: IpAddr) -> bool {
        self.everyone || self.addresses.contains(address)
    }
}

/// A number for a named port. Which port has the name depends on the pod.
fn number_of(name: &str) -> u128 {
    name.bytes()
        .take(15)
        .fold(1, |number, byte| number << 8 | u128::from(byte))
        .saturating_add(NAMED)
}

/// The addresses of the IP block of a peer without its exceptions, and whether all of them are known.
pub fn addresses_of(peer: Node<'_>) -> (Addresses, bool) {
    let mut addresses = Addresses::default();
    let block = match peer.text("ipBlock.cidr") {
        Field::Known(block) => parse_block(block),
        Field::Absent if peer.field("ipBlock").is_absent() => return (addresses, true),
        _ => None,
    };
    let Some(block) = block else {
        return (addresses, false);
    };
    addresses.add(block);
    match peer.list("ipBlock.except") {
        Field::Known(except) => {
            for except in except {
                // The API server rejects an exception that is not a block.
                if let Field::Known(except) = text(except)
                    && let Some(except) = parse_block(except)
                {
                    addresses.remove(except);
                }
            }
            let is_known = !except.iter().any(|except| text(except).is_unknown());
            (addresses, is_known)
        }
        Field::Absent => (addresses, true),
        Field::Unknown => (addresses, false),
    }
}

/// The rules of a policy in a direction; `None` if they are not known.
pub fn rules_of(policy: Node<'_>, direction: Direction) -> Option<Vec<Allowed>> {
    match policy.list(&format!("spec.{}", direction.field())) {
        Field::Known(rules) => Some(rules.iter().map(|rule| Allowed::of(rule, direction)).collect()),
        Field::Absent => Some(Vec::new()),
        Field::Unknown => None,
    }
}

/// The most ports of one protocol that rules open to peers for which `is_enough` is true, with named ports.
pub fn open_ports(rules: &[&Allowed], is_enough: impl Fn(&[&Allowed]) -> bool) -> u128 {
    let mut protocols: Vec<&str> = rules
        .iter()
        .flat_map(|rule| rule.ports.keys())
        .map(String::as_str)
        .collect();
    protocols.extend(["TCP", "UDP", "SCTP"]);
    protocols.sort_unstable();
    protocols.dedup();
    let of_protocol = |protocol: &str| {
        let of_rule = |rule: &&&Allowed| rule.ports.get(protocol).cloned();
        let mut edges = vec![PORTS.0, NAMED];
        for ranges in rules.iter().filter_map(|rule| of_rule(&rule)) {
            edges.extend(ranges.edges());
        }
        edges.retain(|edge| *edge < u128::MAX);
        edges.sort_unstable();
        edges.dedup();
        let mut open: u128 = 0;
        for (index, port) in edges.iter().enumerate() {
            let active: Vec<&Allowed> = rules
                .iter()
                .copied()
                .filter(|rule| rule.is_open_on(protocol, *port))
                .collect();
            if !active.is_empty() && is_enough(&active) {
                let next = edges.get(index + 1).copied().unwrap_or(*port + 1);
                open += if *port < NAMED { next.min(NAMED) - port } else { 1 };
            }
        }
        open
    };
    protocols.into_iter().map(of_protocol).max().unwrap_or_default()
}

/// Whether peers together are everyone: all pods, or nearly all addresses, inside and outside of the cluster.
pub fn are_everyone(rules: &[&Allowed]) -> bool {
    rules.iter().any(|rule| rule.everyone) || addresses(rules).cover_everything()
}

/// Whether the IP blocks of these rules together contain nearly all addresses of the internet.
pub fn contain_the_internet(rules: &[&Allowed]) -> bool {
    addresses(rules).cover_the_internet()
}

fn addresses(rules: &[&Allowed]) -> Addresses {
    let mut addresses = Addresses::default();
    for rule in rules {
        addresses.union(&rule.addresses);
    }
    addresses
}

/// Whether a number of open ports exceeds `limit`, given that unknown ports and peers can be all or none.
pub fn exceeds(rules: &[&Allowed], limit: u128, is_enough: impl Fn(&[&Allowed]) -> bool + Copy) -> Answer {
    if open_ports(rules, is_enough) > limit {
        return Answer::Yes;
    }
    let widened: Vec<Allowed> = rules.iter().map(|rule| rule.widest()).collect();
    let widened: Vec<&Allowed> = widened.iter().collect();
    let is_open = |rules: &[&Allowed]| is_enough(rules) || rules.iter().any(|rule| rule.unknown_peers);
    if open_ports(&widened, is_open) > limit {
        Answer::Unknown
    } else {
        Answer::No
    }
}

impl Allowed {
    /// The rule if its unknown ports are all ports.
    fn widest(&self) -> Self {
        let mut widest = self.clone();
        if widest.unknown_ports {
            widest.ports.clear();
            widest.unknown_ports = false;
        }
        widest
    }
}

/// Whether a policy applies to a direction, by its `policyTypes` or their default.
pub fn applies_to(policy: Node<'_>, direction: Direction) -> Answer {
    let wanted = match direction {
        Direction::Ingress => "Ingress",
        Direction::Egress => "Egress",
    };
    match policy.list("spec.policyTypes") {
        Field::Known(types) if !types.is_empty() => Answer::any(types.iter().map(|kind| match text(kind) {
            Field::Known(kind) => Answer::from_bool(kind == wanted),
            _ => Answer::Unknown,
        })),
        Field::Unknown => Answer::Unknown,
        _ if direction == Direction::Ingress => Answer::Yes,
        _ => policy.list("spec.egress").is(|rules| !rules.is_empty()),
    }
}

/// Whether a policy selects pods with these labels.
pub fn selects_labels<'l>(policy: Node<'_>, labels: impl Into<PodLabels<'l>>) -> Answer {
    match policy.field("spec.podSelector") {
        Field::Known(selector) => selects(Node::new(selector, ""), labels),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether a peer matches every pod of every namespace, or every one without certain labels.
pub fn matches_every_pod(peer: Node<'_>) -> Answer {
    if is_unknown(peer.value) {
        return Answer::Unknown;
    }
    // Without a namespace selector, the peer is in the namespace of the policy.
    match peer.field("namespaceSelector") {
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
        Field::Known(namespaces) => {
            let namespaces = matches_unlabelled(Node::new(namespaces, ""), &["kubernetes.io/metadata.name"]);
            namespaces.and(match peer.field("podSelector") {
                Field::Absent => Answer::Yes,
                Field::Unknown => Answer::Unknown,
                Field::Known(pods) => matches_unlabelled(Node::new(pods, ""), &[]),
            })
        }
    }
}

/// Whether a selector matches every object that has no other labels than those that all objects have, with any value:
/// it requires nothing, or only that other labels or values are absent.
pub fn matches_unlabelled(selector: Node<'_>, all_have: &[&str]) -> Answer {
    let exact = match selector.map("matchLabels") {
        Field::Known(labels) => Answer::from_bool(labels.is_empty()),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    let expressions = match selector.list("matchExpressions") {
        Field::Known(expressions) => expressions.iter().fold(Answer::Yes, |so_far, expression| {
            let expression = Node::new(expression, "");
            so_far.and(match (expression.text("operator"), expression.text("key")) {
                (Field::Known("Exists"), Field::Known(key)) => Answer::from_bool(all_have.contains(&key)),
                (Field::Known("DoesNotExist"), Field::Known(key)) => {
                    Answer::from_bool(!all_have.contains(&key))
                }
                (Field::Known("NotIn"), Field::Known(_)) => Answer::Yes,
                (Field::Known("In"), Field::Known(_)) => Answer::No,
                _ => Answer::Unknown,
            })
        }),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    exact.and(expressions)
}

/// Whether selectors together match every object with any labels.
///
/// They do if no object escapes all of them: for each selector, one of its requirements would have to be violated, and the
/// violations must not contradict each other.
pub fn match_everything(selectors: &[Node<'_>]) -> Answer {
    let mut known = Vec::new();
    let mut in_doubt = false;
    for selector in selectors {
        match requirements(*selector) {
            Some(requirements) => known.push(requirements),
            None => in_doubt = true,
        }
    }
    let mut steps = 10_000;
    match escapes(&known, &mut BTreeMap::new(), &mut steps) {
        Some(false) => Answer::Yes,
        Some(true) if !in_doubt => Answer::No,
        _ => Answer::Unknown,
    }
}

/// The values of a label, of which `None` is its absence: those in the list, or all others.
#[derive(Clone, PartialEq)]
struct Values<'a> {
    listed: Vec<Option<&'a str>>,
    others: bool,
}

impl Values<'_> {
    fn includes(&self, value: Option<&str>) -> bool {
        self.listed.contains(&value) != self.others
    }

    fn negate(&self) -> Self {
        Self {
            listed: self.listed.clone(),
            others: !self.others,
        }
    }

    fn and(&self, other: &Self) -> Self {
        let all = self.listed.iter().chain(&other.listed).copied();
        let others = self.others && other.others;
        let both = |value| self.includes(value) && other.includes(value);
        Self {
            listed: all.filter(|value| both(*value) != others).collect(),
            others,
        }
    }

    fn is_empty(&self) -> bool {
        !self.others && self.listed.is_empty()
    }
}

/// The requirements of a selector; `None` if they are not known.
fn requirements(selector: Node<'_>) -> Option<Vec<(&str, Values<'_>)>> {
    let mut all = Vec::new();
    let listed = |listed| Values {
        listed,
        others: false,
    };
    match selector.map("matchLabels") {
        Field::Known(labels) => {
            for (key, value) in labels {
                all.push((key.as_str(), listed(vec![Some(text(value).known()?)])));
            }
        }
        Field::Absent => {}
        Field::Unknown => return None,
    }
    match selector.list("matchExpressions") {
        Field::Known(expressions) => {
            for expression in expressions {
                let expression = Node::new(expression, "");
                let values = || -> Option<Vec<Option<&str>>> {
                    let values = expression.list("values").known()?.iter();
                    values.map(|value| text(value).known().map(Some)).collect()
                };
                let required = match expression.text("operator").known()? {
                    "In" => listed(values()?),
                    "NotIn" => listed(values()?).negate(),
                    "Exists" => listed(vec![None]).negate(),
                    "DoesNotExist" => listed(vec![None]),
                    _ => return None,
                };
                all.push((expression.text("key").known()?, required));
            }
        }
        Field::Absent => {}
        Field::Unknown => return None,
    }
    Some(all)
}

/// Whether an object with labels among `labels` violates a requirement of every selector; `None` if that takes too long.
fn escapes<'a>(
    selectors: &[Vec<(&'a str, Values<'a>)>],
    labels: &mut BTreeMap<&'a str, Values<'a>>,
    steps: &mut u32,
) -> Option<bool> {
    let Some((selector, rest)) = selectors.split_first() else {
        return Some(true);
    };
    for (key, required) in selector {
        *steps = steps.checked_sub(1)?;
        let violating = match labels.get(key) {
            Some(values) => values.and(&required.negate()),
            None => required.negate(),
        };
        if violating.is_empty() {
            continue;
        }
        let before = labels.insert(key, violating);
        let escaped = escapes(rest, labels, steps);
        match before {
            Some(before) => labels.insert(key, before),
            None => labels.remove(key),
        };
        if escaped? {
            return Some(true);
        }
    }
    Some(false)
}

/// Network policies of other APIs, which these rules do not evaluate.
pub const OTHER_POLICIES: [Kind; 8] = [
    Kind::new(&["cilium.io"], "CiliumNetworkPolicy"),
    Kind::new(&["cilium.io"], "CiliumClusterwideNetworkPolicy"),
    Kind::new(
        &["crd.projectcalico.org", "projectcalico.org", "crd.antrea.io"],
        "NetworkPolicy",
    ),
    Kind::new(
        &["crd.projectcalico.org", "projectcalico.org"],
        "GlobalNetworkPolicy",
    ),
    Kind::new(&["policy.networking.k8s.io"], "AdminNetworkPolicy"),
    Kind::new(&["policy.networking.k8s.io"], "BaselineAdminNetworkPolicy"),
    Kind::new(
        &["policy.networking.k8s.io", "crd.antrea.io"],
        "ClusterNetworkPolicy",
    ),
    EGRESS_FIREWALL,
];

/// Restricts connections to destinations outside of the cluster only.
const EGRESS_FIREWALL: Kind = Kind::new(&["k8s.ovn.org"], "EgressFirewall");

/// A network policy of another API that may apply to a namespace in a direction.
pub fn other_policy(inventory: &Inventory<'_>, namespace: &str, direction: Direction) -> Option<String> {
    let of_direction = |kind: &&Kind| direction == Direction::Egress || kind.name != EGRESS_FIREWALL.name;
    OTHER_POLICIES.iter().filter(of_direction).find_map(|kind| {
        let applies = |object: &&Object| object.id.namespace.as_deref().is_none_or(|own| own == namespace);
        inventory
            .all(*kind)
            .find(applies)
            .map(|object| object.id.to_string())
    })
}

/// Whether a policy has IP blocks in a direction.
fn has_blocks(policy: Node<'_>, direction: Direction) -> bool {
    let rules = policy.list(&format!("spec.{}", direction.field())).known();
    let peers = rules
        .unwrap_or_default()
        .iter()
        .filter_map(|rule| rule.get(direction.peers()));
    let mut peers = peers.filter_map(Value::as_array).flatten();
    peers.any(|peer| peer.get("ipBlock").is_some())
}

/// The other NetworkPolicies with IP blocks that select pods together with a policy: one list for each workload of the
/// namespace, and one of the policies with the same selector or one for all pods.
pub fn companions<'a>(
    subject: &Subject<'_>,
    inventory: &Inventory<'a>,
    direction: Direction,
) -> Vec<Vec<&'a Object>> {
    let others: Vec<_> = inventory
        .within(NETWORK_POLICY, subject.namespace())
        .filter(|other| other.id != subject.object.id)
        .map(|other| (other, Node::new(other.body(), "")))
        .filter(|(_, body)| applies_to(*body, direction) == Answer::Yes && has_blocks(*body, direction))
        .map(|(other, _)| other)
        .collect();
    if others.is_empty() {
        return Vec::new();
    }
    let own_selector = subject.body.field("spec.podSelector");
    let at_least_as_wide = |other: &Node<'_>| {
        let selector = other.field("spec.podSelector");
        let is_open = match selector {
            Field::Known(selector) => matches_unlabelled(Node::new(selector, ""), &[]),
            Field::Absent => Answer::Yes,
            Field::Unknown => Answer::No,
        };
        selector == own_selector || is_open == Answer::Yes
    };
    let with = |is_companion: &dyn Fn(Node<'_>) -> bool| -> Vec<&'a Object> {
        others
            .iter()
            .copied()
            .filter(|other| is_companion(Node::new(other.body(), "")))
            .collect()
    };
    let mut lists = vec![with(&|other| at_least_as_wide(&other))];
    for workload in inventory.workloads_in(subject.namespace()) {
        let labels = workload.labels();
        if selects_labels(subject.body, labels) == Answer::Yes {
            lists.push(with(&|other| selects_labels(other, labels) == Answer::Yes));
        }
    }
    lists.retain(|list| !list.is_empty());
    lists.dedup_by(|one, other| {
        one.iter()
            .map(|object| &object.id)
            .eq(other.iter().map(|object| &object.id))
    });
    lists
}
