//! Credentials, service accounts and RBAC.

pub mod accounts;
pub mod credentials;
pub mod extensions;
pub mod rbac;
