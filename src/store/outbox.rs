//! The outbox: changes of products in commit order, for an index to follow.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::tables::{Counter, OUTBOX, PRODUCTS, Read, Transaction};
use super::{Store, StoreError};
use crate::shop::ids::ProductId;
use crate::shop::products::Product;

/// Changes kept. A follower that is further behind reads the products from the start instead.
const KEPT: u64 = if cfg!(test) { 600 } else { 65_536 };

/// A row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    pub change: ProductChange,
    /// A random number. A store that was put back to an earlier day and went on from there has
    /// another one under the same sequence.
    pub mark: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProductChange {
    /// Made or edited: read it from the store.
    Put(ProductId),
    Gone(ProductId),
}

/// Products that changed in a stretch of the outbox, each once and as it is now.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub put: Vec<Product>,
    pub gone: Vec<ProductId>,
    /// The sequence of the last of them.
    pub last: u64,
}

impl Store {
    /// A number that no other store has: sequences of one mean nothing in another.
    pub fn identity(&self) -> Result<u64, StoreError> {
        self.snapshot()?.count(Counter::Identity)
    }

    /// The sequence of the last change of a product; 0 before the first.
    pub fn last_change(&self) -> Result<u64, StoreError> {
        self.snapshot()?.count(Counter::LastOutbox)
    }

    /// What tells this change from another store's of the same sequence; `None` when it is
    /// forgotten or was never made.
    pub fn mark_of(&self, sequence: u64) -> Result<Option<u64>, StoreError> {
        let noted: Option<Noted> = self.snapshot()?.get(&OUTBOX, &sequence)?;
        Ok(noted.map(|noted| noted.mark))
    }

    /// The next changes after a sequence, at most so many; `None` when they are forgotten.
    pub fn changes_after(&self, sequence: u64, max: usize) -> Result<Option<Changes>, StoreError> {
        let view = self.snapshot()?;
        let mut changed = BTreeSet::new();
        let mut last = sequence;
        for entry in view.range(&OUTBOX, sequence + 1..)?.take(max) {
            let (at, Noted { change, .. }) = entry?;
            if at != last + 1 {
                return Ok(None);
            }
            last = at;
            changed.insert(match change {
                ProductChange::Put(id) | ProductChange::Gone(id) => id,
            });
        }
        if last == sequence && view.count(Counter::LastOutbox)? > sequence {
            return Ok(None);
        }
        let mut changes = Changes {
            last,
            ..Changes::default()
        };
        for id in changed {
            match view.get(&PRODUCTS, &id)? {
                Some(product) => changes.put.push(product),
                None => changes.gone.push(id),
            }
        }
        Ok(Some(changes))
    }
}

impl Transaction<'_> {
    /// Notes a change under the next sequence, in the transaction that makes it.
    pub(super) fn note(&mut self, change: ProductChange) -> Result<(), StoreError> {
        let sequence = self.count(Counter::LastOutbox)? + 1;
        self.set_count(Counter::LastOutbox, sequence)?;
        let mark = self.mark()?;
        self.put(&OUTBOX, &sequence, &Noted { change, mark })?;
        if let Some(forgotten) = sequence.checked_sub(KEPT) {
            self.remove(&OUTBOX, &forgotten)?;
        }
        Ok(())
    }
}
