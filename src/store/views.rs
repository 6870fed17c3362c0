//! The view that readers share: one snapshot, until there is something newer to be read.
//!
//! Opening a snapshot and its tables costs more than reading a product from it. Whoever changes
//! what is to be read says so before anybody is answered (`renew`), so no view is older than an
//! answer; and none is kept longer than it is the latest, for redb can't use the pages again that
//! one shows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use super::StoreError;
use super::tables::Snapshot;

pub type View = Arc<Snapshot>;

/// Which state of the store is there to be read: a later one whenever anything was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(pub u64);

/// The latest view, if anybody asked for it yet.
#[derive(Default)]
pub struct Views {
    /// Counts what there was to be read anew: batches, and other handles.
    state: AtomicU64,
    shared: ArcSwapOption<Shared>,
    /// One opens at a time: of two that were opened in one state the later may show more.
    opening: Mutex<()>,
}

struct Shared {
    state: State,
    view: View,
}

impl Views {
    /// One consistent moment, not before the last batch that was answered.
    pub fn latest(
        &self,
        open: impl FnOnce() -> Result<Snapshot, StoreError>,
    ) -> Result<View, StoreError> {
        if let Some(view) = self.ready() {
            return Ok(view);
        }
        let _alone = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = self.ready() {
            return Ok(view);
        }
        let state = self.state();
        let view = Arc::new(open()?);
        let shared = Shared {
            state,
            view: Arc::clone(&view),
        };
        self.shared.store(Some(Arc::new(shared)));
        // It may be the one from before by now, which whoever renewed could not take away yet.
        if self.state() != state {
            self.shared.store(None);
        }
        Ok(view)
    }

    /// The one that is shared, if it is of this state.
    fn ready(&self) -> Option<View> {
        let state = self.state();
        let shared = self.shared.load();
        let shared = shared.as_ref().filter(|shared| shared.state == state)?;
        Some(Arc::clone(&shared.view))
    }

    pub fn state(&self) -> State {
        State(self.state.load(Ordering::SeqCst))
    }

    /// Whoever asks from now on sees what is there now, and nothing is kept of before.
    pub fn renew(&self) {
        self.state.fetch_add(1, Ordering::SeqCst);
        self.shared.store(None);
    }
}
