//! Qdrant: a snapshot of each collection on each peer, because a snapshot contains only the data of its peer.

mod backup;
mod drill;
mod restore;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::server::{Request, Retry, RetryPolicy, Server};

const HINT: &str = "check QDRANT_API_KEY: it must be the key with write access, not the read-only key";

/// The prefix of the names of temporary collections.
const TEMPORARY_PREFIX: &str = "phoenix-drill-";

/// How long an interrupted run waits for a snapshot in progress, so that it can delete it. The grace period of the pod is
/// 60 seconds.
const SNAPSHOT_GRACE: Duration = Duration::from_secs(45);

/// A Qdrant cluster.
pub struct Qdrant {
    peers: Arc<Vec<Server>>,
    /// Temporary objects that must be deleted from the peers in any case.
    leftovers: Arc<Mutex<Vec<Leftover>>>,
    /// A snapshot in progress. It is a separate task, so that its name is known even if the run is interrupted.
    pending: Mutex<Option<JoinHandle<Result<Snapshot, Error>>>>,
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

/// The envelope of each response.
#[derive(Deserialize)]
struct Envelope<T> {
    result: T,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

#[derive(Deserialize)]
struct Snapshot {
    name: String,
    size: u64,
    /// Since Qdrant 1.8; absent if the checksum is not computed yet.
    checksum: Option<String>,
}

/// `GET /cluster`: a single server returns `disabled`.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Cluster {
    Disabled,
    Enabled { peers: BTreeMap<String, Peer> },
}

#[derive(Deserialize)]
struct Peer {
    uri: String,
}

#[derive(Serialize)]
struct Exact {
    exact: bool,
}

impl Qdrant {
    /// A client for the peers at these addresses, in the order of their indices.
    pub fn new(peers: &[Url], key: Option<&SecretString>, retry_policy: RetryPolicy) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let mut value = HeaderValue::from_str(key.expose_secret()).map_err(|_| {
                Error::Settings(
                    "QDRANT_API_KEY contains a line break or another control character".to_owned(),
                )
            })?;
            value.set_sensitive(true);
            headers.insert("api-key", value);
        }
        if peers.is_empty() {
            return Err(Error::Settings("no peer of Qdrant is configured\n  hint: set QDRANT_PEERS to the addresses of all peers, such as http://HOST:6333,http://HOST:6333".to_owned()));
        }
        let peers = peers
            .iter()
            .map(|peer| Server::new(peer.clone(), headers.clone(), retry_policy, HINT))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            peers: Arc::new(peers),
            leftovers: Arc::default(),
            pending: Mutex::default(),
        })
    }

    /// Fails if the number of configured peers differs from the cluster: the data of a missing peer would not be backed up.
    async fn expect_all_peers(&self) -> Result<(), Error> {
        let cluster: Envelope<Cluster> = self.get(0, &["cluster"], "list the peers of Qdrant").await?;
        let (actual, addresses) = match cluster.result {
            Cluster::Disabled => (1, String::new()),
            Cluster::Enabled { peers } => {
                let addresses: Vec<_> = peers.values().map(|peer| peer.uri.as_str()).collect();
                (peers.len(), format!(" ({})", addresses.join(", ")))
            }
        };
        if actual == self.peers.len() {
            return Ok(());
        }
        Err(Error::Settings(format!(
            "Qdrant has {actual} peers{addresses}, but {} are configured, so the backup would be incomplete\n  hint: list all \
             peers in QDRANT_PEERS; if a peer no longer exists, remove it from the cluster first",
            self.peers.len()
        )))
    }

    async fn count(&self, collection: &str) -> Result<u64, Error> {
        let count: Envelope<Count> = self.peers[0]
            .send(&Request {
                method: Method::POST,
                path: &["collections", collection, "points", "count"],
                query: &[],
                body: Some(&Exact { exact: true }),
                retry: Retry::Always,
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
            .send(&Request::<()> {
                method: Method::GET,
                path,
                query: &[],
                body: None,
                retry: Retry::Always,
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
                    "delete the snapshot {name} of the collection {collection} from {}",
                    self.name(*peer)
                ),
            ),
            Leftover::Collection(name) => (
                0,
                vec!["collections", name],
                format!("delete the temporary collection {name}"),
            ),
        };
        let removed = self.peers[peer]
            .send::<serde::de::IgnoredAny, ()>(&Request {
                method: Method::DELETE,
                path: &path,
                query: &[("wait", "true")],
                body: None,
                retry: Retry::Always,
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

    /// Deletes the temporary objects of an interrupted run from the peers.
    pub async fn clean_up(&self) -> Result<(), Error> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pending) = pending {
            // If it takes longer, the pod is killed.
            let _ = tokio::time::timeout(SNAPSHOT_GRACE, pending).await;
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

fn leftover_snapshot(collection: &str, peer: usize, name: &str) -> Leftover {
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
