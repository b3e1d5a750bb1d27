//! `phoenix preview` and `phoenix diff`: output, bases and exit codes.

use insta::assert_snapshot;
use phoenix_testing::programs::script;
use serde_json::Value;

use crate::support::Checkout;

const DEV: &str = "stacks/Pulumi.dev.yaml";

/// More days of audit logs of Qdrant: updated in place.
fn change(checkout: &Checkout) {
    checkout.edit(DEV, "    auditDays: 7\n", "    auditDays: 9\n");
}

/// Another size of the claims of a stateful set: deleted and created again.
fn replace(checkout: &Checkout) {
    checkout.edit(
        DEV,
        "    snapshots:\n      size: 1Gi\n",
        "    snapshots:\n      size: 2Gi\n",
    );
}

#[test]
fn a_fresh_clone_has_no_changes_and_lists_its_objects() {
    let checkout = Checkout::new();
    let answer = checkout.phoenix(&["preview"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer
            .out
            .starts_with("3 stacks: no changes from HEAD (COMMIT)\n"),
        "{answer}"
    );
    assert!(answer.out.contains("dev declares "), "{answer}");
    assert!(answer.out.contains(" qdrant "), "{answer}");
    assert!(!answer.out.contains("+ create "), "{answer}");
    assert_eq!(checkout.phoenix(&["preview", "--exit-code"]).code, 0);
    assert_eq!(checkout.phoenix(&["diff", "dev", "--exit-code"]).code, 0);
}

#[test]
fn without_commits_everything_is_new() {
    let answer = Checkout::without_commits().phoenix(&["preview", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.starts_with("dev: ") && answer.out.lines().next().unwrap().ends_with(" create"),
        "{answer}"
    );
    assert_eq!(answer.err, "no commits yet: all objects are shown as new\n");
}

#[test]
fn without_git_everything_is_new() {
    let answer = Checkout::bare().phoenix(&["preview", "dev", "--exit-code"]);
    assert_eq!(answer.code, 2, "{answer}");
    assert_eq!(answer.err, "not a git checkout: all objects are shown as new\n");
}

#[test]
fn a_change_in_place_is_shown_field_by_field() {
    let checkout = Checkout::new();
    change(&checkout);
    let diff = checkout.phoenix(&["diff", "dev", "--exit-code"]);
    assert_snapshot!(diff);
    assert_eq!(checkout.phoenix(&["diff", "dev"]).code, 0);
    assert_eq!(checkout.phoenix(&["preview", "dev"]).code, 0);
    assert_eq!(checkout.phoenix(&["preview", "dev", "--exit-code"]).code, 2);
    assert_eq!(
        checkout.phoenix(&["preview", "prod", "--exit-code"]).code,
        0,
        "the other stacks are as they were"
    );
}

#[test]
fn a_replacement_exits_with_4_without_consent() {
    let checkout = Checkout::new();
    replace(&checkout);
    let answer = checkout.phoenix(&["preview", "dev", "--exit-code"]);
    assert_eq!(answer.code, 4, "{answer}");
    assert!(answer.out.starts_with("dev: 1 REPLACE\n"), "{answer}");
    let destructive = answer.out.split("Destructive changes\n").nth(1).unwrap();
    assert_snapshot!(destructive.split("\n\n").next().unwrap());

    let consent = "StatefulSet/sophia-memory/qdrant";
    assert_eq!(
        checkout
            .phoenix(&["preview", "dev", "--allow-destructive", consent])
            .code,
        0
    );
    assert_eq!(
        checkout
            .phoenix(&["preview", "dev", "--exit-code", "--allow-destructive", consent])
            .code,
        2
    );
    assert_eq!(
        checkout
            .phoenix(&[
                "preview",
                "dev",
                "--allow-destructive",
                "StatefulSet/sophia-memory/other"
            ])
            .code,
        4
    );
    // Every stack has an object of this name; consent applies to one stack.
    let all = checkout.phoenix(&["preview", "--allow-destructive", consent]);
    assert_eq!(all.code, 1);
    assert!(all.err.contains("name one stack"), "{all}");
}

#[test]
fn another_cluster_is_a_destructive_change() {
    let checkout = Checkout::new();
    checkout.edit(DEV, "identifier: phoenix-dev", "identifier: phoenix-other");
    let answer = checkout.phoenix(&["preview", "dev"]);
    assert_eq!(answer.code, 4, "{answer}");
    assert!(answer.out.contains("data at risk: everything in it"), "{answer}");
}

#[test]
fn a_deletion_exits_with_4_and_names_the_data_at_risk() {
    let checkout = Checkout::with_a_leftover();
    let answer = checkout.phoenix(&["preview"]);
    assert_eq!(answer.code, 4, "{answer}");
    assert!(answer.out.starts_with("3 stacks: 1 DELETE\n"), "{answer}");
    assert!(
        answer.out.contains("data at risk: the data of its volume"),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains("to allow: --allow-destructive PersistentVolumeClaim/sophia-memory/leftover"),
        "{answer}"
    );
    let diff = checkout.phoenix(&["diff", "dev", "--exit-code"]);
    assert_eq!(diff.code, 2, "a diff asks for no consent: {diff}");
}

#[test]
fn unneeded_consent_is_reported() {
    let answer =
        Checkout::new().phoenix(&["preview", "dev", "--allow-destructive", "Namespace/sophia-memory"]);
    assert_eq!(answer.code, 0);
    assert_eq!(
        answer.err,
        "--allow-destructive namespace/sophia-memory had no effect: the object is not deleted or replaced\n"
    );
}

#[test]
fn a_branch_is_compared_with_where_it_left_the_main_branch() {
    let checkout = Checkout::new();
    checkout.git(&["checkout", "--quiet", "-b", "feature"]);
    change(&checkout);
    checkout.snapshot();
    checkout.commit("More days");
    // Later commits on the main branch are not part of the comparison.
    checkout.git(&["checkout", "--quiet", "main"]);
    replace(&checkout);
    checkout.snapshot();
    checkout.commit("Larger snapshots");
    checkout.git(&["checkout", "--quiet", "feature"]);
    let answer = checkout.phoenix(&["preview", "dev", "--exit-code"]);
    assert_eq!(answer.code, 2, "{answer}");
    assert!(
        answer
            .out
            .contains("dev, compared with the merge base with main (COMMIT):"),
        "{answer}"
    );
    assert_eq!(checkout.phoenix(&["preview", "dev", "--base", "main"]).code, 4);
    assert_eq!(
        checkout
            .phoenix(&["preview", "dev", "--base", "HEAD", "--exit-code"])
            .code,
        0
    );
}

#[test]
fn a_stack_that_the_base_does_not_have_is_new_and_the_others_are_compared() {
    let checkout = Checkout::new();
    let dev = std::fs::read_to_string(checkout.path(DEV)).unwrap();
    checkout.write("stacks/Pulumi.demo.yaml", &dev);
    let answer = checkout.phoenix(&["preview"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.starts_with("4 stacks: "), "{answer}");
    assert!(
        answer
            .err
            .contains("HEAD has no stack demo: all its objects are shown as new"),
        "{answer}"
    );
}

#[test]
fn a_deleted_stack_is_reported() {
    let checkout = Checkout::new();
    std::fs::remove_file(checkout.path("stacks/Pulumi.staging.yaml")).unwrap();
    let answer = checkout.phoenix(&["preview"]);
    assert!(answer.out.starts_with("2 stacks: no changes"), "{answer}");
    assert_eq!(
        answer.err,
        "HEAD (COMMIT) has a stack staging that this checkout does not have; its deployed resources remain until `pulumi destroy`\n"
    );
}

#[test]
fn a_base_without_snapshots_is_built_in_a_temporary_worktree() {
    let checkout = Checkout::without_commits();
    // A fake cargo that prints the manifests of the base and records its arguments.
    checkout.write("crates/cli/Cargo.toml", "");
    let rendered = checkout.phoenix(&["render", "dev"]).out;
    checkout.write(
        "rendered-then.yaml",
        &rendered.replace("max_log_files: 7", "max_log_files: 8"),
    );
    checkout.commit("Without snapshots");
    let fake = checkout.path("cargo");
    script(
        &fake,
        "#!/bin/sh\nsaid=${0%/*}/said\n{ printf '%s\\n' \"$*\"; pwd; echo \"$CARGO_TARGET_DIR\"; echo \"[$GITHUB_TOKEN]\"; } > \"$said\"\ncat rendered-then.yaml\n",
    );
    let said = checkout.path("said");
    let answer = checkout.answer(
        checkout
            .command(&["diff", "dev", "--exit-code"])
            .env("CARGO", &fake)
            .env("GITHUB_TOKEN", "a token of the pipeline"),
    );
    assert_eq!(answer.code, 2, "{answer}");
    assert!(
        answer
            .err
            .contains("HEAD has no snapshots of dev; building that revision in a temporary worktree"),
        "{answer}"
    );
    assert!(answer.out.contains("~ update "), "{answer}");
    assert!(!answer.out.contains("+ create "), "{answer}");
    let said = std::fs::read_to_string(said).unwrap();
    assert!(
        said.contains("--package phoenix-cli") && said.contains("-- render dev"),
        "{said}"
    );
    let place = said.lines().nth(1).unwrap();
    assert!(!std::path::Path::new(place).exists(), "{place} is left");
    assert!(
        said.lines().nth(2).unwrap().ends_with("/target/base"),
        "what it builds would be taken for the checkout's own: {said}"
    );
    assert_eq!(
        said.lines().nth(3),
        Some("[]"),
        "a build script could read the token"
    );
    assert_eq!(checkout.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn the_error_of_a_base_that_does_not_build_is_shown() {
    let checkout = Checkout::without_commits();
    checkout.write("crates/cli/Cargo.toml", "");
    checkout.commit("Without snapshots");
    let fake = checkout.path("cargo");
    script(
        &fake,
        "#!/bin/sh\necho 'error: it does not compile' >&2\nexit 101\n",
    );
    let answer = checkout.answer(checkout.command(&["diff", "dev"]).env("CARGO", &fake));
    assert_snapshot!(answer);
}

#[test]
fn json_output_is_one_document() {
    let checkout = Checkout::new();
    replace(&checkout);
    let answer = checkout.phoenix(&["preview", "--format", "json"]);
    assert_eq!(answer.code, 4);
    let document: Value = serde_json::from_str(&answer.out).expect("stdout is one JSON document");
    assert_eq!(document["verdict"], "3 stacks: 1 REPLACE");
    assert_eq!(document["base"]["commit"], "COMMIT");
    assert_eq!(document["counts"]["replace"], 1);
    let dev = &document["stacks"][0];
    assert_eq!(dev["stack"], "dev");
    assert_eq!(dev["baseSource"], "snapshots");
    assert_eq!(
        dev["destructive"][0]["object"],
        "StatefulSet/sophia-memory/qdrant"
    );
    assert_eq!(dev["destructive"][0]["consented"], false);
    let paths: Vec<_> = dev["objects"][0]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["path"].as_str().unwrap())
        .collect();
    assert!(
        paths
            .iter()
            .any(|path| path.starts_with("spec.volumeClaimTemplates[")),
        "{paths:?}"
    );

    let diff: Value =
        serde_json::from_str(&checkout.phoenix(&["diff", "dev", "--format", "json"]).out).unwrap();
    assert_eq!(diff["objects"], dev["objects"]);
}

#[test]
fn no_comparison_shows_the_value_of_a_secret() {
    let checkout = Checkout::new();
    // A snapshot was committed with a value in clear.
    let file = "tests/snapshots/dev/secrets.yaml.snap";
    let text = std::fs::read_to_string(checkout.path(file)).unwrap();
    assert!(text.contains("secret phoenix:openaiApiKey"), "{text}");
    checkout.write(file, &text.replace("secret phoenix:openaiApiKey", "sk-in-clear"));
    checkout.commit("A value in clear");
    for arguments in [
        &["diff", "dev"][..],
        &["diff", "dev", "--format", "json"],
        &["preview"],
        &["preview", "--format", "json"],
    ] {
        let answer = checkout.phoenix(arguments);
        assert!(!answer.to_string().contains("sk-in-clear"), "{answer}");
    }
    assert!(checkout.phoenix(&["diff", "dev"]).out.contains("*** (before)"));
}
