//! Backups that a test writes into a store: good ones of another time, and those of an attacker.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::program::key;

/// A backup to write.
pub struct Planted {
    pub store: &'static str,
    pub folder: String,
    pub files: Vec<(&'static str, Vec<u8>)>,
    pub manifest: Value,
    /// The time at which the store received it.
    pub modified: DateTime<Utc>,
}

pub fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

pub fn folder(begun: DateTime<Utc>) -> String {
    begun.format("%Y%m%dT%H%M%SZ").to_string()
}

/// The code of a manifest, as the contract of the image describes it.
pub fn code(key: &str, store: &str, folder: &str, manifest: &[u8]) -> String {
    let place = format!("{store}/{folder}");
    let mut message = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key");
    for part in [&b"phoenix-backup manifest"[..], place.as_bytes(), manifest] {
        message.update(&(part.len() as u64).to_be_bytes());
        message.update(part);
    }
    hex(&message.finalize().into_bytes())
}

impl Planted {
    /// A good backup with these files, each with its number of records.
    pub fn new(store: &'static str, begun: DateTime<Utc>, files: Vec<(&'static str, Vec<u8>, u64)>) -> Self {
        let listed: Vec<_> = files
            .iter()
            .map(|(path, bytes, records)| {
                json!({
                    "path": path, "bytes": bytes.len(), "sha256": hex(&Sha256::digest(bytes)), "records": records,
                })
            })
            .collect();
        Self {
            store,
            folder: folder(begun),
            files: files.into_iter().map(|(path, bytes, _)| (path, bytes)).collect(),
            manifest: json!({
                "format": 2, "store": store, "begun": begun, "finished": begun, "program": "0.1.0", "peers": 1,
                "files": listed,
            }),
            modified: begun + Duration::from_mins(5),
        }
    }

    /// A good backup of this many memories.
    pub fn memories(begun: DateTime<Utc>, records: u64) -> Self {
        let mut lines: Vec<_> = (0..records)
            .map(|id| json!({"id": id, "text": folder(begun)}).to_string())
            .collect();
        lines.push(format!("{{\"end\":{{\"records\":{records}}}}}\n"));
        let file = ("memories.jsonl", lines.join("\n").into_bytes(), records);
        Self::new("openmemory", begun, vec![file])
    }

    /// Writes it with the code of its store's key.
    pub fn write(&self, root: &Path) -> PathBuf {
        self.write_signed_by(root, Some(&key(self.store)))
    }

    /// Writes it with the code of this key, or without a code.
    pub fn write_signed_by(&self, root: &Path, key: Option<&str>) -> PathBuf {
        let manifest = serde_json::to_vec(&self.manifest).expect("JSON");
        let code = key.map(|key| code(key, self.store, &self.folder, &manifest).into_bytes());
        self.write_raw(root, &manifest, code.as_deref())
    }

    pub fn write_raw(&self, root: &Path, manifest: &[u8], code: Option<&[u8]>) -> PathBuf {
        let at = root.join(self.store).join(&self.folder);
        std::fs::create_dir_all(&at).expect("a folder");
        for (path, bytes) in &self.files {
            std::fs::write(at.join(path), bytes).expect("it can be written");
        }
        std::fs::write(at.join("manifest.json"), manifest).expect("it can be written");
        if let Some(code) = code {
            std::fs::write(at.join("manifest.mac"), code).expect("it can be written");
        }
        received(&at, self.modified);
        at
    }
}

/// Sets the time at which the store received everything in a folder.
pub fn received(folder: &Path, time: DateTime<Utc>) {
    for file in folder.read_dir().expect("a folder").flatten() {
        let file = std::fs::File::options().append(true).open(file.path());
        file.expect("a file")
            .set_modified(SystemTime::from(time))
            .expect("its time can be set");
    }
}
