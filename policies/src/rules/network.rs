//! Network policies, by what they let through, each direction for itself.

use std::net::IpAddr;

use crate::control::Control::{
    AccessArchitecture, AccessAuthorisation, AccessControl, AnomaliesWatched, Boundary, DataInMotion,
    TransmissionSecurity,
};
use crate::judging::Judging;
use crate::pod::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, REPLICATION_CONTROLLER, STATEFUL_SET,
};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::pod;
use crate::selector::{Answer, selects};

pub(super) const NETWORK_POLICY: Kind = Kind::new(&["networking.k8s.io", "extensions"], "NetworkPolicy");

/// Workloads whose pods are there; a template makes none.
pub(super) const RUNNING: &[Kind] = &[
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
    title: "In every namespace, what nobody allowed is refused, both ways",
    meaning: "Judges Namespaces. Passes where for each direction a NetworkPolicy selects all pods of the namespace and lets through less than everything. The namespaces of the cluster itself (`kube-…`) and those that the settings call somebody else's are not judged.",
    why: "Without a default, a pod that is new or whose labels changed may be reached by everybody and may reach everything.",
    remedy: "Add a NetworkPolicy with an empty `podSelector`, both `policyTypes` and no rules, and allow what is needed beside it.",
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
    limits: &[
        "policies of Cilium, Calico and AdminNetworkPolicies are not read",
        "whether the cluster's network enforces policies at all is not seen",
    ],
    good: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: a}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}\n",
    bad: "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: a}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n",
    check: |subject, judging| {
        let name = subject.object.id.name.as_str();
        if name.starts_with("kube-") {
            judging.not_applicable("the namespace is the cluster's own");
            return;
        }
        if judging.world.is_foreign(name) {
            judging.not_applicable("the settings say that somebody else guards the namespace");
            return;
        }
        for direction in Direction::BOTH {
            let denies = judging.world.within(NETWORK_POLICY, name).map(|policy| {
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
                Answer::No if !judging.world.is_complete() => {
                    judging.unknown(format!(
                        "whether a policy that was not given refuses {} by default",
                        direction.field()
                    ));
                }
                Answer::No => judging.fail(
                    "",
                    format!(
                        "no network policy of the namespace {name} refuses {} that nobody allowed",
                        direction.field()
                    ),
                ),
                Answer::Unknown => judging.unknown(format!(
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
    title: "A network policy guards every workload, both ways",
    meaning: "Fails, for each direction, where no NetworkPolicy of the namespace selects the workload's pods and speaks of that direction. A policy without `policyTypes` speaks of ingress, and of egress where it has egress rules. Pods on their node's network, for which no policy holds, are not judged.",
    why: "A pod that no policy selects may be reached by every pod of the cluster, and may reach everything.",
    remedy: "Add a NetworkPolicy whose `podSelector` selects the workload, with both `policyTypes`.",
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
    limits: &["policies of Cilium, Calico and AdminNetworkPolicies are not read"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: a}}\nspec: {containers: [{name: app}]}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: a}\nspec: {podSelector: {matchLabels: {app: a}}, policyTypes: [Ingress, Egress]}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a, labels: {app: a}}\nspec: {containers: [{name: app}]}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: a}\nspec: {podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress, Egress]}\n",
    check: |subject, judging| {
        let Some(pod) = pod(subject, judging) else { return };
        match pod.spec().flag("hostNetwork") {
            Read::Known(true) => {
                judging.not_applicable("no network policy holds for a pod on its node's network");
                return;
            }
            Read::Unknown => judging.unknown(pod.spec().at("hostNetwork")),
            _ => {}
        }
        let labels = pod.metadata().map("labels");
        for direction in Direction::BOTH {
            let guards = judging
                .world
                .within(NETWORK_POLICY, subject.namespace())
                .map(|policy| {
                    let policy = Node::new(policy.body(), "");
                    let selector = match policy.field("spec.podSelector") {
                        Read::Known(selector) => selects(Node::new(selector, ""), labels),
                        Read::Absent => Answer::Yes,
                        Read::Unknown => Answer::Unknown,
                    };
                    selector.and(speaks_of(policy, direction))
                });
            match Answer::any(guards) {
                Answer::Yes => {}
                Answer::No if !judging.world.is_complete() => {
                    judging.unknown(format!(
                        "whether a policy that was not given guards its {}",
                        direction.field()
                    ));
                }
                Answer::No => judging.fail("", format!("no network policy guards its {}", direction.field())),
                Answer::Unknown => judging.unknown(format!(
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
    title: "Network policies say who, and never \"everybody\"",
    meaning: "Judges NetworkPolicies. Fails where a rule names no peers at all (`from` or `to` absent or empty), where a peer is every pod of every namespace, or where ingress is let in from every address (`0.0.0.0/0`, `::/0`), whatever its ports and exceptions. Egress to every address is another rule's.",
    why: "Such a rule undoes all others: what it lets through no other policy can refuse.",
    remedy: "Name the peers by their namespace and labels. What the world may reach belongs behind the gateway.",
    kinds: &[NETWORK_POLICY],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, TransmissionSecurity],
    limits: &[],
    good: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  ingress: [{from: [{podSelector: {matchLabels: {app: b}}}]}]\n",
    bad: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  ingress: [{from: []}]\n",
    check: |subject, judging| {
        for direction in Direction::BOTH {
            match speaks_of(subject.body, direction) {
                Answer::No => continue,
                Answer::Unknown => judging.unknown("spec.policyTypes"),
                Answer::Yes => {}
            }
            let everybody = if direction == Direction::Ingress {
                "everybody may reach the pods"
            } else {
                "the pods may reach everybody"
            };
            for rule in judging.items(subject.body, &format!("spec.{}", direction.field())) {
                let place = rule.node().at(direction.peers());
                if rule.node().list(direction.peers()).is_unknown() {
                    judging.unknown(place);
                    continue;
                }
                let peers = judging.items(rule.node(), direction.peers());
                let none = rule
                    .node()
                    .list(direction.peers())
                    .known()
                    .is_none_or(<[_]>::is_empty);
                if none {
                    judging.fail(place, format!("the rule names no peers, so {everybody}"));
                }
                for peer in peers {
                    match is_everybody(peer.node(), direction) {
                        Answer::Yes => judging.fail(
                            peer.path.clone(),
                            format!("the peer is anybody at all, so {everybody}"),
                        ),
                        Answer::Unknown => judging.unknown(peer.path.clone()),
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
    title: "What may leave the cluster goes to named ports, and never to the cloud's metadata",
    meaning: "Judges NetworkPolicies. An egress rule to a block of addresses fails where it names no ports, and where the block holds an address of cloud metadata (169.254.169.254, fd00:ec2::254) that is not excepted.",
    why: "The metadata service hands the node's credentials to whoever asks, and any port is a way out for data.",
    remedy: "Name the ports, and except 169.254.0.0/16 (`except`). Better, let one egress gateway alone leave the cluster.",
    kinds: &[NETWORK_POLICY],
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    limits: &["a network policy knows addresses, not names: which host is reached cannot be said"],
    good: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  policyTypes: [Egress]\n  egress: [{ports: [{port: 443}], to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}}]}]\n",
    bad: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  policyTypes: [Egress]\n  egress: [{ports: [{port: 443}], to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]\n",
    check: |subject, judging| {
        match speaks_of(subject.body, Direction::Egress) {
            Answer::Yes => {}
            Answer::No => {
                judging.not_applicable("the policy says nothing of egress");
                return;
            }
            Answer::Unknown => judging.unknown("spec.policyTypes"),
        }
        for rule in judging.items(subject.body, "spec.egress") {
            let mut leaves = false;
            for peer in judging.items(rule.node(), "to") {
                if peer.node().field("ipBlock").is_absent() {
                    continue;
                }
                leaves = true;
                let Some(cidr) = judging.text(peer.node(), "ipBlock.cidr") else {
                    continue;
                };
                let Some(block) = Block::read(cidr) else {
                    judging.unknown(peer.node().at("ipBlock.cidr"));
                    continue;
                };
                let excepted: Vec<_> = judging
                    .texts(peer.node(), "ipBlock.except")
                    .into_iter()
                    .filter_map(Block::read)
                    .collect();
                for address in METADATA
                    .iter()
                    .filter_map(|address| address.parse::<IpAddr>().ok())
                {
                    if block.holds(address) && !excepted.iter().any(|except| except.holds(address)) {
                        judging.fail(
                            peer.node().at("ipBlock"),
                            format!("the pods may reach {address}, the cloud's metadata, which hands out the node's credentials"),
                        );
                    }
                }
            }
            if leaves {
                match rule.node().list("ports") {
                    Read::Known(ports) if !ports.is_empty() => {}
                    Read::Unknown => judging.unknown(rule.node().at("ports")),
                    _ => judging.fail(
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
        Read::Known(value) => Answer::from_bool(
            value.as_object().is_some_and(serde_json::Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty),
        ),
        Read::Absent => Answer::Yes,
        Read::Unknown => Answer::Unknown,
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
        Read::Known(types) if !types.is_empty() => {
            Answer::any(types.iter().map(|kind| match crate::read::text(kind) {
                Read::Known(kind) => Answer::from_bool(kind == wanted),
                _ => Answer::Unknown,
            }))
        }
        Read::Unknown => Answer::Unknown,
        _ if direction == Direction::Ingress => Answer::Yes,
        _ => match policy.list("spec.egress") {
            Read::Known(rules) => Answer::from_bool(!rules.is_empty()),
            Read::Absent => Answer::No,
            Read::Unknown => Answer::Unknown,
        },
    }
}

/// Whether a rule of a policy lets everything through in a direction.
fn lets_all_through(policy: Node<'_>, direction: Direction) -> Answer {
    match policy.list(&format!("spec.{}", direction.field())) {
        Read::Known(rules) => Answer::any(rules.iter().map(|rule| {
            if crate::read::is_unknown(rule) {
                return Answer::Unknown;
            }
            let rule = Node::new(rule, "");
            match rule.list(direction.peers()) {
                Read::Absent | Read::Known([]) => Answer::Yes,
                Read::Unknown => Answer::Unknown,
                Read::Known(peers) => Answer::any(
                    peers
                        .iter()
                        .map(|peer| is_everybody(Node::new(peer, ""), direction)),
                ),
            }
        })),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }
}

/// Whether a peer is every pod of every namespace, or for ingress every address.
fn is_everybody(peer: Node<'_>, direction: Direction) -> Answer {
    if crate::read::is_unknown(peer.value) {
        return Answer::Unknown;
    }
    if direction == Direction::Ingress {
        match peer.text("ipBlock.cidr") {
            Read::Known(cidr) => {
                return Answer::from_bool(Block::read(cidr).is_some_and(|block| block.length == 0));
            }
            Read::Unknown => return Answer::Unknown,
            Read::Absent => {}
        }
    }
    let empty = |field: &str| match peer.field(field) {
        Read::Known(value) => Answer::from_bool(value.as_object().is_some_and(|map| {
            map.values().all(|value| {
                value.as_object().is_some_and(serde_json::Map::is_empty)
                    || value.as_array().is_some_and(Vec::is_empty)
            })
        })),
        Read::Absent => Answer::Yes,
        Read::Unknown => Answer::Unknown,
    };
    // Without a namespace selector the peer is of the policy's own namespace.
    match peer.field("namespaceSelector") {
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
        Read::Known(selector) if unknown_within(selector) => Answer::Unknown,
        Read::Known(_) => empty("namespaceSelector").and(empty("podSelector")),
    }
}

fn unknown_within(selector: &serde_json::Value) -> bool {
    selector
        .as_object()
        .is_some_and(|map| map.values().any(crate::read::is_unknown))
}

/// A block of addresses.
struct Block {
    address: IpAddr,
    length: u8,
}

impl Block {
    fn read(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length: u8 = length.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (length <= most).then_some(Self { address, length })
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
pub(super) fn finds_a_workload(
    judging: &Judging<'_>,
    namespace: &str,
    matches: impl Fn(crate::world::Workload<'_>) -> Answer,
) -> Answer {
    Answer::any(judging.world.workloads_in(namespace).map(matches))
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
        assert!(Block::read("10.0.0.0/33").is_none() && Block::read("10.0.0.0").is_none());
    }
}
