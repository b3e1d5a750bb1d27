//! A stack from its first `up` to a `destroy` that leaves nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;

use crate::live::{Live, PHOENIX, checkout_state, files_with, graph, pods_of, root, said};
use phoenix_testing::canary::Canaries;

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn dev_goes_up_stays_follows_its_file_and_goes_without_a_trace() {
    let before = checkout_state();
    let live = Live::up("dev");
    let mut words = String::new();

    live.is_ready_with(pods_of(&graph("dev")));
    assert_eq!(
        live.versions(&graph("dev")).len(),
        graph("dev").len(),
        "every object of the graph is in the cluster"
    );

    // A second `up` changes nothing, and a refresh finds no drift.
    words += &live.pulumi(&["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    words += &live.pulumi(&["refresh", "--yes", "--expect-no-changes"]);
    words += &live.pulumi(&["preview", "--diff", "--expect-no-changes"]);

    words += &a_changed_file_changes_exactly_what_diff_says(&live);

    // Nobody has said a secret or the passphrase, and no file holds one: neither the state nor a log.
    let secrets = live.secrets("dev");
    assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), secrets.len());
    let canaries = Canaries::of(secrets.iter().map(String::as_str));
    canaries.are_not_in(&words, "what was said");
    // The passphrase has its own file; etcd is the cluster's own store of Secrets.
    let leaks = files_with(
        &live.directory(),
        &canaries,
        &[&live.passphrase_file(), OsStr::new("etcd")],
    );
    assert_eq!(leaks, Vec::<std::path::PathBuf>::new());

    // Back to the file of the checkout; what the change retained is no longer retained.
    live.pulumi(&["up", "--yes", "--skip-preview"]);
    live.pulumi(&["destroy", "--yes", "--skip-preview"]);
    assert_eq!(live.versions(&graph("dev")).into_keys().collect::<Vec<_>>(), []);
    assert_eq!(live.pods(), 0);
    assert_eq!(checkout_state(), before, "the checkout is as it was");
}

/// Changes the stack file, and compares what `diff` says with what happens in the cluster.
fn a_changed_file_changes_exactly_what_diff_says(live: &Live) -> String {
    let change = |text: String| {
        text.replace("auditDays: 7", "auditDays: 8")
            .replace("phoenix:environment: dev", "phoenix:environment: staging")
    };
    let announced = announced(&change);
    assert!(
        announced.len() >= 3,
        "the change is large enough to tell something: {announced:?}"
    );

    let project = live.sandbox().project();
    let file = project.join("Pulumi.dev.yaml");
    // The copy has one key a line too, so the same words change it.
    let copy = std::fs::read_to_string(&file).unwrap();
    let changed = change(copy.clone());
    assert_ne!(copy, changed);
    std::fs::write(&file, changed).unwrap();

    let graph = graph("dev");
    let before = live.versions(&graph);
    let output = live
        .pulumi_as_it_is()
        .args(["up", "--yes", "--skip-preview"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let after = live.versions(&graph);
    let happened: BTreeSet<String> = graph
        .objects()
        .filter(|object| before.get(&object.id) != after.get(&object.id))
        .map(|object| object.id.to_string())
        .collect();
    assert_eq!(happened, announced);
    live.is_ready_with(pods_of(&graph));
    said(&output)
}

/// The objects that `phoenix diff` names for this change, in a checkout of its own.
fn announced(change: &dyn Fn(String) -> String) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let copy = |path: &str| {
        let target = folder.path().join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(root().join(path), target).unwrap();
    };
    for path in ["Cargo.toml", "Pulumi.yaml", "stacks/Pulumi.dev.yaml"] {
        copy(path);
    }
    for entry in std::fs::read_dir(root().join("tests/snapshots/dev")).unwrap() {
        copy(&format!(
            "tests/snapshots/dev/{}",
            entry.unwrap().file_name().to_str().unwrap()
        ));
    }
    let git = |arguments: &[&str]| {
        let identity = [
            "-c",
            "user.name=tests",
            "-c",
            "user.email=tests@example.com",
            "-c",
            "init.defaultBranch=main",
        ];
        let output = Command::new("git")
            .current_dir(folder.path())
            .args(identity)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "as it is"]);
    let file = folder.path().join("stacks/Pulumi.dev.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, change(text)).unwrap();

    let output = Command::new(PHOENIX)
        .arg("--root")
        .arg(folder.path())
        .args(["diff", "dev", "--base", "HEAD", "--format", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    objects(&answer)
}

fn objects(answer: &Value) -> BTreeSet<String> {
    let named = |object: &Value| {
        let text = |field: &str| object[field].as_str().map(str::to_owned);
        let (kind, name) = (text("kind").unwrap(), text("name").unwrap());
        let path = text("namespace").map_or(name.clone(), |namespace| format!("{namespace}/{name}"));
        format!("{kind} {path}")
    };
    answer["objects"].as_array().unwrap().iter().map(named).collect()
}
