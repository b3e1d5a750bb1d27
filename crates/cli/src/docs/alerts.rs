//! `docs/runbooks/README.md`: every alert with its runbook, generated from the rules of the stacks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ConfigMap;
use phoenix::platform::{RULE_FILE, RULES, runbook_page};
use phoenix_graph::Graph;
use serde_json::Value;

/// The label of a graph with every alert, for alerts that none of the repository's stacks has.
pub const OTHER_STACKS: &str = "other stacks that use the affected system";

/// The page as it is committed.
pub fn markdown(stacks: &[(&str, &Graph)]) -> String {
    let mut text = String::from(
        "# Runbooks\n\n\
         <!-- The table is generated from the rules of the stacks by a test; change the alerts, not this file. -->\n\n\
         Each alert has a page with its meaning, first checks, likely causes and escalation. The annotation `runbook_url` of an alert contains the address of its page.\n\
         *critical* pages the on-call engineer, *warning* is handled during working hours. If an alert has both severities, Alertmanager's usual inhibition rule silences the warning while the critical alert fires.\n\
         [The monitoring guide](../monitoring.md) describes where the metrics come from.\n\n\
         Procedures that are not specific to an alert: [restore from a backup](restore-from-backup.md), [rotate a secret](rotate-a-secret.md), \
         [recover from an interrupted command](../how-to/after-an-interruption.md), [troubleshooting](../troubleshooting.md).\n\n\
         | alert | severity | summary | stacks |\n|---|---|---|---|\n",
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
                // A stack with all systems only adds what the other stacks do not have.
                if !of.contains(&one) {
                    of.push(one);
                }
            }
        }
    }
    for (name, mut row) in rows {
        if row.stacks.len() > 1 {
            row.stacks.retain(|stack| stack != OTHER_STACKS);
        }
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
        phoenix_manifests::yaml::read(&file).expect("the rules are YAML")[0]
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
            // Template variables, for example of a pod or tier, become plain words.
            summary: text(&rule["annotations"]["summary"])
                .replace("{{ $labels.", "*")
                .replace(" }}", "*"),
        })
        .collect()
}
