//! Network policies, by what they let through, each direction for itself.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use crate::cidr::cover_a_family;
use crate::control::Control::{
    AccessArchitecture, AccessAuthorization, AccessControl, AnomaliesWatched, Boundary, DataInMotion,
    TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{Kind, NETWORK_POLICY, RUNNING_WORKLOADS};
use crate::rule::{Check, Rule, Severity};
use crate::selector::{Answer, selects};
use crate::text::rule_text;

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
    severity: Severity::Critical,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        Boundary,
        AnomaliesWatched,
        AccessControl,
        AccessAuthorization,
        TransmissionSecurity,
    ],
    check: Check::Stack(|subject, context| {
        let name = subject.object.id.name.as_str();
        if name.starts_with("kube-") {
            context.not_applicable("the namespace is the cluster's own");
            return;
        }
        if context.inventory.is_externally_managed(name) {
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
    }),
    ..Rule::DEFAULTS
};

/// Every workload is selected.
pub static WORKLOAD_HAS_NETWORK_POLICY: Rule = Rule {
    id: "workload-has-network-policy",
    text: rule_text!("workload-has-network-policy"),
    kinds: RUNNING_WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[
        AccessArchitecture,
        Boundary,
        AnomaliesWatched,
        AccessAuthorization,
        TransmissionSecurity,
    ],
    check: Check::Stack(|subject, context| {
        let Some(pod) = context.pod(subject) else { return };
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
    }),
    ..Rule::DEFAULTS
};

/// Rules without peers.
pub static NETWORK_POLICY_NOT_ALLOW_ALL: Rule = Rule {
    id: "network-policy-not-allow-all",
    text: rule_text!("network-policy-not-allow-all"),
    kinds: &[NETWORK_POLICY],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, TransmissionSecurity],
    check: Check::Resource(|subject, context| {
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
    }),
    ..Rule::DEFAULTS
};

/// Egress to addresses.
pub static EGRESS_DESTINATIONS_RESTRICTED: Rule = Rule {
    id: "egress-destinations-restricted",
    text: rule_text!("egress-destinations-restricted"),
    kinds: &[NETWORK_POLICY],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    check: Check::Resource(|subject, context| {
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
                let Some(block) = cidr.parse::<IpNet>().ok() else {
                    context.unknown(peer.node().at("ipBlock.cidr"));
                    continue;
                };
                let excepted: Vec<_> = context
                    .texts(peer.node(), "ipBlock.except")
                    .into_iter()
                    .filter_map(|block| block.parse::<IpNet>().ok())
                    .collect();
                for address in METADATA
                    .iter()
                    .filter_map(|address| address.parse::<IpAddr>().ok())
                {
                    if block.contains(&address) && !excepted.iter().any(|except| except.contains(&address)) {
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
    }),
    ..Rule::DEFAULTS
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
            Field::Known(cidr) => match cidr.parse::<IpNet>().ok() {
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
    if cover_a_family(&blocks) {
        Answer::Yes
    } else if in_doubt {
        Answer::Unknown
    } else {
        Answer::No
    }
}
