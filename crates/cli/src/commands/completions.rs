//! `phoenix completions`: prints shell completions.

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::Cli;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output;

/// Print shell completions for `phoenix`.
///
/// Requires the binary on PATH, for example from `cargo install --path crates/cli`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  cargo phoenix completions bash > ~/.local/share/bash-completion/completions/phoenix"
)]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "phoenix", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Clean)
}
