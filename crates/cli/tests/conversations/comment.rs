//! `phoenix comment`: the document, its parts, and its exit codes.

use insta::assert_snapshot;

use crate::support::{Answer, Checkout};

const DEV: &str = "stacks/Pulumi.dev.yaml";

/// The comment on a change of a fresh clone.
fn comment_on(change: impl FnOnce(&Checkout)) -> Answer {
    let checkout = Checkout::new();
    change(&checkout);
    checkout.phoenix(&["comment", "--base", "HEAD"])
}

#[test]
fn a_document_shows_what_a_change_does() {
    let checkout = Checkout::new();
    checkout.edit(DEV, "    auditDays: 7\n", "    auditDays: 9\n");
    checkout.edit(
        DEV,
        "    snapshots:\n      size: 1Gi\n",
        "    snapshots:\n      size: 2Gi\n",
    );
    std::fs::remove_file(checkout.path("stacks/Pulumi.staging.yaml")).unwrap();
    std::fs::remove_dir_all(checkout.path("tests/snapshots/staging")).unwrap();
    let answer = checkout.phoenix(&["comment", "dev", "--base", "HEAD"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert_snapshot!(answer.out);
    // All stacks, with the deleted one.
    let answer = checkout.phoenix(&["comment", "--base", "HEAD", "--exit-code"]);
    assert_eq!(answer.code, 4, "{answer}");
    assert!(answer.out.contains(" infra/destroy sha256:"), "{answer}");
    assert!(
        answer.out.contains("| <code>staging</code> | 0 | 0 | 0 | "),
        "{answer}"
    );
    assert!(answer.out.chars().count() <= 60_000);
}

#[test]
fn nothing_to_report_is_a_document_too() {
    let answer = comment_on(|_| {});
    assert_eq!(answer.code, 0, "{answer}");
    let mut lines = answer.out.lines();
    let first = lines.next().unwrap_or_default();
    assert!(
        first.starts_with("<!-- phoenix:comment v1 infra/no-change sha256:"),
        "{answer}"
    );
    assert_eq!(lines.next(), Some("### 3 stacks: no changes"));
    assert!(!answer.out.contains("<details>"), "{answer}");
}

#[test]
fn a_stack_that_cannot_be_compared_is_a_row_with_its_error() {
    let break_dev = |checkout: &Checkout| checkout.edit(DEV, "    auditDays: 7\n", "    auditDays: many\n");
    let answer = comment_on(break_dev);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains(" infra/error "), "{answer}");
    assert!(
        answer.out.contains("**1 stack that cannot be compared**"),
        "{answer}"
    );
    assert!(
        answer.out.contains("| <code>dev</code> | | | | | **error:** "),
        "{answer}"
    );
    assert!(
        answer.out.contains("| <code>prod</code> | 0 | 0 | 0 | 0 |"),
        "{answer}"
    );
    let checkout = Checkout::new();
    break_dev(&checkout);
    let only = checkout.phoenix(&["comment", "dev", "--base", "HEAD", "--exit-code"]);
    assert_eq!(only.code, 1, "{only}");
    assert!(only.out.contains("infra/error"), "{only}");
}

#[test]
fn a_stack_that_is_broken_only_in_the_base_is_compared() {
    let checkout = Checkout::new();
    checkout.edit(DEV, "    auditDays: 7\n", "    auditDays: many\n");
    checkout.commit("Break dev");
    checkout.edit(DEV, "    auditDays: many\n", "    auditDays: 7\n");
    let answer = checkout.phoenix(&["comment", "dev", "--base", "HEAD"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains("| <code>dev</code> | 0 | "), "{answer}");
}

#[test]
fn findings_that_the_base_has_are_counted_and_new_ones_are_listed() {
    let checkout = Checkout::new();
    checkout.edit(DEV, "    auditDays: 7\n", "    auditDays: 9\n");
    checkout.evaluate_dev_with("replicas-minimum: mandatory");
    let answer = checkout.phoenix(&["comment", "dev", "--base", "HEAD"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(!answer.out.contains("#### New policy findings"), "{answer}");
    let row = answer
        .out
        .lines()
        .find(|line| line.starts_with("| <code>dev</code>"));
    assert!(row.is_some_and(|row| row.contains(" known |")), "{answer}");

    // A stack that the base does not have has only new findings.
    std::fs::copy(checkout.path(DEV), checkout.path("stacks/Pulumi.other.yaml")).unwrap();
    let answer = checkout.phoenix(&["comment", "other", "--base", "HEAD"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains("#### New policy findings"), "{answer}");
    assert!(
        answer.out.contains("new findings of mandatory policies**"),
        "{answer}"
    );
}

#[test]
fn text_of_a_stack_file_adds_no_markup() {
    let hostile =
        "@maintainer #1 https://evil.example <img src=x> </details> `x` | a [b](c) <!-- phoenix:comment";
    let answer = comment_on(|checkout| {
        checkout.edit(
            DEV,
            "    auditDays: 7\n",
            &format!("    auditDays: 7\n    \"{hostile}\": 1\n"),
        );
    });
    assert!(answer.out.contains("maintainer"), "{answer}");
    // Nothing but the code block with the error has the text as it is.
    let (before, rest) = answer
        .out
        .split_once("````text\n")
        .or(answer.out.split_once("```text\n"))
        .unwrap();
    let (_, after) = rest.split_once("\n```").unwrap();
    let outside = format!("{before}{after}");
    for part in ["@maintainer", "#1 ", "<img", "](c)", "https://evil"] {
        assert!(!outside.contains(part), "{part}: {answer}");
    }
}

#[test]
fn a_file_is_written_as_a_whole_and_json_has_the_same_document() {
    let checkout = Checkout::new();
    checkout.edit(DEV, "    auditDays: 7\n", "    auditDays: 9\n");
    let document = checkout.phoenix(&["comment", "dev", "--base", "HEAD"]).out;
    let answer = checkout.phoenix(&["comment", "dev", "--base", "HEAD", "--output", "comment.md"]);
    assert_eq!((answer.code, answer.out.as_str()), (0, ""), "{answer}");
    // The tests replace the commit in the output.
    let without_commit = |text: &str| text.split_once("| stack |").map(|(_, rest)| rest.to_owned());
    let file = std::fs::read_to_string(checkout.path("comment.md")).unwrap();
    assert_eq!(without_commit(&file), without_commit(&document));
    let json = checkout.phoenix(&[
        "comment",
        "dev",
        "--base",
        "HEAD",
        "--format",
        "json",
        "--exit-code",
    ]);
    assert_eq!(json.code, 2, "{json}");
    let json = json.json();
    assert_eq!(
        without_commit(json["body"].as_str().unwrap()),
        without_commit(&document)
    );
    assert_eq!(json["label"], "infra/change");
    assert_eq!(json["stacks"][0]["stack"], "dev");
    assert!(document.contains(json["digest"].as_str().unwrap()));
    let into_nothing = checkout.phoenix(&[
        "comment",
        "dev",
        "--base",
        "HEAD",
        "--output",
        "missing/comment.md",
    ]);
    assert_eq!(into_nothing.code, 1, "{into_nothing}");
    assert!(into_nothing.err.contains("missing/comment.md"), "{into_nothing}");
}

#[test]
fn the_digest_changes_with_the_changes_only() {
    let digest = |days: &str| {
        let checkout = Checkout::new();
        checkout.edit(DEV, "    auditDays: 7\n", &format!("    auditDays: {days}\n"));
        let json = checkout
            .phoenix(&["comment", "dev", "--base", "HEAD", "--format", "json"])
            .json();
        json["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(digest("9"), digest("9"));
    assert_ne!(digest("9"), digest("10"));
}

const PRICES: &str = "currency: EUR\ncpuHour: 0.03\nmemoryGibHour: 0.004\nstorageGibMonth: {default: 0.1}\n";

#[test]
fn prices_of_a_file_are_applied_to_the_change() {
    let checkout = Checkout::new();
    checkout.edit(
        DEV,
        "    snapshots:\n      size: 1Gi\n",
        "    snapshots:\n      size: 11Gi\n",
    );
    checkout.write("prices.yaml", PRICES);
    let arguments = ["dev", "--base", "HEAD", "--prices", "prices.yaml"];
    let json = checkout
        .phoenix(&[&["preview", "--format", "json"], &arguments[..]].concat())
        .json();
    let stack = &json["stacks"][0];
    let cost = |side: &str| stack["monthlyCost"][side].as_f64().unwrap();
    // Ten GiB more.
    assert!(
        (cost("after") - cost("before") - 1.0).abs() < 1e-6,
        "{}",
        stack["monthlyCost"]
    );
    let request = |resource: &str| {
        stack["capacity"]["after"]["workloads"]["requests"][resource]
            .as_f64()
            .unwrap()
    };
    let gib = f64::from(1 << 30);
    let storage = stack["capacity"]["after"]["storage"][""].as_f64().unwrap();
    let expected = 730.0 * (request("cpu") * 0.03 + request("memory") / gib * 0.004) + storage / gib * 0.1;
    assert!(
        (cost("after") - expected).abs() < 1e-6,
        "{}",
        stack["monthlyCost"]
    );
    let shown = format!("{:.2} -> {:.2}", cost("before"), cost("after"));
    let text = checkout.phoenix(&[&["preview"], &arguments[..]].concat());
    assert!(
        text.out.contains("EUR/month") && text.out.contains(&shown),
        "{text}"
    );
    let comment = checkout.phoenix(&[&["comment"], &arguments[..]].concat());
    assert!(comment.out.contains("<code>EUR/month</code>"), "{comment}");

    checkout.write("prices.yaml", &PRICES.replace("cpuHour: 0.03", "cpu: 0.03"));
    let answer = checkout.phoenix(&[&["preview"], &arguments[..]].concat());
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("cpu is not a key of the prices"), "{answer}");
    assert!(answer.err.contains("cpuHour must be a number"), "{answer}");
}
