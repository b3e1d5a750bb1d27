//! Test support that several packages share. Used as a dev-dependency only.
//!
//! - [`canary`]: secret values for tests, searched for in every encoding in which a program could leak them.
//! - [`http`]: an HTTP server in the test's process, with answers that a test scripts.
//! - [`esc`]: a fake Pulumi ESC service on top of it.
//! - [`alerts`] (feature `platform`): examples of every alert, for promtool and for the tests of the rules.
//!
//! This package is an edge: it opens ports on loopback.

#[cfg(feature = "platform")]
pub mod alerts;
pub mod canary;
pub mod esc;
pub mod http;
