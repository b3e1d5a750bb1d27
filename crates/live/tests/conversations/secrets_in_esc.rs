//! `phoenix secrets check --esc`, for every way in which a deployment opens the environment. Its output never contains a value.

use phoenix_testing::esc::{FakeService, Script, Trouble};
use serde_json::{Value, json};

use crate::secrets::{ALL, TOKEN, has_no_value};
use crate::support::{Answer, Checkout};
use phoenix_testing::canary;

/// An environment with every secret below `pulumiConfig`.
fn for_pulumi(environment: &str) -> Script {
    ALL.iter()
        // Only `dev` uses access keys for its backups.
        .filter(|key| {
            environment.ends_with("/dev") || !["backupAccessKeyId", "backupSecretAccessKey"].contains(*key)
        })
        .fold(FakeService::with(environment, TOKEN), |script, key| {
            script.secret("pulumiConfig", &format!("phoenix:{key}"), &canary::value(key))
        })
}

/// A checkout whose stack `dev` has its secrets in this service.
fn checkout(mode: &str, service: &FakeService) -> Checkout {
    let checkout = Checkout::bare();
    let auth = if mode == "external-secrets" {
        "\n    auth: {oidc: {}}"
    } else {
        ""
    };
    let secrets = format!(
        "    mode: {mode}\n    environment: acme/phoenix/dev\n    url: {}{auth}\n",
        service.address()
    );
    checkout.edit("stacks/Pulumi.dev.yaml", "    mode: local\n", &secrets);
    checkout
}

fn check(checkout: &Checkout, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    let mut command = checkout.command(&["secrets", "check"]);
    command
        .args(arguments)
        .env_remove("PHOENIX_ESC_TOKEN")
        .env("RUST_LOG", "trace")
        .envs(variables.iter().copied());
    let answer = checkout.answer(&mut command);
    has_no_value(&answer);
    answer
}

const KNOWN: (&str, &str) = ("PHOENIX_ESC_TOKEN", TOKEN);

#[test]
fn an_environment_with_all_secrets_passes_and_only_sizes_are_printed() {
    let service = for_pulumi("acme/phoenix/dev")
        .warning("a login is deprecated")
        .start();
    let checkout = checkout("esc-direct", &service);
    let answer = check(&checkout, &["dev", "--esc"], &[KNOWN]);
    assert_eq!(answer.code, 0, "{answer}");
    let size = canary::value("qdrantApiKey").len();
    assert!(
        answer
            .out
            .contains(&format!("is set in acme/phoenix/dev, {size} bytes")),
        "{answer}"
    );
    assert_eq!(answer.err, "warning: acme/phoenix/dev: a login is deprecated\n");
    assert_eq!(service.requests().len(), 2);
    let answer = check(&checkout, &["dev", "--esc", "--format", "json"], &[KNOWN]);
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["good"], true);
    assert_eq!(document["secrets"].as_array().unwrap().len(), ALL.len());
}

#[test]
fn esc_is_only_used_on_request() {
    let service = for_pulumi("acme/phoenix/dev").start();
    let checkout = checkout("esc-direct", &service);
    let answer = check(&checkout, &["dev"], &[KNOWN]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains("external"), "{answer}");
    assert!(service.requests().is_empty());
}

#[test]
fn missing_weak_plaintext_and_unused_secrets_of_an_environment_are_reported_without_values() {
    let map = "pulumiConfig";
    let service = for_pulumi("acme/phoenix/dev")
        .without(map, "phoenix:openaiApiKey")
        .value(
            map,
            "phoenix:postgresConnectionString",
            json!({"value": 471_100, "secret": true}),
        )
        .secret(
            map,
            "phoenix:mem0EncryptionKey",
            &format!("{}\n", canary::value("mem0EncryptionKey")),
        )
        .value(
            map,
            "phoenix:qdrantApiKey",
            json!({"value": canary::value("qdrantApiKey")}),
        )
        .secret(map, "phoenix:qdrantReadOnlyApiKey", "cAnArY-9fK2mQ7")
        .secret(map, "phoenix:openAiKey", "cAnArY-9fK2mQ7")
        .value(map, "phoenix:environment", json!({"value": "dev"}))
        .secret(map, "aws:region", "cAnArY-9fK2mQ7")
        .start();
    let answer = check(&checkout("esc-direct", &service), &["dev", "--esc"], &[KNOWN]);
    assert_eq!(answer.code, 2, "{answer}");
    assert!(!answer.out.contains("471100"), "{answer}");
    insta::assert_snapshot!(answer);
}

#[test]
fn the_maps_of_the_external_secrets_operator_are_checked() {
    let secret = |key: &str| json!({"value": canary::value(key), "secret": true});
    let shared = json!({"value": {
        "openai_api_key": secret("openaiApiKey"), "postgres_connection_string": secret("postgresConnectionString"),
        "mem0_encryption_key": secret("mem0EncryptionKey"), "leftover": secret("mem0EncryptionKey"),
    }});
    let keys = json!({"value": {"api-key": {"value": "", "secret": true}}});
    let good = json!({"value": {"api-key": secret("qdrantApiKey"), "read-only-api-key": secret("qdrantReadOnlyApiKey")}});
    let redis = json!({"value": {"password": secret("redisPassword"), "metrics-password": secret("redisMetricsPassword"),
        "langgraph-password": secret("langgraphRedisPassword")}});
    let postgres = json!({"value": {"connection-string": secret("langgraphPostgresConnectionString")}});
    let neo4j = json!({"value": {"password": secret("neo4jPassword")}});
    let key = json!({"value": {"private-key": secret("snowflakePrivateKey")}});
    let bucket = json!({"value": {
        "access-key-id": secret("backupAccessKeyId"), "secret-access-key": secret("backupSecretAccessKey"),
    }});
    let codes = json!({"value": {
        "qdrant": secret("backupQdrantMacKey"), "neo4j": secret("backupNeo4jMacKey"),
        "openmemory": secret("backupOpenmemoryMacKey"),
    }});
    // The secrets that the chat reads in its own namespace.
    let of_chat = json!({"value": {
        "redis-passwords": {"value": {"password": secret("redisPassword")}},
        "neo4j-password": neo4j,
        "snowflake-key": key,
    }});
    let with = |keys: Value| {
        let script = FakeService::with("acme/phoenix/dev", TOKEN);
        let script = script
            .value("kubernetes", "sophia-secrets", shared.clone())
            .value("kubernetes", "qdrant-keys", keys)
            .value("kubernetes", "redis-passwords", redis.clone())
            .value("kubernetes", "langgraph-postgres", postgres.clone())
            .value("kubernetes", "neo4j-password", neo4j.clone())
            .value("kubernetes", "snowflake-key", key.clone())
            .value("kubernetes", "backup-store", bucket.clone())
            .value("kubernetes", "backup-mac-keys", codes.clone())
            .value("kubernetes", "sophia-ai", of_chat.clone());
        let service = script.start();
        check(
            &checkout("external-secrets", &service),
            &["dev", "--esc"],
            &[KNOWN],
        )
    };
    let answer = with(keys);
    assert_eq!(answer.code, 2, "{answer}");
    insta::assert_snapshot!(answer);
    let answer = with(good);
    assert!(answer.out.contains("1 of 20 secrets failed"), "{answer}");
}

#[test]
fn imported_environments_are_opened_in_the_backend_of_the_state() {
    let service = for_pulumi("acme/phoenix/staging").start();
    let checkout = Checkout::bare();
    let backend = ("PULUMI_BACKEND_URL", service.address());
    let answer = check(
        &checkout,
        &["staging", "--esc", "--organization", "acme"],
        &[KNOWN, backend],
    );
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains("is set in acme/phoenix/staging"), "{answer}");

    let answer = check(&checkout, &["staging", "--esc"], &[KNOWN, backend]);
    assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
    assert!(
        answer.err.contains("imports phoenix/staging") && answer.err.contains("--organization"),
        "{answer}"
    );
    checkout.edit(
        "stacks/Pulumi.staging.yaml",
        "environment: [phoenix/staging]\n",
        "",
    );
    let answer = check(
        &checkout,
        &["staging", "--esc", "--organization", "acme"],
        &[KNOWN, backend],
    );
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("imports no environment"), "{answer}");
    let answer = check(&checkout, &["dev", "--esc"], &[KNOWN]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("phoenix:secrets.mode is local"), "{answer}");
}

#[test]
fn every_failure_to_open_an_environment_has_a_hint() {
    let environment = || for_pulumi("acme/phoenix/dev");
    let mut text = String::new();
    for (what, script, token) in [
        ("no token", environment(), None),
        ("a token with a line break", environment(), Some(format!("{TOKEN}\n"))),
        ("a wrong token", environment(), Some("pul-cAnArY-of-somebody-else".to_owned())),
        ("another environment", for_pulumi("acme/phoenix/prod"), Some(TOKEN.to_owned())),
        (
            "no permission",
            environment().trouble(Trouble::refusal(403, &format!("Forbidden: {TOKEN} needs environment:open"))),
            Some(TOKEN.to_owned()),
        ),
        (
            "a definition that is wrong",
            environment().trouble(Trouble::answer(
                400,
                r#"{"code": 400, "message": "Bad Request", "diagnostics": [{"summary": "expected string, got object", "range":
                   {"environment": "phoenix/dev", "begin": {"line": 14, "column": 44}}}]}"#,
            )),
            Some(TOKEN.to_owned()),
        ),
        (
            "something else that answers",
            environment().trouble(Trouble::answer(200, format!("<html>{}</html>", canary::value("openaiApiKey")))),
            Some(TOKEN.to_owned()),
        ),
        (
            "no time",
            environment().trouble(Trouble::Answer(429, vec![("retry-after", "7200".to_owned())], String::new())),
            Some(TOKEN.to_owned()),
        ),
    ] {
        let service = script.start();
        let variables: Vec<_> = token.iter().map(|token| ("PHOENIX_ESC_TOKEN", token.as_str())).collect();
        let answer = check(&checkout("esc-direct", &service), &["dev", "--esc"], &variables);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
        let message = answer.err.replace(service.address(), "ADDRESS");
        assert!(!message.contains("cAnArY"), "{message}");
        for part in ["# ", what, "\n", &message, "\n"] {
            text.push_str(part);
        }
    }
    insta::assert_snapshot!(text.trim_end());
}
