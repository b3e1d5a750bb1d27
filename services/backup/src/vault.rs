//! The object store: S3 and what speaks like it, or a folder of this machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, MultipartUpload, ObjectStore, PutPayload, RetryConfig};
use reqwest::Url;
use tokio::task::JoinSet;

use crate::digest::Running;
use crate::error::Error;
use crate::manifest::{self, FORMAT, File, Manifest, Store};

/// How large the parts are that a file is sent and fetched in. S3 takes ten thousand parts of a file.
const PART: u64 = 8 << 20;
const MOST_PARTS: u64 = 9_000;
/// How many parts may be under way at once: with this, memory is bounded.
const AT_ONCE: usize = 2;

/// Where backups are kept.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Target {
    /// Where backups are kept: `s3://BUCKET/PREFIX`, or `file:///FOLDER`.
    #[arg(long = "store-url", env = "BACKUP_STORE", value_name = "URL")]
    pub url: Url,
    /// The address of the object store, where it is not Amazon's.
    #[arg(long = "store-endpoint", env = "BACKUP_STORE_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<Url>,
    /// The region of the bucket.
    #[arg(long = "store-region", env = "BACKUP_STORE_REGION", value_name = "REGION")]
    pub region: Option<String>,
}

/// An object store, below one prefix.
pub struct Vault {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Vault {
    /// Opens a target. Credentials come from the environment: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or
    /// `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub fn open(target: &Target) -> Result<Self, Error> {
        let path = |text: &str| {
            Path::parse(text.trim_matches('/')).map_err(|error| {
                Error::Settings(format!(
                    "{} is not the address of a place for backups: {error}",
                    target.url
                ))
            })
        };
        match target.url.scheme() {
            "file" => {
                let folder = target.url.to_file_path().map_err(|()| {
                    Error::Settings(format!(
                        "{} is not the address of a folder\n  hint: file:///FOLDER",
                        target.url
                    ))
                })?;
                let objects =
                    LocalFileSystem::new_with_prefix(&folder).map_err(|source| Error::ObjectStore {
                        doing: format!("open the folder {}", folder.display()),
                        source,
                    })?;
                Ok(Self {
                    objects: Arc::new(objects),
                    prefix: Path::default(),
                })
            }
            "s3" => {
                let bucket = target
                    .url
                    .host_str()
                    .filter(|bucket| !bucket.is_empty())
                    .ok_or_else(|| {
                        Error::Settings(format!(
                            "{} names no bucket\n  hint: s3://BUCKET/PREFIX",
                            target.url
                        ))
                    })?;
                let mut builder = AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_virtual_hosted_style_request(false)
                    .with_checksum_algorithm(Checksum::SHA256)
                    .with_client_options(
                        ClientOptions::new()
                            .with_connect_timeout(Duration::from_secs(10))
                            .with_timeout(Duration::from_mins(2))
                            .with_allow_http(
                                target.endpoint.as_ref().is_some_and(|url| url.scheme() == "http"),
                            ),
                    )
                    .with_retry(RetryConfig {
                        max_retries: 5,
                        retry_timeout: Duration::from_mins(3),
                        ..RetryConfig::default()
                    });
                if let Some(endpoint) = &target.endpoint {
                    builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
                }
                if let Some(region) = &target.region {
                    builder = builder.with_region(region);
                }
                let objects = builder.build().map_err(|source| Error::ObjectStore {
                    doing: format!("open the bucket {bucket}"),
                    source,
                })?;
                Ok(Self {
                    objects: Arc::new(objects),
                    prefix: path(target.url.path())?,
                })
            }
            other => Err(Error::Settings(format!(
                "backups can be kept at s3://BUCKET/PREFIX or file:///FOLDER, not at {other}:"
            ))),
        }
    }

    fn at(&self, store: Store, folder: &str, path: &str) -> Path {
        let mut at = self.prefix.child(store.folder());
        for part in std::iter::once(folder).chain(path.split('/')) {
            if !part.is_empty() {
                at = at.child(part);
            }
        }
        at
    }

    /// Begins to write a file. `expected` is about how long it will be, where that is known.
    pub async fn write(
        &self,
        store: Store,
        folder: &str,
        path: &str,
        expected: Option<u64>,
    ) -> Result<Upload, Error> {
        let at = self.at(store, folder, path);
        let upload = self
            .objects
            .put_multipart(&at)
            .await
            .map_err(|source| Error::ObjectStore {
                doing: format!("begin to write {at}"),
                source,
            })?;
        let part = expected.map_or(PART, |bytes| PART.max(bytes / MOST_PARTS + 1));
        Ok(Upload {
            object: upload,
            buffer: BytesMut::new(),
            part: usize::try_from(part).expect("a part fits into memory"),
            sending: JoinSet::new(),
            running: Running::default(),
            path: path.to_owned(),
            at,
        })
    }

    /// Writes the manifest: from now on the backup exists.
    pub async fn complete(&self, manifest: &Manifest) -> Result<(), Error> {
        let at = self.at(manifest.store, &manifest.folder(), manifest::NAME);
        let text = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
        self.objects
            .put(&at, PutPayload::from(text))
            .await
            .map_err(|source| Error::ObjectStore {
                doing: format!("write {at}"),
                source,
            })?;
        Ok(())
    }

    /// What a file holds, piece by piece; an error where it is shorter than its manifest says.
    pub fn read(
        &self,
        manifest: &Manifest,
        file: &File,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
        let of = Reading {
            objects: Arc::clone(&self.objects),
            at: self.at(manifest.store, &manifest.folder(), &file.path),
            backup: format!("{} of {}", manifest.folder(), manifest.store),
            file: file.clone(),
        };
        stream::try_unfold((0, of), |(from, of)| async move {
            let Reading {
                objects,
                at,
                backup,
                file,
            } = &of;
            if from >= file.bytes {
                return Ok(None);
            }
            let to = (from + PART).min(file.bytes);
            match objects.get_range(at, from..to).await {
                Ok(piece) if piece.len() as u64 == to - from => Ok(Some((piece, (to, of)))),
                Ok(_) | Err(object_store::Error::NotFound { .. }) => Err(Error::Damaged(format!(
                    "the backup {backup} is damaged: {} is missing or shorter than its manifest says",
                    file.path
                ))),
                Err(source) => Err(Error::ObjectStore {
                    doing: format!("read {at}"),
                    source,
                }),
            }
        })
    }

    /// Reads a whole file and compares it with its checksum.
    pub async fn check(&self, manifest: &Manifest, file: &File) -> Result<(), Error> {
        let mut running = Running::default();
        let mut pieces = std::pin::pin!(self.read(manifest, file));
        while let Some(piece) = pieces.try_next().await? {
            running.update(&piece);
        }
        let (_, sha256) = running.finish();
        if sha256 == file.sha256 {
            return Ok(());
        }
        Err(Error::Damaged(format!(
            "the backup {} of {} is damaged: {} has the checksum {sha256}, and its manifest says {}",
            manifest.folder(),
            manifest.store,
            file.path,
            file.sha256
        )))
    }

    /// Everything that is kept of a store, by folder: complete or not, oldest first.
    pub async fn backups(&self, store: Store) -> Result<Vec<Kept>, Error> {
        let root = self.prefix.child(store.folder());
        let listed: Vec<_> = self
            .objects
            .list(Some(&root))
            .try_collect()
            .await
            .map_err(|source| Error::ObjectStore {
                doing: format!("list the backups below {root}"),
                source,
            })?;
        let mut folders: BTreeMap<String, Vec<(Path, u64)>> = BTreeMap::new();
        for object in listed {
            let Some(mut parts) = object.location.prefix_match(&root) else {
                continue;
            };
            let Some(folder) = parts.next().map(|part| part.as_ref().to_owned()) else {
                continue;
            };
            // Files of others that lie beside ours are none of our business.
            if manifest::begun(&folder).is_some() {
                drop(parts);
                folders
                    .entry(folder)
                    .or_default()
                    .push((object.location, object.size));
            }
        }
        let mut backups = Vec::new();
        for (folder, objects) in folders {
            let begun = manifest::begun(&folder).expect("only such folders were taken");
            let at = self.at(store, &folder, manifest::NAME);
            let state = if objects.iter().any(|(location, _)| *location == at) {
                self.read_manifest(store, &folder, &at, &objects).await?
            } else {
                State::Unfinished
            };
            backups.push(Kept {
                begun,
                folder,
                state,
                objects: objects.into_iter().map(|(location, _)| location).collect(),
            });
        }
        Ok(backups)
    }

    async fn read_manifest(
        &self,
        store: Store,
        folder: &str,
        at: &Path,
        objects: &[(Path, u64)],
    ) -> Result<State, Error> {
        let failed = |source| Error::ObjectStore {
            doing: format!("read {at}"),
            source,
        };
        let text = self
            .objects
            .get(at)
            .await
            .map_err(failed)?
            .bytes()
            .await
            .map_err(failed)?;
        let manifest: Manifest = match serde_json::from_slice(&text) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(State::Damaged(format!("its manifest cannot be read: {error}"))),
        };
        if manifest.format > FORMAT {
            return Ok(State::Damaged(format!(
                "its manifest has the form {}, and this program reads {FORMAT} at most; use a newer image",
                manifest.format
            )));
        }
        if manifest.store != store || manifest.folder() != folder {
            return Ok(State::Damaged(
                "its manifest is the one of another backup".to_owned(),
            ));
        }
        for file in &manifest.files {
            let location = self.at(store, folder, &file.path);
            let size = objects
                .iter()
                .find(|(at, _)| *at == location)
                .map(|(_, size)| *size);
            if size != Some(file.bytes) {
                return Ok(State::Damaged(format!(
                    "{} is missing or has another size than its manifest says",
                    file.path
                )));
            }
        }
        Ok(State::Good(Box::new(manifest)))
    }

    /// The backup of this folder, or the newest good one.
    pub async fn choose(&self, store: Store, folder: Option<&str>) -> Result<Manifest, Error> {
        let backups = self.backups(store).await?;
        let Some(folder) = folder else {
            return backups.into_iter().rev().find_map(Kept::good).ok_or_else(|| {
                Error::NothingGood(format!(
                    "there is no complete backup of {store} below {}",
                    self.prefix
                ))
            });
        };
        let Some(kept) = backups.into_iter().find(|kept| kept.folder == folder) else {
            return Err(Error::NothingGood(format!(
                "there is no backup {folder} of {store}\n  hint: `phoenix-backup list --store {store}` shows what there is"
            )));
        };
        match kept.state {
            State::Good(manifest) => Ok(*manifest),
            State::Unfinished => Err(Error::NothingGood(format!(
                "the backup {folder} of {store} was never finished: it has no manifest\n  hint: leave the name out to take \
                 the newest good one"
            ))),
            State::Damaged(why) => Err(Error::NothingGood(format!(
                "the backup {folder} of {store} is not good: {why}\n  hint: leave the name out to take the newest \
                 complete one"
            ))),
        }
    }

    /// Removes a backup, its manifest first: what is half removed is not a backup any more.
    pub async fn remove(&self, kept: &Kept) -> Result<(), Error> {
        let is_manifest = |at: &&Path| at.filename() == Some(manifest::NAME);
        let (manifests, files): (Vec<&Path>, Vec<&Path>) = kept.objects.iter().partition(is_manifest);
        for at in manifests.into_iter().chain(files) {
            match self.objects.delete(at).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => {
                    return Err(Error::ObjectStore {
                        doing: format!("remove {at}"),
                        source,
                    });
                }
            }
        }
        Ok(())
    }
}

/// A file that is being read.
struct Reading {
    objects: Arc<dyn ObjectStore>,
    at: Path,
    backup: String,
    file: File,
}

/// What is kept in one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The moment the folder is named after.
    pub begun: DateTime<Utc>,
    /// The name of the folder.
    pub folder: String,
    /// Whether it is a backup.
    pub state: State,
    objects: Vec<Path>,
}

/// Whether a folder is a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has a manifest, and all files that it names are there in their size.
    Good(Box<Manifest>),
    /// It has no manifest: it is being written, or its writer was ended.
    Unfinished,
    /// It has a manifest, but it cannot be read, or not everything that it names is there: what is wrong.
    Damaged(String),
}

impl Kept {
    /// Its manifest, where it is complete.
    pub fn good(self) -> Option<Manifest> {
        match self.state {
            State::Good(manifest) => Some(*manifest),
            State::Unfinished | State::Damaged(_) => None,
        }
    }
}

/// A file that is being written.
///
/// `object_store::WriteMultipart` would do, but its `finish` leaves the upload open where a part of it fails.
pub struct Upload {
    object: Box<dyn MultipartUpload>,
    buffer: BytesMut,
    part: usize,
    sending: JoinSet<object_store::Result<()>>,
    running: Running,
    path: String,
    at: Path,
}

impl Upload {
    /// Writes on. It waits where too much is under way already.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.running.update(&chunk);
        self.buffer.extend_from_slice(&chunk);
        while self.buffer.len() >= self.part {
            let part = self.buffer.split_to(self.part).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> Result<(), Error> {
        self.wait(AT_ONCE - 1).await?;
        self.sending.spawn(self.object.put_part(part.into()));
        Ok(())
    }

    /// Waits until no more than so many parts are under way.
    async fn wait(&mut self, most: usize) -> Result<(), Error> {
        while self.sending.len() > most
            && let Some(sent) = self.sending.join_next().await
        {
            sent.expect("sending a part does not panic")
                .map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn failed(&self, source: object_store::Error) -> Error {
        Error::ObjectStore {
            doing: format!("write {}", self.at),
            source,
        }
    }

    /// Ends the file, so that it exists; where that fails, nothing of it does.
    pub async fn finish(mut self) -> Result<File, Error> {
        if let Err(error) = self.complete().await {
            self.abort().await;
            return Err(error);
        }
        let (bytes, sha256) = self.running.finish();
        Ok(File {
            path: self.path,
            bytes,
            sha256,
            peer: None,
            collection: None,
            records: None,
        })
    }

    async fn complete(&mut self) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            let last = self.buffer.split().freeze();
            self.send(last).await?;
        }
        self.wait(0).await?;
        match self.object.complete().await {
            Ok(_) => Ok(()),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Gives the file up. A part that stays behind is removed by the bucket's own rule.
    pub async fn abort(mut self) {
        self.sending.shutdown().await;
        let _ = self.object.abort().await;
    }
}

/// Writes a whole stream into a file; a broken stream leaves no file.
pub async fn write_all(
    mut upload: Upload,
    pieces: impl Stream<Item = Result<Bytes, Error>>,
) -> Result<File, Error> {
    let mut pieces = std::pin::pin!(pieces);
    loop {
        let written = match pieces.next().await {
            Some(Ok(piece)) => upload.write(piece).await,
            Some(Err(error)) => Err(error),
            None => return upload.finish().await,
        };
        if let Err(error) = written {
            upload.abort().await;
            return Err(error);
        }
    }
}
