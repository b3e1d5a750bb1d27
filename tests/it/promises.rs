//! What the platform promises, each as a test of its own.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kcr_security_istio_io::v1::authorizationpolicies::{AuthorizationPolicy, AuthorizationPolicyAction};
use kcr_security_istio_io::v1::peerauthentications::{PeerAuthentication, PeerAuthenticationMtlsMode};
use phoenix::connections::{Peer, Traffic, connections};
use phoenix::names::WORKLOADS;

use crate::support::{STACKS, stack};

#[test]
fn every_workload_speaks_mutual_tls_only() {
    for name in STACKS {
        let graph = stack(name).graph;
        let policies = graph.all::<PeerAuthentication>();
        assert_eq!(policies.len(), 1);
        let spec = &policies[0].1.spec;
        assert_eq!(
            spec.mtls.as_ref().unwrap().mode,
            Some(PeerAuthenticationMtlsMode::Strict)
        );
        assert!(
            spec.selector.is_none() && spec.port_level_mtls.is_none(),
            "for the whole namespace, without exceptions"
        );
    }
}

#[test]
fn what_no_row_allows_is_refused_twice() {
    let graph = stack("prod").graph;
    let requests: AuthorizationPolicy = graph.get(Some("sophia-memory"), "deny-all").unwrap();
    assert!(requests.spec.rules.is_none() && requests.spec.selector.is_none());
    let packets: NetworkPolicy = graph.get(Some("sophia-memory"), "deny-all").unwrap();
    let spec = packets.spec.unwrap();
    assert!(spec.ingress.is_none() && spec.egress.is_none());
    assert_eq!(spec.policy_types.unwrap(), ["Ingress", "Egress"]);
    assert_eq!(spec.pod_selector.unwrap().match_labels, None);
}

#[test]
fn caller_and_operation_stand_in_one_rule() {
    // Two rules would let any caller use the paths, and let the callers do anything.
    for name in STACKS {
        for (object, policy) in stack(name).graph.all::<AuthorizationPolicy>() {
            // What refuses may refuse everybody.
            if policy.spec.action == Some(AuthorizationPolicyAction::Deny) {
                continue;
            }
            for rule in policy.spec.rules.unwrap_or_default() {
                assert!(rule.from.is_some() && rule.to.is_some(), "{}", object.id);
            }
        }
    }
}

#[test]
fn every_row_of_the_table_is_carried_by_policies_and_nothing_else_is() {
    for name in STACKS {
        let stack = stack(name);
        let rows = connections(&stack.config);
        for workload in WORKLOADS {
            let concerns = |peer: &Peer| *peer == Peer::Workload(workload) || *peer == Peer::EveryWorkload;
            let packets: NetworkPolicy = stack.graph.get(Some("sophia-memory"), workload.name).unwrap();
            let spec = packets.spec.unwrap();
            // Packets have no paths: rows of the same two ends on the same port are one rule.
            let mut incoming: Vec<(&Peer, u16)> = Vec::new();
            let mut outgoing: Vec<(&Peer, u16)> = Vec::new();
            for row in &rows {
                if concerns(&row.to) && !incoming.contains(&(&row.from, row.port)) {
                    incoming.push((&row.from, row.port));
                }
                if concerns(&row.from) && !outgoing.contains(&(&row.to, row.port)) {
                    outgoing.push((&row.to, row.port));
                }
            }
            assert_eq!(spec.ingress.unwrap().len(), incoming.len(), "{name}");
            assert_eq!(spec.egress.unwrap().len(), outgoing.len(), "{name}");
            let requests = rows.iter().filter(|row| row.to == Peer::Workload(workload));
            let meshed = requests
                .filter(|row| !matches!(row.traffic, Traffic::Infrastructure { .. }))
                .count();
            let policies = stack.graph.all::<AuthorizationPolicy>();
            let own = policies.iter().find(|(_, policy)| {
                let labels = policy
                    .spec
                    .selector
                    .as_ref()
                    .and_then(|selector| selector.match_labels.clone());
                let allows = policy.spec.action == Some(AuthorizationPolicyAction::Allow);
                allows && labels.is_some_and(|labels| labels["app"] == workload.app)
            });
            assert_eq!(
                own.unwrap().1.spec.rules.as_ref().unwrap().len(),
                meshed,
                "{name} {}",
                workload.name
            );
        }
    }
}

#[test]
fn no_http_attribute_stands_on_a_port_that_speaks_tcp() {
    // Istio would drop the whole rule.
    for (object, policy) in stack("prod").graph.all::<AuthorizationPolicy>() {
        for rule in policy.spec.rules.unwrap_or_default() {
            for operation in rule.to.unwrap().into_iter().filter_map(|to| to.operation) {
                if operation.ports.as_ref().unwrap().contains(&"6335".to_owned()) {
                    assert!(
                        operation.methods.is_none() && operation.paths.is_none(),
                        "{}",
                        object.id
                    );
                }
            }
        }
    }
}

#[test]
fn gpu_nodes_are_tolerated_and_chosen() {
    for name in STACKS {
        let server: Deployment = stack(name)
            .graph
            .get(Some("sophia-memory"), "openmemory-mcp-server")
            .unwrap();
        let pod = server.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.node_selector.unwrap()["lambdalabs.com/gpu-type"], "rtx-4090");
        let tolerations = pod.tolerations.unwrap();
        assert_eq!(
            (tolerations[0].key.as_deref(), tolerations[0].effect.as_deref()),
            (Some("lambdalabs.com/gpu"), Some("NoSchedule"))
        );
    }
}

#[test]
fn the_loss_of_a_zone_leaves_the_quorum() {
    for name in ["staging", "prod"] {
        let qdrant: StatefulSet = stack(name).graph.get(Some("sophia-memory"), "qdrant").unwrap();
        let spec = qdrant.spec.unwrap();
        assert!(spec.replicas.unwrap() >= 3 && spec.replicas.unwrap() % 2 == 1);
        let spread = spec.template.spec.unwrap().topology_spread_constraints.unwrap();
        let zones = spread
            .iter()
            .find(|constraint| constraint.topology_key == "topology.kubernetes.io/zone")
            .unwrap();
        // Without the least number of zones, three peers in one zone would count as evenly spread.
        assert_eq!(
            (
                zones.max_skew,
                zones.min_domains,
                zones.when_unsatisfiable.as_str()
            ),
            (1, Some(3), "DoNotSchedule")
        );
    }
}

#[test]
fn the_loss_of_a_peer_stops_neither_reads_nor_writes() {
    for name in ["staging", "prod"] {
        let config = stack(name).config.qdrant;
        assert!(
            config.replication_factor > config.write_consistency_factor,
            "{name}"
        );
    }
}

#[test]
fn what_the_engine_does_on_deletion_is_seen_in_the_manifest() {
    let graph = stack("prod").graph;
    for object in graph.objects() {
        let said = object
            .body()
            .pointer("/metadata/annotations/phoenix.ai~1deletion")
            .is_some();
        assert_eq!(
            said,
            object.options.protect || object.options.retain_on_delete,
            "{}",
            object.id
        );
    }
}

#[test]
fn what_holds_data_in_production_is_protected_and_retained() {
    let graph = stack("prod").graph;
    for object in graph.objects() {
        let holds_data = match object.id.kind.as_str() {
            "Namespace" | "PersistentVolumeClaim" => true,
            "StatefulSet" => {
                let retention = &object.body()["spec"]["persistentVolumeClaimRetentionPolicy"];
                assert_eq!(
                    (
                        retention["whenDeleted"].as_str(),
                        retention["whenScaled"].as_str()
                    ),
                    (Some("Retain"), Some("Retain"))
                );
                assert!(object.options.protect);
                continue;
            }
            _ => false,
        };
        assert_eq!(
            (object.options.protect, object.options.retain_on_delete),
            (holds_data, holds_data),
            "{}",
            object.id
        );
    }
}

#[test]
fn dev_can_be_destroyed_without_a_trace() {
    for object in stack("dev").graph.objects() {
        assert!(
            !object.options.protect && !object.options.retain_on_delete,
            "{}",
            object.id
        );
    }
}

#[test]
fn no_value_of_a_secret_can_be_in_a_rendering() {
    for name in STACKS {
        for object in stack(name)
            .graph
            .objects()
            .filter(|object| object.id.kind == "Secret")
        {
            let leaves = object.body()["stringData"].as_object().unwrap();
            assert_eq!(
                leaves.len(),
                object.secrets().len(),
                "every leaf of {} is a marked secret",
                object.id
            );
            assert!(
                leaves
                    .values()
                    .all(|leaf| leaf.as_str().unwrap().starts_with("secret phoenix:"))
            );
            assert!(object.body().get("data").is_none());
        }
    }
}
