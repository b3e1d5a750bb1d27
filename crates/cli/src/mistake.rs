//! Errors for the person at the terminal: what we were doing, why it failed, and the way out.
//!
//! Every verb returns `anyhow::Error`. A [`Mistake`] in its chain adds a hint; so does a line of a message that begins
//! with `hint: `. [`told`] turns the chain into text, once, at the edge. This module does not know what can go wrong.

use std::fmt;

/// Something the operator can repair, with the way to do it.
#[derive(Debug)]
pub struct Mistake {
    message: String,
    hint: String,
}

/// An error with a hint.
pub fn mistake(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Mistake {
        message: message.into(),
        hint: hint.into(),
    }
    .into()
}

/// Puts what we were doing in front of an error, and the way out behind it.
pub trait WithHint<T> {
    /// `message` says what we were doing; `hint` what can be done about it.
    fn or_mistake(self, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn or_mistake(self, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|cause| {
            cause.into().context(Mistake {
                message: message.into(),
                hint: hint.into(),
            })
        })
    }
}

/// The whole chain as text: what failed, then each cause on a line of its own, then each hint on one.
pub fn told(error: &anyhow::Error) -> String {
    let mut messages = Vec::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        let (spoken, mut lifted) = without_hints(&cause.to_string());
        messages.push(spoken);
        hints.append(&mut lifted);
    }
    let mut text = format!("error: {}", messages.remove(0));
    for message in messages {
        text.push_str("\n  because: ");
        text.push_str(&message.replace('\n', "\n  "));
    }
    for hint in hints {
        text.push_str("\nhint: ");
        text.push_str(&hint);
    }
    text
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The hint is a line of its own so that it survives being wrapped as anybody's context.
        write!(formatter, "{}\nhint: {}", self.message, self.hint)
    }
}

impl std::error::Error for Mistake {}

/// A message apart from the hints at its left edge; hints that are indented belong to what stands above them.
fn without_hints(message: &str) -> (String, Vec<String>) {
    let mut spoken = Vec::new();
    let mut hints = Vec::new();
    for line in message.trim_end().lines() {
        match line.strip_prefix("hint: ") {
            Some(hint) => hints.push(hint.to_owned()),
            None => spoken.push(line),
        }
    }
    (spoken.join("\n"), hints)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn causes_come_one_a_line_and_hints_come_last() {
        let error = Err::<(), _>(mistake("the file is empty", "write something into it"))
            .context("reading the file")
            .or_mistake("cannot render dev", "see docs/cli.md")
            .unwrap_err();
        assert_eq!(
            told(&error),
            "error: cannot render dev\n  because: reading the file\n  because: the file is empty\n\
             hint: see docs/cli.md\nhint: write something into it"
        );
    }

    #[test]
    fn an_error_without_a_hint_is_one_line() {
        assert_eq!(told(&anyhow::anyhow!("no stack")), "error: no stack");
    }
}
