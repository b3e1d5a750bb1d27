//! The policy pack at the terminal: what is to be judged, and how a report is told.
//!
//! [`reading`] makes a graph of any YAML, [`told`] and [`sarif`] tell a report. What is right or wrong is for
//! [`phoenix_policies`] to say.

pub mod reading;
pub mod sarif;
pub mod told;

use phoenix_graph::Id;
use phoenix_policies::{Report, Settings};

/// A report, what it is about, and where its subjects stand.
pub struct Judged {
    /// The stack, or what the manifests are called together.
    pub name: String,
    /// How many objects were judged.
    pub objects: usize,
    /// What was found.
    pub report: Report,
    /// How it was judged.
    pub settings: Settings,
    /// The place of a finding: subject and path → file and line.
    pub places: Places,
}

/// Tells the place of a path within a subject.
pub type Places = Box<dyn Fn(&Id, &str) -> Option<Place>>;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as people write its path.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}
