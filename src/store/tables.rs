//! Tables: which there are, how their keys are ordered, and typed reading and writing of rows.
//!
//! Every redb table maps bytes to bytes: keys are big-endian, so that their order is the order of
//! the numbers, and values are records (`codec`).

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, OnceLock};

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition,
    WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::changes::{self, Change, Changes};
use super::codec::{self, Kind};
use super::disk::Handle;
use super::log::LogDamage;
use super::once::Kept;
use super::outbox::Noted;
use super::redo::Mark;
use crate::shop::carts::Cart;
use crate::shop::comments::Comment;
use crate::shop::ids::{CategoryId, CommentId, OrderId, ProductId, UserId};
use crate::shop::orders::{Order, Stock};
use crate::shop::photos::Photo;
use crate::shop::products::{Category, Product};
use crate::shop::sessions::Session;
use crate::shop::time::Timestamp;
use crate::shop::users::Account;

/// A table of rows `R` under keys `K`. Tags stand in every record: never renumber them.
pub struct Rows<K, R> {
    pub name: &'static str,
    pub(super) kind: Kind,
    types: PhantomData<fn(K) -> R>,
}

impl<K, R> Rows<K, R> {
    /// The version is of the row's form on the disk: raised, with a migration, when that changes.
    const fn new(tag: u8, version: u8, name: &'static str) -> Self {
        Self {
            name,
            kind: Kind {
                table: tag,
                version,
            },
            types: PhantomData,
        }
    }
}

pub const ACCOUNTS: Rows<UserId, Account> = Rows::new(0, 1, "accounts");
/// Folded username to account.
pub const USERNAMES: Rows<String, UserId> = Rows::new(1, 1, "usernames");
pub const EMAILS: Rows<String, UserId> = Rows::new(2, 1, "emails");
pub const PHONES: Rows<String, UserId> = Rows::new(3, 1, "phones");
/// Refresh tokens under the SHA-256 of their `jti`.
pub const SESSIONS: Rows<TokenHash, Session> = Rows::new(4, 1, "sessions");
pub const SESSIONS_BY_EXPIRY: Rows<(Timestamp, TokenHash), ()> =
    Rows::new(5, 1, "sessions_by_expiry");
/// Families of refresh tokens that ended by reuse or logout, and when the last of them expires.
pub const ENDED_FAMILIES: Rows<FamilyKey, Timestamp> = Rows::new(6, 1, "ended_families");
pub const ENDED_FAMILIES_BY_EXPIRY: Rows<(Timestamp, FamilyKey), ()> =
    Rows::new(7, 1, "ended_families_by_expiry");
pub const CATEGORIES: Rows<CategoryId, Category> = Rows::new(8, 1, "categories");
/// Folded name to category.
pub const CATEGORY_NAMES: Rows<String, CategoryId> = Rows::new(9, 1, "category_names");
pub const PRODUCTS: Rows<ProductId, Product> = Rows::new(10, 1, "products");
/// Apart from the products: a sale rewrites this row of a few bytes, and nothing else of them.
pub const STOCK: Rows<ProductId, Stock> = Rows::new(11, 1, "stock");
pub const PRODUCTS_IN: Rows<(CategoryId, ProductId), ()> = Rows::new(12, 1, "products_in");
pub const COMMENTS: Rows<CommentId, Comment> = Rows::new(13, 1, "comments");
pub const COMMENTS_ON: Rows<(ProductId, CommentId), ()> = Rows::new(14, 1, "comments_on");
pub const COMMENTS_BY: Rows<(UserId, CommentId), ()> = Rows::new(15, 1, "comments_by");
pub const CARTS: Rows<UserId, Cart> = Rows::new(16, 1, "carts");
pub const ORDERS: Rows<OrderId, Order> = Rows::new(17, 1, "orders");
pub const ORDERS_BY: Rows<(UserId, OrderId), ()> = Rows::new(18, 1, "orders_by");
pub const PHOTOS: Rows<String, Photo> = Rows::new(19, 1, "photos");
/// Who shows which photo; the last one to let go of it deletes it.
pub const PHOTO_OWNERS: Rows<(PhotoKey, UserId), ()> = Rows::new(20, 1, "photo_owners");
pub const OUTBOX: Rows<u64, Noted> = Rows::new(21, 1, "outbox");
pub const COUNTERS: Rows<Counter, u64> = Rows::new(22, 1, "counters");
/// Replies of requests with an `Idempotency-Key`, by who asked and the key.
pub const KEPT_REPLIES: Rows<(UserId, String), Kept> = Rows::new(23, 1, "kept_replies");
pub const KEPT_BY_EXPIRY: Rows<(Timestamp, (UserId, String)), ()> =
    Rows::new(24, 1, "kept_by_expiry");

/// Every table by its tag.
pub const NAMES: [&str; Snapshot::TABLES as usize] = [
    ACCOUNTS.name,
    USERNAMES.name,
    EMAILS.name,
    PHONES.name,
    SESSIONS.name,
    SESSIONS_BY_EXPIRY.name,
    ENDED_FAMILIES.name,
    ENDED_FAMILIES_BY_EXPIRY.name,
    CATEGORIES.name,
    CATEGORY_NAMES.name,
    PRODUCTS.name,
    STOCK.name,
    PRODUCTS_IN.name,
    COMMENTS.name,
    COMMENTS_ON.name,
    COMMENTS_BY.name,
    CARTS.name,
    ORDERS.name,
    ORDERS_BY.name,
    PHOTOS.name,
    PHOTO_OWNERS.name,
    OUTBOX.name,
    COUNTERS.name,
    KEPT_REPLIES.name,
    KEPT_BY_EXPIRY.name,
];

/// A kept number: how many rows a list has, or the last id given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    LastUser,
    LastCategory,
    LastProduct,
    LastComment,
    LastCartLine,
    LastOrder,
    LastOrderLine,
    LastOutbox,
    Users,
    ActiveAdmins,
    Categories,
    Products,
    ProductsIn(CategoryId),
    Comments,
    CommentsOn(ProductId),
    CommentsBy(UserId),
    Orders,
    OrdersBy(UserId),
    /// No count: a random number, given when the store is made.
    Identity,
    /// No count: the form of the whole store, see `migrate`.
    Format,
}

impl Counter {
    /// Its place on the disk: never renumber.
    fn parts(self) -> (u8, u64) {
        match self {
            Self::LastUser => (0, 0),
            Self::LastCategory => (1, 0),
            Self::LastProduct => (2, 0),
            Self::LastComment => (3, 0),
            Self::LastCartLine => (4, 0),
            Self::LastOrder => (5, 0),
            Self::LastOrderLine => (6, 0),
            Self::LastOutbox => (7, 0),
            Self::Users => (8, 0),
            Self::ActiveAdmins => (9, 0),
            Self::Categories => (10, 0),
            Self::Products => (11, 0),
            Self::ProductsIn(category) => (12, category.0),
            Self::Comments => (13, 0),
            Self::CommentsOn(product) => (14, product.0),
            Self::CommentsBy(user) => (15, user.0),
            Self::Orders => (16, 0),
            Self::OrdersBy(user) => (17, user.0),
            Self::Identity => (18, 0),
            Self::Format => (19, 0),
        }
    }
}

/// SHA-256 of a refresh token's `jti`.
pub type TokenHash = [u8; 32];
pub type FamilyKey = [u8; 16];
/// A photo's name without its ending: 32 hex digits of its content's SHA-256.
pub type PhotoKey = [u8; 32];

/// A key whose bytes sort as its values do.
pub trait Key: Sized {
    fn write(&self, out: &mut Vec<u8>);
    /// Reads itself off the front.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

macro_rules! id_keys {
    ($($id:ident),*) => {$(
        impl Key for $id {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                u64::read(bytes).map(Self)
            }
        }
    )*};
}

id_keys!(UserId, CategoryId, ProductId, CommentId, OrderId);

impl Key for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        bytes
            .split_off(..8)?
            .try_into()
            .ok()
            .map(Self::from_be_bytes)
    }
}

/// Moments before 1970 do not occur here.
impl Key for Timestamp {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let micros = bytes.split_off(..8)?.try_into().ok()?;
        Some(Self(i64::from_be_bytes(micros)))
    }
}

impl<const N: usize> Key for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        bytes.split_off(..N)?.try_into().ok()
    }
}

/// Only as a whole key, or the last part of one.
impl Key for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        String::from_utf8(std::mem::take(bytes).to_vec()).ok()
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl Key for Counter {
    fn write(&self, out: &mut Vec<u8>) {
        let (kind, of) = self.parts();
        out.push(kind);
        of.write(out);
    }

    fn read(_: &mut &[u8]) -> Option<Self> {
        None // Counters are asked one by one, never listed.
    }
}

pub(super) fn key_bytes(key: &impl Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    key.write(&mut bytes);
    bytes
}

type Bytes = &'static [u8];

pub(super) fn definition(tag: u8) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(NAMES[usize::from(tag)])
}

/// Typed reading, the same in a snapshot and in the transaction that writes.
pub trait Read {
    type Table: ReadableTable<Bytes, Bytes>;

    fn table(&self, tag: u8) -> Result<&Self::Table, StoreError>;

    fn get<K: Key, R: DeserializeOwned>(
        &self,
        rows: &Rows<K, R>,
        key: &K,
    ) -> Result<Option<R>, StoreError> {
        let key = key_bytes(key);
        let record = self.table(rows.kind.table)?.get(key.as_slice())?;
        record
            .map(|record| decode(rows, &key, record.value()))
            .transpose()
    }

    /// A row that another row points to: its absence is damage, not an answer.
    fn must_get<K: Key, R: DeserializeOwned>(
        &self,
        rows: &Rows<K, R>,
        key: &K,
    ) -> Result<R, StoreError> {
        self.get(rows, key)?
            .ok_or_else(|| StoreError::missing(rows.name, &key_bytes(key)))
    }

    fn range<K: Key, R: DeserializeOwned>(
        &self,
        rows: &'static Rows<K, R>,
        keys: impl RangeBounds<K>,
    ) -> Result<RowIter<'_, K, R>, StoreError> {
        let bound = |bound: Bound<&K>| match bound {
            Bound::Included(key) => Bound::Included(key_bytes(key)),
            Bound::Excluded(key) => Bound::Excluded(key_bytes(key)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let (start, end) = (bound(keys.start_bound()), bound(keys.end_bound()));
        let bounds = (
            start.as_ref().map(Vec::as_slice),
            end.as_ref().map(Vec::as_slice),
        );
        let range = self.table(rows.kind.table)?.range::<&[u8]>(bounds)?;
        Ok(RowIter { range, rows })
    }

    fn count(&self, counter: Counter) -> Result<u64, StoreError> {
        Ok(self.get(&COUNTERS, &counter)?.unwrap_or(0))
    }
}

fn decode<K, R: DeserializeOwned>(
    rows: &Rows<K, R>,
    key: &[u8],
    record: &[u8],
) -> Result<R, StoreError> {
    codec::decode(rows.kind, key, record)
        .map_err(|damage| StoreError::damaged(rows.name, key, damage))
}

/// Rows in the order of their keys, from either end.
pub struct RowIter<'a, K: 'static, R: 'static> {
    range: redb::Range<'a, Bytes, Bytes>,
    rows: &'static Rows<K, R>,
}

type Entry<'a> =
    Result<(redb::AccessGuard<'a, Bytes>, redb::AccessGuard<'a, Bytes>), redb::StorageError>;

impl<K: Key, R: DeserializeOwned> RowIter<'_, K, R> {
    fn read(&self, entry: Entry<'_>) -> Result<(K, R), StoreError> {
        let (key, record) = entry?;
        let row = decode(self.rows, key.value(), record.value())?;
        let typed = K::read(&mut key.value())
            .ok_or_else(|| StoreError::missing(self.rows.name, key.value()))?;
        Ok((typed, row))
    }
}

impl<K: Key, R: DeserializeOwned> Iterator for RowIter<'_, K, R> {
    type Item = Result<(K, R), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.range.next()?;
        Some(self.read(entry))
    }
}

impl<K: Key, R: DeserializeOwned> DoubleEndedIterator for RowIter<'_, K, R> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.range.next_back()?;
        Some(self.read(entry))
    }
}

/// One consistent moment of the store, for reading.
pub struct Snapshot {
    txn: ReadTransaction,
    tables: [OnceLock<ReadOnlyTable<Bytes, Bytes>>; NAMES.len()],
    /// Keeps the file open for as long as this is read.
    _handle: Arc<Handle>,
}

impl Snapshot {
    pub fn new(handle: Arc<Handle>) -> Result<Self, StoreError> {
        Ok(Self {
            txn: handle.begin_read()?,
            tables: [const { OnceLock::new() }; NAMES.len()],
            _handle: handle,
        })
    }
}

/// Rows by their keys as they lie on the disk, what can't be read as an error.
pub type RawRows<R> = Vec<(Vec<u8>, Result<R, StoreError>)>;

impl Snapshot {
    pub const TABLES: u8 = 25;

    /// Which moment of which log it is.
    pub fn mark(&self) -> Result<Option<Mark>, StoreError> {
        Mark::read(&self.txn)
    }

    /// How many records there are, of all tables.
    pub fn records(&self) -> Result<u64, StoreError> {
        (0..Self::TABLES).try_fold(0, |sum, tag| Ok(sum + self.table(tag)?.len()?))
    }

    /// Rows after a key with their keys as they lie on the disk, a bounded number; a record that
    /// can't be read is an error in its place.
    pub fn raw<K: Key, R: DeserializeOwned>(
        &self,
        rows: &Rows<K, R>,
        after: Option<&[u8]>,
        max: usize,
    ) -> Result<RawRows<R>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self
            .table(rows.kind.table)?
            .range::<&[u8]>((start, Bound::Unbounded))?;
        let read = |entry: Entry<'_>| {
            let (key, record) = entry?;
            let row = decode(rows, key.value(), record.value());
            Ok((key.value().to_vec(), row))
        };
        range.take(max).map(read).collect()
    }
}

impl Read for Snapshot {
    type Table = ReadOnlyTable<Bytes, Bytes>;

    fn table(&self, tag: u8) -> Result<&Self::Table, StoreError> {
        let cell = &self.tables[usize::from(tag)];
        if let Some(table) = cell.get() {
            return Ok(table);
        }
        let table = self.txn.open_table(definition(tag))?;
        // Another reader may have been as quick.
        Ok(cell.get_or_init(|| table))
    }
}

impl Read for Arc<Snapshot> {
    type Table = ReadOnlyTable<Bytes, Bytes>;

    fn table(&self, tag: u8) -> Result<&Self::Table, StoreError> {
        Snapshot::table(self, tag)
    }
}

/// The transaction of a batch: what one use-case of the batch writes, the next one reads.
pub struct Transaction<'t> {
    txn: &'t WriteTransaction,
    tables: [OnceCell<Table<'t, Bytes, Bytes>>; NAMES.len()],
    writes: u64,
    changes: Changes,
    mark: Option<u64>,
    #[cfg(test)]
    pub forgets_replies: bool,
}

impl<'t> Transaction<'t> {
    pub fn new(txn: &'t WriteTransaction) -> Self {
        Self::keeping(Changes::Unkept, txn)
    }

    /// One that adds every row it changes to these.
    pub fn keeping(changes: Changes, txn: &'t WriteTransaction) -> Self {
        Self {
            txn,
            tables: [const { OnceCell::new() }; NAMES.len()],
            writes: 0,
            changes,
            mark: None,
            #[cfg(test)]
            forgets_replies: false,
        }
    }

    /// A random number of this transaction.
    pub fn mark(&mut self) -> Result<u64, StoreError> {
        if self.mark.is_none() {
            self.mark = Some(getrandom::u64().map_err(StoreError::not_written)?);
        }
        Ok(self.mark.unwrap_or_default())
    }

    /// Rows written or removed so far; unchanged means that nothing was.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// The rows that were changed, if they were to be kept.
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// Makes every table, so that a snapshot of a new store finds them.
    pub fn open_all(&self) -> Result<(), StoreError> {
        for tag in (0..).take(NAMES.len()) {
            self.table(tag)?;
        }
        Ok(())
    }

    pub fn put<K: Key, R: Serialize>(
        &mut self,
        rows: &Rows<K, R>,
        key: &K,
        row: &R,
    ) -> Result<(), StoreError> {
        let key = key_bytes(key);
        let record = codec::encode(rows.kind, &key, row);
        self.change(Change {
            table: rows.kind.table,
            key: &key,
            record: Some(&record),
        })
    }

    pub fn remove<K: Key, R>(&mut self, rows: &Rows<K, R>, key: &K) -> Result<(), StoreError> {
        let key = key_bytes(key);
        self.change(Change {
            table: rows.kind.table,
            key: &key,
            record: None,
        })
    }

    /// Makes the changes of a batch again.
    pub fn redo(&mut self, batch: &[u8], sequence: u64) -> Result<(), StoreError> {
        for change in changes::read(batch) {
            let change = change.filter(|change| change.table < Snapshot::TABLES);
            let unreadable = || StoreError::opening(LogDamage::Unreadable(sequence));
            self.change(change.ok_or_else(unreadable)?)?;
        }
        Ok(())
    }

    /// The one place where a row is written or removed.
    fn change(&mut self, change: Change<'_>) -> Result<(), StoreError> {
        self.writes += 1;
        self.changes.add(change);
        let table = self.table_mut(change.table)?;
        match change.record {
            Some(record) => table.insert(change.key, record)?,
            None => table.remove(change.key)?,
        };
        Ok(())
    }

    pub fn set_count(&mut self, counter: Counter, count: u64) -> Result<(), StoreError> {
        self.put(&COUNTERS, &counter, &count)
    }

    pub fn add_one(&mut self, counter: Counter) -> Result<(), StoreError> {
        let count = self.count(counter)?;
        self.set_count(counter, count + 1)
    }

    pub fn take_one(&mut self, counter: Counter) -> Result<(), StoreError> {
        let count = self.count(counter)?;
        let less = count
            .checked_sub(1)
            .ok_or_else(|| StoreError::missing(COUNTERS.name, &key_bytes(&counter)))?;
        self.set_count(counter, less)
    }

    /// For a counter whose subject is gone.
    pub fn forget_count(&mut self, counter: Counter) -> Result<(), StoreError> {
        self.remove(&COUNTERS, &counter)
    }

    fn table_mut(&mut self, tag: u8) -> Result<&mut Table<'t, Bytes, Bytes>, StoreError> {
        self.table(tag)?;
        let table = self.tables[usize::from(tag)].get_mut();
        Ok(table.expect("opened on the line above"))
    }
}

impl<'t> Read for Transaction<'t> {
    type Table = Table<'t, Bytes, Bytes>;

    /// Opened at first use, once a batch.
    fn table(&self, tag: u8) -> Result<&Self::Table, StoreError> {
        let cell = &self.tables[usize::from(tag)];
        if let Some(table) = cell.get() {
            return Ok(table);
        }
        let table = self.txn.open_table(definition(tag))?;
        Ok(cell.get_or_init(|| table))
    }
}
