//! An AI memory platform as a value: a stack's configuration goes in, a graph of typed Kubernetes
//! resources comes out, and everything else looks at the graph.
//!
//! The way, verb by verb:
//!
//! - **validate**: [`config::check`] turns what was written into what is meant, or reports every problem.
//! - **build**: [`platform::build`] makes the graph; it cannot fail.
//! - **lower**: [`registration::lower`] turns the graph into what the engine will be asked, as plain data.
//!
//! Reading and registering are done at the edges, by `main.rs` and by the command. Nothing in this library
//! knows a file, a clock, an environment variable or the engine, but for [`esc`], which opens an environment of Pulumi ESC
//! for both of them.

pub mod config;
pub mod connections;
pub mod esc;
pub mod names;
mod parts;
pub mod platform;
pub mod registration;
mod systems;
