//! The verbs, one file each: arguments, and printing of results.

pub mod check;
pub mod comment;
pub mod completions;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod preview;
pub mod render;
pub mod sandbox;
pub mod schema;
pub mod secrets;
pub mod snapshots;
