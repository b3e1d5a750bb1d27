//! LangGraph, Snowflake, the chat and the synchronization: their settings and their connections.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{EnvVar, PodSpec};
use phoenix::config::check;
use phoenix::connections::{Peer, Traffic, connections};
use phoenix::names::{BACKUP_OPENMEMORY, CHAT, LANGGRAPH, OPENMEMORY, RESTORE_OPENMEMORY, SYNC};
use phoenix::platform;
use phoenix_crds::networking::ServiceEntry;
use phoenix_graph::{Graph, Object};
use serde_json::{Value, json};

use crate::support::{keys, stack};

fn built(keys: &BTreeMap<String, Value>) -> Graph {
    platform::build(&check(keys).unwrap_or_else(|problems| panic!("{problems}")))
}

fn changed(stack: &str, key: &str, change: impl FnOnce(&mut Value)) -> Graph {
    let mut keys = keys(stack);
    change(keys.entry(key.to_owned()).or_insert_with(|| json!({})));
    built(&keys)
}

fn variables(pod: PodSpec) -> BTreeMap<String, EnvVar> {
    let container = pod.containers.into_iter().next().unwrap();
    let env = container.env.unwrap();
    env.into_iter()
        .map(|variable| (variable.name.clone(), variable))
        .collect()
}

fn values(graph: &Graph, namespace: &str, name: &str) -> BTreeMap<String, String> {
    let deployment: Deployment = graph.get(Some(namespace), name).unwrap();
    let env = variables(deployment.spec.unwrap().template.spec.unwrap());
    env.into_iter()
        .filter_map(|(name, variable)| Some((name, variable.value?)))
        .collect()
}

fn chat(graph: &Graph) -> BTreeMap<String, String> {
    values(graph, "sophia-ai", "sophia-unified-chat")
}

fn cron_job(graph: &Graph) -> k8s_openapi::api::batch::v1::CronJobSpec {
    let job: CronJob = graph.get(Some("sophia-memory"), "memory-sync").unwrap();
    job.spec.unwrap()
}

/// The objects that are there in only one of two graphs, or otherwise.
fn differing(one: &Graph, other: &Graph) -> BTreeSet<String> {
    let ids: BTreeSet<_> = one
        .objects()
        .chain(other.objects())
        .map(|object| &object.id)
        .collect();
    ids.into_iter()
        .filter(|id| one.object(id).map(Object::body) != other.object(id).map(Object::body))
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_chats_latency_target_covers_all_five_tiers() {
    // Before it is enhanced, a stack's chat asks no Mem0.
    for name in ["staging", "prod"] {
        let settings = chat(&stack(name).graph);
        let number = |name: &str| settings[name].parse::<u32>().unwrap();
        let together: u32 = [
            "SESSION_CACHE_LATENCY_BUDGET_MS",
            "SNOWFLAKE_LATENCY_BUDGET_MS",
            "MEM0_LATENCY_BUDGET_MS",
            "KNOWLEDGE_GRAPH_LATENCY_BUDGET_MS",
            "LANGGRAPH_LATENCY_BUDGET_MS",
        ]
        .map(number)
        .into_iter()
        .sum();
        assert_eq!((together, number("LATENCY_BUDGET_MS")), (600, 600), "{name}");
    }
    // A tier that takes longer makes the promise a lie, and the stack is refused.
    let mut keys = keys("prod");
    keys.get_mut("phoenix:tiers").unwrap()["knowledgeGraph"]["latencyMs"] = json!(151);
    let error = check(&keys).unwrap_err().to_string();
    assert!(
        error.contains("phoenix:chat.latencyMs") && error.contains("601"),
        "{error}"
    );
}

#[test]
fn snowflake_is_primary_and_mem0_enhances() {
    let settings = chat(&stack("prod").graph);
    let of = |name: &str| settings[name].as_str();
    assert_eq!(of("PRIMARY_SOURCE"), "snowflake_cortex");
    assert_eq!(
        (of("SNOWFLAKE_CONFIDENCE"), of("MEM0_CONFIDENCE")),
        ("0.95", "0.85")
    );
    assert_eq!(
        (of("SNOWFLAKE_SEARCH_LIMIT"), of("MEM0_SEARCH_LIMIT")),
        ("10", "5")
    );
    assert_eq!(of("SNOWFLAKE_TABLE"), "SOPHIA_AI_MEMORY.MEMORY_RECORDS_ENHANCED");
    assert_eq!(of("MEM0_ON_FAILURE"), "continue");
    assert_eq!(
        of("MEM0_URL"),
        "http://openmemory-mcp-service.sophia-memory.svc.cluster.local:9010"
    );
    assert_eq!(
        of("REDIS_URL"),
        "redis://phoenix:$(REDIS_PASSWORD)@redis-service.sophia-memory.svc.cluster.local:6379/0"
    );
    assert_eq!(
        of("NEO4J_URI"),
        "bolt://knowledge-graph-service.sophia-memory.svc.cluster.local:7687"
    );
    assert_eq!(
        of("LANGGRAPH_URL"),
        "http://langgraph-service.sophia-memory.svc.cluster.local:8000"
    );
}

#[test]
fn mem0_is_switched_without_touching_anything_else() {
    let with = |mem0: &str| changed("prod", "phoenix:chat", |chat| chat["mem0"] = json!(mem0));
    let enhanced = with("enhanced");
    assert_eq!(
        differing(&enhanced, &with("active")),
        BTreeSet::from(["Deployment sophia-ai/sophia-unified-chat".to_owned()])
    );
    assert!(
        differing(&enhanced, &with("enhanced")).is_empty(),
        "and back again"
    );
    // Off, there is no address. The way stays: the document lets the whole namespace in.
    let off = with("off");
    assert_eq!(
        differing(&enhanced, &off),
        BTreeSet::from(["Deployment sophia-ai/sophia-unified-chat".to_owned()])
    );
    let settings = chat(&off);
    assert_eq!(settings["MEM0_MODE"], "off");
    assert!(!settings.contains_key("MEM0_URL") && settings.contains_key("SNOWFLAKE_HOST"));
}

#[test]
fn the_migration_brings_mem0_to_the_chat_and_starts_the_synchronization() {
    for (phase, mode, suspended) in [
        ("parallel", "off", true),
        ("enhanced", "enhanced", false),
        ("active", "active", false),
        ("optimized", "optimized", false),
    ] {
        let graph = changed("prod", "phoenix:migration", |migration| {
            *migration = json!({"phase": phase});
        });
        assert_eq!(chat(&graph)["MEM0_MODE"], mode);
        assert_eq!(cron_job(&graph).suspend, Some(suspended), "{phase}");
    }
}

#[test]
fn the_chat_gets_the_address_of_an_external_tier_and_may_connect_to_it() {
    let mut keys = keys("prod");
    for system in ["redis", "knowledgeGraph", "langgraph"] {
        keys.remove(&format!("phoenix:{system}")).unwrap();
    }
    let tiers = keys.get_mut("phoenix:tiers").unwrap();
    for (tier, host) in [
        ("sessionCache", "cache.example.com"),
        ("knowledgeGraph", "graph.example.com"),
    ] {
        tiers[tier]["external"] = json!({"host": host});
    }
    let config = check(&keys).unwrap();
    let settings = chat(&platform::build(&config));
    assert_eq!(
        settings["REDIS_URL"],
        "redis://phoenix:$(REDIS_PASSWORD)@cache.example.com:6379/0"
    );
    assert_eq!(settings["NEO4J_URI"], "bolt://graph.example.com:7687");
    assert!(
        !settings.contains_key("LANGGRAPH_URL"),
        "its address is not configured"
    );
    let ways: BTreeSet<_> = connections(&config)
        .into_iter()
        .filter(|row| row.from == Peer::Workload(CHAT) && row.traffic == Traffic::Tcp)
        .filter_map(|row| match row.to {
            Peer::External(outside) => Some((outside.host, row.port)),
            _ => None,
        })
        .collect();
    assert_eq!(
        ways,
        BTreeSet::from([
            ("cache.example.com".to_owned(), 6379),
            ("graph.example.com".to_owned(), 7687)
        ])
    );
}

#[test]
fn each_snowflake_host_has_its_own_service_entry() {
    let graph = changed("prod", "phoenix:snowflake", |account| {
        account["hosts"] = json!([
            {"host": "acme-sophia.snowflakecomputing.com"},
            {"host": "stages.s3.eu-central-1.amazonaws.com"},
            {"host": "ocsp.snowflakecomputing.com", "port": 80},
            {"host": "ocsp.snowflakecomputing.com"},
        ]);
        account["account"] = json!("acme-sophia");
    });
    let found: BTreeMap<_, _> = graph
        .all::<ServiceEntry>()
        .into_iter()
        .filter(|(object, _)| object.id.name.starts_with("snowflake."))
        .map(|(object, entry)| {
            let ports = entry.spec.ports.unwrap().into_iter();
            let ports: Vec<_> = ports.map(|port| (port.number, port.protocol.unwrap())).collect();
            assert_eq!(entry.spec.addresses, None, "the name identifies the destination");
            (object.id.name.clone(), ports)
        })
        .collect();
    let spoken = |ports: &[(i64, &str)]| -> Vec<_> {
        ports
            .iter()
            .map(|(port, protocol)| (*port, (*protocol).to_owned()))
            .collect()
    };
    assert_eq!(
        found,
        BTreeMap::from([
            (
                "snowflake.acme-sophia.snowflakecomputing.com".to_owned(),
                spoken(&[(443, "TLS")])
            ),
            (
                "snowflake.stages.s3.eu-central-1.amazonaws.com".to_owned(),
                spoken(&[(443, "TLS")])
            ),
            (
                "snowflake.ocsp.snowflakecomputing.com".to_owned(),
                spoken(&[(80, "HTTP"), (443, "TLS")])
            ),
        ])
    );
    // Both the chat and the client configuration get the account of the stack file.
    assert_eq!(
        chat(&graph)["SNOWFLAKE_HOST"],
        "acme-sophia.snowflakecomputing.com"
    );
}

#[test]
fn only_synchronization_and_backup_reach_all_memories_without_a_token() {
    let config = stack("prod").config;
    let open: Vec<_> = connections(&config)
        .into_iter()
        .filter(|row| row.to == Peer::Workload(OPENMEMORY))
        .filter_map(|row| match row.traffic {
            Traffic::Http {
                token: false, paths, ..
            } if paths.iter().any(|path| path.starts_with("/memory")) => Some((row.from, paths)),
            _ => None,
        })
        .collect();
    assert_eq!(
        open,
        [
            (
                Peer::Workload(SYNC),
                &["/memory/openmemory/sync", "/memory/openmemory/sync/*"][..]
            ),
            (
                Peer::Workload(BACKUP_OPENMEMORY),
                &["/memory/openmemory/export"][..]
            ),
            (
                Peer::Workload(RESTORE_OPENMEMORY),
                &["/memory/openmemory/import"][..]
            ),
        ]
    );
}

#[test]
fn synchronization_jobs_do_not_overlap_and_are_kept_for_inspection() {
    for (minutes, schedule) in [(1, "* * * * *"), (15, "*/15 * * * *"), (1_440, "0 0 * * *")] {
        let graph = changed("prod", "phoenix:tiers", |tiers| {
            tiers["mem0Persistent"]["syncIntervalMinutes"] = json!(minutes);
        });
        let spec = cron_job(&graph);
        assert_eq!(spec.schedule, schedule);
        assert_eq!(spec.concurrency_policy.as_deref(), Some("Forbid"));
        // The controller looks every ten seconds; a shorter deadline would miss all.
        let late = spec.starting_deadline_seconds.unwrap();
        assert!((10..minutes * 60).contains(&late), "{minutes}: {late}");
        let job = spec.job_template.spec.unwrap();
        let most = job.active_deadline_seconds.unwrap();
        assert!((1..minutes * 60).contains(&most), "{minutes}: {most}");
        assert_eq!(
            job.template.spec.unwrap().restart_policy.as_deref(),
            Some("Never")
        );
        assert!(spec.failed_jobs_history_limit > Some(0) && spec.successful_jobs_history_limit > Some(0));
    }
}

#[test]
fn suspending_the_synchronization_touches_nothing_else() {
    let suspended = changed("prod", "phoenix:sync", |sync| sync["suspend"] = json!(true));
    assert_eq!(cron_job(&suspended).suspend, Some(true));
    assert_eq!(
        differing(&stack("prod").graph, &suspended),
        BTreeSet::from(["CronJob sophia-memory/memory-sync".to_owned()])
    );
}

#[test]
fn langgraph_has_credentials_of_its_own_and_sends_no_telemetry() {
    let graph = stack("prod").graph;
    let deployment: Deployment = graph.get(Some("sophia-memory"), LANGGRAPH.name).unwrap();
    let env = variables(deployment.spec.unwrap().template.spec.unwrap());
    let secret = |name: &str| {
        let source = env[name].value_from.clone().unwrap().secret_key_ref.unwrap();
        (source.name, source.key)
    };
    assert_eq!(
        secret("POSTGRES_URI"),
        ("langgraph-postgres".to_owned(), "connection-string".to_owned())
    );
    assert_eq!(
        secret("REDIS_PASSWORD"),
        ("redis-passwords".to_owned(), "langgraph-password".to_owned())
    );
    let settings = values(&graph, "sophia-memory", LANGGRAPH.name);
    assert_eq!(
        settings["REDIS_URI"],
        "redis://langgraph:$(REDIS_PASSWORD)@redis-service:6379/0"
    );
    assert_eq!(settings["REDIS_KEY_PREFIX"], "langgraph:");
    assert_eq!(settings["MAX_WORKFLOW_HISTORY"], "100");
    assert_eq!(settings["LANGSMITH_TRACING"], "false");
    // Kubernetes expands what stands before it only.
    let deployment: Deployment = graph.get(Some("sophia-memory"), LANGGRAPH.name).unwrap();
    let container = &deployment.spec.unwrap().template.spec.unwrap().containers[0];
    let place = |name: &str| {
        let mut env = container.env.as_ref().unwrap().iter();
        env.position(|variable| variable.name == name)
    };
    assert!(place("REDIS_PASSWORD") < place("REDIS_URI"));
}

#[test]
fn license_and_passphrase_are_required_only_when_configured() {
    let needed = |key: &str, change: &dyn Fn(&mut Value)| -> BTreeSet<&'static str> {
        let mut keys = keys("prod");
        change(keys.get_mut(key).unwrap());
        let config = check(&keys).unwrap();
        config.secrets_needed().into_iter().map(|row| row.key).collect()
    };
    let usual = needed("phoenix:chat", &|_| {});
    let licensed = needed("phoenix:langgraph", &|langgraph| {
        langgraph["license"] = json!(true);
    });
    let encrypted = needed("phoenix:snowflake", &|account| {
        account["encryptedKey"] = json!(true);
    });
    let more = |all: &BTreeSet<&'static str>| all.difference(&usual).copied().collect::<Vec<_>>();
    assert_eq!(more(&licensed), ["langgraphLicenseKey"]);
    assert_eq!(more(&encrypted), ["snowflakePrivateKeyPassphrase"]);
}

#[test]
fn a_stack_without_an_application_has_nothing_of_it() {
    for (system, workload) in [("langgraph", LANGGRAPH), ("chat", CHAT), ("sync", SYNC)] {
        let mut keys = keys("prod");
        keys.remove(&format!("phoenix:{system}")).unwrap();
        let config = check(&keys).unwrap();
        let left: Vec<_> = platform::build(&config)
            .objects()
            .filter(|object| object.body().to_string().contains(workload.app))
            .filter(|object| system != "langgraph" || object.id.name.starts_with("langgraph"))
            // The message can also contain a hint.
            .filter(|object| object.component != "monitoring")
            .map(|object| object.id.to_string())
            .collect();
        assert_eq!(left, Vec::<String>::new(), "{system}");
    }
}
