//! `phoenix render`: the manifests of a stack, as YAML.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::checkout::Checkout;
use crate::manifests;
use crate::stack::Stack;
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{count, data, message};
use phoenix_terminal::style::escape_line;

/// Render the manifests of a stack.
///
/// Without --output, writes all manifests to stdout as one stream, in an order that a cluster accepts. Rendered Secrets
/// contain references instead of values: use --without-secrets before applying, or the references overwrite the values.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo phoenix render dev\n  cargo phoenix render prod --without-secrets -o manifests"
)]
pub struct Arguments {
    /// The stack, for example dev.
    stack: String,
    /// Write files to this directory, which must be new, empty, or rendered earlier from the same stack.
    ///
    /// `kubectl apply -f DIR` applies the files in order.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Leave out Secrets that contain references to secret values.
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
                "wrote {} in {} to {}",
                count(graph.len(), "object"),
                count(files.len(), "file"),
                folder.display()
            ));
        }
    }
    if let Some(text) = placeholders(&stack.config.placeholders) {
        message(&text);
    }
    let references = graph
        .objects()
        .filter(|object| !object.secrets().is_empty())
        .count();
    if references > 0 {
        message(&format!(
            "{} with references instead of values; use --without-secrets to leave them out",
            count(references, "Secret")
        ));
    }
    Ok(Exit::Clean)
}

/// The placeholders, one per line; `None` if there are none.
pub fn placeholders(placeholders: &[(String, String)]) -> Option<String> {
    let number = match placeholders.len() {
        0 => return None,
        1 => "1 value is a placeholder:".to_owned(),
        several => format!("{several} values are placeholders:"),
    };
    let lines: Vec<_> = placeholders
        .iter()
        .map(|(key, missing)| format!("\n  {key} — {}", escape_line(missing)))
        .collect();
    Some(number + &lines.concat())
}
