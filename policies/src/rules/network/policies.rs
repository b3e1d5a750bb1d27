//! Network policies, by what they let through, each direction for itself.

use std::net::IpAddr;

use serde_json::Value;

use crate::context::CheckContext;
use crate::control::Control::{
    AccessArchitecture, AccessAuthorisation, AccessControl, AnomaliesWatched, Boundary, DataInMotion,
    TransmissionSecurity,
};
use crate::field::{Field, Node};
use crate::pod::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, REPLICATION_CONTROLLER, STATEFUL_SET,
};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::pod;
use crate::selector::{Answer, selects};
use crate::text::rule_text;

pub(crate) const NETWORK_POLICY: Kind = Kind::new(&["networking.k8s.io", "extensions"], "NetworkPolicy");

/// Workloads whose pods are there; a template makes none.
pub(crate) const RUNNING: &[Kind] = &[
    POD,
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    JOB,
    CRON_JOB,
];

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    fn peers(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// Default deny of a namespace.
pub static NAMESPACE_DEFAULT_DENY: Rule = Rule {
    id: "namespace-default-deny",
    text: rule_text!("namespace-default-deny"),
    kinds: &[Kind::core("Namespace")],
    level: Level::Stack,
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        Boundary,
        AnomaliesWatched,
        AccessControl,
        AccessAuthorisation,
        TransmissionSecurity,
    ],
    check: |subject, context| {
        let name = subject.object.id.name.as_str();
        if name.starts_with("kube-") {
            context.not_applicable("the namespace is the cluster's own");
            return;
        }
        if context.inventory.is_foreign(name) {
            context.not_applicable("the settings say that somebody else guards the namespace");
            return;
        }
        for direction in Direction::BOTH {
            let denies = context.inventory.within(NETWORK_POLICY, name).map(|policy| {
                let policy = Node::new(policy.body(), "");
                selects_all(policy).and(speaks_of(policy, direction)).and(
                    match lets_all_through(policy, direction) {
                        Answer::Yes => Answer::No,
                        Answer::No => Answer::Yes,
                        Answer::Unknown => Answer::Unknown,
                    },
                )
            });
            match Answer::any(denies) {
                Answer::Yes => {}
                Answer::No if !context.inventory.is_complete() => {
                    context.unknown(format!(
                        "whether a policy that was not given refuses {} by default",
                        direction.field()
                    ));
                }
                Answer::No => context.fail(
                    "",
                    format!(
                        "no network policy of the namespace {name} refuses {} that nobody allowed",
                        direction.field()
                    ),
                ),
                Answer::Unknown => context.unknown(format!(
                    "what the network policies of {name} say of {}",
                    direction.field()
                )),
            }
        }
    },
};

/// Every workload is selected.
pub static WORKLOAD_HAS_NETWORK_POLICY: Rule = Rule {
    id: "workload-has-network-policy",
    text: rule_text!("workload-has-network-policy"),
    kinds: RUNNING,
    level: Level::Stack,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[
        AccessArchitecture,
        Boundary,
        AnomaliesWatched,
        AccessAuthorisation,
        TransmissionSecurity,
    ],
    check: |subject, context| {
        let Some(pod) = pod(subject, context) else { return };
        match pod.spec().flag("hostNetwork") {
            Field::Known(true) => {
                context.not_applicable("no network policy holds for a pod on its node's network");
                return;
            }
            Field::Unknown => context.unknown(pod.spec().at("hostNetwork")),
            _ => {}
        }
        let labels = pod.metadata().map("labels");
        for direction in Direction::BOTH {
            let guards = context
                .inventory
                .within(NETWORK_POLICY, subject.namespace())
                .map(|policy| {
                    let policy = Node::new(policy.body(), "");
                    let selector = match policy.field("spec.podSelector") {
                        Field::Known(selector) => selects(Node::new(selector, ""), labels),
                        Field::Absent => Answer::Yes,
                        Field::Unknown => Answer::Unknown,
                    };
                    selector.and(speaks_of(policy, direction))
                });
            match Answer::any(guards) {
                Answer::Yes => {}
                Answer::No if !context.inventory.is_complete() => {
                    context.unknown(format!(
                        "whether a policy that was not given guards its {}",
                        direction.field()
                    ));
                }
                Answer::No => context.fail("", format!("no network policy guards its {}", direction.field())),
                Answer::Unknown => context.unknown(format!(
                    "whether a network policy guards its {}",
                    direction.field()
                )),
            }
        }
    },
};

/// Rules without peers.
pub static NETWORK_POLICY_NOT_ALLOW_ALL: Rule = Rule {
    id: "network-policy-not-allow-all",
    text: rule_text!("network-policy-not-allow-all"),
    kinds: &[NETWORK_POLICY],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, TransmissionSecurity],
    check: |subject, context| {
        for direction in Direction::BOTH {
            match speaks_of(subject.body, direction) {
                Answer::No => continue,
                Answer::Unknown => context.unknown("spec.policyTypes"),
                Answer::Yes => {}
            }
            let everybody = if direction == Direction::Ingress {
                "everybody may reach the pods"
            } else {
                "the pods may reach everybody"
            };
            for rule in context.items(subject.body, &format!("spec.{}", direction.field())) {
                let place = rule.node().at(direction.peers());
                if rule.node().list(direction.peers()).is_unknown() {
                    context.unknown(place);
                    continue;
                }
                let peers = context.items(rule.node(), direction.peers());
                let none = rule
                    .node()
                    .list(direction.peers())
                    .known()
                    .is_none_or(<[_]>::is_empty);
                if none {
                    context.fail(place, format!("the rule names no peers, so {everybody}"));
                }
                let blocks = rule.node().list(direction.peers()).known().unwrap_or_default();
                if direction == Direction::Ingress {
                    match is_every_address(blocks, false) {
                        Answer::Yes => context.fail(
                            rule.node().at(direction.peers()),
                            format!("the blocks hold every address, so {everybody}"),
                        ),
                        Answer::Unknown => context.unknown(rule.node().at(direction.peers())),
                        Answer::No => {}
                    }
                }
                for peer in peers {
                    match is_everybody(peer.node()) {
                        Answer::Yes => context.fail(
                            peer.path.clone(),
                            format!("the peer is anybody at all, so {everybody}"),
                        ),
                        Answer::Unknown => context.unknown(peer.path.clone()),
                        Answer::No => {}
                    }
                }
            }
        }
    },
};

/// Egress to addresses.
pub static EGRESS_DESTINATIONS_RESTRICTED: Rule = Rule {
    id: "egress-destinations-restricted",
    text: rule_text!("egress-destinations-restricted"),
    kinds: &[NETWORK_POLICY],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    check: |subject, context| {
        match speaks_of(subject.body, Direction::Egress) {
            Answer::Yes => {}
            Answer::No => {
                context.not_applicable("the policy says nothing of egress");
                return;
            }
            Answer::Unknown => context.unknown("spec.policyTypes"),
        }
        for rule in context.items(subject.body, "spec.egress") {
            let mut leaves = false;
            for peer in context.items(rule.node(), "to") {
                if peer.node().field("ipBlock").is_absent() {
                    continue;
                }
                leaves = true;
                let Some(cidr) = context.text(peer.node(), "ipBlock.cidr") else {
                    continue;
                };
                let Some(block) = Block::read(cidr) else {
                    context.unknown(peer.node().at("ipBlock.cidr"));
                    continue;
                };
                let excepted: Vec<_> = context
                    .texts(peer.node(), "ipBlock.except")
                    .into_iter()
                    .filter_map(Block::read)
                    .collect();
                for address in METADATA
                    .iter()
                    .filter_map(|address| address.parse::<IpAddr>().ok())
                {
                    if block.holds(address) && !excepted.iter().any(|except| except.holds(address)) {
                        context.fail(
                            peer.node().at("ipBlock"),
                            format!("the pods may reach {address}, the cloud's metadata, which hands out the node's credentials"),
                        );
                    }
                }
            }
            if leaves {
                match every_port(rule.node()) {
                    Answer::No => {}
                    Answer::Unknown => context.unknown(rule.node().at("ports")),
                    Answer::Yes => context.fail(
                        rule.node().at("ports"),
                        "the pods may use every port of these addresses",
                    ),
                }
            }
        }
    },
};

const METADATA: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

/// Whether a policy selects all pods of its namespace.
fn selects_all(policy: Node<'_>) -> Answer {
    let empty = |field: &str| match policy.field(field) {
        Field::Known(value) => Answer::from_bool(
            value.as_object().is_some_and(serde_json::Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty),
        ),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    empty("spec.podSelector.matchLabels").and(empty("spec.podSelector.matchExpressions"))
}

/// Whether a policy speaks of a direction: by its `policyTypes`, or as the API server fills them in.
fn speaks_of(policy: Node<'_>, direction: Direction) -> Answer {
    let wanted = match direction {
        Direction::Ingress => "Ingress",
        Direction::Egress => "Egress",
    };
    match policy.list("spec.policyTypes") {
        Field::Known(types) if !types.is_empty() => {
            Answer::any(types.iter().map(|kind| match crate::field::text(kind) {
                Field::Known(kind) => Answer::from_bool(kind == wanted),
                _ => Answer::Unknown,
            }))
        }
        Field::Unknown => Answer::Unknown,
        _ if direction == Direction::Ingress => Answer::Yes,
        _ => match policy.list("spec.egress") {
            Field::Known(rules) => Answer::from_bool(!rules.is_empty()),
            Field::Absent => Answer::No,
            Field::Unknown => Answer::Unknown,
        },
    }
}

/// Whether a rule of a policy lets everything through in a direction.
fn lets_all_through(policy: Node<'_>, direction: Direction) -> Answer {
    match policy.list(&format!("spec.{}", direction.field())) {
        Field::Known(rules) => Answer::any(rules.iter().map(|rule| {
            if crate::field::is_unknown(rule) {
                return Answer::Unknown;
            }
            let rule = Node::new(rule, "");
            let to_all = match rule.list(direction.peers()) {
                Field::Absent | Field::Known([]) => Answer::Yes,
                Field::Unknown => Answer::Unknown,
                Field::Known(peers) => Answer::any(
                    peers
                        .iter()
                        .map(|peer| is_everybody(Node::new(peer, "")))
                        .chain([is_every_address(peers, true)]),
                ),
            };
            to_all.and(every_port(rule))
        })),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether a rule names no ports, or all of a protocol: without a number, or as a range from the first to the last.
fn every_port(rule: Node<'_>) -> Answer {
    match rule.list("ports") {
        Field::Absent | Field::Known([]) => Answer::Yes,
        Field::Unknown => Answer::Unknown,
        Field::Known(ports) => Answer::any(ports.iter().map(|port| {
            if crate::field::is_unknown(port) {
                return Answer::Unknown;
            }
            let port = Node::new(port, "");
            match (port.field("port"), port.number("endPort")) {
                (Field::Absent, _) => Answer::Yes,
                (Field::Known(first), Field::Known(last)) => {
                    Answer::from_bool(first.as_i64().is_some_and(|first| first <= 1) && last >= 65_535)
                }
                (Field::Known(_), Field::Absent) => Answer::No,
                _ => Answer::Unknown,
            }
        })),
    }
}

/// Whether a peer is every pod of every namespace.
fn is_everybody(peer: Node<'_>) -> Answer {
    if crate::field::is_unknown(peer.value) {
        return Answer::Unknown;
    }
    // Without a namespace selector the peer is of the policy's own namespace.
    match peer.field("namespaceSelector") {
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
        Field::Known(namespaces) => {
            let namespaces = finds_all(Node::new(namespaces, ""), |label| {
                label == "kubernetes.io/metadata.name"
            });
            namespaces.and(match peer.field("podSelector") {
                Field::Absent => Answer::Yes,
                Field::Unknown => Answer::Unknown,
                Field::Known(pods) => finds_all(Node::new(pods, ""), |_| false),
            })
        }
    }
}

/// Whether a selector finds everything: it asks for nothing, or only that there is a label that all have.
fn finds_all(selector: Node<'_>, all_have: impl Fn(&str) -> bool) -> Answer {
    let exact = match selector.map("matchLabels") {
        Field::Known(labels) => Answer::from_bool(labels.is_empty()),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    let expressions = match selector.list("matchExpressions") {
        Field::Known(expressions) => expressions.iter().fold(Answer::Yes, |so_far, expression| {
            let expression = Node::new(expression, "");
            so_far.and(match (expression.text("operator"), expression.text("key")) {
                (Field::Known("Exists"), Field::Known(key)) => Answer::from_bool(all_have(key)),
                (Field::Known(_), Field::Known(_)) => Answer::No,
                _ => Answer::Unknown,
            })
        }),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    exact.and(expressions)
}

/// Whether the blocks among these peers hold every address of a family together: `0.0.0.0/0`, or its two halves. What is
/// excepted counts where it is asked for.
fn is_every_address(peers: &[Value], with_exceptions: bool) -> Answer {
    let mut blocks = Vec::new();
    let mut in_doubt = false;
    for peer in peers {
        let peer = Node::new(peer, "");
        match peer.text("ipBlock.cidr") {
            Field::Known(cidr) => match Block::read(cidr) {
                Some(block) => {
                    let excepted = peer.list("ipBlock.except");
                    in_doubt |= with_exceptions && excepted.is_unknown();
                    if !(with_exceptions && excepted.known().is_some_and(|blocks| !blocks.is_empty())) {
                        blocks.push(block);
                    }
                }
                None => in_doubt = true,
            },
            Field::Unknown => in_doubt = true,
            Field::Absent => {}
        }
    }
    if Block::are_everything(&blocks) {
        Answer::Yes
    } else if in_doubt {
        Answer::Unknown
    } else {
        Answer::No
    }
}

/// A block of addresses.
pub(crate) struct Block {
    address: IpAddr,
    length: u8,
}

impl Block {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length: u8 = length.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (length <= most).then_some(Self { address, length })
    }

    /// Whether these hold every address of version 4 together, or every one of version 6.
    pub(crate) fn are_everything(blocks: &[Self]) -> bool {
        /// Addresses as numbers of 128 bits, the shorter ones moved to the front.
        fn ends(block: &Block) -> (u128, u128) {
            let first = match block.address {
                IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
                IpAddr::V6(address) => u128::from(address),
            };
            let below = u128::MAX.checked_shr(u32::from(block.length)).unwrap_or(0);
            (first & !below, first | below)
        }
        [true, false].into_iter().any(|is_v4| {
            let mut family: Vec<_> = blocks
                .iter()
                .filter(|block| block.address.is_ipv4() == is_v4)
                .map(ends)
                .collect();
            family.sort_unstable();
            let mut reached = Some(0);
            for (first, last) in family {
                match reached {
                    Some(next) if first <= next => reached = last.checked_add(1).map(|after| after.max(next)),
                    _ => break,
                }
            }
            reached.is_none()
        })
    }

    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                u32::from(own) & mask == u32::from(other) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                u128::from(own) & mask == u128::from(other) & mask
            }
            _ => false,
        }
    }
}

/// Whether something that selects by labels finds a workload in a namespace.
pub(crate) fn finds_a_workload(
    context: &CheckContext<'_>,
    namespace: &str,
    matches: impl Fn(crate::inventory::Workload<'_>) -> Answer,
) -> Answer {
    Answer::any(context.inventory.workloads_in(namespace).map(matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_the_addresses_below_them() {
        let holds = |block: &str, address: &str| Block::read(block).unwrap().holds(address.parse().unwrap());
        assert!(holds("0.0.0.0/0", "169.254.169.254"));
        assert!(holds("169.254.0.0/16", "169.254.169.254"));
        assert!(holds("169.254.169.254/32", "169.254.169.254"));
        assert!(!holds("169.254.169.255/32", "169.254.169.254"));
        assert!(!holds("10.0.0.0/8", "169.254.169.254"));
        assert!(holds("::/0", "fd00:ec2::254") && !holds("::/0", "10.0.0.1"));
        let all = |blocks: &[&str]| {
            let blocks: Vec<_> = blocks.iter().filter_map(|block| Block::read(block)).collect();
            Block::are_everything(&blocks)
        };
        assert!(all(&["0.0.0.0/0"]) && all(&["10.0.0.0/0"]) && all(&["::/0", "10.0.0.0/8"]));
        assert!(all(&["128.0.0.0/1", "0.0.0.0/1"]) && all(&["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/1"]));
        assert!(!all(&["0.0.0.0/1", "192.0.0.0/2"]) && !all(&[]) && !all(&["0.0.0.0/1", "8000::/1"]));
        assert!(Block::read("10.0.0.0/33").is_none() && Block::read("10.0.0.0").is_none());
    }
}
