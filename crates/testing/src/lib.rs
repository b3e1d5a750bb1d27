//! Test support that several packages share. Used as a dev-dependency only.
//!
//! - [`canary`]: secret values for tests, searched for in every encoding in which a program could leak them.
//! - [`http`]: an HTTP server in the test's process, with answers that a test scripts.
//! - [`json_schema`]: validates JSON output against its schema.
//! - [`programs`]: scripts and copies of programs that a test starts.
//! - [`esc`]: a fake Pulumi ESC service on top of it.
//! - `evaluator` (feature `platform`): which connections and requests the rendered policies allow, and the probes that a test
//!   compares with the connection table.
//! - `alerts` (feature `platform`): examples of every alert, for promtool and for the tests of the rules.
//!
//! This package is an edge: it opens ports on loopback, and writes programs where a test says.

#[cfg(feature = "platform")]
pub mod alerts;
pub mod canary;
pub mod esc;
#[cfg(feature = "platform")]
pub mod evaluator;
pub mod http;
pub mod json_schema;
pub mod programs;
