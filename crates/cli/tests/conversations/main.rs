//! Tests of the real command, each in its own checkout: arguments, output and exit codes.
//!
//! - `check`: policies for stacks and manifests.
//! - `comment`: the comment on a pull request.
//! - `config_errors`: errors in stack files and arguments.
//! - `delegation`: how `phoenix` starts `phoenix-live`.
//! - `explain`: keys, objects, rules and controls.
//! - `preview`: preview and diff, their bases and exit codes.
//! - `render`: manifests to stdout and to a directory.
//! - `terminal`: help, completions, colors, pipes.
#![expect(clippy::disallowed_methods, reason = "tests make checkouts and run programs")]

mod check;
mod comment;
mod config_errors;
mod delegation;
mod explain;
mod preview;
mod render;
#[allow(dead_code, reason = "the tests of phoenix-live use the rest")]
mod support;
mod terminal;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_phoenix");
