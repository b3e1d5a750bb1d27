//! What the command-line programs share: output, styles, exit codes, errors with hints, and atomic file writes.
//!
//! This package is an edge: it writes to the standard streams and to files. It uses no network.
pub mod atomic;
pub mod cargo;
pub mod checklist;
pub mod exit;
pub mod output;
pub mod style;
pub mod user_error;
pub mod version;
