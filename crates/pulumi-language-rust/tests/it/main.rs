//! The host from the perspective of the engine: a process that prints a port and serves calls.
//!
//! - [`calls`]: each method of the service
//! - [`run`]: the environment of a program, and the meaning of its exit code
//! - [`ending`]: no process outlives the host
//! - [`build`]: cargo runs only if an input has changed
//! - [`launcher`]: the same for the launcher that builds the host
//!
//! These tests are an edge: they start processes, write to temporary folders, and listen on loopback.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests use files, processes and time"
)]

mod build;
mod calls;
mod ending;
mod launcher;
mod run;
mod support;
