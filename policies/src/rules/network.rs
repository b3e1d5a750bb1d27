//! Network policies, exposure of Services, and references between objects.

pub mod policies;
pub mod references;
pub mod services;
