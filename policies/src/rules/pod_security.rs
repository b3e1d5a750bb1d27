//! What a pod may do to its node: the Pod Security Standards and more.

pub mod hardening;
pub mod privileges;
pub mod volumes;
