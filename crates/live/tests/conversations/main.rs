//! Conversations with `phoenix-live`: the verbs that use a cluster or Pulumi ESC, each test in a checkout of its own.
//!
//! - `check`: the policies over a cluster.
//! - `comment`: posting comments to GitHub and GitLab.
//! - `doctor`: the checks of a deployment, with and without a cluster.
//! - `secrets`: the state of a stack's secrets in its file and its cluster, never with a value.
//! - `secrets_in_esc`: the same for Pulumi ESC.
#![expect(clippy::disallowed_methods, reason = "tests make checkouts and run programs")]

mod api_server;
mod check;
mod comment;
mod doctor;
mod secrets;
mod secrets_in_esc;
#[allow(dead_code, reason = "the tests of phoenix use the rest")]
#[path = "../../../cli/tests/conversations/support.rs"]
mod support;
mod version;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_phoenix-live");
