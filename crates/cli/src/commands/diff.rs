//! `phoenix diff`: what a stack declares now, against what it declared at another revision.

use anyhow::Result;
use serde_json::{Value, json};

use crate::base::Base;
use crate::checkout::Checkout;
use crate::comparison::{Comparison, Counts};
use crate::exit::Exit;
use crate::output::{self, Format, Paint, data, say};
use crate::show::{self, Detail};
use crate::stack::Stack;

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
pub fn run(arguments: &Arguments, checkout: &Checkout, paint: Paint) -> Result<Exit> {
    let stack = Stack::load(checkout, &arguments.stack)?;
    let base = Base::choose(checkout, arguments.against.base.as_deref())?;
    if let Base::Nothing { why } = &base {
        say(why);
    }
    let comparison = Comparison::of(checkout, &stack, &base, &say)?;
    match arguments.format {
        Format::Json => {
            let mut document = stack_as_json(&comparison);
            document["base"] = base_as_json(&base);
            output::json(&document)?;
        }
        Format::Text => {
            data(&show::text(&comparison.changes.changes, Detail::Manifests, paint))?;
            let words = match comparison.counts().words() {
                none if none.is_empty() => "nothing differs".to_owned(),
                words => words,
            };
            say(&format!(
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
