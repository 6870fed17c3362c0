//! The outbox: changes of products in commit order, for an index to follow.

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::tables::{Counter, OUTBOX, Read, Transaction};
use crate::shop::ids::ProductId;

/// Changes kept. A follower that is further behind reads the products from the start instead.
const KEPT: u64 = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProductChange {
    /// Made or edited: read it from the store.
    Put(ProductId),
    Gone(ProductId),
}

impl Transaction<'_> {
    /// Notes a change under the next sequence, in the transaction that makes it.
    pub(super) fn note(&mut self, change: ProductChange) -> Result<(), StoreError> {
        let sequence = self.count(Counter::LastOutbox)? + 1;
        self.set_count(Counter::LastOutbox, sequence)?;
        self.put(&OUTBOX, &sequence, &change)?;
        if let Some(forgotten) = sequence.checked_sub(KEPT) {
            self.remove(&OUTBOX, &forgotten)?;
        }
        Ok(())
    }
}
