//! What the pack can put right by itself, where a rule is enforced as `remediate`.
//!
//! It promises that a repair changes nothing but what an object says of itself: each is made only where the field is not
//! said at all, and where the rest of the object already rules out what the new value forbids. Everything else is for
//! people. It deliberately does not know who asks: it gives fields and values, and changes no object.

use phoenix_graph::Object;
use serde_json::{Value, json};

use crate::field::Field;
use crate::pod::{Container, Pod};
use crate::rule::Rule;
use crate::rules::pod_security::{hardening, privileges};

/// How the pack puts right what one rule finds.
#[derive(Debug)]
pub struct Repair {
    /// The rule.
    pub rule: &'static Rule,
    /// What is set, and when: why it cannot change what the object means.
    pub when: &'static str,
    of_container: fn(&Container<'_>, &Pod<'_>) -> Option<(&'static str, Value)>,
}

/// A field, and the value that it shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The field's place, such as `spec.template.spec.containers[0].securityContext.runAsNonRoot`.
    pub path: String,
    /// The value.
    pub value: Value,
}

/// Every repair there is, in the order of the rules. There is none for `allowPrivilegeEscalation`: without it, a program with
/// the setuid bit is another user, whatever its container gave up.
pub static REPAIRS: [Repair; 2] = [
    Repair {
        rule: &hardening::RUN_AS_NON_ROOT,
        when: "sets `runAsNonRoot: true` where neither a container nor its pod says it, and the user that it runs as is named and is not 0",
        of_container: |container, pod| {
            let field = "securityContext.runAsNonRoot";
            let is_unsaid = container
                .or_pod(|node, field| node.flag(field), field, pod)
                .is_absent();
            (is_unsaid && has_other_user(container, pod)).then_some((field, json!(true)))
        },
    },
    Repair {
        rule: &privileges::DROP_ALL_CAPABILITIES,
        when: "sets `capabilities.drop: [ALL]` where a container is not root (`runAsNonRoot: true`, or a named user other than 0), says \
               `allowPrivilegeEscalation: false` and adds no capability: such a process has none, and cannot get any",
        of_container: |container, pod| {
            let is_meant = (is_said_to_be_non_root(container, pod) || has_other_user(container, pod))
                && container.node().flag("securityContext.allowPrivilegeEscalation") == Field::Known(false)
                && !drops_all(container)
                && !container
                    .node()
                    .list("securityContext.capabilities.drop")
                    .is_unknown()
                && is_plain(container);
            is_meant.then_some(("securityContext.capabilities.drop", json!(["ALL"])))
        },
    },
];

/// The repair of a rule, where there is one.
pub fn of(rule: &Rule) -> Option<&'static Repair> {
    REPAIRS.iter().find(|repair| repair.rule.id == rule.id)
}

impl Repair {
    /// What would be set in an object; empty where nothing can be set without changing what it means.
    pub fn edits(&self, object: &Object) -> Vec<Edit> {
        let Some(pod) = Pod::of(object).filter(|pod| !pod.is_windows()) else {
            return Vec::new();
        };
        pod.containers
            .iter()
            .filter_map(|container| {
                let (field, value) = (self.of_container)(container, &pod)?;
                let path = container.node().at(field);
                Some(Edit { path, value })
            })
            .collect()
    }
}

fn is_said_to_be_non_root(container: &Container<'_>, pod: &Pod<'_>) -> bool {
    let said = container.or_pod(
        |node, field| node.flag(field),
        "securityContext.runAsNonRoot",
        pod,
    );
    said == Field::Known(true) && !is_root(container, pod)
}

fn user(container: &Container<'_>, pod: &Pod<'_>) -> Field<i64> {
    container.or_pod(|node, field| node.number(field), "securityContext.runAsUser", pod)
}

fn has_other_user(container: &Container<'_>, pod: &Pod<'_>) -> bool {
    user(container, pod).known().is_some_and(|user| user > 0)
}

/// Root by name, or a user that is not known yet.
fn is_root(container: &Container<'_>, pod: &Pod<'_>) -> bool {
    matches!(user(container, pod), Field::Known(0) | Field::Unknown)
}

fn drops_all(container: &Container<'_>) -> bool {
    let dropped = container.node().list("securityContext.capabilities.drop").known();
    dropped.is_some_and(|items| items.iter().any(|item| item == "ALL"))
}

/// Whether it is not privileged and adds no capability, for sure.
fn is_plain(container: &Container<'_>) -> bool {
    let node = container.node();
    let adds_nothing = match node.list("securityContext.capabilities.add") {
        Field::Absent => true,
        Field::Known(items) => items.is_empty(),
        Field::Unknown => false,
    };
    adds_nothing
        && matches!(
            node.flag("securityContext.privileged"),
            Field::Absent | Field::Known(false)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(rule: &Rule, pod: &Value, container: &Value) -> Vec<Edit> {
        let object = Object::from_json(
            "",
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"},
                "spec": {"template": {"spec": {"securityContext": pod, "containers": [{"name": "c", "securityContext": container}]}}},
            }),
        )
        .unwrap();
        of(rule).unwrap().edits(&object)
    }

    fn sets(rule: &Rule, pod: &Value, container: &Value) -> Vec<Value> {
        edits(rule, pod, container)
            .into_iter()
            .map(|edit| edit.value)
            .collect()
    }

    #[test]
    fn a_user_that_is_named_is_said_not_to_be_root() {
        let rule = &hardening::RUN_AS_NON_ROOT;
        assert_eq!(
            edits(rule, &json!({"runAsUser": 1000}), &json!({})),
            [Edit {
                path: "spec.template.spec.containers[0].securityContext.runAsNonRoot".to_owned(),
                value: json!(true),
            }]
        );
        let unknown = crate::field::UNKNOWN[2];
        for (pod, container) in [
            (json!({}), json!({})),
            (json!({"runAsUser": 0}), json!({})),
            (json!({"runAsUser": 1000}), json!({"runAsUser": 0})),
            (json!({"runAsUser": unknown}), json!({})),
            (json!({"runAsUser": 1000, "runAsNonRoot": false}), json!({})),
        ] {
            assert_eq!(
                sets(rule, &pod, &container),
                Vec::<Value>::new(),
                "{pod} {container}"
            );
        }
    }

    #[test]
    fn capabilities_are_dropped_where_a_process_has_none_and_can_get_none() {
        let rule = &privileges::DROP_ALL_CAPABILITIES;
        let pod = json!({"runAsUser": 1000});
        let good = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["NET_RAW"]}});
        assert_eq!(sets(rule, &pod, &good), [json!(["ALL"])]);
        for (pod, container) in [
            (json!({}), good.clone()),
            (json!({"runAsNonRoot": true, "runAsUser": 0}), good),
            (pod.clone(), json!({})),
            (pod.clone(), json!({"allowPrivilegeEscalation": true})),
            (
                pod.clone(),
                json!({"allowPrivilegeEscalation": false, "capabilities": {"add": ["NET_BIND_SERVICE"]}}),
            ),
            (
                pod,
                json!({"allowPrivilegeEscalation": false, "privileged": true}),
            ),
        ] {
            assert_eq!(
                sets(rule, &pod, &container),
                Vec::<Value>::new(),
                "{pod} {container}"
            );
        }
    }
}
