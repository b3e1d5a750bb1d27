//! Automatic fixes, for rules that are enforced as `remediate`.
//!
//! A remediation only sets a field that is absent, and only if the rest of the object already rules out what the new value
//! forbids, so that it cannot change the meaning of the object. This module returns edits; it does not change any object.

use phoenix_graph::Object;
use serde_json::Value;

use crate::pod::{Container, Pod};

/// The automatic fix of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Remediation {
    /// What is set and under which condition, and why that cannot change the meaning of the object.
    pub when: &'static str,
    /// The field to set in a container and its value; `None` if nothing can be set.
    pub(crate) for_container: fn(&Container<'_>, &Pod<'_>) -> Option<(&'static str, Value)>,
}

/// A field and its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The path of the field, such as `spec.template.spec.containers[0].securityContext.runAsNonRoot`.
    pub path: String,
    /// The value.
    pub value: Value,
}

impl Remediation {
    /// The edits of an object; empty if nothing can be set without changing its meaning.
    pub fn edits(&self, object: &Object) -> Vec<Edit> {
        let mut edits = Vec::new();
        for pod in Pod::all_of(object).iter().filter(|pod| !pod.is_windows()) {
            edits.extend(pod.containers.iter().filter_map(|container| {
                let (field, value) = (self.for_container)(container, pod)?;
                let path = container.node().at(field);
                Some(Edit { path, value })
            }));
        }
        edits
    }
}
