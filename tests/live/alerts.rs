//! What Prometheus itself says of the rules: that it reads them, and that each fires when it should and only then.

use std::path::Path;
use std::process::{Command, Output};

use phoenix_cli::checkout::Checkout;
use phoenix_cli::stack::Stack;
use phoenix_sandbox::tools::{PROMTOOL, ToolCache};
use serde_json::{Value, json};

use crate::live::{graph, root, said};
use phoenix_testing::alerts::{of, rules, test_file, with_everything};

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn every_alert_of_every_stack_fires_when_it_should_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    let tests = folder.path().join("tests.yaml");
    let mut last = Value::Null;
    let prod = Stack::load(&Checkout::find(Some(&root())).unwrap(), "prod").unwrap();
    let mut graphs: Vec<_> = ["dev", "staging"].map(|stack| (stack, graph(stack))).into();
    // Production's own rules are among these.
    graphs.push(("everything", with_everything(&prod.config)));
    for (stack, graph) in graphs {
        let rules = rules(&graph);
        std::fs::write(&file, serde_json::to_string_pretty(&rules).unwrap()).unwrap();
        let output = promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &file);
        assert!(output.status.success(), "{stack}: {}", said(&output));
        let examples = test_file(&rules, "rules.yaml");
        assert!(of(&rules).len() > 20, "{stack}");
        std::fs::write(&tests, serde_json::to_string_pretty(&examples).unwrap()).unwrap();
        let output = promtool(&["test", "rules"], &tests);
        assert!(output.status.success(), "{stack}: {}", said(&output));
        last = examples;
    }
    // The control: examples that promise something else are found wrong.
    for test in last["tests"].as_array_mut().unwrap() {
        if !test["alert_rule_test"][0]["exp_alerts"][0].is_null() {
            test["alert_rule_test"][0]["exp_alerts"][0]["exp_labels"]["severity"] = json!("none");
        }
    }
    std::fs::write(&tests, serde_json::to_string_pretty(&last).unwrap()).unwrap();
    let output = promtool(&["test", "rules"], &tests);
    assert!(
        !output.status.success() && said(&output).contains("FAILED"),
        "{}",
        said(&output)
    );
}

fn promtool(arguments: &[&str], file: &Path) -> Output {
    let found = ToolCache::of(&root()).unwrap().provide(&[PROMTOOL]).unwrap();
    Command::new(&found[PROMTOOL.name].path)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap()
}
