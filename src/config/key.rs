//! Keys of a stack file, with and without their namespace.

/// The namespace of the platform's keys in a stack file: `phoenix:qdrant`, `phoenix:openmemory`, …
pub const NAMESPACE: &str = "phoenix";

/// The part of a key after `phoenix:`; `None` for keys of other namespaces.
pub fn own_key(key: &str) -> Option<&str> {
    match key.split_once(':') {
        Some((NAMESPACE, name)) => Some(name),
        Some(_) => None,
        None => Some(key),
    }
}

/// The full key of a path: `phoenix:qdrant.replicas` for `qdrant.replicas`, and `phoenix` for the root.
pub(super) fn full_key(path: &str) -> String {
    if path.is_empty() {
        NAMESPACE.to_owned()
    } else {
        format!("{NAMESPACE}:{path}")
    }
}
