//! The programs of a sandbox.
//!
//! A program on PATH is used if its version is accepted. A missing one is built from the Go module under `sandbox/tools/` that
//! pins it: once, also if several commands require it at the same time. Built programs are kept in a cache directory named
//! after the content of the module, so a changed pin leads to a new build. Only Go modules are downloaded, by `go` itself.

mod cache;
mod catalog;

pub use cache::{Found, Origin, ToolCache, repository};
pub use catalog::*;
