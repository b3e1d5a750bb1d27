//! `phoenix secrets`: its output, which never contains a value.

use serde_json::{Value, json};

use crate::api_server::FakeCluster;
use crate::doctor::checkout_with_cluster;
use crate::support::{Answer, Checkout};
use phoenix_testing::canary::{self, Canaries};

pub const TOKEN: &str = "pul-cAnArY-8d21";

fn strong() -> String {
    canary::value("openaiApiKey")
}

fn url() -> String {
    canary::value("postgresConnectionString")
}

const SHARED: &str = "/api/v1/namespaces/sophia-memory/secrets/sophia-secrets";
const KEYS: &str = "/api/v1/namespaces/sophia-memory/secrets/qdrant-keys";

/// Base64, as the API server writes values.
fn base64(text: &str) -> String {
    let value = serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap();
    value.as_str().unwrap().to_owned()
}

/// Output must not contain the value of a secret, in any form, or the token.
pub fn has_no_value(answer: &Answer) {
    let values: Vec<_> = ALL.iter().map(|key| canary::value(key)).collect();
    let hidden = ["cAnArY-9fK2mQ7", TOKEN];
    Canaries::of(values.iter().map(String::as_str).chain(hidden))
        .are_not_in(&answer.to_string(), "the answer");
}

fn encrypt(checkout: &Checkout, keys: &[&str]) {
    let lines: Vec<_> = keys
        .iter()
        .map(|key| format!("  phoenix:{key}:\n    secure: v1:cAnArY-9fK2mQ7:sealed\n"))
        .collect();
    let lines = lines.concat();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "\nconfig:\n",
        &format!("\nconfig:\n{lines}"),
    );
}

pub const ALL: [&str; 17] = [
    "openaiApiKey",
    "postgresConnectionString",
    "langgraphPostgresConnectionString",
    "mem0EncryptionKey",
    "qdrantApiKey",
    "qdrantReadOnlyApiKey",
    "checksumKey",
    "redisPassword",
    "redisMetricsPassword",
    "langgraphRedisPassword",
    "neo4jPassword",
    "snowflakePrivateKey",
    "backupAccessKeyId",
    "backupSecretAccessKey",
    "backupQdrantMacKey",
    "backupNeo4jMacKey",
    "backupOpenmemoryMacKey",
];

#[test]
fn every_secret_is_listed_with_its_secret_and_readers() {
    let checkout = Checkout::bare();
    encrypt(&checkout, &["qdrantApiKey"]);
    let answer = checkout.phoenix(&["secrets", "list", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
    insta::assert_snapshot!(answer);
    has_no_value(&answer);
    let answer = checkout.phoenix(&["secrets", "list", "dev", "--format", "json"]);
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["secrets"].as_array().unwrap().len(), ALL.len());
    assert_eq!(document["secrets"][0]["readers"][0]["variable"], "OPENAI_API_KEY");
    // A secret that only the program reads is in no Secret.
    let mut rows = document["secrets"].as_array().unwrap().iter();
    let key = rows.find(|row| row["key"] == "phoenix:checksumKey").unwrap();
    assert_eq!(
        (&key["key"], &key["secret"], &key["dataKey"], &key["readers"]),
        (
            &json!("phoenix:checksumKey"),
            &Value::Null,
            &Value::Null,
            &json!([])
        )
    );
    has_no_value(&answer);
}

#[test]
fn a_stack_with_all_secrets_encrypted_passes() {
    let checkout = Checkout::bare();
    encrypt(&checkout, &ALL);
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.contains(&format!("all {} secrets passed", ALL.len())),
        "{answer}"
    );
    has_no_value(&answer);
}

#[test]
fn the_second_key_of_qdrant_is_required_during_a_rotation_and_unused_afterwards() {
    let checkout = Checkout::bare();
    encrypt(&checkout, &ALL);
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "    mode: single\n",
        "    mode: single\n    altApiKey: true\n",
    );
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 2, "{answer}");
    let is_missing = |line: &str| {
        line.starts_with("missing    phoenix:qdrantAltApiKey ") && line.contains(" has no value.")
    };
    assert!(answer.out.lines().any(is_missing), "{answer}");
    encrypt(&checkout, &["qdrantAltApiKey"]);
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
    checkout.edit("stacks/Pulumi.dev.yaml", "    altApiKey: true\n", "");
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 2, "{answer}");
    let is_unused = |line: &str| {
        line.starts_with("unused     phoenix:qdrantAltApiKey ")
            && line.ends_with(" is set, but nothing in this stack reads it")
    };
    assert!(answer.out.lines().any(is_unused), "{answer}");
    has_no_value(&answer);
}

#[test]
fn missing_plaintext_and_unused_secrets_of_a_stack_are_reported_without_values() {
    let checkout = Checkout::bare();
    encrypt(&checkout, &["qdrantApiKey", "openAiKey"]);
    let clear = format!(
        "\nconfig:\n  phoenix:openaiApiKey: {}\n  phoenix:postgresConnectionString: {}\n  phoenix:mem0EncryptionKey: cAnArY\n",
        json!(strong()),
        json!(format!("{}x@", url())),
    );
    checkout.edit("stacks/Pulumi.dev.yaml", "\nconfig:\n", &clear);
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 2, "{answer}");
    insta::assert_snapshot!(answer);
    has_no_value(&answer);
    let answer = checkout.phoenix(&["secrets", "check", "dev", "--format", "json"]);
    assert_eq!(answer.code, 2, "{answer}");
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["good"], false);
    has_no_value(&answer);
}

#[test]
fn external_secrets_must_not_also_be_in_the_stack_file() {
    let checkout = Checkout::bare();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "    mode: local\n",
        "    mode: external-secrets\n    environment: acme/phoenix/dev\n    auth: {oidc: {}}\n",
    );
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer
            .out
            .contains("comes from the ESC environment acme/phoenix/dev, which the External Secrets Operator"),
        "{answer}"
    );
    encrypt(&checkout, &["qdrantApiKey"]);
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 2, "{answer}");
    assert!(answer.out.contains("duplicate  phoenix:qdrantApiKey"), "{answer}");
    has_no_value(&answer);
}

#[test]
fn an_invalid_stack_file_is_an_error() {
    let checkout = Checkout::bare();
    checkout.edit("stacks/Pulumi.dev.yaml", "mode: single", "mode: double");
    for verb in ["list", "check"] {
        let answer = checkout.phoenix(&["secrets", verb, "dev"]);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
        assert!(answer.err.contains("phoenix:qdrant.mode"), "{answer}");
    }
}

/// Checks a cluster with these two Secrets.
fn in_cluster(shared: Option<Value>, keys: Option<Value>) -> Answer {
    let mut cluster = FakeCluster::good();
    for (namespace, name, data) in others() {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        cluster.set(&path, json!({"metadata": {"name": name}, "data": data}));
    }
    for (path, name, data) in [(SHARED, "sophia-secrets", shared), (KEYS, "qdrant-keys", keys)] {
        if let Some(data) = data {
            cluster.set(path, json!({"metadata": {"name": name}, "data": data}));
        }
    }
    check(cluster, &[])
}

fn check(cluster: FakeCluster, more: &[&str]) -> Answer {
    let checkout = checkout_with_cluster("prod", cluster.serve());
    let mut command = checkout.command(&["secrets", "check", "prod", "--cluster"]);
    command.args(more).env("KUBECONFIG", checkout.path("kubeconfig"));
    let answer = checkout.answer(&mut command);
    has_no_value(&answer);
    answer
}

fn good_shared() -> Value {
    json!({
        "openai_api_key": base64(&strong()), "postgres_connection_string": base64(&url()), "mem0_encryption_key": base64(&strong()),
    })
}

/// The other Secrets, all of them valid, each with its namespace.
fn others() -> Vec<(&'static str, &'static str, Value)> {
    let value = |key: &str| base64(&canary::value(key));
    let (redis, neo4j) = (value("redisPassword"), value("neo4jPassword"));
    let key = value("snowflakePrivateKey");
    let redis_of_chat = json!({"password": redis});
    let redis = json!({"password": redis, "metrics-password": value("redisMetricsPassword"),
        "langgraph-password": value("langgraphRedisPassword")});
    let postgres = json!({"connection-string": value("langgraphPostgresConnectionString")});
    let (neo4j, key) = (json!({"password": neo4j}), json!({"private-key": key}));
    let mac_keys = json!({
        "qdrant": value("backupQdrantMacKey"), "neo4j": value("backupNeo4jMacKey"),
        "openmemory": value("backupOpenmemoryMacKey"),
    });
    vec![
        ("sophia-memory", "backup-mac-keys", mac_keys),
        ("sophia-memory", "redis-passwords", redis),
        ("sophia-memory", "langgraph-postgres", postgres),
        ("sophia-memory", "neo4j-password", neo4j.clone()),
        ("sophia-memory", "snowflake-key", key.clone()),
        ("sophia-ai", "redis-passwords", redis_of_chat),
        ("sophia-ai", "neo4j-password", neo4j),
        ("sophia-ai", "snowflake-key", key),
    ]
}

fn good_keys() -> Value {
    json!({"api-key": base64(&strong()), "read-only-api-key": base64(&strong())})
}

#[test]
fn a_cluster_with_all_secrets_passes_and_only_sizes_are_printed() {
    let answer = in_cluster(Some(good_shared()), Some(good_keys()));
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.contains("sophia-memory/qdrant-keys api-key"),
        "{answer}"
    );
    assert!(
        answer.out.contains(&format!("is set, {} bytes", strong().len())),
        "{answer}"
    );
}

#[test]
fn missing_weak_and_unused_secrets_in_a_cluster_are_reported_without_values() {
    let mut shared = good_shared();
    shared["openai_api_key"] = json!(base64(&format!("{}\n", strong())));
    shared["mem0_encryption_key"] = json!(base64("cAnArY"));
    shared["postgres_connection_string"] = json!(base64("cAnArY-9fK2mQ7vLx03"));
    shared["left_over"] = json!(base64(&strong()));
    let answer = in_cluster(Some(shared), Some(json!({"api-key": base64("")})));
    assert_eq!(answer.code, 2, "{answer}");
    insta::assert_snapshot!(answer);
    let answer = in_cluster(None, Some(good_keys()));
    assert_eq!(answer.code, 2, "{answer}");
    assert!(
        answer.out.contains("the cluster has no Secret sophia-secrets"),
        "{answer}"
    );
}

#[test]
fn equal_keys_of_two_stores_are_reported_without_values() {
    let mut cluster = FakeCluster::good();
    for (namespace, name, mut data) in others() {
        if name == "backup-mac-keys" {
            data["neo4j"] = data["qdrant"].clone();
        }
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        cluster.set(&path, json!({"metadata": {"name": name}, "data": data}));
    }
    cluster.set(
        SHARED,
        json!({"metadata": {"name": "sophia-secrets"}, "data": good_shared()}),
    );
    cluster.set(
        KEYS,
        json!({"metadata": {"name": "qdrant-keys"}, "data": good_keys()}),
    );
    let answer = check(cluster, &[]);
    assert_eq!(answer.code, 2, "{answer}");
    let reported: Vec<_> = answer
        .out
        .lines()
        .filter(|line| line.contains("contains the same key as"))
        .collect();
    assert_eq!(reported.len(), 1, "{answer}");
    assert!(reported[0].contains("phoenix:backupQdrantMacKey"), "{answer}");
}

#[test]
fn a_connection_string_without_verified_tls_is_reported() {
    for weak in [
        "",
        "?sslmode=require",
        "?sslmode=verify-ca",
        "?sslmode=verify-full&sslmode=disable",
    ] {
        let mut shared = good_shared();
        let (address, _) = url()
            .split_once('?')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        shared["postgres_connection_string"] = json!(base64(&format!("{address}{weak}")));
        let answer = in_cluster(Some(shared), Some(good_keys()));
        assert_eq!(answer.code, 2, "{answer}");
        assert!(answer.out.contains("sslmode=verify-full"), "{weak}: {answer}");
    }
}

#[test]
fn errors_of_the_api_server_contain_no_values() {
    // Values that are not base64 are in the response verbatim, and an error could quote them.
    for broken in [json!({"api-key": strong()}), json!(strong()), json!([strong()])] {
        let answer = in_cluster(Some(good_shared()), Some(broken));
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
        assert!(answer.err.contains("could not be parsed"), "{answer}");
    }
    let mut cluster = FakeCluster::good();
    cluster.set(SHARED, json!({}));
    cluster.set(KEYS, json!({}));
    cluster.forbid(KEYS);
    let answer = check(cluster, &["--format", "json"]);
    assert_eq!(answer.code, 1, "{answer}");
    assert_eq!(answer.json()["format"], "error", "{answer}");
    has_no_value(&answer);
    assert!(
        answer
            .err
            .contains("you are not permitted to read the Secret sophia-memory/qdrant-keys"),
        "{answer}"
    );
    let mut cluster = FakeCluster::good();
    cluster.set(
        "/api/v1/namespaces/kube-system",
        json!({"metadata": {"name": "kube-system", "uid": "00000000-0000-0000-0000-000000000000"}}),
    );
    let answer = check(cluster, &[]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("it is another cluster"), "{answer}");
}
