//! SHA-256 and length of a stream.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A running digest of a stream.
#[derive(Default)]
pub struct StreamDigest {
    sha256: Sha256,
    bytes: u64,
}

impl StreamDigest {
    pub fn update(&mut self, chunk: &[u8]) {
        self.sha256.update(chunk);
        self.bytes += chunk.len() as u64;
    }

    /// The number of bytes, and their checksum in hexadecimal.
    pub fn finish(self) -> (u64, String) {
        (self.bytes, hex(&self.sha256.finalize()))
    }
}

/// The bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(digits, "{byte:02x}").expect("writing to a string cannot fail");
    }
    digits
}
