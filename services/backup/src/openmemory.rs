//! OpenMemory's own records, through the two calls that its image must implement (`docs/backup-image.md`).

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::lines::Counter;
use crate::manifest::{self, FORMAT, File, Manifest, Store};
use crate::server::{RetryPolicy, Server};
use crate::vault::{Vault, write_all};

const HINT: &str =
    "check that OpenMemory authorizes the identity of this pod, or that OPENMEMORY_TOKEN is a valid token";
const FILE: &str = "memories.jsonl";

/// An OpenMemory server.
pub struct OpenMemory {
    server: Server,
}

/// The last line of an export. Without it, the export is incomplete.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    end: End,
}

#[derive(Deserialize)]
struct End {
    records: u64,
}

#[derive(Deserialize)]
struct Imported {
    imported: u64,
}

impl OpenMemory {
    /// A client for the server at this address.
    pub fn new(url: &Url, token: Option<&SecretString>, retry_policy: RetryPolicy) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
                    Error::Settings(
                        "OPENMEMORY_TOKEN contains a line break or another control character".to_owned(),
                    )
                })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self {
            server: Server::new(url.clone(), headers, retry_policy, HINT)?,
        })
    }

    /// Backs up all memories.
    pub async fn backup(&self, vault: &Vault, begun: DateTime<Utc>) -> Result<Manifest, Error> {
        let doing = format!("export the memories of {}", self.server.address());
        let (_, chunks) = self
            .server
            .fetch(&["memory", "openmemory", "export"], &doing)
            .await?;
        let counter = Arc::new(Mutex::new(Counter::default()));
        let counting = Arc::clone(&counter);
        let chunks = chunks.inspect_ok(move |chunk| {
            counting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .update(chunk);
        });
        let upload = vault
            .write(Store::Openmemory, &manifest::folder(begun), FILE, None)
            .await?;
        let file = write_all(upload, chunks).await?;
        let counter = std::mem::take(&mut *counter.lock().unwrap_or_else(PoisonError::into_inner));
        let records =
            complete(counter).map_err(|reason| Error::Damaged(format!("cannot {doing}: {reason}")))?;
        let manifest = Manifest {
            format: FORMAT,
            store: Store::Openmemory,
            begun,
            finished: Utc::now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            server: None,
            peers: 1,
            collections: Vec::new(),
            aliases: Vec::new(),
            files: vec![File {
                records: Some(records),
                ..file
            }],
        };
        vault.complete(&manifest).await?;
        Ok(manifest)
    }

    /// Restores all memories. The server rejects the import if it contains memories, unless `overwrite` is set.
    pub async fn restore(&self, vault: &Vault, manifest: &Manifest, overwrite: bool) -> Result<u64, Error> {
        let file = manifest.file(FILE)?;
        verify(vault, manifest, file).await?;
        let doing = format!("import the memories into {}", self.server.address());
        let done: Result<Imported, Error> = self
            .server
            .upload(
                &["memory", "openmemory", "import"],
                &[("overwrite", if overwrite { "true" } else { "false" })],
                "application/x-ndjson",
                vault.read(manifest, file),
                &doing,
            )
            .await;
        let imported = match done {
            Err(error) if error.is_conflict() => {
                return Err(Error::NotEmpty(format!(
                    "cannot {doing}: it contains memories\n  hint: inspect them first; RESTORE_OVERWRITE=true \
                     replaces them"
                )));
            }
            done => done?.imported,
        };
        if Some(imported) == file.records {
            return Ok(imported);
        }
        Err(Error::Damaged(format!(
            "OpenMemory imported {imported} records, but the backup {} contains {}",
            manifest.folder(),
            file.records.unwrap_or_default()
        )))
    }
}

/// Verifies all lines of a backup before the first one is sent, with the same checks as the backup.
async fn verify(vault: &Vault, manifest: &Manifest, file: &File) -> Result<(), Error> {
    let mut counter = Counter::default();
    let mut chunks = Box::pin(vault.read(manifest, file));
    while let Some(chunk) = chunks.try_next().await? {
        counter.update(&chunk);
    }
    match complete(counter) {
        Ok(records) if Some(records) == file.records => Ok(()),
        Ok(records) => Err(Error::Damaged(format!(
            "{FILE} is damaged: it contains {records} records, but the manifest specifies {}",
            file.records.unwrap_or_default()
        ))),
        Err(reason) => Err(Error::Damaged(format!("{FILE} is damaged: {reason}"))),
    }
}

/// The number of records, if it is that in the last line.
fn complete(counter: Counter) -> Result<u64, String> {
    let (lines, last) = counter.finish()?;
    let Last { end } = serde_json::from_slice(&last)
        .map_err(|_| "it is incomplete: its last line does not contain the number of records")?;
    if Some(end.records) == lines.checked_sub(1) {
        return Ok(end.records);
    }
    Err(format!(
        "its last line reports {} records, but {} were received",
        end.records,
        lines.saturating_sub(1)
    ))
}
