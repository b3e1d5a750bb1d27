//! Network policies, exposure of Services, and references between objects.

pub mod ingresses;
pub mod policies;
pub mod references;
pub mod services;
pub(crate) mod traffic;
