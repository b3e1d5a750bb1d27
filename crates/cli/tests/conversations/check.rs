//! `phoenix check`: policies for stacks and manifests.

use serde_json::Value;

use crate::support::{Answer, Checkout};

const BAD: &str = "# Two documents and a stray one.\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a, \
                   namespace: ns}\n  spec:\n    containers:\n    - name: app\n      image: registry.example/app:1\n      securityContext:\n        \
                   privileged: yes\n---\njust: text\n";

fn check(arguments: &[&str]) -> (Checkout, Answer) {
    let checkout = Checkout::bare();
    checkout.write("manifests/bad.yaml", BAD);
    let answer = checkout.phoenix(&[&["check"], arguments].concat());
    (checkout, answer)
}

#[test]
fn a_failure_is_reported_with_line_controls_and_fix() {
    let (_checkout, answer) = check(&["--file", "manifests"]);
    // The stray document outweighs the failure.
    assert_eq!(answer.code, 1, "{answer}");
    let finding = "FAIL no-privileged-containers (critical): Containers are not privileged\n  Pod ns/a\n    manifests/bad.yaml:13 \
                spec.containers[0].securityContext.privileged: container app is privileged\n  fix: Remove `privileged`, and give the container \
                only the capability or device that it needs.\n  controls: SOC 2 CC6.1, CC6.8; HIPAA 164.312(a)(1), 164.308(a)(1)(ii)(B)\n";
    assert!(answer.out.contains(finding), "{answer}");
    assert!(
        answer
            .err
            .contains("manifests/bad.yaml:15: not a Kubernetes object: `kind` is missing"),
        "{answer}"
    );
}

#[test]
fn the_development_stack_is_clean_and_assumptions_are_shown_on_request() {
    let (_checkout, answer) = check(&["dev", "--assumptions"]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.contains("dev: ") && answer.out.contains(" 0 failed, "),
        "{answer}"
    );
    assert!(
        answer.out.contains("meshRootNamespace = \"istio-system\""),
        "{answer}"
    );
}

#[test]
fn manifests_come_from_stdin_too_and_settings_from_a_file() {
    let checkout = Checkout::bare();
    checkout.write(
        "settings.yaml",
        "all: advisory\nrules:\n  no-privileged-containers: disabled\n",
    );
    let answer = checkout.phoenix_with_input(
        &[
            "check",
            "--file",
            "-",
            "--settings",
            "settings.yaml",
            "--allow-skipped",
        ],
        BAD,
    );
    assert_eq!(answer.code, 0, "{answer}");
    assert!(answer.out.contains("advisory run-as-non-root"), "{answer}");
    assert!(
        !answer.out.contains("FAIL no-privileged-containers")
            && !answer.out.contains("advisory no-privileged"),
        "{answer}"
    );
    // What the caller weakens is printed too.
    assert!(
        answer
            .out
            .contains("weakened disabled instead of mandatory, by settings.yaml: no-privileged-containers\n"),
        "{answer}"
    );
}

#[test]
fn every_verdict_is_in_the_json_and_every_failure_in_the_sarif() {
    let (_checkout, answer) = check(&["--file", "manifests", "--format", "json"]);
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    let rules = json["runs"][0]["rules"].as_array().unwrap();
    let rule = |id: &str| rules.iter().find(|rule| rule["id"] == id).unwrap();
    assert_eq!(rule("no-host-ports")["passed"], serde_json::json!(["Pod ns/a"]));
    assert_eq!(
        rule("no-privileged-containers")["failed"][0]["findings"][0]["line"],
        13
    );
    let (_checkout, answer) = check(&["--file", "manifests", "--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let result = results
        .iter()
        .find(|result| result["ruleId"] == "no-privileged-containers")
        .unwrap();
    assert_eq!(result["level"], "error");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "manifests/bad.yaml");
    assert_eq!(place["region"]["startLine"], 13);
}

#[test]
fn unreadable_input_fails_and_the_rest_is_evaluated() {
    let checkout = Checkout::bare();
    checkout.write("bad.yaml", &format!("{BAD}---\na: 1\na: 2\n"));
    let answer = checkout.phoenix(&["check", "--file", "bad.yaml"]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(
        answer
            .err
            .contains("error: bad.yaml, line 18, column 1: duplicate key \"a\""),
        "{answer}"
    );
    assert!(answer.out.contains("FAIL no-privileged-containers"), "{answer}");
}

#[test]
fn settings_errors_are_reported_together() {
    let checkout = Checkout::bare();
    checkout.write(
        "settings.yaml",
        "rules:\n  no-privileged-container: advisory\nassume: {mash: always}\n",
    );
    let answer = checkout.phoenix(&["check", "--file", "stacks", "--settings", "settings.yaml"]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(
        answer.err.contains("did you mean no-privileged-containers?"),
        "{answer}"
    );
    assert!(answer.err.contains("did you mean mesh?"), "{answer}");
    assert!(
        answer
            .err
            .contains("  settings.yaml:2: rules.no-privileged-container is not a rule"),
        "{answer}"
    );
}

#[test]
fn missing_objects_are_unknown_in_a_partial_deployment() {
    let (_checkout, whole) = check(&["--file", "manifests"]);
    assert!(whole.out.contains("FAIL workload-has-network-policy"), "{whole}");
    let (_checkout, part) = check(&["--file", "manifests", "--partial"]);
    assert!(part.out.contains("unknown workload-has-network-policy"), "{part}");
}

#[test]
fn a_rule_and_a_control_can_be_explained() {
    let checkout = Checkout::bare();
    let rule = checkout.phoenix(&["explain", "mesh-mtls-strict"]);
    assert_eq!(rule.code, 0, "{rule}");
    assert!(
        rule.out
            .contains("Every mesh workload accepts only mutual TLS on every port"),
        "{rule}"
    );
    assert!(
        rule.out.contains("HIPAA 164.312(e)(2)(ii) (addressable)"),
        "{rule}"
    );
    let control = checkout.phoenix(&["explain", "HIPAA", "164.308(a)(7)(ii)(A)"]);
    assert!(control.out.contains("Data backup plan"), "{control}");
    assert!(control.out.contains("backup-covers-data"), "{control}");
    let wrong = checkout.phoenix(&["explain", "mesh-mtls-strickt"]);
    assert!(wrong.err.contains("did you mean mesh-mtls-strict?"), "{wrong}");
}

#[test]
fn a_finding_is_placed_at_the_configuration_of_its_system() {
    let checkout = Checkout::bare();
    checkout.evaluate_dev_with("required-labels: {enforcement: mandatory, labels: [nobody/has-it]}");
    let answer = checkout.phoenix(&["check", "dev", "--format", "sarif"]);
    assert_eq!(answer.code, 3, "{answer}");
    let sarif: Value = serde_json::from_str(&answer.out).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let result = results
        .iter()
        .find(|result| {
            result["ruleId"] == "required-labels"
                && result["message"]["text"]
                    .as_str()
                    .unwrap()
                    .contains("StatefulSet sophia-memory/qdrant")
        })
        .unwrap();
    let file = std::fs::read_to_string(checkout.path("stacks/Pulumi.dev.yaml")).unwrap();
    let line = 1 + file
        .lines()
        .position(|line| line.contains("phoenix:qdrant:"))
        .unwrap();
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "stacks/Pulumi.dev.yaml");
    assert_eq!(place["region"]["startLine"], line);
}

#[test]
fn a_preview_reports_policy_findings_and_exits_like_check() {
    let checkout = Checkout::new();
    let clean = checkout.phoenix(&["preview", "dev"]);
    assert_eq!(clean.code, 0, "{clean}");
    assert!(clean.out.contains("\nPolicies: no findings (dev)"), "{clean}");
    let with = |rule: &str| {
        let checkout = Checkout::new();
        checkout.evaluate_dev_with(rule);
        checkout
    };
    let failing = with("required-labels: {enforcement: mandatory, labels: [nobody/has-it]}");
    let answer = failing.phoenix(&["preview", "dev"]);
    assert_eq!(answer.code, 3, "{answer}");
    assert!(
        answer
            .out
            .contains("\nPolicies\nFAIL required-labels (low): Objects have the recommended labels"),
        "{answer}"
    );
    let answer = failing.phoenix(&["preview", "dev", "--format", "json"]);
    assert_eq!(answer.code, 3, "{answer}");
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    let policies = &json["stacks"][0]["policies"];
    assert_eq!(policies["blocks"], true);
    let finding = &policies["findings"][0];
    assert_eq!(
        (&finding["rule"], &finding["file"]),
        (
            &Value::from("required-labels"),
            &Value::from("stacks/Pulumi.dev.yaml")
        )
    );
    let answer = with("required-label: advisory").phoenix(&["preview", "dev"]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("did you mean required-labels?"), "{answer}");
}

#[test]
fn settings_after_the_first_document_are_an_error() {
    let checkout = Checkout::bare();
    checkout.write("settings.yaml", "all: advisory\n---\nrules: {}\n");
    let answer = checkout.phoenix_with_input(&["check", "--file", "-", "--settings", "settings.yaml"], BAD);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(answer.err.contains("several documents"), "{answer}");
}

#[test]
fn a_stack_cannot_switch_off_its_evaluation() {
    for own in [
        "all: disabled",
        "all: advisory",
        "rules: {no-privileged-containers: disabled}",
        "rules: {no-privileged-containers: advisory, evaluation-not-weakened: disabled}",
        "rules: {no-host-path-volumes: {allowed: [/]}}",
    ] {
        let checkout = Checkout::bare();
        checkout.set_policies_of_dev(own);
        for verb in ["check", "preview"] {
            let answer = checkout.phoenix(&[verb, "dev"]);
            assert_eq!(answer.code, 3, "{verb}, {own}: {answer}");
            assert!(
                answer.out.contains("FAIL evaluation-not-weakened (high)"),
                "{own}: {answer}"
            );
            assert!(
                answer.out.contains("stacks/Pulumi.dev.yaml:") && answer.out.contains("is ignored"),
                "{own}: {answer}"
            );
        }
        let answer = checkout.phoenix(&["check", "dev", "--format", "sarif"]);
        assert_eq!(answer.code, 3, "{own}: {answer}");
        assert!(
            answer.out.contains("\"ruleId\": \"evaluation-not-weakened\""),
            "{own}: {answer}"
        );
    }
}

#[test]
fn assumptions_of_a_stack_that_limit_its_evaluation_or_have_no_owner_are_errors_with_lines() {
    let checkout = Checkout::bare();
    checkout.set_policies_of_dev(
        "assume:\n  mesh: never\n  complete: false\n  backupStoresEncrypted: true\nwaivers:\n- rule: no-host-prots\n  objects: [Pod \
         a]\n  reason: '-'\n  owner: a\n  approver: A\n  approved: \"2026-06-01\"\n  lastDay: \"2027-01-01\"\n  ticket: T-1",
    );
    let answer = checkout.phoenix(&["check", "dev"]);
    assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{answer}");
    for problem in [
        "phoenix:policies.assume.mesh is not accepted in a stack file",
        "phoenix:policies.assume.complete is not accepted in a stack file",
        "phoenix:policies.assume.backupStoresEncrypted must be a mapping with value, owner, evidence and reviewBy",
        "phoenix:policies.waivers[0].rule is \"no-host-prots\", which is not a rule",
        "hint: did you mean no-host-ports?",
        "phoenix:policies.waivers[0].reason is not acceptable: the reason is only a placeholder: -",
        "phoenix:policies.waivers[0].approver is not acceptable: the owner approved the waiver",
    ] {
        assert!(answer.err.contains(problem), "{problem}: {answer}");
    }
    assert_eq!(
        answer.err.matches("  stacks/Pulumi.dev.yaml:").count(),
        6,
        "{answer}"
    );
}

#[test]
fn what_is_weakened_and_assumed_is_in_every_format() {
    let checkout = Checkout::bare();
    let text = checkout.phoenix(&["check", "dev"]);
    assert_eq!(text.code, 0, "{text}");
    let weakened =
        "weakened disabled instead of mandatory, by policies/profiles/dev.yaml: image-digest-pinned, ";
    let assumed = "assumed backupStoresEncrypted = true: ";
    for part in [
        weakened,
        assumed,
        "owner platform operators",
        " passed by assumption, ",
    ] {
        assert!(text.out.contains(part), "{part}: {text}");
    }
    let preview = checkout.phoenix(&["preview", "dev"]);
    for part in [weakened, assumed] {
        assert!(preview.out.contains(&format!("dev: {part}")), "{part}: {preview}");
    }
    let json = checkout.phoenix(&["check", "dev", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let run = &json["runs"][0];
    let relaxed = run["weakened"].as_array().unwrap();
    assert!(
        relaxed
            .iter()
            .any(|weakened| weakened["rule"] == "image-digest-pinned"
                && weakened["by"] == "policies/profiles/dev.yaml")
    );
    let assumption = &run["assumptions"][0];
    assert_eq!(
        (&assumption["name"], &assumption["reviewBy"]),
        (&Value::from("backupStoresEncrypted"), &Value::from("2027-05-31"))
    );
    assert!(assumption["passes"].as_u64().unwrap() > 0, "{assumption}");
    let rules = run["rules"].as_array().unwrap();
    let encrypted = rules
        .iter()
        .find(|rule| rule["id"] == "backup-encrypted-and-remote")
        .unwrap();
    assert_eq!(encrypted["passed"], serde_json::json!([]));
    assert_eq!(
        encrypted["passedByAssumption"][0]["assumptions"],
        serde_json::json!(["backupStoresEncrypted"])
    );
    let sarif = checkout.phoenix(&["check", "dev", "--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&sarif.out).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let informational: Vec<_> = results
        .iter()
        .filter(|result| result["kind"] == "informational")
        .filter_map(|result| result["message"]["text"].as_str())
        .collect();
    for part in [
        "image-digest-pinned: disabled instead of mandatory, by policies/profiles/dev.yaml",
        "backupStoresEncrypted = true",
    ] {
        assert!(
            informational.iter().any(|text| text.contains(part)),
            "{informational:#?}"
        );
    }
}

#[test]
fn a_weaker_environment_on_the_cluster_of_another_stack_is_a_finding() {
    let checkout = Checkout::bare();
    let uid = "      placeholder: the UID of that cluster, which `cargo phoenix doctor dev` shows\n";
    let same = "11111111-2222-3333-4444-555555555555";
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        &format!("uid:\n{uid}"),
        &format!("uid: {same}\n"),
    );
    let prod = std::fs::read_to_string(checkout.path("stacks/Pulumi.prod.yaml")).unwrap();
    let start = prod.find("    uid:\n").unwrap();
    let end = start + prod[start..].match_indices('\n').nth(1).unwrap().0;
    checkout.write(
        "stacks/Pulumi.prod.yaml",
        &format!("{}    uid: {same}{}", &prod[..start], &prod[end..]),
    );
    let answer = checkout.phoenix(&["check", "dev"]);
    assert_eq!(answer.code, 3, "{answer}");
    let finding = "phoenix:environment: the environment is dev, but stack prod declares the same cluster as prod: both have the phoenix:cluster.uid";
    assert!(
        answer.out.contains("stacks/Pulumi.dev.yaml:4 ") && answer.out.contains(finding),
        "{answer}"
    );
    // The stack with the stricter environment is not the one that understates it.
    assert_eq!(checkout.phoenix(&["check", "prod"]).code, 0);
}

#[test]
fn stacks_with_one_identifier_are_reported() {
    let checkout = Checkout::bare();
    checkout.edit(
        "stacks/Pulumi.staging.yaml",
        "identifier: phoenix-staging",
        "identifier: phoenix-prod",
    );
    let warning = "stacks prod and staging have the same phoenix:cluster.identifier, \"phoenix-prod\"";
    for arguments in [
        &["preview"][..],
        &["preview", "prod"],
        &["doctor"],
        &["doctor", "staging"],
    ] {
        let answer = checkout.phoenix(arguments);
        assert_eq!(answer.out.matches(warning).count(), 1, "{answer}");
    }
    let answer = checkout.phoenix(&["preview", "prod", "--format", "json"]);
    let json: Value = serde_json::from_str(&answer.out).unwrap();
    assert!(
        json["warnings"][0].as_str().unwrap().starts_with(warning),
        "{json}"
    );
    assert!(
        !Checkout::bare()
            .phoenix(&["preview"])
            .out
            .contains("have the same")
    );
}

/// A pod that fails, in a manifest of this form.
fn privileged(checkout: &Checkout, text: &str) -> Answer {
    checkout.write("a.yaml", text);
    checkout.phoenix(&["check", "--file", "a.yaml"])
}

#[test]
fn what_kubectl_would_apply_is_evaluated() {
    let checkout = Checkout::bare();
    let pod = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: ns}}\nspec:\n  containers:\n  - name: app\n    image: i\n    \
             securityContext: {value}\n"
        )
    };
    let item = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: ns}, spec: {containers: [{name: app, image: i, securityContext: \
                {privileged: true}}]}}";
    for text in [
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\nitems: [{item}]\n"),
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\nitems:\n- {item}\n"),
        "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a, namespace: ns}\n  spec: {containers: [{name: app, image: i, \
         securityContext: {privileged: true}}]}\n"
            .to_owned(),
        pod("{privileged: y}"),
        pod("{privileged: On}"),
        pod("{privileged: !!bool \"true\"}"),
        pod("{privileged: false, <<: {privileged: true}}"),
        pod("{<<: [{privileged: true}, {privileged: false}]}"),
        pod("{\nprivileged: true\n}"),
        format!("{{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{{\"name\":\"a\"}}}}\n---\n{item}\n"),
    ] {
        let answer = privileged(&checkout, &text);
        assert_eq!(answer.code, 3, "{text}{answer}");
        assert!(answer.out.contains("FAIL no-privileged-containers"), "{text}{answer}");
    }
    // A quoted `<<` is an ordinary key.
    let answer = privileged(&checkout, &pod("{\"<<\": {privileged: true}}"));
    assert!(!answer.out.contains("FAIL no-privileged-containers"), "{answer}");
    let answer = privileged(&checkout, &pod("{runAsUser: !!int \"0\"}"));
    assert!(answer.out.contains("FAIL run-as-non-root"), "{answer}");
}

#[test]
fn a_folder_is_read_through_symbolic_links_once() {
    let checkout = Checkout::bare();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: ns}\nspec: {hostPID: true, containers: [{name: app, image: i}]}\n";
    checkout.write("elsewhere/pod.txt", pod);
    checkout.write("elsewhere/more/other.yaml", &pod.replace("name: a,", "name: b,"));
    checkout.write("manifests/none.txt", "not read");
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, checkout.path(at)).unwrap();
    link("../elsewhere/pod.txt", "manifests/pod.yaml");
    link("../elsewhere/pod.txt", "manifests/same.yaml");
    link("../elsewhere/more", "manifests/more");
    link(".", "manifests/loop");
    link("..", "elsewhere/more/up");
    let answer = checkout.phoenix(&["check", "--file", "manifests", "--file", "manifests/pod.yaml"]);
    assert!(answer.out.contains("manifests: 2 objects checked"), "{answer}");
    assert_eq!(answer.code, 3, "{answer}");
    link("nowhere", "manifests/lost.yaml");
    let answer = checkout.phoenix(&["check", "--file", "manifests"]);
    assert!(
        answer.err.contains("lost.yaml, line 1, column 1: No such file"),
        "{answer}"
    );
    assert_eq!(answer.code, 1, "{answer}");
}

#[test]
fn a_named_pipe_is_rejected_and_a_pipe_of_the_shell_is_read() {
    let checkout = Checkout::bare();
    let pipe = checkout.path("manifests/pipe.yaml");
    checkout.write(
        "manifests/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: ns}\n",
    );
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let answer = checkout.phoenix(&["check", "--file", "manifests"]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(
        answer.err.contains("pipe.yaml is not a file or a directory"),
        "{answer}"
    );
    let answer = checkout.phoenix(&["check", "--file", "manifests/pipe.yaml"]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(
        answer.err.contains("hint: pass what it contains on stdin"),
        "{answer}"
    );
    let answer = checkout.phoenix_with_input(&["check", "--file", "/dev/stdin"], BAD);
    assert!(answer.out.contains("FAIL no-privileged-containers"), "{answer}");
}

#[test]
fn nothing_to_check_is_a_failure_unless_it_is_allowed() {
    let checkout = Checkout::bare();
    checkout.write("empty.yaml", "");
    checkout.write("comment.yaml", "# only\n---\n# comments\n");
    checkout.write("list.yaml", "apiVersion: v1\nkind: List\nitems: []\n");
    checkout.write("chart/Chart.yaml", "apiVersion: v2\nname: a\n");
    checkout.write("kustomization/kustomization.yaml", "resources: [a.yaml]\n");
    checkout.write("notes/README.md", "no manifests\n");
    for path in [
        "empty.yaml",
        "comment.yaml",
        "list.yaml",
        "chart",
        "kustomization",
        "notes",
    ] {
        let answer = checkout.phoenix(&["check", "--file", path]);
        assert_eq!(answer.code, 1, "{path}: {answer}");
        let message = format!("error: no Kubernetes objects found in {path}");
        assert!(answer.err.contains(&message), "{path}: {answer}");
        let answer = checkout.phoenix(&["check", "--file", path, "--allow-skipped"]);
        assert_eq!(answer.code, 0, "{path}: {answer}");
    }
    let answer = checkout.phoenix_with_input(&["check", "--file", "-"], "");
    assert_eq!(answer.code, 1, "{answer}");
    assert!(
        answer
            .err
            .contains("no Kubernetes objects found in the manifests from stdin"),
        "{answer}"
    );
}

#[test]
fn what_was_not_evaluated_is_counted_in_every_format() {
    let checkout = Checkout::bare();
    let text = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: a, namespace: ns}\n---\njust: text\n---\na: [\n---\napiVersion: v1\nkind: \
                ConfigMap\nmetadata: {name: a, namespace: ns}\ndata: {}\n";
    checkout.write("a.yaml", text);
    let check = |arguments: &[&str]| checkout.phoenix(&[&["check", "--file", "a.yaml"], arguments].concat());
    let answer = check(&[]);
    assert_eq!(answer.code, 1, "{answer}");
    for line in [
        "incomplete: 1 document could not be read or would be rejected by kubectl",
        "incomplete: 1 document is not a Kubernetes object",
        "no rule for: 1 Widget.example.org",
    ] {
        assert!(answer.out.contains(line), "{line}: {answer}");
    }
    assert!(
        answer
            .err
            .contains("a.yaml:5: not a Kubernetes object: `kind` is missing"),
        "{answer}"
    );
    assert!(
        answer.err.contains("error: a.yaml, line 8, column 1:"),
        "{answer}"
    );
    let json: Value = serde_json::from_str(&check(&["--format", "json"]).out).unwrap();
    let left_out = &json["runs"][0]["notEvaluated"];
    assert_eq!(
        (&left_out["unreadable"], &left_out["notObjects"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        left_out["kindsWithoutRules"],
        serde_json::json!({"Widget.example.org": 1})
    );
    assert_eq!(left_out["documents"].as_array().unwrap().len(), 2);
    let sarif: Value = serde_json::from_str(&check(&["--format", "sarif"]).out).unwrap();
    let invocation = &sarif["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let levels: Vec<_> = invocation["toolExecutionNotifications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|notification| notification["level"].as_str().unwrap())
        .collect();
    assert_eq!(levels, ["error", "warning", "note"]);
    // A kind without rules never fails.
    checkout.write("a.yaml", text.split("---").next().unwrap());
    let answer = check(&[]);
    assert_eq!(answer.code, 0, "{answer}");
    assert!(
        answer.out.contains("no rule for: 1 Widget.example.org"),
        "{answer}"
    );
}
