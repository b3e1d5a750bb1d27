//! JSON Lines in a stream of chunks: counting and parsing.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::error::Error;

/// The maximum length of a line. Longer lines are not valid records.
const MAX_LINE_BYTES: usize = 32 << 20;

/// Counts lines, verifies that each is a JSON object, and keeps the last one. Values are not interpreted, so that lone
/// surrogates, large numbers and deep nesting are accepted.
#[derive(Default)]
pub struct Counter {
    lines: u64,
    last: Vec<u8>,
    current: Vec<u8>,
    problem: Option<String>,
}

impl Counter {
    pub fn update(&mut self, chunk: &[u8]) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.current.len() + part.len() <= MAX_LINE_BYTES {
                self.current.extend_from_slice(part);
            } else {
                let line = self.lines + 1;
                self.problem
                    .get_or_insert_with(|| format!("line {line} is too long"));
            }
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.lines += 1;
        let is_object = self.current.trim_ascii_start().starts_with(b"{");
        if !is_object || serde_json::from_slice::<IgnoredAny>(&self.current).is_err() {
            let line = self.lines;
            self.problem
                .get_or_insert_with(|| format!("line {line} is not a JSON object"));
        }
        std::mem::swap(&mut self.last, &mut self.current);
        self.current.clear();
    }

    /// The number of lines and the last line, or what is wrong.
    pub fn finish(self) -> Result<(u64, Vec<u8>), String> {
        if self.lines == 0 || !self.current.is_empty() {
            return Err("it is empty or ends with an incomplete line".to_owned());
        }
        match self.problem {
            Some(problem) => Err(problem),
            None => Ok((self.lines, self.last)),
        }
    }
}

/// Parses JSON lines.
pub struct Reader<S> {
    chunks: S,
    buffer: BytesMut,
    name: String,
    line: u64,
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Reader<S> {
    /// Creates a reader. `name` is the name of the file in errors.
    pub fn new(chunks: S, name: String) -> Self {
        Self {
            chunks,
            buffer: BytesMut::new(),
            name,
            line: 0,
        }
    }

    /// Parses the next line; `None` at the end of the file.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(searched + end + 1);
                self.line += 1;
                return serde_json::from_slice(&line).map(Some).map_err(|error| {
                    Error::Damaged(format!(
                        "{} is damaged: line {} cannot be read: {error}",
                        self.name, self.line
                    ))
                });
            }
            searched = self.buffer.len();
            if searched > MAX_LINE_BYTES {
                return Err(Error::Damaged(format!(
                    "{} is damaged: line {} is too long",
                    self.name,
                    self.line + 1
                )));
            }
            match self.chunks.next().await {
                Some(chunk) => self.buffer.extend_from_slice(&chunk?),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    return Err(Error::Damaged(format!(
                        "{} is damaged: it ends in the middle of line {}",
                        self.name,
                        self.line + 1
                    )));
                }
            }
        }
    }
}
