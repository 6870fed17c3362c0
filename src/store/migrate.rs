//! Stores of other versions of the program: one that is newer is refused untouched, an older one
//! is brought to today's form.
//!
//! There is one form so far. `data/old/` keeps a store of each, and `tests/it/upgrade.rs` opens
//! them.

use std::path::Path;

use super::StoreError;
use super::codec;
use super::disk::{self, Handle};
use super::tables::{COUNTERS, Counter, definition, key_bytes};

/// The form that this program writes. Raised when a row's version is, or a table gets another
/// meaning.
pub const FORMAT: u64 = 1;

/// The same rows, of which the newest may lie in a log beside the file (`redo`): the form of a store
/// that is open, or was not closed in order. To a program that knows of no log it is a newer one's.
pub const WITH_LOG: u64 = FORMAT | LOG;
const LOG: u64 = 1 << 32;

#[derive(Debug, thiserror::Error)]
enum NotOurs {
    #[error("it is no shop's")]
    NoShop,
    #[error(
        "it was written by a newer version of the program (form {0}; this one writes {FORMAT}): use that version"
    )]
    Newer(u64),
}

/// Memory for the pages of a glance.
const CACHE_BYTES: usize = 1 << 20;

/// Refuses a store of a newer program before anything is written to it, which opening it for good
/// does. Whatever else is wrong with it is found when it is opened.
pub fn refuse_newer(path: &Path) -> Result<(), StoreError> {
    let glance = Handle::peek(&disk::read_only(path.to_owned()), CACHE_BYTES);
    match glance.and_then(|handle| form(&handle)) {
        Ok(form) => accept(form),
        Err(_) => Ok(()),
    }
}

/// Whether this program can go on with a store.
pub fn check(handle: &Handle) -> Result<(), StoreError> {
    accept(form(handle)?)
}

fn accept(form: u64) -> Result<(), StoreError> {
    let of_rows = form & !LOG;
    if of_rows > FORMAT {
        return Err(StoreError::opening(NotOurs::Newer(of_rows)));
    }
    Ok(())
}

/// The form of a store that is a shop's.
fn form(handle: &Handle) -> Result<u64, StoreError> {
    let txn = handle.begin_read()?;
    let table = match txn.open_table(definition(COUNTERS.kind.table)) {
        Err(redb::TableError::TableDoesNotExist(_)) => {
            return Err(StoreError::opening(NotOurs::NoShop));
        }
        table => table?,
    };
    let key = key_bytes(&Counter::Format);
    let record = table.get(key.as_slice())?;
    let record = record.ok_or_else(|| StoreError::opening(NotOurs::NoShop))?;
    codec::decode(COUNTERS.kind, &key, record.value())
        .map_err(|damage| StoreError::damaged(COUNTERS.name, &key, damage))
}
