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
            .starts_with("3 stacks: no changes from HEAD (COMMIT); no policy findings\n"),
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
        answer.out.starts_with("dev: ")
            && answer
                .out
                .lines()
                .next()
                .unwrap()
                .ends_with(" create; no policy findings"),
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
    assert!(
        answer
            .out
            .starts_with("dev: 1 REPLACE; 1 destructive change not allowed; no policy findings\n"),
        "{answer}"
    );
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
                "StatefulSet/sophia-memory/redis"
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
    assert!(
        answer
            .out
            .starts_with("3 stacks: 1 DELETE; 1 destructive change not allowed"),
        "{answer}"
    );
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
        "--allow-destructive namespace/sophia-memory had no effect: it matches no destructive change\n"
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

/// Deletes a stack file.
fn delete_staging(checkout: &Checkout) {
    std::fs::remove_file(checkout.path("stacks/Pulumi.staging.yaml")).unwrap();
}

#[test]
fn every_object_of_a_deleted_stack_is_deleted_first_in_the_output() {
    let in_working_tree = Checkout::new();
    delete_staging(&in_working_tree);
    let in_index = Checkout::new();
    in_index.git(&["rm", "--quiet", "stacks/Pulumi.staging.yaml"]);
    let in_branch = Checkout::new();
    in_branch.git(&["checkout", "--quiet", "-b", "feature"]);
    delete_staging(&in_branch);
    std::fs::remove_dir_all(in_branch.path("tests/snapshots/staging")).unwrap();
    in_branch.commit("Without staging");
    for checkout in [in_working_tree, in_index, in_branch] {
        let answer = checkout.phoenix(&["preview"]);
        assert_eq!(answer.code, 4, "{answer}");
        let first = answer.out.lines().next().unwrap();
        assert!(first.contains(" DELETE; DELETED: staging; "), "{first}");
        assert!(answer.out.contains("pulumi destroy --stack staging"), "{answer}");
        let destructive = answer.out.split("Destructive changes\n").nth(1).unwrap();
        let destructive = destructive.split("\n\n").next().unwrap();
        assert!(
            destructive.starts_with("  staging: the system ")
                && destructive.contains("    data at risk: Namespace sophia-")
                && destructive.contains("\n    to allow: --allow-destructive backup\n"),
            "{destructive}"
        );
        assert!(
            destructive.lines().count() < 80,
            "one group a system: {destructive}"
        );

        let document = checkout.phoenix(&["preview", "--format", "json"]).json();
        let staging = &document["stacks"][0];
        assert_eq!(
            (&staging["stack"], &staging["deleted"]),
            (&"staging".into(), &true.into())
        );
        let deleted = staging["counts"]["delete"].as_u64().unwrap();
        assert!(deleted > 100, "{deleted}");
        let risks: Vec<_> = staging["destructive"]
            .as_array()
            .unwrap()
            .iter()
            .map(|loss| loss["risk"].as_str().unwrap())
            .collect();
        let order = ["data", "secrets", "protection", "other"];
        assert!(
            risks.is_sorted_by_key(|risk| order.iter().position(|known| known == risk)),
            "{risks:?}"
        );
        assert_eq!(risks.len() as u64, deleted);
        assert_eq!(staging["objects"][0]["operation"], "delete");
        assert_eq!(document["counts"]["delete"], deleted);

        // Other stacks are not concerned.
        assert_eq!(checkout.phoenix(&["preview", "dev"]).code, 0);
        // It can be named, and allowed as a whole or by system.
        assert_eq!(checkout.phoenix(&["preview", "staging"]).code, 4);
        assert_eq!(
            checkout
                .phoenix(&["preview", "staging", "--allow-destructive", "staging"])
                .code,
            0
        );
        assert_eq!(
            checkout
                .phoenix(&["preview", "staging", "--allow-destructive", "backup"])
                .code,
            4
        );
        let diff = checkout.phoenix(&["diff", "staging", "--exit-code"]);
        assert_eq!(diff.code, 2, "{}", diff.err);
        assert!(diff.out.starts_with("- delete Namespace "), "{}", diff.out);
    }
}

#[test]
fn a_renamed_stack_is_deleted_and_new_with_a_note() {
    let checkout = Checkout::new();
    checkout.git(&["mv", "stacks/Pulumi.staging.yaml", "stacks/Pulumi.qa.yaml"]);
    let answer = checkout.phoenix(&["preview"]);
    assert_eq!(answer.code, 4, "{answer}");
    assert!(
        answer
            .out
            .contains("`pulumi stack rename qa --stack staging` keeps its resources"),
        "{answer}"
    );
}

#[test]
fn a_smaller_claim_is_refused_and_its_fix_is_shown() {
    let checkout = Checkout::new();
    let file = std::fs::read_to_string(checkout.path("tests/snapshots/dev/openmemory.yaml.snap")).unwrap();
    assert!(file.contains("kind: PersistentVolumeClaim"), "{file}");
    let dev = std::fs::read_to_string(checkout.path(DEV)).unwrap();
    let size = dev
        .split("  phoenix:openmemory:\n")
        .nth(1)
        .and_then(|rest| rest.split("size: ").nth(1))
        .and_then(|rest| rest.lines().next())
        .unwrap();
    let (before, after) = dev.split_once("  phoenix:openmemory:\n").unwrap();
    let smaller = after.replacen(&format!("size: {size}"), "size: 100Mi", 1);
    checkout.write(DEV, &format!("{before}  phoenix:openmemory:\n{smaller}"));
    let answer = checkout.phoenix(&["preview", "dev"]);
    assert_eq!(answer.code, 4, "{answer}");
    assert!(
        answer.out.contains(&format!(
            "refused by the API server: its size cannot shrink from {size} to 100Mi"
        )) && answer
            .out
            .contains("    instead: keep the size; or create a claim with another name"),
        "{answer}"
    );
    let larger = after.replacen(&format!("size: {size}"), "size: 2Gi", 1);
    checkout.write(DEV, &format!("{before}  phoenix:openmemory:\n{larger}"));
    let answer = checkout.phoenix(&["preview", "dev"]);
    assert_eq!(answer.code, 0, "{answer}");
}

#[test]
fn a_first_value_of_a_placeholder_is_an_update() {
    let checkout = Checkout::new();
    let file = "stacks/Pulumi.prod.yaml";
    let text = std::fs::read_to_string(checkout.path(file)).unwrap();
    let mut filled: Vec<String> = Vec::new();
    for line in text.lines() {
        match filled.last_mut().filter(|last| last.trim() == "storageClass:") {
            Some(last) if line.trim_start().starts_with("placeholder:") => last.push_str(" fast"),
            _ => filled.push(line.to_owned()),
        }
    }
    let filled = filled.join("\n") + "\n";
    assert_ne!(text, filled, "no storage class is a placeholder");
    checkout.write(file, &filled);
    let answer = checkout.phoenix(&["preview", "prod"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer
            .out
            .contains("storageClassName: (absent) -> fast  [first value]"),
        "{answer}"
    );
    // From then on, another class replaces the claims, also with a placeholder in between.
    checkout.snapshot();
    checkout.commit("A class");
    checkout.write(file, &filled.replace("storageClass: fast", "storageClass: slow"));
    let answer = checkout.phoenix(&["preview", "prod"]);
    assert_eq!(answer.code, 4, "{answer}");
    checkout.write(file, &text);
    checkout.snapshot();
    checkout.commit("A placeholder again");
    checkout.write(file, &filled.replace("storageClass: fast", "storageClass: slow"));
    let answer = checkout.phoenix(&["preview", "prod"]);
    assert_eq!(answer.code, 4, "{answer}");
}

#[test]
fn snapshots_that_are_older_than_the_stack_file_are_reported() {
    let checkout = Checkout::new();
    change(&checkout);
    checkout.commit("More days, without snapshots");
    let answer = checkout.phoenix(&["preview", "dev"]);
    assert!(
        answer
            .out
            .contains("note: the snapshots of dev in HEAD (COMMIT) are older than its stack file"),
        "{answer}"
    );
    let document = checkout.phoenix(&["diff", "dev", "--format", "json"]).json();
    assert_eq!(document["notes"].as_array().unwrap().len(), 1);
    // Comments and policy settings are not rendered.
    let checkout = Checkout::new();
    checkout.edit(DEV, "config:\n", "# The development stack.\nconfig:\n");
    checkout.edit(
        DEV,
        "  phoenix:policies:\n",
        "  phoenix:policies:\n    all: disabled\n",
    );
    checkout.commit("A comment");
    let answer = checkout.phoenix(&["preview", "dev"]);
    assert!(!answer.out.contains("note:"), "{answer}");
}

#[test]
fn without_a_change_of_the_code_the_stack_file_of_the_base_is_rendered() {
    let checkout = Checkout::new();
    checkout.write("src/platform.rs", "");
    change(&checkout);
    checkout.commit("More days, without snapshots");
    let answer = checkout.phoenix(&["preview", "dev", "--exit-code"]);
    assert_eq!(answer.code, 0, "the change is part of the base: {answer}");
    assert!(
        answer
            .out
            .contains("note: the snapshots of dev in HEAD (COMMIT) are out of date and were not used"),
        "{answer}"
    );
    let document = checkout.phoenix(&["diff", "dev", "--format", "json"]).json();
    assert_eq!(document["baseSource"], "stackFile");
    // With other code, the snapshots are what the code of the base rendered.
    checkout.write("src/systems.rs", "");
    let document = checkout.phoenix(&["diff", "dev", "--format", "json"]).json();
    assert_eq!(document["baseSource"], "snapshots");
}

#[test]
fn consent_is_accepted_by_object_kind_or_system_and_refused_with_the_right_form() {
    let checkout = Checkout::new();
    replace(&checkout);
    let preview = |consent: &str| checkout.phoenix(&["preview", "dev", "--allow-destructive", consent]);
    for consent in [
        "StatefulSet/sophia-memory/qdrant",
        "StatefulSet sophia-memory/qdrant",
        "sophia-memory/qdrant",
        "statefulset/qdrant",
        "StatefulSet",
        "sts",
        "qdrant",
    ] {
        let answer = preview(consent);
        assert_eq!(answer.code, 0, "{consent}: {answer}");
        assert!(answer.out.contains("allowed by --allow-destructive"), "{answer}");
        assert_eq!(answer.err, "", "{consent}");
    }
    for consent in [
        "Secret",
        "backup",
        "StatefulSet/sophia-memory/redis",
        "sophia-memory/redis",
    ] {
        let answer = preview(consent);
        assert_eq!(answer.code, 4, "{consent}: {answer}");
        assert!(answer.err.contains("had no effect"), "{answer}");
    }
    for (consent, hint) in [
        ("qdrant-keys", "did you mean Secret/sophia-memory/qdrant-keys?"),
        ("StatefulSt", "did you mean StatefulSet?"),
        (
            "StatefulSet/sophia-memory/qdrnt",
            "did you mean StatefulSet/sophia-memory/qdrant?",
        ),
        ("everything", "name an object (StatefulSet/sophia-memory/qdrant"),
        ("a/b/c/d", "name an object (StatefulSet/sophia-memory/qdrant"),
    ] {
        let answer = preview(consent);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{consent}: {answer}");
        assert!(answer.err.contains(hint), "{answer}");
    }
}

#[test]
fn a_system_that_is_removed_is_one_entry() {
    let checkout = Checkout::new();
    let object = |kind: &str, api_version: &str| {
        format!(
            "---\napiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: old\n  namespace: sophia-memory\n"
        )
    };
    let objects = [
        object("ConfigMap", "v1"),
        object("NetworkPolicy", "networking.k8s.io/v1"),
        object("PersistentVolumeClaim", "v1"),
    ];
    checkout.write(
        "tests/snapshots/dev/old_store.yaml.snap",
        &format!("---\nsource: x\n---\n{}", objects.concat()),
    );
    checkout.commit("A system that the code no longer has");
    let answer = checkout.phoenix(&["preview", "dev"]);
    assert_eq!(answer.code, 4, "{answer}");
    let destructive = answer.out.split("Destructive changes\n").nth(1).unwrap();
    assert_eq!(
        destructive.split("\n\n").next().unwrap(),
        "  dev: the system old_store\n    deleted: 3 objects\n    data at risk: PersistentVolumeClaim sophia-memory/old\n    \
         loses protection: 1 NetworkPolicy\n    to allow: --allow-destructive old_store"
    );
    assert_eq!(
        checkout
            .phoenix(&["preview", "dev", "--allow-destructive", "old_store"])
            .code,
        0
    );
    assert_eq!(
        checkout
            .phoenix(&["preview", "dev", "--allow-destructive", "pvc"])
            .code,
        4
    );
}

#[test]
fn the_most_important_comes_first_and_placeholders_come_last() {
    let checkout = Checkout::new();
    replace(&checkout);
    checkout.evaluate_dev_with("required-labels: {enforcement: mandatory, labels: [example.org/none]}");
    let answer = checkout.phoenix(&["preview", "dev"]);
    let positions: Vec<_> = [
        "destructive change not allowed; mandatory policies FAIL: dev\n",
        "\nDestructive changes\n",
        "\nPolicies\n",
        "\ndev, compared with HEAD",
        "[replaces the object]",
        "\ndev declares ",
        "\nplaceholders: dev ",
    ]
    .iter()
    .map(|part| {
        answer
            .out
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} is missing: {answer}"))
    })
    .collect();
    assert!(positions.is_sorted(), "{answer}");
    assert!(!answer.out.contains("values are placeholders"), "{answer}");
    let listed = checkout.phoenix(&["preview", "dev", "--placeholders"]);
    assert!(
        listed.out.contains("values are placeholders:\n  phoenix:"),
        "{listed}"
    );
}

#[test]
fn one_broken_stack_does_not_hide_the_others() {
    let checkout = Checkout::new();
    change(&checkout);
    checkout.edit("stacks/Pulumi.staging.yaml", "config:\n", "conifg:\n");
    let answer = checkout.phoenix(&["preview"]);
    assert_eq!(answer.code, 1, "{answer}");
    let first = answer.out.lines().next().unwrap();
    assert!(
        first.contains("2 update") && first.contains("INVALID: staging"),
        "{first}"
    );
    assert!(
        answer.out.contains("~ update ") && answer.out.contains("prod declares"),
        "{answer}"
    );
    assert!(
        answer
            .err
            .contains("did you mean `config:` instead of `conifg:`?"),
        "{answer}"
    );
    let document = checkout.phoenix(&["preview", "--format", "json"]).json();
    assert_eq!(document["stacks"].as_array().unwrap().len(), 2);
    assert_eq!(document["errors"][0]["stack"], "staging");
    let markdown = checkout.phoenix(&["preview", "--format", "markdown"]);
    assert!(
        markdown.out.starts_with("```text\n") && markdown.out.ends_with("\n```\n"),
        "{markdown}"
    );
    assert!(markdown.out.contains("did you mean `config:`"), "{markdown}");
}

#[test]
fn nothing_in_a_stack_file_ends_a_code_block_or_runs_a_workflow_command() {
    let checkout = Checkout::new();
    checkout.edit(
        DEV,
        "      placeholder: the host name of your development Postgres server",
        "      placeholder: \"a\\n::set-output name=x::y\\n````\\u202e\\e[31m##[error]\"",
    );
    for arguments in [
        &["preview", "dev", "--placeholders"][..],
        &["preview", "dev", "--placeholders", "--format", "markdown"],
        &["preview", "dev", "--placeholders", "--color", "always"],
        &["preview", "dev", "--format", "json"],
        &["explain", "postgres.host"],
    ] {
        let answer = checkout.phoenix(arguments);
        for text in [&answer.out, &answer.err] {
            assert!(!text.contains('\u{202e}') && !text.contains("##["), "{answer}");
            // The command has escape sequences of its own if its output has colors.
            let is_colored = arguments.contains(&"always");
            let escape = if is_colored { "\u{1b}[31m#" } else { "\u{1b}" };
            assert!(!text.contains(escape), "{answer}");
            assert!(
                text.lines().all(|line| !line.trim_start().starts_with("::")),
                "{answer}"
            );
        }
        if arguments.contains(&"markdown") {
            assert!(
                answer.out.starts_with("`````text\n") && answer.out.ends_with("\n`````\n"),
                "{answer}"
            );
        }
    }
}

#[test]
fn snapshots_are_written_without_the_tests() {
    let checkout = Checkout::new();
    assert_eq!(checkout.phoenix(&["snapshots", "--check"]).code, 0);
    change(&checkout);
    let answer = checkout.phoenix(&["snapshots", "--check"]);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (2, "update tests/snapshots/dev/qdrant.yaml.snap\n"),
        "{answer}"
    );
    let folder = checkout.path("tests/snapshots");
    std::fs::write(folder.join("dev/old.yaml.snap"), "---\nsource: x\n---\n").unwrap();
    std::fs::remove_file(folder.join("prod/mcp.yaml.snap")).unwrap();
    delete_staging(&checkout);
    assert_eq!(checkout.phoenix(&["snapshots"]).code, 0);
    let rendered = std::fs::read_to_string(folder.join("dev/qdrant.yaml.snap")).unwrap();
    assert!(
        rendered.starts_with("---\nsource: tests/it/stacks.rs\n---\n---\napiVersion"),
        "{rendered}"
    );
    assert!(rendered.contains("max_log_files: 9"), "{rendered}");
    assert!(!folder.join("dev/old.yaml.snap").exists() && !folder.join("staging").exists());
    assert!(folder.join("prod/mcp.yaml.snap").exists());
    checkout.git(&["checkout", "--quiet", "--", "stacks/Pulumi.staging.yaml"]);
    checkout.phoenix(&["snapshots"]);
    checkout.commit("More days");
    assert_eq!(checkout.phoenix(&["preview", "--exit-code"]).code, 0);
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
fn a_base_is_not_built_in_a_folder_that_others_can_write_to() {
    let checkout = Checkout::without_commits();
    checkout.write("crates/cli/Cargo.toml", "");
    checkout.commit("Without snapshots");
    checkout.write("target/base/.keep", "");
    let folder = checkout.path("target/base");
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let answer = checkout.phoenix(&["diff", "dev"]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("another user can write to "), "{answer}");
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
    let verdict = document["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("3 stacks: 1 REPLACE; "), "{verdict}");
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
