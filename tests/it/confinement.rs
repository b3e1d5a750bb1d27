//! Configuration cannot expand secrets or widen networks; pods and callers without a row stay confined.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};
use phoenix::config::{Quantity, check};
use phoenix::connections::{Peer, connections};
use phoenix::platform;
use phoenix_crds::networking::{Sidecar, SidecarOutboundTrafficPolicyMode};
use phoenix_crds::security::{AuthorizationPolicy, AuthorizationPolicyAction};
use phoenix_graph::Graph;
use serde_json::{Value, json};

use crate::support::{STACKS, keys, stack};

/// The keys of a stack with this value at a JSON pointer below `phoenix:`.
fn with(stack: &str, pointer: &str, value: Value) -> BTreeMap<String, Value> {
    let mut all: Value = keys(stack).into_iter().collect();
    let mut place = &mut all;
    for (depth, part) in pointer.split('/').skip(1).enumerate() {
        let key = if depth == 0 {
            format!("phoenix:{part}")
        } else {
            part.to_owned()
        };
        if place.get(&key).is_none() {
            place[&key] = json!({});
        }
        place = &mut place[&key];
    }
    *place = value;
    let Value::Object(all) = all else { unreachable!() };
    all.into_iter().collect()
}

/// The reported problems; empty if there are none.
fn reported(stack: &str, pointer: &str, value: Value) -> String {
    check(&with(stack, pointer, value)).map_or_else(|problems| problems.to_string(), |_| String::new())
}

fn built(keys: &BTreeMap<String, Value>) -> Graph {
    platform::build(&check(keys).unwrap())
}

#[test]
fn names_and_descriptions_cannot_refer_to_environment_variables() {
    for (pointer, good) in [
        (
            "/cluster/identifier",
            "arn:aws:eks:eu-central-1:123456789012:cluster/phoenix",
        ),
        ("/tiers/snowflakeCortex/embeddingModel", "intfloat/e5-large_v2.1"),
        (
            "/auditTrail/archive",
            "the bucket phoenix-audit, locked for six years",
        ),
    ] {
        assert_eq!(reported("prod", pointer, json!(good)), "", "{pointer}");
        for bad in [
            "$(SNOWFLAKE_PRIVATE_KEY)",
            "model-$(REDIS_PASSWORD)",
            "$$(REDIS_PASSWORD)",
            "${REDIS_PASSWORD}",
            "`id`$",
            "two\nlines",
            "",
        ] {
            let problems = reported("prod", pointer, json!(bad));
            let key = format!("phoenix:{}", pointer[1..].replace('/', "."));
            assert!(problems.contains(&key), "{pointer} {bad:?}: {problems}");
        }
    }
    for invisible in [
        '\u{200b}',
        '\u{202e}',
        '\u{180e}',
        '\u{e0041}',
        '\u{3164}',
        '\u{a0}',
        '\u{301}',
    ] {
        let archive = json!(format!("a bucket{invisible} of logs"));
        let problems = reported("prod", "/auditTrail/archive", archive);
        assert!(problems.contains("auditTrail.archive"), "{invisible:?}");
    }
    let visible = json!("bucket 'büro-審計' (eu/1), locked: 6 years & 1 day");
    assert_eq!(reported("prod", "/auditTrail/archive", visible), "");
}

#[test]
fn networks_of_external_hosts_contain_no_reserved_addresses() {
    let refused = |network: &str| {
        [
            "/postgres/networks",
            "/snowflake/networks",
            "/backup/objectStore/networks",
        ]
        .map(|pointer| !reported("prod", pointer, json!([network])).is_empty())
    };
    for network in [
        "0.0.0.0/8",
        "0.1.0.0/16",
        "127.0.0.0/8",
        "127.0.0.1/32",
        "126.0.0.0/7",
        "100.100.100.200/32",
        "100.100.0.0/16",
        "168.63.129.16/32",
        "168.63.0.0/16",
        "169.254.0.0/16",
        "169.254.169.254/32",
        "169.254.170.0/24",
        "192.0.0.0/24",
        "192.0.0.192/32",
        "224.0.0.0/4",
        "239.1.2.0/24",
        "240.0.0.0/4",
        "255.255.255.255/32",
        "128.0.0.0/1",
    ] {
        assert_eq!(refused(network), [true; 3], "{network}");
    }
    for network in [
        "1.0.0.0/8",
        "10.20.0.0/16",
        "126.0.0.0/8",
        "128.0.0.0/8",
        "100.100.100.0/25",
        "168.63.129.17/32",
        "169.253.0.0/16",
        "192.0.1.0/24",
        "192.168.7.0/24",
        "223.255.255.0/24",
    ] {
        assert_eq!(refused(network), [false; 3], "{network}");
    }
}

#[test]
fn public_addresses_leave_out_metadata_and_reserved_ranges() {
    for name in STACKS {
        let private = stack(name).config.cluster.private_networks;
        for network in [
            "100.64.0.0/10",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "192.0.0.0/24",
        ] {
            assert!(private.iter().any(|known| known == network), "{name} {network}");
        }
    }
}

#[test]
fn images_of_unsupported_variants_are_reported() {
    let digest = format!("sha256:{}", "a1".repeat(32));
    for (pointer, image, is_good) in [
        (
            "/qdrant/image",
            "qdrant/qdrant:v1.19.0-unprivileged".to_owned(),
            true,
        ),
        (
            "/qdrant/image",
            "registry.example.com:5000/qdrant-unprivileged:v1.19.0".to_owned(),
            true,
        ),
        ("/qdrant/image", format!("qdrant/qdrant@{digest}"), true),
        ("/qdrant/image", "qdrant/qdrant:v1.19.0".to_owned(), false),
        (
            "/qdrant/image",
            "qdrant/qdrant:v1.19.0-gpu-nvidia".to_owned(),
            false,
        ),
        (
            "/qdrant/image",
            format!("unprivileged.example.com/qdrant/qdrant:v1.19.0@{digest}"),
            false,
        ),
        (
            "/knowledgeGraph/image",
            "neo4j:5.26.21-community".to_owned(),
            true,
        ),
        ("/knowledgeGraph/image", "neo4j:5.26.21".to_owned(), true),
        ("/knowledgeGraph/image", format!("neo4j@{digest}"), true),
        (
            "/knowledgeGraph/image",
            "neo4j:5.26.21-enterprise".to_owned(),
            false,
        ),
        (
            "/knowledgeGraph/image",
            "neo4j:5-enterprise-ubi9".to_owned(),
            false,
        ),
        (
            "/knowledgeGraph/image",
            "example.com/neo4j-enterprise:5.26.21".to_owned(),
            false,
        ),
        (
            "/knowledgeGraph/image",
            "neo4j:4.4.40-community".to_owned(),
            false,
        ),
        ("/knowledgeGraph/image", "neo4j:4".to_owned(), false),
        (
            "/knowledgeGraph/image",
            "neo4j:2025.10.1-community".to_owned(),
            false,
        ),
    ] {
        let problems = reported("dev", pointer, json!(image));
        assert_eq!(problems.is_empty(), is_good, "{image}: {problems}");
    }
}

/// The variables whose value Kubernetes expands, by container and name.
const EXPANDED: [(&str, &str, &str); 3] = [
    ("chat", "REDIS_URL", "$(REDIS_PASSWORD)"),
    ("langgraph", "REDIS_URI", "$(REDIS_PASSWORD)"),
    ("neo4j", "NEO4J_AUTH", "$(GRAPH_PASSWORD)"),
];

/// Every plain value of an environment variable, with the container and the variable.
fn values(graph: &Graph) -> Vec<(String, String, String)> {
    fn search(value: &Value, container: &str, found: &mut Vec<(String, String, String)>) {
        match value {
            Value::Object(fields) => {
                let container = match (&fields.get("name"), fields.get("image")) {
                    (Some(Value::String(name)), Some(_)) => name,
                    _ => container,
                };
                for variable in fields.get("env").and_then(Value::as_array).into_iter().flatten() {
                    if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str())
                    {
                        found.push((container.to_owned(), name.to_owned(), value.to_owned()));
                    }
                }
                fields.values().for_each(|field| search(field, container, found));
            }
            Value::Array(items) => items.iter().for_each(|item| search(item, container, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for object in graph.objects() {
        search(object.body(), "", &mut found);
    }
    found
}

/// What Kubernetes would expand in a value: each `$(` that an even number of `$` precedes.
fn references(value: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (position, _) in value.match_indices("$(") {
        let before = value[..position]
            .chars()
            .rev()
            .take_while(|one| *one == '$')
            .count();
        if before % 2 == 0 {
            let end = value[position..]
                .find(')')
                .map_or(value.len(), |end| position + end + 1);
            found.push(&value[position..end]);
        }
    }
    found
}

#[test]
fn only_the_known_variables_are_expanded_by_kubernetes() {
    assert_eq!(references("a $(B) $$(C) $$$(D) $$$$(E)"), ["$(B)", "$(D)"]);
    for name in STACKS {
        let mut seen = 0;
        for (container, variable, value) in values(&stack(name).graph) {
            for reference in references(&value) {
                assert!(
                    EXPANDED.contains(&(&container, &variable, reference)),
                    "{name} {container} {variable} {reference}"
                );
                seen += 1;
            }
        }
        assert!(seen > 0, "the search sees the known references of {name}");
    }
}

#[test]
fn a_policy_of_a_neighbour_cannot_admit_further_callers_to_the_chat() {
    for name in ["staging", "prod"] {
        let stack = stack(name);
        let policy: AuthorizationPolicy = stack
            .graph
            .get(Some("sophia-ai"), "sophia-unified-chat-other-callers")
            .unwrap();
        assert_eq!(policy.spec.action, Some(AuthorizationPolicyAction::Deny));
        assert_eq!(
            policy.spec.selector.unwrap().match_labels.unwrap()["app"],
            "sophia-unified-chat"
        );
        let rules = policy.spec.rules.unwrap();
        let [rule] = &rules[..] else { panic!("{rules:?}") };
        assert!(rule.to.is_none() && rule.when.is_none(), "{rule:?}");
        let from = rule.from.as_ref().unwrap();
        assert_eq!(from.len(), 1);
        let source = from[0].source.as_ref().unwrap();
        let excluded: BTreeSet<_> = [&source.not_principals, &source.not_namespaces]
            .into_iter()
            .flatten()
            .flatten()
            .cloned()
            .collect();
        // A caller with a row is not denied, and no other.
        let callers = connections(&stack.config)
            .into_iter()
            .filter(|row| matches!(&row.to, Peer::Workload(to) if to.app == "sophia-unified-chat"));
        let expected: BTreeSet<_> = callers
            .filter_map(|row| match row.from {
                Peer::InCluster(caller) => Some(match caller.service_account {
                    Some(account) => format!("cluster.local/ns/{}/sa/{account}", caller.namespace),
                    None => caller.namespace,
                }),
                Peer::Workload(caller) => Some(format!(
                    "cluster.local/ns/{}/sa/{}",
                    caller.namespace, caller.service_account
                )),
                Peer::EveryWorkload | Peer::External(_) => None,
            })
            .collect();
        assert!(!expected.is_empty());
        assert_eq!(excluded, expected, "{name}");
        assert!(excluded.iter().all(|caller| !caller.contains('*')));
    }
}

#[test]
fn the_quota_allows_no_service_that_bypasses_the_mesh() {
    for name in STACKS {
        let quota: ResourceQuota = stack(name)
            .graph
            .all::<ResourceQuota>()
            .into_iter()
            .map(|(_, quota)| quota)
            .next()
            .unwrap();
        let hard = quota.spec.unwrap().hard.unwrap();
        assert_eq!(hard["services.loadbalancers"].0, "0", "{name}");
        assert_eq!(hard["services.nodeports"].0, "0", "{name}");
    }
}

#[test]
fn every_container_fits_into_the_largest_amounts_of_the_namespace() {
    let amount = |value: &Value| Quantity::parse(value.as_str().unwrap()).unwrap();
    for name in STACKS {
        let graph = stack(name).graph;
        let limits = graph.all::<LimitRange>();
        let [(_, limits)] = &limits[..] else {
            panic!("one of them")
        };
        let max = limits.spec.as_ref().unwrap().limits[0].max.clone().unwrap();
        let mut seen = 0;
        for object in graph
            .objects()
            .filter(|object| object.id.namespace.as_deref() == Some("sophia-memory"))
        {
            for container in containers(object.body()) {
                for (resource, largest) in &max {
                    let limit = amount(&container["resources"]["limits"][resource]);
                    assert!(
                        limit <= Quantity::parse(&largest.0).unwrap(),
                        "{name} {container}"
                    );
                    seen += 1;
                }
            }
        }
        assert!(seen >= 4, "{name}");
    }
}

/// All containers in an object.
fn containers(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, field)| match (key.as_str(), field) {
                ("containers" | "initContainers", Value::Array(items)) => items.iter().collect(),
                _ => containers(field),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(containers).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn sidecars_of_other_pods_in_the_namespace_reach_no_host() {
    for name in STACKS {
        let sidecar: Sidecar = stack(name).graph.get(Some("sophia-memory"), "default").unwrap();
        assert!(sidecar.spec.workload_selector.is_none());
        let egress = sidecar.spec.egress.unwrap();
        assert_eq!(egress.len(), 1);
        assert_eq!(egress[0].hosts, ["~/*"]);
        assert_eq!(
            sidecar.spec.outbound_traffic_policy.unwrap().mode,
            Some(SidecarOutboundTrafficPolicyMode::RegistryOnly)
        );
    }
}

#[test]
fn a_store_is_healed_by_correcting_its_image() {
    // `OrderedReady` waits for the pod with the bad image, and the field cannot be changed later.
    for name in ["redis", "knowledge-graph", "qdrant"] {
        let set: StatefulSet = stack("prod").graph.get(Some("sophia-memory"), name).unwrap();
        assert_eq!(
            set.spec.unwrap().pod_management_policy.as_deref(),
            Some("Parallel"),
            "{name}"
        );
    }
}

#[test]
fn a_larger_volume_of_qdrant_gets_more_time_to_load() {
    let seconds = |size: &str| {
        let mut keys = with("dev", "/qdrant/storage/size", json!(size));
        keys.get_mut("phoenix:namespace").unwrap()["quota"]["requestsStorage"] = json!("100Ti");
        let set: StatefulSet = built(&keys).get(Some("sophia-memory"), "qdrant").unwrap();
        let pod = set.spec.unwrap().template.spec.unwrap();
        let server = pod.containers.iter().find(|container| container.name == "qdrant");
        let probe = server.unwrap().startup_probe.clone().unwrap();
        probe.period_seconds.unwrap() * probe.failure_threshold.unwrap()
    };
    assert_eq!(seconds("1Gi"), 600);
    assert_eq!(seconds("40Gi"), 1_200);
    assert!(seconds("9Gi") > seconds("4Gi"));
    assert_eq!(seconds("10Ti"), 6 * 3_600);
}
