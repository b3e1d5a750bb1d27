//! `secrets check --esc`: what it finds in the environment of a stack, whoever opens it for a deployment, and that it tells
//! no value.

use phoenix_testing::esc::{FakeService, Script, Trouble};
use serde_json::{Value, json};

use crate::secrets::{ALL, TOKEN, keeps_silent};
use crate::support::{Answer, Checkout};
use phoenix_testing::canary;

/// An environment with every secret where Pulumi's engine and the program look for it.
fn for_pulumi(environment: &str) -> Script {
    ALL.iter()
        // Only `dev` opens the object store of its backups by a key.
        .filter(|key| environment.ends_with("/dev") || !key.starts_with("backup"))
        .fold(FakeService::with(environment, TOKEN), |script, key| {
            script.secret("pulumiConfig", &format!("phoenix:{key}"), &canary::value(key))
        })
}

/// A checkout whose stack `dev` has its secrets there, opened by the program or, with `auth`, by the operator.
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

fn asked(checkout: &Checkout, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    let mut command = checkout.command(&["secrets", "check"]);
    command
        .args(arguments)
        .env_remove("PHOENIX_ESC_TOKEN")
        .env("RUST_LOG", "trace")
        .envs(variables.iter().copied());
    let answer = checkout.answer(&mut command);
    keeps_silent(&answer);
    answer
}

const KNOWN: (&str, &str) = ("PHOENIX_ESC_TOKEN", TOKEN);

#[test]
fn an_environment_with_all_secrets_is_as_it_should_be_and_only_sizes_are_told() {
    let service = for_pulumi("acme/phoenix/dev")
        .warning("a login is deprecated")
        .start();
    let checkout = checkout("esc-direct", &service);
    let answer = asked(&checkout, &["dev", "--esc"], &[KNOWN]);
    assert_eq!(answer.code, 0, "{answer}");
    let size = canary::value("qdrantApiKey").len();
    assert!(
        answer
            .out
            .contains(&format!("is there in acme/phoenix/dev, {size} bytes")),
        "{answer}"
    );
    assert_eq!(answer.err, "warning: acme/phoenix/dev: a login is deprecated\n");
    assert_eq!(service.requests().len(), 2);
    let answer = asked(&checkout, &["dev", "--esc", "--format", "json"], &[KNOWN]);
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["good"], true);
    assert_eq!(document["secrets"].as_array().unwrap().len(), ALL.len());
}

#[test]
fn nothing_is_asked_of_esc_unless_a_person_says_so() {
    let service = for_pulumi("acme/phoenix/dev").start();
    let checkout = checkout("esc-direct", &service);
    let answer = asked(&checkout, &["dev"], &[KNOWN]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains("elsewhere"), "{answer}");
    assert!(service.requests().is_empty());
}

#[test]
fn what_is_missing_weak_in_clear_or_unused_in_an_environment_is_told_without_values() {
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
    let answer = asked(&checkout("esc-direct", &service), &["dev", "--esc"], &[KNOWN]);
    assert_eq!(answer.code, 2, "{answer}");
    assert!(!answer.out.contains("471100"), "{answer}");
    insta::assert_snapshot!(answer);
}

#[test]
fn the_maps_of_the_external_secrets_operator_are_looked_at_as_it_does() {
    let secret = |key: &str| json!({"value": canary::value(key), "secret": true});
    let shared = json!({"value": {
        "openai_api_key": secret("openaiApiKey"), "postgres_connection_string": secret("postgresConnectionString"),
        "mem0_encryption_key": secret("mem0EncryptionKey"), "leftover": secret("mem0EncryptionKey"),
    }});
    let keys = json!({"value": {"api-key": {"value": "", "secret": true}}});
    let good = json!({"value": {"api-key": secret("qdrantApiKey"), "read-only-api-key": secret("qdrantReadOnlyApiKey")}});
    let redis = json!({"value": {"password": secret("redisPassword"), "metrics-password": secret("redisMetricsPassword")}});
    let neo4j = json!({"value": {"password": secret("neo4jPassword")}});
    let key = json!({"value": {"private-key": secret("snowflakePrivateKey")}});
    let bucket = json!({"value": {
        "access-key-id": secret("backupAccessKeyId"), "secret-access-key": secret("backupSecretAccessKey"),
    }});
    // What the chat reads in its own namespace.
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
            .value("kubernetes", "neo4j-password", neo4j.clone())
            .value("kubernetes", "snowflake-key", key.clone())
            .value("kubernetes", "backup-store", bucket.clone())
            .value("kubernetes", "sophia-ai", of_chat.clone());
        let service = script.start();
        asked(
            &checkout("external-secrets", &service),
            &["dev", "--esc"],
            &[KNOWN],
        )
    };
    let answer = with(keys);
    assert_eq!(answer.code, 2, "{answer}");
    insta::assert_snapshot!(answer);
    let answer = with(good);
    assert!(
        answer.out.contains("1 of 15 secrets are not as they should be"),
        "{answer}"
    );
}

#[test]
fn what_a_stack_imports_is_opened_where_its_state_is() {
    let service = for_pulumi("acme/phoenix/staging").start();
    let checkout = Checkout::bare();
    let backend = ("PULUMI_BACKEND_URL", service.address());
    let answer = asked(
        &checkout,
        &["staging", "--esc", "--organization", "acme"],
        &[KNOWN, backend],
    );
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.contains("is there in acme/phoenix/staging"),
        "{answer}"
    );

    let answer = asked(&checkout, &["staging", "--esc"], &[KNOWN, backend]);
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
    let answer = asked(
        &checkout,
        &["staging", "--esc", "--organization", "acme"],
        &[KNOWN, backend],
    );
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("imports no environment"), "{answer}");
    let answer = asked(&checkout, &["dev", "--esc"], &[KNOWN]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("phoenix:secrets.mode is local"), "{answer}");
}

#[test]
fn each_way_of_not_getting_in_is_told_with_the_way_out() {
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
        let answer = asked(&checkout("esc-direct", &service), &["dev", "--esc"], &variables);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
        let told = answer.err.replace(service.address(), "ADDRESS");
        assert!(!told.contains("cAnArY"), "{told}");
        for part in ["# ", what, "\n", &told, "\n"] {
            text.push_str(part);
        }
    }
    insta::assert_snapshot!(text.trim_end());
}
