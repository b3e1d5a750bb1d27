//! What a person sees who types `pulumi` with something wrong: clear words, exit code 1, nothing changed.

use std::path::Path;
use std::process::Output;

use crate::live::{Live, graph, said};

/// Changes the copy of the stack file, and runs `pulumi up` on it.
fn up_with(live: &Live, change: impl Fn(&str) -> String) -> Output {
    let file = live.sandbox().project().join("Pulumi.dev.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed);
    std::fs::write(&file, changed).unwrap();
    let mut up = live.pulumi_as_it_is();
    up.args(["up", "--yes", "--skip-preview", "--non-interactive"]);
    let output = up.output().unwrap();
    std::fs::write(&file, text).unwrap();
    output
}

/// What is wrong, the change of the stack file that makes it so, and what is said about it.
type Case = (&'static str, fn(&str) -> String, &'static str);

fn without_line(text: &str, word: &str) -> String {
    let kept: Vec<_> = text.lines().filter(|line| !line.contains(word)).collect();
    kept.join("\n")
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn errors_are_reported_and_nothing_changes() {
    let live = Live::up("dev");
    let graph = graph("dev");
    let before = live.versions(&graph);

    let cases: [Case; 4] = [
        (
            "a placeholder outside the sandbox",
            |text| without_line(text, "phoenix:sandbox"),
            "phoenix:openmemory.image is a placeholder",
        ),
        (
            "a wrong type",
            |text| text.replace("auditDays: 7", "auditDays: seven"),
            "phoenix:qdrant.auditDays is the string \"seven\"",
        ),
        (
            "an unknown key",
            |text| text.replace("auditDays: 7", "auditDay: 7"),
            "did you mean phoenix:qdrant.auditDays?",
        ),
        (
            "a missing secret",
            |text| text.replace("phoenix:qdrantApiKey", "other:qdrantApiKey"),
            "pulumi config set --secret phoenix:qdrantApiKey",
        ),
    ];
    for (what, change, expected) in cases {
        let output = up_with(&live, change);
        assert!(!output.status.success(), "{what}");
        assert!(said(&output).contains(expected), "{what}: {}", said(&output));
        assert!(!said(&output).contains("panicked"), "{what}: {}", said(&output));
    }
    assert_eq!(live.versions(&graph), before);

    // Somebody else's host of the same name on PATH is not used, and not warned about.
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("pulumi-language-rust");
    phoenix_testing::programs::script(&other, "#!/bin/sh\necho 'the wrong host' >&2\nexit 1\n");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = live
        .pulumi_as_it_is()
        .args(["preview", "--expect-no-changes"])
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        !said(&output).contains("$PATH") && !said(&output).contains("wrong host"),
        "{}",
        said(&output)
    );
}

/// A change that a working `up` would make, so that one that should not work has something to do.
fn to_do(text: &str) -> String {
    text.replace("auditDays: 7", "auditDays: 9")
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn without_its_own_cluster_a_stack_changes_neither_cluster_nor_state() {
    let live = Live::up("dev");
    let graph = graph("dev");
    let state = || live.pulumi(&["stack", "export"]);
    let (before, state_before) = (live.versions(&graph), state());
    let sandbox = live.sandbox();
    let uid = sandbox.cluster().unwrap().uid().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let unreachable = folder.path().join("unreachable");
    let kubeconfig = std::fs::read_to_string(sandbox.kubeconfig()).unwrap();
    let port = kubeconfig
        .split("https://127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split(|character: char| !character.is_ascii_digit()).next())
        .unwrap();
    // Nothing listens at port 1.
    std::fs::write(
        &unreachable,
        kubeconfig.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:1"),
    )
    .unwrap();

    let other = "0b1c2d3e-0000-4000-8000-aabbccddeeff";
    let file = sandbox.project().join("Pulumi.dev.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    // As a person types it: with its preview.
    let typed = |arguments: &[&str], text: &str, kubeconfig: Option<&Path>| {
        assert_ne!(text, good);
        std::fs::write(&file, text).unwrap();
        let mut command = live.pulumi_as_it_is();
        command.args(arguments).args(["--yes", "--non-interactive"]);
        command.envs(kubeconfig.map(|path| ("KUBECONFIG", path)));
        command.output().unwrap()
    };
    let up = |text: &str, kubeconfig| typed(&["up"], text, kubeconfig);
    let elsewhere = to_do(&good).replace(&uid, other);
    let another = "leads to another cluster than the stack's own";
    let context = sandbox.context();
    let cases = [
        (
            "no kubeconfig",
            up(&to_do(&good), Some(&folder.path().join("none"))),
            "no kubeconfig could be read",
        ),
        (
            "no such context",
            up(&to_do(&good).replace(&context, "phoenix-sandbox-of-nobody"), None),
            "has no context phoenix-sandbox-of-nobody (phoenix:cluster.context)",
        ),
        (
            "a cluster that does not answer",
            up(&to_do(&good), Some(&unreachable)),
            "connection refused",
        ),
        (
            "another cluster under the same name",
            up(&elsewhere, None),
            another,
        ),
        (
            "a destroy there",
            typed(&["destroy", "--run-program"], &elsewhere, None),
            another,
        ),
        (
            "a refresh there",
            typed(&["refresh", "--run-program"], &elsewhere, None),
            another,
        ),
    ];
    for (what, output, expected) in cases {
        assert_eq!(output.status.code(), Some(1), "{what}: {}", said(&output));
        assert!(said(&output).contains(expected), "{what}: {}", said(&output));
    }
    std::fs::write(&file, good).unwrap();
    assert_eq!(live.versions(&graph), before);
    assert_eq!(state(), state_before);
}
