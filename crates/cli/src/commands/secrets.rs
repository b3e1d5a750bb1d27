//! `phoenix secrets`: the secrets of a stack and their state. Never a value.

use std::fmt::Write as _;

use anyhow::Result;
use phoenix::config::secret::SecretRow;
use serde_json::json;

use crate::arguments::Format;
use crate::checkout::Checkout;
use crate::live::Live;
use crate::secrets::{self, Entry, State, Subject};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count, message};
use phoenix_terminal::style;

/// List and check the secrets of a stack. Values are never shown.
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  cargo phoenix secrets list dev\n  cargo phoenix secrets check prod --cluster"
)]
#[expect(missing_docs, reason = "clap would show it instead of the verb's own help")]
pub enum Command {
    List(List),
    Check(Check),
}

/// List every secret of a stack: whether it is set, its Secret in the cluster, and the workloads that read it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  cargo phoenix secrets list dev")]
pub struct List {
    /// The stack.
    stack: String,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Check the secrets of a stack: which are missing, weak, unused, in plaintext or set twice.
///
/// Encrypted values are not decrypted, so their strength is not checked. The network is used only with `--cluster` or `--esc`. It
/// exits with 2 if any secret has to be fixed, and with 1 if the secrets could not be checked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix secrets check dev\n  cargo phoenix secrets check prod --cluster --format json\n  cargo phoenix secrets check prod --esc --organization acme"
)]
pub struct Check {
    /// The stack.
    stack: String,
    /// Check the Secrets in the stack's cluster instead of the stack file. Only the result and the size of a value are
    /// printed.
    #[arg(long)]
    cluster: bool,
    /// Check the stack's Pulumi ESC environment, which is opened with the access token in `PHOENIX_ESC_TOKEN`. Only the
    /// result and the size of a value are printed.
    #[arg(long, conflicts_with = "cluster")]
    esc: bool,
    /// The Pulumi Cloud organization of the environments that a stack file imports in mode `pulumi-esc`.
    #[arg(long, requires = "esc", value_name = "NAME")]
    organization: Option<String>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the verb.
pub fn run(command: &Command, checkout: &Checkout, live: &dyn Live) -> Result<Exit> {
    match command {
        Command::List(arguments) => list(arguments, checkout),
        Command::Check(arguments) => check(arguments, checkout, live),
    }
}

fn list(arguments: &List, checkout: &Checkout) -> Result<Exit> {
    let subject = Subject::load(checkout, &arguments.stack)?;
    let rows = secrets::rows(&subject);
    let source = secrets::source(&subject.config.secrets)
        .unwrap_or_else(|| format!("{}, where they are encrypted", subject.file.path));
    match arguments.format {
        Format::Text => {
            let mut text = String::new();
            for (row, state) in &rows {
                text.push_str(&described(&subject, row, *state));
            }
            let source = output::wrapped(&format!("They come from {source}."), WIDTH, "");
            let about = "For owners and rotation, see docs/secrets.md or use --format json.";
            output::print(&format!("{text}{source}\n{about}\n"))?;
        }
        Format::Json => {
            let rows: Vec<_> = rows
                .iter()
                .map(|(row, state)| listed(&subject, row, state.as_str()))
                .collect();
            output::document(
                "secrets-list",
                json!({"stack": subject.name, "source": source, "secrets": rows}),
            )?;
        }
    }
    Ok(Exit::Clean)
}

/// The Secrets of the stack that hold it, with their namespaces.
fn targets(subject: &Subject, row: &SecretRow) -> Vec<String> {
    let targets = subject.config.secret_targets().into_iter();
    targets
        .filter(|(_, rows)| rows.contains(&row))
        .map(|(target, _)| target.to_string())
        .collect()
}

/// The width of a terminal that every line fits into, unless a single word is longer.
const WIDTH: usize = 80;

/// A secret as text: its key and state, and below them its Secret and its readers.
fn described(subject: &Subject, row: &SecretRow, state: State) -> String {
    let word = state.as_str();
    let word = if state.is_good() {
        style::green(word)
    } else {
        style::red(word)
    };
    let mut text = format!("{}  {word}\n", style::bold(&row.full_key()));
    let targets = targets(subject, row);
    let target = match (targets.as_slice(), row.data_key) {
        // A secret that only the program reads is in no Secret.
        ([], _) => String::new(),
        (targets, "") => targets.join(", "),
        (targets, key) => format!("{} (key {key})", targets.join(", ")),
    };
    for (label, words) in [
        ("Secret:", target),
        ("read by:", row.read_by().join(", ")),
        ("restarts:", row.restarts().join(", ")),
    ] {
        if !words.is_empty() {
            let line = format!(
                "  {label:9} {}",
                output::wrapped(&words, WIDTH - 12, &" ".repeat(12))
            );
            let _infallible = writeln!(text, "{line}");
        }
    }
    text.push('\n');
    text
}

fn listed(subject: &Subject, row: &SecretRow, state: &str) -> serde_json::Value {
    let some = |text: &'static str| (!text.is_empty()).then_some(text);
    let readers: Vec<_> = row
        .readers
        .iter()
        .map(|reader| json!({"workload": reader.workload.name, "namespace": reader.workload.namespace, "container": reader.container, "variable": reader.variable}))
        .collect();
    json!({
        "key": row.full_key(), "state": state, "secret": some(row.secret), "targets": targets(subject, row), "dataKey": some(row.data_key), "owner": row.owner,
        "purpose": row.purpose, "rotation": row.rotation, "readers": readers, "restarts": row.restarts(),
    })
}

fn check(arguments: &Check, checkout: &Checkout, live: &dyn Live) -> Result<Exit> {
    let subject = Subject::load(checkout, &arguments.stack)?;
    let entries = if arguments.cluster {
        live.secrets_in_cluster(&subject)?
    } else if arguments.esc {
        let report = live.secrets_in_esc(&subject, arguments.organization.as_deref())?;
        for warning in &report.warnings {
            message(&format!("warning: {warning}"));
        }
        report.entries
    } else {
        subject.entries()
    };
    let is_good = entries.iter().all(|entry| entry.state.is_good());
    match arguments.format {
        Format::Text => output::print(&text(&entries))?,
        Format::Json => {
            let entries_json: Vec<_> = entries
                .iter()
                .map(|entry| json!({
                    "key": entry.key, "state": entry.state.as_str(), "checked": entry.state != State::External,
                    "found": entry.found, "hint": entry.hint,
                }))
                .collect();
            output::document(
                "secrets-check",
                json!({"good": is_good, "stack": subject.name, "secrets": entries_json}),
            )?;
        }
    }
    Ok(if is_good { Exit::Clean } else { Exit::Changed })
}

fn text(entries: &[Entry]) -> String {
    let width = entries
        .iter()
        .map(|entry| entry.key.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for entry in entries {
        let word = format!("{:9}", entry.state.as_str());
        let word = if entry.state.is_good() {
            style::green(&word)
        } else {
            style::red(&word)
        };
        let _infallible = writeln!(
            text,
            "{word}  {:width$}  {}",
            style::escape_line(&entry.key),
            style::escape_line(&entry.found)
        );
        if let Some(hint) = &entry.hint {
            let indent = " ".repeat(width + 13);
            let _infallible = writeln!(text, "{indent}{}", style::dim(&format!("hint: {hint}")));
        }
    }
    let _infallible = writeln!(text, "\n{}", style::bold(&summary(entries)));
    if entries.iter().any(|entry| entry.state == State::External) {
        text.push_str(
            "hint: check external secrets with --esc before a deployment, or with --cluster after it\n",
        );
    }
    text
}

/// A summary that counts only the secrets that were checked.
fn summary(entries: &[Entry]) -> String {
    let number =
        |is_meant: &dyn Fn(State) -> bool| entries.iter().filter(|entry| is_meant(entry.state)).count();
    let external = number(&|state| state == State::External);
    let wrong = number(&|state| !state.is_good());
    let checked = entries.len() - external;
    let mut parts = Vec::new();
    match (wrong, checked) {
        (0, 0) => {}
        (0, all) => parts.push(format!("all {} passed", count(all, "secret"))),
        (wrong, all) => parts.push(format!("{wrong} of {} failed", count(all, "secret"))),
    }
    if external > 0 {
        parts.push(format!(
            "{} from another source, not checked",
            count(external, "secret")
        ));
    }
    parts.join("; ")
}
