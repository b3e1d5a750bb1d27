//! A checklist: the results of checks, such as those of `phoenix doctor`, and how they are printed.

use std::fmt::Write as _;

use crate::output::count;
use crate::style;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The subject of the check, such as `pulumi`.
    pub name: String,
    /// The outcome.
    pub status: Status,
    /// What was found, as a sentence for the user.
    pub found: String,
    /// How to fix it, if something has to be fixed.
    pub hint: Option<String>,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The requirement is met.
    Good,
    /// Worth knowing, but a deployment does not fail because of it.
    Warn,
    /// A deployment would fail.
    Fail,
}

impl Status {
    /// The outcome as one word, as the JSON output has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Check {
    /// A check that passed.
    pub fn good(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Good,
            found: found.into(),
            hint: None,
        }
    }

    /// A check that found something worth knowing.
    pub fn warn(name: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Warn,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }

    /// A check that failed.
    pub fn fail(name: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Fail,
            found: found.into(),
            hint: Some(hint.into()),
        }
    }
}

/// Checks as text: a line for each with its fix below, and a summary.
pub fn text(checks: &[Check]) -> String {
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
        (0, 0) => format!("all {} passed", count(checks.len(), "check")),
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
