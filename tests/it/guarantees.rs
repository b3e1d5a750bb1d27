//! What the platform guarantees, one test each.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use phoenix::config::{StackConfig, check};
use phoenix::connections::{Peer, Traffic, connections};
use phoenix::names::WORKLOADS;
use phoenix::platform;
use phoenix::provider::compare;
use phoenix_crds::networking::{
    Gateway, GatewayServersTlsMinProtocolVersion, GatewayServersTlsMode, ServiceEntry, Sidecar,
    SidecarOutboundTrafficPolicyMode, VirtualService,
};
use phoenix_crds::security::{
    AuthorizationPolicy, AuthorizationPolicyAction, PeerAuthentication, PeerAuthenticationMtlsMode,
    RequestAuthentication,
};
use phoenix_graph::{Graph, Object, references};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{STACKS, keys, stack};

#[test]
fn every_workload_requires_mutual_tls() {
    for name in STACKS {
        let graph = stack(name).graph;
        let policies = graph.all::<PeerAuthentication>();
        let in_namespace = |namespace: &str| {
            let all = policies.iter();
            all.filter(|(object, _)| object.id.namespace.as_deref() == Some(namespace))
                .map(|(_, policy)| policy.spec.clone())
                .collect::<Vec<_>>()
        };
        let own = in_namespace("sophia-memory");
        assert_eq!(own.len(), 1);
        // In a namespace of somebody else, each is about our own pods only.
        let (chat, others) = (in_namespace("sophia-ai"), policies.len() - 1);
        assert_eq!((chat.len(), others), (1, 1), "{name}");
        assert_eq!(
            chat[0].mtls.as_ref().unwrap().mode,
            Some(PeerAuthenticationMtlsMode::Strict)
        );
        let selected = chat[0].selector.as_ref().unwrap().match_labels.clone().unwrap();
        assert_eq!(selected["app"], "sophia-unified-chat");
        assert!(chat[0].port_level_mtls.is_none());
        let spec = &own[0];
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
fn connections_without_a_row_are_denied_by_both_policy_kinds() {
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
fn caller_and_operation_are_in_one_rule() {
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
fn policies_have_one_rule_for_each_row_of_the_table() {
    // Counts only, for a short message when a row is lost; `evaluated` proves what the rules allow.
    for name in STACKS {
        let stack = stack(name);
        let rows = connections(&stack.config);
        for workload in stack.config.workloads() {
            let concerns = |peer: &Peer| *peer == Peer::Workload(workload) || *peer == Peer::EveryWorkload;
            let packets: NetworkPolicy = stack.graph.get(Some(workload.namespace), workload.name).unwrap();
            let spec = packets.spec.unwrap();
            // Packets have no paths and hosts no names: rows of the same two ends on the same port are one rule.
            let end = |peer: &Peer| match peer {
                Peer::External(outside) => format!("outside {:?}", outside.networks),
                peer => format!("{peer:?}"),
            };
            let mut incoming = BTreeSet::new();
            let mut outgoing = BTreeSet::new();
            for row in &rows {
                if concerns(&row.to) {
                    incoming.insert((end(&row.from), row.port));
                }
                if concerns(&row.from) {
                    outgoing.insert((end(&row.to), row.port));
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
            if meshed == 0 {
                // What is denied to everybody needs no policy of its own.
                assert!(own.is_none_or(|(_, policy)| policy.spec.rules.as_ref().unwrap().is_empty()));
                continue;
            }
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
fn rules_for_tcp_ports_have_no_http_attributes() {
    // Istio would drop the whole rule.
    let (mut all_checked, mut all_tcp) = (BTreeSet::new(), BTreeSet::new());
    for name in STACKS {
        let graph = stack(name).graph;
        let mut tcp = BTreeSet::new();
        for (_, service) in graph.all::<Service>() {
            let spec = service.spec.unwrap();
            let app = spec.selector.unwrap_or_default()["app"].clone();
            let ports = spec.ports.unwrap_or_default().into_iter();
            let ports = ports.filter(|port| port.app_protocol.as_deref() == Some("tcp"));
            tcp.extend(ports.map(|port| (app.clone(), port.port.to_string())));
        }
        let mut checked = BTreeSet::new();
        for (object, policy) in graph.all::<AuthorizationPolicy>() {
            let selector = policy.spec.selector.and_then(|selector| selector.match_labels);
            let Some(app) = selector.and_then(|labels| labels.get("app").cloned()) else {
                continue;
            };
            for rule in policy.spec.rules.unwrap_or_default() {
                for operation in rule.to.into_iter().flatten().filter_map(|to| to.operation) {
                    let ports = operation.ports.clone().unwrap_or_default().into_iter();
                    let ports: Vec<_> = ports
                        .map(|port| (app.clone(), port))
                        .filter(|port| tcp.contains(port))
                        .collect();
                    if ports.is_empty() {
                        continue;
                    }
                    assert!(
                        operation.methods.is_none() && operation.paths.is_none(),
                        "{name}: {}",
                        object.id
                    );
                    checked.extend(ports);
                }
            }
        }
        all_checked.extend(checked);
        all_tcp.extend(tcp);
    }
    // A single Qdrant has no peers, and so no rule for their port.
    assert_eq!(
        all_checked, all_tcp,
        "every TCP port of a Service has a rule in some stack"
    );
}

#[test]
fn switching_autoscaling_changes_only_the_autoscaler_and_keeps_the_minimum() {
    // A deployment whose number leaves the manifest has one pod for a moment.
    let with = |autoscaling: Option<Value>| {
        let mut keys = keys("prod");
        keys.insert("phoenix:migration".to_owned(), json!({"phase": "optimized"}));
        let openmemory = keys
            .get_mut("phoenix:openmemory")
            .unwrap()
            .as_object_mut()
            .unwrap();
        openmemory.remove("autoscaling");
        openmemory.extend(autoscaling.map(|autoscaling| ("autoscaling".to_owned(), autoscaling)));
        platform::build(&check(&keys).unwrap())
    };
    let (on, off) = (
        with(Some(json!({"maxReplicas": 6, "cpuPercent": 60}))),
        with(None),
    );
    let bounds = |graph: &Graph| {
        let autoscaler: HorizontalPodAutoscaler =
            graph.get(Some("sophia-memory"), "openmemory-mcp-server").unwrap();
        let spec = autoscaler.spec.unwrap();
        (spec.min_replicas, spec.max_replicas)
    };
    assert_eq!((bounds(&on), bounds(&off)), ((Some(3), 6), (Some(3), 3)));
    let changed: Vec<_> = on
        .objects()
        .filter(|object| off.object(&object.id).map(Object::body) != Some(object.body()))
        .map(|object| object.id.to_string())
        .collect();
    assert_eq!(
        changed,
        ["HorizontalPodAutoscaler sophia-memory/openmemory-mcp-server"]
    );
    assert_eq!(on.len(), off.len());
}

#[test]
fn sidecars_know_only_the_hosts_of_their_rows() {
    for name in STACKS {
        let stack = stack(name);
        let rows = connections(&stack.config);
        let sidecars = stack.graph.all::<Sidecar>();
        // Besides that of each workload, that of all other pods.
        assert_eq!(sidecars.len(), stack.config.workloads().len() + 1, "{name}");
        for workload in stack.config.workloads() {
            let sidecar: Sidecar = stack.graph.get(Some(workload.namespace), workload.name).unwrap();
            let spec = sidecar.spec;
            assert_eq!(
                spec.outbound_traffic_policy.unwrap().mode,
                Some(SidecarOutboundTrafficPolicyMode::RegistryOnly)
            );
            // One without a selector would bind pods that are not ours.
            assert_eq!(
                spec.workload_selector.unwrap().labels.unwrap()["app"],
                workload.app
            );
            let hosts: BTreeSet<_> = spec
                .egress
                .unwrap()
                .into_iter()
                .flat_map(|way| way.hosts)
                .collect();
            let mut expected = BTreeSet::new();
            for row in rows.iter().filter(|row| row.from == Peer::Workload(workload)) {
                // Entries of hosts outside are in our own namespace.
                let near = |namespace: &str| {
                    if namespace == workload.namespace {
                        "."
                    } else {
                        namespace
                    }
                    .to_owned()
                };
                expected.insert(match &row.to {
                    Peer::External(outside) => format!("{}/{}", near("sophia-memory"), outside.host),
                    // The peers, and who copies or restores each of them, address them one by one.
                    Peer::Workload(target)
                        if target.service() == "qdrant-service"
                            && workload.name != "openmemory-mcp-server" =>
                    {
                        "./qdrant-headless.sophia-memory.svc.cluster.local".to_owned()
                    }
                    Peer::Workload(target) => {
                        format!(
                            "{}/{}.{}.svc.cluster.local",
                            near(target.namespace),
                            target.service(),
                            target.namespace
                        )
                    }
                    other => panic!("{other:?} is not an egress target"),
                });
            }
            if expected.is_empty() {
                expected.insert("~/*".to_owned());
            }
            assert_eq!(hosts, expected, "{name} {}", workload.name);
        }
    }
}

#[test]
fn external_requests_require_a_token_and_tls() {
    for name in ["staging", "prod"] {
        // As it is once all people are let in; before that, nobody outside is.
        let mut keys = keys(name);
        keys.insert("phoenix:migration".to_owned(), json!({"phase": "active"}));
        let graph = platform::build(&check(&keys).unwrap());
        let gateway: Gateway = graph.get(Some("sophia-memory"), "sophia-memory-gateway").unwrap();
        for server in gateway.spec.servers.unwrap() {
            let tls = server.tls.unwrap();
            assert_eq!(server.port.protocol, "HTTPS");
            assert_eq!(tls.mode, Some(GatewayServersTlsMode::Simple));
            assert_eq!(
                tls.min_protocol_version,
                Some(GatewayServersTlsMinProtocolVersion::Tlsv12)
            );
        }
        let policy: AuthorizationPolicy = graph.get(Some("sophia-memory"), "sophia-memory-authz").unwrap();
        let mut looked_at = 0;
        for rule in policy.spec.rules.unwrap() {
            let paths = rule.to.unwrap()[0].operation.clone().unwrap().paths.unwrap();
            if paths.iter().any(|path| path.starts_with("/memory")) {
                let source = rule.from.unwrap()[0].source.clone().unwrap();
                let for_nobody = [
                    ("/memory/openmemory/sync", "memory-sync"),
                    ("/memory/openmemory/export", "backup-openmemory"),
                    ("/memory/openmemory/import", "restore-openmemory"),
                ];
                let only = for_nobody
                    .iter()
                    .find(|(beginning, _)| paths.iter().all(|path| path.starts_with(beginning)));
                if let Some((_, account)) = only {
                    assert_eq!(
                        source.principals,
                        Some(vec![format!("cluster.local/ns/sophia-memory/sa/{account}")]),
                        "it acts for no user"
                    );
                    continue;
                }
                assert_eq!(source.request_principals, Some(vec!["*".to_owned()]), "{paths:?}");
                looked_at += 1;
            }
        }
        assert_eq!(
            looked_at, 5,
            "{name}: two neighbours, the chat, the gateway and the load test"
        );
    }
    let dev = stack("dev").graph;
    assert!(dev.all::<Gateway>().is_empty(), "dev has no gateway");
}

#[test]
fn the_user_header_is_set_from_a_token_only() {
    for name in STACKS {
        let graph = stack(name).graph;
        let tokens = graph.all::<RequestAuthentication>();
        let refusals: Vec<_> = graph
            .all::<AuthorizationPolicy>()
            .into_iter()
            .filter(|(_, policy)| policy.spec.action == Some(AuthorizationPolicyAction::Deny))
            .collect();
        // Envoy takes a header that it fills from a claim out of every request first; without tokens it is refused.
        if let Some((_, tokens)) = tokens.first() {
            let rules = tokens.spec.jwt_rules.clone().unwrap();
            let header = &rules[0].output_claim_to_headers.as_ref().unwrap()[0];
            assert_eq!(
                (header.claim.as_str(), header.header.as_str()),
                ("sub", "x-phoenix-user")
            );
            assert!(!rules[0].audiences.as_ref().unwrap().is_empty());
            // A token in the query would stand in every access log.
            let places = rules[0].from_headers.as_ref().unwrap();
            assert_eq!(places[0].name, "Authorization", "{name}");
            assert_eq!(rules[0].from_params, None, "{name}");
        }
        let refused: Vec<_> = refusals
            .iter()
            .flat_map(|(_, policy)| policy.spec.rules.as_ref().unwrap())
            .filter_map(|rule| Some(rule.when.as_ref()?[0].key.as_str()))
            .collect();
        // What a server that writes `_` for `-` would take for the same header is refused always.
        let lookalikes = ["x_phoenix_user", "x_phoenix-user", "x-phoenix_user"];
        let own = tokens.is_empty().then_some("x-phoenix-user");
        let expected: Vec<_> = own
            .into_iter()
            .chain(lookalikes)
            .map(|header| format!("request.headers[{header}]"))
            .collect();
        assert_eq!(refused, expected, "{name}");
    }
}

#[test]
fn sidecars_capture_dns_independently_of_mesh_defaults() {
    let on_pods = |config: &StackConfig| -> Vec<(String, Option<String>)> {
        let graph = platform::build(config);
        let pods = graph.objects().filter_map(|object| {
            references::pod_spec(object)?;
            let template = ["/spec/template", "/spec/jobTemplate/spec/template"]
                .into_iter()
                .find_map(|pointer| object.body().pointer(pointer))?;
            let annotation = template.pointer("/metadata/annotations/proxy.istio.io~1config");
            Some((
                object.id.to_string(),
                annotation.and_then(Value::as_str).map(str::to_owned),
            ))
        });
        pods.collect()
    };
    for name in STACKS {
        let mut config = stack(name).config;
        for (captures, wanted) in [(true, Some("true")), (false, None)] {
            config.cluster.mesh.dns_capture = captures;
            let pods = on_pods(&config);
            assert!(pods.len() >= 2, "{name}");
            for (pod, annotation) in pods {
                let settings: Option<Value> = annotation.map(|text| serde_json::from_str(&text).unwrap());
                let capture = settings.as_ref().and_then(|settings| {
                    settings
                        .pointer("/proxyMetadata/ISTIO_META_DNS_CAPTURE")?
                        .as_str()
                });
                assert_eq!(capture, wanted, "{name}: {pod}");
            }
        }
    }
}

#[test]
fn a_tls_host_is_reachable_under_its_own_sni_only() {
    for name in STACKS {
        let graph = stack(name).graph;
        let routes = graph.all::<VirtualService>();
        let mut looked_at = 0;
        for (object, entry) in graph.all::<ServiceEntry>() {
            let ports = entry.spec.ports.as_ref().unwrap();
            for port in ports
                .iter()
                .filter(|port| port.protocol.as_deref() == Some("TLS"))
            {
                looked_at += 1;
                let host = &entry.spec.hosts[0];
                let routes = routes
                    .iter()
                    .filter(|(_, route)| route.spec.hosts.as_ref() == Some(&entry.spec.hosts));
                let matches: Vec<_> = routes
                    .flat_map(|(_, route)| route.spec.tls.iter().flatten())
                    .flat_map(|tls| &tls.r#match)
                    .filter(|condition| condition.port == Some(port.number))
                    .map(|condition| condition.sni_hosts.as_slice())
                    .collect();
                assert_eq!(matches, [std::slice::from_ref(host)], "{name}: {}", object.id);
            }
        }
        assert!(looked_at > 1, "{name}: {looked_at} hosts");
    }
}

#[test]
fn streams_are_not_cut_and_only_get_is_retried() {
    let mut with_retries = 0;
    for (object, routes) in stack("prod").graph.all::<VirtualService>() {
        for route in routes.spec.http.into_iter().flatten() {
            let Some(retries) = route.retries else {
                assert!(route.direct_response.is_some(), "{}", object.id);
                continue;
            };
            with_retries += 1;
            assert_eq!(retries.per_try_timeout, None, "{}", object.id);
            // What a server may have begun is asked again for GET only.
            let only_get = route.r#match.as_ref().is_some_and(|conditions| {
                conditions.iter().all(|condition| {
                    let method = condition
                        .method
                        .as_ref()
                        .and_then(|method| method.exact.as_deref());
                    method == Some("GET")
                })
            });
            let occasions = retries.retry_on.unwrap();
            assert!(
                only_get || occasions == "connect-failure,refused-stream",
                "{occasions}"
            );
            let bounded = route.timeout.is_some();
            let prompt = route.rewrite.is_some();
            assert_eq!(
                bounded, prompt,
                "{}: only health and metrics have a bound",
                object.id
            );
        }
    }
    assert!(with_retries > 1, "{with_retries} routes with retries");
}

#[test]
fn a_path_with_a_similar_prefix_is_not_routed() {
    let routes: VirtualService = stack("prod")
        .graph
        .get(Some("sophia-memory"), "sophia-memory-routing")
        .unwrap();
    for route in routes.spec.http.unwrap() {
        for condition in route.r#match.unwrap() {
            let uri = condition.uri.unwrap();
            let whole =
                uri.exact.is_some() || uri.prefix.as_ref().is_some_and(|prefix| prefix.ends_with('/'));
            assert!(whole || route.direct_response.is_some(), "{uri:?}");
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
fn losing_a_zone_keeps_the_quorum() {
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
fn losing_a_peer_stops_neither_reads_nor_writes() {
    for name in ["staging", "prod"] {
        let config = stack(name).config.qdrant;
        assert!(
            config.replication_factor > config.write_consistency_factor,
            "{name}"
        );
    }
}

/// The stores that a stack may have or leave to others: key, tier, the tier's name for clients, host and port.
const STORES: [(&str, &str, &str, &str, u16); 2] = [
    (
        "redis",
        "sessionCache",
        "L1_session_cache",
        "redis-service.sophia-memory.svc.cluster.local",
        6379,
    ),
    (
        "knowledgeGraph",
        "knowledgeGraph",
        "L4_knowledge_graph",
        "knowledge-graph-service.sophia-memory.svc.cluster.local",
        7687,
    ),
];

/// A file of a ConfigMap.
fn json_of(graph: &Graph, namespace: &str, name: &str, file: &str) -> Value {
    let map: ConfigMap = graph.get(Some(namespace), name).unwrap();
    serde_json::from_str(&map.data.unwrap()[file]).unwrap()
}

#[test]
fn client_settings_list_the_eight_servers_and_five_tiers() {
    for name in STACKS {
        let graph = stack(name).graph;
        let configuration = json_of(
            &graph,
            "sophia-ai",
            "phoenix-mem0-config",
            "phoenix_mem0_mcp_config.json",
        );
        let ports: Vec<_> = configuration["enhanced_mcp_servers"]["core_intelligence"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, server)| (name.as_str(), server["port"].as_u64().unwrap()))
            .collect();
        assert_eq!(
            ports,
            [
                ("ai_memory", 9000),
                ("asana", 9004),
                ("codacy", 9003),
                ("github", 9007),
                ("linear", 9006),
                ("mem0_persistent", 9010),
                ("snowflake_unified", 8080),
                ("sophia_intelligence_unified", 8001),
            ]
        );
        let tiers = &configuration["memory_tier_configuration"];
        let number = |path: &str| tiers.pointer(path).unwrap().as_u64().unwrap();
        assert_eq!(
            [
                number("/L1_session_cache/ttl_seconds"),
                number("/L1_session_cache/max_size_mb"),
                number("/L2_snowflake_cortex/vector_dimension"),
                number("/L3_mem0_persistent/sync_interval_minutes"),
                number("/L4_knowledge_graph/max_relationships"),
                number("/L5_langgraph_workflow/max_workflow_history"),
            ],
            [3600, 512, 768, 15, 1000, 100]
        );
    }
}

#[test]
fn the_mesh_routes_each_path_as_client_settings_say() {
    for name in STACKS {
        let graph = stack(name).graph;
        let configuration = json_of(
            &graph,
            "sophia-ai",
            "phoenix-mem0-config",
            "phoenix_mem0_mcp_config.json",
        );
        let routing: VirtualService = graph.get(Some("sophia-memory"), "sophia-memory-routing").unwrap();
        let mut led = BTreeMap::new();
        for route in routing.spec.http.unwrap() {
            // A refusal leads nowhere.
            let Some(targets) = route.route else { continue };
            let target = targets[0].destination.clone();
            let at_pod = route.rewrite.and_then(|rewrite| rewrite.uri).unwrap_or_default();
            let port = target.port.unwrap().number.unwrap();
            for path in route
                .r#match
                .unwrap()
                .into_iter()
                .filter_map(|seen| seen.uri?.exact)
            {
                led.insert(path, Value::from(format!("{}:{port}{at_pod}", target.host)));
            }
        }
        let configuration = &configuration["service_mesh_routing"]["memory_endpoints"];
        assert_eq!(configuration, &Value::Object(led.into_iter().collect()), "{name}");
        assert_eq!(configuration.as_object().unwrap().len(), 3);
    }
}

#[test]
fn client_settings_contain_the_address_of_a_tier() {
    let endpoint = |keys: &BTreeMap<String, Value>, tier: &str| {
        let graph = platform::build(&check(keys).unwrap());
        let file = "phoenix_mem0_mcp_config.json";
        let configuration = json_of(&graph, "sophia-ai", "phoenix-mem0-config", file);
        configuration["memory_tier_configuration"][tier]["endpoint"].clone()
    };
    for (system, tier, name, host, port) in STORES {
        let mut keys = keys("prod");
        assert_eq!(endpoint(&keys, name), json!({"host": host, "port": port}));
        keys.remove(&format!("phoenix:{system}"));
        // It would need the session cache.
        keys.remove("phoenix:langgraph");
        assert_eq!(endpoint(&keys, name), Value::Null, "{tier} is nowhere");
        keys.get_mut("phoenix:tiers").unwrap()[tier]["external"] = json!({"host": "store.example.com"});
        assert_eq!(endpoint(&keys, name)["host"], "store.example.com");
    }
}

#[test]
fn a_stack_without_a_store_has_nothing_of_it() {
    for (system, ..) in STORES {
        let mut keys = keys("prod");
        keys.remove(&format!("phoenix:{system}")).unwrap();
        // It would need the session cache.
        keys.remove("phoenix:langgraph");
        let config = check(&keys).unwrap();
        let graph = platform::build(&config);
        let workload = WORKLOADS
            .iter()
            .find(|workload| workload.system.replace('_', "") == system.to_lowercase())
            .unwrap();
        let left: Vec<_> = graph
            .objects()
            .filter(|object| {
                object.body().to_string().contains(workload.service()) || object.id.name == workload.name
            })
            .map(|object| object.id.to_string())
            .collect();
        assert_eq!(left, Vec::<String>::new());
        let needed = config.secrets_needed();
        // The chat brings a password to whichever server has the tier.
        let is_only_its = |row: &&phoenix::config::secret::SecretRow| {
            let mut readers = row.readers.iter();
            !row.readers.is_empty() && readers.all(|reader| reader.workload == *workload)
        };
        assert!(!needed.iter().any(is_only_its), "{system}");
    }
}

/// The settings of the knowledge graph's server, by their names.
fn settings_of_neo4j(keys: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let graph = platform::build(&check(keys).unwrap());
    let set: StatefulSet = graph.get(Some("sophia-memory"), "knowledge-graph").unwrap();
    let pod = set.spec.unwrap().template.spec.unwrap();
    // Kubernetes would add variables that begin with the names of Services.
    assert_eq!(pod.enable_service_links, Some(false));
    pod.containers[0]
        .env
        .iter()
        .flatten()
        .map(|variable| (variable.name.clone(), variable.value.clone().unwrap_or_default()))
        .collect()
}

#[test]
fn the_memory_of_the_knowledge_graph_leaves_a_quarter_of_its_pod_to_the_rest() {
    let shares = |keys: &BTreeMap<String, Value>| -> (u128, u128) {
        let settings = settings_of_neo4j(keys);
        let mebibytes = |name: &str| -> u128 { settings[name].strip_suffix('m').unwrap().parse().unwrap() };
        let heap = mebibytes("NEO4J_server_memory_heap_max__size");
        assert_eq!(mebibytes("NEO4J_server_memory_heap_initial__size"), heap);
        (heap, mebibytes("NEO4J_server_memory_pagecache_size"))
    };
    for name in STACKS {
        let stack = stack(name);
        let (heap, page_cache) = shares(&stack.file.keys);
        let limit = stack
            .config
            .knowledge_graph
            .unwrap()
            .resources
            .limits
            .memory
            .thousandths()
            / 1_000;
        assert!((heap + page_cache) << 20 <= limit / 4 * 3, "{name}");
        assert!(heap >= 512, "{name}");
    }
    let mut keys = keys("prod");
    keys.get_mut("phoenix:knowledgeGraph").unwrap()["heap"] = json!("1Gi");
    assert_eq!(shares(&keys), (1024, 1536), "what is not given stays as it is");
}

#[test]
fn the_knowledge_graphs_password_is_composed_in_its_container() {
    let settings = settings_of_neo4j(&keys("prod"));
    assert_eq!(settings["NEO4J_AUTH"], "neo4j/$(GRAPH_PASSWORD)");
    assert_eq!(settings["NEO4J_dbms_usage__report_enabled"], "false");
    // The image's entry point takes whatever begins with NEO4J_ for a setting, writes it into a file, and the server
    // refuses to start with one that it does not know. These it knows.
    let own: Vec<_> = settings
        .keys()
        .filter(|name| name.starts_with("NEO4J_"))
        .collect();
    assert_eq!(
        own,
        [
            "NEO4J_AUTH",
            "NEO4J_client_allow__telemetry",
            "NEO4J_dbms_security_allow__csv__import__from__file__urls",
            "NEO4J_dbms_usage__report_enabled",
            "NEO4J_server_config_strict__validation_enabled",
            "NEO4J_server_default__advertised__address",
            "NEO4J_server_jvm_additional",
            "NEO4J_server_memory_heap_initial__size",
            "NEO4J_server_memory_heap_max__size",
            "NEO4J_server_memory_pagecache_size",
        ]
    );
}

/// The settings of the session cache, by their names.
fn settings_of_redis(keys: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let graph = platform::build(&check(keys).unwrap());
    let map: ConfigMap = graph.get(Some("sophia-memory"), "redis-config").unwrap();
    map.data.unwrap()["valkey.conf"]
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_session_cache_evicts_before_its_pod_runs_out_of_memory() {
    for name in STACKS {
        let stack = stack(name);
        let settings = settings_of_redis(&stack.file.keys);
        let entries: u128 = settings["maxmemory"].strip_suffix("mb").unwrap().parse().unwrap();
        let limit = stack.config.redis.unwrap().resources.limits.memory.thousandths() / 1_000;
        assert_eq!(entries, 512, "the number of the source document");
        assert!(limit >= (entries << 20) / 4 * 5, "{name}");
        assert_ne!(settings["maxmemory-policy"], "noeviction", "{name}");
    }
}

#[test]
fn the_session_cache_persists_only_when_configured() {
    let mut keys = keys("prod");
    let set = |keys: &BTreeMap<String, Value>| -> StatefulSet {
        let graph = platform::build(&check(keys).unwrap());
        graph.get(Some("sophia-memory"), "redis").unwrap()
    };
    let settings = settings_of_redis(&keys);
    assert_eq!(
        (settings["appendonly"].as_str(), settings["save"].as_str()),
        ("no", "\"\"")
    );
    assert!(set(&keys).spec.unwrap().volume_claim_templates.is_none());
    let redis = keys.get_mut("phoenix:redis").unwrap();
    redis["persistence"] = json!({"size": "2Gi"});
    assert_eq!(settings_of_redis(&keys)["appendonly"], "yes");
    let claims = set(&keys).spec.unwrap().volume_claim_templates.unwrap();
    assert_eq!(claims[0].metadata.name.as_deref(), Some("data"));
}

#[test]
fn session_cache_passwords_are_written_as_digests_only() {
    // The script as it is, but for its folders, before a server that only shows what it was given.
    let map: ConfigMap = stack("prod")
        .graph
        .get(Some("sophia-memory"), "redis-config")
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let script = map.data.unwrap()["start.sh"].replace("/run/valkey", here);
    let server = folder.path().join("valkey-server");
    phoenix_testing::programs::script(&server, "#!/bin/sh\necho \"$@\"\nenv\n");
    let path = format!("{here}:{}", std::env::var("PATH").unwrap());
    let shown = Command::new("/bin/sh")
        .args(["-c", &script])
        .env("PATH", path)
        .env("REDIS_PASSWORD", "of-the-application")
        .env("REDISCLI_AUTH", "of-the-probes")
        .env("LANGGRAPH_PASSWORD", "of-langgraph")
        .output()
        .unwrap();
    assert!(shown.status.success(), "{shown:?}");
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.starts_with("/etc/valkey/valkey.conf\n"), "{shown}");
    let list = folder.path().join("users.acl");
    let users = std::fs::read_to_string(&list).unwrap();
    for text in [&shown, &users] {
        assert!(
            !text.contains("of-the-application")
                && !text.contains("of-the-probes")
                && !text.contains("of-langgraph"),
            "{text}"
        );
    }
    assert_eq!(std::fs::metadata(&list).unwrap().permissions().mode() & 0o077, 0);
    let digest = |password: &str| {
        let bytes = Sha256::digest(password);
        bytes
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    };
    let lines: Vec<_> = users.lines().collect();
    // Without `resetpass`, the server would let everybody in who names no user.
    assert_eq!(
        lines[0],
        "user default off resetpass resetkeys resetchannels -@all"
    );
    assert!(
        lines[1].starts_with(&format!("user phoenix on #{} ", digest("of-the-application"))),
        "{users}"
    );
    assert!(lines[1].contains("-@admin -@dangerous"));
    assert!(
        lines[2].starts_with("user metrics on #") && !lines[2].contains('~'),
        "{users}"
    );
    assert_eq!(
        lines[3],
        format!(
            "user langgraph on #{} resetkeys resetchannels ~langgraph:* &langgraph:* +@all -@admin -@dangerous -scan \
             -randomkey -dbsize -pubsub|channels -pubsub|shardchannels -client|tracking -function -script|flush +info",
            digest("of-langgraph")
        )
    );
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_session_cache_without_langgraph_has_no_user_for_it() {
    let mut keys = keys("dev");
    keys.remove("phoenix:langgraph");
    let config = check(&keys).unwrap();
    assert!(
        config
            .secrets_needed()
            .iter()
            .all(|row| !row.key.starts_with("langgraph"))
    );
    let graph = platform::build(&config);
    let map: ConfigMap = graph.get(Some("sophia-memory"), "redis-config").unwrap();
    assert!(!map.data.unwrap()["start.sh"].contains("user langgraph"));
    let set: StatefulSet = graph.get(Some("sophia-memory"), "redis").unwrap();
    let text = serde_json::to_string(&set).unwrap();
    assert!(!text.contains("LANGGRAPH_PASSWORD"));
}

#[test]
fn client_settings_omit_a_server_that_is_not_deployed() {
    let mut keys = keys("dev");
    keys.get_mut("phoenix:mcp").unwrap()["servers"]
        .as_object_mut()
        .unwrap()
        .remove("asana");
    let configuration = json_of(
        &platform::build(&check(&keys).unwrap()),
        "sophia-ai",
        "phoenix-mem0-config",
        "phoenix_mem0_mcp_config.json",
    );
    let servers = &configuration["enhanced_mcp_servers"]["core_intelligence"];
    assert!(servers.get("asana").is_none() && servers.get("linear").is_some());
}

#[test]
fn the_dashboard_has_the_documents_queries_and_the_stacks_thresholds() {
    let dashboard = |keys: &BTreeMap<String, Value>| {
        // The chat would have to promise more.
        let mut keys = keys.clone();
        keys.remove("phoenix:chat");
        json_of(
            &platform::build(&check(&keys).unwrap()),
            "sophia-memory",
            "phoenix-mem0-dashboard",
            "phoenix-mem0-dashboard.json",
        )
    };
    let lines = |dashboard: &Value| -> Vec<f64> {
        dashboard["panels"][0]["fieldConfig"]["defaults"]["thresholds"]["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|step| step["value"].as_f64())
            .collect()
    };
    let mut keys = keys("prod");
    let shipped = dashboard(&keys);
    let asked: Vec<_> = shipped["panels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|panel| panel["targets"][0]["expr"].as_str().unwrap())
        .collect();
    assert_eq!(
        asked,
        [
            "sophia_memory_tier_response_time",
            "sophia_mem0_health_status",
            "rate(sophia_mem0_learning_events[5m])",
            "sophia_snowflake_mem0_sync_success_rate",
        ]
    );
    assert_eq!(shipped["uid"], "phoenix-mem0-dashboard", "addresses hold it");
    // L2 and L5 share a line.
    assert_eq!(lines(&shipped), [50.0, 100.0, 150.0, 200.0]);
    keys.get_mut("phoenix:tiers").unwrap()["mem0Persistent"]["latencyMs"] = json!(250);
    assert_eq!(lines(&dashboard(&keys)), [50.0, 100.0, 150.0, 250.0]);
}

#[test]
fn the_deletion_policy_is_an_annotation_of_each_object() {
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
fn production_data_is_protected_and_retained() {
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
            // Another mode of secrets writes the same Secret; it must not be gone in between.
            "Secret" => {
                assert!(object.options.retain_on_delete, "{}", object.id);
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
fn rendered_manifests_contain_no_secret_value() {
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

#[test]
fn an_object_is_adopted_only_when_the_stack_lists_it() {
    let insists = |keys: &BTreeMap<String, Value>| -> Vec<String> {
        let graph = platform::build(&check(keys).unwrap());
        let has = |object: &&Object| {
            let annotations = object.body().pointer("/metadata/annotations");
            annotations.is_some_and(|all| all.get("pulumi.com/patchForce").is_some())
        };
        graph
            .objects()
            .filter(has)
            .map(|object| object.id.to_string())
            .collect()
    };
    let mut keys = keys("prod");
    assert_eq!(insists(&keys), Vec::<String>::new());
    let names = ["Namespace/sophia-memory", "Service/sophia-memory/qdrant-service"];
    keys.insert("phoenix:adopt".to_owned(), json!(names));
    assert_eq!(
        insists(&keys),
        ["Namespace sophia-memory", "Service sophia-memory/qdrant-service"]
    );
}

#[test]
fn pods_get_the_clusters_priority_classes_and_pull_secrets() {
    let mut keys = keys("prod");
    let cluster = keys.get_mut("phoenix:cluster").unwrap();
    cluster["priorityClasses"] = json!({"stores": "memory-first", "servers": "memory"});
    cluster["imagePullSecrets"] = json!(["registry"]);
    let graph = platform::build(&check(&keys).unwrap());
    let mut seen = BTreeMap::new();
    for object in graph.objects() {
        let kind = object.id.kind.as_str();
        let Some(pod) = references::pod_spec(object) else {
            assert!(
                !["StatefulSet", "Deployment", "CronJob"].contains(&kind),
                "{}",
                object.id
            );
            continue;
        };
        assert_eq!(
            pod["imagePullSecrets"],
            json!([{"name": "registry"}]),
            "{}",
            object.id
        );
        let class = pod.get("priorityClassName").and_then(Value::as_str);
        seen.entry(kind.to_owned())
            .or_insert_with(BTreeSet::new)
            .insert(class.map(str::to_owned));
    }
    let only = |class: Option<&str>| BTreeSet::from([class.map(str::to_owned)]);
    assert_eq!(
        seen,
        BTreeMap::from([
            ("StatefulSet".to_owned(), only(Some("memory-first"))),
            ("Deployment".to_owned(), only(Some("memory"))),
            // What the stack file does not rank has the cluster's default.
            ("CronJob".to_owned(), only(None)),
        ])
    );
    // Nothing else is touched by it.
    let plain = stack("prod").graph;
    let changed = compare(&plain, &graph);
    assert!(changed.changes.iter().all(|change| {
        ["StatefulSet", "Deployment", "CronJob"].contains(&change.object().id.kind.as_str())
    }));
}
