//! Our reader of manifests makes the same of every file as `kubectl`, or says that it could not read it.
//!
//! What these tests taught is in the unit tests of `crates/manifests`, as tables.

use std::path::{Path, PathBuf};
use std::process::Command;

use phoenix_policies::RULES;
use serde_json::Value;

use self::kubectl::Kubectl;
use crate::live::{PHOENIX, graph, root, said};

mod kubectl;

/// Files that `kubectl` reads in a way that is easy to miss. Our reader reads all of them completely.
const SURPRISES: &[&str] = &[
    // Every object with items is a list, and passes its kind on.
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, items: [{apiVersion: v1, kind: Pod, metadata: {name: p}}]}",
    "{apiVersion: v1, kind: Namespace, metadata: {name: c}, items: [{apiVersion: v1, kind: Pod, metadata: {name: p}}]}",
    "{apiVersion: apps/v1, kind: DeploymentList, items: [{metadata: {name: d}, spec: {replicas: 2}}]}",
    "{apiVersion: v1, kind: Pod, metadata: {name: p}, items: null}",
    // Types of YAML 1.1, and of tags.
    "{apiVersion: v1, kind: X, metadata: {name: p}, spec: [y, N, on, Off, 010, 08, 0o17, 0b11, 0x1F, 1_000, +5, 1e3, .5_0, 1:30, ~, 2026-01-01]}",
    "{apiVersion: v1, kind: X, metadata: {name: p}, spec: [!!bool \"true\", !!int \"0\", !!str 1, !!float 1, !!null '', ! yes, !a yes]}",
    "{apiVersion: v1, kind: X, metadata: {name: p}, spec: {y: 1, 010: 2, 1.10: 3, 2026-01-01: 4}}",
    // Merges take effect where they are, and only without quotes.
    "{apiVersion: v1, kind: X, metadata: {name: p}, spec: {a: false, <<: {a: true}}}",
    "{apiVersion: v1, kind: X, metadata: {name: p}, spec: {<<: [{a: 1}, {a: 2, b: 3}], b: 4}}",
    "{apiVersion: v1, kind: X, metadata: {name: p}, spec: {a: false, \"<<\": {a: true}}}",
    "{apiVersion: v1, kind: X, metadata: {name: p}, spec: {a: &a {b: 1}, c: {b: 2, <<: *a}, d: &a 3, e: *a}}",
    // Collections and strings that continue in the column of their key.
    "apiVersion: v1\nkind: X\nmetadata: {name: p}\nargs: [\na,\nb\n]\nmap: {a: b,\nc: d\n}\nquoted: \"a\nb\"\nplain: a\n  b\n",
    "apiVersion: v1\r\nkind: X\r\nmetadata: {name: p}\r\ntext: |\r\n  a\r\n  b\r\n---\r\napiVersion: v1\r\nkind: Z\r\nmetadata: {name: p}",
    "\u{feff}apiVersion: v1\nkind: X\nmetadata: {name: p}\ntext: |\n  no line break at the end",
    // Streams of JSON, which may turn into YAML.
    "{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\"}}{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"b\"}}",
    "{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\"}}\n---\napiVersion: v1\nkind: X\nmetadata: {name: b}\n",
    "{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"\\/\\ud83d\\ude00\"},\"spec\":1.0}",
    "---\n---\n# nothing\n--- # next\napiVersion: v1\nkind: X\nmetadata: {name: p}\n---\n",
];

/// What generated texts are made of.
const PIECES: &[&str] = &[
    "a", "b", ":", " ", "  ", "\n", "\n", "- ", "? ", ": ", "[", "]", "{", "}", ",", "&a ", "*a", "!!int ",
    "!!str ", "!!bool ", "!x ", "!", "'", "\"", "|", ">", "\t", "#", " #", "---\n", "...\n", "\\", "\\n",
    "\\\n", "é", "<<: ", "<<: *a\n", "~", "1e999", "0x", "\r", "\r\n", "\u{85}", "\u{2028}", "|2-\n", "|\n",
    ">+\n", "y", "08", "1_0", "1.5", "true", "\n  ", "\n    ", "\n- ", "x: ", "\n  x: ", "\nx: ", "items: ",
    "-", "?", "1", "\n ", "'': ", "null", "!!float ", "!!merge ", "=", "\u{feff}", "😀",
];

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn manifests_mean_the_same_to_us_and_to_kubectl() {
    let mut kubectl = Kubectl::start(&tool("kubectl-reader"));
    for stack in ["dev", "staging", "prod"] {
        same(&mut kubectl, stack, graph(stack).yaml().as_bytes());
    }
    for text in SURPRISES {
        same(&mut kubectl, text, text.as_bytes());
    }
    let mut examples = Vec::new();
    collect(&root().join("policies/rules"), &mut examples);
    // The examples of rules about settings are settings, not objects.
    let about_settings: Vec<_> = RULES.iter().filter(|rule| rule.is_about_settings()).collect();
    assert!(!about_settings.is_empty());
    examples.retain(|file| {
        let folder = file.parent().unwrap();
        !about_settings.iter().any(|rule| folder.ends_with(rule.id))
    });
    assert!(examples.len() > 150, "{examples:?}");
    for file in examples {
        same(
            &mut kubectl,
            &file.display().to_string(),
            &std::fs::read(&file).unwrap(),
        );
    }
    // Published manifests, if they are there. Not all of these files are manifests.
    let mut published = Vec::new();
    collect(&root().join("../shared/corpora"), &mut published);
    for file in published {
        let content = std::fs::read(&file).unwrap();
        if kubectl::is_incomplete(&kubectl::read(&content)) {
            assert!(kubectl.read(&content).error.is_some(), "{}", file.display());
        } else {
            same(&mut kubectl, &file.display().to_string(), &content);
        }
    }
}

/// Our reader reads all of a file, and makes the same of it as `kubectl`.
fn same(kubectl: &mut Kubectl, name: &str, content: &[u8]) {
    let ours = kubectl::read(content);
    assert!(
        !kubectl::is_incomplete(&ours),
        "{name}: {:?} {:?}",
        ours.errors,
        ours.skipped
    );
    if let Some(difference) = kubectl.difference(content) {
        panic!("{name}: {difference}");
    }
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn no_generated_text_is_read_differently_from_kubectl() {
    let mut kubectl = Kubectl::start(&tool("kubectl-reader"));
    let begin = "apiVersion: v1\nkind: X\nmetadata: {name: p}\n";
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"X\", \"metadata\": {\"name\": \"p\"}, \"spec\": ";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        // xorshift: the same texts in each run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % limit
    };
    let mut complete = 0;
    for _ in 0..40_000 {
        let shape = below(4);
        let pieces: String = (0..below(20)).map(|_| PIECES[below(PIECES.len())]).collect();
        let text = match shape {
            0 => format!("{begin}spec: {pieces}"),
            1 => format!("{begin}{pieces}"),
            2 => format!("{begin}spec:\n  x: {pieces}"),
            _ => format!("{json}{pieces}}}\n"),
        };
        complete += usize::from(!kubectl::is_incomplete(&kubectl::read(text.as_bytes())));
        if let Some(difference) = kubectl.difference(text.as_bytes()) {
            panic!("{text:?}: {difference}");
        }
    }
    assert!(complete > 2_000, "only {complete} texts were read");
}

/// The helper is `kubectl`: its answers are those of the command.
#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn the_helper_answers_like_the_command() {
    let (program, mut kubectl) = (tool("kubectl"), Kubectl::start(&tool("kubectl-reader")));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    for text in SURPRISES {
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(&program);
        command
            .args([
                "annotate",
                "--local",
                "-o",
                "json",
                "--overwrite",
                "parity=1",
                "-f",
            ])
            .arg(&file);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{text}: {}", said(&output));
        let stream = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
        let mut printed: Vec<Value> = stream.map(|value| value.unwrap()).collect();
        for object in &mut printed {
            let metadata = object["metadata"].as_object_mut().unwrap();
            metadata.remove("annotations");
        }
        assert_eq!(printed, kubectl.read(text.as_bytes()).objects, "{text}");
    }
}

/// The YAML files below a directory.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}

/// A tool of the sandbox.
fn tool(name: &str) -> PathBuf {
    let output = Command::new(PHOENIX)
        .current_dir(root())
        .args(["sandbox", "tools", "--all"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let listed = String::from_utf8(output.stdout).unwrap();
    let line = listed
        .lines()
        .find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap().split_whitespace().nth(1).unwrap().into()
}
