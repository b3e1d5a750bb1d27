//! `phoenix render`: the manifests of a stack, as YAML.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::checkout::Checkout;
use crate::manifests;
use crate::stack::Stack;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{count, data, message};

/// Render the manifests of a stack.
///
/// Without --output they go to stdout as one stream, in an order in which a cluster accepts them. Secrets hold
/// references, never values: apply what you rendered with --without-secrets, or you overwrite the real ones.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix render dev\n  cargo phoenix render prod --without-secrets -o manifests"
)]
pub struct Arguments {
    /// The stack, such as dev.
    stack: String,
    /// Write files into this folder, which must be empty, new, or rendered earlier from the same stack.
    ///
    /// `kubectl apply -f` of the folder applies them in order.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Leave out every Secret whose values are held elsewhere.
    #[arg(long)]
    without_secrets: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout) -> Result<Exit> {
    let stack = Stack::load(checkout, &arguments.stack)?;
    let mut graph = stack.graph;
    if arguments.without_secrets {
        graph.retain(|object| object.secrets().is_empty());
    }
    match &arguments.output {
        None => data(&graph.yaml())?,
        Some(folder) => {
            let files = manifests::files_of(&graph);
            manifests::write(folder, &stack.name, &files)
                .with_context(|| format!("cannot render {} into {}", stack.name, folder.display()))?;
            message(&format!(
                "{} in {} written to {}",
                count(graph.len(), "object"),
                count(files.len(), "file"),
                folder.display()
            ));
        }
    }
    if let Some(told) = placeholders(&stack.config.placeholders) {
        message(&told);
    }
    let references = graph
        .objects()
        .filter(|object| !object.secrets().is_empty())
        .count();
    if references > 0 {
        message(&format!(
            "{} with references in place of values; --without-secrets leaves them out",
            count(references, "Secret")
        ));
    }
    Ok(Exit::Clean)
}

/// What nobody knows yet, a line each; `None` where everything is known.
pub fn placeholders(placeholders: &[(String, String)]) -> Option<String> {
    let number = match placeholders.len() {
        0 => return None,
        1 => "1 value is a placeholder:".to_owned(),
        several => format!("{several} values are placeholders:"),
    };
    let lines: Vec<_> = placeholders
        .iter()
        .map(|(key, missing)| format!("\n  {key} — {missing}"))
        .collect();
    Some(number + &lines.concat())
}
