//! The phases of the migration are reviewable differences, and going back reverts exactly those.

use insta::assert_snapshot;
use phoenix::config::{Phase, check};
use phoenix::platform;
use phoenix::provider::compare;
use phoenix_graph::{Graph, Risk};
use phoenix_report::changes::{Detail, text};
use phoenix_terminal::style;
use serde_json::json;

use crate::support::keys;

/// Prod in a phase; `None` once the migration is over.
fn prod(phase: Option<Phase>) -> Graph {
    let mut keys = keys("prod");
    match phase {
        Some(phase) => keys.insert("phoenix:migration".to_owned(), json!({"phase": phase.as_str()})),
        None => keys.remove("phoenix:migration"),
    };
    platform::build(&check(&keys).unwrap())
}

fn difference(before: &Graph, after: &Graph) -> String {
    style::strip(&text(&compare(before, after), Detail::Headings))
}

#[test]
fn each_step_is_a_difference_that_its_snapshot_shows() {
    let mut reported = Vec::new();
    for pair in Phase::ALL.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let step = difference(&prod(Some(from)), &prod(Some(to)));
        assert!(
            step.lines().count() > 4,
            "{from:?} to {to:?} switches nothing: {step}"
        );
        reported.push(format!("# from {} to {}\n{step}", from.as_str(), to.as_str()));
    }
    reported.push(format!(
        "# from optimized to no migration\n{}",
        difference(&prod(Some(Phase::Optimized)), &prod(None))
    ));
    assert_snapshot!(reported.join("\n"));
}

#[test]
fn stepping_back_restores_the_former_graph_and_loses_no_data() {
    for pair in Phase::ALL.windows(2) {
        let (before, after) = (prod(Some(pair[0])), prod(Some(pair[1])));
        let back = prod(Some(pair[0]));
        assert_ne!(before.yaml(), after.yaml());
        assert_eq!(before.yaml(), back.yaml());
        for (from, to) in [(&before, &after), (&after, &back)] {
            let losses = compare(from, to).losses();
            let data: Vec<_> = losses
                .into_iter()
                .filter(|loss| loss.risk <= Risk::Secrets)
                .collect();
            assert_eq!(data, Vec::new(), "{pair:?}");
        }
    }
}

#[test]
fn no_phase_restarts_a_store() {
    let pods = |graph: &Graph| -> Vec<_> {
        let stores = graph.objects().filter(|object| {
            ["Deployment", "StatefulSet"].contains(&object.id.kind.as_str())
                && ["openmemory", "qdrant"].contains(&object.component.as_str())
        });
        stores
            .map(|object| (object.id.to_string(), object.body().clone()))
            .collect()
    };
    let first = pods(&prod(Some(Phase::Parallel)));
    assert_eq!(first.len(), 2);
    for phase in Phase::ALL {
        assert_eq!(pods(&prod(Some(phase))), first, "{phase:?}");
    }
}

#[test]
fn settings_of_a_later_phase_are_checked_now() {
    let mut keys = keys("prod");
    keys.insert("phoenix:migration".to_owned(), json!({"phase": "parallel"}));
    keys.get_mut("phoenix:openmemory").unwrap()["autoscaling"]["maxReplicas"] = json!(90);
    keys.remove("phoenix:trust");
    let reported = check(&keys).unwrap_err().to_string();
    for expected in [
        "phoenix:namespace.quota.limitsCpu is too small",
        "phoenix:mesh.gateway admits users without authentication",
    ] {
        assert!(reported.contains(expected), "{reported}");
    }
}

#[test]
fn a_step_is_one_phase_forth_or_back() {
    use Phase::{Active, Enhanced, Optimized, Parallel};
    for (from, to, is_step) in [
        (Parallel, Enhanced, true),
        (Enhanced, Parallel, true),
        (Active, Active, true),
        (Parallel, Active, false),
        (Optimized, Enhanced, false),
    ] {
        assert_eq!(from.is_next_to(to), is_step, "{from:?} to {to:?}");
    }
}
