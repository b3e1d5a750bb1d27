//! Lines of JSON in a stream of pieces: counted as they pass, or read one after the other.

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The longest line that is read. A record that is longer than this is no record of a memory or a graph.
const LONGEST: usize = 32 << 20;

/// Counts the lines that pass, and keeps the last.
#[derive(Default)]
pub struct Counter {
    lines: u64,
    last: Vec<u8>,
    current: Vec<u8>,
    too_long: bool,
}

impl Counter {
    pub fn update(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.current.len() + part.len() <= LONGEST {
                self.current.extend_from_slice(part);
            } else {
                self.too_long = true;
            }
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        std::mem::swap(&mut self.last, &mut self.current);
        self.current.clear();
        self.lines += 1;
    }

    /// How many lines there were, and the last; `None` where there was none, where the last has no end, or where one was too long.
    pub fn finish(self) -> Option<(u64, Vec<u8>)> {
        (self.lines > 0 && self.current.is_empty() && !self.too_long).then_some((self.lines, self.last))
    }
}

/// Reads lines of JSON, one after the other.
pub struct Reader<S> {
    pieces: S,
    buffer: BytesMut,
    what: String,
    line: u64,
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Reader<S> {
    /// `what` is how errors call the file.
    pub fn new(pieces: S, what: String) -> Self {
        Self {
            pieces,
            buffer: BytesMut::new(),
            what,
            line: 0,
        }
    }

    /// The next line; `None` at the end of the file.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(searched + end + 1);
                self.line += 1;
                return serde_json::from_slice(&line).map(Some).map_err(|error| {
                    Error::Damaged(format!(
                        "{} is damaged: line {} cannot be read: {error}",
                        self.what, self.line
                    ))
                });
            }
            searched = self.buffer.len();
            if searched > LONGEST {
                return Err(Error::Damaged(format!(
                    "{} is damaged: line {} has no end",
                    self.what,
                    self.line + 1
                )));
            }
            match self.pieces.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    return Err(Error::Damaged(format!(
                        "{} is damaged: it ends in the middle of line {}",
                        self.what,
                        self.line + 1
                    )));
                }
            }
        }
    }
}
