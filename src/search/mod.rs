//! Search: which products a customer's words mean, best first, as fresh as the store.
//!
//! tantivy keeps the index on the disk: its dictionaries and its postings. How words match and how
//! products rank is ours (`rank`), and so is what changed in the last second (`follow`).

mod disk;
mod follow;
mod part;
mod rank;
mod schema;
mod suggest;
mod synonyms;
mod vocabulary;
mod words;

#[cfg(test)]
mod damage;
#[cfg(any(test, fuzzing))]
pub mod hard;
#[cfg(test)]
mod tests;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering as Atomic;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::shop::products::{Filter, Ordering};
use crate::store::{PageAsk, Store, StoreError};
pub use follow::Checked;
use follow::{FollowError, Follower};
use rank::RankError;
use synonyms::Synonyms;

pub use rank::{Facets, Found, PRICE_STEPS};

/// The index's folder and the shop owner's file in the data folder.
const FOLDER: &str = "index";
const SYNONYMS: &str = "synonyms.txt";

/// How long one search may take. The widest, one letter in 200,000 products, takes some 30 ms.
const DEADLINE: Duration = Duration::from_secs(2);

/// The search, open. Cheap to clone.
#[derive(Clone)]
pub struct Search {
    follower: Arc<Follower>,
    synonyms: Arc<Synonyms>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The index is being built or has fallen behind; the store can still be scanned.
    #[error("the index is not ready")]
    NotReady,
    #[error("the search took too long")]
    TooSlow,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Follow(#[from] FollowError),
}

/// How far a build of the index has come, in products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    pub done: u64,
    pub total: u64,
}

impl Search {
    /// Opens the search over a shop's products. The index is brought up to date in the
    /// background; `is_ready` says when it is.
    pub fn open(data_dir: &Path, store: Store) -> io::Result<Self> {
        let search = Self::of(data_dir, store)?;
        let follower = Arc::clone(&search.follower);
        let thread = thread::Builder::new()
            .name("search follower".into())
            .spawn(move || follower.run())?;
        *search.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(search)
    }

    fn of(data_dir: &Path, store: Store) -> io::Result<Self> {
        Ok(Self {
            follower: Arc::new(Follower::new(store, data_dir.join(FOLDER))),
            synonyms: Arc::new(Synonyms::load(&data_dir.join(SYNONYMS))?),
            thread: Arc::default(),
        })
    }

    /// Builds the index anew from the store, telling how far it has come.
    pub fn rebuild(
        data_dir: &Path,
        store: Store,
        mut tell: impl FnMut(Built),
    ) -> Result<Built, FollowError> {
        let follower = Follower::new(store, data_dir.join(FOLDER));
        thread::scope(|scope| {
            let building = scope.spawn(|| follower.build("it was asked for"));
            while !building.is_finished() {
                tell(built(&follower));
                thread::sleep(Duration::from_millis(50));
            }
            match building.join() {
                Ok(built) => built.map(|_| ()),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        tell(built(&follower));
        Ok(built(&follower))
    }

    /// How the index of a shop that is closed is; changes nothing.
    pub fn check(data_dir: &Path, store: &Store) -> Result<Checked, StoreError> {
        follow::check(&data_dir.join(FOLDER), store)
    }

    /// Whether searches are answered by the index.
    pub fn is_ready(&self) -> bool {
        self.follower.is_ready.load(Atomic::SeqCst)
    }

    pub fn built(&self) -> Built {
        built(&self.follower)
    }

    /// Whether a text has anything to look up: letters or digits.
    pub fn has_words(text: &str) -> bool {
        !words::of_query(text).is_empty()
    }

    /// A page of the products that match the filter's words, category and prices; every write
    /// that was answered before is in it. Work of 0.1 to 30 ms, for a thread that may take it.
    pub fn find(
        &self,
        filter: &Filter,
        ordering: Option<Ordering>,
        ask: PageAsk,
        facets: bool,
    ) -> Result<Found, SearchError> {
        let words = words::of_query(&filter.text);
        self.find_words(&words, filter, ordering, ask, facets)
    }

    fn find_words(
        &self,
        words: &[String],
        filter: &Filter,
        ordering: Option<Ordering>,
        ask: PageAsk,
        facets: bool,
    ) -> Result<Found, SearchError> {
        if !self.is_ready() || !self.follower.catch_up_soon()? {
            return Err(SearchError::NotReady);
        }
        let searched = catch_unwind(AssertUnwindSafe(|| {
            self.rank(words, filter, ordering, ask, facets)
        }));
        match searched {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(RankError::TooSlow)) => Err(SearchError::TooSlow),
            // Its files are not what they were: scan meanwhile, and have it looked at.
            Ok(Err(RankError::Index(_))) | Err(_) => {
                self.follower.is_ready.store(false, Atomic::SeqCst);
                Err(SearchError::NotReady)
            }
        }
    }

    fn rank(
        &self,
        words: &[String],
        filter: &Filter,
        ordering: Option<Ordering>,
        ask: PageAsk,
        facets: bool,
    ) -> Result<Found, RankError> {
        let state = self
            .follower
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let asked = rank::Asked {
            words,
            filter,
            ordering,
            after: ask.after,
            limit: ask.limit,
            facets,
            deadline: Instant::now() + DEADLINE,
        };
        rank::search(&state.parts(), &self.synonyms, &asked)
    }

    /// Memory of the index beside its mapped files, about.
    pub fn memory_bytes(&self) -> usize {
        let state = self
            .follower
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        state.parts().iter().map(|part| part.bytes()).sum()
    }

    /// Writes what is kept in memory to the disk and stops following; before the store is closed.
    pub fn close(&self) {
        self.follower.tell_to_stop();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join(); // A panic of it was logged by the hook.
        }
    }
}

fn built(follower: &Follower) -> Built {
    let [done, total] = &follower.built;
    Built {
        done: done.load(Atomic::Relaxed),
        total: total.load(Atomic::Relaxed),
    }
}
