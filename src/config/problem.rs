//! Configuration errors.

use std::fmt;

use super::{Origin, Origins};

/// A configuration error with its key and, if known, a hint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The path of the key, such as `phoenix:qdrant.replicas`.
    pub key: String,
    /// The rest of a sentence that begins with the key: `is 2, but …`.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// The location of the key.
    pub origin: Option<Origin>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(formatter, "{origin}: ")?;
        }
        write!(formatter, "{} {}", self.key, self.message)?;
        if let Some(hint) = &self.hint {
            write!(formatter, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// The errors of one configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds an error without a hint.
    pub fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.push(key.into(), message.into(), None);
    }

    /// Adds an error with a hint.
    pub fn add_with_hint(
        &mut self,
        key: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(key.into(), message.into(), Some(hint.into()));
    }

    fn push(&mut self, key: String, message: String, hint: Option<String>) {
        self.0.push(Problem {
            key,
            message,
            hint,
            origin: None,
        });
    }

    /// Whether there are no errors.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Adds all errors of `other`.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Adds the errors of `other` for keys that have no error yet, neither on the key itself nor on an enclosing key.
    pub fn append_unknown(&mut self, other: Self) {
        for problem in other.0 {
            if !self.0.iter().any(|known| holds(&known.key, &problem.key)) {
                self.0.push(problem);
            }
        }
    }

    /// The errors with keys that also have an error in `other`.
    #[must_use]
    pub fn shared_with(mut self, other: &Self) -> Self {
        self.0
            .retain(|problem| other.0.iter().any(|another| another.key == problem.key));
        self
    }

    /// The errors with other messages, where `message` returns one.
    #[must_use]
    pub fn map_messages(mut self, message: impl Fn(&Problem) -> Option<String>) -> Self {
        for problem in &mut self.0 {
            if let Some(message) = message(problem) {
                problem.message = message;
            }
        }
        self
    }

    /// Adds the location of its key to each error.
    #[must_use]
    pub fn located(mut self, origins: &Origins) -> Self {
        for problem in &mut self.0 {
            problem.origin = origins.of(&problem.key).cloned();
        }
        self
    }
}

/// Whether one key is the other, or encloses it.
fn holds(outer: &str, inner: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}
