//! The host as the engine sees it: a process that prints a port and answers calls.
//!
//! - [`calls`]: one call after the other
//! - [`running`]: what a program is told, may see, and means by its end
//! - [`ending`]: nothing outlives the host
//! - [`building`]: cargo runs once, and again only when something has changed
//! - [`launcher`]: the same for the launcher that builds the host
//!
//! These tests are an edge: they start processes, write into temporary folders and listen on loopback.
#![expect(
    clippy::disallowed_methods,
    reason = "what they test is what happens with files and processes in time"
)]

mod building;
mod calls;
mod ending;
mod launcher;
mod running;
mod support;
