//! `phoenix doctor`: is everything here that a deployment needs?

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::arguments::Format;
use crate::checkout::Checkout;
use crate::doctor::{self, Check, Status};
use phoenix_terminal::exit::Exit;
use phoenix_terminal::output::{self, count};
use phoenix_terminal::style;

/// Check what a deployment needs, and say how to get what is missing.
///
/// Without a stack it looks at the tools and at every stack file. With one it looks at that stack's file, placeholders,
/// secrets and cluster too, as a deployment would. It changes nothing, and ends with 1 if any check fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo phoenix doctor\n  cargo phoenix doctor prod --format json")]
pub struct Arguments {
    /// The stack that is to be deployed.
    stack: Option<String>,
    /// For people or for machines.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the verb.
pub fn run(arguments: &Arguments, checkout: &Checkout) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let checks = runtime.block_on(doctor::run(checkout, arguments.stack.as_deref()))?;
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    match arguments.format {
        Format::Text => output::print(&text(&checks))?,
        Format::Json => {
            let entries: Vec<_> = checks
                .iter()
                .map(|check| json!({"name": check.name, "status": check.status.as_str(), "found": check.found, "hint": check.hint}))
                .collect();
            output::json(&json!({"ready": !failed, "stack": arguments.stack, "checks": entries}))?;
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Clean })
}

fn text(checks: &[Check]) -> String {
    let width = checks
        .iter()
        .map(|check| check.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for Check {
        name,
        status,
        found,
        hint,
    } in checks
    {
        let word = match status {
            Status::Good => style::green("ok  "),
            Status::Warn => style::yellow("warn"),
            Status::Fail => style::red("FAIL"),
        };
        let mut lines = found.lines();
        let _ = writeln!(
            text,
            "{word}  {name:width$}  {}",
            lines.next().unwrap_or_default()
        );
        let indent = " ".repeat(width + 8);
        for line in lines {
            text.push_str(format!("{indent}{line}").trim_end());
            text.push('\n');
        }
        if let Some(hint) = hint {
            let _ = writeln!(text, "{indent}{}", style::dim(&format!("hint: {hint}")));
        }
    }
    let number = |status| checks.iter().filter(|check| check.status == status).count();
    let summary = match (number(Status::Fail), number(Status::Warn)) {
        (0, 0) => format!("all {} are fine", count(checks.len(), "check")),
        (0, warned) => format!("nothing failed; {}", count(warned, "warning")),
        (failed, _) => format!("{} of {} failed", failed, count(checks.len(), "check")),
    };
    let _ = writeln!(text, "\n{}", style::bold(&summary));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, status: Status, found: &str, hint: Option<&str>) -> Check {
        Check {
            name: name.to_owned(),
            status,
            found: found.to_owned(),
            hint: hint.map(str::to_owned),
        }
    }

    #[test]
    fn a_line_a_check_and_the_hint_below_it() {
        let checks = [
            check("git", Status::Good, "2.39.5", None),
            check("pulumi", Status::Fail, "is not on PATH", Some("install it")),
        ];
        assert_eq!(
            style::strip(&text(&checks)),
            "ok    git     2.39.5\nFAIL  pulumi  is not on PATH\n              hint: install it\n\n1 of 2 checks failed\n"
        );
    }
}
