//! Credentials, secret stores, service accounts and RBAC.

pub mod accounts;
pub mod credentials;
pub mod extensions;
pub mod rbac;
pub mod stores;
