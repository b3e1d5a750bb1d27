//! The Pulumi program of a stack: read, validate, build, lower, register.
//!
//! This package is an edge, between the library `phoenix` and Pulumi's engine. [`run`] is the whole program, [`lower`]
//! turns a graph into registrations as plain data, and [`esc`] opens the Pulumi ESC environment with a stack's secrets,
//! for the program and for the command.

pub mod esc;
mod kubeconfig;
mod lower;
mod run;

pub use lower::{PULUMI_VERSIONS, lower};
pub use run::run;
