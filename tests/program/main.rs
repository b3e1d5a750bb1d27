//! The program as Pulumi runs it: the real binary, with an engine in this process.
#![allow(
    clippy::disallowed_methods,
    reason = "tests start the program and inspect its output"
)]

mod esc;
mod leaks;
mod tls;

use std::collections::BTreeMap;
use std::process::Output;

use phoenix::names::SANDBOX_LABEL;
use phoenix_testing::canary;
use pulumi_wire::Value;
use pulumi_wire::fake::{FakeEngine, Script};
use tokio::process::Command;

/// The cluster of these tests.
const CLUSTER: &str =
    r#"{"context":"somewhere","uid":"7f4a2c1e-5b0d-4e8a-9c36-1d2e3f405162","identifier":"tests"}"#;

/// A complete configuration of Qdrant.
const QDRANT: &str = r#"{"image":"qdrant/qdrant:v1.19.0-unprivileged","mode":"single","replicas":1,"replicationFactor":1,"writeConsistencyFactor":1,"resources":{"requests":{"cpu":"100m","memory":"256Mi"},"limits":{"cpu":"1","memory":"1Gi"}},"storage":{"size":"1Gi"},"snapshots":{"size":"1Gi"}}"#;

/// An engine with a cluster that has this UID.
fn in_cluster(script: Script, uid: &str) -> Script {
    namespace(script, BTreeMap::from([("uid".to_owned(), Value::from(uid))]))
}

/// An engine with the cluster of a sandbox.
fn in_sandbox(script: Script) -> Script {
    let label = BTreeMap::from([(SANDBOX_LABEL.to_owned(), Value::from("true"))]);
    namespace(
        script,
        BTreeMap::from([("labels".to_owned(), Value::Object(label))]),
    )
}

fn namespace(script: Script, metadata: BTreeMap<String, Value>) -> Script {
    script.existing(
        "kube-system",
        &BTreeMap::from([("metadata".to_owned(), Value::Object(metadata))]),
    )
}

/// A complete configuration of a stack, with its cluster.
fn complete() -> Script {
    complete_for(FakeEngine::up())
}

/// The same for another operation of the engine than an update.
fn complete_for(engine: Script) -> Script {
    let engine = in_cluster(engine, "7f4a2c1e-5b0d-4e8a-9c36-1d2e3f405162");
    let keys = [
        ("environment", "dev"),
        ("cluster", CLUSTER),
        (
            "namespace",
            r#"{"quota":{"requestsCpu":"2","requestsMemory":"4Gi","limitsCpu":"12","limitsMemory":"12Gi","pods":10,"requestsStorage":"10Gi"}}"#,
        ),
        (
            "openmemory",
            r#"{"image":"team/openmemory:1.0","replicas":1,"resources":{"requests":{"cpu":"100m","memory":"256Mi"},"limits":{"cpu":"1","memory":"1Gi"}},"storage":{"mode":"exclusive","size":"1Gi"}}"#,
        ),
        ("qdrant", QDRANT),
        ("postgres", r#"{"host":"db.example.com"}"#),
        ("secrets", r#"{"mode":"local"}"#),
    ];
    keys.into_iter().fold(engine, |script, (key, value)| {
        script.config(&format!("phoenix:{key}"), value)
    })
}

fn with_secrets(script: Script) -> Script {
    phoenix::config::secret::INVENTORY
        .iter()
        .fold(script, |script, row| {
            script.secret(&format!("phoenix:{}", row.key), &canary::value(row.key))
        })
}

async fn run(fake: &FakeEngine) -> Output {
    run_with(fake, &[]).await
}

/// The program with these environment variables in addition to those of the engine.
async fn run_with(fake: &FakeEngine, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-program"));
    let kubeconfig = tempfile::NamedTempFile::new().unwrap();
    let contexts = "contexts: [{name: somewhere}, {name: phoenix-sandbox-a}]";
    std::fs::write(kubeconfig.path(), contexts).unwrap();
    command.env_clear().envs(fake.environment());
    command.env("KUBECONFIG", kubeconfig.path());
    command.envs(variables.iter().copied());
    command.output().await.unwrap()
}

fn logged(fake: &FakeEngine) -> String {
    fake.logs()
        .into_iter()
        .map(|(_, message, _)| message)
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn a_complete_stack_is_registered() {
    let fake = with_secrets(complete()).start().await;
    let output = run(&fake).await;
    assert!(output.status.success(), "{output:?} {}", logged(&fake));
    assert!(
        output.stdout.is_empty() && output.stderr.is_empty(),
        "a good run says nothing"
    );
    assert!(fake.registrations().len() > 20);
}

#[tokio::test]
async fn an_update_requires_postgres_over_verified_tls() {
    let url = canary::value("postgresConnectionString").replace("sslmode=verify-full", "sslmode=require");
    let weak = with_secrets(complete()).secret("phoenix:postgresConnectionString", &url);
    assert!(run(&weak.clone().start().await).await.status.success(), "in dev");

    let fake = weak.config("phoenix:environment", "staging").start().await;
    assert_eq!(run(&fake).await.status.code(), Some(32));
    let reported = logged(&fake);
    assert!(
        reported.contains("phoenix:postgresConnectionString does not have `sslmode=verify-full`"),
        "{reported}"
    );
    assert!(!reported.contains("cAnArY"), "no value is shown");
    assert!(fake.registrations().is_empty());
}

#[tokio::test]
async fn in_another_cluster_nothing_but_the_provider_is_registered() {
    let fake = in_cluster(with_secrets(complete()), "0b1c2d3e-0000-4000-8000-aabbccddeeff")
        .start()
        .await;
    assert_eq!(run(&fake).await.status.code(), Some(32));
    let reported = logged(&fake);
    assert!(
        reported.contains("the context somewhere leads to another cluster than the stack's own"),
        "{reported}"
    );
    let registered: Vec<_> = fake
        .registrations()
        .into_iter()
        .map(|request| request.r#type)
        .collect();
    assert_eq!(registered, ["pulumi:pulumi:Stack", "pulumi:providers:kubernetes"]);
}

#[tokio::test]
async fn without_the_context_nothing_at_all_is_registered() {
    let cluster = CLUSTER.replace("somewhere", "elsewhere");
    let fake = with_secrets(complete())
        .config("phoenix:cluster", &cluster)
        .start()
        .await;
    assert_eq!(run(&fake).await.status.code(), Some(32));
    let reported = logged(&fake);
    assert!(
        reported.starts_with("stack stack cannot be deployed from here: the kubeconfig (")
            && reported.contains("has no context elsewhere (phoenix:cluster.context); its contexts: phoenix-sandbox-a, somewhere"),
        "{reported}"
    );
    assert!(fake.registrations().is_empty());
}

#[tokio::test]
async fn an_outdated_pulumi_is_rejected_before_anything_is_registered() {
    let fake = with_secrets(complete()).without_version_check().start().await;
    assert_eq!(run(&fake).await.status.code(), Some(32));
    let reported = logged(&fake);
    assert!(
        reported.contains("this version of Pulumi is too old") && reported.contains(">=3.255.0"),
        "{reported}"
    );
    assert!(fake.registrations().is_empty());
}

#[tokio::test]
async fn missing_secrets_are_all_named_and_nothing_is_registered() {
    let fake = complete().start().await;
    let output = run(&fake).await;
    assert_eq!(
        output.status.code(),
        Some(32),
        "the engine has shown the error already"
    );
    assert!(fake.registrations().is_empty());
    for row in phoenix::config::secret::needed(&phoenix::names::CORE) {
        assert!(logged(&fake).contains(&format!("pulumi config set --secret phoenix:{}", row.key)));
    }
}

#[tokio::test]
async fn the_second_key_of_qdrant_is_asked_for_while_the_stack_says_so_and_must_be_another() {
    let reported = async |second: Option<&str>| {
        let qdrant = QDRANT.replacen('{', r#"{"altApiKey":true,"#, 1);
        let script = with_secrets(complete()).config("phoenix:qdrant", &qdrant);
        let script = script.secret("phoenix:qdrantAltApiKey", second.unwrap_or_default());
        let fake = script.start().await;
        let code = run(&fake).await.status.code();
        let reported = logged(&fake);
        assert!(!reported.contains("canary"), "{reported}");
        assert_eq!(code == Some(0), fake.registrations().len() > 2, "{reported}");
        (code, reported)
    };
    let (code, problem) = reported(None).await;
    assert_eq!(code, Some(32));
    assert!(
        problem.contains("phoenix:qdrantAltApiKey has no value"),
        "{problem}"
    );
    let (code, problem) = reported(Some(&canary::value("qdrantApiKey"))).await;
    assert_eq!(code, Some(32));
    assert!(
        problem.contains("phoenix:qdrantAltApiKey is the same as phoenix:qdrantApiKey"),
        "{problem}"
    );
    assert_eq!(
        reported(Some("canary-of-another")).await,
        (Some(0), String::new())
    );
}

#[tokio::test]
async fn without_a_key_for_the_checksums_nothing_is_registered() {
    let fake = with_secrets(complete())
        .secret("phoenix:checksumKey", "")
        .start()
        .await;
    assert_eq!(run(&fake).await.status.code(), Some(32));
    assert!(fake.registrations().is_empty());
    let reported = logged(&fake);
    assert!(
        reported.contains("phoenix:checksumKey has no value") && reported.contains("openssl rand -hex 32"),
        "{reported}"
    );
}

#[tokio::test]
async fn an_empty_secret_is_a_missing_one() {
    let fake = with_secrets(complete())
        .secret("phoenix:qdrantApiKey", " \n")
        .start()
        .await;
    assert_eq!(run(&fake).await.status.code(), Some(32));
    assert!(
        logged(&fake).contains("phoenix:qdrantApiKey has no value"),
        "{}",
        logged(&fake)
    );
}

#[tokio::test]
async fn a_placeholder_is_rejected_except_in_a_sandbox() {
    let placeholder =
        r#"{"context":{"placeholder":"the context"},"uid":{"placeholder":"its UID"},"identifier":"tests"}"#;
    let fake = with_secrets(complete())
        .config("phoenix:cluster", placeholder)
        .start()
        .await;
    assert_eq!(run(&fake).await.status.code(), Some(32));
    assert!(fake.registrations().is_empty());
    assert!(
        logged(&fake).contains("phoenix:cluster.context is a placeholder for the context"),
        "{}",
        logged(&fake)
    );

    let postgres_unknown = |script: Script| {
        let cluster =
            r#"{"context":"phoenix-sandbox-a","uid":{"placeholder":"its UID"},"identifier":"tests"}"#;
        script
            .config("phoenix:cluster", cluster)
            .config("phoenix:postgres", r#"{"host":{"placeholder":"the host"}}"#)
    };
    assert_eq!(
        run(&postgres_unknown(with_secrets(complete())).start().await)
            .await
            .status
            .code(),
        Some(32)
    );
    let marked = || postgres_unknown(with_secrets(complete())).config("phoenix:sandbox", "true");
    let sandbox = in_sandbox(marked()).start().await;
    assert!(run(&sandbox).await.status.success(), "{}", logged(&sandbox));

    // A context may have any name; what it leads to says whether it is a sandbox.
    let elsewhere = marked().start().await;
    assert_eq!(run(&elsewhere).await.status.code(), Some(32));
    let reported = logged(&elsewhere);
    assert!(
        reported.contains("the cluster of the context phoenix-sandbox-a is not a sandbox"),
        "{reported}"
    );
    assert_eq!(elsewhere.registrations().len(), 2, "the stack and its provider");
}

#[tokio::test]
async fn an_invalid_value_is_reported_through_the_engine() {
    let fake = with_secrets(complete())
        .config("phoenix:postgres", r#"{"hosst":"db.example.com"}"#)
        .start()
        .await;
    assert_eq!(run(&fake).await.status.code(), Some(32));
    let reported = logged(&fake);
    assert!(
        reported.contains("phoenix:postgres.hosst is not a key")
            && reported.contains("did you mean phoenix:postgres.host?"),
        "{reported}"
    );
}

#[tokio::test]
async fn started_by_hand_it_says_who_starts_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_phoenix-program"))
        .env_clear()
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("pulumi up"), "{said}");
}
