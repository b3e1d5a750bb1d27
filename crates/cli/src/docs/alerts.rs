//! `docs/runbooks/README.md`: every alert with its runbook, made from the rules of the stacks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ConfigMap;
use phoenix::platform::{RULE_FILE, RULES, runbook_page};
use phoenix_graph::Graph;
use serde_json::Value;

/// The page as it is committed.
pub fn markdown(stacks: &[(&str, &Graph)]) -> String {
    let mut text = String::from(
        "# Runbooks\n\n\
         <!-- The table is generated from the rules of the stacks by a test; change the alerts, not this file. -->\n\n\
         One page for each alert: what it means, where to look first, and how to repair it. Every alert carries the address of its page as `runbook_url`.\n\
         *critical* wakes somebody, *warning* waits for working hours; where an alert has both, the critical one silences the other in Alertmanager's usual inhibition.\n\
         [The monitoring guide](../monitoring.md) says where the numbers come from.\n\n\
         | alert | severity | what it says | in the stacks |\n|---|---|---|---|\n",
    );
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (stack, graph) in stacks {
        for alert in alerts(graph) {
            let row = rows.entry(alert.name).or_default();
            for (of, one) in [
                (&mut row.severities, alert.severity),
                (&mut row.summaries, alert.summary),
                (&mut row.stacks, (*stack).to_owned()),
            ] {
                // A stack that has everything tells only of what no other has.
                if !of.contains(&one) {
                    of.push(one);
                }
            }
        }
    }
    for (name, row) in rows {
        let _ = writeln!(
            text,
            "| [{name}]({}.md) | {} | {} | {} |",
            runbook_page(&name),
            row.severities.join(", "),
            row.summaries.join("; "),
            row.stacks.join(", ")
        );
    }
    text
}

#[derive(Default)]
struct Row {
    severities: Vec<String>,
    summaries: Vec<String>,
    stacks: Vec<String>,
}

struct Alert {
    name: String,
    severity: String,
    summary: String,
}

/// The alerts of a stack, out of whichever object has its rules.
fn alerts(graph: &Graph) -> Vec<Alert> {
    let file = graph
        .get::<ConfigMap>(Some(phoenix::names::MEMORY), RULES)
        .and_then(|map| map.data?.remove(RULE_FILE));
    let rules = if let Some(file) = file {
        crate::yaml::read(&file).expect("the rules are YAML")[0]
            .value
            .clone()
    } else {
        let mut objects = graph.objects().filter(|object| object.id.name == RULES);
        let rules = objects.next().expect("every stack has rules");
        rules.body()["spec"].clone()
    };
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items(&rules["groups"])
        .iter()
        .flat_map(|group| items(&group["rules"]))
        .filter(|rule| rule["alert"].is_string())
        .map(|rule| Alert {
            name: text(&rule["alert"]),
            severity: text(&rule["labels"]["severity"]),
            // What stands for the name of a pod or a tier is a word here.
            summary: text(&rule["annotations"]["summary"])
                .replace("{{ $labels.", "*")
                .replace(" }}", "*"),
        })
        .collect()
}
