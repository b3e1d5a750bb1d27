//! Network policies, separately for ingress and egress.

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

/// Deny by default.
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
            context.not_applicable("the namespace belongs to the cluster");
            return;
        }
        if context.inventory.is_externally_managed(name) {
            context.not_applicable("the settings list the namespace as externally managed");
            return;
        }
        for direction in Direction::BOTH {
            let denies = context.inventory.within(NETWORK_POLICY, name).map(|policy| {
                let policy = Node::new(policy.body(), "");
                selects_all(policy).and(applies_to(policy, direction)).and(
                    match allows_everything(policy, direction) {
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
                        "whether a policy outside of the input denies {} by default",
                        direction.field()
                    ));
                }
                Answer::No => context.fail(
                    "",
                    format!(
                        "no network policy of the namespace {name} denies {} by default",
                        direction.field()
                    ),
                ),
                Answer::Unknown => context.unknown(format!(
                    "whether the network policies of {name} deny {} by default",
                    direction.field()
                )),
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Network policies of a workload.
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
                context.not_applicable("network policies do not apply to pods on the host network");
                return;
            }
            Field::Unknown => context.unknown(pod.spec().at("hostNetwork")),
            _ => {}
        }
        let labels = pod.metadata().map("labels");
        for direction in Direction::BOTH {
            let selecting = context
                .inventory
                .within(NETWORK_POLICY, subject.namespace())
                .map(|policy| {
                    let policy = Node::new(policy.body(), "");
                    let selector = match policy.field("spec.podSelector") {
                        Field::Known(selector) => selects(Node::new(selector, ""), labels),
                        Field::Absent => Answer::Yes,
                        Field::Unknown => Answer::Unknown,
                    };
                    selector.and(applies_to(policy, direction))
                });
            match Answer::any(selecting) {
                Answer::Yes => {}
                Answer::No if !context.inventory.is_complete() => {
                    context.unknown(format!(
                        "whether a network policy outside of the input selects it for {}",
                        direction.field()
                    ));
                }
                Answer::No => context.fail(
                    "",
                    format!("no network policy selects it for {}", direction.field()),
                ),
                Answer::Unknown => context.unknown(format!(
                    "whether a network policy selects it for {}",
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
            match applies_to(subject.body, direction) {
                Answer::No => continue,
                Answer::Unknown => context.unknown("spec.policyTypes"),
                Answer::Yes => {}
            }
            let consequence = if direction == Direction::Ingress {
                "all sources can reach the pods"
            } else {
                "the pods can reach all destinations"
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
                    context.fail(place, format!("the rule has no peers, so {consequence}"));
                }
                let blocks = rule.node().list(direction.peers()).known().unwrap_or_default();
                if direction == Direction::Ingress {
                    match contains_every_address(blocks, false) {
                        Answer::Yes => context.fail(
                            rule.node().at(direction.peers()),
                            format!("the IP blocks contain every address, so {consequence}"),
                        ),
                        Answer::Unknown => context.unknown(rule.node().at(direction.peers())),
                        Answer::No => {}
                    }
                }
                for peer in peers {
                    match matches_every_pod(peer.node()) {
                        Answer::Yes => context.fail(
                            peer.path.clone(),
                            format!("the peer matches every pod of every namespace, so {consequence}"),
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

/// Egress to IP blocks.
pub static EGRESS_DESTINATIONS_RESTRICTED: Rule = Rule {
    id: "egress-destinations-restricted",
    text: rule_text!("egress-destinations-restricted"),
    kinds: &[NETWORK_POLICY],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    check: Check::Resource(|subject, context| {
        match applies_to(subject.body, Direction::Egress) {
            Answer::Yes => {}
            Answer::No => {
                context.not_applicable("the policy does not apply to egress");
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
                            format!("the pods can reach {address}, the metadata service of the cloud, which returns the credentials of the node"),
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
                        "the pods can use every port of these addresses",
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

/// Whether a policy applies to a direction, by its `policyTypes` or their default.
fn applies_to(policy: Node<'_>, direction: Direction) -> Answer {
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

/// Whether a rule of a policy allows all traffic in a direction.
fn allows_everything(policy: Node<'_>, direction: Direction) -> Answer {
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
                        .map(|peer| matches_every_pod(Node::new(peer, "")))
                        .chain([contains_every_address(peers, true)]),
                ),
            };
            to_all.and(every_port(rule))
        })),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether a rule applies to every port: it lists none, or a protocol without a port, or the full range.
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

/// Whether a peer matches every pod of every namespace.
fn matches_every_pod(peer: Node<'_>) -> Answer {
    if crate::field::is_unknown(peer.value) {
        return Answer::Unknown;
    }
    // Without a namespace selector, the peer is in the namespace of the policy.
    match peer.field("namespaceSelector") {
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
        Field::Known(namespaces) => {
            let namespaces = matches_everything(Node::new(namespaces, ""), |label| {
                label == "kubernetes.io/metadata.name"
            });
            namespaces.and(match peer.field("podSelector") {
                Field::Absent => Answer::Yes,
                Field::Unknown => Answer::Unknown,
                Field::Known(pods) => matches_everything(Node::new(pods, ""), |_| false),
            })
        }
    }
}

/// Whether a selector matches everything: it is empty, or requires only labels that all objects have.
fn matches_everything(selector: Node<'_>, all_have: impl Fn(&str) -> bool) -> Answer {
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

/// Whether the IP blocks of these peers together contain every address of a family: `0.0.0.0/0`, or its two halves. The
/// exceptions of a block are taken into account on request.
fn contains_every_address(peers: &[Value], with_exceptions: bool) -> Answer {
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
