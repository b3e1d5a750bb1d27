//! Generates `docs/cli.md`, the reference of the command, from its help texts. Submodules generate other pages.

pub mod alerts;
pub mod connections;
pub mod metrics;
pub mod policies;
pub mod secrets;

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::Cli;
use phoenix_terminal::exit::Exit;

/// The content of `docs/cli.md`.
pub fn markdown() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text = String::from("# The command `phoenix`\n\n");
    text.push_str("<!-- Generated from the help texts of the command; edit these instead. -->\n\n");
    paragraphs(&mut text, &command);
    text.push_str(
        "In the repository, run it as `cargo phoenix …`.\n\n## Exit codes\n\n| code | meaning |\n|---|---|\n",
    );
    for exit in Exit::ALL {
        let _ = writeln!(text, "| {} | {} |", exit.code(), exit.meaning());
    }
    text.push_str("\nPrecedence: 1, then 3, 4 and 2.\n");
    options(&mut text, "Global options", &command, Arg::is_global_set);
    for verb in command.get_subcommands() {
        section(&mut text, verb, "phoenix", 2);
    }
    text
}

fn section(text: &mut String, command: &Command, above: &str, level: usize) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{above} {}", command.get_name());
    let _ = write!(text, "\n{} `{name}`\n\n", "#".repeat(level));
    paragraphs(text, command);
    let usage = command.clone().render_usage().to_string();
    let _ = write!(text, "```text\n{}\n```\n", usage.trim_start_matches("Usage: "));
    options(text, "", command, |argument| !argument.is_global_set());
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        let lines = examples
            .trim_start_matches("Examples:")
            .trim_start_matches("Example:")
            .lines();
        let lines: Vec<_> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
        let _ = write!(text, "\nFor example:\n\n```sh\n{}\n```\n", lines.join("\n"));
    }
    for verb in command.get_subcommands() {
        section(text, verb, &name, level + 1);
    }
}

fn paragraphs(text: &mut String, command: &Command) {
    let about = command.get_long_about().or(command.get_about());
    for paragraph in about.map(ToString::to_string).unwrap_or_default().split("\n\n") {
        let stop = if paragraph.ends_with('.') { "" } else { "." };
        let _ = write!(text, "{}{stop}\n\n", paragraph.replace('\n', " "));
    }
}

fn options(text: &mut String, title: &str, command: &Command, wanted: impl Fn(&Arg) -> bool) {
    let built_in = |argument: &Arg| matches!(argument.get_id().as_str(), "help" | "version");
    let shown: Vec<_> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !built_in(argument) && wanted(argument))
        .collect();
    if shown.is_empty() {
        return;
    }
    if !title.is_empty() {
        let _ = write!(text, "\n## {title}\n");
    }
    text.push_str("\n| option | meaning |\n|---|---|\n");
    for argument in shown {
        let _ = writeln!(text, "| `{}` | {} |", form(argument), meaning(argument));
    }
}

/// The syntax of an argument.
fn form(argument: &Arg) -> String {
    let values: Vec<_> = argument
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let value = if argument.get_action().takes_values() {
        values.join(" ")
    } else {
        String::new()
    };
    let names: Vec<_> = argument
        .get_short()
        .map(|short| format!("-{short}"))
        .into_iter()
        .chain(argument.get_long().map(|long| format!("--{long}")))
        .collect();
    if names.is_empty() {
        format!("<{value}>")
    } else {
        format!("{} {value}", names.join(", ")).trim_end().to_owned()
    }
}

fn meaning(argument: &Arg) -> String {
    let help = argument
        .get_long_help()
        .or(argument.get_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut meaning = help.replace("\n\n", " ").replace('\n', " ").replace('|', "\\|");
    let choices: Vec<_> = argument
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    // Clap removes the full stop of a short help text.
    if !meaning.ends_with('.') {
        meaning.push('.');
    }
    if argument.get_action().takes_values() && !choices.is_empty() && !argument.is_hide_possible_values_set()
    {
        let _ = write!(meaning, " One of {}.", choices.join(", "));
    }
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if argument.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(meaning, " Default: {}.", defaults.join(", "));
    }
    meaning
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_section_with_an_example() {
        let text = markdown();
        for verb in Cli::command().get_subcommands() {
            let heading = format!("## `phoenix {}`", verb.get_name());
            let section = text
                .split("\n## ")
                .find(|section| heading.ends_with(section.lines().next().unwrap_or("-")));
            assert!(
                section.is_some_and(|section| section.contains("```sh\n")),
                "{heading}"
            );
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
