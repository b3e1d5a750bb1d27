//! The automatic fixes of the rules about users and capabilities.
//!
//! There is none for `allowPrivilegeEscalation`: a program with the setuid bit changes its user in spite of dropped
//! capabilities, so that setting the field could change the behavior of a workload.

use serde_json::json;

use crate::field::{Field, Node};
use crate::pod::{Container, Pod};
use crate::remediation::Remediation;

pub(super) const RUN_AS_NON_ROOT: Remediation = Remediation {
    when: "sets `runAsNonRoot: true` if neither the container nor its pod sets the field, and `runAsUser` is set and is not 0",
    for_container: |container, pod| {
        let field = "securityContext.runAsNonRoot";
        let is_absent = container.or_pod(Node::flag, field, pod).is_absent();
        (is_absent && has_other_user(container, pod)).then_some((field, json!(true)))
    },
};

pub(super) const DROP_ALL_CAPABILITIES: Remediation = Remediation {
    when: "sets `capabilities.drop: [ALL]` if the container does not run as root (`runAsNonRoot: true`, or a `runAsUser` other than 0), \
           sets `allowPrivilegeEscalation: false` and adds no capability, so that its processes have no capabilities and cannot gain any",
    for_container: |container, pod| {
        let is_safe = (is_declared_non_root(container, pod) || has_other_user(container, pod))
            && container.node().flag("securityContext.allowPrivilegeEscalation") == Field::Known(false)
            && !drops_all(container)
            && !container
                .node()
                .list("securityContext.capabilities.drop")
                .is_unknown()
            && is_plain(container);
        is_safe.then_some(("securityContext.capabilities.drop", json!(["ALL"])))
    },
};

fn is_declared_non_root(container: &Container<'_>, pod: &Pod<'_>) -> bool {
    let declared = container.or_pod(Node::flag, "securityContext.runAsNonRoot", pod);
    declared == Field::Known(true) && !is_root(container, pod)
}

fn user(container: &Container<'_>, pod: &Pod<'_>) -> Field<i64> {
    container.or_pod(Node::number, "securityContext.runAsUser", pod)
}

/// Whether the user is set and is not root.
fn has_other_user(container: &Container<'_>, pod: &Pod<'_>) -> bool {
    user(container, pod).known().is_some_and(|user| user > 0)
}

/// Whether the user is root, or is not known.
fn is_root(container: &Container<'_>, pod: &Pod<'_>) -> bool {
    matches!(user(container, pod), Field::Known(0) | Field::Unknown)
}

fn drops_all(container: &Container<'_>) -> bool {
    let dropped = container.node().list("securityContext.capabilities.drop").known();
    dropped.is_some_and(|items| items.iter().any(|item| item == "ALL"))
}

/// Whether the container is certainly not privileged and adds no capability.
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
    use phoenix_graph::Object;
    use serde_json::Value;

    use super::*;
    use crate::remediation::Edit;
    use crate::rule::Rule;
    use crate::rules::pod_security::{hardening, privileges};

    fn edits(rule: &Rule, pod: &Value, container: &Value) -> Vec<Edit> {
        let object = Object::from_json(
            "",
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"},
                "spec": {"template": {"spec": {"securityContext": pod, "containers": [{"name": "c", "securityContext": container}]}}},
            }),
        )
        .unwrap();
        rule.remediation.unwrap().edits(&object)
    }

    fn sets(rule: &Rule, pod: &Value, container: &Value) -> Vec<Value> {
        edits(rule, pod, container)
            .into_iter()
            .map(|edit| edit.value)
            .collect()
    }

    #[test]
    fn a_container_with_another_user_is_declared_non_root() {
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
    fn capabilities_are_dropped_if_a_process_has_none_and_cannot_gain_any() {
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
