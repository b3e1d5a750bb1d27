//! The object store: S3-compatible storage, or a local folder.

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

use crate::digest::StreamDigest;
use crate::error::Error;
use crate::manifest::{self, FORMAT, File, Manifest, Store};

/// The size of the parts of uploads and downloads. S3 allows ten thousand parts for a file.
const PART_BYTES: u64 = 8 << 20;
/// The maximum number of parts of a file.
const MAX_PARTS: u64 = 9_000;
/// The number of concurrent uploads of parts, which bounds memory use.
const CONCURRENT_PARTS: usize = 2;

/// The location of backups.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Target {
    /// The location of backups: `s3://BUCKET/PREFIX` or `file:///FOLDER`.
    #[arg(long = "store-url", env = "BACKUP_STORE", value_name = "URL")]
    pub url: Url,
    /// The address of the object store, if it is not Amazon S3.
    #[arg(long = "store-endpoint", env = "BACKUP_STORE_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<Url>,
    /// The region of the bucket.
    #[arg(long = "store-region", env = "BACKUP_STORE_REGION", value_name = "REGION")]
    pub region: Option<String>,
}

/// An object store with a prefix.
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
                    "{} is not a valid location for backups: {error}",
                    target.url
                ))
            })
        };
        match target.url.scheme() {
            "file" => {
                let folder = target.url.to_file_path().map_err(|()| {
                    Error::Settings(format!(
                        "{} is not the URL of a folder\n  hint: write it as file:///FOLDER",
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
                            "{} contains no bucket\n  hint: write it as s3://BUCKET/PREFIX",
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
                "the scheme {other}: is not supported\n  hint: use s3://BUCKET/PREFIX or file:///FOLDER"
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

    /// Starts an upload. `expected` is the approximate size, if known.
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
                doing: format!("start writing {at}"),
                source,
            })?;
        let part = expected.map_or(PART_BYTES, |bytes| PART_BYTES.max(bytes / MAX_PARTS + 1));
        Ok(Upload {
            object: upload,
            buffer: BytesMut::new(),
            part: usize::try_from(part).expect("a part fits into memory"),
            sending: JoinSet::new(),
            digest: StreamDigest::default(),
            path: path.to_owned(),
            at,
        })
    }

    /// Writes the manifest, which completes the backup.
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

    /// Reads a file in chunks. Fails if it is shorter than the manifest specifies.
    pub fn read(
        &self,
        manifest: &Manifest,
        file: &File,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
        let reading = Reading {
            objects: Arc::clone(&self.objects),
            at: self.at(manifest.store, &manifest.folder(), &file.path),
            backup: format!("{} of {}", manifest.folder(), manifest.store),
            file: file.clone(),
        };
        stream::try_unfold((0, reading), |(from, reading)| async move {
            let Reading {
                objects,
                at,
                backup,
                file,
            } = &reading;
            if from >= file.bytes {
                return Ok(None);
            }
            let to = (from + PART_BYTES).min(file.bytes);
            match objects.get_range(at, from..to).await {
                Ok(chunk) if chunk.len() as u64 == to - from => Ok(Some((chunk, (to, reading)))),
                Ok(_) | Err(object_store::Error::NotFound { .. }) => Err(Error::Damaged(format!(
                    "the backup {backup} is damaged: {} is missing or shorter than the manifest specifies",
                    file.path
                ))),
                Err(source) => Err(Error::ObjectStore {
                    doing: format!("read {at}"),
                    source,
                }),
            }
        })
    }

    /// Reads a file and verifies its checksum.
    pub async fn check(&self, manifest: &Manifest, file: &File) -> Result<(), Error> {
        let mut digest = StreamDigest::default();
        let mut chunks = std::pin::pin!(self.read(manifest, file));
        while let Some(chunk) = chunks.try_next().await? {
            digest.update(&chunk);
        }
        let (_, sha256) = digest.finish();
        if sha256 == file.sha256 {
            return Ok(());
        }
        Err(Error::Damaged(format!(
            "the backup {} of {} is damaged: the checksum of {} is {sha256}, but the manifest specifies {}",
            manifest.folder(),
            manifest.store,
            file.path,
            file.sha256
        )))
    }

    /// All backups of a store, complete or not, oldest first.
    pub async fn backups(&self, store: Store) -> Result<Vec<StoredBackup>, Error> {
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
            // Other files in the bucket are ignored.
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
            let begun = manifest::begun(&folder).expect("only folders of backups are collected");
            let at = self.at(store, &folder, manifest::NAME);
            let state = if objects.iter().any(|(location, _)| *location == at) {
                self.read_manifest(store, &folder, &at, &objects).await?
            } else {
                State::Unfinished
            };
            backups.push(StoredBackup {
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
            Err(error) => return Ok(State::Damaged(format!("its manifest cannot be parsed: {error}"))),
        };
        if manifest.format > FORMAT {
            return Ok(State::Damaged(format!(
                "its manifest has format version {}, but this program supports up to {FORMAT}; use a newer image",
                manifest.format
            )));
        }
        if manifest.store != store || manifest.folder() != folder {
            return Ok(State::Damaged(
                "its manifest belongs to another backup".to_owned(),
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
                    "{} is missing or its size differs from the manifest",
                    file.path
                )));
            }
        }
        Ok(State::Good(Box::new(manifest)))
    }

    /// The backup in this folder, or the newest complete one.
    pub async fn choose(&self, store: Store, folder: Option<&str>) -> Result<Manifest, Error> {
        let backups = self.backups(store).await?;
        let Some(folder) = folder else {
            return backups
                .into_iter()
                .rev()
                .find_map(StoredBackup::good)
                .ok_or_else(|| {
                    Error::NoBackup(format!(
                        "there is no complete backup of {store} below {}",
                        self.prefix
                    ))
                });
        };
        let Some(backup) = backups.into_iter().find(|backup| backup.folder == folder) else {
            return Err(Error::NoBackup(format!(
                "there is no backup {folder} of {store}\n  hint: `phoenix-backup list --store {store}` lists all backups"
            )));
        };
        match backup.state {
            State::Good(manifest) => Ok(*manifest),
            State::Unfinished => Err(Error::NoBackup(format!(
                "the backup {folder} of {store} is incomplete: it has no manifest\n  hint: omit the name to use \
                 the newest complete backup"
            ))),
            State::Damaged(reason) => Err(Error::NoBackup(format!(
                "the backup {folder} of {store} is damaged: {reason}\n  hint: omit the name to use the newest \
                 complete backup"
            ))),
        }
    }

    /// Deletes a backup, starting with the manifest, so that a partially deleted backup is not considered complete.
    pub async fn remove(&self, backup: &StoredBackup) -> Result<(), Error> {
        let is_manifest = |at: &&Path| at.filename() == Some(manifest::NAME);
        let (manifests, files): (Vec<&Path>, Vec<&Path>) = backup.objects.iter().partition(is_manifest);
        for at in manifests.into_iter().chain(files) {
            match self.objects.delete(at).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => {
                    return Err(Error::ObjectStore {
                        doing: format!("delete {at}"),
                        source,
                    });
                }
            }
        }
        Ok(())
    }
}

/// The state of a download.
struct Reading {
    objects: Arc<dyn ObjectStore>,
    at: Path,
    backup: String,
    file: File,
}

/// A backup in the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBackup {
    /// The start time.
    pub begun: DateTime<Utc>,
    /// The name of its folder.
    pub folder: String,
    /// Whether it is complete.
    pub state: State,
    objects: Vec<Path>,
}

/// The state of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Complete: all files in the manifest exist and have the expected size.
    Good(Box<Manifest>),
    /// Incomplete: there is no manifest, because the backup is in progress or was interrupted.
    Unfinished,
    /// Damaged: the manifest cannot be parsed, or a file is missing. Contains the reason.
    Damaged(String),
}

impl StoredBackup {
    /// The manifest, if the backup is complete.
    pub fn good(self) -> Option<Manifest> {
        match self.state {
            State::Good(manifest) => Some(*manifest),
            State::Unfinished | State::Damaged(_) => None,
        }
    }
}

/// An upload in progress.
///
/// `object_store::WriteMultipart` is not used, because its `finish` does not abort the upload if a part fails.
pub struct Upload {
    object: Box<dyn MultipartUpload>,
    buffer: BytesMut,
    part: usize,
    sending: JoinSet<object_store::Result<()>>,
    digest: StreamDigest,
    path: String,
    at: Path,
}

impl Upload {
    /// Writes a chunk. Waits if too many parts are being sent.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.digest.update(&chunk);
        self.buffer.extend_from_slice(&chunk);
        while self.buffer.len() >= self.part {
            let part = self.buffer.split_to(self.part).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> Result<(), Error> {
        self.wait(CONCURRENT_PARTS - 1).await?;
        self.sending.spawn(self.object.put_part(part.into()));
        Ok(())
    }

    /// Waits until at most `limit` parts are being sent.
    async fn wait(&mut self, limit: usize) -> Result<(), Error> {
        while self.sending.len() > limit
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

    /// Completes the file. If that fails, the upload is aborted.
    pub async fn finish(mut self) -> Result<File, Error> {
        if let Err(error) = self.complete().await {
            self.abort().await;
            return Err(error);
        }
        let (bytes, sha256) = self.digest.finish();
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

    /// Aborts the upload. Remaining parts are deleted by the bucket's lifecycle rule.
    pub async fn abort(mut self) {
        self.sending.shutdown().await;
        let _ = self.object.abort().await;
    }
}

/// Writes a stream to a file. If the stream fails, the upload is aborted.
pub async fn write_all(
    mut upload: Upload,
    chunks: impl Stream<Item = Result<Bytes, Error>>,
) -> Result<File, Error> {
    let mut chunks = std::pin::pin!(chunks);
    loop {
        let written = match chunks.next().await {
            Some(Ok(chunk)) => upload.write(chunk).await,
            Some(Err(error)) => Err(error),
            None => return upload.finish().await,
        };
        if let Err(error) = written {
            upload.abort().await;
            return Err(error);
        }
    }
}
