//! Mode `esc-direct`: the real program opens an environment of a service in this process. Problems are reported
//! through the engine before anything is registered, and no output contains a value or a token.

use std::process::Output;

use phoenix::config::secret::{self, INVENTORY, SecretRow};
use phoenix::names::CORE;
use phoenix_testing::esc::{FakeService, Script as Service, Trouble};
use pulumi_wire::fake::{FakeEngine, Script};
use pulumi_wire::{Value, from_wire};
use serde_json::json;

use crate::{complete, complete_for, logged, run_with, with_secrets};
use phoenix_testing::canary::{self, Canaries};

pub const TOKEN: &str = "pul-canary-8d21";

/// The secrets that the stack of these tests requires.
pub fn needed() -> Vec<&'static SecretRow> {
    secret::needed(&CORE)
}

/// An environment with all required secrets.
pub fn environment() -> Service {
    needed()
        .into_iter()
        .fold(FakeService::with("acme/phoenix/prod", TOKEN), |service, row| {
            service.secret(
                "pulumiConfig",
                &format!("phoenix:{}", row.key),
                &canary::value(row.key),
            )
        })
}

/// All secrets of the inventory, and the token.
pub fn canaries() -> Canaries {
    let values: Vec<_> = INVENTORY.iter().map(|row| canary::value(row.key)).collect();
    Canaries::of(values.iter().map(String::as_str).chain([TOKEN]))
}

pub fn in_esc(engine: Script, url: &str) -> Script {
    let secrets = json!({"mode": "esc-direct", "environment": "acme/phoenix/prod", "url": url});
    engine.config("phoenix:secrets", &secrets.to_string())
}

/// The output of the program, after a check that it contains no secret.
fn said(output: &Output, engine: &FakeEngine) -> String {
    let said = format!(
        "{}{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        logged(engine)
    );
    assert!(!said.contains("canary"), "{said}");
    canaries().are_not_in(&said, "what the program says");
    said
}

/// The registered value of a secret.
fn registered(engine: &FakeEngine, row: &SecretRow) -> Option<Value> {
    let secret = engine.registrations().into_iter().find(|request| {
        request.r#type == "kubernetes:core/v1:Secret" && request.name.ends_with(&format!("/{}", row.secret))
    })?;
    let mut inputs = from_wire(secret.object?).unwrap();
    match inputs.remove("stringData")? {
        Value::Object(mut data) => data.remove(row.data_key),
        _ => None,
    }
}

/// The messages for a service in this state.
async fn refused(service: Service, token: Option<&str>) -> String {
    let service = service.start();
    let engine = in_esc(complete(), service.address()).start().await;
    let mut variables = vec![("RUST_LOG", "trace")];
    variables.extend(token.map(|token| ("PHOENIX_ESC_TOKEN", token)));
    let output = run_with(&engine, &variables).await;
    let said = said(&output, &engine);
    assert_eq!(
        output.status.code(),
        Some(32),
        "the engine has shown the error: {said}"
    );
    assert!(engine.registrations().is_empty(), "nothing is registered");
    said.replace(service.address(), "ADDRESS")
}

#[tokio::test]
async fn secrets_come_from_the_environment_in_up_and_in_preview() {
    for engine in [FakeEngine::up(), FakeEngine::preview()] {
        let service = environment().warning("a login is deprecated").start();
        let engine = in_esc(complete_for(engine), service.address()).start().await;
        let output = run_with(&engine, &[("PHOENIX_ESC_TOKEN", TOKEN), ("RUST_LOG", "trace")]).await;
        let said = said(&output, &engine);
        assert!(output.status.success(), "{said}");
        assert_eq!(said, "acme/phoenix/prod: a login is deprecated");
        assert_eq!(service.requests().len(), 2);
        // The values are where they belong, as secrets.
        for row in needed().into_iter().filter(|row| !row.readers.is_empty()) {
            let canary = Value::from(canary::value(row.key).as_str());
            assert_eq!(
                registered(&engine, row),
                Some(Value::secret(canary)),
                "{}",
                row.key
            );
        }
    }
}

#[tokio::test]
async fn the_token_is_read_in_this_mode_only() {
    let service = environment().start();
    let engine = with_secrets(complete()).start().await;
    let output = run_with(&engine, &[("PHOENIX_ESC_TOKEN", "no\ntoken")]).await;
    assert!(output.status.success(), "{output:?} {}", logged(&engine));
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn every_unusable_value_is_reported_with_key_and_environment() {
    let map = "pulumiConfig";
    let wrong = environment()
        .without(map, "phoenix:openaiApiKey")
        .secret(map, "openaiApiKey", "canary-without-namespace")
        .value(
            map,
            "phoenix:postgresConnectionString",
            json!({"value": 4711, "secret": true}),
        )
        .secret(map, "phoenix:mem0EncryptionKey", "  ")
        .secret(map, "phoenix:qdrantApiKey", "canary-with-line-break\n")
        .value(
            map,
            "phoenix:qdrantReadOnlyApiKey",
            json!({"value": "canary-in-clear"}),
        );
    let reported = refused(wrong, Some(TOKEN)).await;
    assert!(!reported.contains("4711"), "{reported}");
    insta::assert_snapshot!(reported);
}

#[tokio::test]
async fn missing_and_unknown_values_are_each_reported() {
    let map = "pulumiConfig";
    let unknown = json!({"unknown": true, "secret": true});
    let reported = refused(
        environment()
            .value(map, "phoenix:qdrantApiKey", unknown)
            .without(map, "phoenix:openaiApiKey"),
        Some(TOKEN),
    )
    .await;
    insta::assert_snapshot!(reported);
    let reported = refused(FakeService::with("acme/phoenix/prod", TOKEN), Some(TOKEN)).await;
    for row in needed() {
        let line = format!(
            "pulumiConfig[\"phoenix:{}\"] is missing, because the map pulumiConfig does not exist. {}",
            row.key, row.purpose
        );
        assert!(reported.contains(&line), "{reported}");
    }
}

#[tokio::test]
async fn each_login_failure_is_reported() {
    let mut text = String::new();
    for (what, service, token) in [
        ("no token", environment(), None),
        ("an empty token", environment(), Some("")),
        ("a token with a line break", environment(), Some("pul-canary\n")),
        ("a wrong token", environment(), Some("pul-canary-of-somebody-else")),
        (
            "another environment",
            FakeService::with("acme/phoenix/staging", TOKEN),
            Some(TOKEN),
        ),
        (
            "no permission",
            environment().trouble(Trouble::refusal(403, "Forbidden: needs environment:open")),
            Some(TOKEN),
        ),
        (
            "a definition that is wrong",
            environment().trouble(Trouble::answer(
                400,
                r#"{"code": 400, "message": "Bad Request", "diagnostics": [{"summary": "unknown property", "range":
                   {"environment": "phoenix/common", "begin": {"line": 3, "column": 7, "byte": 30}, "end": {"line": 3, "column": 9, "byte": 32}}}]}"#,
            )),
            Some(TOKEN),
        ),
        (
            "something else that answers",
            environment().trouble(Trouble::answer(200, "<html>canary</html>")),
            Some(TOKEN),
        ),
        (
            "no time",
            environment().trouble(Trouble::Answer(
                429,
                vec![("retry-after", "7200".to_owned())],
                String::new(),
            )),
            Some(TOKEN),
        ),
    ] {
        let reported = refused(service, token).await;
        for part in ["# ", what, "\n", &reported, "\n\n"] {
            text.push_str(part);
        }
    }
    insta::assert_snapshot!(text.trim_end());
}

#[tokio::test]
async fn an_unreachable_service_is_reported() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let unused = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let engine = in_esc(complete(), &unused).start().await;
    let output = run_with(&engine, &[("PHOENIX_ESC_TOKEN", TOKEN)]).await;
    assert_eq!(output.status.code(), Some(32));
    assert!(engine.registrations().is_empty());
    let said = said(&output, &engine);
    assert!(
        said.contains(&format!(
            "ESC at {unused} is not available for acme/phoenix/prod: there is no response"
        )) && said.contains("(attempt 5)"),
        "{said}"
    );
}

#[tokio::test]
async fn credentials_in_the_address_are_rejected_and_not_shown() {
    let engine = in_esc(complete(), "https://somebody:canary@esc.example.com")
        .start()
        .await;
    let output = run_with(&engine, &[("PHOENIX_ESC_TOKEN", TOKEN)]).await;
    assert_eq!(output.status.code(), Some(32));
    let said = said(&output, &engine);
    assert!(said.contains("phoenix:secrets.url is not https://HOST"), "{said}");
}
