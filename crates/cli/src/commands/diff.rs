//! `phoenix diff`: what a stack declares now, against what it declared at another revision.

use anyhow::Result;
use serde_json::{Value, json};

use crate::arguments::Format;
use crate::base::Base;
use crate::checkout::Checkout;
use crate::comparison::{Comparison, Counts};
use crate::show::{self, Detail};
use crate::stack::Stack;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, message};

/// Compare the objects of a stack with those of another revision.
///
/// Each object that differs has a heading, and below it the path of each field with its value before and after. The
/// base's side is what that revision's own code rendered: its committed snapshots, or a build of it where it has none.
/// Nothing is asked of a cluster.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix diff prod\n  cargo phoenix diff dev --base v0.1.0 --exit-code"
)]
pub struct Arguments {
    /// The stack, such as dev.
    stack: String,
    #[command(flatten)]
    against: Against,
    /// End with 2 where something differs.
    #[arg(long)]
    exit_code: bool,
    /// For people or for machines.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is compared with; shared by all verbs that compare.
#[derive(Debug, clap::Args)]
pub struct Against {
    /// The revision to compare with; by default the merge-base with the main branch, else HEAD.
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout) -> Result<Exit> {
    let stack = Stack::load(checkout, &arguments.stack)?;
    let base = Base::choose(checkout, arguments.against.base.as_deref())?;
    if let Base::Nothing { why } = &base {
        message(why);
    }
    let comparison = Comparison::of(checkout, &stack, &base, &message)?;
    match arguments.format {
        Format::Json => {
            let mut document = stack_as_json(&comparison);
            document["base"] = base_as_json(&base);
            output::json(&document)?;
        }
        Format::Text => {
            output::print(&show::text(&comparison.changes.changes, Detail::Manifests))?;
            let words = match comparison.counts().words() {
                none if none.is_empty() => "nothing differs".to_owned(),
                words => words,
            };
            message(&format!(
                "{}: {words}, compared with {}",
                stack.name,
                base.words()
            ));
        }
    }
    let changed = arguments.exit_code && !comparison.changes.is_empty();
    Ok(if changed { Exit::Changed } else { Exit::Clean })
}

/// One stack of a comparison, as every verb with `--format json` tells it.
pub fn stack_as_json(comparison: &Comparison) -> Value {
    json!({
        "stack": comparison.stack,
        "baseSource": comparison.source.as_str(),
        "counts": counts_as_json(comparison.counts()),
        "objects": show::json(&comparison.changes.changes),
    })
}

/// The base of a comparison.
pub fn base_as_json(base: &Base) -> Value {
    match base {
        Base::Commit { commit, words, .. } => json!({"commit": commit, "is": words}),
        Base::Nothing { why } => json!({"commit": null, "is": why}),
    }
}

/// The counts of a comparison.
pub fn counts_as_json(counts: Counts) -> Value {
    json!({"create": counts.create, "update": counts.update, "replace": counts.replace, "delete": counts.delete})
}
