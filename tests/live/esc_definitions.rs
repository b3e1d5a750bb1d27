//! The environments in `stacks/esc`, evaluated as Pulumi ESC evaluates them: they give every secret of the inventory in both
//! shapes, and an invalid or incomplete one is reported before anything is deployed.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use phoenix::config::secret::{self, INVENTORY};
use phoenix::names::CORE;
use phoenix_esc::{Client, Environment, ExposeSecret as _, SecretString, Value as Found, Values};
use serde_json::{Map, Value, json};

use crate::esc::{Service, TOKEN};
use crate::live::{PHOENIX, root, said};
use phoenix_testing::canary::{self, Canaries};

const STACKS: [&str; 2] = ["staging", "prod"];

/// Copies what the repository ships, with the account's number if it is known.
fn copy(folder: &Path, account: Option<&str>) {
    let target = folder.join("definitions/phoenix");
    std::fs::create_dir_all(&target).unwrap();
    for name in ["common", "staging", "prod"] {
        let mut text = std::fs::read_to_string(root().join(format!("stacks/esc/{name}.yaml"))).unwrap();
        if let (Some(account), Some((before, after))) =
            (account, text.split_once("  account:\n    placeholder:"))
        {
            let (_, after) = after.split_once('\n').unwrap();
            text = format!("{before}  account: {account}\n{after}");
        }
        std::fs::write(target.join(format!("{name}.yaml")), text).unwrap();
    }
}

/// Replaces a piece of a copy that is there.
fn edit(folder: &Path, name: &str, from: &str, to: &str) {
    let path = folder.join(format!("definitions/phoenix/{name}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from:?} in {name}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

/// What the cloud keeps for both stacks.
fn cloud() -> Map<String, Value> {
    STACKS
        .iter()
        .flat_map(|stack| {
            INVENTORY
                .iter()
                .map(move |row| (format!("phoenix/{stack}/{}", row.key), row))
        })
        .map(|(id, row)| (id, Value::from(canary::value(row.key))))
        .collect()
}

fn start(folder: &Path, cloud: &Map<String, Value>) -> Service {
    let login = json!({"accessKeyId": "canary-of-the-access-key", "secretAccessKey": "canary-of-the-login"});
    Service::start(folder, &json!({"aws-login": login, "aws-secrets": cloud}))
}

/// The environment of a stack, as a client sees it.
fn open(service: &Service, stack: &str) -> Values {
    let client = Client::new(&service.address, SecretString::from(TOKEN)).unwrap();
    let environment = Environment {
        organization: "acme".to_owned(),
        project: "phoenix".to_owned(),
        name: stack.to_owned(),
        version: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(client.open(&environment, Duration::from_mins(15)))
        .unwrap()
}

/// The output of `phoenix secrets check` for a stack of the checkout.
fn check(service: &Service, stack: &str) -> Output {
    let output = Command::new(PHOENIX)
        .current_dir(root())
        .args(["secrets", "check", stack, "--esc", "--organization", "acme"])
        .env("PHOENIX_ESC_TOKEN", TOKEN)
        .env("PULUMI_BACKEND_URL", &service.address)
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    let values: Vec<_> = INVENTORY.iter().map(|row| canary::value(row.key)).collect();
    let hidden = [TOKEN, "canary-of-the-access-key", "canary-of-the-login"];
    Canaries::of(values.iter().map(String::as_str).chain(hidden)).are_not_in(&said(&output), "the answer");
    output
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn the_shipped_environments_give_every_secret_in_both_shapes() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), Some("\"123456789012\""));
    let service = start(folder.path(), &cloud());
    for stack in STACKS {
        let values = open(&service, stack);
        let needed = secret::needed(&CORE);
        for row in &needed {
            let value = values.secret_text(&["pulumiConfig", &row.full_key()]);
            assert_eq!(
                value.map(|value| value.expose_secret().to_owned()),
                Ok(canary::value(row.key)),
                "{stack}"
            );
        }
        for (target, rows) in secret::targets(&needed, &CORE) {
            let property = target.property();
            let path: Vec<_> = property.split('.').collect();
            for row in rows {
                let value = values.secret_text(&[&path[..], &[row.data_key]].concat());
                assert_eq!(
                    value.map(|value| value.expose_secret().to_owned()),
                    Ok(canary::value(row.key)),
                    "{stack}"
                );
            }
            // The operator would write a map or a list as JSON.
            let Some(Found::Map(fields)) = values.get(&path) else {
                panic!("{property} is no map")
            };
            assert!(
                fields.values().all(|value| matches!(value, Found::Secret(_))),
                "{stack} {property}"
            );
        }
        let output = check(&service, stack);
        assert!(output.status.success(), "{}", said(&output));
        assert!(
            said(&output).contains(&format!("is set in acme/phoenix/{stack}")),
            "{}",
            said(&output)
        );
    }
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn an_incomplete_or_invalid_environment_is_reported_with_its_line() {
    let reported = |account: Option<&str>, change: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        copy(folder.path(), account);
        change(folder.path());
        let service = start(folder.path(), &cloud());
        let output = check(&service, "prod");
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        said(&output)
    };
    let good = Some("\"123456789012\"");
    for (what, reported) in [
        (
            "phoenix/prod:14:44: expected string, got object",
            reported(None, &|_| ()),
        ),
        (
            "phoenix/prod:13:44: expected string, got number",
            reported(Some("123456789012"), &|_| ()),
        ),
        (
            "unknown property \"shared\"",
            reported(good, &|folder| {
                edit(folder, "prod", "imports:\n  - phoenix/common\n", "");
            }),
        ),
        (
            "unknown property \"openAiKey\"",
            reported(good, &|folder| {
                edit(
                    folder,
                    "prod",
                    "phoenix:openaiApiKey: ${secrets.openaiApiKey}",
                    "phoenix:openaiApiKey: ${secrets.openAiKey}",
                );
            }),
        ),
        (
            "no secret \"phoenix/production/openaiApiKey\"",
            reported(good, &|folder| {
                edit(
                    folder,
                    "prod",
                    "phoenix/prod/openaiApiKey",
                    "phoenix/production/openaiApiKey",
                );
            }),
        ),
        (
            "ESC found no environment acme/phoenix/prod for this access token",
            reported(good, &|folder| {
                std::fs::remove_file(folder.join("definitions/phoenix/prod.yaml")).unwrap();
            }),
        ),
    ] {
        assert!(reported.contains(what), "{what}: {reported}");
        assert!(
            reported.contains("cannot read the secrets of the ESC environment acme/phoenix/prod"),
            "{reported}"
        );
    }
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn an_unusable_value_from_esc_is_reported_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), Some("\"123456789012\""));
    edit(
        folder.path(),
        "staging",
        "    phoenix:qdrantApiKey: ${secrets.qdrantApiKey}\n",
        "",
    );
    let mut cloud = cloud();
    let mut put = |key: &str, value: Value| cloud.insert(format!("phoenix/staging/{key}"), value);
    put("openaiApiKey", json!(471_100));
    put("mem0EncryptionKey", json!(""));
    put(
        "qdrantReadOnlyApiKey",
        json!(format!("{}\n", canary::value("qdrantReadOnlyApiKey"))),
    );
    put("checksumKey", json!({"inner": canary::value("checksumKey")}));
    let service = start(folder.path(), &cloud);
    let output = check(&service, "staging");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("471100"), "{said}");
    for (key, reported) in [
        ("openaiApiKey", "is a number, not a string"),
        ("mem0EncryptionKey", "is empty"),
        ("qdrantApiKey", "is missing."),
        (
            "qdrantReadOnlyApiKey",
            "begins or ends with a line break or a space",
        ),
        ("checksumKey", "is a map, not a string"),
        ("postgresConnectionString", "is set in"),
    ] {
        let is_reported = |line: &str| {
            line.contains(&format!(" phoenix:{key} "))
                && line.contains(reported)
                && line.contains("acme/phoenix/staging")
        };
        assert!(said.lines().any(is_reported), "{key} {reported}: {said}");
    }
}
