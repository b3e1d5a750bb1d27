//! The manifest: the last file of a backup, which lists its content.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The name of the manifest in the folder of a backup.
pub const NAME: &str = "manifest.json";

/// The name of the object with the authentication code of the manifest.
pub const MAC: &str = "manifest.mac";

/// The format version of manifests that this program reads and writes. Version 1 had no authentication code.
pub const FORMAT: u32 = 2;

/// The maximum size of a file: the limit of Amazon S3 at the time of writing.
const MAX_FILE_BYTES: u64 = 50 << 40;

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
    /// The entity tag of the object when the backup was opened. It is not part of the manifest; with it, all reads return the
    /// same version of the object.
    #[serde(skip)]
    pub tag: Option<String>,
}

impl Manifest {
    /// The name of the folder of the backup.
    pub fn folder(&self) -> String {
        folder(self.begun)
    }

    /// The total size in bytes.
    pub fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// The number of points, nodes, relationships or memories, without constraints and indexes.
    pub fn records(&self) -> u64 {
        let points = self.collections.iter().map(|collection| collection.points_after);
        let lines = self
            .files
            .iter()
            .filter(|file| file.path != crate::neo4j::SCHEMA)
            .filter_map(|file| file.records);
        points.chain(lines).fold(0, u64::saturating_add)
    }

    /// Whether the backup contains no data. Such a backup is complete, but it must not replace one with data.
    pub fn is_empty(&self) -> bool {
        self.records() == 0
    }

    /// The file with this path.
    pub fn file(&self, path: &str) -> Result<&File, Error> {
        let file = self.files.iter().find(|file| file.path == path);
        file.ok_or_else(|| {
            Error::Damaged(format!(
                "the backup {} of {} is damaged: its manifest does not list {path}",
                self.folder(),
                self.store
            ))
        })
    }

    /// Checks that the entries are consistent, and returns the reason if they are not. Nothing that a manifest contains is
    /// used before this check.
    pub fn check(&self) -> Result<(), String> {
        let mut paths = BTreeSet::new();
        let mut snapshots = BTreeSet::new();
        let mut total = 0_u64;
        for file in &self.files {
            let path = &file.path;
            if !is_plain(path) {
                return Err(format!("its manifest contains the invalid path {path:?}"));
            }
            if !paths.insert(path) {
                return Err(format!("its manifest lists {path} twice"));
            }
            total = match total.checked_add(file.bytes) {
                Some(total) if file.bytes <= MAX_FILE_BYTES => total,
                _ => return Err(format!("its manifest specifies an impossible size of {path}")),
            };
            if file.sha256.len() != 64 || !file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(format!("its manifest contains no SHA-256 checksum of {path}"));
            }
            match (&file.collection, file.peer) {
                (Some(collection), Some(peer)) if self.store == Store::Qdrant => {
                    if peer >= self.peers || !snapshots.insert((collection.as_str(), peer)) {
                        return Err(format!(
                            "its manifest lists the collection {collection} of peer {peer} twice, or has only {} peers",
                            self.peers
                        ));
                    }
                }
                (None, None) if self.store != Store::Qdrant => {}
                _ => return Err(format!("its manifest does not say what {path} contains")),
            }
        }
        let mut names = BTreeSet::new();
        for Collection { name, .. } in &self.collections {
            if !names.insert(name.as_str()) {
                return Err(format!("its manifest lists the collection {name} twice"));
            }
            if let Some(peer) = (0..self.peers).find(|peer| !snapshots.contains(&(name.as_str(), *peer))) {
                return Err(format!(
                    "its manifest lists no file of the collection {name} of peer {peer}"
                ));
            }
        }
        match snapshots.iter().find(|(name, _)| !names.contains(name)) {
            Some((name, _)) => Err(format!(
                "its manifest lists a file of the unknown collection {name}"
            )),
            None => Ok(()),
        }
    }
}

/// Whether a path stays below the folder of its backup, and does not name the manifest or its code.
fn is_plain(path: &str) -> bool {
    path != NAME
        && path != MAC
        && !path.contains('\\')
        && !path.chars().any(char::is_control)
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
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
        (low.saturating_sub(slack)..=high.saturating_add(slack)).contains(&points)
    }
}

/// The name of the folder of a backup with this start time.
pub fn folder(begun: DateTime<Utc>) -> String {
    begun.format(FOLDER).to_string()
}

/// The start time in the name of a folder; `None` if it is not the folder of a backup.
pub fn begun(folder: &str) -> Option<DateTime<Utc>> {
    let moment = chrono::NaiveDateTime::parse_from_str(folder, FOLDER)
        .ok()?
        .and_utc();
    // Other spellings of the same time are not ours.
    (self::folder(moment) == folder).then_some(moment)
}
