//! Photos as they are kept: our own encoding, named by content.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    pub format: Format,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    Jpeg,
    Png,
    Webp,
}

impl Photo {
    /// 32 hex digits of its content's SHA-256 (128 bits), and the ending of its format.
    pub fn name(&self) -> String {
        let digest = Sha256::digest(&self.bytes);
        let mut half = [0; 16];
        half.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        let digits = u128::from_be_bytes(half);
        let ending = match self.format {
            Format::Jpeg => "jpg",
            Format::Png => "png",
            Format::Webp => "webp",
        };
        format!("{digits:032x}.{ending}")
    }
}
