//! An AI memory platform as a value: the configuration of a stack goes in, a graph of typed Kubernetes resources
//! comes out, and everything else uses the graph.
//!
//! The verbs:
//!
//! - **validate**: [`config::check`] turns a raw configuration into a checked one, or reports every problem.
//! - **build**: [`platform::build`] creates the graph; it cannot fail.
//! - **lower**: [`registration::lower`] turns the graph into registrations as plain data.
//!
//! Reading and registering happen at the edges, in the program and the command. This library uses no file, clock,
//! environment variable or engine, except for [`esc`], which opens a Pulumi ESC environment for both.

pub mod config;
pub mod connections;
pub mod esc;
pub mod names;
mod parts;
pub mod platform;
pub mod registration;
mod systems;
