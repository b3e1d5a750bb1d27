//! What is wrong with a configuration, in words for the person who wrote it.

use std::fmt;

use super::{Origin, Origins};

/// One thing that is wrong, with its key and, where we know it, the way out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The path of the key, such as `phoenix:qdrant.replicas`.
    pub key: String,
    /// The rest of a sentence that begins with the key: `is 2, but …`.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where the key was written.
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

/// Everything that is wrong with one configuration; an error only when there is something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem without a way out.
    pub fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.push(key.into(), message.into(), None);
    }

    /// Notes a problem and the way out.
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

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems, in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Notes all problems of `other` as well.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Notes the problems of `other` with keys that no problem is known of yet, of them or of what they stand in.
    pub fn append_unknown(&mut self, other: Self) {
        for problem in other.0 {
            if !self.0.iter().any(|known| holds(&known.key, &problem.key)) {
                self.0.push(problem);
            }
        }
    }

    /// The problems with keys that `other` has a problem with as well.
    #[must_use]
    pub fn shared_with(mut self, other: &Self) -> Self {
        self.0
            .retain(|problem| other.0.iter().any(|another| another.key == problem.key));
        self
    }

    /// Adds to each problem where its key was written.
    #[must_use]
    pub fn located(mut self, origins: &Origins) -> Self {
        for problem in &mut self.0 {
            problem.origin = origins.of(&problem.key).cloned();
        }
        self
    }
}

/// Whether one key is the other, or leads to it.
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
