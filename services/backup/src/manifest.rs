//! The manifest: the last file of a backup, which lists its content.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The name of the manifest in the folder of a backup.
pub const NAME: &str = "manifest.json";

/// The format version of manifests: the one that this program writes, and the newest one that it reads.
pub const FORMAT: u32 = 1;

/// The format of folder names: the start time of the backup, so that names sort by age.
const FOLDER: &str = "%Y%m%dT%H%M%SZ";

/// A store that can be backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// Qdrant, the vector database.
    Qdrant,
    /// Neo4j, the graph database.
    Neo4j,
    /// OpenMemory's own records of memories.
    Openmemory,
}

impl Store {
    /// All stores.
    pub const ALL: [Self; 3] = [Self::Qdrant, Self::Neo4j, Self::Openmemory];

    /// The name of the store's folder in the object store.
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

/// The content of a backup. The manifest is written last, so its presence means that the backup is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format version.
    pub format: u32,
    /// The store that was backed up.
    pub store: Store,
    /// The start time.
    pub begun: DateTime<Utc>,
    /// The time when the last file was written.
    pub finished: DateTime<Utc>,
    /// The version of this program.
    pub program: String,
    /// The version of the server, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The number of peers; 1 for a store without peers.
    pub peers: usize,
    /// The collections of Qdrant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<Collection>,
    /// The aliases of collections, which snapshots do not contain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// All files of the backup except the manifest.
    pub files: Vec<File>,
}

/// A collection of Qdrant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// The name.
    pub name: String,
    /// The number of points before the first snapshot.
    pub points_before: u64,
    /// The number of points after the last snapshot.
    pub points_after: u64,
}

/// An alias of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The alias.
    #[serde(rename = "alias_name")]
    pub name: String,
    /// The name of the collection.
    #[serde(rename = "collection_name")]
    pub collection: String,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The path below the folder of the backup.
    pub path: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 checksum in hexadecimal.
    pub sha256: String,
    /// The index of the peer, from 0, if each peer has its own snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<usize>,
    /// The name of the collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// The number of records, if they can be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
}

impl Manifest {
    /// The name of the folder of the backup.
    pub fn folder(&self) -> String {
        folder(self.begun)
    }

    /// The total size in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl Collection {
    /// Whether the number of points after a restore is plausible. Points can change while the peers are backed up one after
    /// the other, so a difference of one percent, or of the change during the backup, is accepted.
    pub fn tolerates(&self, points: u64) -> bool {
        let (low, high) = (
            self.points_before.min(self.points_after),
            self.points_before.max(self.points_after),
        );
        let slack = (high / 100).max(high - low);
        (low.saturating_sub(slack)..=high + slack).contains(&points)
    }
}

/// The name of the folder of a backup with this start time.
pub fn folder(begun: DateTime<Utc>) -> String {
    begun.format(FOLDER).to_string()
}

/// The start time in the name of a folder; `None` if it is not the folder of a backup.
pub fn begun(folder: &str) -> Option<DateTime<Utc>> {
    chrono::NaiveDateTime::parse_from_str(folder, FOLDER)
        .ok()
        .map(|moment| moment.and_utc())
}
