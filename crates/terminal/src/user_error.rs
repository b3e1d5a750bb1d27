//! Errors that a user can fix, with a hint.
//!
//! Functions return `anyhow::Error`. A [`UserError`] in the chain adds a hint; so does a line of a message that begins
//! with `hint: `. [`render`] turns the chain into text at the edge of the program.

use std::fmt;

/// An error that a user can fix, with a hint.
#[derive(Debug)]
pub struct UserError {
    message: String,
    hint: String,
}

/// An error with a hint.
pub fn user_error(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    UserError {
        message: message.into(),
        hint: hint.into(),
    }
    .into()
}

/// Adds a message and a hint to an error.
pub trait WithHint<T> {
    /// `message` says what was attempted; `hint` says how to fix it.
    fn or_hint(self, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithHint<T> for Result<T, E> {
    fn or_hint(self, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|cause| {
            cause.into().context(UserError {
                message: message.into(),
                hint: hint.into(),
            })
        })
    }
}

/// The whole chain as text: the error, then each cause on its own line, then each hint on its own line.
pub fn render(error: &anyhow::Error) -> String {
    let (mut messages, hints) = messages_and_hints(error);
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

/// The chain on one line, then each hint on its own line: for messages that another program prints.
pub fn render_inline(error: &anyhow::Error) -> String {
    let (messages, hints) = messages_and_hints(error);
    let mut text = messages.join(": ");
    for hint in hints {
        text.push_str("\nhint: ");
        text.push_str(&hint);
    }
    text
}

impl fmt::Display for UserError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The hint is on its own line so that it survives when the error becomes the context of another one.
        write!(formatter, "{}\nhint: {}", self.message, self.hint)
    }
}

impl std::error::Error for UserError {}

/// The messages of the chain without their hints, the outermost first, and all hints.
pub fn messages_and_hints(error: &anyhow::Error) -> (Vec<String>, Vec<String>) {
    let mut messages = Vec::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        let (message, mut lifted) = without_hints(&cause.to_string());
        messages.push(message);
        hints.append(&mut lifted);
    }
    (messages, hints)
}

/// Splits a message from the hints at its left edge. An indented hint belongs to the line above it.
fn without_hints(message: &str) -> (String, Vec<String>) {
    let mut lines = Vec::new();
    let mut hints = Vec::new();
    for line in message.trim_end().lines() {
        match line.strip_prefix("hint: ") {
            Some(hint) => hints.push(hint.to_owned()),
            None => lines.push(line),
        }
    }
    (lines.join("\n"), hints)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn causes_have_a_line_each_and_hints_come_last() {
        let error = Err::<(), _>(user_error("the file is empty", "write something into it"))
            .context("reading the file")
            .or_hint("cannot render dev", "see docs/cli.md")
            .unwrap_err();
        assert_eq!(
            render(&error),
            "error: cannot render dev\n  because: reading the file\n  because: the file is empty\n\
             hint: see docs/cli.md\nhint: write something into it"
        );
    }

    #[test]
    fn the_inline_form_has_the_chain_on_one_line_and_the_hints_below() {
        let error = Err::<(), _>(user_error("the file is empty", "write something into it"))
            .context("reading the file")
            .unwrap_err();
        assert_eq!(
            render_inline(&error),
            "reading the file: the file is empty\nhint: write something into it"
        );
        assert_eq!(
            render_inline(&anyhow::anyhow!("no").context("asking")),
            "asking: no"
        );
    }

    #[test]
    fn an_error_without_a_hint_is_one_line() {
        assert_eq!(render(&anyhow::anyhow!("no stack")), "error: no stack");
    }
}
