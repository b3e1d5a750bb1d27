//! `phoenix diff`: compares the objects of a stack with those of another revision.

use anyhow::Result;
use serde_json::{Value, json};

use crate::arguments::Format;
use crate::base::Base;
use crate::checkout::Checkout;
use crate::comparison::{Comparison, Presence};
use crate::consent::Consent;
use crate::stack::Stack;
use phoenix_report::changes::{self, Detail};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, message};

/// Compare the objects of a stack with those of another revision.
///
/// Shows a heading for each changed object, and below it each changed field with its value before and after. The base is
/// what that revision declares: its stack file, rendered with the current code, if the code is the same; otherwise its committed
/// snapshots or, without any, the output of a build of that revision. A stack that exists only in the base is shown as deleted.
/// No cluster is contacted.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix diff prod\n  cargo phoenix diff dev --base v0.1.0 --exit-code"
)]
pub struct Arguments {
    /// The stack, for example dev.
    stack: String,
    #[command(flatten)]
    against: Against,
    /// Exit with 2 if there are changes.
    #[arg(long)]
    exit_code: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The base of a comparison; shared by all verbs that compare.
#[derive(Debug, clap::Args)]
pub struct Against {
    /// The revision to compare with. Default: the merge base with the main branch, else HEAD.
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout) -> Result<Exit> {
    let name = &arguments.stack;
    let base = Base::choose(checkout, arguments.against.base.as_deref())?;
    let is_deleted = !checkout.stacks()?.contains(name) && base.stacks(checkout)?.contains(name);
    let stack = (!is_deleted).then(|| Stack::load(checkout, name)).transpose()?;
    if let Base::Nothing { why } = &base {
        message(why);
    }
    let comparison = match &stack {
        Some(stack) => Comparison::of(checkout, stack, &base, &message)?,
        None => Comparison::deleted(checkout, name, &base, &message)?,
    };
    for note in &comparison.notes {
        message(&format!("note: {note}"));
    }
    match arguments.format {
        Format::Json => {
            let mut document = stack_as_json(&comparison, &[]);
            document["base"] = base_as_json(&base);
            output::document("diff", document)?;
        }
        Format::Text => {
            output::print(&changes::text(&comparison.changes, Detail::Manifests))?;
            let words = match comparison.counts().words() {
                none if none.is_empty() => "no changes".to_owned(),
                words => words,
            };
            message(&format!("{name}: {words}, compared with {}", base.words()));
        }
    }
    let changed = arguments.exit_code && !comparison.changes.is_empty();
    Ok(if changed { Exit::Changed } else { Exit::Clean })
}

/// One stack of a comparison, as in every JSON output.
pub fn stack_as_json(comparison: &Comparison, consents: &[Consent]) -> Value {
    json!({
        "stack": comparison.stack,
        "deleted": comparison.presence == Presence::Deleted,
        "notes": comparison.notes,
        "destructive": losses_as_json(comparison, consents),
        "baseSource": comparison.source.as_str(),
        "counts": comparison.counts().json(),
        "objects": changes::json(&comparison.changes),
    })
}

/// The base of a comparison.
pub fn base_as_json(base: &Base) -> Value {
    match base {
        Base::Commit { commit, words, .. } => json!({"commit": commit, "description": words}),
        Base::Nothing { why } => json!({"commit": null, "description": why}),
    }
}

/// Destructive changes as JSON, the most severe first.
fn losses_as_json(comparison: &Comparison, consents: &[Consent]) -> Value {
    comparison
        .losses(consents)
        .into_iter()
        .map(|(loss, consented)| {
            json!({
                "object": Consent::to(&loss.id),
                "system": loss.component,
                "operation": loss.kind.as_str(),
                "why": loss.why,
                "risk": loss.risk.as_str(),
                "atRisk": loss.at_risk,
                "instead": loss.instead,
                "consented": consented,
            })
        })
        .collect()
}
