//! Everything that talks to a Kubernetes API server.
//!
//! The only package that links a Kubernetes client, so that a change of the client stays here. [`connection`] turns a context
//! of the kubeconfig into a client and verifies which cluster it is; [`doctor`] checks a cluster before a deployment;
//! [`inventory`] lists the objects that policies are evaluated against; [`secrets`] reads single Secrets; [`admin`] applies
//! objects, for the sandbox. Only [`admin`] changes anything.

pub mod admin;
pub mod connection;
pub mod doctor;
pub mod inventory;
pub mod secrets;

pub use kube::Client;
