//! The union of the features of third-party packages, so that every binary compiles them once. See `Cargo.toml`.
