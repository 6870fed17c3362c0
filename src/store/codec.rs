//! Records: `[table][version][CRC-32][bincode]`, the only place that names bincode.
//!
//! redb does not verify its page checksums on ordinary reads, so each record carries one of its
//! own, over the table, the version, the key and the payload: a record that was moved, swapped or
//! damaged is refused instead of believed.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes before the payload.
const HEADER_LEN: usize = 6;

/// The largest payload read. An order of 500 lines is about 0.5 MB, a photo at most 4.2 MB, a kept
/// reply with a cart of 500 lines 61 MB at worst: 20,000 characters each, written as `\\u0001`.
const PAYLOAD_MAX: usize = 64 << 20;

/// Which record this is: the table's tag and the version of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub table: u8,
    pub version: u8,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("it is cut short")]
    Short,
    #[error("its checksum does not match")]
    Checksum,
    #[error("it was written by another version of the program (row version {0})")]
    Version(u8),
    #[error("its fields can't be read")]
    Payload,
}

pub fn encode(kind: Kind, key: &[u8], row: &impl Serialize) -> Vec<u8> {
    let mut record = vec![kind.table, kind.version, 0, 0, 0, 0];
    bincode::serde::encode_into_std_write(row, &mut record, config())
        .expect("a row of plain fields written to memory");
    let (header, payload) = record.split_at_mut(HEADER_LEN);
    header[2..].copy_from_slice(&checksum(kind, key, payload).to_le_bytes());
    record
}

pub fn decode<R: DeserializeOwned>(kind: Kind, key: &[u8], record: &[u8]) -> Result<R, Damage> {
    let Some((&[table, version, a, b, c, d], payload)) = record.split_first_chunk::<HEADER_LEN>()
    else {
        return Err(Damage::Short);
    };
    let written_as = Kind { table, version };
    if checksum(written_as, key, payload) != u32::from_le_bytes([a, b, c, d]) {
        return Err(Damage::Checksum);
    }
    if written_as != kind {
        return Err(Damage::Version(version));
    }
    match bincode::serde::decode_from_slice(payload, config()) {
        Ok((row, read)) if read == payload.len() => Ok(row),
        Ok(_) | Err(_) => Err(Damage::Payload),
    }
}

/// A record of this payload, whatever is in it.
#[cfg(any(test, fuzzing))]
pub fn seal(kind: Kind, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let checksum = checksum(kind, key, payload).to_le_bytes();
    [&[kind.table, kind.version], &checksum[..], payload].concat()
}

/// Whether a record is as it was written, whatever is in it.
#[cfg(any(test, fuzzing))]
pub fn is_sound(table: u8, key: &[u8], record: &[u8]) -> bool {
    let Some((&[tag, version, a, b, c, d], payload)) = record.split_first_chunk::<HEADER_LEN>()
    else {
        return false;
    };
    let kind = Kind {
        table: tag,
        version,
    };
    tag == table && checksum(kind, key, payload) == u32::from_le_bytes([a, b, c, d])
}

fn checksum(kind: Kind, key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind.table, kind.version]);
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<PAYLOAD_MAX>()
}
