//! The object store: S3-compatible storage, or a local folder.
//!
//! Objects are created and deleted, but never overwritten. Their content is not trusted: a manifest counts only with a valid
//! authentication code, and the time of a backup only if the object store confirms it.

mod create_only;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, TryStreamExt as _, stream};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload, RetryConfig,
};
use reqwest::Url;

use crate::digest::StreamDigest;
use crate::error::Error;
use crate::mac::{self, Keys};
use crate::manifest::{self, FORMAT, File, Manifest, Store};
use create_only::CreateOnly;
use upload::failed_write;
pub use upload::{Upload, write_all};

/// The size of the ranges of downloads.
const RANGE_BYTES: u64 = upload::MIN_PART_BYTES;
/// The maximum size of a manifest, which is read into memory.
const MAX_MANIFEST_BYTES: u64 = 32 << 20;
/// The maximum size of an authentication code.
const MAX_MAC_BYTES: u64 = 256;
/// The maximum difference between the clocks of this machine, of the Jobs and of the object store.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(10);
/// The maximum time between the start of a backup and its manifest: that of the longest run, and a margin.
const MAX_DURATION: TimeDelta = TimeDelta::hours(24);

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
    /// The keys of the manifests.
    keys: BTreeMap<Store, Keys>,
    /// Whether it is a local folder, where an upload would replace an existing file.
    is_local: bool,
}

impl Vault {
    /// Opens a target. Credentials come from the environment: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or
    /// `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub fn open(target: &Target, keys: BTreeMap<Store, Keys>) -> Result<Self, Error> {
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
                    keys,
                    is_local: true,
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
                    .with_http_connector(CreateOnly)
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
                    keys,
                    is_local: false,
                })
            }
            other => Err(Error::Settings(format!(
                "the scheme {other}: is not supported\n  hint: use s3://BUCKET/PREFIX or file:///FOLDER"
            ))),
        }
    }

    /// Whether the key of a store is configured.
    pub fn has_key(&self, store: Store) -> bool {
        self.keys.contains_key(&store)
    }

    fn key(&self, store: Store) -> Result<&Keys, Error> {
        self.keys.get(&store).ok_or_else(|| {
            Error::Settings(format!(
                "{} is not set, so backups of {store} can be neither written nor verified",
                mac::variable(store)
            ))
        })
    }

    fn folder(&self, store: Store, folder: &str) -> Path {
        self.prefix.child(store.folder()).child(folder)
    }

    fn at(&self, store: Store, folder: &str, path: &str) -> Path {
        path.split('/')
            .fold(self.folder(store, folder), |at, part| at.child(part))
    }

    /// Starts an upload. `expected` is the size, if known. Fails if the object exists.
    pub async fn write(
        &self,
        store: Store,
        folder: &str,
        path: &str,
        expected: Option<u64>,
    ) -> Result<Upload, Error> {
        // Before the first byte, because the manifest is written last.
        self.key(store)?;
        let at = self.at(store, folder, path);
        upload::check_size(&at, expected)?;
        if self.is_local && self.objects.head(&at).await.is_ok() {
            let source = "the file exists".into();
            let path = at.to_string();
            return Err(failed_write(
                &at,
                object_store::Error::AlreadyExists { path, source },
            ));
        }
        let object = self
            .objects
            .put_multipart(&at)
            .await
            .map_err(|source| Error::ObjectStore {
                doing: format!("start writing {at}"),
                source,
            })?;
        Ok(Upload::new(object, expected, path, at))
    }

    /// Writes the authentication code and then the manifest, which completes the backup.
    pub async fn complete(&self, manifest: &Manifest) -> Result<(), Error> {
        let folder = self.folder(manifest.store, &manifest.folder());
        let text = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
        let code = self.key(manifest.store)?.sign(&folder, &text);
        for (name, bytes) in [
            (manifest::MAC, format!("{code}\n").into_bytes()),
            (manifest::NAME, text),
        ] {
            let at = folder.child(name);
            self.objects
                .put_opts(&at, PutPayload::from(bytes), PutOptions::from(PutMode::Create))
                .await
                .map_err(|source| failed_write(&at, source))?;
        }
        Ok(())
    }

    /// Reads a file in chunks. The stream ends with an error if the file is shorter than the manifest specifies, was replaced
    /// since the backup was opened, or does not have the checksum in the manifest.
    pub fn read(
        &self,
        manifest: &Manifest,
        file: &File,
    ) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
        let reading = Reading {
            objects: Arc::clone(&self.objects),
            at: self.at(manifest.store, &manifest.folder(), &file.path),
            backup: format!("the backup {} of {}", manifest.folder(), manifest.store),
            file: file.clone(),
            from: 0,
            digest: StreamDigest::default(),
        };
        stream::try_unfold(reading, |mut reading| async move {
            if reading.from >= reading.file.bytes {
                let Reading { backup, file, .. } = reading;
                let (_, sha256) = reading.digest.finish();
                if sha256 == file.sha256 {
                    return Ok(None);
                }
                return Err(Error::Damaged(format!(
                    "{backup} is damaged: the checksum of {} is {sha256}, but the manifest specifies {}",
                    file.path, file.sha256
                )));
            }
            let Reading { backup, file, .. } = &reading;
            let to = (reading.from + RANGE_BYTES).min(file.bytes);
            let range = reading.from..to;
            let Some(chunk) = get(&*reading.objects, &reading.at, file.tag.clone(), range).await? else {
                return Err(Error::Damaged(format!(
                    "{backup} is damaged: {} is missing, shorter than the manifest specifies, or was replaced",
                    file.path
                )));
            };
            reading.digest.update(&chunk);
            reading.from = to;
            Ok(Some((chunk, reading)))
        })
    }

    /// Reads a file and verifies its checksum.
    pub async fn check(&self, manifest: &Manifest, file: &File) -> Result<(), Error> {
        let mut chunks = std::pin::pin!(self.read(manifest, file));
        while chunks.try_next().await?.is_some() {}
        Ok(())
    }

    /// All backups of a store, complete or not, oldest first.
    pub async fn backups(&self, store: Store, now: DateTime<Utc>) -> Result<Vec<StoredBackup>, Error> {
        self.key(store)?;
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
        let mut folders: BTreeMap<String, BTreeMap<Path, ObjectMeta>> = BTreeMap::new();
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
                    .insert(object.location.clone(), object);
            }
        }
        let mut backups = Vec::new();
        for (folder, objects) in folders {
            let begun = manifest::begun(&folder).expect("only folders of backups are collected");
            let modified = objects.values().map(|object| object.last_modified).max();
            let (state, unlisted) = self.inspect(store, &folder, begun, &objects, now).await?;
            backups.push(StoredBackup {
                begun,
                // The name of a folder alone could make it older than it is.
                changed: modified.unwrap_or(begun).max(begun),
                folder,
                state,
                unlisted,
                objects: objects.into_keys().collect(),
            });
        }
        Ok(backups)
    }

    /// The state of a backup, and the number of objects that its manifest does not list.
    async fn inspect(
        &self,
        store: Store,
        folder: &str,
        begun: DateTime<Utc>,
        objects: &BTreeMap<Path, ObjectMeta>,
        now: DateTime<Utc>,
    ) -> Result<(State, usize), Error> {
        let place = self.folder(store, folder);
        let damaged = |reason: &str| Ok((State::Damaged(reason.to_owned()), 0));
        let Some(listed) = objects.get(&place.child(manifest::NAME)) else {
            return Ok((State::Unfinished, 0));
        };
        let Some(code) = objects.get(&place.child(manifest::MAC)) else {
            return damaged(
                "its manifest has no authentication code (manifest.mac); backups of format version 1 have none and can be \
                 restored only with the image that wrote them",
            );
        };
        if listed.size > MAX_MANIFEST_BYTES || code.size > MAX_MAC_BYTES {
            return damaged("its manifest or the authentication code is too large");
        }
        let (Some(text), Some(code)) = (self.get(listed).await?, self.get(code).await?) else {
            return damaged(
                "its manifest or the authentication code was replaced or deleted while it was read",
            );
        };
        if !self.key(store)?.verify(&place, &text, &code) {
            return damaged(
                "its authentication code is invalid: the manifest was changed, was written without the key of this store, or \
                 belongs to another store, prefix or time",
            );
        }
        let mut manifest: Manifest = match serde_json::from_slice(&text) {
            Ok(manifest) => manifest,
            Err(error) => return damaged(&format!("its manifest cannot be parsed: {error}")),
        };
        if manifest.format != FORMAT {
            return damaged(&format!(
                "its manifest has format version {}, but this program supports version {FORMAT}; use the image that wrote it",
                manifest.format
            ));
        }
        if manifest.store != store || manifest.folder() != folder {
            return damaged("its manifest belongs to another backup");
        }
        if let Err(reason) = manifest.check() {
            return damaged(&reason);
        }
        let mut known = BTreeSet::from([place.child(manifest::NAME), place.child(manifest::MAC)]);
        for file in &mut manifest.files {
            let at = self.at(store, folder, &file.path);
            match objects.get(&at) {
                Some(object) if object.size == file.bytes => file.tag.clone_from(&object.e_tag),
                _ => {
                    return damaged(&format!(
                        "{} is missing or its size differs from the manifest",
                        file.path
                    ));
                }
            }
            known.insert(at);
        }
        let unlisted = objects.keys().filter(|at| !known.contains(at)).count();
        let manifest = Box::new(manifest);
        let state = match untimely(begun, listed.last_modified, now) {
            Some(reason) => State::Untimely(manifest, reason),
            None => State::Good(manifest),
        };
        Ok((state, unlisted))
    }

    /// The content of a small object as it was listed; `None` if it was replaced or deleted.
    async fn get(&self, object: &ObjectMeta) -> Result<Option<Bytes>, Error> {
        if object.size == 0 {
            return Ok(Some(Bytes::new()));
        }
        get(
            &*self.objects,
            &object.location,
            object.e_tag.clone(),
            0..object.size,
        )
        .await
    }

    /// The backup in this folder, or the newest complete one with data whose time the object store confirms.
    pub async fn choose(
        &self,
        store: Store,
        folder: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Manifest, Error> {
        let backups = self.backups(store, now).await?;
        let Some(folder) = folder else {
            for backup in backups.into_iter().rev() {
                match (backup.problem(), backup.state) {
                    (None, State::Good(manifest)) => return Ok(*manifest),
                    (problem, _) => eprintln!(
                        "skipped the backup {} of {store}: {}",
                        backup.folder,
                        problem.unwrap_or_default()
                    ),
                }
            }
            return Err(Error::NoBackup(format!(
                "there is no complete backup of {store} with data below {}",
                self.prefix
            )));
        };
        let Some(backup) = backups.into_iter().find(|backup| backup.folder == folder) else {
            return Err(Error::NoBackup(format!(
                "there is no backup {folder} of {store}\n  hint: `phoenix-backup list --store {store}` lists all backups"
            )));
        };
        let problem = backup.problem();
        match backup.state {
            // The name was chosen by an operator, who can know better.
            State::Good(manifest) | State::Untimely(manifest, _) => {
                if let Some(problem) = problem {
                    eprintln!("warning: the backup {folder} of {store}: {problem}");
                }
                Ok(*manifest)
            }
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

/// A range of an object; `None` if the object does not exist, is shorter, or does not have this tag any more.
async fn get(
    objects: &dyn ObjectStore,
    at: &Path,
    tag: Option<String>,
    range: std::ops::Range<u64>,
) -> Result<Option<Bytes>, Error> {
    let options = GetOptions {
        if_match: tag,
        range: Some(range.clone().into()),
        ..GetOptions::default()
    };
    let read = async { objects.get_opts(at, options).await?.bytes().await };
    match read.await {
        // A server that ignores the range would send the whole object.
        Ok(chunk) => Ok((chunk.len() as u64 == range.end - range.start).then_some(chunk)),
        Err(object_store::Error::NotFound { .. } | object_store::Error::Precondition { .. }) => Ok(None),
        Err(source) => Err(Error::ObjectStore {
            doing: format!("read {at}"),
            source,
        }),
    }
}

/// Why the time of a backup is not credible. The object store knows when the manifest was written; its writer does not
/// control that time.
fn untimely(begun: DateTime<Utc>, modified: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
    if begun > now + CLOCK_TOLERANCE || modified > now + CLOCK_TOLERANCE {
        Some("its time is in the future".to_owned())
    } else if modified + CLOCK_TOLERANCE < begun || modified > begun + MAX_DURATION + CLOCK_TOLERANCE {
        Some(format!(
            "its name does not match the time at which the object store received its manifest, {}",
            modified.format("%Y-%m-%d %H:%M:%SZ")
        ))
    } else {
        None
    }
}

/// The state of a download.
struct Reading {
    objects: Arc<dyn ObjectStore>,
    at: Path,
    backup: String,
    file: File,
    from: u64,
    digest: StreamDigest,
}

/// A backup in the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBackup {
    /// The start time, according to its name.
    pub begun: DateTime<Utc>,
    /// The time of its last change: that of its newest object according to the object store, or the start time if it is later.
    pub changed: DateTime<Utc>,
    /// The name of its folder.
    pub folder: String,
    /// Whether it is complete.
    pub state: State,
    /// The number of objects in its folder that the manifest does not list. They are not used.
    pub unlisted: usize,
    objects: Vec<Path>,
}

/// The state of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Complete: the manifest is authentic, and all files in it exist and have the expected size.
    Good(Box<Manifest>),
    /// Complete, but its time is in the future or not confirmed by the object store. Contains the reason.
    Untimely(Box<Manifest>, String),
    /// Incomplete: there is no manifest, because the backup is in progress or was interrupted.
    Unfinished,
    /// Damaged: the manifest is not authentic or not consistent, or a file is missing. Contains the reason.
    Damaged(String),
}

impl StoredBackup {
    /// The manifest, if the backup counts: it is complete, contains data, and its time is confirmed.
    pub fn counted(&self) -> Option<&Manifest> {
        match &self.state {
            State::Good(manifest) if !manifest.is_empty() => Some(manifest),
            _ => None,
        }
    }

    /// Why the backup does not count; `None` if it does.
    pub fn problem(&self) -> Option<String> {
        match &self.state {
            State::Good(manifest) if manifest.is_empty() => Some("it is empty".to_owned()),
            State::Good(_) => None,
            State::Untimely(_, reason) => Some(reason.clone()),
            State::Unfinished => Some("it is incomplete: it has no manifest".to_owned()),
            State::Damaged(reason) => Some(format!("it is damaged: {reason}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_only_if_the_object_store_confirms_it() {
        let at = |text: &str| manifest::begun(text).unwrap();
        let now = at("20261122T120000Z");
        for (begun, modified, reason) in [
            ("20261122T011000Z", "20261122T011500Z", None),
            ("20260101T011000Z", "20260101T011000Z", None),
            // The clocks differ by less than the tolerance.
            ("20261122T120900Z", "20261122T120900Z", None),
            ("20261122T011000Z", "20261122T010100Z", None),
            ("20261121T011000Z", "20261122T011900Z", None),
            // They do not.
            ("20261122T121100Z", "20261122T120000Z", Some("in the future")),
            ("20261122T115900Z", "20261122T121100Z", Some("in the future")),
            ("29990101T000000Z", "20261122T115900Z", Some("in the future")),
            (
                "20261122T011000Z",
                "20261122T005900Z",
                Some("2026-11-22 00:59:00Z"),
            ),
            (
                "20261121T011000Z",
                "20261122T012100Z",
                Some("2026-11-22 01:21:00Z"),
            ),
            ("20250101T011000Z", "20261122T115900Z", Some("does not match")),
        ] {
            let found = untimely(at(begun), at(modified), now);
            match reason {
                None => assert_eq!(found, None, "{begun} {modified}"),
                Some(reason) => {
                    let found = found.unwrap_or_default();
                    assert!(found.contains(reason), "{begun} {modified}: {found}");
                }
            }
        }
    }
}
