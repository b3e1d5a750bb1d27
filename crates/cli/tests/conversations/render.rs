//! `phoenix render`: manifests to stdout and to a directory.

use std::collections::BTreeSet;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::support::Checkout;

#[test]
fn the_stream_begins_with_the_namespace_and_is_the_same_every_time() {
    let checkout = Checkout::bare();
    let answer = checkout.phoenix(&["render", "prod"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.starts_with("---\napiVersion: v1\nkind: Namespace\n"),
        "{answer}"
    );
    assert_eq!(answer.out, checkout.phoenix(&["render", "prod"]).out);
    assert!(
        answer
            .err
            .contains("values are placeholders:\n  phoenix:cluster.context — "),
        "{answer}"
    );
    assert!(answer.out.contains("secret phoenix:openaiApiKey"));
}

#[test]
fn without_secrets_no_secret_is_rendered() {
    let checkout = Checkout::bare();
    let answer = checkout.phoenix(&["render", "dev", "--without-secrets"]);
    assert!(!answer.out.contains("kind: Secret\n"), "{answer}");
    assert!(!answer.err.contains("references"), "{answer}");
}

#[test]
fn the_files_of_a_directory_sort_in_the_order_of_the_stream() {
    let checkout = Checkout::bare();
    let answer = checkout.phoenix(&["render", "dev", "-o", "out/manifests"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert_eq!(answer.out, "");
    let mut names: Vec<_> = std::fs::read_dir(checkout.path("out/manifests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names[..2], [".phoenix-manifests", "00-namespace.yaml"]);
    let documents = |text: &str| text.split("---\n").map(str::to_owned).collect::<BTreeSet<_>>();
    let files: Vec<_> = names[1..]
        .iter()
        .map(|name| std::fs::read_to_string(checkout.path("out/manifests").join(name)).unwrap())
        .collect();
    let stream = checkout.phoenix(&["render", "dev"]).out;
    assert!(
        documents(&files.concat()) == documents(&stream),
        "the files do not hold the stream's documents"
    );

    let again = checkout.phoenix(&["render", "dev", "-o", "out/manifests", "--without-secrets"]);
    assert_eq!(again.code, 0, "{again}");
}

#[test]
fn a_foreign_folder_is_rejected() {
    let checkout = Checkout::bare();
    assert_snapshot!(checkout.phoenix(&["render", "dev", "-o", "stacks"]));
    assert!(!checkout.path("stacks/00-namespace.yaml").exists());
}

#[test]
fn a_directory_of_another_stack_is_rejected() {
    let checkout = Checkout::bare();
    assert_eq!(checkout.phoenix(&["render", "dev", "-o", "out"]).code, 0);
    let answer = checkout.phoenix(&["render", "prod", "-o", "out"]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.err.contains("out contains the manifests of the stack dev"),
        "{answer}"
    );
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let checkout = Checkout::bare();
    let mut command = checkout.command(&["render", "prod"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before the first line: later, all output may already be in the pipe.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(!err.contains("error") && !err.contains("panicked"), "{err}");
}
