//! Pages of a list: keyset pagination, the same cost however deep.

use super::StoreError;
use super::tables::{Key, Read, Rows};
use crate::shop::ids::{CategoryId, CommentId, OrderId, ProductId, UserId};

/// Where a page begins: after this place of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What the list is ordered by before the id; 0 in lists ordered by id alone.
    pub rank: i128,
    pub id: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct PageAsk {
    pub after: Option<Place>,
    pub limit: usize,
}

#[derive(Clone, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// The place of the last row, when more follow.
    pub next: Option<Place>,
    /// Rows in the whole list.
    pub total: u64,
}

impl<T> Page<T> {
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(convert).collect(),
            next: self.next,
            total: self.total,
        }
    }
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    OldestFirst,
    NewestFirst,
}

/// A key of which the last part is the id that orders the list.
pub trait Listed: Key {
    fn id(&self) -> u64;
}

macro_rules! listed_ids {
    ($($id:ty),*) => {$(
        impl Listed for $id {
            fn id(&self) -> u64 {
                self.0
            }
        }
    )*};
}

listed_ids!(UserId, CategoryId, ProductId, CommentId, OrderId);

impl<A: Key, B: Listed> Listed for (A, B) {
    fn id(&self) -> u64 {
        self.1.id()
    }
}

/// One page of a table or of the part of it between `key(0)` and `key(u64::MAX)`; `fill` makes
/// each entry a row of the list.
pub fn page<V: Read, K: Listed, R: serde::de::DeserializeOwned, T>(
    view: &V,
    rows: &'static Rows<K, R>,
    key: impl Fn(u64) -> K,
    direction: Direction,
    ask: PageAsk,
    total: u64,
    mut fill: impl FnMut(K, R) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    // Ids begin at 1 and never reach the maximum, so neither bound hides a row.
    let after = ask.after.map(|place| place.id);
    let (first, last) = match direction {
        Direction::OldestFirst => (after.map_or(0, |id| id.saturating_add(1)), u64::MAX),
        Direction::NewestFirst => (0, after.map_or(u64::MAX, |id| id.saturating_sub(1))),
    };
    let mut range = view.range(rows, key(first)..=key(last))?;
    let mut next_entry = || match direction {
        Direction::OldestFirst => range.next(),
        Direction::NewestFirst => range.next_back(),
    };

    let mut page = Page {
        rows: Vec::new(),
        next: None,
        total,
    };
    let mut last_id = 0;
    while let Some(entry) = next_entry() {
        let (key, row) = entry?;
        if page.rows.len() == ask.limit {
            page.next = Some(Place {
                rank: 0,
                id: last_id,
            });
            break;
        }
        last_id = key.id();
        page.rows.push(fill(key, row)?);
    }
    Ok(page)
}
