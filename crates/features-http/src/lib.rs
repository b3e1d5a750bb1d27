//! The union of the features of third-party packages for HTTP clients. See `crates/features/Cargo.toml`.
