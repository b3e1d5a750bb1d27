//! Errors of invalid configurations, and that no configuration causes a panic.

use std::collections::{BTreeMap, BTreeSet};

use phoenix::config::{Origins, SecretsMode, check, read_deployment, secret, value_from_text};
use phoenix::platform;
use phoenix_cli::stack_file::StackFile;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generators::{good, hostile};
use crate::support::{STACKS, keys, stack};

/// The problems of a stack with this value at this key (a JSON pointer below `phoenix:`); `None` removes the key.
fn reported(stack: &str, pointer: &str, value: Option<Value>) -> String {
    let mut all: Value = keys(stack).into_iter().collect();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() {
        &mut all
    } else {
        all.pointer_mut(&format!("/phoenix:{}", &parent[1..])).unwrap()
    };
    let key = if pointer.matches('/').count() == 1 {
        format!("phoenix:{key}")
    } else {
        key.to_owned()
    };
    match value {
        Some(value) => parent.as_object_mut().unwrap().insert(key, value),
        None => parent.as_object_mut().unwrap().remove(&key),
    };
    let Value::Object(all) = all else { unreachable!() };
    check(&all.into_iter().collect())
        .expect_err("the change makes it wrong")
        .to_string()
}

#[test]
fn an_invalid_value_is_reported_with_its_key_and_a_hint() {
    let conversations = [
        ("a missing key", reported("dev", "/qdrant/replicas", None)),
        ("a missing system", reported("dev", "/qdrant", None)),
        (
            "a wrong type",
            reported("dev", "/qdrant/replicas", Some(json!("three"))),
        ),
        (
            "a negative number",
            reported("dev", "/qdrant/replicas", Some(json!(-3))),
        ),
        (
            "a number that is too large",
            reported("dev", "/postgres/port", Some(json!(70_000))),
        ),
        (
            "an unknown key",
            reported("dev", "/qdrant/replica", Some(json!(3))),
        ),
        ("an unknown system", reported("dev", "/quadrant", Some(json!({})))),
        (
            "an unknown word",
            reported("dev", "/qdrant/mode", Some(json!("clustr"))),
        ),
        (
            "neither a value nor a placeholder",
            reported("dev", "/openmemory/image", Some(json!(["a"]))),
        ),
        (
            "a placeholder that says more",
            reported(
                "dev",
                "/openmemory/image",
                Some(json!({"placeholder": "a", "note": "b"})),
            ),
        ),
        (
            "an even cluster",
            reported("prod", "/qdrant/replicas", Some(json!(4))),
        ),
        ("two peers", reported("prod", "/qdrant/replicas", Some(json!(2)))),
        (
            "a cluster of one",
            reported("prod", "/qdrant/replicas", Some(json!(1))),
        ),
        (
            "three pods on an exclusive volume",
            reported("dev", "/openmemory/replicas", Some(json!(3))),
        ),
        (
            "a tag in production",
            reported("prod", "/qdrant/image", Some(json!("qdrant/qdrant:v1.19.0"))),
        ),
        (
            "latest",
            reported("dev", "/qdrant/image", Some(json!("qdrant/qdrant:latest"))),
        ),
        (
            "limits below requests",
            reported("dev", "/qdrant/resources/limits/memory", Some(json!("128Mi"))),
        ),
        (
            "memory in thousandths of a byte",
            reported("dev", "/qdrant/resources/limits/memory", Some(json!("512m"))),
        ),
        (
            "CPU in bytes",
            reported("dev", "/qdrant/resources/limits/cpu", Some(json!("512Mi"))),
        ),
        (
            "a quota without room",
            reported("prod", "/namespace/quota/pods", Some(json!(9))),
        ),
        (
            "a single pod in production",
            reported("prod", "/openmemory/replicas", Some(json!(1))),
        ),
        (
            "names to adopt that name no object",
            reported(
                "prod",
                "/adopt",
                Some(json!(["Namespace/sophia-memory", "qdrant", "Deployment/a b/c"])),
            ),
        ),
        (
            "a priority that only the cluster's own parts have, and one that is no name",
            reported(
                "prod",
                "/cluster/priorityClasses",
                Some(json!({"stores": "system-cluster-critical", "jobs": "Low"})),
            ),
        ),
        (
            "a credential for images that is no name, one that is named twice, and one of the platform's own",
            reported(
                "prod",
                "/cluster/imagePullSecrets",
                Some(json!(["registry", "a/b", "registry", "sophia-secrets"])),
            ),
        ),
        (
            "a UID that is none",
            reported("dev", "/cluster/uid", Some(json!("phoenix-dev"))),
        ),
        (
            "a network that is none",
            reported("dev", "/postgres/networks", Some(json!(["10.0.0.1/8"]))),
        ),
        (
            "the role of the source document",
            reported(
                "dev",
                "/openmemory/cloudRole",
                Some(json!("arn:aws:iam::ACCOUNT:role/sophia-memory-role")),
            ),
        ),
        (
            "an accelerator without a product",
            reported(
                "dev",
                "/openmemory/accelerator",
                Some(json!({"labels": "nvidia"})),
            ),
        ),
        (
            "a server that is called otherwise",
            reported(
                "dev",
                "/mcp/servers/git_hub",
                Some(json!({"external": {"host": "a.example.com"}})),
            ),
        ),
        (
            "a server that is neither ours nor external",
            reported("dev", "/mcp/servers/github", Some(json!("github.example.com"))),
        ),
        (
            "a server in the platform's own namespace",
            reported(
                "dev",
                "/mcp/servers/github/external/host",
                Some(json!("github.sophia-memory.svc.cluster.local")),
            ),
        ),
        (
            "a store without a host name",
            reported(
                "prod",
                "/tiers/snowflakeCortex/external",
                Some(json!({"host": "snowflake"})),
            ),
        ),
        (
            "a target that no tier can have",
            reported("prod", "/tiers/mem0Persistent/latencyMs", Some(json!(0))),
        ),
        (
            "vectors of another model",
            reported(
                "prod",
                "/tiers/snowflakeCortex/vectorDimension",
                Some(json!(1024)),
            ),
        ),
        (
            "a session cache that is ended before it forgets",
            reported(
                "prod",
                "/redis/resources",
                Some(json!({
                    "requests": {"cpu": "250m", "memory": "512Mi"},
                    "limits": {"cpu": "1", "memory": "640Mi"},
                })),
            ),
        ),
        (
            "a larger session cache in the same pod",
            reported("prod", "/tiers/sessionCache/maxSizeMb", Some(json!(800))),
        ),
        (
            "a session cache that writes to a small disk",
            reported("prod", "/redis/persistence", Some(json!({"size": "1Gi"}))),
        ),
        (
            "a session cache that forgets what comes first",
            reported("dev", "/redis/eviction", Some(json!("allkeys-fifo"))),
        ),
        (
            "a session cache in two places",
            reported(
                "dev",
                "/tiers",
                Some(json!({"sessionCache": {"external": {"host": "redis.example.com"}}})),
            ),
        ),
        (
            "a knowledge graph with less memory than it starts with",
            reported(
                "dev",
                "/knowledgeGraph/resources",
                Some(json!({
                    "requests": {"cpu": "100m", "memory": "1Gi"},
                    "limits": {"cpu": "1", "memory": "1536Mi"},
                })),
            ),
        ),
        (
            "a heap that leaves nothing to the rest of the server",
            reported("prod", "/knowledgeGraph/heap", Some(json!("3Gi"))),
        ),
        (
            "a page cache of next to nothing",
            reported("prod", "/knowledgeGraph/pageCache", Some(json!("16Mi"))),
        ),
        (
            "a knowledge graph on a disk of no class",
            reported(
                "prod",
                "/knowledgeGraph/storage",
                Some(json!({"size": "50Gi", "storageClass": "Fast SSD"})),
            ),
        ),
        (
            "a knowledge graph in two places",
            reported(
                "dev",
                "/tiers",
                Some(json!({"knowledgeGraph": {"external": {"host": {"placeholder": "the host"}}}})),
            ),
        ),
        (
            "tags of the session cache in production",
            reported(
                "prod",
                "/redis/exporter/image",
                Some(json!("oliver006/redis_exporter:v1.79.0")),
            ),
        ),
        (
            "a gateway without authentication",
            reported("prod", "/trust", None),
        ),
        (
            "a port on every gateway",
            reported("prod", "/mesh/gateway/selector", Some(json!({}))),
        ),
        (
            "a label that no pod can have",
            reported(
                "prod",
                "/mesh/gateway/selector",
                Some(json!({"istio": "in gress"})),
            ),
        ),
        (
            "a label that is no text",
            reported("prod", "/mesh/gateway/selector", Some(json!({"istio": true}))),
        ),
        (
            "a gateway's host that is an address",
            reported("prod", "/mesh/gateway/host", Some(json!("203.0.113.7"))),
        ),
        (
            "a gateway's host that only the cluster knows",
            reported(
                "prod",
                "/mesh/gateway/host",
                Some(json!("memory.sophia-memory.svc.cluster.local")),
            ),
        ),
        (
            "tokens without an audience",
            reported("prod", "/trust/jwt/audiences", Some(json!([]))),
        ),
        (
            "any issuer at all",
            reported("prod", "/trust/jwt/issuer", Some(json!("*"))),
        ),
        (
            "keys over an open line",
            reported(
                "prod",
                "/trust/jwt/jwksUri",
                Some(json!("http://id.example.com/keys")),
            ),
        ),
        ("no keys", reported("prod", "/trust/jwt/jwksUri", None)),
        (
            "keys from two sides",
            reported("prod", "/trust/jwt/jwks", Some(json!("{\"keys\": []}"))),
        ),
        (
            "a private key among the public ones",
            reported(
                "prod",
                "/trust/jwt",
                Some(json!({
                    "issuer": "https://id.example.com",
                    "audiences": ["phoenix-memory"],
                    "jwks": "{\"keys\": [{\"kty\": \"RSA\", \"n\": \"AA\", \"e\": \"AQAB\", \"d\": \"private\"}]}",
                })),
            ),
        ),
        (
            "a shared secret among the public keys",
            reported(
                "prod",
                "/trust/jwt",
                Some(json!({
                    "issuer": "https://id.example.com",
                    "audiences": ["phoenix-memory"],
                    "jwks": "{\"keys\": [{\"kty\": \"oct\", \"k\": \"shared\"}]}",
                })),
            ),
        ),
        (
            "an environment that is never opened",
            reported("dev", "/secrets/environment", Some(json!("acme/phoenix/dev"))),
        ),
        (
            "nothing to open",
            reported("dev", "/secrets", Some(json!({"mode": "esc-direct"}))),
        ),
        (
            "an environment without an organization",
            reported(
                "dev",
                "/secrets",
                Some(json!({"mode": "esc-direct", "environment": "phoenix/dev"})),
            ),
        ),
        (
            "an address with a login",
            reported(
                "dev",
                "/secrets",
                Some(json!({
                    "mode": "esc-direct",
                    "environment": "acme/phoenix/dev@stable",
                    "url": "https://somebody:hunter2@esc.example.com",
                })),
            ),
        ),
        (
            "an operator that cannot prove who it is",
            reported(
                "dev",
                "/secrets",
                Some(json!({"mode": "external-secrets", "environment": "acme/phoenix/dev"})),
            ),
        ),
        (
            "an operator that proves it twice, in an environment of a version, never",
            reported(
                "dev",
                "/secrets",
                Some(json!({
                    "mode": "external-secrets",
                    "environment": "acme/phoenix/dev@stable",
                    "auth": {"oidc": {}, "accessToken": {"secret": "token", "key": "token"}},
                    "refreshInterval": "0",
                })),
            ),
        ),
        (
            "an operator that pods could be",
            reported(
                "dev",
                "/secrets",
                Some(json!({
                    "mode": "external-secrets",
                    "environment": "acme/phoenix/dev",
                    "auth": {"oidc": {"serviceAccount": "qdrant"}},
                })),
            ),
        ),
        (
            "an access token among the secrets that it opens",
            reported(
                "dev",
                "/secrets",
                Some(json!({
                    "mode": "external-secrets",
                    "environment": "acme/phoenix/dev",
                    "auth": {"accessToken": {"secret": "qdrant-keys", "key": "a/b"}},
                })),
            ),
        ),
        (
            "an operator where nothing is asked of it",
            reported(
                "dev",
                "/secrets",
                Some(json!({"mode": "local", "auth": {"oidc": {}}, "refreshInterval": "1h"})),
            ),
        ),
        (
            "LangGraph without a session cache",
            reported("dev", "/redis", None),
        ),
        (
            "a tier in two places",
            reported(
                "dev",
                "/tiers",
                Some(json!({"langgraphWorkflow": {"external": {"host": "langgraph.example.com"}}})),
            ),
        ),
        (
            "one pod of LangGraph in production",
            reported("prod", "/langgraph/replicas", Some(json!(1))),
        ),
        (
            "a chat without its primary source",
            reported("dev", "/snowflake", None),
        ),
        (
            "a chat that promises what it is not promised",
            reported("dev", "/chat/latencyMs", Some(json!(599))),
        ),
        (
            "a chat that uses Mem0 in an unknown way",
            reported("dev", "/chat/mem0", Some(json!("parallel"))),
        ),
        ("a chat that would have to go to a neighbour", {
            let mut keys = keys("dev");
            keys.remove("phoenix:knowledgeGraph");
            let external = json!({"host": "graph.sophia-data.svc.cluster.local"});
            keys.insert(
                "phoenix:tiers".to_owned(),
                json!({"knowledgeGraph": {"external": external}}),
            );
            check(&keys).unwrap_err().to_string()
        }),
        (
            "hosts of another account",
            reported(
                "dev",
                "/snowflake",
                Some(account(
                    &json!([{"host": "other-account.snowflakecomputing.com"}]),
                )),
            ),
        ),
        (
            "no hosts at all",
            reported("dev", "/snowflake", Some(account(&json!([])))),
        ),
        (
            "hosts that are unreachable",
            reported(
                "dev",
                "/snowflake",
                Some(account(&json!([
                    {"host": "acme-sophia.snowflakecomputing.com"},
                    {"host": "acme-sophia.snowflakecomputing.com", "port": 443},
                    {"host": "*.snowflakecomputing.com"},
                    {"host": "10.0.0.7"},
                    {"host": "ocsp.snowflakecomputing.com", "port": 8080},
                ]))),
            ),
        ),
        (
            "names that would be SQL",
            reported("dev", "/snowflake", {
                let mut account = account(&json!([{"host": "acme-sophia.snowflakecomputing.com"}]));
                account["account"] = json!("acme");
                account["user"] = json!("a; DROP TABLE b");
                account["role"] = json!("");
                account["table"] = json!("MEMORY_RECORDS_ENHANCED");
                Some(account)
            }),
        ),
        (
            "an interval that no schedule can say",
            reported(
                "dev",
                "/tiers",
                Some(json!({"mem0Persistent": {"syncIntervalMinutes": 25}})),
            ),
        ),
        (
            "a synchronization without room for a run",
            reported("dev", "/sync/resources/limits/memory", Some(json!("64Mi"))),
        ),
        (
            "a secret in plain text",
            reported("dev", "/openaiApiKey", Some(json!("anything"))),
        ),
    ];
    let text: Vec<_> = conversations
        .iter()
        .map(|(what, reported)| format!("# {what}\n{reported}\n"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

/// An account of Snowflake with these hosts.
fn account(hosts: &Value) -> Value {
    json!({
        "account": "acme-sophia",
        "hosts": hosts,
        "user": "PHOENIX",
        "role": "PHOENIX",
        "warehouse": "MEMORY",
        "database": "SOPHIA",
    })
}

#[test]
fn all_problems_are_reported_together() {
    let mut keys = keys("prod");
    keys.get_mut("phoenix:qdrant").unwrap()["replicas"] = json!(4);
    keys.get_mut("phoenix:qdrant").unwrap()["writeConsistencyFactor"] = json!(9);
    keys.get_mut("phoenix:openmemory").unwrap()["storage"]["mode"] = json!("exclusive");
    keys.get_mut("phoenix:postgres").unwrap()["port"] = json!(0);
    keys.get_mut("phoenix:qdrant").unwrap()["auditDay"] = json!(7);
    let problems = check(&keys).unwrap_err();
    let named: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        named,
        [
            "phoenix:postgres.port",
            "phoenix:qdrant.auditDay",
            "phoenix:openmemory.storage.mode",
            "phoenix:qdrant.replicas",
            "phoenix:qdrant.writeConsistencyFactor"
        ]
    );
}

#[test]
fn schema_errors_hide_no_semantic_errors() {
    let mut keys = keys("prod");
    keys.get_mut("phoenix:namespace").unwrap()["quota"]["pods"] = json!("ten");
    keys.get_mut("phoenix:namespace").unwrap()["quota"]["limitsCpu"] = json!("lots");
    keys.get_mut("phoenix:openmemory").unwrap()["replicas"] = json!([]);
    keys.get_mut("phoenix:qdrant").unwrap()["storage"]["size"] = json!("1GiB");
    keys.get_mut("phoenix:qdrant").unwrap()["mode"] = json!("many");
    keys.get_mut("phoenix:qdrant").unwrap()["replicas"] = json!(4);
    keys.remove("phoenix:postgres");
    let problems = check(&keys).unwrap_err();
    let named: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        named,
        [
            "phoenix:namespace.quota.pods",
            "phoenix:openmemory.replicas",
            "phoenix:qdrant.mode",
            "phoenix:postgres",
            "phoenix:namespace.quota.limitsCpu",
            "phoenix:qdrant.storage.size",
            "phoenix:qdrant.replicas",
        ]
    );
}

#[test]
fn a_value_of_another_type_is_reported_alone() {
    // Every value of a shipped stack is valid by itself, so nothing else may be reported.
    for stack in STACKS {
        let good = keys(stack);
        // The settings of the policies are read by the policies, not here.
        for (key, value) in good.iter().filter(|(key, _)| *key != "phoenix:policies") {
            for pointer in leaves(value) {
                let mut keys = good.clone();
                *keys.get_mut(key).unwrap().pointer_mut(&pointer).unwrap() = json!([[]]);
                let reported: Vec<_> = check(&keys)
                    .unwrap_err()
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                assert_eq!(reported.len(), 1, "{stack}: {key}{pointer}: {reported:?}");
            }
        }
    }
}

#[test]
fn no_value_of_a_key_hides_the_problem_of_another() {
    let limit = "phoenix:openmemory.resources.limits.memory";
    for (key, value) in keys("dev").iter().filter(|(key, _)| *key != "phoenix:policies") {
        for pointer in leaves(value) {
            for wrong in [
                json!(-1),
                json!(1.5),
                json!(1e23),
                json!(u64::MAX),
                json!(null),
                json!({"a": -1}),
            ] {
                let mut keys = keys_with_a_wrong_limit();
                *keys.get_mut(key).unwrap().pointer_mut(&pointer).unwrap() = wrong.clone();
                let problems = check(&keys).unwrap_err();
                let is_reported = problems.iter().any(|problem| limit.starts_with(&problem.key));
                assert!(is_reported, "{key}{pointer} = {wrong}: {problems}");
            }
        }
    }
}

/// The keys of the stack dev, with a wrong quantity.
fn keys_with_a_wrong_limit() -> BTreeMap<String, Value> {
    static KEYS: std::sync::LazyLock<BTreeMap<String, Value>> = std::sync::LazyLock::new(|| {
        let mut keys = keys("dev");
        keys.get_mut("phoenix:openmemory").unwrap()["resources"]["limits"]["memory"] = json!("1Gib");
        keys
    });
    KEYS.clone()
}

/// The JSON pointers of all that is neither a mapping nor in a list.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| leaves(value).into_iter().map(move |leaf| format!("/{key}{leaf}")))
            .collect(),
        _ => vec![String::new()],
    }
}

#[test]
fn a_problem_has_its_line_number() {
    let file = StackFile::parse(
        "stacks/Pulumi.a.yaml",
        "config:\n  phoenix:environment: production\n".to_owned(),
    )
    .unwrap();
    let problems = file.checked().unwrap_err().located(&file.origins);
    let problem = problems
        .iter()
        .find(|problem| problem.key == "phoenix:environment")
        .unwrap();
    assert_eq!(
        problem.origin.as_ref().unwrap().to_string(),
        "stacks/Pulumi.a.yaml:2"
    );
    assert_eq!(Origins::default().of("phoenix:environment"), None);
}

fn texts(stack: &str) -> BTreeMap<String, String> {
    keys(stack)
        .into_iter()
        .map(|(key, value)| {
            (
                key,
                value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            )
        })
        .collect()
}

fn all_secrets() -> BTreeSet<String> {
    secret::INVENTORY
        .iter()
        .map(|row| format!("phoenix:{}", row.key))
        .collect()
}

fn deployment(
    texts: &BTreeMap<String, String>,
    secrets: &BTreeSet<String>,
) -> Result<phoenix::config::StackConfig, String> {
    read_deployment(texts, &secrets.iter().map(|key| (key.as_str(), None)).collect())
        .map_err(|problems| problems.to_string())
}

/// The texts of a stack as the sandbox changes them in its own copy.
fn sandboxed(stack: &str, context: Value) -> BTreeMap<String, String> {
    let mut texts = texts(stack);
    let mut cluster = keys(stack)["phoenix:cluster"].clone();
    cluster["context"] = context;
    texts.insert("phoenix:cluster".to_owned(), cluster.to_string());
    texts.insert("phoenix:sandbox".to_owned(), "true".to_owned());
    texts
}

#[test]
fn secrets_from_esc_are_neither_required_nor_accepted_in_the_stack() {
    let mut texts = sandboxed("dev", json!("phoenix-sandbox-a"));
    let esc = json!({"mode": "esc-direct", "environment": "acme/phoenix/dev@12"}).to_string();
    texts.insert("phoenix:secrets".to_owned(), esc);
    let read = deployment(&texts, &BTreeSet::new()).unwrap();
    let SecretsMode::EscDirect(source) = read.secrets else {
        panic!("{:?}", read.secrets)
    };
    assert_eq!(source.environment.unwrap().to_string(), "acme/phoenix/dev@12");
    assert_eq!(source.url, None);
    let reported = deployment(&texts, &BTreeSet::from(["phoenix:qdrantApiKey".to_owned()])).unwrap_err();
    assert_eq!(
        reported,
        "phoenix:qdrantApiKey has a value in the stack's configuration, but secrets come from a Pulumi ESC \
         environment\n  hint: pulumi config rm phoenix:qdrantApiKey, or set phoenix:secrets.mode to local"
    );
    // A mistake elsewhere does not ask for them either.
    texts.insert("phoenix:environment".to_owned(), "production".to_owned());
    let reported = deployment(&texts, &BTreeSet::new()).unwrap_err();
    assert!(
        reported.contains("phoenix:environment") && !reported.contains("has no value"),
        "{reported}"
    );
}

#[test]
fn the_engine_and_the_file_give_the_same_configuration() {
    for name in STACKS {
        let read = deployment(&sandboxed(name, json!("phoenix-sandbox-a")), &all_secrets()).unwrap();
        let file = stack(name).config;
        assert_eq!(
            (read.openmemory, read.qdrant, read.namespace),
            (file.openmemory, file.qdrant, file.namespace)
        );
        assert_eq!(
            (
                read.postgres,
                read.tiers,
                read.mcp,
                read.protect,
                read.environment
            ),
            (
                file.postgres,
                file.tiers,
                file.mcp,
                file.protect,
                file.environment
            )
        );
        assert_eq!(read.cluster.identifier, file.cluster.identifier);
    }
}

#[test]
fn a_deployment_reports_placeholders_and_missing_secrets_together() {
    let mut secrets = all_secrets();
    secrets.remove("phoenix:qdrantApiKey");
    secrets.insert("phoenix:openAiKey".to_owned());
    insta::assert_snapshot!(deployment(&texts("dev"), &secrets).unwrap_err());
}

#[test]
fn placeholders_are_accepted_with_the_context_of_a_sandbox_only() {
    assert!(deployment(&sandboxed("prod", json!("phoenix-sandbox-prod")), &all_secrets()).is_ok());
    // A mark that somebody wrote by hand opens no door to another cluster.
    for context in [json!("production"), json!({"placeholder": "the context"})] {
        let reported = deployment(&sandboxed("prod", context), &all_secrets()).unwrap_err();
        assert!(
            reported.contains("phoenix:sandbox is true") && reported.contains("this is not a sandbox"),
            "{reported}"
        );
    }
}

#[test]
fn production_is_protected_unless_its_file_says_otherwise() {
    let mut keys = keys("prod");
    keys.remove("phoenix:protect");
    assert!(check(&keys).unwrap().protect);
    keys.insert("phoenix:protect".to_owned(), json!(false));
    assert!(!check(&keys).unwrap().protect);
}

#[test]
fn production_takes_images_by_digest_only() {
    for system in ["openmemory", "qdrant"] {
        let mut keys = keys("prod");
        let digest = "0123456789abcdef".repeat(4);
        for (image, accepted) in [
            (format!("team/image:1-unprivileged@sha256:{digest}"), true),
            ("team/image:1-unprivileged".to_owned(), false),
        ] {
            keys.get_mut(&format!("phoenix:{system}")).unwrap()["image"] = json!(image);
            assert_eq!(check(&keys).is_ok(), accepted, "{image}");
        }
    }
}

#[test]
fn monitoring_errors_have_a_hint() {
    let conversations = [
        (
            "labels without an operator",
            reported("prod", "/monitoring/prometheusOperator", Some(json!(false))),
        ),
        (
            "a label that nothing can have",
            reported(
                "prod",
                "/monitoring/labels",
                Some(json!({"release": "kube prometheus"})),
            ),
        ),
        (
            "a label of the platform's own",
            reported(
                "prod",
                "/monitoring/labels",
                Some(json!({"app.kubernetes.io/name": "mine"})),
            ),
        ),
        (
            "a folder that is none",
            reported("prod", "/monitoring/certificates", Some(json!("prom-certs"))),
        ),
        (
            "runbooks that have no address",
            reported("prod", "/monitoring/runbooks", Some(json!("wiki/{{ runbooks }}"))),
        ),
    ];
    let reported: Vec<_> = conversations
        .iter()
        .map(|(what, reported)| format!("{what}\n{reported}\n"))
        .collect();
    insta::assert_snapshot!(reported.join("\n"));
}

#[test]
fn a_possibly_pasted_secret_is_not_repeated_in_errors() {
    let pasted = "postgres://user:canary-password@db.example.com/memory";
    for pointer in [
        "/postgres/host",
        "/qdrant/mode",
        "/openmemory/image",
        "/qdrant/storage/size",
        "/postgres/port",
        "/cluster/monitoring",
        "/snowflake/account",
        "/snowflake/hosts/0/host",
        "/snowflake/table",
        "/chat/mem0",
        "/mcp/servers/github/external/host",
    ] {
        let reported = reported("dev", pointer, Some(json!(pasted)));
        assert!(!reported.contains("canary"), "{reported}");
    }
    let text = format!("config:\n  phoenix:postgres:\n    password: {pasted}\n    host: {pasted}\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("stacks")).unwrap();
    for file in ["Cargo.toml", "Pulumi.yaml"] {
        std::fs::copy(crate::support::root().join(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("stacks/Pulumi.a.yaml"), text).unwrap();
    let checkout = phoenix_cli::checkout::Checkout::find(Some(folder.path())).unwrap();
    let reported = phoenix_cli::stack::Stack::load(&checkout, "a")
        .unwrap_err()
        .to_string();
    assert!(
        reported.contains("phoenix:postgres.password") && !reported.contains("canary"),
        "{reported}"
    );
}

#[test]
fn the_environments_of_esc_give_every_secret_in_both_shapes_and_hold_none() {
    for name in ["staging", "prod"] {
        let path = crate::support::root().join(format!("stacks/esc/{name}.yaml"));
        let documents = phoenix_manifests::yaml::read(&std::fs::read_to_string(path).unwrap()).unwrap();
        let values = &documents[0].value["values"];
        let count = |pointer: &str| values.pointer(pointer).unwrap().as_object().unwrap().len();
        // What is there during a rotation only is added by whoever rotates.
        let config = crate::support::stack(name).config;
        let (needed, targets) = (config.secrets_needed(), config.secret_targets());
        for row in &needed {
            let reference = json!(format!("${{secrets.{}}}", row.key));
            assert_eq!(values["pulumiConfig"][row.full_key()], reference, "{name}");
            for property in row.properties() {
                let pointer = format!("/{}", property.replace('.', "/"));
                assert_eq!(values.pointer(&pointer), Some(&reference), "{property} of {name}");
            }
            let source = &values["secrets"]["fn::open::aws-secrets"]["get"][row.key]["secretId"];
            assert_eq!(*source, json!(format!("phoenix/{name}/{}", row.key)));
        }
        assert_eq!(count("/pulumiConfig"), needed.len());
        // Secrets of other namespaces are one level deeper.
        let (own, others): (Vec<&secret::Target>, Vec<&secret::Target>) = targets
            .keys()
            .partition(|target| target.namespace == phoenix::names::MEMORY);
        let namespaces: BTreeSet<_> = others.iter().map(|target| target.namespace).collect();
        assert_eq!(count("/kubernetes"), own.len() + namespaces.len());
        let inside = namespaces
            .iter()
            .map(|namespace| count(&format!("/kubernetes/{namespace}")));
        assert_eq!(inside.sum::<usize>(), others.len());
        assert!(!values.to_string().contains("fn::secret"), "{name}");
    }
}

#[test]
fn secrets_imported_by_the_engine_are_required_like_stack_secrets() {
    let mut texts = sandboxed("dev", json!("phoenix-sandbox-a"));
    texts.insert(
        "phoenix:secrets".to_owned(),
        json!({"mode": "pulumi-esc"}).to_string(),
    );
    assert!(deployment(&texts, &all_secrets()).is_ok());
    let reported = deployment(&texts, &BTreeSet::new()).unwrap_err();
    assert!(
        reported.contains("phoenix:openaiApiKey has no value"),
        "{reported}"
    );
}

#[test]
fn no_shipped_stack_claims_to_be_the_sandbox() {
    for name in STACKS {
        assert!(!stack(name).config.sandbox, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_good_configuration_is_accepted_and_built(keys in good()) {
        let config = check(&keys).map_err(|problems| TestCaseError::fail(problems.to_string()))?;
        let graph = platform::build(&config);
        phoenix_program::lower(&graph, &config).check();
    }

    #[test]
    fn a_hostile_configuration_is_rejected_with_a_message_or_built(keys in hostile()) {
        match check(&keys) {
            Ok(config) => prop_assert!(!platform::build(&config).is_empty()),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems.iter() {
                    prop_assert!(problem.key.starts_with("phoenix"), "{}", problem.key);
                    prop_assert!(problem.message.chars().count() < 500, "{}", problem.message);
                }
            }
        }
    }

    #[test]
    fn texts_of_the_engine_never_panic(key in "phoenix:[a-zA-Z]{0,12}|\\PC*", text in "\\PC*|[\\[{]{0,2000}") {
        let value = value_from_text(&key, &text);
        prop_assert!(check(&BTreeMap::from([(key, value)])).is_err());
    }
}
