//! What all readers share: errors with a position, the lines of a document, and limits.

use std::collections::BTreeMap;
use std::fmt;

/// The deepest nesting that is read. The deepest Kubernetes object has about thirty levels.
pub const MAX_DEPTH: usize = 64;

/// Lines are not recorded for longer paths; no real key comes near.
pub(crate) const MAX_PATH: usize = 512;

/// A syntax error, with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub hint: Option<&'static str>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )?;
        match self.hint {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// The lines of a document: its first, and that of each key and item.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) first: usize,
    pub(crate) lines: BTreeMap<String, usize>,
}

/// A hint for a line that is not valid YAML, or follows one that is not.
pub(crate) fn hint_for(text: &str, line: usize) -> &'static str {
    if text.lines().take(line).any(|line| line.contains("{{")) {
        "this looks like a template; check its rendered output, for example `helm template CHART | phoenix check --file -`"
    } else {
        "check the indentation and quotes of this line and the one before"
    }
}

pub(crate) fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} levels deep")
}

/// A key as a message shows it.
pub(crate) fn shown(key: &str) -> String {
    if key.chars().count() > 60 {
        "with a very long name".to_owned()
    } else {
        format!("{key:?}")
    }
}
