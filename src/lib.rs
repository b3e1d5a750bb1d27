//! An AI memory platform as a value: the configuration of a stack goes in, a graph of typed Kubernetes resources
//! comes out, and everything else uses the graph.
//!
//! The verbs:
//!
//! - **validate**: [`config::check`] turns a raw configuration into a checked one, or reports every problem.
//! - **build**: [`platform::build`] creates the graph; it cannot fail.
//!
//! Reading and registering happen at the edges: in the program, which also lowers the graph to registrations, and in the
//! command. This library uses no file, clock, environment variable, network or engine.

pub mod config;
pub mod connections;
pub mod names;
mod parts;
mod passes;
pub mod platform;
pub mod provider;
mod systems;
