//! Istio: mutual TLS, authorization, routing.

pub mod authorization;
pub(crate) mod effect;
pub mod extensions;
pub mod identity;
pub(crate) mod protocol;
pub(crate) mod references;
pub(crate) mod registry;
pub mod requests;
pub mod routes;
pub mod takes_effect;
pub mod tokens;
pub mod traffic;
