//! Network policies, separately for ingress and egress.

use crate::cidr::{Addresses, METADATA};
use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    AccessArchitecture, AccessAuthorization, AccessControl, AnomaliesWatched, Boundary, DataInMotion,
    TransmissionSecurity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{Kind, NETWORK_POLICY, RUNNING_WORKLOADS};
use crate::rule::{Check, Rule, Severity};
use crate::rules::network::traffic::{
    Allowed, Direction, MANY_PORTS, addresses_of, applies_to, are_everyone, companions, contain_the_internet,
    exceeds, match_everything, matches_every_pod, matches_unlabelled, open_ports, other_policy, rules_of,
    selects_labels,
};
use crate::selector::Answer;
use crate::text::rule_text;

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
        if context.inventory.is_of_the_cluster(name) {
            context.not_applicable("the namespace belongs to the cluster");
            return;
        }
        if context.inventory.is_externally_managed(name) {
            context.not_applicable("the settings list the namespace as externally managed");
            return;
        }
        for direction in Direction::BOTH {
            default_deny(name, direction, context);
        }
    }),
    ..Rule::DEFAULTS
};

/// Checks that the policies of a namespace select all pods for a direction and do not allow everything together.
fn default_deny(name: &str, direction: Direction, context: &mut CheckContext<'_>) {
    let inventory = context.inventory;
    let words = direction.field();
    let policies: Vec<_> = inventory
        .within(NETWORK_POLICY, name)
        .map(|policy| Node::new(policy.body(), ""))
        .map(|policy| (policy, applies_to(policy, direction)))
        .filter(|(_, applies)| *applies != Answer::No)
        .collect();
    let isolated = Answer::any([true, false].map(|only_known| {
        let applying = policies
            .iter()
            .filter(|(_, applies)| *applies == Answer::Yes || !only_known);
        let selectors: Vec<_> = applying.map(|(policy, _)| pod_selector(*policy)).collect();
        match match_everything(&selectors) {
            Answer::Yes if !only_known => Answer::Unknown,
            answer => answer,
        }
    }));
    match isolated {
        Answer::Yes => {}
        Answer::No => {
            let elsewhere = other_policy(inventory, name, direction);
            if let Some(other) = elsewhere {
                context.unknown(format!(
                    "whether {other}, which is not evaluated, denies {words} by default"
                ));
            } else if inventory.is_complete() {
                context.fail(
                    "",
                    format!("no network policy of the namespace {name} denies {words} by default"),
                );
            } else {
                context.unknown(format!(
                    "whether a policy outside of the input denies {words} by default"
                ));
            }
            return;
        }
        Answer::Unknown => {
            context.unknown(format!(
                "whether the network policies of {name} deny {words} by default"
            ));
            return;
        }
    }
    // A policy also applies to pods without its labels if it only excludes labels.
    let mut rules = Vec::new();
    let mut in_doubt = false;
    for (policy, applies) in &policies {
        let selects_new_pods = matches_unlabelled(pod_selector(*policy), &[]);
        match (applies.and(selects_new_pods), rules_of(*policy, direction)) {
            (Answer::No, _) => {}
            (Answer::Yes, Some(allowed)) => rules.extend(allowed),
            (Answer::Unknown, Some(allowed)) if allowed.is_empty() => {}
            _ => in_doubt = true,
        }
    }
    let rules: Vec<_> = rules.iter().collect();
    match exceeds(&rules, MANY_PORTS, are_everyone) {
        Answer::Yes => context.fail(
            "",
            format!("together, the network policies for all pods of the namespace {name} allow all {words}"),
        ),
        Answer::No if !in_doubt => {}
        Answer::No | Answer::Unknown => {
            context.unknown(format!(
                "whether the network policies of {name} deny {words} by default"
            ));
        }
    }
}

/// The pod selector of a policy; an absent one selects all pods.
fn pod_selector(policy: Node<'_>) -> Node<'_> {
    const ALL: &serde_json::Value = &serde_json::Value::Null;
    match policy.value.pointer("/spec/podSelector") {
        Some(selector) => Node::new(selector, ""),
        None if policy.field("spec").is_unknown() => policy,
        None => Node::new(ALL, ""),
    }
}

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
        let labels = pod.labels();
        for direction in Direction::BOTH {
            let selecting = context
                .inventory
                .within(NETWORK_POLICY, subject.namespace())
                .map(|policy| {
                    let policy = Node::new(policy.body(), "");
                    selects_labels(policy, labels).and(applies_to(policy, direction))
                });
            match Answer::any(selecting) {
                Answer::Yes => {}
                Answer::No if other_policy(context.inventory, subject.namespace(), direction).is_some() => {
                    context.unknown(format!(
                        "whether a policy of another API, which is not evaluated, selects it for {}",
                        direction.field()
                    ));
                }
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
    check: Check::Stack(|subject, context| {
        for direction in Direction::BOTH {
            match applies_to(subject.body, direction) {
                Answer::No => continue,
                Answer::Unknown => context.unknown("spec.policyTypes"),
                Answer::Yes => {}
            }
            peers_are_named(subject, direction, context);
        }
    }),
    ..Rule::DEFAULTS
};

fn peers_are_named(subject: &Subject<'_>, direction: Direction, context: &mut CheckContext<'_>) {
    let consequence = if direction == Direction::Ingress {
        "all sources can reach the pods"
    } else {
        "the pods can reach all destinations"
    };
    let place = format!("spec.{}", direction.field());
    let mut has_findings = false;
    let mut find = |context: &mut CheckContext<'_>, place: String, message: String| {
        has_findings = true;
        context.fail(place, format!("{message}, so {consequence}"));
    };
    for rule in context.items(subject.body, &place) {
        let place = rule.node().at(direction.peers());
        let given = rule.node().list(direction.peers());
        if given.is_unknown() {
            context.unknown(place);
            continue;
        }
        if given.known().is_none_or(<[_]>::is_empty) {
            find(context, place, "the rule has no peers".to_owned());
            continue;
        }
        for peer in context.items(rule.node(), direction.peers()) {
            match matches_every_pod(peer.node()) {
                Answer::Yes => find(
                    context,
                    peer.path.clone(),
                    "the peer matches every pod in every namespace, or every pod without certain labels"
                        .to_owned(),
                ),
                Answer::Unknown => context.unknown(peer.path.clone()),
                Answer::No => {}
            }
        }
    }
    if direction == Direction::Egress || has_findings {
        return;
    }
    let Some(own) = rules_of(subject.body, direction) else {
        return;
    };
    let own: Vec<_> = own.iter().collect();
    match exceeds(&own, 0, contain_the_internet) {
        Answer::Yes => {
            let alone = own.iter().position(|rule| contain_the_internet(&[*rule]));
            let place = alone.map_or(place.clone(), |index| {
                format!("{place}[{index}].{}", direction.peers())
            });
            context.fail(
                place,
                format!("the IP blocks contain nearly every address, so {consequence}"),
            );
            return;
        }
        Answer::Unknown => context.unknown(format!("the IP blocks of {place}")),
        Answer::No => {}
    }
    for (names, others) in companions_with_blocks(subject, &own, direction, context) {
        let rules: Vec<_> = own.iter().copied().chain(&others).collect();
        let without: Vec<_> = others.iter().collect();
        if open_ports(&rules, contain_the_internet) > open_ports(&without, contain_the_internet) {
            context.fail(
                place,
                format!(
                    "together with {names}, the IP blocks contain nearly every address, so {consequence}"
                ),
            );
            return;
        }
    }
}

/// The rules of the other policies that select the same pods, with the names of these policies, if the policy has IP blocks.
/// Without them, it adds nothing to what the others allow to addresses.
fn companions_with_blocks(
    subject: &Subject<'_>,
    own: &[&Allowed],
    direction: Direction,
    context: &CheckContext<'_>,
) -> Vec<(String, Vec<Allowed>)> {
    if !own.iter().any(|rule| rule.has_blocks()) {
        return Vec::new();
    }
    let lists = companions(subject, context.inventory, direction).into_iter();
    lists
        .map(|others| {
            let names: Vec<_> = others.iter().map(|other| other.id.to_string()).collect();
            let rules = others
                .iter()
                .filter_map(|other| rules_of(Node::new(other.body(), ""), direction));
            (names.join(" and "), rules.flatten().collect())
        })
        .collect()
}

/// Egress to IP blocks.
pub static EGRESS_DESTINATIONS_RESTRICTED: Rule = Rule {
    id: "egress-destinations-restricted",
    text: rule_text!("egress-destinations-restricted"),
    kinds: &[NETWORK_POLICY],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, DataInMotion, TransmissionSecurity],
    check: Check::Stack(|subject, context| {
        match applies_to(subject.body, Direction::Egress) {
            Answer::Yes => {}
            Answer::No => {
                context.not_applicable("the policy does not apply to egress");
                return;
            }
            Answer::Unknown => context.unknown("spec.policyTypes"),
        }
        let Some(allowed) = rules_of(subject.body, Direction::Egress) else {
            context.unknown("spec.egress");
            return;
        };
        let mut has_findings = false;
        for (index, own) in allowed.iter().enumerate() {
            let rule = format!("spec.egress[{index}]");
            if own.unknown_peers {
                context.unknown(format!("{rule}.to"));
            }
            if !own.has_blocks() {
                continue;
            }
            let value = subject
                .body
                .list("spec.egress")
                .known()
                .and_then(|rules| rules.get(index));
            let peers = value.map(|value| context.items(Node::new(value, &rule), "to"));
            for peer in peers.unwrap_or_default() {
                check_metadata(peer.node(), context);
            }
            if own.unknown_ports {
                context.unknown(format!("{rule}.ports"));
            }
            let open = open_ports(&[own], |_| true);
            if open > MANY_PORTS {
                has_findings = true;
                let ports = if open < 65_535 {
                    open.to_string()
                } else {
                    "all".to_owned()
                };
                context.fail(
                    format!("{rule}.ports"),
                    format!("the pods can use {ports} ports of these addresses"),
                );
            }
        }
        if has_findings {
            return;
        }
        let own: Vec<_> = allowed.iter().collect();
        let mut sets = vec![(String::new(), Vec::new())];
        sets.extend(companions_with_blocks(subject, &own, Direction::Egress, context));
        for (names, others) in sets {
            let rules: Vec<_> = own.iter().copied().chain(&others).collect();
            let samples = Addresses::samples(rules.iter().map(|rule| &rule.addresses));
            let open = |address| {
                let to: Vec<_> = rules
                    .iter()
                    .copied()
                    .filter(|rule| rule.includes(address))
                    .collect();
                (open_ports(&to, |_| true), address)
            };
            let own_samples = samples
                .into_iter()
                .filter(|address| own.iter().any(|rule| rule.includes(*address)));
            let most = own_samples.map(open).max();
            if let Some((open, address)) = most
                && open > MANY_PORTS
            {
                let with = if names.is_empty() {
                    String::new()
                } else {
                    format!(" with {names}")
                };
                context.fail(
                    "spec.egress",
                    format!("together{with}, the rules allow the pods to use {open} ports of {address}"),
                );
                return;
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// Checks that a peer of an egress rule contains no metadata service.
fn check_metadata(peer: Node<'_>, context: &mut CheckContext<'_>) {
    if peer.field("ipBlock").is_absent() {
        return;
    }
    let place = peer.at("ipBlock");
    let (addresses, is_known) = addresses_of(peer);
    if !is_known {
        context.unknown(place.clone());
    }
    let reachable: Vec<_> = METADATA
        .iter()
        .filter(|address| addresses.contains(**address))
        .map(ToString::to_string)
        .collect();
    if !reachable.is_empty() {
        context.fail(
            place,
            format!(
                "the pods can reach cloud metadata services, which return credentials: {}",
                reachable.join(", ")
            ),
        );
    }
}
