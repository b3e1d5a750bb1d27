//! Secrets from an environment of Pulumi ESC that the program opens itself: the real engine and the real evaluator, behind a
//! service on loopback that answers as the real one does.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Output;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use phoenix::config::secret::INVENTORY;

use crate::esc::{Service, TOKEN};
use crate::live::{Live, files_with, graph, holds, said};

/// What the provider of the definitions fetches. Every value is long enough to be found, and is found nowhere by chance.
const FETCHED: &str = r#"{"vault": {
    "openai": "canary-openai-abf7158809cf4f3c",
    "user": "canary-user-3ad77bb40d7a3660",
    "qdrant": "canary-qdrant-89ecaf4f9e2c1d5b"
}}"#;

const COMMON: &str = "
values:
  keys:
    fn::open::vault: {path: phoenix}
";

const DEV: &str = "
imports: [phoenix/common]
values:
  pulumiConfig:
    phoenix:openaiApiKey: ${keys.openai}
    phoenix:postgresConnectionString: postgresql://${keys.user}@db.example.com/memory
    phoenix:mem0EncryptionKey: {fn::secret: canary-mem0-f58c4c04d6e5f1ba}
    phoenix:qdrantApiKey: ${keys.qdrant}
    phoenix:qdrantReadOnlyApiKey: {fn::secret: canary-read-779eabfb5f7bfbd6}
";

/// The service with the environments of these tests.
fn start(folder: &Path) -> Service {
    let definitions = folder.join("definitions/phoenix");
    std::fs::create_dir_all(&definitions).unwrap();
    let incomplete = DEV.replace("phoenix:qdrantApiKey", "other:qdrantApiKey");
    let broken = DEV.replace("${keys.openai}", "${keys.nowhere}");
    for (name, text) in [
        ("common", COMMON),
        ("dev", DEV),
        ("incomplete", &incomplete),
        ("broken", &broken),
    ] {
        std::fs::write(definitions.join(format!("{name}.yaml")), text).unwrap();
    }
    Service::start(folder, &serde_json::from_str(FETCHED).unwrap())
}

/// The engine on a copy of the stack file whose secrets come from this environment.
fn pulumi(live: &Live, service: &Service, environment: &str, token: &str, arguments: &[&str]) -> Output {
    let file = live.sandbox().project().join("Pulumi.dev.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let own = |line: &str| {
        line.contains("secure:")
            || INVENTORY
                .iter()
                .any(|row| line.trim_start().starts_with(&format!("phoenix:{}:", row.key)))
    };
    let kept: Vec<_> = text.lines().filter(|line| !own(line)).collect();
    let secrets = format!(
        "{{mode: esc-direct, environment: acme/phoenix/{environment}, url: \"{}\"}}",
        service.address
    );
    let changed: Vec<_> = kept
        .join("\n")
        .split("phoenix:secrets:")
        .map(str::to_owned)
        .collect();
    let [before, after] = &changed[..] else {
        panic!("the copy has one phoenix:secrets: {text}")
    };
    let after = after.trim_start().strip_prefix("mode: local").expect(after);
    std::fs::write(&file, format!("{before}phoenix:secrets: {secrets}{after}\n")).unwrap();
    let output = live
        .pulumi_as_it_is()
        .args(arguments)
        .env("PHOENIX_ESC_TOKEN", token)
        .output()
        .unwrap();
    std::fs::write(&file, text).unwrap();
    output
}

/// What the cluster holds for each key of the inventory.
fn in_cluster(live: &Live) -> BTreeMap<&'static str, String> {
    live.ask(|client| async move {
        let secrets: Api<Secret> = Api::namespaced(client, "sophia-memory");
        let mut values = BTreeMap::new();
        for row in INVENTORY {
            let data = secrets.get(row.secret).await.unwrap().data.unwrap();
            let value = String::from_utf8(data[row.data_key].0.clone()).unwrap();
            values.insert(row.key, value);
        }
        values
    })
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn secrets_come_from_an_environment_of_esc_and_are_nowhere_to_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = start(folder.path());
    let live = Live::up("dev");
    let mut words = String::new();

    for arguments in [&["preview", "--diff"][..], &["up", "--yes", "--skip-preview"]] {
        let output = pulumi(&live, &service, "dev", TOKEN, arguments);
        assert!(output.status.success(), "{}", said(&output));
        words += &said(&output);
    }
    let values = in_cluster(&live);
    let expected = BTreeMap::from([
        ("openaiApiKey", "canary-openai-abf7158809cf4f3c"),
        (
            "postgresConnectionString",
            "postgresql://canary-user-3ad77bb40d7a3660@db.example.com/memory",
        ),
        ("mem0EncryptionKey", "canary-mem0-f58c4c04d6e5f1ba"),
        ("qdrantApiKey", "canary-qdrant-89ecaf4f9e2c1d5b"),
        ("qdrantReadOnlyApiKey", "canary-read-779eabfb5f7bfbd6"),
    ]);
    assert_eq!(
        values,
        expected
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()))
            .collect()
    );

    // What is wrong is told, and changes nothing.
    let before = live.versions(&graph("dev"));
    for (environment, token, told) in [
        (
            "dev",
            "pul-canary-of-somebody-else",
            "ESC does not accept the access token for acme/phoenix/dev",
        ),
        (
            "nowhere",
            TOKEN,
            "ESC has no acme/phoenix/nowhere for this access token",
        ),
        (
            "incomplete",
            TOKEN,
            "pulumiConfig[\"phoenix:qdrantApiKey\"] is missing",
        ),
        (
            "broken",
            TOKEN,
            "phoenix/broken:5:33: unknown property \"nowhere\"",
        ),
        ("dev", "", "set PHOENIX_ESC_TOKEN to an access token"),
    ] {
        words += &refused(&live, &service, environment, token, told);
    }
    service.stop();
    words += &refused(
        &live,
        &service,
        "dev",
        TOKEN,
        "could not be asked for acme/phoenix/dev",
    );
    assert_eq!(live.versions(&graph("dev")), before, "nothing was changed");

    let mut canaries: Vec<String> = values.into_values().collect();
    canaries.extend([TOKEN.to_owned(), "canary-user-3ad77bb40d7a3660".to_owned()]);
    for canary in &canaries {
        assert!(!holds(&words, canary), "a secret was said");
    }
    let leaks = files_with(&live.directory(), &canaries, &[OsStr::new("etcd")]);
    assert_eq!(leaks, Vec::<std::path::PathBuf>::new());
}

fn refused(live: &Live, service: &Service, environment: &str, token: &str, told: &str) -> String {
    let output = pulumi(
        live,
        service,
        environment,
        token,
        &["up", "--yes", "--skip-preview"],
    );
    let said = said(&output);
    assert!(!output.status.success() && said.contains(told), "{told}: {said}");
    said
}
