//! The difference between two graphs, object by object and field by field.
//!
//! List items with a `name` (containers, ports, variables, volumes) are compared by name, so that a new variable in the
//! middle of a list is one added field instead of many changed fields.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::field_change::FieldChange;
use crate::loss::{self, Loss};
use crate::{Graph, Id, Object};

/// All differences, ordered by component and identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// One entry for each object that differs.
    pub changes: Vec<Change>,
    /// Deleted objects that only a placeholder declared, so that they were never deployed.
    never_deployed: BTreeSet<Id>,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Only the new graph has it.
    Created(Box<Object>),
    /// Only the old graph has it.
    Deleted(Box<Object>),
    /// Both have it, and some of its fields differ.
    Updated {
        /// The object before the change.
        before: Box<Object>,
        /// The object after the change.
        after: Box<Object>,
        /// The fields that differ, in the order of their paths.
        fields: Vec<FieldChange>,
    },
}

/// Whether changing the field at a path (`spec.serviceName`) of an object deletes the object and creates it again.
///
/// It depends on what applies the graph, so it is an argument of [`compare`].
pub type Replaces = fn(&Id, &str) -> bool;

/// Compares two graphs.
pub fn compare(before: &Graph, after: &Graph, replaces: Replaces) -> Changes {
    let ids: BTreeSet<&Id> = before
        .objects()
        .chain(after.objects())
        .map(|object| &object.id)
        .collect();
    let mut changes: Vec<_> = ids
        .into_iter()
        .filter_map(|id| change(before.object(id), after.object(id), replaces))
        .collect();
    changes.sort_by(|left, right| left.object().component.cmp(&right.object().component));
    Changes {
        changes,
        never_deployed: BTreeSet::new(),
    }
}

fn change(before: Option<&Object>, after: Option<&Object>, replaces: Replaces) -> Option<Change> {
    match (before, after) {
        (None, None) => None,
        (None, Some(after)) => Some(Change::Created(Box::new(after.clone()))),
        (Some(before), None) => Some(Change::Deleted(Box::new(before.clone()))),
        (Some(before), Some(after)) => {
            let mut fields = Vec::new();
            differences(
                (&after.id, replaces),
                "",
                Some(before.body()),
                Some(after.body()),
                &mut fields,
            );
            (!fields.is_empty()).then(|| Change::Updated {
                before: Box::new(before.clone()),
                after: Box::new(after.clone()),
                fields,
            })
        }
    }
}

impl Changes {
    /// Whether the graphs are equal.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes that delete or replace an object, lose data that it holds, or are refused by an API server, the most
    /// severe first.
    pub fn losses(&self) -> Vec<Loss> {
        let mut losses: Vec<_> = self
            .changes
            .iter()
            .filter_map(Change::loss)
            .filter(|loss| !self.never_deployed.contains(&loss.id))
            .collect();
        // A namespace takes everything in it along.
        losses.sort_by_key(|loss| (loss.risk, loss.id.kind != "Namespace", loss.kind));
        losses
    }

    /// Marks the fields that get their first value. `first` are the changes from the new graph with the old placeholders to
    /// the new graph; `others` are those from the old graph to the new graph with the old placeholders.
    pub fn mark_first_values(&mut self, first: &Self, others: &Self) {
        let fields = |changes: &Self| -> BTreeSet<(Id, String)> {
            let updated = changes.changes.iter().filter_map(|change| match change {
                Change::Updated { after, fields, .. } => Some((after, fields)),
                Change::Created(_) | Change::Deleted(_) => None,
            });
            updated
                .flat_map(|(after, fields)| fields.iter().map(|field| (after.id.clone(), field.path.clone())))
                .collect()
        };
        let (firsts, others_fields) = (fields(first), fields(others));
        for change in &mut self.changes {
            if let Change::Updated { after, fields, .. } = change {
                for field in fields {
                    let place = (after.id.clone(), field.path.clone());
                    if firsts.contains(&place) && !others_fields.contains(&place) {
                        field.first_value = true;
                        field.replaces = false;
                    }
                }
            }
        }
        self.never_deployed
            .extend(first.changes.iter().filter_map(|change| match change {
                Change::Deleted(object) => Some(object.id.clone()),
                Change::Created(_) | Change::Updated { .. } => None,
            }));
    }
}

impl Change {
    /// The object after the change, or before it if it is deleted.
    pub fn object(&self) -> &Object {
        match self {
            Self::Created(object) | Self::Deleted(object) | Self::Updated { after: object, .. } => object,
        }
    }

    /// Whether the object is deleted and recreated.
    pub fn replaces(&self) -> bool {
        matches!(self, Self::Updated { fields, .. } if fields.iter().any(|field| field.replaces))
    }

    /// What the change loses; `None` if nothing.
    pub fn loss(&self) -> Option<Loss> {
        match self {
            Self::Created(_) => None,
            Self::Deleted(object) => Some(loss::deleted(object)),
            Self::Updated { before, fields, .. } => loss::updated(before, fields),
        }
    }
}

fn differences(
    (id, replaces): (&Id, Replaces),
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<FieldChange>,
) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                differences(
                    (id, replaces),
                    &field_path(path, key),
                    old.get(key),
                    new.get(key),
                    found,
                );
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match (by_name(old), by_name(new)) {
            (Some(old_names), Some(new_names)) => {
                named_items((id, replaces), path, (old, &old_names), (new, &new_names), found);
            }
            _ => positional_items((id, replaces), path, old, new, found),
        },
        _ => found.push(FieldChange {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
            replaces: replaces(id, path),
            first_value: false,
        }),
    }
}

/// Items without names. Equal items at both ends are left out, so that an item added or removed anywhere is one change. A
/// removed item has its old position.
fn positional_items(
    (id, replaces): (&Id, Replaces),
    path: &str,
    old: &[Value],
    new: &[Value],
    found: &mut Vec<FieldChange>,
) {
    let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[start..], &new[start..]);
    let rest = old.iter().rev().zip(new.iter().rev());
    let end = rest.take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    for position in 0..old.len().max(new.len()) {
        let item = format!("{path}[{}]", start + position);
        differences((id, replaces), &item, old.get(position), new.get(position), found);
    }
}

fn named_items(
    (id, replaces): (&Id, Replaces),
    path: &str,
    (old, old_names): (&[Value], &[&str]),
    (new, new_names): (&[Value], &[&str]),
    found: &mut Vec<FieldChange>,
) {
    let item = |items: &[Value], names: &[&str], name: &str| {
        names
            .iter()
            .position(|other| *other == name)
            .map(|position| items[position].clone())
    };
    let already_there = found.len();
    let names: BTreeSet<&str> = old_names.iter().chain(new_names).copied().collect();
    for name in names {
        let (before, after) = (item(old, old_names, name), item(new, new_names, name));
        differences(
            (id, replaces),
            &format!("{path}[{name}]"),
            before.as_ref(),
            after.as_ref(),
            found,
        );
    }
    if found.len() == already_there {
        // The order of the items changed, which can matter.
        let order = |names: &[&str]| Some(Value::from(names.to_vec()));
        found.push(FieldChange {
            path: format!("{path} (order)"),
            before: order(old_names),
            after: order(new_names),
            replaces: replaces(id, path),
            first_value: false,
        });
    }
}

/// The names of the items, if each item has a unique name.
fn by_name(items: &[Value]) -> Option<Vec<&str>> {
    let mut names = Vec::with_capacity(items.len());
    for item in items {
        // Claim templates have their name in their metadata.
        names.push(
            item.get("name")
                .or_else(|| item.pointer("/metadata/name"))?
                .as_str()?,
        );
    }
    let distinct: BTreeSet<_> = names.iter().collect();
    (distinct.len() == names.len()).then_some(names)
}

fn field_path(path: &str, key: &str) -> String {
    let plain = key
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || character == '_' || character == '-');
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{key}\"]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compare(before: &Graph, after: &Graph) -> Changes {
        super::compare(before, after, |_, path| {
            path.starts_with("spec.volumeClaimTemplates")
        })
    }

    fn graph(body: Value) -> Graph {
        let mut graph = Graph::of("tests");
        graph.add(Object::from_json("tests", body).unwrap());
        graph
    }

    fn stateful_set(spec: &Value) -> Graph {
        graph(
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "qdrant", "namespace": "memory"}, "spec": spec}),
        )
    }

    fn paths(changes: &Changes) -> Vec<&str> {
        changes
            .changes
            .iter()
            .flat_map(|change| match change {
                Change::Updated { fields, .. } => fields.iter().map(|field| field.path.as_str()).collect(),
                _ => vec!["(whole object)"],
            })
            .collect()
    }

    #[test]
    fn equal_graphs_have_no_changes() {
        let graph = stateful_set(&json!({"replicas": 3}));
        assert!(compare(&graph, &graph).is_empty());
    }

    #[test]
    fn a_new_item_in_a_named_list_is_one_added_field() {
        let before =
            stateful_set(&json!({"env": [{"name": "A", "value": "1"}, {"name": "C", "value": "3"}]}));
        let after = stateful_set(
            &json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]}),
        );
        assert_eq!(paths(&compare(&before, &after)), ["spec.env[B]"]);
    }

    #[test]
    fn an_item_without_a_name_that_is_added_or_removed_is_one_change() {
        let before = stateful_set(&json!({"args": ["a", "b", "c", "d"]}));
        for (after, path) in [
            (json!(["b", "c", "d"]), "spec.args[0]"),
            (json!(["a", "b", "d"]), "spec.args[2]"),
            (json!(["x", "a", "b", "c", "d"]), "spec.args[0]"),
            (json!(["a", "b", "c", "d", "d"]), "spec.args[4]"),
            (json!(["a", "b", "x", "d"]), "spec.args[2]"),
        ] {
            assert_eq!(
                paths(&compare(&before, &stateful_set(&json!({"args": after})))),
                [path]
            );
        }
    }

    #[test]
    fn a_first_value_replaces_nothing() {
        let claim = |class: Option<&str>, size: &str| {
            stateful_set(
                &json!({"volumeClaimTemplates": [{"metadata": {"name": "a"}, "spec": {"class": class, "size": size}}]}),
            )
        };
        let first = |before: &Graph, with_placeholder: &Graph, after: &Graph| {
            let mut changes = compare(before, after);
            changes.mark_first_values(
                &compare(with_placeholder, after),
                &compare(before, with_placeholder),
            );
            changes
        };
        let changes = first(
            &claim(None, "1Gi"),
            &claim(None, "1Gi"),
            &claim(Some("fast"), "1Gi"),
        );
        assert_eq!(changes.losses(), []);
        let Change::Updated { fields, .. } = &changes.changes[0] else {
            panic!("it is updated")
        };
        assert!(fields[0].first_value && !fields[0].replaces, "{fields:?}");
        // Another change of the same object still replaces it.
        let changes = first(
            &claim(None, "1Gi"),
            &claim(None, "2Gi"),
            &claim(Some("fast"), "2Gi"),
        );
        assert_eq!(changes.losses().len(), 1);
        // An object of the old graph that only a placeholder declared was never deployed.
        let nothing = Graph::default();
        assert_eq!(
            first(&claim(None, "1Gi"), &claim(None, "1Gi"), &nothing).losses(),
            []
        );
    }

    #[test]
    fn a_new_order_of_the_same_items_is_a_change() {
        let before = stateful_set(&json!({"env": [{"name": "A"}, {"name": "B"}]}));
        let after = stateful_set(&json!({"env": [{"name": "B"}, {"name": "A"}]}));
        assert_eq!(paths(&compare(&before, &after)), ["spec.env (order)"]);
    }

    #[test]
    fn a_changed_claim_template_is_a_loss_and_says_why() {
        let template = |size: &str| json!({"volumeClaimTemplates": [{"metadata": {"name": "storage"}, "spec": {"size": size}}]});
        let losses = compare(&stateful_set(&template("1Gi")), &stateful_set(&template("2Gi"))).losses();
        assert_eq!(losses.len(), 1);
        assert_eq!(
            losses[0].why,
            "replaced, because spec.volumeClaimTemplates[storage].spec.size cannot be changed in place"
        );
        assert!(losses[0].at_risk.is_some());
    }

    #[test]
    fn fewer_replicas_of_a_stateful_set_are_a_loss_and_more_are_not() {
        let replicas = |number: u32| stateful_set(&json!({"replicas": number}));
        let losses = compare(&replicas(5), &replicas(3)).losses();
        assert_eq!(losses[0].why, "scaled down from 5 to 3");
        assert!(losses[0].at_risk.is_some());
        assert!(compare(&replicas(3), &replicas(5)).losses().is_empty());
    }

    #[test]
    fn claims_that_are_no_longer_retained_are_a_loss() {
        let retention = |word: &str| {
            stateful_set(&json!({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": word}}))
        };
        assert_eq!(
            compare(&retention("Retain"), &retention("Delete")).losses().len(),
            1
        );
        assert!(
            compare(&retention("Delete"), &retention("Retain"))
                .losses()
                .is_empty()
        );
    }

    #[test]
    fn a_deleted_object_is_a_loss_and_a_created_one_is_not() {
        let graph = stateful_set(&json!({}));
        assert_eq!(compare(&graph, &Graph::default()).losses().len(), 1);
        assert!(compare(&Graph::default(), &graph).losses().is_empty());
    }

    #[test]
    fn a_key_with_dots_is_quoted_in_its_path() {
        let labelled = |value: &str| {
            graph(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"phoenix.ai/tier": value}}}),
            )
        };
        assert_eq!(
            paths(&compare(&labelled("a"), &labelled("b"))),
            ["metadata.labels[\"phoenix.ai/tier\"]"]
        );
    }
}
