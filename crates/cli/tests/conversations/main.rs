//! Conversations with the real command, each in a checkout of its own: what is typed, what is answered, how it ends.
//!
//! - `checking`: stacks and manifests, judged by the policies.
//! - `comparing`: preview and diff, their bases and their exit codes.
//! - `rendering`: manifests to stdout and into a folder.
//! - `mistakes`: what a person is told who typed or wrote something wrong.
//! - `explaining`: what a key or an object is.
//! - `delegation`: how `phoenix` starts `phoenix-live`.
//! - `talking`: help, completions, colours, pipes.
#![expect(clippy::disallowed_methods, reason = "tests make checkouts and run programs")]

mod checking;
mod comparing;
mod delegation;
mod explaining;
mod mistakes;
mod rendering;
#[allow(dead_code, reason = "the tests of phoenix-live use the rest")]
mod support;
mod talking;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_phoenix");
