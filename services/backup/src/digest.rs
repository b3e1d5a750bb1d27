//! SHA-256 of what passes through, with its length.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Counts and digests bytes as they come.
#[derive(Default)]
pub struct Running {
    sha256: Sha256,
    bytes: u64,
}

impl Running {
    pub fn update(&mut self, chunk: &[u8]) {
        self.sha256.update(chunk);
        self.bytes += chunk.len() as u64;
    }

    /// How many bytes there were, and their checksum in hexadecimal digits.
    pub fn finish(self) -> (u64, String) {
        let mut digits = String::with_capacity(64);
        for byte in self.sha256.finalize() {
            write!(digits, "{byte:02x}").expect("a string takes everything");
        }
        (self.bytes, digits)
    }
}
