//! Reads YAML and JSON into values, and manifests into the objects that `kubectl` would apply, with the file and line of
//! every field.
//!
//! One reader (`reader`) turns parser events into values; two dialects decide what scalars, aliases and merge keys mean:
//!
//! - [`yaml`] is strict YAML 1.2, for stack files and for files that this project writes. It rejects what other readers
//!   interpret differently.
//! - [`Manifests`] reads what `kubectl` reads: YAML 1.1 scalars, anchors, several documents, lists.
//!
//! The package is pure: callers read files and pass their contents. Input of any kind is processed in bounded time and
//! memory.

mod lenient;
mod manifests;
mod reader;
pub mod yaml;

pub use manifests::{MAX_BYTES, Manifests, Place};
pub use reader::{MAX_DEPTH, SyntaxError};
