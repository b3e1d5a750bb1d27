//! How far the migration is in the cluster, and whether the stack goes on from there by one step.
//!
//! The program itself cannot know: it asks no cluster. The platform's Namespace carries the phase of the last deployment.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use phoenix::config::Phase;
use phoenix::names;

use super::check::{Check, could_not_check};
use crate::stack::Stack;

/// Whether the phase of the stack is the cluster's or next to it; `None` where the stack is in no migration.
pub async fn run(client: &Client, stack: &Stack) -> Option<Check> {
    let subject = "migration";
    let next = stack.config.migration?;
    let api = Api::<Namespace>::all(client.clone());
    let namespace = match api.get_opt(names::MEMORY).await {
        Ok(namespace) => namespace,
        Err(error) => return Some(could_not_check(subject, "the platform's namespace", &error)),
    };
    let reached = namespace
        .and_then(|namespace| namespace.metadata.annotations)
        .and_then(|mut annotations| annotations.remove(names::MIGRATION_PHASE));
    let Some(reached) = reached else {
        // What was never deployed begins beside what is there; what came by hand may be anywhere.
        let words = format!(
            "the cluster says nothing of a phase yet; this deployment makes it {}",
            next.as_str()
        );
        return Some(if next == Phase::Parallel {
            Check::good(subject, words)
        } else {
            Check::warn(
                subject,
                words,
                "begin with parallel, unless the cluster has come this far by other means: docs/how-to/migrate.md",
            )
        });
    };
    let Some(phase) = Phase::parse(&reached) else {
        return Some(Check::warn(
            subject,
            format!("the cluster says {reached}, which is no phase"),
            "look at the annotation phoenix.ai/migration-phase of the namespace sophia-memory",
        ));
    };
    let (from, to) = (phase.as_str(), next.as_str());
    Some(if phase == next {
        Check::good(subject, format!("the cluster is in {from}, and stays there"))
    } else if phase.is_next_to(next) {
        Check::good(subject, format!("one step, from {from} to {to}"))
    } else {
        let between: Vec<_> = Phase::ALL
            .into_iter()
            .filter(|other| {
                (phase.min(next)..=phase.max(next)).contains(other) && ![phase, next].contains(other)
            })
            .map(Phase::as_str)
            .collect();
        Check::fail(
            subject,
            format!("leaps from {from} to {to}"),
            format!(
                "deploy with phoenix:migration.phase {} first, and look at what it does: docs/how-to/migrate.md",
                between.join(" and ")
            ),
        )
    })
}
