//! `phoenix doctor`: is everything available that a deployment requires?

use anyhow::Result;
use phoenix_terminal::checklist::{self, Status};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output;
use serde_json::json;

use crate::arguments::Format;
use crate::checkout::Checkout;
use crate::doctor;
use crate::live::Live;

/// Check everything that a deployment requires, and show how to fix what is missing.
///
/// Without a stack it checks the tools and every stack file. With a stack it also checks that stack's placeholders and secrets
/// and the cluster it is deployed to. It changes nothing. It exits with 1 if any check fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo phoenix doctor\n  cargo phoenix doctor prod --format json")]
pub struct Arguments {
    /// The stack to deploy.
    stack: Option<String>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout, live: &dyn Live) -> Result<Exit> {
    let doctor::Local { mut checks, target } = doctor::run(checkout, arguments.stack.as_deref())?;
    if let Some(target) = target {
        checks.extend(live.doctor(checkout, &target.stack, &target.context)?);
    }
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    match arguments.format {
        Format::Text => output::print(&checklist::text(&checks))?,
        Format::Json => {
            let entries: Vec<_> = checks
                .iter()
                .map(|check| json!({"name": check.name, "status": check.status.as_str(), "found": check.found, "hint": check.hint}))
                .collect();
            output::document(
                "doctor",
                json!({"ready": !failed, "stack": arguments.stack, "checks": entries}),
            )?;
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Clean })
}
