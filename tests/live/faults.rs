//! What breaks, and what a person does then: `docs/how-to/after-an-interruption.md` is followed word by word.
//!
//! - `kills`: a process dies at a chosen write of an `up` or a `destroy`.
//! - `failures`: the API server is slow, refuses, fails, or a certificate has expired; there is no room left for the state.
//! - `prod`: pods are counted while autoscaling is switched, and retained claims are found again.
//!
//! What they use: `proxy` stands between the provider and the API server, `processes` finds whom to kill, `run` is one
//! run of the engine with its end in time, `how_to` reads the page, `certificates` and `disk` are what their names say, `pods` counts.

mod certificates;
mod disk;
mod failures;
mod how_to;
mod kills;
mod pods;
mod processes;
mod prod;
mod proxy;
mod run;

use crate::inventory;
use crate::live::{Live, graph, said};

/// Changes the copy of the stack file: these words, which must be in it, for those.
fn edit(live: &Live, stack: &str, from: &str, to: &str) {
    let file = live.sandbox().project().join(format!("Pulumi.{stack}.yaml"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
}

/// Deploys, and then deploys a changed value: an owner of fields that is not ours would refuse that.
fn goes_on_as_if_nothing_had_happened(live: &Live, stack: &str, pods: usize) {
    inventory::is_the_state_and_the_graph(live, &graph(stack));
    live.is_ready_with(pods);
    let (from, to) = ("auditDays: 7", "auditDays: 8");
    edit(live, stack, from, to);
    let output = run::engine(live, &["up"]).output();
    edit(live, stack, to, from);
    assert!(output.status.success(), "a changed value: {}", said(&output));
    inventory::is_the_state_and_the_graph(live, &graph(stack));
    live.is_ready_with(pods);
}
