//! The location of a configuration value in its file.

use std::collections::BTreeMap;
use std::fmt;

/// A location in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file, as the user named it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// The locations of all keys; empty if the configuration came from the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Records the location of the key with this path.
    pub fn insert(&mut self, key: String, origin: Origin) {
        self.0.insert(key, origin);
    }

    /// The location of a key; for a missing key, that of the nearest enclosing key.
    pub fn of(&self, key: &str) -> Option<&Origin> {
        let mut path = key;
        loop {
            if let Some(origin) = self.0.get(path) {
                return Some(origin);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_reported_at_its_parent() {
        let mut origins = Origins::default();
        let origin = Origin {
            file: "Pulumi.dev.yaml".to_owned(),
            line: 7,
        };
        origins.insert("phoenix:qdrant".to_owned(), origin.clone());
        assert_eq!(origins.of("phoenix:qdrant.storage.size"), Some(&origin));
        assert_eq!(origins.of("phoenix:openmemory"), None);
    }
}
