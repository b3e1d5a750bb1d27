//! What Prometheus itself says of the rules: that it reads them, and that each fires when it should and only then.

use std::path::Path;
use std::process::{Command, Output};

use phoenix_cli::sandbox::tools::{PROMTOOL, Workshop};
use serde_json::json;

use crate::examples::{of, rules, test_file};
use crate::live::{graph, root, said};

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn every_alert_of_every_stack_fires_when_it_should_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    let tests = folder.path().join("tests.yaml");
    for stack in ["dev", "staging", "prod"] {
        let rules = rules(&graph(stack));
        std::fs::write(&file, serde_json::to_string_pretty(&rules).unwrap()).unwrap();
        let output = promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &file);
        assert!(output.status.success(), "{stack}: {}", said(&output));
        let examples = test_file(&rules, "rules.yaml");
        assert!(of(&rules).len() > 20, "{stack}");
        std::fs::write(&tests, serde_json::to_string_pretty(&examples).unwrap()).unwrap();
        let output = promtool(&["test", "rules"], &tests);
        assert!(output.status.success(), "{stack}: {}", said(&output));
        // The control: an example that promises something else is found wrong.
        let mut wrong = examples;
        for test in wrong["tests"].as_array_mut().unwrap() {
            if !test["alert_rule_test"][0]["exp_alerts"][0].is_null() {
                test["alert_rule_test"][0]["exp_alerts"][0]["exp_labels"]["severity"] = json!("none");
            }
        }
        std::fs::write(&tests, serde_json::to_string_pretty(&wrong).unwrap()).unwrap();
        assert!(!promtool(&["test", "rules"], &tests).status.success(), "{stack}");
    }
}

fn promtool(arguments: &[&str], file: &Path) -> Output {
    let found = Workshop::of(&root()).unwrap().provide(&[PROMTOOL]).unwrap();
    Command::new(&found[PROMTOOL.name].path)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap()
}
