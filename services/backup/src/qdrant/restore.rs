//! Restores collections.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use serde::Serialize;

use super::{Envelope, Qdrant};
use crate::error::Error;
use crate::manifest::{Alias, Collection, File, Manifest};
use crate::server::{Request, Retry};
use crate::vault::Vault;

/// The boundary of the multipart form. It does not occur in a snapshot: snapshots are tar files, and the probability that
/// these 32 bytes follow a line break is negligible.
const BOUNDARY: &str = "phoenix-backup-3f9b1c6e5a7d4802b1";

#[derive(Serialize)]
struct Actions<'a> {
    actions: Vec<Action<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Action<'a> {
    CreateAlias(&'a Alias),
}

impl Qdrant {
    /// Restores a backup. Fails if a collection contains points, unless `overwrite` is set.
    pub async fn restore(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        only: &[String],
        overwrite: bool,
    ) -> Result<Vec<(String, u64)>, Error> {
        self.check_peers(manifest).await?;
        let chosen: Vec<_> = manifest
            .collections
            .iter()
            .filter(|collection| only.is_empty() || only.contains(&collection.name))
            .collect();
        if let Some(unknown) = only.iter().find(|name| {
            !manifest
                .collections
                .iter()
                .any(|collection| collection.name == **name)
        }) {
            return Err(Error::NoBackup(format!(
                "the backup {} does not contain the collection {unknown}\n  hint: it contains {}",
                manifest.folder(),
                names(&manifest.collections)
            )));
        }
        // All checks are made before the first change.
        if !overwrite {
            for collection in &chosen {
                self.expect_empty(&collection.name).await?;
            }
        }
        for collection in &chosen {
            for file in files_of(manifest, collection) {
                vault.check(manifest, file).await?;
            }
        }
        let mut counts = Vec::new();
        for collection in &chosen {
            let points = self
                .restore_collection(vault, manifest, collection, &collection.name)
                .await?;
            counts.push((collection.name.clone(), points));
        }
        let restored: BTreeSet<_> = counts.iter().map(|(name, _)| name.as_str()).collect();
        let actions: Vec<_> = manifest
            .aliases
            .iter()
            .filter(|alias| restored.contains(alias.collection.as_str()))
            .map(Action::CreateAlias)
            .collect();
        if !actions.is_empty() {
            let _: Envelope<bool> = self.peers[0]
                .send(&Request {
                    method: Method::POST,
                    path: &["collections", "aliases"],
                    query: &[],
                    body: Some(&Actions { actions }),
                    retry: Retry::Always,
                    doing: "restore the aliases of the collections",
                })
                .await?;
        }
        Ok(counts)
    }

    pub(super) async fn check_peers(&self, manifest: &Manifest) -> Result<(), Error> {
        self.expect_all_peers().await?;
        if manifest.peers == self.peers.len() {
            return Ok(());
        }
        Err(Error::Settings(format!(
            "the backup {} contains snapshots of {} peers, but Qdrant has {}; each snapshot must be restored on a separate peer\n  \
             hint: set phoenix:qdrant.replicas to {} for the restore, and change it afterwards",
            manifest.folder(),
            manifest.peers,
            self.peers.len(),
            manifest.peers
        )))
    }

    async fn expect_empty(&self, collection: &str) -> Result<(), Error> {
        match self.count(collection).await {
            Err(error) if error.is_not_found() => Ok(()),
            Ok(0) => Ok(()),
            Ok(points) => Err(Error::NotEmpty(format!(
                "the collection {collection} contains {points} points, which a restore would replace\n  hint: inspect them \
                 first; RESTORE_OVERWRITE=true replaces them"
            ))),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn restore_collection(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        collection: &Collection,
        name: &str,
    ) -> Result<u64, Error> {
        for file in files_of(manifest, collection) {
            let peer = file
                .peer
                .expect("the manifest was checked, and its files have a peer");
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"peer-{peer}.snapshot\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            let body = stream::iter([Ok(Bytes::from(head))])
                .chain(vault.read(manifest, file))
                .chain(stream::iter([Ok(Bytes::from(format!("\r\n--{BOUNDARY}--\r\n")))]));
            let done: Envelope<bool> = self.peers[peer]
                .upload(
                    &["collections", name, "snapshots", "upload"],
                    &[
                        ("priority", "snapshot"),
                        ("wait", "true"),
                        ("checksum", &file.sha256),
                    ],
                    &format!("multipart/form-data; boundary={BOUNDARY}"),
                    body,
                    &format!("restore the collection {name} on {}", self.name(peer)),
                )
                .await?;
            if !done.result {
                return Err(Error::Damaged(format!(
                    "Qdrant did not accept the snapshot of the collection {name} on {}",
                    self.name(peer)
                )));
            }
        }
        let points = self.count(name).await?;
        if collection.tolerates(points) {
            return Ok(points);
        }
        Err(Error::Damaged(format!(
            "the collection {name} has {points} points after the restore, but {} had {} to {} during the backup\n  hint: try an \
             older backup; `phoenix-backup list --store qdrant` lists all backups",
            collection.name,
            collection.points_before.min(collection.points_after),
            collection.points_before.max(collection.points_after)
        )))
    }
}

pub(super) fn files_of<'a>(
    manifest: &'a Manifest,
    collection: &'a Collection,
) -> impl Iterator<Item = &'a File> {
    manifest
        .files
        .iter()
        .filter(|file| file.collection.as_deref() == Some(collection.name.as_str()))
}

fn names(collections: &[Collection]) -> String {
    let names: Vec<_> = collections
        .iter()
        .map(|collection| collection.name.as_str())
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
