//! The union of the features of third-party packages for asynchronous programs. See `crates/features/Cargo.toml`.
