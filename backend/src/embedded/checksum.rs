//! Row checksums: 8 bytes of SHA-256 over the table's name and every field, each with its
//! length, so that a flipped bit or a row under another key is noticed when it is read.

use sha2::{Digest, Sha256};

/// A checksum in the making.
pub(super) struct RowSum(Sha256);

impl RowSum {
    /// Starts one for a row of `table`.
    pub(super) fn new(table: &str) -> Self {
        Self(Sha256::new()).text(table)
    }

    /// Adds a text.
    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds bytes.
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_le_bytes());
        self
    }

    /// Adds a text that may be absent.
    pub(super) fn text_opt(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.number(1).text(text),
            None => self.number(0),
        }
    }

    /// Adds a number that may be absent.
    pub(super) fn number_opt(self, number: Option<u64>) -> Self {
        match number {
            Some(number) => self.number(1).number(number),
            None => self.number(0),
        }
    }

    /// The checksum, as the column keeps it.
    pub(super) fn finish(self) -> i64 {
        let digest = self.0.finalize();
        let first = digest.first_chunk::<8>().expect("SHA-256 has 32 bytes");
        i64::from_le_bytes(*first)
    }
}
