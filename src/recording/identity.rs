//! The name by which a recording's content is known: the head of its hash chain.

use std::fmt;

use super::header::Hash;

/// BLAKE3 of the last frame. Through the chain it covers every byte of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub Hash);

impl fmt::Display for Identity {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}
