//! The view that readers share: one snapshot, until there is something newer to be read.
//!
//! Opening a snapshot and its tables costs more than reading a product from it. Whoever changes
//! what is to be read says so before anybody is answered (`renew`), so no view is older than an
//! answer; and none is kept longer than it is the latest, for redb can't use the pages again that
//! one shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::StoreError;
use super::tables::Snapshot;

pub type View = Arc<Snapshot>;

/// The latest view, if anybody asked for it yet.
#[derive(Default)]
pub struct Views {
    /// Counts what there was to be read anew: batches, and other handles.
    age: AtomicU64,
    shared: ArcSwapOption<Aged>,
}

struct Aged {
    age: u64,
    view: View,
}

impl Views {
    /// One consistent moment, not before the last batch that was answered.
    pub fn latest(
        &self,
        open: impl FnOnce() -> Result<Snapshot, StoreError>,
    ) -> Result<View, StoreError> {
        let age = self.age.load(Ordering::SeqCst);
        if let Some(aged) = self.shared.load().as_ref().filter(|aged| aged.age == age) {
            return Ok(Arc::clone(&aged.view));
        }
        let view = Arc::new(open()?);
        let aged = Aged {
            age,
            view: Arc::clone(&view),
        };
        self.shared.store(Some(Arc::new(aged)));
        // It may be the one from before by now, which whoever renewed could not take away yet.
        if self.age.load(Ordering::SeqCst) != age {
            self.shared.store(None);
        }
        Ok(view)
    }

    /// Whoever asks from now on sees what is there now, and nothing is kept of before.
    pub fn renew(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
        self.shared.store(None);
    }
}
