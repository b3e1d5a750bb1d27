//! Secrets: what the command tells of them, and that it never tells a value.

use serde_json::{Value, json};

use crate::api_server::World;
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

/// No answer may hold a value of any secret, in any form, nor the token.
pub fn keeps_silent(answer: &Answer) {
    let values: Vec<_> = ALL.iter().map(|key| canary::value(key)).collect();
    let hidden = ["cAnArY-9fK2mQ7", TOKEN];
    Canaries::of(values.iter().map(String::as_str).chain(hidden))
        .are_not_in(&answer.to_string(), "the answer");
}

fn sealed(checkout: &Checkout, keys: &[&str]) {
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

pub const ALL: [&str; 12] = [
    "openaiApiKey",
    "postgresConnectionString",
    "mem0EncryptionKey",
    "qdrantApiKey",
    "qdrantReadOnlyApiKey",
    "checksumKey",
    "redisPassword",
    "redisMetricsPassword",
    "neo4jPassword",
    "snowflakePrivateKey",
    "backupAccessKeyId",
    "backupSecretAccessKey",
];

#[test]
fn every_secret_is_listed_with_what_it_becomes_and_who_reads_it() {
    let checkout = Checkout::bare();
    sealed(&checkout, &["qdrantApiKey"]);
    let answer = checkout.phoenix(&["secrets", "list", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
    insta::assert_snapshot!(answer);
    keeps_silent(&answer);
    let answer = checkout.phoenix(&["secrets", "list", "dev", "--format", "json"]);
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["secrets"].as_array().unwrap().len(), ALL.len());
    assert_eq!(document["secrets"][0]["readers"][0]["variable"], "OPENAI_API_KEY");
    // What only the program reads is in no Secret.
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
    keeps_silent(&answer);
}

#[test]
fn a_stack_with_all_secrets_sealed_is_as_it_should_be() {
    let checkout = Checkout::bare();
    sealed(&checkout, &ALL);
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer
            .out
            .contains(&format!("all {} secrets are as they should be", ALL.len())),
        "{answer}"
    );
    keeps_silent(&answer);
}

#[test]
fn the_second_key_of_qdrant_is_needed_while_it_is_accepted_and_left_over_afterwards() {
    let checkout = Checkout::bare();
    sealed(&checkout, &ALL);
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "    mode: single\n",
        "    mode: single\n    altApiKey: true\n",
    );
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 2, "{answer}");
    assert!(
        answer
            .out
            .contains("missing    phoenix:qdrantAltApiKey           has no value."),
        "{answer}"
    );
    sealed(&checkout, &["qdrantAltApiKey"]);
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
    checkout.edit("stacks/Pulumi.dev.yaml", "    altApiKey: true\n", "");
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 2, "{answer}");
    assert!(
        answer.out.contains(
            "unused     phoenix:qdrantAltApiKey           is set, but nothing in this stack reads it"
        ),
        "{answer}"
    );
    keeps_silent(&answer);
}

#[test]
fn what_is_missing_in_clear_or_unused_in_a_stack_is_told_at_once_and_without_values() {
    let checkout = Checkout::bare();
    sealed(&checkout, &["qdrantApiKey", "openAiKey"]);
    let clear = format!(
        "\nconfig:\n  phoenix:openaiApiKey: {}\n  phoenix:postgresConnectionString: {}\n  phoenix:mem0EncryptionKey: cAnArY\n",
        json!(strong()),
        json!(format!("{}x@", url())),
    );
    checkout.edit("stacks/Pulumi.dev.yaml", "\nconfig:\n", &clear);
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 2, "{answer}");
    insta::assert_snapshot!(answer);
    keeps_silent(&answer);
    let answer = checkout.phoenix(&["secrets", "check", "dev", "--format", "json"]);
    assert_eq!(answer.code, 2, "{answer}");
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["good"], false);
    keeps_silent(&answer);
}

#[test]
fn secrets_that_come_from_elsewhere_must_not_be_in_the_stack_too() {
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
    sealed(&checkout, &["qdrantApiKey"]);
    let answer = checkout.phoenix(&["secrets", "check", "dev"]);
    assert_eq!(answer.code, 2, "{answer}");
    assert!(answer.out.contains("twice      phoenix:qdrantApiKey"), "{answer}");
    keeps_silent(&answer);
}

#[test]
fn a_stack_that_cannot_be_read_for_other_reasons_fails() {
    let checkout = Checkout::bare();
    checkout.edit("stacks/Pulumi.dev.yaml", "mode: single", "mode: double");
    for verb in ["list", "check"] {
        let answer = checkout.phoenix(&["secrets", verb, "dev"]);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
        assert!(answer.err.contains("phoenix:qdrant.mode"), "{answer}");
    }
}

/// What the check of a cluster with these two Secrets says.
fn in_cluster(shared: Option<Value>, keys: Option<Value>) -> Answer {
    let mut world = World::good();
    for (namespace, name, data) in others() {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        world.set(&path, json!({"metadata": {"name": name}, "data": data}));
    }
    for (path, name, data) in [(SHARED, "sophia-secrets", shared), (KEYS, "qdrant-keys", keys)] {
        if let Some(data) = data {
            world.set(path, json!({"metadata": {"name": name}, "data": data}));
        }
    }
    asked(world, &[])
}

fn asked(world: World, more: &[&str]) -> Answer {
    let checkout = checkout_with_cluster("prod", world.serve());
    let mut command = checkout.command(&["secrets", "check", "prod", "--cluster"]);
    command.args(more).env("KUBECONFIG", checkout.path("kubeconfig"));
    let answer = checkout.answer(&mut command);
    keeps_silent(&answer);
    answer
}

fn good_shared() -> Value {
    json!({
        "openai_api_key": base64(&strong()), "postgres_connection_string": base64(&url()), "mem0_encryption_key": base64(&strong()),
    })
}

/// The Secrets besides these two, all of them good, each with its namespace.
fn others() -> Vec<(&'static str, &'static str, Value)> {
    let value = |key: &str| base64(&canary::value(key));
    let (redis, neo4j) = (value("redisPassword"), value("neo4jPassword"));
    let key = value("snowflakePrivateKey");
    let redis_of_chat = json!({"password": redis});
    let redis = json!({"password": redis, "metrics-password": value("redisMetricsPassword")});
    let (neo4j, key) = (json!({"password": neo4j}), json!({"private-key": key}));
    vec![
        ("sophia-memory", "redis-passwords", redis),
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
fn a_cluster_with_all_secrets_is_as_it_should_be_and_only_sizes_are_told() {
    let answer = in_cluster(Some(good_shared()), Some(good_keys()));
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.contains("sophia-memory/qdrant-keys api-key"),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains(&format!("is there, {} bytes", strong().len())),
        "{answer}"
    );
}

#[test]
fn what_is_missing_weak_or_unused_in_a_cluster_is_told_without_values() {
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
fn a_cluster_that_does_not_answer_well_is_a_failure_and_still_no_value_is_told() {
    // Values that are no base64 stand in the answer as they are, and a careless error would quote them.
    for broken in [json!({"api-key": strong()}), json!(strong()), json!([strong()])] {
        let answer = in_cluster(Some(good_shared()), Some(broken));
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
        assert!(answer.err.contains("cannot be understood"), "{answer}");
    }
    let mut world = World::good();
    world.set(SHARED, json!({}));
    world.set(KEYS, json!({}));
    world.forbid(KEYS);
    let answer = asked(world, &["--format", "json"]);
    assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
    assert!(
        answer
            .err
            .contains("you may not read the Secret sophia-memory/qdrant-keys"),
        "{answer}"
    );
    let mut world = World::good();
    world.set(
        "/api/v1/namespaces/kube-system",
        json!({"metadata": {"name": "kube-system", "uid": "00000000-0000-0000-0000-000000000000"}}),
    );
    let answer = asked(world, &[]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("it is another cluster"), "{answer}");
}
