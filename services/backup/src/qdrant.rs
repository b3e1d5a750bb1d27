//! The vector database: a snapshot of each collection on each peer, because a snapshot holds what its peer holds and no more.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::manifest::{self, Alias, Collection, FORMAT, File, Manifest, Store};
use crate::server::{Again, Patience, Question, Server};
use crate::vault::{Vault, write_all};

const HINT: &str = "look at QDRANT_API_KEY: it must be the key that may write, not the one that only reads";

/// How the multipart form around a snapshot is divided. It is not in a snapshot: those are tar files of binary data,
/// and the chance that 32 given bytes occur after a line break is none.
const BOUNDARY: &str = "phoenix-backup-3f9b1c6e5a7d4802b1";

/// What the names of scratch collections begin with.
pub const SCRATCH: &str = "phoenix-drill-";

/// How long an interrupted run waits for a snapshot that is being made, so that it can remove it. A pod has 60 seconds.
const LAST_WAIT: Duration = Duration::from_secs(45);

/// All peers of one Qdrant.
pub struct Qdrant {
    peers: Arc<Vec<Server>>,
    /// What has to be removed from the peers whatever happens.
    leftovers: Arc<Mutex<Vec<Leftover>>>,
    /// A snapshot that a peer is making. It runs for itself: whoever interrupts us must still learn its name.
    making: Mutex<Option<JoinHandle<Result<Snapshot, Error>>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Leftover {
    Snapshot {
        peer: usize,
        collection: String,
        name: String,
    },
    Collection(String),
}

/// What is around each answer.
#[derive(Deserialize)]
struct Answer<T> {
    result: T,
}

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

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Deserialize)]
struct Snapshot {
    name: String,
    size: u64,
    /// Since Qdrant 1.8; absent where the snapshot is not yet digested.
    checksum: Option<String>,
}

/// `GET /cluster`: a single server says `disabled`.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Cluster {
    Disabled,
    Enabled {
        peers: std::collections::BTreeMap<String, Peer>,
    },
}

#[derive(Deserialize)]
struct Peer {
    uri: String,
}

#[derive(Serialize)]
struct Exact {
    exact: bool,
}

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
    /// The peers at these addresses, in the order of their numbers.
    pub fn new(peers: &[Url], key: Option<&SecretString>, patience: Patience) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let mut value = HeaderValue::from_str(key.expose_secret()).map_err(|_| {
                Error::Settings(
                    "QDRANT_API_KEY cannot be sent: it has a line break or another control character"
                        .to_owned(),
                )
            })?;
            value.set_sensitive(true);
            headers.insert("api-key", value);
        }
        if peers.is_empty() {
            return Err(Error::Settings("no peer of Qdrant is named\n  hint: QDRANT_PEERS=http://HOST:6333,http://HOST:6333 names each".to_owned()));
        }
        let peers = peers
            .iter()
            .map(|peer| Server::new(peer.clone(), headers.clone(), patience, HINT))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            peers: Arc::new(peers),
            leftovers: Arc::default(),
            making: Mutex::default(),
        })
    }

    /// Copies every collection of every peer.
    pub async fn backup(&self, vault: &Vault, begun: DateTime<Utc>) -> Result<Manifest, Error> {
        let Version { version } = self.get(0, &[], "ask Qdrant for its version").await?;
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
                // Somebody deleted it while we were at it: then a backup of it would be wrong.
                Err(error) if error.is_not_found() && !self.collections().await?.contains(&name) => {
                    eprintln!("the collection {name} was deleted meanwhile and is left out");
                }
                Err(error) => return Err(error),
            }
        }
        let aliases: Answer<Aliases> = self.get(0, &["aliases"], "list the aliases of Qdrant").await?;
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

    /// A peer that we do not know of would be missing in the backup, and nobody would notice before the restore.
    async fn expect_all_peers(&self) -> Result<(), Error> {
        let cluster: Answer<Cluster> = self.get(0, &["cluster"], "ask Qdrant for its peers").await?;
        let (there, addresses) = match cluster.result {
            Cluster::Disabled => (1, String::new()),
            Cluster::Enabled { peers } => {
                let addresses: Vec<_> = peers.values().map(|peer| peer.uri.as_str()).collect();
                (peers.len(), format!(" ({})", addresses.join(", ")))
            }
        };
        if there == self.peers.len() {
            return Ok(());
        }
        Err(Error::Settings(format!(
            "Qdrant has {there} peers{addresses}, and {} are named here: a copy of these would not be a copy of all\n  hint: name each \
             peer in QDRANT_PEERS; where one is gone for good, remove it from the cluster first",
            self.peers.len()
        )))
    }

    async fn collections(&self) -> Result<Vec<String>, Error> {
        let collections: Answer<Collections> = self
            .get(0, &["collections"], "list the collections of Qdrant")
            .await?;
        let mut names: Vec<_> = collections
            .result
            .collections
            .into_iter()
            .map(|collection| collection.name)
            .filter(|name| !name.starts_with(SCRATCH))
            .collect();
        names.sort_unstable();
        Ok(names)
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
        let snapshot = self.make_snapshot(collection, peer).await?;
        let file = self.download(vault, folder, collection, peer, &snapshot).await;
        // Whether it came or not: what stays on the peer's volume fills it.
        let removed = self.remove(&snapshot_of(collection, peer, &snapshot.name)).await;
        let file = file?;
        removed.map(|()| file)
    }

    async fn make_snapshot(&self, collection: &str, peer: usize) -> Result<Snapshot, Error> {
        let (peers, leftovers) = (Arc::clone(&self.peers), Arc::clone(&self.leftovers));
        let collection = collection.to_owned();
        let doing = format!(
            "make a snapshot of the collection {collection} on {}",
            self.name(peer)
        );
        let making = tokio::spawn(async move {
            let snapshot: Answer<Snapshot> = peers[peer]
                .ask(&Question::<()> {
                    method: Method::POST,
                    path: &["collections", &collection, "snapshots"],
                    query: &[("wait", "true")],
                    body: None,
                    // A second snapshot that nobody knows of would fill the volume.
                    again: Again::WhereRefused,
                    doing: &doing,
                })
                .await?;
            remember(&leftovers, snapshot_of(&collection, peer, &snapshot.result.name));
            Ok(snapshot.result)
        });
        *self.making.lock().unwrap_or_else(PoisonError::into_inner) = Some(making);
        std::future::poll_fn(|context| {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            let task = making
                .as_mut()
                .expect("it was put there, and is taken by us only");
            let done = std::pin::Pin::new(task).poll(context);
            if done.is_ready() {
                *making = None;
            }
            done
        })
        .await
        .expect("making a snapshot does not panic")
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
        let (_, pieces) = self.peers[peer]
            .fetch(&["collections", collection, "snapshots", &snapshot.name], &doing)
            .await?;
        // Names of collections may hold what a path must not.
        let path = format!(
            "{}/peer-{peer}.snapshot",
            object_store::path::PathPart::from(collection).as_ref()
        );
        let upload = vault
            .write(Store::Qdrant, folder, &path, Some(snapshot.size))
            .await?;
        let file = write_all(upload, pieces).await?;
        if file.bytes != snapshot.size {
            return Err(Error::Damaged(format!(
                "cannot {doing}: it has {} bytes, and {} came",
                snapshot.size, file.bytes
            )));
        }
        if let Some(checksum) = &snapshot.checksum
            && !checksum.eq_ignore_ascii_case(&file.sha256)
        {
            return Err(Error::Damaged(format!(
                "cannot {doing}: Qdrant says its checksum is {checksum}, and what came has {}",
                file.sha256
            )));
        }
        Ok(File {
            peer: Some(peer),
            collection: Some(collection.to_owned()),
            ..file
        })
    }

    /// Puts a backup back. A collection that holds points is left alone unless `overwrite` says otherwise.
    pub async fn restore(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        only: &[String],
        overwrite: bool,
    ) -> Result<Vec<(String, u64)>, Error> {
        self.fits(manifest).await?;
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
            return Err(Error::NothingGood(format!(
                "the backup {} has no collection {unknown}\n  hint: it has {}",
                manifest.folder(),
                names(&manifest.collections)
            )));
        }
        // Everything that could refuse comes before the first change.
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
                .put_back(vault, manifest, collection, &collection.name)
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
            let _: Answer<bool> = self.peers[0]
                .ask(&Question {
                    method: Method::POST,
                    path: &["collections", "aliases"],
                    query: &[],
                    body: Some(&Actions { actions }),
                    again: Again::Always,
                    doing: "give the collections their other names back",
                })
                .await?;
        }
        Ok(counts)
    }

    /// Restores each collection under another name, counts its points, and removes it.
    pub async fn drill(&self, vault: &Vault, manifest: &Manifest) -> Result<Vec<(String, u64)>, Error> {
        self.fits(manifest).await?;
        let mut counts = Vec::new();
        for collection in &manifest.collections {
            for file in files_of(manifest, collection) {
                vault.check(manifest, file).await?;
            }
            let scratch = format!("{SCRATCH}{}", collection.name);
            let leftover = Leftover::Collection(scratch.clone());
            remember(&self.leftovers, leftover.clone());
            // What an earlier drill left behind would be counted as well.
            self.remove(&leftover).await?;
            remember(&self.leftovers, leftover.clone());
            let points = self.put_back(vault, manifest, collection, &scratch).await;
            self.remove(&leftover).await?;
            counts.push((collection.name.clone(), points?));
        }
        Ok(counts)
    }

    async fn fits(&self, manifest: &Manifest) -> Result<(), Error> {
        self.expect_all_peers().await?;
        if manifest.peers == self.peers.len() {
            return Ok(());
        }
        Err(Error::Settings(format!(
            "the backup {} was taken of {} peers, and Qdrant has {}: each peer's snapshot goes back to a peer of its own\n  \
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
                "the collection {collection} holds {points} points, and a restore would replace them\n  hint: look at what is \
                 there first; RESTORE_OVERWRITE=true replaces it"
            ))),
            Err(error) => Err(error),
        }
    }

    async fn put_back(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        collection: &Collection,
        name: &str,
    ) -> Result<u64, Error> {
        for file in files_of(manifest, collection) {
            let peer = file.peer.unwrap_or_default();
            if peer >= self.peers.len() {
                return Err(Error::Damaged(format!(
                    "the backup {} is damaged: it has a file of peer {peer}, and there were {}",
                    manifest.folder(),
                    manifest.peers
                )));
            }
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"peer-{peer}.snapshot\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            let body = stream::iter([Ok(Bytes::from(head))])
                .chain(vault.read(manifest, file))
                .chain(stream::iter([Ok(Bytes::from(format!("\r\n--{BOUNDARY}--\r\n")))]));
            let done: Answer<bool> = self.peers[peer]
                .send_all(
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
                    "Qdrant did not take the snapshot of the collection {name} on {}",
                    self.name(peer)
                )));
            }
        }
        let points = self.count(name).await?;
        if collection.tolerates(points) {
            return Ok(points);
        }
        Err(Error::Damaged(format!(
            "the collection {name} has {points} points after the restore, and {} had {} to {} when it was copied\n  hint: try an \
             older backup; `phoenix-backup list --store qdrant` shows what there is",
            collection.name,
            collection.points_before.min(collection.points_after),
            collection.points_before.max(collection.points_after)
        )))
    }

    async fn count(&self, collection: &str) -> Result<u64, Error> {
        let count: Answer<Count> = self.peers[0]
            .ask(&Question {
                method: Method::POST,
                path: &["collections", collection, "points", "count"],
                query: &[],
                body: Some(&Exact { exact: true }),
                again: Again::Always,
                doing: &format!("count the points of the collection {collection}"),
            })
            .await?;
        Ok(count.result.count)
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        peer: usize,
        path: &[&str],
        doing: &str,
    ) -> Result<T, Error> {
        self.peers[peer]
            .ask(&Question::<()> {
                method: Method::GET,
                path,
                query: &[],
                body: None,
                again: Again::Always,
                doing,
            })
            .await
    }

    fn name(&self, peer: usize) -> String {
        format!("peer {peer} ({})", self.peers[peer].address())
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), Error> {
        let (peer, path, doing) = match leftover {
            Leftover::Snapshot {
                peer,
                collection,
                name,
            } => (
                *peer,
                vec!["collections", collection, "snapshots", name],
                format!(
                    "remove the snapshot {name} of the collection {collection} from {}",
                    self.name(*peer)
                ),
            ),
            Leftover::Collection(name) => (
                0,
                vec!["collections", name],
                format!("remove the scratch collection {name}"),
            ),
        };
        let removed = self.peers[peer]
            .ask::<serde::de::IgnoredAny, ()>(&Question {
                method: Method::DELETE,
                path: &path,
                query: &[("wait", "true")],
                body: None,
                again: Again::Always,
                doing: &doing,
            })
            .await;
        match removed {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
        let mut leftovers = self.leftovers.lock().unwrap_or_else(PoisonError::into_inner);
        leftovers.retain(|other| other != leftover);
        Ok(())
    }

    /// Removes from the peers what a run left there that was interrupted.
    pub async fn clean_up(&self) -> Result<(), Error> {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(making) = making {
            // It ends well or badly; if it takes longer than that, the pod is ended before.
            let _ = tokio::time::timeout(LAST_WAIT, making).await;
        }
        let leftovers = self
            .leftovers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for leftover in leftovers {
            self.remove(&leftover).await?;
        }
        Ok(())
    }
}

fn snapshot_of(collection: &str, peer: usize, name: &str) -> Leftover {
    Leftover::Snapshot {
        peer,
        collection: collection.to_owned(),
        name: name.to_owned(),
    }
}

fn remember(leftovers: &Mutex<Vec<Leftover>>, leftover: Leftover) {
    let mut leftovers = leftovers.lock().unwrap_or_else(PoisonError::into_inner);
    if !leftovers.contains(&leftover) {
        leftovers.push(leftover);
    }
}

fn files_of<'a>(manifest: &'a Manifest, collection: &'a Collection) -> impl Iterator<Item = &'a File> {
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
