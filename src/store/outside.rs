//! Records from outside, for fuzzing: what is believed of any bytes means the same written again.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec;
use super::tables::{
    ACCOUNTS, CARTS, CATEGORIES, CATEGORY_NAMES, COMMENTS, COMMENTS_BY, COMMENTS_ON, COUNTERS,
    EMAILS, ENDED_FAMILIES, ENDED_FAMILIES_BY_EXPIRY, KEPT_BY_EXPIRY, KEPT_REPLIES, Key, NAMES,
    ORDERS, ORDERS_BY, OUTBOX, PHONES, PHOTO_OWNERS, PHOTOS, PRODUCTS, PRODUCTS_IN, Rows, SESSIONS,
    SESSIONS_BY_EXPIRY, STOCK, USERNAMES, key_bytes,
};

/// What the bytes of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All there is of it.
    Whole,
    /// What stands behind its checksum, which is put before it.
    Payload,
}

/// Reads bytes as a record of the table of this tag, and says whether it was believed.
pub fn read(tag: u8, form: Form, key: &[u8], bytes: &[u8]) -> bool {
    match usize::from(tag) % NAMES.len() {
        0 => of(&ACCOUNTS, form, key, bytes),
        1 => of(&USERNAMES, form, key, bytes),
        2 => of(&EMAILS, form, key, bytes),
        3 => of(&PHONES, form, key, bytes),
        4 => of(&SESSIONS, form, key, bytes),
        5 => of(&SESSIONS_BY_EXPIRY, form, key, bytes),
        6 => of(&ENDED_FAMILIES, form, key, bytes),
        7 => of(&ENDED_FAMILIES_BY_EXPIRY, form, key, bytes),
        8 => of(&CATEGORIES, form, key, bytes),
        9 => of(&CATEGORY_NAMES, form, key, bytes),
        10 => of(&PRODUCTS, form, key, bytes),
        11 => of(&STOCK, form, key, bytes),
        12 => of(&PRODUCTS_IN, form, key, bytes),
        13 => of(&COMMENTS, form, key, bytes),
        14 => of(&COMMENTS_ON, form, key, bytes),
        15 => of(&COMMENTS_BY, form, key, bytes),
        16 => of(&CARTS, form, key, bytes),
        17 => of(&ORDERS, form, key, bytes),
        18 => of(&ORDERS_BY, form, key, bytes),
        19 => of(&PHOTOS, form, key, bytes),
        20 => of(&PHOTO_OWNERS, form, key, bytes),
        21 => of(&OUTBOX, form, key, bytes),
        22 => of(&COUNTERS, form, key, bytes),
        23 => of(&KEPT_REPLIES, form, key, bytes),
        24 => of(&KEPT_BY_EXPIRY, form, key, bytes),
        _ => unreachable!("a tag is below the number of tables"),
    }
}

fn of<K, R>(rows: &Rows<K, R>, form: Form, key: &[u8], bytes: &[u8]) -> bool
where
    K: Key,
    R: Serialize + DeserializeOwned + PartialEq + Debug,
{
    key_is_itself::<K>(key);
    let record = match form {
        Form::Whole => bytes.to_vec(),
        Form::Payload => codec::seal(rows.kind, key, bytes),
    };
    let Ok(row) = codec::decode::<R>(rows.kind, key, &record) else {
        return false;
    };
    let table = rows.name;
    assert!(
        codec::is_sound(rows.kind.table, key, &record),
        "{table}: believed against its checksum"
    );
    let again = codec::encode(rows.kind, key, &row);
    assert_eq!(codec::decode(rows.kind, key, &again), Ok(row), "{table}");
    true
}

/// Keys have one form: two rows of one key would be two truths.
fn key_is_itself<K: Key>(key: &[u8]) {
    let mut rest = key;
    if let Some(read) = K::read(&mut rest)
        && rest.is_empty()
    {
        assert_eq!(key_bytes(&read), key);
    }
}
