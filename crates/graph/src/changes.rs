//! The difference between two graphs, object by object and field by field.
//!
//! List items with a `name` (containers, ports, variables, volumes) are compared by name, so that a new variable in the
//! middle of a list is one added field instead of many changed fields.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::loss::{loss, loss_in_place};
use crate::{Graph, Id, Object};

/// All differences, ordered by component and identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// One entry for each object that differs.
    pub changes: Vec<Change>,
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

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The path to the field, such as `spec.template.spec.containers[qdrant].image`.
    pub path: String,
    /// The value before the change; `None` if the field was added.
    pub before: Option<Value>,
    /// The value after the change; `None` if the field was removed.
    pub after: Option<Value>,
    /// Whether this change deletes and recreates the object.
    pub replaces: bool,
}

/// A change that cannot be undone by returning to the old graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The object that is deleted or replaced.
    pub id: Id,
    /// The reason: `deleted`, or the paths whose change replaces it.
    pub why: String,
    /// The data that is lost; `None` if the object can be created again from the graph.
    pub data: Option<&'static str>,
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
    Changes { changes }
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

    /// The changes that delete or replace an object, or lose data that it holds.
    pub fn losses(&self) -> Vec<Loss> {
        self.changes.iter().filter_map(Change::loss).collect()
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

    fn loss(&self) -> Option<Loss> {
        match self {
            Self::Created(_) => None,
            Self::Deleted(object) => Some(Loss {
                id: object.id.clone(),
                why: "deleted".to_owned(),
                data: loss(object),
            }),
            Self::Updated { before, fields, .. } => {
                let paths: Vec<_> = fields
                    .iter()
                    .filter(|field| field.replaces)
                    .map(|field| field.path.as_str())
                    .collect();
                if !paths.is_empty() {
                    let why = format!(
                        "replaced, because {} cannot be changed in place",
                        paths.join(", ")
                    );
                    return Some(Loss {
                        id: before.id.clone(),
                        why,
                        data: loss(before),
                    });
                }
                let (why, data) = fields.iter().find_map(|field| {
                    loss_in_place(
                        &before.id,
                        &field.path,
                        field.before.as_ref(),
                        field.after.as_ref(),
                    )
                })?;
                Some(Loss {
                    id: before.id.clone(),
                    why,
                    data: Some(data),
                })
            }
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
            _ => {
                for position in 0..old.len().max(new.len()) {
                    let item = format!("{path}[{position}]");
                    differences((id, replaces), &item, old.get(position), new.get(position), found);
                }
            }
        },
        _ => found.push(FieldChange {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
            replaces: replaces(id, path),
        }),
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
        assert!(losses[0].data.is_some());
    }

    #[test]
    fn fewer_replicas_of_a_stateful_set_are_a_loss_and_more_are_not() {
        let replicas = |number: u32| stateful_set(&json!({"replicas": number}));
        let losses = compare(&replicas(5), &replicas(3)).losses();
        assert_eq!(losses[0].why, "scaled down from 5 to 3");
        assert!(losses[0].data.is_some());
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
