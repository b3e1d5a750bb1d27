//! Compares a stack with its base: the data of every preview and diff. [`phoenix_report::changes`] renders it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use phoenix::config::check;
use phoenix::platform;
use phoenix::provider::compare;
use phoenix_graph::capacity::{Capacity, quotas};
use phoenix_graph::{Change, Changes, Graph, Id, Loss, LossKind, Risk};
use phoenix_report::capacity::CapacityChange;
use phoenix_report::changes::ChangeCounts;
use phoenix_terminal::output::count;
use serde_json::Value;

use crate::base::{Base, Declared, Source, UNKNOWN_SYSTEM};
use crate::checkout::Checkout;
use crate::consent::Consent;
use crate::stack::Stack;
use crate::stack_file::StackFile;

/// One stack compared with its base.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The stack.
    pub stack: String,
    /// How the checkout has the stack.
    pub presence: Presence,
    /// How many objects each system declares now, in the order of the platform.
    pub systems: Vec<(&'static str, usize)>,
    /// Keys with placeholder values, with what is missing.
    pub placeholders: Vec<(String, String)>,
    /// The source of the base's objects.
    pub source: Source,
    /// Sentences about the comparison itself, such as snapshots that are out of date.
    pub notes: Vec<String>,
    /// The objects of the base.
    pub before: Graph,
    /// The differences.
    pub changes: Changes,
    /// The capacity that the objects request.
    pub capacity: CapacityChange,
    /// The systems of the base of which nothing is left, with the number of their objects.
    removed_systems: BTreeMap<String, usize>,
    /// All objects of the base and of the checkout.
    objects: BTreeSet<Id>,
}

/// How a checkout has a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has a stack file.
    Declared,
    /// Only the base has a stack file.
    Deleted,
}

/// Losses that are shown and allowed together.
#[derive(Clone, Debug)]
pub struct LossGroup {
    /// The system of which nothing is left; `None` for a single object.
    pub system: Option<String>,
    /// The losses, the most severe first.
    pub losses: Vec<Loss>,
    /// Whether all of them are allowed.
    pub consented: bool,
}

impl Comparison {
    /// Compares a stack with a base. `say` receives progress messages.
    pub fn of(checkout: &Checkout, stack: &Stack, base: &Base, say: &dyn Fn(&str)) -> Result<Self> {
        let before = base.declared(checkout, &stack.name, &stack.graph, say)?;
        let mut comparison = Self::between(&stack.name, before, &stack.graph);
        comparison.systems = stack.systems();
        comparison.placeholders.clone_from(&stack.config.placeholders);
        if let Some(with_placeholders) = with_placeholders_of(base, checkout, stack)? {
            comparison.changes.mark_first_values(
                &compare(&with_placeholders, &stack.graph),
                &compare(&comparison.before, &with_placeholders),
            );
        }
        Ok(comparison)
    }

    /// Compares a stack that only the base has with nothing.
    pub fn deleted(checkout: &Checkout, stack: &str, base: &Base, say: &dyn Fn(&str)) -> Result<Self> {
        let mut before = base.declared(checkout, stack, &Graph::default(), say)?;
        if before.source == Source::Absent {
            // Neither snapshots nor code of the base: an approximation is better than to show nothing.
            before = base.approximate(checkout, stack)?;
        }
        let mut comparison = Self::between(stack, before, &Graph::default());
        comparison.presence = Presence::Deleted;
        comparison.notes.push(format!(
            "{} has a stack {stack}, and this checkout does not; its deployed resources remain until `pulumi destroy --stack {stack}`; to allow all \
             deletions: --allow-destructive {stack}",
            base.words()
        ));
        Ok(comparison)
    }

    fn between(stack: &str, before: Declared, after: &Graph) -> Self {
        let left = after.components();
        let removed_systems = before
            .graph
            .components()
            .into_iter()
            .filter(|system| !left.contains(system) && *system != UNKNOWN_SYSTEM)
            .map(|system| (system.to_owned(), before.graph.component(system).len()));
        Self {
            stack: stack.to_owned(),
            presence: Presence::Declared,
            systems: Vec::new(),
            placeholders: Vec::new(),
            source: before.source,
            notes: before.stale.iter().cloned().collect(),
            removed_systems: removed_systems.collect(),
            objects: before
                .graph
                .objects()
                .chain(after.objects())
                .map(|object| object.id.clone())
                .collect(),
            changes: compare(&before.graph, after),
            capacity: CapacityChange {
                before: Capacity::of(&before.graph),
                after: Capacity::of(after),
                quotas: quotas(after),
            },
            before: before.graph,
        }
    }

    /// The number of changed objects by operation.
    pub fn counts(&self) -> ChangeCounts {
        ChangeCounts::of(&self.changes)
    }

    /// The destructive changes, each with whether `consents` covers it, the most severe first.
    pub fn losses(&self, consents: &[Consent]) -> Vec<(Loss, bool)> {
        let losses = self.changes.losses().into_iter();
        losses
            .map(|loss| {
                let consented = consents.iter().any(|consent| self.is_covered(&loss, consent));
                (loss, consented)
            })
            .collect()
    }

    /// The same in groups: all objects of a system of which nothing is left are one group.
    pub fn loss_groups(&self, consents: &[Consent]) -> Vec<LossGroup> {
        let mut groups: Vec<LossGroup> = Vec::new();
        for (loss, consented) in self.losses(consents) {
            let system = self
                .removed_systems
                .get(&loss.component)
                .filter(|objects| **objects > 1 && loss.kind == LossKind::Deleted)
                .map(|_| loss.component.clone());
            let group = system
                .is_some()
                .then(|| groups.iter_mut().find(|group| group.system == system))
                .flatten();
            match group {
                Some(group) => {
                    group.losses.push(loss);
                    group.consented &= consented;
                }
                None => groups.push(LossGroup {
                    system,
                    losses: vec![loss],
                    consented,
                }),
            }
        }
        groups
    }

    /// Whether a consent covers a destructive change of this stack.
    pub fn is_covered(&self, loss: &Loss, consent: &Consent) -> bool {
        consent.covers(&loss.id, &loss.component)
            || (self.presence == Presence::Deleted && consent.is_word(&self.stack))
    }

    /// The clusters that its namespaces are pinned to, in the base or in the checkout.
    pub fn clusters(&self) -> BTreeSet<&str> {
        let namespaces = self.changes.changes.iter().map(Change::object);
        namespaces
            .filter(|object| object.id.kind == "Namespace")
            .filter_map(|object| {
                object
                    .body()
                    .pointer("/metadata/annotations/phoenix.ai~1cluster")?
                    .as_str()
            })
            .collect()
    }

    /// All objects of the base and of the checkout.
    pub fn objects(&self) -> impl Iterator<Item = &Id> {
        self.objects.iter()
    }
}

/// The graph of the stack with the placeholders of its base, as far as the checkout replaces them with values; `None` if it
/// replaces none.
fn with_placeholders_of(base: &Base, checkout: &Checkout, stack: &Stack) -> Result<Option<Graph>> {
    let Some(before) = base.stack_file(checkout, &stack.name)? else {
        return Ok(None);
    };
    let restored = |earlier: &[StackFile]| {
        let mut keys = stack.file.keys.clone();
        let mut number = 0;
        for (key, value) in &mut keys {
            if let Some(before) = before.keys.get(key) {
                let earlier: Vec<_> = earlier.iter().filter_map(|file| file.keys.get(key)).collect();
                number += restore_placeholders(value, before, &earlier);
            }
        }
        (number > 0).then_some(keys)
    };
    if restored(&[]).is_none() {
        return Ok(None);
    }
    // A value that an earlier version had before the placeholder may have been deployed.
    let keys = restored(&base.earlier_stack_files(checkout, &stack.name)?);
    Ok(keys
        .and_then(|keys| check(&keys).ok())
        .map(|config| platform::build(&config)))
}

/// Replaces values with the placeholders that `before` has at the same paths, unless an earlier version has a value there.
/// Returns their number.
fn restore_placeholders(value: &mut Value, before: &Value, earlier: &[&Value]) -> usize {
    let is_placeholder = |value: &Value| {
        value
            .as_object()
            .is_some_and(|fields| fields.contains_key("placeholder"))
    };
    if is_placeholder(before) {
        if is_placeholder(value) || earlier.iter().any(|value| !is_placeholder(value)) {
            return 0;
        }
        value.clone_from(before);
        return 1;
    }
    match (value, before) {
        (Value::Object(fields), Value::Object(before)) => fields
            .iter_mut()
            .filter_map(|(key, value)| {
                let earlier: Vec<_> = earlier.iter().filter_map(|value| value.get(key)).collect();
                Some(restore_placeholders(value, before.get(key)?, &earlier))
            })
            .sum(),
        (Value::Array(items), Value::Array(before)) => items
            .iter_mut()
            .zip(before)
            .enumerate()
            .map(|(index, (value, before))| {
                let earlier: Vec<_> = earlier.iter().filter_map(|value| value.get(index)).collect();
                restore_placeholders(value, before, &earlier)
            })
            .sum(),
        _ => 0,
    }
}

/// What changes, in a few words: `3 stacks: 12 create, 4 update, 1 REPLACE, 1 DELETE`.
pub fn summary(comparisons: &[Comparison], base: &Base) -> String {
    let subject = match comparisons {
        [one] => one.stack.clone(),
        several => count(several.len(), "stack"),
    };
    let counts: ChangeCounts = comparisons.iter().map(Comparison::counts).sum();
    match counts.total() {
        0 => format!("{subject}: no changes from {}", base.words()),
        _ => format!("{subject}: {}", counts.words()),
    }
}

/// What a group of losses puts at risk, one entry for each kind of risk, the most severe first: `data at risk: …`.
pub fn risks(group: &LossGroup) -> Vec<String> {
    let [loss] = group.losses.as_slice() else {
        return [Risk::Data, Risk::Secrets, Risk::Protection]
            .into_iter()
            .filter_map(|risk| {
                let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
                for loss in group.losses.iter().filter(|loss| loss.risk == risk) {
                    kinds.entry(&loss.id.kind).or_default().push(loss.id.path());
                }
                let words: Vec<_> = kinds
                    .into_iter()
                    .map(|(kind, paths)| match risk {
                        Risk::Data | Risk::Secrets => format!("{kind} {}", paths.join(", ")),
                        _ => format!("{} {kind}", paths.len()),
                    })
                    .collect();
                (!words.is_empty()).then(|| format!("{}: {}", risk.label(), words.join("; ")))
            })
            .collect();
    };
    match loss.at_risk {
        Some(what) => vec![format!("{}: {what}", loss.risk.label())],
        None => vec!["data at risk: none; the object can be created again".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_restored_where_values_replace_them() {
        let missing = json!({"placeholder": "a class"});
        let before = json!({"a": missing, "b": [missing, 1], "c": missing, "d": 1, "e": missing});
        let mut now = json!({"a": "fast", "b": ["x", 2], "c": missing, "d": 2});
        assert_eq!(restore_placeholders(&mut now, &before, &[&before]), 2);
        assert_eq!(
            now,
            json!({"a": missing, "b": [missing, 2], "c": missing, "d": 2})
        );
        // A value before the placeholder may have been deployed.
        let earlier = json!({"a": "slow", "b": [1]});
        let mut now = json!({"a": "fast", "b": ["x", 2]});
        assert_eq!(restore_placeholders(&mut now, &before, &[&before, &earlier]), 0);
        assert_eq!(now, json!({"a": "fast", "b": ["x", 2]}));
    }
}
