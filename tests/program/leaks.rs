//! No output of the program contains a secret, in any mode and for any failure while the values are in memory.

use phoenix_testing::esc::Trouble;
use pulumi_wire::fake::{Code, FakeEngine, Reaction, Script};
use serde_json::json;

use crate::esc::{TOKEN, canaries, environment, in_esc, needed};
use crate::{complete, complete_for, logged, run_with, with_secrets};
use phoenix_testing::canary::value;

/// Environment variables that enable more output.
const LOUD: [(&str, &str); 3] = [
    ("RUST_LOG", "trace"),
    ("RUST_BACKTRACE", "full"),
    ("PHOENIX_ESC_TOKEN", TOKEN),
];

/// The output of the program and its exit code with this engine.
async fn said(engine: Script) -> (String, Option<i32>) {
    let engine = engine.start().await;
    let output = run_with(&engine, &LOUD).await;
    let said = format!(
        "{}{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        logged(&engine)
    );
    canaries().are_not_in(&said, "what the program says");
    (said, output.status.code())
}

/// A stack that receives its secrets from the engine, as in the modes `local` and `pulumi-esc`.
fn handed_over(mode: &str, engine: Script) -> Script {
    with_secrets(complete_for(engine)).config("phoenix:secrets", &json!({"mode": mode}).to_string())
}

#[tokio::test]
async fn a_good_run_says_nothing_in_any_mode() {
    for mode in ["local", "pulumi-esc"] {
        for engine in [FakeEngine::up(), FakeEngine::preview()] {
            assert_eq!(
                said(handed_over(mode, engine)).await,
                (String::new(), Some(0)),
                "{mode}"
            );
        }
    }
    let external =
        json!({"mode": "external-secrets", "environment": "acme/phoenix/prod", "auth": {"oidc": {}}});
    let engine = complete().config("phoenix:secrets", &external.to_string());
    assert_eq!(said(engine).await, (String::new(), Some(0)));
}

#[tokio::test]
async fn an_invalid_configuration_is_reported_without_secrets() {
    for mode in ["local", "pulumi-esc"] {
        let (said, code) =
            said(handed_over(mode, FakeEngine::up()).config("phoenix:qdrant", r#"{"mode":"clustr"}"#)).await;
        assert_eq!(code, Some(32));
        assert!(said.contains("clustr"), "{said}");
    }
}

#[tokio::test]
async fn a_secret_under_an_invalid_key_is_reported_by_its_key() {
    let engine = handed_over("local", FakeEngine::up()).secret("phoenix:openAiKey", &value("openaiApiKey"));
    let (said, code) = said(engine).await;
    assert_eq!(code, Some(32));
    assert!(said.contains("phoenix:openAiKey is encrypted"), "{said}");
}

#[tokio::test]
async fn unusable_values_are_rejected_by_key_before_any_registration() {
    for (mode, way) in [
        ("local", "pulumi config set --secret phoenix:qdrantApiKey"),
        (
            "pulumi-esc",
            "in the environment that the stack file imports with `environment:`",
        ),
    ] {
        for (wrong, reported) in [
            (
                format!("{}\n", value("qdrantApiKey")),
                "begins or ends with a line break or a space",
            ),
            (
                format!(" {}", value("qdrantApiKey")),
                "begins or ends with a line break or a space",
            ),
            (
                value("qdrantApiKey").replace("mQ7", "m\nQ7"),
                "contains a line break or another control character",
            ),
        ] {
            let engine = handed_over(mode, FakeEngine::up())
                .secret("phoenix:qdrantApiKey", &wrong)
                .start()
                .await;
            let output = run_with(&engine, &LOUD).await;
            let said = logged(&engine);
            assert_eq!(output.status.code(), Some(32), "{said}");
            assert!(engine.registrations().is_empty());
            assert!(
                said.contains(&format!("phoenix:qdrantApiKey {reported}")),
                "{said}"
            );
            assert!(said.contains(way), "{said}");
            canaries().are_not_in(&said, "what the program says");
            assert!(!said.contains("9fK2"), "{said}");
        }
        let (said, code) = said(handed_over(mode, FakeEngine::up()).secret("phoenix:qdrantApiKey", "")).await;
        assert_eq!(code, Some(32));
        assert!(said.contains("phoenix:qdrantApiKey has no value"), "{said}");
    }
}

#[tokio::test]
async fn a_secret_imported_as_plain_text_is_reported_with_a_hint() {
    // Numbers and truth values come as plain configuration, whatever the environment marks them as.
    let engine = complete()
        .config("phoenix:secrets", r#"{"mode":"pulumi-esc"}"#)
        .config("phoenix:qdrantApiKey", "471100")
        .config("phoenix:openaiApiKey", &value("openaiApiKey"));
    let (said, code) = said(engine).await;
    assert_eq!(code, Some(32));
    assert!(!said.contains("471100"), "{said}");
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn an_engine_that_repeats_what_it_was_sent_is_not_repeated() {
    for row in needed().into_iter().filter(|row| !row.readers.is_empty()) {
        let value = value(row.key);
        for (name, words) in [
            (
                format!("sophia-memory/{}", row.secret),
                format!("cannot take {value}"),
            ),
            (
                format!("sophia-memory/{}", row.secret),
                format!("cannot take {}", json!(value)),
            ),
        ] {
            for code in [Code::InvalidArgument, Code::Internal, Code::Unknown] {
                let reaction = Reaction::Refuse(code, words.clone());
                let (said, ended) = said(handed_over("local", FakeEngine::up()).react(&name, reaction)).await;
                assert_eq!(ended, Some(32), "{name} {said}");
                assert!(said.contains("[secret]"), "{name} {said}");
            }
        }
    }
}

#[tokio::test]
async fn an_engine_failure_is_reported_without_secrets() {
    for (name, reaction) in [
        ("fail", Reaction::Fail),
        ("skip", Reaction::Skip),
        ("shut down", Reaction::ShutDown),
    ] {
        let engine = handed_over("local", FakeEngine::up()).react("sophia-memory/qdrant-keys", reaction);
        let (_, code) = said(engine).await;
        assert_eq!(code, Some(32), "{name}");
    }
}

#[tokio::test]
async fn a_service_that_repeats_the_token_is_not_repeated() {
    for status in [400, 401, 403, 404, 409, 418] {
        let trouble = Trouble::refusal(status, &format!("no such token: {TOKEN}"));
        let service = environment().trouble(trouble).start();
        let (said, code) = said(in_esc(complete(), service.address())).await;
        assert_eq!(code, Some(32));
        assert!(said.contains("acme/phoenix/prod"), "{said}");
    }
}
