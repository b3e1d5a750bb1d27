//! Which pods restart when a secret changes, or when the source of all secrets changes.

use std::collections::{BTreeMap, BTreeSet};

use phoenix::config::{check, secret};
use phoenix::platform;
use phoenix_graph::Graph;
use phoenix_program::lower;
use pulumi_wire::fake::FakeEngine;
use pulumi_wire::proto::RegisterResourceRequest;
use pulumi_wire::{DEFAULT_IN_FLIGHT, SecretString, UnknownKind, Value, from_wire, register};
use serde_json::json;

use crate::support::{STACKS, keys};

const CHECKSUM: &str = "phoenix.ai/secrets-checksum";

/// A stack with some keys changed.
fn changed(stack: &str, changes: &[(&str, serde_json::Value)]) -> BTreeMap<String, serde_json::Value> {
    let mut keys = keys(stack);
    for (key, value) in changes {
        let (key, field) = key
            .split_once('.')
            .map_or((*key, None), |(key, field)| (key, Some(field)));
        let place = keys.entry(format!("phoenix:{key}")).or_default();
        match field {
            Some(field) => place[field] = value.clone(),
            None => *place = value.clone(),
        }
    }
    keys
}

fn graph(keys: &BTreeMap<String, serde_json::Value>) -> Graph {
    platform::build(&check(keys).unwrap())
}

fn external() -> serde_json::Value {
    json!({"mode": "external-secrets", "environment": "acme/phoenix/prod", "auth": {"oidc": {}}})
}

/// Values for all secrets, each another.
fn values() -> BTreeMap<String, SecretString> {
    secret::INVENTORY
        .iter()
        .map(|row| {
            (
                row.full_key(),
                SecretString::from(format!("value-of-{}", row.key)),
            )
        })
        .collect()
}

/// What the engine is asked for with these values.
async fn requests(
    keys: &BTreeMap<String, serde_json::Value>,
    values: &BTreeMap<String, SecretString>,
) -> Vec<RegisterResourceRequest> {
    let fake = FakeEngine::up().start().await;
    let engine = fake.connect().await;
    let config = check(keys).unwrap();
    let plan = lower(&platform::build(&config), &config);
    let deployment = engine.deployment().await.unwrap();
    register(&engine, &deployment, &plan, values, DEFAULT_IN_FLIGHT)
        .await
        .unwrap();
    fake.registrations()
}

/// The checksum on the pods of each workload that has one.
async fn checksums(
    keys: &BTreeMap<String, serde_json::Value>,
    values: &BTreeMap<String, SecretString>,
) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for request in requests(keys, values).await {
        let inputs = from_wire(request.object.unwrap_or_default()).unwrap();
        let path = ["spec", "template", "metadata", "annotations", CHECKSUM];
        if let Some(value) = at(&Value::Object(inputs), &path) {
            found.insert(request.name.rsplit('/').next().unwrap().to_owned(), value.clone());
        }
    }
    found
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Object(fields) => fields.get(*key),
        _ => None,
    })
}

/// The workloads of a stack that read a secret and stay.
fn readers(keys: &BTreeMap<String, serde_json::Value>, key: &str) -> BTreeSet<String> {
    let graph = graph(keys);
    let staying: BTreeSet<_> = graph
        .objects()
        .filter(|object| ["Deployment", "StatefulSet", "DaemonSet"].contains(&object.id.kind.as_str()))
        .map(|object| object.id.name.as_str())
        .collect();
    let row = secret::row(key).unwrap();
    row.restarts()
        .into_iter()
        .filter(|name| staying.contains(name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn pods_name_exactly_the_secrets_that_they_read_and_show_no_value() {
    for name in STACKS {
        let graph = graph(&keys(name));
        for object in graph.objects() {
            let reported: BTreeSet<String> = object.checksums().values().flatten().cloned().collect();
            let read: BTreeSet<String> = phoenix_graph::references::pod_spec(object)
                .filter(|_| !["CronJob", "Job"].contains(&object.id.kind.as_str()))
                .into_iter()
                .flat_map(|pod| {
                    secret::INVENTORY
                        .iter()
                        .filter(|row| !row.data_key.is_empty())
                        .filter(|row| {
                            let reference = json!({"key": row.data_key, "name": row.secret}).to_string();
                            pod.to_string().contains(&reference)
                        })
                        .map(secret::SecretRow::full_key)
                })
                .collect();
            assert_eq!(reported, read, "{} of {name}", object.id);
            assert!(object.checksums().len() <= 1, "{} of {name}", object.id);
            for (pointer, names) in object.checksums() {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let shown = object.body().pointer(pointer).unwrap();
                assert_eq!(*shown, format!("checksum of {}", names.join(", ")));
            }
        }
    }
}

#[tokio::test]
async fn a_changed_secret_changes_only_the_pods_that_read_it() {
    for name in STACKS {
        let keys = changed(
            name,
            &[
                ("qdrant.altApiKey", json!(true)),
                ("langgraph.license", json!(true)),
                ("snowflake.encryptedKey", json!(true)),
            ],
        );
        let before = checksums(&keys, &values()).await;
        let all: BTreeSet<String> = before.keys().cloned().collect();
        let any_reader: BTreeSet<String> = secret::INVENTORY
            .iter()
            .flat_map(|row| readers(&keys, row.key))
            .collect();
        assert_eq!(all, any_reader, "{name}");
        for row in secret::INVENTORY {
            let mut values = values();
            values.insert(row.full_key(), SecretString::from("another"));
            let after = checksums(&keys, &values).await;
            let changed: BTreeSet<String> = all
                .iter()
                .filter(|workload| before[*workload] != after[*workload])
                .cloned()
                .collect();
            let expected = if *row == secret::CHECKSUM_KEY {
                all.clone()
            } else {
                readers(&keys, row.key)
            };
            assert_eq!(changed, expected, "{} of {name}", row.key);
        }
    }
}

#[tokio::test]
async fn a_checksum_is_plain_text_and_differs_between_stacks() {
    let one = checksums(&keys("prod"), &values()).await;
    assert!(!one.is_empty());
    for checksum in one.values() {
        let Value::String(text) = checksum else {
            panic!("a secret in a template makes all of the template secret: {checksum:?}")
        };
        let digits = text.strip_prefix("hmac-sha256-").unwrap();
        assert_eq!(digits.len(), 64, "{text}");
    }
    let mut values = values();
    values.insert(
        secret::CHECKSUM_KEY.full_key(),
        SecretString::from("of another stack"),
    );
    let other = checksums(&keys("prod"), &values).await;
    for (workload, checksum) in &one {
        assert_ne!(*checksum, other[workload], "{workload}");
    }
}

#[tokio::test]
async fn values_unknown_in_a_preview_make_their_checksums_unknown() {
    let mut values = values();
    let unknown = SecretString::from(UnknownKind::String.sentinel());
    values.insert(secret::QDRANT_READ_ONLY_API_KEY.full_key(), unknown);
    let found = checksums(&keys("prod"), &values).await;
    assert_eq!(found["qdrant"], Value::Unknown(UnknownKind::String));
    assert!(matches!(found["openmemory-mcp-server"], Value::String(_)));
}

#[tokio::test]
async fn the_checksum_key_is_never_registered() {
    let mut values = values();
    values.insert(secret::CHECKSUM_KEY.full_key(), SecretString::from("canary-key"));
    for request in requests(&keys("prod"), &values).await {
        let sent = format!("{:?}", request.object.unwrap_or_default());
        assert!(!sent.contains("canary-key"), "{}", request.name);
        assert!(
            !sent.contains(&secret::CHECKSUM_KEY.full_key()),
            "{}",
            request.name
        );
    }
}

#[test]
fn the_provider_updates_a_changed_secret_and_never_replaces_it() {
    for name in STACKS {
        let config = check(&keys(name)).unwrap();
        let plan = lower(&platform::build(&config), &config);
        let provider = &plan.resources[0];
        assert_eq!(
            provider.inputs["enableSecretMutable"],
            Value::from("true"),
            "{name}"
        );
        for resource in &plan.resources {
            if resource.token == "kubernetes:core/v1:Secret" {
                assert!(resource.replace_on_changes.is_empty(), "{}", resource.name);
                assert!(
                    !resource.inputs.contains_key("immutable"),
                    "{} could never be updated",
                    resource.name
                );
            }
        }
    }
}

#[test]
fn with_external_secrets_a_controller_restarts_the_readers() {
    let keys = changed("prod", &[("secrets", external())]);
    let graph = graph(&keys);
    let mut reported = BTreeMap::new();
    for object in graph.objects() {
        assert!(object.checksums().is_empty(), "{}", object.id);
        let annotation = object
            .body()
            .pointer("/metadata/annotations/secret.reloader.stakater.com~1reload");
        if let Some(annotation) = annotation {
            reported.insert(object.id.to_string(), annotation.as_str().unwrap().to_owned());
        }
    }
    assert_eq!(
        reported["Deployment sophia-memory/openmemory-mcp-server"],
        "qdrant-keys,sophia-secrets"
    );
    assert_eq!(reported["StatefulSet sophia-memory/qdrant"], "qdrant-keys");
    let needed = check(&keys).unwrap().secrets_needed();
    assert!(!needed.contains(&&secret::CHECKSUM_KEY), "there are no values");
}

#[test]
fn the_second_key_of_qdrant_is_there_only_while_the_stack_says_so() {
    let variable = "QDRANT__SERVICE__ALT_API_KEY";
    for mode in [json!({"mode": "local"}), external()] {
        let without = changed("prod", &[("secrets", mode.clone())]);
        let with = changed(
            "prod",
            &[("secrets", mode.clone()), ("qdrant.altApiKey", json!(true))],
        );
        assert!(!graph(&without).yaml().contains(variable));
        let yaml = graph(&with).component("qdrant").yaml();
        assert!(yaml.contains(&format!(
            "- name: {variable}\n          valueFrom:\n            secretKeyRef:\n              key: alt-api-key\n              name: qdrant-keys"
        )), "{yaml}");
        let needs = |keys| {
            check(keys)
                .unwrap()
                .secrets_needed()
                .contains(&&secret::QDRANT_ALT_API_KEY)
        };
        assert!(needs(&with) && !needs(&without));
    }
    // Only the peers read it.
    let before = graph(&keys("prod"));
    let after = graph(&changed("prod", &[("qdrant.altApiKey", json!(true))]));
    let changes = phoenix::provider::compare(&before, &after).changes;
    let objects: BTreeSet<_> = changes
        .iter()
        .map(|change| change.object().id.to_string())
        .collect();
    let expected = [
        "Secret sophia-memory/qdrant-keys",
        "StatefulSet sophia-memory/qdrant",
    ];
    assert_eq!(objects, expected.map(str::to_owned).into());
}

#[test]
fn two_equal_qdrant_keys_are_reported_during_rotation() {
    let needed = check(&changed("prod", &[("qdrant.altApiKey", json!(true))]))
        .unwrap()
        .secrets_needed();
    let reported = |needed: &[&secret::SecretRow], second: &'static str| {
        secret::contradictions(needed, |key| match key {
            "phoenix:qdrantApiKey" => Some("canary"),
            "phoenix:qdrantAltApiKey" => Some(second),
            _ => None,
        })
    };
    let problem = reported(&needed, "canary").to_string();
    assert!(
        problem.contains("phoenix:qdrantAltApiKey is the same as phoenix:qdrantApiKey")
            && !problem.contains("canary"),
        "{problem}"
    );
    assert!(reported(&needed, "another").is_empty());
    let without = check(&keys("prod")).unwrap().secrets_needed();
    assert!(
        reported(&without, "canary").is_empty(),
        "an unused key affects no pod"
    );
}

#[test]
fn credentials_that_langgraph_shares_are_reported() {
    let problems = |changes: &[(&str, &str)]| {
        let values = BTreeMap::from([
            (
                "phoenix:postgresConnectionString",
                "postgresql://memory:canary@db/a?sslmode=verify-full",
            ),
            (
                "phoenix:langgraphPostgresConnectionString",
                "postgresql://langgraph:canary@db/a?sslmode=verify-full",
            ),
            ("phoenix:redisPassword", "canary-of-the-chat"),
            ("phoenix:langgraphRedisPassword", "canary-of-langgraph"),
        ]);
        let value = |key: &str| {
            let changed = changes.iter().find(|(changed, _)| *changed == key);
            changed
                .map(|(_, value)| *value)
                .or_else(|| values.get(key).copied())
        };
        let problems = check(&keys("prod")).unwrap().secret_problems(value).to_string();
        assert!(!problems.contains("canary"), "{problems}");
        problems
    };
    assert_eq!(problems(&[]), "");
    let same_user = "postgresql://memory:canary2@other/b?sslmode=verify-full";
    assert!(
        problems(&[("phoenix:langgraphPostgresConnectionString", same_user)]).contains(
            "langgraphPostgresConnectionString has the same user as phoenix:postgresConnectionString"
        )
    );
    assert!(
        problems(&[("phoenix:langgraphRedisPassword", "canary-of-the-chat")])
            .contains("langgraphRedisPassword is the same as phoenix:redisPassword")
    );
}

#[test]
fn postgres_outside_the_mesh_requires_verified_tls_except_in_dev() {
    let in_mesh =
        json!({"host": "db.databases.svc.cluster.local", "networks": ["10.4.0.0/16"], "transport": "mesh"});
    let weak = "postgresql://memory:g5Kq82hX1mPz@db.example.com/memory?sslmode=require";
    let good = "postgresql://memory:g5Kq82hX1mPz@db.example.com/memory?sslmode=verify-full";
    for (stack, postgres, is_required) in [
        ("dev", None, false),
        ("staging", None, true),
        ("prod", None, true),
        ("prod", Some(in_mesh), false),
    ] {
        let mut keys = keys(stack);
        if let Some(postgres) = postgres {
            keys.insert("phoenix:postgres".to_owned(), postgres);
        }
        let config = check(&keys).unwrap();
        for row in [
            &secret::POSTGRES_CONNECTION_STRING,
            &secret::LANGGRAPH_POSTGRES_CONNECTION_STRING,
        ] {
            let of_row = |value: &'static str| {
                let key = row.full_key();
                config
                    .secret_problems(|asked| (asked == key).then_some(value))
                    .to_string()
            };
            assert_eq!(config.weakness(row, weak).is_some(), is_required, "{stack}");
            assert_eq!(config.weakness(row, good), None);
            assert_eq!(
                of_row(weak).contains("sslmode=verify-full"),
                is_required,
                "{stack}"
            );
            assert_eq!(of_row(good), "");
        }
        // Only connection strings have TLS parameters.
        let key = "00112233445566778899aabbccddeeff";
        assert_eq!(config.weakness(&secret::QDRANT_API_KEY, key), None);
        let rows = phoenix::connections::connections(&config);
        let why = rows.iter().filter(|row| row.why.contains("Postgres"));
        let why: BTreeSet<_> = why.map(|row| row.why.contains("sslmode=verify-full")).collect();
        assert_eq!(why, BTreeSet::from([is_required]), "{stack}");
    }
}

#[test]
fn postgres_in_the_mesh_is_reached_over_mutual_tls() {
    use phoenix_crds::networking::{DestinationRule, DestinationRuleTrafficPolicyTlsMode};
    let host = "db.databases.svc.cluster.local";
    let rule = |postgres: serde_json::Value| -> Option<DestinationRule> {
        graph(&changed("prod", &[("postgres", postgres)])).get(Some("sophia-memory"), "postgres")
    };
    let mesh = json!({"host": host, "networks": ["10.4.0.0/16"], "transport": "mesh"});
    let spec = rule(mesh).unwrap().spec;
    assert_eq!(spec.host, host);
    assert_eq!(
        spec.traffic_policy.unwrap().tls.unwrap().mode,
        Some(DestinationRuleTrafficPolicyTlsMode::IstioMutual)
    );
    assert!(rule(json!({"host": "db.example.com"})).is_none());
    let without_networks = changed(
        "prod",
        &[("postgres", json!({"host": host, "transport": "mesh"}))],
    );
    let problems = check(&without_networks).unwrap_err().to_string();
    assert!(
        problems.contains("phoenix:postgres.transport is mesh, but"),
        "{problems}"
    );
}

/// The names of the Secrets that a stack registers, with whether the engine leaves each standing.
async fn secrets(stack: &str, secrets: serde_json::Value) -> BTreeMap<String, bool> {
    requests(&changed(stack, &[("secrets", secrets)]), &values())
        .await
        .into_iter()
        .filter(|request| request.r#type == "kubernetes:core/v1:Secret")
        .map(|request| (request.name, request.retain_on_delete.unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn moving_to_the_operator_and_back_never_takes_a_secret_away() {
    for stack in ["staging", "prod"] {
        let ours = secrets(stack, json!({"mode": "local"})).await;
        assert!(ours.len() >= 2);
        // All of them leave the state, and stay in the cluster, where the operator goes on with them.
        assert_eq!(secrets(stack, external()).await, BTreeMap::new());
        assert!(ours.values().all(|retained| *retained), "{ours:?}");
        // On the way back, what the operator wrote must not go with what asked for it.
        for object in graph(&changed(stack, &[("secrets", external())])).objects() {
            if object.id.kind == "ExternalSecret" {
                let target = &object.body()["spec"]["target"];
                assert_eq!(target["creationPolicy"], "Orphan", "{}", object.id);
                assert_eq!(target["deletionPolicy"], "Retain", "{}", object.id);
                let name = target["name"].as_str().unwrap();
                assert!(ours.keys().any(|ours| ours.ends_with(&format!("/{name}"))));
            }
        }
    }
    let ours = secrets("dev", json!({"mode": "local"})).await;
    assert!(
        ours.values().all(|retained| !retained),
        "dev goes without a trace"
    );
}

#[test]
fn moving_between_modes_in_which_the_program_has_the_values_restarts_nothing() {
    let modes = [
        json!({"mode": "local"}),
        json!({"mode": "pulumi-esc"}),
        json!({"mode": "esc-direct", "environment": "acme/phoenix/prod"}),
    ];
    for from in &modes {
        for to in &modes {
            let before = graph(&changed("prod", &[("secrets", from.clone())]));
            let after = graph(&changed("prod", &[("secrets", to.clone())]));
            for change in phoenix::provider::compare(&before, &after).changes {
                let phoenix_graph::Change::Updated { after, fields, .. } = change else {
                    panic!("{from} to {to}: {change:?}")
                };
                let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
                assert_eq!(after.id.kind, "Secret", "{from} to {to}: {}", after.id);
                assert_eq!(paths, [r#"metadata.annotations["phoenix.ai/secret-source"]"#]);
            }
        }
    }
}

#[test]
fn the_runbook_has_every_secret_with_what_restarts() {
    let path = crate::support::root().join("docs/runbooks/rotate-a-secret.md");
    let text = std::fs::read_to_string(path).unwrap();
    for row in secret::INVENTORY {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", row.full_key())));
        let line = line
            .unwrap_or_else(|| panic!("no line for {}", row.full_key()))
            .to_lowercase();
        let restarts = line.split('|').nth(2).unwrap();
        for reader in row.readers {
            let system = reader.workload.system.replace('_', " ");
            assert!(restarts.contains(&system), "{}: {restarts}", row.full_key());
        }
    }
}
