//! What NetworkPolicies mean, as the Kubernetes API describes them.
//!
//! A pod that no policy selects for a direction may do anything in it. Once one selects it, only what some rule of some
//! policy allows goes through: policies and rules are alternatives, never exceptions of each other.
//! <https://kubernetes.io/docs/concepts/services-networking/network-policies>

use super::addresses::Block;
use super::objects::{
    Direction, IpBlock, LabelSelector, Labels, NameOrNumber, Named, NetworkPeer, NetworkPolicy, NetworkPort,
    Operator, Protocol,
};
use super::world::{End, Pod, contains};

/// Whether something goes through, and which object or lack of one decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    pub allowed: bool,
    pub by: &'a str,
}

impl<'a> Verdict<'a> {
    pub fn allowed(by: &'a str) -> Self {
        Self { allowed: true, by }
    }

    pub fn refused(by: &'a str) -> Self {
        Self { allowed: false, by }
    }
}

/// What is wrong with policies, such as what the API server would refuse.
pub fn check(policies: &[Named<NetworkPolicy>]) -> Result<(), String> {
    for policy in policies {
        let peers = policy
            .spec
            .ingress
            .iter()
            .flat_map(|rule| &rule.from)
            .chain(policy.spec.egress.iter().flat_map(|rule| &rule.to));
        for peer in peers {
            check_peer(peer).map_err(|problem| format!("{}: {problem}", policy.title))?;
        }
        let ports = policy
            .spec
            .ingress
            .iter()
            .flat_map(|rule| &rule.ports)
            .chain(policy.spec.egress.iter().flat_map(|rule| &rule.ports));
        for port in ports {
            check_port(port).map_err(|problem| format!("{}: {problem}", policy.title))?;
        }
    }
    Ok(())
}

fn check_peer(peer: &NetworkPeer) -> Result<(), String> {
    match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
        (Some(block), None, None) => {
            let whole = Block::read(&block.cidr)?;
            for except in &block.except {
                if !whole.covers(Block::read(except)?) {
                    return Err(format!("{except} is no part of {}", block.cidr));
                }
            }
            Ok(())
        }
        (Some(_), ..) => Err("a peer is either a block of addresses or pods".to_owned()),
        (None, None, None) => Err("a peer selects nothing".to_owned()),
        (None, ..) => Ok(()),
    }
}

fn check_port(port: &NetworkPort) -> Result<(), String> {
    match (&port.port, port.end_port) {
        (_, None) => Ok(()),
        (Some(NameOrNumber::Number(first)), Some(last)) if *first <= last => Ok(()),
        (_, Some(last)) => Err(format!(
            "a range of ports ends at {last} without a beginning below it"
        )),
    }
}

/// The policies that isolate a pod in a direction. They are the same for every far end and port.
pub struct Isolation<'a> {
    policies: Vec<&'a Named<NetworkPolicy>>,
    pod: &'a Pod,
    direction: Direction,
}

impl<'a> Isolation<'a> {
    /// Of a pod.
    pub fn of(policies: &'a [Named<NetworkPolicy>], pod: &'a Pod, direction: Direction) -> Self {
        let isolating = policies.iter().filter(|policy| {
            policy.namespace == pod.namespace
                && matches(&policy.spec.pod_selector, &pod.labels)
                && concerns(&policy.spec, direction)
        });
        Self {
            policies: isolating.collect(),
            pod,
            direction,
        }
    }

    /// Whether any far end could be allowed on a port: whether no policy isolates the pod, or some rule is about the port.
    pub fn could_allow(&self, protocol: Protocol, port: u16) -> bool {
        let about = |ports: &[NetworkPort]| {
            ports.is_empty()
                || ports.iter().any(|range| {
                    let named = matches!(range.port, Some(NameOrNumber::Name(_)));
                    named || has(range, protocol, port, Some(self.pod))
                })
        };
        self.policies.is_empty()
            || self.policies.iter().any(|policy| match self.direction {
                Direction::Ingress => policy.spec.ingress.iter().any(|rule| about(&rule.ports)),
                Direction::Egress => policy.spec.egress.iter().any(|rule| about(&rule.ports)),
            })
    }

    /// Whether the pod may be reached from the far end (`Ingress`), or may reach it (`Egress`).
    pub fn evaluate(&self, far: End<'_>, protocol: Protocol, port: u16) -> Verdict<'a> {
        for policy in &self.policies {
            // A named port is the port of that name at the server.
            let accepting = match (self.direction, far) {
                (Direction::Ingress, _) => Some(self.pod),
                (Direction::Egress, End::Pod(far)) => Some(far),
                (Direction::Egress, End::Address(_)) => None,
            };
            // Ports first: they are compared faster.
            let rule_allows = |peers: &[NetworkPeer], ports: &[NetworkPort]| {
                (ports.is_empty() || ports.iter().any(|range| has(range, protocol, port, accepting)))
                    && (peers.is_empty() || peers.iter().any(|peer| is(peer, &policy.namespace, far)))
            };
            let allowed = match self.direction {
                Direction::Ingress => policy
                    .spec
                    .ingress
                    .iter()
                    .any(|rule| rule_allows(&rule.from, &rule.ports)),
                Direction::Egress => policy
                    .spec
                    .egress
                    .iter()
                    .any(|rule| rule_allows(&rule.to, &rule.ports)),
            };
            if allowed {
                return Verdict::allowed(&policy.title);
            }
        }
        if self.policies.is_empty() {
            Verdict::allowed("the absence of any NetworkPolicy for it")
        } else {
            Verdict::refused("the want of a NetworkPolicy that allows it")
        }
    }
}

/// Whether a policy isolates pods in a direction. Where it does not say: always for ingress, for egress if it has rules.
fn concerns(policy: &NetworkPolicy, direction: Direction) -> bool {
    match &policy.policy_types {
        // The API server fills in an empty list as it does a missing one.
        Some(types) if !types.is_empty() => types.contains(&direction),
        _ => direction == Direction::Ingress || !policy.egress.is_empty(),
    }
}

fn is(peer: &NetworkPeer, policy_namespace: &str, far: End<'_>) -> bool {
    if let Some(block) = &peer.ip_block {
        return holds(block, far);
    }
    let End::Pod(pod) = far else { return false };
    let namespace = match &peer.namespace_selector {
        Some(selector) => matches(selector, &pod.namespace_labels),
        None => pod.namespace == policy_namespace,
    };
    namespace
        && peer
            .pod_selector
            .as_ref()
            .is_none_or(|selector| matches(selector, &pod.labels))
}

/// Blocks are intended for addresses outside the cluster, but most implementations match pods by them too.
fn holds(block: &IpBlock, far: End<'_>) -> bool {
    block.contains(far.address())
}

fn has(range: &NetworkPort, protocol: Protocol, port: u16, accepting: Option<&Pod>) -> bool {
    range.protocol == protocol
        && match (&range.port, range.end_port) {
            (None, _) => true,
            (Some(NameOrNumber::Number(only)), None) => *only == port,
            (Some(NameOrNumber::Number(first)), Some(last)) => (*first..=last).contains(&port),
            (Some(NameOrNumber::Name(name)), _) => {
                accepting.is_some_and(|pod| pod.named_ports.get(name) == Some(&port))
            }
        }
}

/// Whether a selector selects; an empty one selects everything.
pub fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    contains(labels, &selector.match_labels)
        && selector.match_expressions.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match requirement.operator {
                Operator::In => value.is_some_and(|value| requirement.values.contains(value)),
                Operator::NotIn => value.is_none_or(|value| !requirement.values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::objects::{Manifest, documents};

    fn policies(yaml: &str) -> Vec<Named<NetworkPolicy>> {
        Manifest::read(&documents(yaml).unwrap())
            .unwrap()
            .network_policies
    }

    fn policy(spec: &str) -> Vec<Named<NetworkPolicy>> {
        policies(&format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: home}}\nspec: {spec}"
        ))
    }

    fn pod(namespace: &str, app: &str) -> Pod {
        let own = Labels::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
        let labels = Labels::from([("app".to_owned(), app.to_owned())]);
        let mut pod = Pod::stranger(namespace, &own, &labels, "default", true);
        pod.named_ports.insert("web".to_owned(), 8080);
        pod
    }

    fn enters(policies: &[Named<NetworkPolicy>], from: End<'_>, port: u16) -> bool {
        let target = pod("home", "a");
        Isolation::of(policies, &target, Direction::Ingress)
            .evaluate(from, Protocol::Tcp, port)
            .allowed
    }

    fn leaves(policies: &[Named<NetworkPolicy>], to: End<'_>, port: u16) -> bool {
        let source = pod("home", "a");
        Isolation::of(policies, &source, Direction::Egress)
            .evaluate(to, Protocol::Tcp, port)
            .allowed
    }

    #[test]
    fn a_pod_without_a_policy_may_do_anything() {
        let other = pod("other", "b");
        assert!(enters(&[], End::Pod(&other), 1) && leaves(&[], End::Pod(&other), 1));
        let elsewhere = policy("{podSelector: {matchLabels: {app: z}}, policyTypes: [Ingress, Egress]}");
        assert!(enters(&elsewhere, End::Pod(&other), 1));
    }

    #[test]
    fn the_missing_types_are_ingress_and_those_of_the_rules() {
        let other = pod("other", "b");
        let nothing = policy("{podSelector: {}}");
        assert!(!enters(&nothing, End::Pod(&other), 1) && leaves(&nothing, End::Pod(&other), 1));
        let empty = policy("{podSelector: {}, policyTypes: []}");
        assert!(!enters(&empty, End::Pod(&other), 1));
        let outward = policy("{podSelector: {}, egress: [{}]}");
        assert!(!enters(&outward, End::Pod(&other), 1) && leaves(&outward, End::Pod(&other), 1));
        let only_egress = policy("{podSelector: {}, policyTypes: [Egress]}");
        assert!(enters(&only_egress, End::Pod(&other), 1) && !leaves(&only_egress, End::Pod(&other), 1));
    }

    #[test]
    fn a_rule_without_peers_or_ports_means_all_of_them() {
        let (near, far) = (pod("home", "b"), pod("other", "b"));
        let anybody = policy("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}");
        assert!(enters(&anybody, End::Pod(&far), 80) && !enters(&anybody, End::Pod(&far), 81));
        let any_port = policy("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}");
        assert!(enters(&any_port, End::Pod(&near), 81) && !enters(&any_port, End::Pod(&far), 81));
        let everything = policy("{podSelector: {}, ingress: [{}]}");
        assert!(enters(&everything, End::Address("8.8.8.8".parse().unwrap()), 1));
    }

    #[test]
    fn selectors_in_one_peer_are_and_peers_are_or() {
        let (b, c) = (pod("other", "b"), pod("other", "c"));
        let own = pod("home", "b");
        let namespace = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}";
        let both = policy(&format!(
            "{{podSelector: {{}}, ingress: [{{from: [{{{namespace}, podSelector: {{matchLabels: {{app: b}}}}}}]}}]}}"
        ));
        assert!(enters(&both, End::Pod(&b), 1));
        assert!(!enters(&both, End::Pod(&c), 1) && !enters(&both, End::Pod(&own), 1));
        let either = policy(&format!(
            "{{podSelector: {{}}, ingress: [{{from: [{{{namespace}}}, {{podSelector: {{matchLabels: {{app: b}}}}}}]}}]}}"
        ));
        assert!(enters(&either, End::Pod(&c), 1) && enters(&either, End::Pod(&own), 1));
        let all_namespaces = policy("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}");
        assert!(enters(&all_namespaces, End::Pod(&c), 1));
        assert!(!enters(
            &all_namespaces,
            End::Address("8.8.8.8".parse().unwrap()),
            1
        ));
    }

    #[test]
    fn policies_add_up() {
        let b = pod("other", "b");
        let yaml = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: home}\nspec: {podSelector: {}}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: allow, namespace: home}\nspec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}";
        assert!(enters(&policies(yaml), End::Pod(&b), 80));
        assert!(!enters(&policies(yaml), End::Pod(&b), 81));
    }

    #[test]
    fn blocks_have_holes_and_ports_have_ranges_names_and_protocols() {
        let address = |text: &str| End::Address(text.parse().unwrap());
        let block = policy(
            "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: 80, endPort: 82}]}]}",
        );
        assert!(leaves(&block, address("10.2.0.1"), 80) && leaves(&block, address("10.2.0.1"), 82));
        assert!(!leaves(&block, address("10.1.0.1"), 80) && !leaves(&block, address("11.0.0.1"), 80));
        assert!(!leaves(&block, address("10.2.0.1"), 83) && !leaves(&block, address("10.2.0.1"), 79));
        let udp = policy("{podSelector: {}, egress: [{ports: [{port: 53, protocol: UDP}]}]}");
        assert!(!leaves(&udp, address("10.2.0.1"), 53));
        let by_name = policy("{podSelector: {}, egress: [{ports: [{port: web}]}]}");
        assert!(leaves(&by_name, End::Pod(&pod("other", "b")), 8080));
        assert!(
            !leaves(&by_name, End::Pod(&pod("other", "b")), 80)
                && !leaves(&by_name, address("10.2.0.1"), 8080)
        );
    }

    #[test]
    fn expressions_select_as_labels_do() {
        let matched = |expression: &str, app: &str| {
            let yaml =
                format!("{{podSelector: {{matchExpressions: [{expression}]}}, policyTypes: [Ingress]}}");
            matches(&policy(&yaml)[0].spec.pod_selector, &pod("home", app).labels)
        };
        assert!(matched("{key: app, operator: In, values: [a, b]}", "a"));
        assert!(!matched("{key: app, operator: NotIn, values: [a, b]}", "a"));
        assert!(matched("{key: tier, operator: NotIn, values: [a]}", "a"));
        assert!(matched("{key: app, operator: Exists}", "a"));
        assert!(!matched("{key: app, operator: DoesNotExist}", "a"));
    }

    #[test]
    fn what_the_api_server_rejects_is_rejected() {
        for spec in [
            "{podSelector: {}, ingress: [{from: [{}]}]}",
            "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}",
            "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/8]}}]}]}",
            "{podSelector: {}, egress: [{ports: [{endPort: 80}]}]}",
            "{podSelector: {}, egress: [{ports: [{port: 81, endPort: 80}]}]}",
        ] {
            assert!(check(&policy(spec)).is_err(), "{spec}");
        }
    }
}
