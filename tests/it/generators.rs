//! Randomly generated configurations: valid ones, and hostile ones.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// The keys of a configuration that is good, far from the shipped ones.
pub fn good() -> impl Strategy<Value = BTreeMap<String, Value>> {
    (
        environment(),
        openmemory(),
        qdrant(),
        namespace(),
        cluster(),
        postgres(),
        tiers(),
        mcp(),
        (
            mesh(),
            trust(),
            secrets(),
            (redis(), knowledge_graph(), applications(), monitoring()),
            audit_trail(),
            (load_test(), backup()),
            migration(),
        ),
        any::<bool>(),
    )
        .prop_map(
            |(
                environment,
                mut openmemory,
                mut qdrant,
                namespace,
                cluster,
                postgres,
                mut tiers,
                mcp,
                (
                    mesh,
                    mut trust,
                    secrets,
                    (redis, knowledge_graph, applications, monitoring),
                    mut audit_trail,
                    (mut load_test, mut backup),
                    migration,
                ),
                protect,
            )| {
                if environment == "prod" {
                    // Production asks for more than one of everything, by digest.
                    if trust.get("jwt").is_none() {
                        trust = json!({"jwt": tokens()});
                    }
                    if audit_trail.is_null() {
                        audit_trail = json!({"archive": "the bucket of the log shipper"});
                    }
                    if backup.is_null() {
                        backup = json!({"resources": amounts(), "objectStore": bucket()});
                    }
                    if !load_test.is_null() {
                        load_test["image"] = json!(pinned("grafana/k6"));
                    }
                    openmemory["image"] = json!(pinned("team/openmemory"));
                    qdrant["image"] = json!(pinned("qdrant/qdrant"));
                    openmemory["replicas"] = json!(openmemory["replicas"].as_u64().unwrap().max(2));
                    openmemory["storage"]["mode"] = json!("shared");
                    if qdrant["mode"] == "single" {
                        qdrant["mode"] = json!("cluster");
                        qdrant["replicas"] = json!(3);
                        qdrant["replicationFactor"] = json!(3);
                    }
                }
                let mut stores = BTreeMap::new();
                for (key, tier, images, store) in [
                    (
                        "phoenix:redis",
                        "sessionCache",
                        &["/image", "/exporter/image"][..],
                        redis,
                    ),
                    (
                        "phoenix:knowledgeGraph",
                        "knowledgeGraph",
                        &["/image"],
                        knowledge_graph,
                    ),
                ] {
                    let Some(mut store) = store else { continue };
                    // A tier is in one place.
                    tiers[tier].as_object_mut().unwrap().remove("external");
                    for image in images {
                        let reference = store.pointer_mut(image).unwrap();
                        if environment == "prod" {
                            *reference = json!(pinned("team/store"));
                        }
                    }
                    stores.insert(key.to_owned(), store);
                }
                if !backup.is_null() {
                    backup["image"] = if environment == "prod" {
                        json!(pinned("team/phoenix-backup"))
                    } else {
                        json!({"placeholder": "the image"})
                    };
                }
                if !audit_trail.is_null() {
                    qdrant["auditDays"] = json!(qdrant["auditDays"].as_u64().unwrap().max(1));
                }
                apply(applications, environment == "prod", &mut tiers, &mut stores);
                if let Some(autoscaling) = openmemory.get_mut("autoscaling") {
                    autoscaling["maxReplicas"] = json!(40);
                }
                stores.extend([
                    ("phoenix:environment".to_owned(), json!(environment)),
                    ("phoenix:openmemory".to_owned(), openmemory),
                    ("phoenix:qdrant".to_owned(), qdrant),
                    ("phoenix:namespace".to_owned(), namespace),
                    ("phoenix:cluster".to_owned(), cluster),
                    ("phoenix:postgres".to_owned(), postgres),
                    ("phoenix:tiers".to_owned(), tiers),
                    ("phoenix:mcp".to_owned(), mcp),
                    ("phoenix:monitoring".to_owned(), monitoring),
                    ("phoenix:mesh".to_owned(), mesh),
                    ("phoenix:trust".to_owned(), trust),
                    ("phoenix:secrets".to_owned(), secrets),
                    ("phoenix:protect".to_owned(), json!(protect)),
                    ("aws:region".to_owned(), json!("eu-central-1")),
                ]);
                // What a stack does not have is left out.
                stores.extend(
                    [
                        ("phoenix:auditTrail", audit_trail),
                        ("phoenix:loadTest", load_test),
                        ("phoenix:backup", backup),
                        ("phoenix:migration", migration),
                    ]
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key.to_owned(), value)),
                );
                stores
            },
        )
}

fn audit_trail() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!({"archive": "the bucket of the log shipper"}),
        json!({"provider": "phoenix-audit", "retentionDays": 3650, "archive": {"placeholder": "the archive"}}),
    ])
}

fn load_test() -> impl Strategy<Value = Value> {
    (any::<bool>(), 1..1_000_u32, 1..120_u32, resources()).prop_map(|(there, users, minutes, resources)| {
        if there {
            json!({"image": "grafana/k6:1.0.0", "virtualUsers": users, "minutes": minutes, "resources": resources})
        } else {
            Value::Null
        }
    })
}

fn amounts() -> Value {
    json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}})
}

fn bucket() -> Value {
    json!({"host": "s3.eu-central-1.amazonaws.com", "region": "eu-central-1", "bucket": "acme-backups"})
}

/// Backups with a key, with roles, and with an undecided object store.
fn backup() -> impl Strategy<Value = Value> {
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let of =
        |store: &str| json!({"backup": role(&format!("b-{store}")), "restore": role(&format!("r-{store}"))});
    let undecided = json!({"backup": {"placeholder": "b"}, "restore": {"placeholder": "r"}});
    let mut with_roles = bucket();
    with_roles["cloudRoles"] = json!({
        "qdrant": of("qdrant"), "neo4j": of("neo4j"), "openmemory": of("openmemory"), "prune": {"placeholder": "the role"},
    });
    let stores = vec![
        Value::Null,
        bucket(),
        with_roles,
        json!({
            "host": "10.9.8.7", "port": 9000, "networks": ["10.9.8.0/24"], "region": "local",
            "bucket": "backups", "prefix": "phoenix/a",
        }),
        json!({
            "host": {"placeholder": "h"}, "region": {"placeholder": "r"}, "bucket": {"placeholder": "b"},
            "cloudRoles": {"qdrant": undecided, "neo4j": undecided, "openmemory": undecided, "prune": role("prune")},
        }),
    ];
    (select(stores), resources(), 10..120_u32, 0..60_u32, 0..24_u32).prop_map(
        |(store, resources, deadline, minute, hour)| {
            if store.is_null() {
                return Value::Null;
            }
            json!({
                "resources": resources,
                "deadlineMinutes": deadline,
                "schedule": {"qdrant": format!("{hour:02}:{minute:02}"), "drill": {"day": "friday"}},
                "retention": {"last": 1 + minute, "monthly": hour},
                "objectStore": store,
            })
        },
    )
}

fn migration() -> impl Strategy<Value = Value> {
    let phases = ["parallel", "enhanced", "active", "optimized"];
    let phases = phases.map(|phase| json!({"phase": phase}));
    select([vec![Value::Null], phases.to_vec()].concat())
}

/// With and without the operator, the certificates and an address of the runbooks.
fn monitoring() -> impl Strategy<Value = Value> {
    (
        select(vec![
            json!({}),
            json!({"prometheusOperator": true}),
            json!({"prometheusOperator": true, "labels": {"release": "a"}}),
        ]),
        select(vec![Value::Null, json!("/etc/prom-certs/")]),
        select(vec![Value::Null, json!("https://wiki.example.com/runbooks/")]),
    )
        .prop_map(|(mut monitoring, certificates, runbooks)| {
            monitoring["certificates"] = certificates;
            monitoring["runbooks"] = runbooks;
            without_nulls(monitoring)
        })
}

/// What of LangGraph, Snowflake, the chat and the synchronization a stack has.
fn applications() -> impl Strategy<Value = Value> {
    let scale = || {
        select(vec![
            json!({"replicas": 2}),
            json!({"replicas": 3, "autoscaling": {"maxReplicas": 9, "cpuPercent": 55}}),
        ])
    };
    let account = select(vec![
        json!({
            "account": "acme-sophia",
            "hosts": [{"host": "acme-sophia.snowflakecomputing.com"}],
            "user": "PHOENIX", "role": "PHOENIX", "warehouse": "MEMORY", "database": "SOPHIA",
        }),
        json!({
            "account": "acme-my_account",
            "hosts": [
                {"host": "stages.s3.eu-central-1.amazonaws.com", "port": 443},
                {"host": "acme-my-account.privatelink.snowflakecomputing.com"},
                {"host": "ocsp.snowflakecomputing.com", "port": 80},
                {"host": "ocsp.snowflakecomputing.com", "port": 443},
                {"host": "ocsp.digicert.com", "port": 80},
            ],
            "networks": ["10.9.0.0/16"],
            "user": "a", "role": "b", "warehouse": "c", "database": "d$1", "table": "S.T", "encryptedKey": true,
        }),
        json!({
            "account": {"placeholder": "the account"},
            "hosts": [{"host": {"placeholder": "its host"}}, {"host": {"placeholder": "its answers"}, "port": 80}],
            "user": {"placeholder": "u"}, "role": {"placeholder": "r"},
            "warehouse": {"placeholder": "w"}, "database": {"placeholder": "d"},
        }),
    ]);
    let mem0 = select(vec!["off", "enhanced", "active", "optimized"]);
    let interval = select(vec![1, 15, 60, 240, 1440]);
    (
        prop::option::of((scale(), resources(), any::<bool>())),
        prop::option::of(account),
        prop::option::of((scale(), resources(), mem0)),
        prop::option::of((resources(), interval, any::<bool>())),
    )
        .prop_map(|(langgraph, account, chat, sync)| {
            without_nulls(json!({
                "langgraph": langgraph.map(|(mut scale, resources, license)| {
                    scale["resources"] = resources;
                    scale["license"] = json!(license);
                    scale
                }),
                "snowflake": account,
                "chat": chat.map(|(mut scale, resources, mem0)| {
                    scale["resources"] = resources;
                    scale["mem0"] = json!(mem0);
                    scale
                }),
                "sync": sync.map(|(resources, interval, suspend)| {
                    json!({"resources": resources, "interval": interval, "suspend": suspend})
                }),
            }))
        })
}

/// Puts applications into a stack, as far as it has what they need.
fn apply(mut applications: Value, is_prod: bool, tiers: &mut Value, keys: &mut BTreeMap<String, Value>) {
    let applications = applications.as_object_mut().unwrap();
    let remove_external = |tiers: &mut Value, tier: &str| {
        tiers[tier].as_object_mut().unwrap().remove("external");
    };
    if !keys.contains_key("phoenix:redis") {
        applications.remove("langgraph");
    }
    if applications.contains_key("langgraph") {
        remove_external(tiers, "langgraphWorkflow");
    }
    if applications.contains_key("snowflake") {
        remove_external(tiers, "snowflakeCortex");
    } else {
        applications.remove("chat");
        applications.remove("sync");
    }
    if let Some(chat) = applications.get_mut("chat") {
        for tier in ["sessionCache", "knowledgeGraph", "langgraphWorkflow"] {
            if tiers[tier]["external"]["host"] == "store.sophia-data.svc.cluster.local" {
                remove_external(tiers, tier);
            }
        }
        let latencies = tiers.as_object().unwrap().values();
        let together: u64 = latencies.map(|tier| tier["latencyMs"].as_u64().unwrap()).sum();
        chat["latencyMs"] = json!(together);
    }
    if let Some(interval) = applications
        .get_mut("sync")
        .and_then(|sync| sync.as_object_mut().unwrap().remove("interval"))
    {
        tiers["mem0Persistent"]["syncIntervalMinutes"] = interval;
    }
    for (system, mut application) in std::mem::take(applications) {
        if system != "snowflake" {
            application["image"] = if is_prod {
                json!(pinned("team/application"))
            } else {
                json!("team/application:1.2.3")
            };
        }
        keys.insert(format!("phoenix:{system}"), application);
    }
}

/// Every way that secrets can come.
fn secrets() -> impl Strategy<Value = Value> {
    let environment = select(vec![
        json!("acme/phoenix/dev"),
        json!({"placeholder": "the environment"}),
    ]);
    let auth = select(vec![
        json!({"oidc": {}}),
        json!({"oidc": {"serviceAccount": "reader"}}),
        json!({"accessToken": {"secret": "pulumi-token", "key": "token"}}),
    ]);
    prop_oneof![
        Just(json!({"mode": "local"})),
        environment
            .clone()
            .prop_map(|environment| json!({"mode": "esc-direct", "environment": environment})),
        (environment, auth, select(vec!["1h", "30m"])).prop_map(|(environment, auth, interval)| {
            json!({
                "mode": "external-secrets", "environment": environment, "auth": auth, "refreshInterval": interval,
            })
        }),
    ]
}

/// The keys of a configuration in which something may be terribly wrong.
pub fn hostile() -> impl Strategy<Value = BTreeMap<String, Value>> {
    (
        good(),
        prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..4),
    )
        .prop_map(|(keys, blows)| {
            let mut value: Value = keys.into_iter().collect();
            for (place, blow) in blows {
                let pointers = places(&value);
                let pointer = &pointers[place.index(pointers.len())];
                *value.pointer_mut(pointer).expect("the place was just found") = blow;
            }
            match value {
                Value::Object(keys) => keys.into_iter().collect(),
                other => BTreeMap::from([("phoenix:qdrant".to_owned(), other)]),
            }
        })
}

/// Any JSON at all, with a liking for what is nearly right.
pub fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec![
            "0",
            "-1",
            "1e9",
            "",
            " ",
            "latest",
            "a:latest",
            "@sha256:",
            "${HOME}",
            "{{",
            "\u{0}",
            "../..",
            "secret phoenix:openaiApiKey",
            "18446744073709551616Gi",
            "999999999999999P"
        ])
        .prop_map(Value::from),
        "[a-z0-9./:@-]{0,300}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,12}|\\PC{0,8}", inner.clone(), 0..5)
                .prop_map(|fields| fields.into_iter().collect()),
            inner.prop_map(|value| json!({"placeholder": value})),
        ]
    })
}

fn places(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(place, value)| (place.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        found.extend(places(child).into_iter().map(|rest| format!("/{key}{rest}")));
    }
    found
}

fn pinned(name: &str) -> String {
    format!("{name}@sha256:{}", "0123456789abcdef".repeat(4))
}

fn environment() -> impl Strategy<Value = &'static str> {
    select(vec!["dev", "staging", "prod"])
}

fn resources() -> impl Strategy<Value = Value> {
    (1..4_u32, 1..8_u32).prop_map(|(cpu, memory)| {
        json!({
            "requests": {"cpu": format!("{}m", cpu * 100), "memory": format!("{memory}Gi")},
            "limits": {"cpu": format!("{cpu}"), "memory": format!("{}Gi", memory * 2)},
        })
    })
}

fn class() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!("fast"),
        json!({"placeholder": "a class"}),
    ])
}

fn openmemory() -> impl Strategy<Value = Value> {
    let accelerator = select(vec![
        Value::Null,
        json!({}),
        json!({"labels": "lambda", "product": "a100"}),
        json!({"labels": "nvidia", "product": "NVIDIA-A100-SXM4-40GB", "count": 2}),
    ]);
    (1..20_u32, any::<bool>(), any::<bool>(), resources(), class(), accelerator).prop_map(
        |(replicas, auto, shared, resources, class, accelerator)| {
            let alone = !shared;
            json!({
                "image": "team/openmemory:1.2.3",
                "replicas": if alone { 1 } else { replicas },
                "autoscaling": if auto && !alone { json!({"maxReplicas": 40, "cpuPercent": 60}) } else { Value::Null },
                "resources": resources,
                "storage": {"mode": if alone { "exclusive" } else { "shared" }, "size": "10Gi", "storageClass": class},
                "accelerator": accelerator,
                "cloudRole": if auto { json!("arn:aws:iam::123456789012:role/memory") } else { Value::Null },
            })
        },
    )
    .prop_map(without_nulls)
}

fn qdrant() -> impl Strategy<Value = Value> {
    (0..5_u32, resources(), class(), 0..3651_u32)
        .prop_map(|(size, resources, class, days)| {
            let replicas = if size == 0 { 1 } else { size * 2 + 1 };
            let factor = replicas.min(3);
            json!({
                "image": "qdrant/qdrant:v1.19.0-unprivileged",
                "mode": if size == 0 { "single" } else { "cluster" },
                "replicas": replicas,
                "replicationFactor": factor,
                "writeConsistencyFactor": 1,
                "resources": resources,
                "storage": {"size": "10Gi", "storageClass": class.clone()},
                "snapshots": {"size": "10Gi"},
                "auditDays": days,
            })
        })
        .prop_map(without_nulls)
}

/// A session cache, or none. Tiers are generated with the 512 megabytes of the source document.
fn redis() -> impl Strategy<Value = Option<Value>> {
    let eviction = select(vec![
        "allkeys-lru",
        "allkeys-lfu",
        "volatile-lru",
        "volatile-ttl",
        "noeviction",
    ]);
    let store = (eviction, resources(), class(), any::<bool>()).prop_map(
        |(eviction, resources, class, persistent)| {
            without_nulls(json!({
                "image": "valkey/valkey:9.1.1",
                "eviction": eviction,
                "resources": resources.clone(),
                "persistence": if persistent { json!({"size": "4Gi", "storageClass": class}) } else { Value::Null },
                "exporter": {"image": "oliver006/redis_exporter:v1.79.0", "resources": resources},
            }))
        },
    );
    prop::option::of(store)
}

/// A knowledge graph, or none.
fn knowledge_graph() -> impl Strategy<Value = Option<Value>> {
    let memory = select(vec![
        (None, None),
        (Some("512Mi"), Some("1Gi")),
        (Some("1Gi"), None),
    ]);
    let store = (resources(), class(), memory).prop_map(|(resources, class, (heap, page_cache))| {
        let mut resources = resources;
        resources["limits"]["memory"] = json!("16Gi");
        without_nulls(json!({
            "image": "neo4j:5.26.21-community",
            "resources": resources,
            "heap": heap,
            "pageCache": page_cache,
            "storage": {"size": "10Gi", "storageClass": class.clone()},
            "logs": {"size": "1Gi", "storageClass": class},
        }))
    });
    prop::option::of(store)
}

fn namespace() -> impl Strategy<Value = Value> {
    (any::<bool>(), any::<bool>()).prop_map(|(ai, mcp)| {
        json!({
            "manageAi": ai,
            "manageMcp": mcp,
            "quota": {"requestsCpu": "1k", "requestsMemory": "10Ti", "limitsCpu": "2k", "limitsMemory": "20Ti", "pods": 500, "requestsStorage": "1Pi"},
        })
    })
}

fn cluster() -> impl Strategy<Value = Value> {
    (
        select(vec![Value::Null, json!("1-31")]),
        select(vec!["monitoring", "observability"]),
        any::<bool>(),
        select(vec![
            json!({}),
            json!({"stores": "memory-first"}),
            json!({"stores": "memory-first", "servers": "memory", "jobs": "whenever"}),
        ]),
        select(vec![json!([]), json!(["registry", "registry.example.com"])]),
    )
        .prop_map(|(revision, monitoring, dns_capture, classes, pull_secrets)| {
            without_nulls(json!({
                "context": "somewhere",
                "uid": "7f4a2c1e-5b0d-4e8a-9c36-1d2e3f405162",
                "identifier": "a-cluster",
                "mesh": {"revision": revision, "dnsCapture": dns_capture},
                "monitoring": {"namespace": monitoring, "podLabels": {"app": monitoring, "release": "one"}},
                "privateNetworks": [],
                "priorityClasses": classes,
                "imagePullSecrets": pull_secrets,
            }))
        })
}

fn postgres() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"host": "db.example.com"}),
        json!({"host": "10.1.2.3", "port": 6432, "networks": ["10.1.2.0/24", "10.1.3.7/32"]}),
        json!({"host": "postgres.databases.svc.cluster.local", "networks": ["10.4.0.0/16"], "transport": "mesh"}),
        json!({"host": {"placeholder": "the host"}}),
    ])
}

fn tiers() -> impl Strategy<Value = Value> {
    let external = || {
        select(vec![
            Value::Null,
            json!({"host": "store.example.com"}),
            json!({"host": "store.sophia-data.svc.cluster.local", "port": 6380}),
            json!({"host": {"placeholder": "the host"}}),
        ])
    };
    let number = || 1..50_000_u32;
    (
        (external(), number(), number()),
        (external(), select(vec![("e5-base-v2", 768), ("other/model_2.1:latest", 1024)]), number()),
        (1..1441_u32, number()),
        (external(), number(), number()),
        (external(), number(), number()),
    )
        .prop_map(|(cache, snowflake, mem0, knowledge, workflow)| {
            without_nulls(json!({
                "sessionCache": {"external": cache.0, "ttlSeconds": cache.1, "latencyMs": cache.2},
                "snowflakeCortex": {"external": snowflake.0, "embeddingModel": snowflake.1.0, "vectorDimension": snowflake.1.1, "latencyMs": snowflake.2},
                "mem0Persistent": {"syncIntervalMinutes": mem0.0, "latencyMs": mem0.1},
                "knowledgeGraph": {"external": knowledge.0, "maxRelationships": knowledge.1, "latencyMs": knowledge.2},
                "langgraphWorkflow": {"external": workflow.0, "maxWorkflowHistory": workflow.1, "latencyMs": workflow.2},
            }))
        })
}

fn mcp() -> impl Strategy<Value = Value> {
    let server = select(vec![
        Value::Null,
        json!({"external": {"host": "mcp.example.com"}}),
        json!({"external": {"host": "tasks.sophia-mcp.svc.cluster.local"}}),
        json!({"external": {"host": {"placeholder": "the host"}}}),
    ]);
    prop::collection::vec(server, 7).prop_map(|servers| {
        let names = [
            "ai_memory",
            "sophia_intelligence_unified",
            "snowflake_unified",
            "codacy",
            "github",
            "linear",
            "asana",
        ];
        let servers: Value = names.into_iter().map(str::to_owned).zip(servers).collect();
        without_nulls(json!({"servers": servers}))
    })
}

fn mesh() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"gateway": {}}),
        json!({"gateway": {"host": {"placeholder": "the host"}}}),
        json!({"gateway": {
            "host": "memory.example.com",
            "namespace": "istio-system",
            "serviceAccount": "istio-ingressgateway-service-account",
            "selector": {"istio": "ingressgateway", "example.com/edge": "public"},
            "credential": "certificate",
        }}),
    ])
}

fn trust() -> impl Strategy<Value = Value> {
    let key = r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}"#;
    select(vec![
        json!({}),
        json!({"jwt": tokens()}),
        json!({"jwt": {"issuer": "accounts.example.com", "audiences": ["a", {"placeholder": "b"}], "jwks": key}}),
    ])
}

fn tokens() -> Value {
    json!({
        "issuer": "https://id.example.com/realms/phoenix",
        "audiences": ["phoenix-memory"],
        "jwksUri": "https://id.example.com:8443/realms/phoenix/keys",
    })
}

fn without_nulls(value: Value) -> Value {
    phoenix_graph::canonical::canonical(value)
}
