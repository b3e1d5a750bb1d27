//! The last file of a backup: what it holds.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The name of the manifest in the folder of a backup.
pub const NAME: &str = "manifest.json";

/// The form of the manifests that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// How the folder of a backup is called after the moment it was begun, so that names sort by age.
const FOLDER: &str = "%Y%m%dT%H%M%SZ";

/// A store that can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// The vector database.
    Qdrant,
    /// The graph database.
    Neo4j,
    /// What OpenMemory itself knows of its memories.
    Openmemory,
}

impl Store {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Qdrant, Self::Neo4j, Self::Openmemory];

    /// The name of its folder in the object store.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Qdrant => "qdrant",
            Self::Neo4j => "neo4j",
            Self::Openmemory => "openmemory",
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.folder())
    }
}

/// What a backup holds. It is written after all of it, so that its presence means that the backup is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this file.
    pub format: u32,
    /// What was copied.
    pub store: Store,
    /// When it was begun.
    pub begun: DateTime<Utc>,
    /// When the last file was written.
    pub finished: DateTime<Utc>,
    /// The version of the program that wrote it.
    pub program: String,
    /// The version of the server, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How many peers were copied, each for itself; 1 for a store that is one.
    pub peers: usize,
    /// The collections, where the store has such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<Collection>,
    /// Other names of collections; no snapshot holds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// Every file of the backup but this one.
    pub files: Vec<File>,
}

/// A collection of the vector database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// How many points it had before its first snapshot.
    pub points_before: u64,
    /// How many it had after the last.
    pub points_after: u64,
}

/// Another name of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The other name.
    #[serde(rename = "alias_name")]
    pub name: String,
    /// The collection it means.
    #[serde(rename = "collection_name")]
    pub collection: String,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where it is, below the folder of the backup.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
    /// Its checksum, SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Whose snapshot it is, counted from 0, where peers are copied each for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<usize>,
    /// The collection it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// How many records it holds, where they can be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

impl Manifest {
    /// The name of the folder that the backup is in.
    pub fn folder(&self) -> String {
        folder(self.begun)
    }

    /// How many bytes the backup has.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl Collection {
    /// How far a restored count may be from the ones of the backup: points come and go while peers are copied one
    /// after the other. A hundredth, or what was seen to change.
    pub fn tolerates(&self, points: u64) -> bool {
        let (low, high) = (
            self.points_before.min(self.points_after),
            self.points_before.max(self.points_after),
        );
        let slack = (high / 100).max(high - low);
        (low.saturating_sub(slack)..=high + slack).contains(&points)
    }
}

/// The name of the folder of a backup that was begun at this moment.
pub fn folder(begun: DateTime<Utc>) -> String {
    begun.format(FOLDER).to_string()
}

/// The moment that a folder is named after; `None` where the folder is not one of a backup.
pub fn begun(folder: &str) -> Option<DateTime<Utc>> {
    chrono::NaiveDateTime::parse_from_str(folder, FOLDER)
        .ok()
        .map(|moment| moment.and_utc())
}
