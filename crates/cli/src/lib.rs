//! The command `phoenix`: the definitions of all verbs, and the verbs that need no network.
//!
//! [`run`] parses the command line, runs one verb of [`commands`], and returns the result as an [`Exit`]. The verbs share data
//! types: a [`Stack`](stack::Stack) is loaded from a [`Checkout`], a [`Comparison`](comparison::Comparison) is made from a
//! stack and a [`Base`](base::Base); [`phoenix_report`] renders them.

#![expect(
    clippy::disallowed_methods,
    reason = "the command is an edge: it reads files and the environment, and runs programs"
)]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

pub mod arguments;
pub mod base;
pub mod checkout;
pub mod clusters;
pub mod commands;
pub mod comparison;
pub mod consent;
pub mod docs;
pub mod doctor;
pub mod explain;
pub mod failure;
pub mod formats;
pub mod live;
pub mod manifests;
pub mod policies;
pub mod profile;
pub mod secrets;
pub mod settings;
pub mod stack;
pub mod stack_file;

use arguments::Color;
use checkout::Checkout;
use commands::{comment, completions, diff, preview, render, schema, snapshots};
use live::Live;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::{output, style, user_error};

/// Preview, check and operate stacks of the Phoenix memory platform.
///
/// Reads stack files and produces manifests, differences and reports. Data goes to stdout and messages to stderr.
#[derive(Debug, Parser)]
#[command(
    name = "phoenix",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Example:\n  cargo phoenix preview dev",
    after_long_help = EXITS_AND_EXAMPLE
)]
pub struct Cli {
    /// The checkout to work on. Default: the one that contains the current directory.
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// When to color output. `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb` are honored.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
enum Verb {
    Preview(preview::Arguments),
    Render(render::Arguments),
    Diff(diff::Arguments),
    Comment(comment::Arguments),
    Explain(commands::explain::Arguments),
    Check(commands::check::Arguments),
    Doctor(commands::doctor::Arguments),
    #[command(subcommand)]
    Secrets(commands::secrets::Command),
    Snapshots(snapshots::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    #[command(subcommand)]
    Sandbox(commands::sandbox::Command),
}

const EXITS_AND_EXAMPLE: &str = "\
Exit codes:
  0  clean: success, nothing to report
  1  failed: the tool or its input failed, including usage errors
  2  changed: differences were found (with --exit-code), or a check did not pass
  3  policy: a mandatory policy failed
  4  destructive: a change loses objects, data or protection without --allow-destructive

Example:
  cargo phoenix preview dev";

/// Runs the command line and returns its exit code. Verbs that need a network, a cluster or the sandbox are run by `live`,
/// which gets the value of `--root`.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    live: impl FnOnce(Option<&Path>) -> Box<dyn Live>,
) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_json = failure::is_json_requested(&arguments);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are data: a closed pipe is not an error.
            let _ = error.print();
            if is_json && error.use_stderr() {
                failure::write(&failure::usage_error(&error));
            }
            return if error.use_stderr() {
                Exit::Failed
            } else {
                Exit::Clean
            }
            .into();
        }
    };
    let live = live(cli.root.as_deref());
    match dispatch(cli, &*live) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::message(&user_error::render(&error));
            if is_json {
                failure::write(&error);
            }
            Exit::Failed.into()
        }
    }
}

fn dispatch(cli: Cli, live: &dyn Live) -> anyhow::Result<Exit> {
    let checkout = || Checkout::find(cli.root.as_deref());
    style::set_color(cli.color.into());
    match cli.verb {
        Verb::Preview(arguments) => preview::run(&arguments, &checkout()?),
        Verb::Render(arguments) => render::run(&arguments, &checkout()?),
        Verb::Diff(arguments) => diff::run(&arguments, &checkout()?),
        Verb::Comment(arguments) => comment::run(&arguments, checkout, live),
        Verb::Explain(arguments) => commands::explain::run(&arguments, &checkout()?),
        Verb::Check(arguments) => commands::check::run(&arguments, checkout, live),
        Verb::Doctor(arguments) => commands::doctor::run(&arguments, &checkout()?, live),
        Verb::Secrets(command) => commands::secrets::run(&command, &checkout()?, live),
        Verb::Snapshots(arguments) => snapshots::run(&arguments, &checkout()?),
        Verb::Schema(arguments) => schema::run(&arguments),
        Verb::Completions(arguments) => completions::run(&arguments),
        Verb::Sandbox(command) => {
            let directory = cli
                .root
                .clone()
                .map_or_else(std::env::current_dir, Ok)
                .context("cannot find the current directory")?;
            live.sandbox(command, &directory)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_exit_code() {
        for exit in Exit::ALL {
            let line = format!("  {}  {}\n", exit.code(), exit.meaning());
            assert!(EXITS_AND_EXAMPLE.contains(&line), "{line}");
        }
    }
}
