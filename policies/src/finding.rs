//! A finding: where an object or the settings fail a rule, and why.

/// One fault of an object or of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The field, such as `spec.template.spec.containers[0].securityContext.privileged`; empty for the whole object.
    pub path: String,
    /// What is wrong.
    pub message: String,
}
