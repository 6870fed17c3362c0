//! Records: any bytes are damage, or a row that means the same written again.

use crate::store::outside::{self, Form};

/// The first byte says of which table, and in its highest bit whether the checksum is left to us;
/// the second how long the key is that follows; the rest is the record.
pub fn run(bytes: &[u8]) {
    let Some((&[tag, key_len], rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let Some((key, record)) = rest.split_at_checked(usize::from(key_len)) else {
        return;
    };
    let form = if tag & 0x80 == 0 {
        Form::Whole
    } else {
        Form::Payload
    };
    outside::read(tag & 0x7f, form, key, record);
}
