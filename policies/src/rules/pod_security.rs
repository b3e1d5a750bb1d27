//! What a pod may do to its node: the Pod Security Standards and further restrictions.

pub mod hardening;
pub mod privileges;
mod remediation;
pub mod volumes;
