//! Uploads in parts.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use object_store::MultipartUpload;
use object_store::path::Path;
use tokio::task::JoinSet;

use crate::digest::StreamDigest;
use crate::error::Error;
use crate::manifest::File;

/// The minimum size of a part.
pub const MIN_PART_BYTES: u64 = 8 << 20;
/// The maximum size of a part, which bounds memory use: up to four parts are held at a time.
const MAX_PART_BYTES: u64 = 64 << 20;
/// The number of parts to aim for. Some object stores allow a thousand parts for an object.
const WANTED_PARTS: u64 = 900;
/// The maximum number of parts. S3 allows ten thousand.
const MAX_PARTS: u64 = 9_000;
/// The size of parts doubles after this many, if the size of the file is not known in advance.
const PARTS_OF_EQUAL_SIZE: u64 = 225;
/// The number of concurrent uploads of parts, which bounds memory use.
const CONCURRENT_PARTS: usize = 2;

/// The size of the next part of a file, after this many parts. `expected` is the size of the file, if it is known. Objects of
/// up to 56 GiB (32 GiB if the size is not known) have at most a thousand parts.
fn part_bytes(expected: Option<u64>, sent: u64) -> u64 {
    if let Some(bytes) = expected {
        return (bytes / WANTED_PARTS + 1).clamp(MIN_PART_BYTES, MAX_PART_BYTES);
    }
    let doublings = u32::try_from(sent / PARTS_OF_EQUAL_SIZE).unwrap_or(u32::MAX);
    MIN_PART_BYTES
        .saturating_mul(2_u64.saturating_pow(doublings))
        .min(MAX_PART_BYTES)
}

/// An upload in progress.
///
/// `object_store::WriteMultipart` is not used, because its `finish` does not abort the upload if a part fails.
pub struct Upload {
    object: Box<dyn MultipartUpload>,
    expected: Option<u64>,
    sent: u64,
    buffer: BytesMut,
    sending: JoinSet<object_store::Result<()>>,
    digest: StreamDigest,
    path: String,
    at: Path,
}

impl Upload {
    pub(super) fn new(object: Box<dyn MultipartUpload>, expected: Option<u64>, path: &str, at: Path) -> Self {
        Self {
            object,
            expected,
            sent: 0,
            buffer: BytesMut::new(),
            sending: JoinSet::new(),
            digest: StreamDigest::default(),
            path: path.to_owned(),
            at,
        }
    }

    /// Writes a chunk. Waits if too many parts are being sent.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.digest.update(&chunk);
        self.buffer.extend_from_slice(&chunk);
        loop {
            let bytes =
                usize::try_from(part_bytes(self.expected, self.sent)).expect("a part fits into memory");
            if self.buffer.len() < bytes {
                return Ok(());
            }
            let part = self.buffer.split_to(bytes).freeze();
            self.send(part).await?;
        }
    }

    async fn send(&mut self, part: Bytes) -> Result<(), Error> {
        if self.sent == MAX_PARTS {
            return Err(too_large(&self.at));
        }
        self.sent += 1;
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
        failed_write(&self.at, source)
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
            tag: None,
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

/// Why an object cannot be written.
pub(super) fn failed_write(at: &Path, source: object_store::Error) -> Error {
    match source {
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            Error::AlreadyExists(format!(
                "cannot write {at}: it exists, and backups are never overwritten\n  hint: run the backup again; if this \
                 happens repeatedly, find out which other client writes to the bucket"
            ))
        }
        source => Error::ObjectStore {
            doing: format!("write {at}"),
            source,
        },
    }
}

/// Fails if a file of this size cannot be uploaded.
pub(super) fn check_size(at: &Path, expected: Option<u64>) -> Result<(), Error> {
    match expected {
        Some(bytes) if bytes.div_ceil(part_bytes(expected, 0)) > MAX_PARTS => Err(too_large(at)),
        _ => Ok(()),
    }
}

fn too_large(at: &Path) -> Error {
    Error::Damaged(format!(
        "cannot write {at}: it is larger than {} GiB, the maximum size of a file of a backup",
        (MAX_PARTS * MAX_PART_BYTES) >> 30
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn objects_above_8_gib_have_at_most_a_thousand_parts() {
        for bytes in [0, 1, 8 * GIB - 1, 8 * GIB, 8 * GIB + 1, 20 * GIB, 56 * GIB] {
            let part = part_bytes(Some(bytes), 0);
            assert!(bytes.div_ceil(part) <= 1_000, "{bytes}");
            assert!((MIN_PART_BYTES..=MAX_PART_BYTES).contains(&part), "{bytes}");
        }
    }

    #[test]
    fn larger_objects_have_more_parts_of_the_maximum_size_up_to_a_limit() {
        let at = Path::from("a");
        let most = MAX_PARTS * MAX_PART_BYTES;
        assert_eq!(part_bytes(Some(most), 0), MAX_PART_BYTES);
        assert!(check_size(&at, Some(most)).is_ok() && check_size(&at, None).is_ok());
        for bytes in [most + 1, u64::MAX] {
            let error = check_size(&at, Some(bytes)).unwrap_err().to_string();
            assert!(error.contains("larger than 562 GiB"), "{error}");
        }
    }

    #[test]
    fn parts_of_files_of_unknown_size_grow() {
        let total = |parts| (0..parts).map(|sent| part_bytes(None, sent)).sum::<u64>();
        assert_eq!(part_bytes(None, 0), MIN_PART_BYTES);
        assert!(total(1_000) > 32 * GIB, "{}", total(1_000) / GIB);
        assert_eq!(part_bytes(None, u64::MAX), MAX_PART_BYTES);
    }
}
