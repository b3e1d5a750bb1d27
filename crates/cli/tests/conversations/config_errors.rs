//! Errors in stack files and arguments: reported once, with a hint, before anything is written.

use insta::assert_snapshot;

use crate::support::{Answer, Checkout};

/// Renders a stack to a directory after an edit that makes it invalid.
fn rejected(stack: &str, from: &str, to: &str) -> Answer {
    let checkout = Checkout::bare();
    checkout.edit(&format!("stacks/Pulumi.{stack}.yaml"), from, to);
    let answer = checkout.phoenix(&["render", stack, "-o", "out"]);
    nothing_was_done(&checkout, &answer);
    answer
}

fn nothing_was_done(checkout: &Checkout, answer: &Answer) {
    assert_eq!(answer.code, 1, "{answer}");
    assert_eq!(answer.out, "", "{answer}");
    assert!(!checkout.path("out").exists(), "{answer}");
    assert!(!answer.err.contains("stack backtrace"), "{answer}");
    assert!(answer.err.contains("hint: "), "no hint: {answer}");
}

#[test]
fn a_missing_key() {
    assert_snapshot!(rejected("dev", "    mode: exclusive\n", ""));
}

#[test]
fn a_wrong_type() {
    assert_snapshot!(rejected(
        "dev",
        "    mode: single\n    replicas: 1\n",
        "    mode: single\n    replicas: one\n"
    ));
}

#[test]
fn an_unknown_key() {
    assert_snapshot!(rejected("dev", "    auditDays: 7\n", "    auditDay: 7\n"));
}

#[test]
fn three_replicas_on_a_volume_for_one() {
    assert_snapshot!(rejected(
        "prod",
        "      mode: shared\n",
        "      mode: exclusive\n"
    ));
}

#[test]
fn an_even_number_of_peers() {
    assert_snapshot!(rejected(
        "prod",
        "    mode: cluster\n    replicas: 3\n",
        "    mode: cluster\n    replicas: 4\n"
    ));
}

#[test]
fn a_tag_where_production_needs_a_digest() {
    let placeholder = "\n      placeholder: the digest of qdrant/qdrant:v1.19.0-unprivileged\n";
    assert_snapshot!(rejected(
        "prod",
        placeholder,
        " qdrant/qdrant:v1.19.0-unprivileged\n"
    ));
}

#[test]
fn a_duplicate_key() {
    assert_snapshot!(rejected(
        "dev",
        "  phoenix:environment: dev\n",
        "  phoenix:environment: dev\n  phoenix:environment: prod\n"
    ));
}

#[test]
fn an_alias() {
    let answer = rejected(
        "dev",
        "  phoenix:environment: dev\n",
        "  phoenix:environment: &it dev\n  other:key: *it\n",
    );
    assert!(
        answer.err.contains("aliases (`*name`) are not supported here"),
        "{answer}"
    );
}

#[test]
fn several_errors_are_reported_together() {
    let checkout = Checkout::bare();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "environment: dev",
        "environment: develop",
    );
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "    auditDays: 7\n",
        "    auditDay: 7\n",
    );
    checkout.edit("stacks/Pulumi.staging.yaml", "config:\n", "conifg:\n");
    let answer = checkout.phoenix(&["preview", "dev", "staging"]);
    nothing_was_done(&checkout, &answer);
    assert_snapshot!(answer.err);
}

#[test]
fn a_secret_in_clear_is_rejected_without_being_quoted() {
    let answer = rejected(
        "dev",
        "  phoenix:environment: dev\n",
        "  phoenix:environment: dev\n  phoenix:openaiApiKey: sk-in-clear\n",
    );
    assert!(!answer.err.contains("sk-in-clear"), "{answer}");
    assert_snapshot!(answer.err);
}

#[test]
fn a_stack_file_that_cannot_be_read() {
    let checkout = Checkout::bare();
    std::fs::create_dir(checkout.path("stacks/Pulumi.odd.yaml")).unwrap();
    let answer = checkout.phoenix(&["render", "odd", "-o", "out"]);
    assert_eq!((answer.code, answer.out.as_str()), (1, ""));
    assert_eq!(
        answer.err,
        "error: cannot read the stack file stacks/Pulumi.odd.yaml\n  because: not a regular file\n"
    );
    std::fs::write(checkout.path("stacks/Pulumi.bytes.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    let answer = checkout.phoenix(&["render", "bytes", "-o", "out"]);
    nothing_was_done(&checkout, &answer);
    assert!(answer.err.contains("save it as UTF-8"), "{answer}");
}

#[test]
fn a_stack_that_does_not_exist() {
    let checkout = Checkout::bare();
    for stack in ["stagin", "nothing-like-it", "../dev", ""] {
        let answer = checkout.phoenix(&["render", stack, "-o", "out"]);
        nothing_was_done(&checkout, &answer);
        assert!(
            answer.err.contains("existing stacks: dev, prod, staging"),
            "{answer}"
        );
    }
    assert_snapshot!(checkout.phoenix(&["diff", "stagin"]).err);
}

#[test]
fn a_revision_that_does_not_exist() {
    let checkout = Checkout::new();
    for revision in ["no-such-branch", "--base=-x", "HEAD:stacks"] {
        let answer = checkout.phoenix(&["diff", "dev", &format!("--base={revision}")]);
        nothing_was_done(&checkout, &answer);
    }
    assert_snapshot!(checkout.phoenix(&["diff", "dev", "--base", "no-such-branch"]).err);
}

#[test]
fn a_base_without_git() {
    let checkout = Checkout::bare();
    let answer = checkout.phoenix(&["diff", "dev", "--base", "main"]);
    nothing_was_done(&checkout, &answer);
    assert_snapshot!(answer.err);
}

#[test]
fn a_branch_in_a_shallow_clone() {
    let origin = Checkout::new();
    origin.git(&["checkout", "--quiet", "-b", "feature"]);
    origin.edit("stacks/Pulumi.dev.yaml", "auditDays: 7", "auditDays: 8");
    origin.commit("More days");
    origin.git(&["checkout", "--quiet", "main"]);
    let clone = tempfile::tempdir().unwrap();
    let url = format!("file://{}", origin.root().display());
    let place = clone.path().to_str().unwrap();
    origin.git(&[
        "clone",
        "--quiet",
        "--depth",
        "1",
        "--no-single-branch",
        "--branch",
        "feature",
        &url,
        place,
    ]);
    let answer = origin.answer(origin.command(&["preview", "dev"]).current_dir(clone.path()));
    nothing_was_done(&origin, &answer);
    assert_snapshot!(answer.err);
    let answer = origin.answer(
        origin
            .command(&["preview", "dev", "--base", "HEAD~3"])
            .current_dir(clone.path()),
    );
    assert!(answer.err.contains("git fetch --unshallow"), "{answer}");
}

#[test]
fn a_directory_outside_any_checkout() {
    let elsewhere = tempfile::tempdir().unwrap();
    let checkout = Checkout::bare();
    let answer = checkout.answer(checkout.command(&["preview"]).current_dir(elsewhere.path()));
    nothing_was_done(&checkout, &answer);
    assert!(answer.err.contains("is not in a checkout"), "{answer}");
}

#[test]
fn every_verb_reports_an_error_as_json() {
    let checkout = Checkout::new();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "    auditDays: 7\n",
        "    auditDay: 7\n",
    );
    for arguments in [
        &["preview", "dev"][..],
        &["preview", "dev", "--base", "no-such-branch"],
        &["diff", "dev"],
        &["diff", "nothing-like-it"],
        &["check", "dev"],
        &["check"],
        &["check", "--file", "no-such-file"],
        &["explain", "nothing-like-it"],
        &["secrets", "list", "dev"],
        &["secrets", "check", "dev"],
        &["preview", "--no-such-option"],
        &["preview", "dev", "--allow-destructive", "a/b/c/d"],
        &["no-such-verb"],
    ] {
        for format in [&["--format", "json"][..], &["--format=json"]] {
            let answer = checkout.phoenix(&[arguments, format].concat());
            assert_eq!(answer.code, 1, "{answer}");
            let document = answer.json();
            assert_eq!(
                (&document["format"], &document["exitCode"]),
                (&"error".into(), &1.into()),
                "{answer}"
            );
            assert!(!answer.err.is_empty(), "{answer}");
            let message = document["errors"][0]["message"].as_str().unwrap();
            assert!(!message.is_empty() && message.lines().count() == 1, "{answer}");
        }
    }
    let document = checkout.phoenix(&["check", "--format", "json"]).json();
    let error = &document["errors"][0];
    assert_eq!(error["stack"], "dev");
    assert_eq!(error["problems"][0]["key"], "phoenix:qdrant.auditDay");
    assert_eq!(error["problems"][0]["file"], "stacks/Pulumi.dev.yaml");
    // Two stacks have an error each.
    checkout.edit("stacks/Pulumi.staging.yaml", "config:\n", "conifg:\n");
    let document = checkout.phoenix(&["check", "--format", "json"]).json();
    assert_eq!(document["errors"].as_array().unwrap().len(), 2);
}
