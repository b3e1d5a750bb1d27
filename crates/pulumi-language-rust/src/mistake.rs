//! Errors for the person at the terminal: what we were doing, why it failed, and the way out.
//!
//! Everything in this crate returns `anyhow::Error`; a [`Mistake`] in its chain adds the hint. The engine prints what
//! [`tell`] makes of it. This module does not know what can go wrong.

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

/// The whole chain in one line, and the hint, if there is one, in the next.
pub fn tell(error: &anyhow::Error) -> String {
    let hint = error.chain().find_map(|cause| cause.downcast_ref::<Mistake>());
    // A `Mistake` used as context is found by anyhow itself, not in the chain.
    match hint.or_else(|| error.downcast_ref::<Mistake>()) {
        Some(found) => format!("{error:#}\nhint: {}", found.hint),
        None => format!("{error:#}"),
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_hint_of_a_deep_cause_stands_on_its_own_line() {
        let error = Err::<(), _>(mistake("the file is empty", "write something into it"))
            .context("reading the file")
            .unwrap_err();
        assert_eq!(
            tell(&error),
            "reading the file: the file is empty\nhint: write something into it"
        );
    }

    #[test]
    fn an_error_without_a_hint_is_one_line() {
        assert_eq!(tell(&anyhow::anyhow!("no").context("asking")), "asking: no");
    }
}
