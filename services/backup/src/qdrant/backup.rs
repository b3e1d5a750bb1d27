//! Backs up every collection of every peer.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;

use super::{Envelope, Qdrant, Snapshot, TEMPORARY_PREFIX, leftover_snapshot, remember};
use crate::error::Error;
use crate::manifest::{self, Alias, Collection, FORMAT, File, Manifest, Store};
use crate::server::{Request, Retry};
use crate::vault::{Vault, write_all};

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Collections {
    collections: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Aliases {
    aliases: Vec<Alias>,
}

impl Qdrant {
    /// Backs up every collection of every peer.
    pub async fn backup(&self, vault: &Vault, begun: DateTime<Utc>) -> Result<Manifest, Error> {
        let Version { version } = self.get(0, &[], "read the version of Qdrant").await?;
        self.expect_all_peers().await?;
        let folder = manifest::folder(begun);
        let mut collections = Vec::new();
        let mut files = Vec::new();
        for name in self.collections().await? {
            match self.backup_collection(vault, &folder, &name).await {
                Ok((collection, its_files)) => {
                    collections.push(collection);
                    files.extend(its_files);
                }
                // The collection was deleted during the backup.
                Err(error) if error.is_not_found() && !self.collections().await?.contains(&name) => {
                    eprintln!("skipped the collection {name}, which was deleted during the backup");
                }
                Err(error) => return Err(error),
            }
        }
        let aliases: Envelope<Aliases> = self.get(0, &["aliases"], "list the aliases of Qdrant").await?;
        let known: BTreeSet<_> = collections
            .iter()
            .map(|collection| collection.name.as_str())
            .collect();
        let aliases = aliases
            .result
            .aliases
            .into_iter()
            .filter(|alias| known.contains(alias.collection.as_str()))
            .collect();
        let manifest = Manifest {
            format: FORMAT,
            store: Store::Qdrant,
            begun,
            finished: Utc::now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            server: Some(version),
            peers: self.peers.len(),
            collections,
            aliases,
            files,
        };
        vault.complete(&manifest).await?;
        Ok(manifest)
    }

    async fn collections(&self) -> Result<Vec<String>, Error> {
        let mut names = self.all_collections().await?;
        names.retain(|name| !name.starts_with(TEMPORARY_PREFIX));
        names.sort_unstable();
        Ok(names)
    }

    /// The names of all collections, including temporary ones.
    pub(super) async fn all_collections(&self) -> Result<Vec<String>, Error> {
        let collections: Envelope<Collections> = self
            .get(0, &["collections"], "list the collections of Qdrant")
            .await?;
        let collections = collections.result.collections.into_iter();
        Ok(collections.map(|collection| collection.name).collect())
    }

    async fn backup_collection(
        &self,
        vault: &Vault,
        folder: &str,
        name: &str,
    ) -> Result<(Collection, Vec<File>), Error> {
        let points_before = self.count(name).await?;
        let mut files = Vec::new();
        for peer in 0..self.peers.len() {
            files.push(self.backup_peer(vault, folder, name, peer).await?);
        }
        let collection = Collection {
            name: name.to_owned(),
            points_before,
            points_after: self.count(name).await?,
        };
        Ok((collection, files))
    }

    async fn backup_peer(
        &self,
        vault: &Vault,
        folder: &str,
        collection: &str,
        peer: usize,
    ) -> Result<File, Error> {
        let snapshot = self.create_snapshot(collection, peer).await?;
        let file = self.download(vault, folder, collection, peer, &snapshot).await;
        // In any case, because snapshots use space on the volume of the peer.
        let removed = self
            .remove(&leftover_snapshot(collection, peer, &snapshot.name))
            .await;
        let file = file?;
        removed.map(|()| file)
    }

    async fn create_snapshot(&self, collection: &str, peer: usize) -> Result<Snapshot, Error> {
        let (peers, leftovers) = (Arc::clone(&self.peers), Arc::clone(&self.leftovers));
        let collection = collection.to_owned();
        let doing = format!(
            "create a snapshot of the collection {collection} on {}",
            self.name(peer)
        );
        let pending = tokio::spawn(async move {
            let snapshot: Envelope<Snapshot> = peers[peer]
                .send(&Request::<()> {
                    method: Method::POST,
                    path: &["collections", &collection, "snapshots"],
                    query: &[("wait", "true")],
                    body: None,
                    // A retry could create a second snapshot with an unknown name, which would fill the volume.
                    retry: Retry::OnlyIfNotSent,
                    doing: &doing,
                })
                .await?;
            remember(
                &leftovers,
                leftover_snapshot(&collection, peer, &snapshot.result.name),
            );
            Ok(snapshot.result)
        });
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(pending);
        poll_fn(|context| {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            let task = pending
                .as_mut()
                .expect("the task was stored above and is removed only here");
            let done = Pin::new(task).poll(context);
            if done.is_ready() {
                *pending = None;
            }
            done
        })
        .await
        .expect("creating a snapshot does not panic")
    }

    async fn download(
        &self,
        vault: &Vault,
        folder: &str,
        collection: &str,
        peer: usize,
        snapshot: &Snapshot,
    ) -> Result<File, Error> {
        let doing = format!(
            "download the snapshot of the collection {collection} from {}",
            self.name(peer)
        );
        let (_, chunks) = self.peers[peer]
            .fetch(&["collections", collection, "snapshots", &snapshot.name], &doing)
            .await?;
        // Names of collections can contain characters that are not allowed in paths.
        let path = format!(
            "{}/peer-{peer}.snapshot",
            object_store::path::PathPart::from(collection).as_ref()
        );
        let upload = vault
            .write(Store::Qdrant, folder, &path, Some(snapshot.size))
            .await?;
        let file = write_all(upload, chunks).await?;
        if file.bytes != snapshot.size {
            return Err(Error::Damaged(format!(
                "cannot {doing}: its size is {} bytes, but {} were received",
                snapshot.size, file.bytes
            )));
        }
        if let Some(checksum) = &snapshot.checksum
            && !checksum.eq_ignore_ascii_case(&file.sha256)
        {
            return Err(Error::Damaged(format!(
                "cannot {doing}: Qdrant reports the checksum {checksum}, but the received data has {}",
                file.sha256
            )));
        }
        Ok(File {
            peer: Some(peer),
            collection: Some(collection.to_owned()),
            ..file
        })
    }
}
