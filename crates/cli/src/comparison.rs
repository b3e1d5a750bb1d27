//! What a stack declares, compared with what its base declared: the data behind every preview, diff and comment.
//!
//! Nothing here is printed; [`crate::show`] makes text and JSON of it.

use anyhow::Result;
use phoenix::provider::compare;
use phoenix_graph::{Change, Changes, Id, Loss};

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
    /// The keys whose values nobody knows yet, with what is missing.
    pub placeholders: Vec<(String, String)>,
    /// Where the base's side came from.
    pub source: Source,
    /// What differs.
    pub changes: Changes,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// It is new.
    Create,
    /// Some of its fields change.
    Update,
    /// It is deleted and created anew.
    Replace,
    /// It is gone.
    Delete,
}

/// How many objects something happens to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New objects.
    pub create: usize,
    /// Objects that change in place.
    pub update: usize,
    /// Objects that are deleted and created anew.
    pub replace: usize,
    /// Objects that are gone.
    pub delete: usize,
}

impl Comparison {
    /// Compares a stack with a base. `say` is told what takes time or is not as expected.
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

    /// How many objects something happens to.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in &self.changes.changes {
            match operation(change) {
                Operation::Create => counts.create += 1,
                Operation::Update => counts.update += 1,
                Operation::Replace => counts.replace += 1,
                Operation::Delete => counts.delete += 1,
            }
        }
        counts
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

/// What happens to the object of a change.
pub fn operation(change: &Change) -> Operation {
    match change {
        Change::Created(_) => Operation::Create,
        Change::Deleted(_) => Operation::Delete,
        Change::Updated { .. } if change.replaces() => Operation::Replace,
        Change::Updated { .. } => Operation::Update,
    }
}

impl Operation {
    /// The word for it, as in headings and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

impl Counts {
    /// All counts added up.
    pub fn total(self) -> usize {
        self.create + self.update + self.replace + self.delete
    }

    /// In words: `12 create, 4 update, 1 REPLACE, 1 DELETE`; empty where there is nothing.
    pub fn words(self) -> String {
        let parts = [
            (self.create, "create"),
            (self.update, "update"),
            (self.replace, "REPLACE"),
            (self.delete, "DELETE"),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        parts.join(", ")
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            create: sum.create + one.create,
            update: sum.update + one.update,
            replace: sum.replace + one.replace,
            delete: sum.delete + one.delete,
        })
    }
}

/// The first line of every preview: `3 stacks: 12 create, 4 update, 1 REPLACE, 1 DELETE`.
pub fn verdict(comparisons: &[Comparison], base: &Base) -> String {
    let subject = match comparisons {
        [one] => one.stack.clone(),
        several => format!("{} stacks", several.len()),
    };
    let counts: Counts = comparisons.iter().map(Comparison::counts).sum();
    match counts.total() {
        0 => format!("{subject}: nothing differs from {}", base.words()),
        _ => format!("{subject}: {}", counts.words()),
    }
}

/// Somebody's word that an object may be deleted or replaced: `Kind/namespace/name`, or `Kind/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent(String);

impl Consent {
    /// Reads it as it was typed; `StatefulSet sophia-memory/qdrant`, as headings have it, is understood too.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let normal = normal(typed);
        let parts: Vec<_> = normal.split('/').collect();
        if (2..=3).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty()) {
            Ok(Self(normal))
        } else {
            Err(
                "an object is written Kind/namespace/name, such as StatefulSet/sophia-memory/qdrant"
                    .to_owned(),
            )
        }
    }

    /// Consent to this very object, as it is typed.
    pub fn to(id: &Id) -> String {
        format!("{}/{}", id.kind, id.path())
    }

    /// Whether it speaks of this object.
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
    fn destruction_is_loud_in_the_counts_and_what_is_not_there_is_left_out() {
        assert_eq!(
            Counts {
                create: 12,
                delete: 1,
                ..Counts::default()
            }
            .words(),
            "12 create, 1 DELETE"
        );
        assert_eq!(Counts::default().words(), "");
    }

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
