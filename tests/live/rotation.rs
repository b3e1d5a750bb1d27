//! A changed secret reaches exactly the pods that read it, in a Secret that stays the same object, and nobody says a value.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Write as _;
use std::process::Stdio;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, ListParams};

use crate::live::{Live, files_with, graph, pods_of, said};
use phoenix_testing::canary::Canaries;

const OPENMEMORY: &str = "openmemory-mcp-server";
const QDRANT: &str = "qdrant";
const CHECKSUM: &str = "phoenix.ai/secrets-checksum";

/// What tells whether something was made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// The UIDs of the Secrets.
    secrets: BTreeMap<String, String>,
    /// The keys in the Secrets.
    keys: BTreeMap<String, BTreeSet<String>>,
    /// The checksum in the template of each workload.
    checksums: BTreeMap<&'static str, String>,
    /// The UIDs of the pods of each workload.
    pods: BTreeMap<&'static str, BTreeSet<String>>,
}

fn look(live: &Live) -> Seen {
    live.ask(|client| async move {
        let mut seen = Seen {
            secrets: BTreeMap::new(),
            keys: BTreeMap::new(),
            checksums: BTreeMap::new(),
            pods: BTreeMap::new(),
        };
        let namespace = "sophia-memory";
        for name in ["sophia-secrets", "qdrant-keys"] {
            let secret = Api::<Secret>::namespaced(client.clone(), namespace)
                .get(name)
                .await
                .unwrap();
            seen.secrets.insert(name.to_owned(), secret.metadata.uid.unwrap());
            let keys = secret.data.unwrap().into_keys().collect();
            seen.keys.insert(name.to_owned(), keys);
        }
        let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
        let deployment = deployments.get(OPENMEMORY).await.unwrap();
        let sets = Api::<StatefulSet>::namespaced(client.clone(), namespace);
        let set = sets.get(QDRANT).await.unwrap();
        let templates = [
            (OPENMEMORY, deployment.spec.unwrap().template),
            (QDRANT, set.spec.unwrap().template),
        ];
        for (name, template) in templates {
            let annotations = template.metadata.unwrap().annotations.unwrap();
            seen.checksums.insert(name, annotations[CHECKSUM].clone());
        }
        for (name, app) in [(OPENMEMORY, "openmemory-mcp"), (QDRANT, "qdrant")] {
            let pods = Api::<Pod>::namespaced(client.clone(), namespace);
            let found = pods
                .list(&ListParams::default().labels(&format!("app={app}")))
                .await
                .unwrap();
            let staying = found
                .into_iter()
                .filter(|pod| pod.metadata.deletion_timestamp.is_none());
            seen.pods
                .insert(name, staying.map(|pod| pod.metadata.uid.unwrap()).collect());
        }
        seen
    })
}

/// Types a command of the engine in the copy as it is, with a value on standard input where one is asked for.
fn pulumi(live: &Live, arguments: &[&str], value: Option<&str>) -> String {
    let mut child = live
        .pulumi_as_it_is()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(value.unwrap_or_default().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

/// Changes secrets as the runbook says and deploys; then the pods of exactly these workloads are new ones.
fn rotate(live: &Live, values: &[(&str, &str)], rolled: &[&str]) -> String {
    live.is_ready_with(pods_of(&graph("dev")));
    let before = look(live);
    let mut words = String::new();
    for (key, value) in values {
        let key = format!("phoenix:{key}");
        words += &pulumi(live, &["config", "set", "--secret", &key], Some(value));
    }
    let preview = pulumi(live, &["preview", "--diff"], None);
    assert!(
        !preview.contains("replaced") && !preview.contains("+-"),
        "{preview}"
    );
    words += &preview;
    words += &pulumi(live, &["up", "--yes", "--skip-preview"], None);
    live.is_ready_with(pods_of(&graph("dev")));
    let after = look(live);
    assert_eq!(
        after.secrets, before.secrets,
        "a Secret is updated, never replaced"
    );
    for workload in [OPENMEMORY, QDRANT] {
        let is_new = rolled.contains(&workload);
        assert_eq!(
            after.checksums[workload] != before.checksums[workload],
            is_new,
            "the checksum of {workload} after {rolled:?}"
        );
        assert_eq!(
            after.pods[workload].is_disjoint(&before.pods[workload]),
            is_new,
            "the pods of {workload}: {before:?} {after:?}"
        );
    }
    words
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn a_changed_secret_reaches_exactly_its_readers_and_qdrant_changes_its_key_in_three_steps() {
    const OPENAI: &str = "sk-canary-3b1d0c9f7a5e4d82";
    const NEW: &str = "canary-new-5e0d7f1b9c3a48e6d2f4";
    let live = Live::up("dev");
    let old = live.secrets("dev");
    let mut words = rotate(&live, &[("openaiApiKey", OPENAI)], &[OPENMEMORY]);

    // The read-only key has one reader.
    let reading = "canary-read-0f9e8d7c6b5a49382716";
    words += &rotate(&live, &[("qdrantReadOnlyApiKey", reading)], &[QDRANT]);

    // Qdrant's key: the new one beside the old one, the two exchanged, the old one away.
    let file = live.sandbox().project().join("Pulumi.dev.yaml");
    let text = || std::fs::read_to_string(&file).unwrap();
    let key = pulumi(&live, &["config", "get", "phoenix:qdrantApiKey"], None);
    let former = key.trim();
    let without = text();
    let with = without.replacen("    mode: single\n", "    mode: single\n    altApiKey: true\n", 1);
    assert_ne!(with, without);
    std::fs::write(&file, with).unwrap();
    words += &rotate(&live, &[("qdrantAltApiKey", NEW)], &[QDRANT]);
    words += &rotate(
        &live,
        &[("qdrantApiKey", NEW), ("qdrantAltApiKey", former)],
        &[OPENMEMORY, QDRANT],
    );
    assert!(look(&live).keys["qdrant-keys"].contains("alt-api-key"));
    let without = text().replacen("    altApiKey: true\n", "", 1);
    std::fs::write(&file, without).unwrap();
    words += &pulumi(&live, &["config", "rm", "phoenix:qdrantAltApiKey"], None);
    words += &rotate(&live, &[], &[QDRANT]);
    assert_eq!(
        look(&live).keys["qdrant-keys"],
        BTreeSet::from(["api-key", "read-only-api-key"].map(str::to_owned)),
        "the old key is away"
    );

    // Another key of the checksums makes all of them new.
    let key = "canary-checksum-9182736455463728";
    words += &rotate(&live, &[("checksumKey", key)], &[OPENMEMORY, QDRANT]);
    // Nothing is left to do.
    words += &pulumi(
        &live,
        &["up", "--yes", "--skip-preview", "--expect-no-changes"],
        None,
    );

    let canaries = Canaries::of(
        [OPENAI, reading, NEW, key]
            .into_iter()
            .chain(old.iter().map(String::as_str)),
    );
    canaries.are_not_in(&words, "what was said");
    let leaks = files_with(
        &live.directory(),
        &canaries,
        &[&live.passphrase_file(), OsStr::new("etcd")],
    );
    assert_eq!(leaks, Vec::<std::path::PathBuf>::new());
}
