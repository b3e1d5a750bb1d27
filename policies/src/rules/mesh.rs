//! Istio: mutual TLS, authorization, routing.

pub mod authorization;
pub mod identity;
pub mod requests;
pub mod traffic;
