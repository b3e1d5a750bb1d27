//! The migration phase of the cluster, and whether the stack's phase is at most one step away from it.
//!
//! The Pulumi program cannot check this, because it does not query the cluster. The phase of the last deployment is an
//! annotation of the platform's Namespace.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use phoenix::config::Phase;
use phoenix::names;
use phoenix_terminal::checklist::Check;

use super::{Stack, could_not_check};

/// Checks that the stack's phase is the cluster's or next to it; `None` if the stack is not being migrated.
pub async fn run(client: &Client, stack: &Stack<'_>) -> Option<Check> {
    let subject = "migration";
    let next = stack.config.migration?;
    let api = Api::<Namespace>::all(client.clone());
    let namespace = match api.get_opt(names::MEMORY).await {
        Ok(namespace) => namespace,
        Err(error) => return Some(could_not_check(subject, "the platform's Namespace", &error)),
    };
    let reached = namespace
        .and_then(|namespace| namespace.metadata.annotations)
        .and_then(|mut annotations| annotations.remove(names::MIGRATION_PHASE));
    let Some(reached) = reached else {
        // A first deployment starts in `parallel`; a deployment made by hand may be in any phase.
        let words = format!(
            "the cluster has no phase yet; this deployment sets it to {}",
            next.as_str()
        );
        return Some(if next == Phase::Parallel {
            Check::good(subject, words)
        } else {
            Check::warn(
                subject,
                words,
                "start with parallel, unless the cluster has already reached this phase in another way; see docs/how-to/migrate.md",
            )
        });
    };
    let Some(phase) = Phase::parse(&reached) else {
        return Some(Check::warn(
            subject,
            format!("the cluster's phase is {reached}, which does not exist"),
            "check the annotation phoenix.ai/migration-phase of the namespace sophia-memory",
        ));
    };
    let (from, to) = (phase.as_str(), next.as_str());
    Some(if phase == next {
        Check::good(subject, format!("the cluster stays in {from}"))
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
            format!("skips a phase, from {from} to {to}"),
            format!(
                "deploy with phoenix:migration.phase {} first, and verify it; see docs/how-to/migrate.md",
                between.join(" and ")
            ),
        )
    })
}
