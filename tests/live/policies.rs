//! The policy pack in the real engine: as a directory and as a program, over a good stack and over somebody else's bad one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::Api;
use serde_json::{Value, json};

use crate::live::{Live, root, said};

/// A project of somebody else, in the same engine and cluster as the sandbox's stack.
struct Neighbour<'a> {
    live: &'a Live,
    folder: tempfile::TempDir,
}

impl<'a> Neighbour<'a> {
    /// A project whose program registers these objects.
    fn of(live: &'a Live, objects: &Value) -> Self {
        let neighbour = Self {
            live,
            folder: tempfile::tempdir().unwrap(),
        };
        neighbour.write("objects.json", objects);
        neighbour.write(
            "Pulumi.yaml",
            &json!({
                "name": "neighbour",
                "runtime": {"name": "rust", "options": {"binary": program(), "forward": ["OBJECTS", "KUBECONFIG"]}},
                "plugins": {"languages": [{"name": "rust", "path": root().join("bin")}]},
            }),
        );
        let output = neighbour.pulumi(&["stack", "init", "dev"]);
        assert!(output.status.success(), "{}", said(&output));
        neighbour
    }

    /// Writes a file of the project: JSON, which is YAML as well.
    fn write(&self, name: &str, content: &Value) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content.to_string()).unwrap();
        path
    }

    fn pulumi(&self, arguments: &[&str]) -> Output {
        let mut command = self.live.pulumi_as_it_is();
        command
            .current_dir(self.folder.path())
            .env("OBJECTS", self.folder.path().join("objects.json"))
            .args(arguments)
            .arg("--non-interactive");
        command.output().unwrap()
    }
}

/// The program that registers objects of a file, built.
fn program() -> PathBuf {
    let output = Command::new("cargo")
        .current_dir(root())
        .args([
            "build",
            "--locked",
            "--package",
            "pulumi-wire",
            "--example",
            "objects",
            "--message-format",
            "json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut executables = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    executables.next().expect("cargo tells where the program is")
}

/// A Deployment without pods, whose container is privileged or says least of what it could say.
fn deployment(security: &Value) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "edge", "namespace": "default"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "edge"}},
            "template": {
                "metadata": {"labels": {"app": "edge"}},
                "spec": {"containers": [{"name": "proxy", "image": "registry.example/proxy:1", "securityContext": security}]},
            },
        },
    }])
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn the_engine_evaluates_with_the_pack_and_remediates() {
    let live = Live::up("dev");
    // The directory: our own language host builds the pack and runs it.
    let directory = root().join("policies");
    let output = live.pulumi(&[
        "preview",
        "--expect-no-changes",
        "--policy-pack",
        text(&directory),
    ]);
    assert!(output.contains("phoenix-controls@v"), "{output}");
    assert!(!output.contains("[mandatory]"), "{output}");
    // What the profile of the environment relaxes, and what the stack assumes, is listed and prevents nothing.
    for line in output.lines().filter(|line| line.contains("[advisory]")) {
        let is_about_settings = ["evaluation-not-weakened", "assumptions-are-reviewed"]
            .iter()
            .any(|rule| line.contains(rule));
        assert!(is_about_settings, "{line}\n{output}");
    }
    assert!(output.contains("evaluation-not-weakened"), "{output}");

    // What it has built is the program, which the engine can start by itself.
    let pack = root().join("target/debug/phoenix-policies");
    let bad = Neighbour::of(&live, &deployment(&json!({"privileged": true})));
    let output = bad.pulumi(&["preview", "--policy-pack", text(&pack)]);
    let reported = said(&output);
    assert!(!output.status.success(), "{reported}");
    for part in [
        "❌ phoenix-controls@v",
        "[mandatory]",
        "no-privileged-containers",
        "(kubernetes:apps/v1:Deployment: default/edge)",
        "spec.template.spec.containers[0].securityContext.privileged: container proxy is privileged",
        "How to fix: Remove `privileged`",
        "phoenix explain no-privileged-containers",
    ] {
        assert!(reported.contains(part), "{part} is not in {reported}");
    }

    // A name that nobody has is refused, though the engine itself takes it.
    let wrong = bad.write("wrong.json", &json!({"no-priviledged-containers": "advisory"}));
    let output = bad.pulumi(&[
        "preview",
        "--policy-pack",
        text(&pack),
        "--policy-pack-config",
        text(&wrong),
    ]);
    assert!(
        !output.status.success() && said(&output).contains("did you mean no-privileged-containers?"),
        "{}",
        said(&output)
    );

    let state = it_is_put_right(&live, &bad, &pack);
    what_was_deployed_is_judged_from_its_state(&bad, &pack, &state);
}

/// What is put right is what the cluster gets; then the whole state, for those who look at it later.
fn it_is_put_right(live: &Live, neighbour: &Neighbour<'_>, pack: &Path) -> Value {
    neighbour.write(
        "objects.json",
        &deployment(&json!({"runAsUser": 1000, "allowPrivilegeEscalation": false})),
    );
    let asked = neighbour.write(
        "remediate.json",
        &json!({"all": "advisory", "run-as-non-root": "remediate", "drop-all-capabilities": "remediate"}),
    );
    let output = neighbour.pulumi(&[
        "up",
        "--yes",
        "--skip-preview",
        "--policy-pack",
        text(pack),
        "--policy-pack-config",
        text(&asked),
    ]);
    let reported = said(&output);
    assert!(output.status.success(), "{reported}");
    assert!(reported.contains("[remediate]  run-as-non-root"), "{reported}");
    let made = live.ask(|client| async move {
        let deployments: Api<Deployment> = Api::namespaced(client, "default");
        deployments.get("edge").await.unwrap()
    });
    let made = serde_json::to_value(made).unwrap();
    assert_eq!(
        made.pointer("/spec/template/spec/containers/0/securityContext"),
        Some(&json!({
            "runAsUser": 1000, "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
        }))
    );
    let output = neighbour.pulumi(&["stack", "export"]);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What was put right passes; what somebody writes into the state is found there as it would be found on its way.
fn what_was_deployed_is_judged_from_its_state(neighbour: &Neighbour<'_>, pack: &Path, state: &Value) {
    let analyze = |state: &Value| {
        let file = neighbour.write("state.json", state);
        neighbour.pulumi(&[
            "policy",
            "analyze",
            "--file",
            text(&file),
            "--policy-pack",
            text(pack),
        ])
    };
    let reported = said(&analyze(state));
    assert!(reported.contains("read-only-root-filesystem"), "{reported}");
    for passes in [
        "run-as-non-root",
        "drop-all-capabilities",
        "no-privileged-containers",
    ] {
        assert!(!reported.contains(&format!("  {passes} ")), "{reported}");
    }
    let mut changed = state.clone();
    let resources = changed["deployment"]["resources"].as_array_mut().unwrap();
    let made = resources
        .iter_mut()
        .find(|resource| resource["type"] == "kubernetes:apps/v1:Deployment")
        .unwrap();
    let container = made
        .pointer_mut("/inputs/spec/template/spec/containers/0")
        .unwrap();
    container["securityContext"]["privileged"] = json!(true);
    let output = analyze(&changed);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("container proxy is privileged"),
        "{}",
        said(&output)
    );
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
