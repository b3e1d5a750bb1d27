//! Secrets from an environment of Pulumi ESC that the program opens itself: the real engine and the real evaluator, behind a
//! service on loopback that answers as the real one does.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Output;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use phoenix::config::secret::INVENTORY;
use serde_json::{Value, json};

use crate::esc::{Service, TOKEN};
use crate::live::{Live, files_with, graph, needed, said};
use phoenix_testing::canary::{self, Canaries};

const COMMON: &str = "
values:
  keys:
    fn::open::vault: {path: phoenix}
";

/// What the provider of the definitions fetches: a login, and everything else that is not written into the environment.
fn fetched() -> Value {
    let url = canary::value("postgresConnectionString");
    let (login, _) = url.trim_start_matches("postgresql://").split_once('@').unwrap();
    json!({"vault": {"login": login, "openai": canary::value("openaiApiKey"), "qdrant": canary::value("qdrantApiKey")}})
}

/// An environment with every secret that the stack needs.
fn definition() -> String {
    let head = "imports: [phoenix/common]\nvalues:\n  pulumiConfig:\n".to_owned();
    needed("dev").into_iter().fold(head, |text, row| {
        let value = match row.key {
            "openaiApiKey" => "${keys.openai}".to_owned(),
            "qdrantApiKey" => "${keys.qdrant}".to_owned(),
            "postgresConnectionString" => {
                "postgresql://${keys.login}@db.example.com:5432/memory?sslmode=verify-full".to_owned()
            }
            key => format!("{{fn::secret: {}}}", json!(canary::value(key))),
        };
        text + &format!("    {}: {value}\n", row.full_key())
    })
}

/// The service with the environments of these tests.
pub fn start(folder: &Path) -> Service {
    let definitions = folder.join("definitions/phoenix");
    std::fs::create_dir_all(&definitions).unwrap();
    let dev = definition();
    let incomplete = dev.replace("phoenix:qdrantApiKey", "other:qdrantApiKey");
    let broken = dev.replace("${keys.openai}", "${keys.nowhere}");
    for (name, text) in [
        ("common", COMMON),
        ("dev", &dev),
        ("incomplete", &incomplete),
        ("broken", &broken),
    ] {
        std::fs::write(definitions.join(format!("{name}.yaml")), text).unwrap();
    }
    Service::start(folder, &fetched())
}

/// The engine on a copy of the stack file whose secrets come from this environment.
fn pulumi(live: &Live, service: &Service, environment: &str, token: &str, arguments: &[&str]) -> Output {
    from_environment(live, service, environment, || {
        live.pulumi_as_it_is()
            .args(arguments)
            .env("PHOENIX_ESC_TOKEN", token)
            .output()
            .unwrap()
    })
}

/// Does something while the copy of the stack file takes its secrets from this environment.
pub fn from_environment<T>(live: &Live, service: &Service, environment: &str, act: impl FnOnce() -> T) -> T {
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
    let done = act();
    std::fs::write(&file, text).unwrap();
    done
}

/// What the cluster holds for each key of the inventory.
fn in_cluster(live: &Live) -> BTreeMap<&'static str, String> {
    live.ask(|client| async move {
        let secrets: Api<Secret> = Api::namespaced(client, "sophia-memory");
        let mut values = BTreeMap::new();
        for row in needed("dev").into_iter().filter(|row| !row.readers.is_empty()) {
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
    for (key, value) in &values {
        assert!(
            *value == canary::value(key),
            "{key} is another value in the cluster"
        );
    }

    // An error is reported, and nothing changes.
    let before = live.versions(&graph("dev"));
    for (environment, token, reported) in [
        (
            "dev",
            "pul-canary-of-somebody-else",
            "ESC rejected the access token for acme/phoenix/dev",
        ),
        (
            "nowhere",
            TOKEN,
            "ESC found no environment acme/phoenix/nowhere for this access token",
        ),
        (
            "incomplete",
            TOKEN,
            "pulumiConfig[\"phoenix:qdrantApiKey\"] is missing",
        ),
        (
            "broken",
            TOKEN,
            "phoenix/broken:4:33: unknown property \"nowhere\"",
        ),
        ("dev", "", "set PHOENIX_ESC_TOKEN to a Pulumi"),
    ] {
        words += &refused(&live, &service, environment, token, reported);
    }
    service.stop();
    words += &refused(
        &live,
        &service,
        "dev",
        TOKEN,
        "is not available for acme/phoenix/dev",
    );
    assert_eq!(live.versions(&graph("dev")), before, "nothing was changed");

    let canaries = canaries();
    canaries.are_not_in(&words, "what was said");
    let leaks = files_with(&live.directory(), &canaries, &[OsStr::new("etcd")]);
    assert_eq!(leaks, Vec::<std::path::PathBuf>::new());
}

/// Every secret of the environments, and the token.
pub fn canaries() -> Canaries {
    let values: Vec<_> = needed("dev").iter().map(|row| canary::value(row.key)).collect();
    Canaries::of(values.iter().map(String::as_str).chain([TOKEN]))
}

fn refused(live: &Live, service: &Service, environment: &str, token: &str, reported: &str) -> String {
    let output = pulumi(
        live,
        service,
        environment,
        token,
        &["up", "--yes", "--skip-preview"],
    );
    let said = said(&output);
    assert!(
        !output.status.success() && said.contains(reported),
        "{reported}: {said}"
    );
    said
}
