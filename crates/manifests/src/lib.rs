//! Reads YAML and JSON into values, and manifests into the objects that `kubectl` would apply, with the file and line of
//! every field.
//!
//! Two readers, because two programs read what users write:
//!
//! - [`yaml`] is strict YAML 1.2, for stack files and for files that this project writes. It rejects what other readers
//!   interpret differently.
//! - [`Manifests`] reads what `kubectl` reads, and makes the same of it: `stream` splits a text into documents, `scanner`
//!   and `parser` read YAML 1.1, `scalar` resolves types, and [`Manifests`] takes lists apart. What it cannot be sure to
//!   read like `kubectl` is an error.
//!
//! The package is pure: callers read files and pass their contents. Input of any kind is processed in bounded time and
//! memory.

mod json;
mod manifests;
mod parser;
mod reader;
mod scalar;
mod scanner;
mod stream;
mod syntax;
pub mod yaml;

pub use manifests::{MAX_BYTES, Manifests, Place, Skipped};
pub use syntax::{MAX_DEPTH, SyntaxError};
