//! Compares a stack with its base: the data of every preview and diff. [`phoenix_report::changes`] renders it.

use anyhow::Result;
use phoenix::provider::compare;
use phoenix_graph::{Changes, Id, Loss};
use phoenix_report::changes::ChangeCounts;

use crate::base::{Base, Source};
use crate::checkout::Checkout;
use crate::stack::Stack;

/// One stack compared with its base.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The stack.
    pub stack: String,
    /// How many objects each system declares now, in the order of the platform.
    pub systems: Vec<(&'static str, usize)>,
    /// Keys with placeholder values, with what is missing.
    pub placeholders: Vec<(String, String)>,
    /// The source of the base's objects.
    pub source: Source,
    /// The differences.
    pub changes: Changes,
}

impl Comparison {
    /// Compares a stack with a base. `say` receives progress messages and warnings.
    pub fn of(checkout: &Checkout, stack: &Stack, base: &Base, say: &dyn Fn(&str)) -> Result<Self> {
        let before = base.declared(checkout, &stack.name, &stack.graph, say)?;
        Ok(Self {
            stack: stack.name.clone(),
            systems: stack.systems(),
            placeholders: stack.config.placeholders.clone(),
            source: before.source,
            changes: compare(&before.graph, &stack.graph),
        })
    }

    /// The number of changed objects by operation.
    pub fn counts(&self) -> ChangeCounts {
        ChangeCounts::of(&self.changes.changes)
    }

    /// The changes that delete or replace an object, each with whether `consents` covers it.
    pub fn losses(&self, consents: &[Consent]) -> Vec<(Loss, bool)> {
        let covered = |loss: &Loss| consents.iter().any(|consent| consent.covers(&loss.id));
        self.changes
            .losses()
            .into_iter()
            .map(|loss| (loss.clone(), covered(&loss)))
            .collect()
    }
}

/// The first line of every preview: `3 stacks: 12 create, 4 update, 1 REPLACE, 1 DELETE`.
pub fn verdict(comparisons: &[Comparison], base: &Base) -> String {
    let subject = match comparisons {
        [one] => one.stack.clone(),
        several => format!("{} stacks", several.len()),
    };
    let counts: ChangeCounts = comparisons.iter().map(Comparison::counts).sum();
    match counts.total() {
        0 => format!("{subject}: no changes from {}", base.words()),
        _ => format!("{subject}: {}", counts.words()),
    }
}

/// Consent to the deletion or replacement of an object: `Kind/namespace/name`, or `Kind/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent(String);

impl Consent {
    /// Parses a command-line argument. The form of headings, `StatefulSet sophia-memory/qdrant`, is accepted too.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let normal = normal(typed);
        let parts: Vec<_> = normal.split('/').collect();
        if (2..=3).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty()) {
            Ok(Self(normal))
        } else {
            Err("expected Kind/namespace/name, for example StatefulSet/sophia-memory/qdrant".to_owned())
        }
    }

    /// The argument that consents to this object.
    pub fn to(id: &Id) -> String {
        format!("{}/{}", id.kind, id.path())
    }

    /// Whether it names this object.
    pub fn covers(&self, id: &Id) -> bool {
        normal(&Self::to(id)) == self.0
    }
}

impl std::fmt::Display for Consent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn normal(typed: &str) -> String {
    let parts: Vec<_> = typed
        .trim()
        .split([' ', '/'])
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("/").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_covers_the_object_it_names_and_no_other() {
        let qdrant = Id::namespaced("apps", "StatefulSet", "sophia-memory", "qdrant");
        for typed in [
            "StatefulSet/sophia-memory/qdrant",
            "statefulset sophia-memory/qdrant",
        ] {
            assert!(Consent::parse(typed).unwrap().covers(&qdrant), "{typed}");
        }
        assert!(
            !Consent::parse("StatefulSet/sophia-memory/qdrant-2")
                .unwrap()
                .covers(&qdrant)
        );
        assert!(
            Consent::parse("Namespace/sophia-memory")
                .unwrap()
                .covers(&Id::cluster("", "Namespace", "sophia-memory"))
        );
        assert!(Consent::parse("qdrant").is_err());
    }
}
