//! The dashboards as a table that a reviewer can read: panels, queries, units and thresholds.
//!
//! The snapshots of the stacks contain the same dashboards as Grafana's JSON, as the base of `phoenix diff`. A change is
//! reviewed here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::alerts::dashboards;
use crate::support::{STACKS, stack};

#[test]
fn the_panels_of_every_dashboard_match_the_table() {
    // Each dashboard is printed once, with the stacks that have it in this form.
    let mut forms = BTreeMap::<(String, String), Vec<&str>>::new();
    for name in STACKS {
        for (file, dashboard) in dashboards(&stack(name).graph) {
            forms.entry((file, text(&dashboard))).or_default().push(name);
        }
    }
    let mut table = String::new();
    for ((file, text), stacks) in &forms {
        writeln!(table, "# {file} ({})\n{text}", stacks.join(", ")).unwrap();
    }
    insta::assert_snapshot!("dashboards", table);
}

/// A dashboard without layout and colors of series.
fn text(dashboard: &Value) -> String {
    let mut text = format!(
        "{}: {}\nlast {}, every {}\n",
        string(&dashboard["title"]),
        string(&dashboard["description"]),
        string(&dashboard["time"]["from"]).trim_start_matches("now-"),
        string(&dashboard["refresh"])
    );
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(!panels.is_empty(), "{text}");
    for panel in panels {
        let defaults = &panel["fieldConfig"]["defaults"];
        let bound = |name: &str| {
            defaults[name]
                .as_f64()
                .map_or(String::new(), |bound| bound.to_string())
        };
        write!(
            text,
            "\n{} [{}, {}",
            string(&panel["title"]),
            string(&panel["type"]),
            string(&defaults["unit"])
        )
        .unwrap();
        if defaults.get("min").or(defaults.get("max")).is_some() {
            write!(text, ", {}..{}", bound("min"), bound("max")).unwrap();
        }
        writeln!(text, "]\n  {}", string(&panel["description"])).unwrap();
        for target in panel["targets"].as_array().unwrap() {
            let (query, legend) = (string(&target["expr"]), string(&target["legendFormat"]));
            let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
            writeln!(text, "  query: {query}\n    legend: {legend}").unwrap();
        }
        let steps = defaults["thresholds"]["steps"].as_array().unwrap();
        let steps: Vec<_> = steps
            .iter()
            .map(|step| match step["value"].as_f64() {
                Some(value) => format!("{} from {value}", string(&step["color"])),
                None => string(&step["color"]).to_owned(),
            })
            .collect();
        // A single color is no threshold.
        if steps.len() > 1 {
            writeln!(text, "  thresholds: {}", steps.join(", ")).unwrap();
        }
    }
    text
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
