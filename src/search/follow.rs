//! Following the store: the index on the disk is brought up to date once, then what changes is
//! kept in memory and written to it once a second.
//!
//! A change is in memory before anybody can miss it: a search first asks the store for its last
//! change, and takes in what it has not seen. So a product is found when its write was answered,
//! without a commit of the index for each write. Kept changes have two generations: the young one
//! takes in, the old one is on its way to the disk and still searched.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tantivy::TantivyError;
use tantivy::index::SegmentId;

use super::disk::{BuildError, Change, DiskIndex, Segments, Unusable};
use super::part::{Part, cents};
use super::schema::Progress;
use crate::causes::causes;
use crate::shop::ids::ProductId;
use crate::store::{Changes, Store, StoreError};

/// How often changes are written to the disk.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Changes taken in while searches wait: about 10 ms of work.
const TAKEN_AT_ONCE: usize = 200;

/// Changes that a search takes in by itself. Beyond that the follower has fallen behind, and
/// searches scan the store until it has caught up.
const BEHIND_MAX: u64 = 5_000;

/// How long to wait after the disk refused a commit.
const RETRY_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("the index can't be written or read")]
    Index(#[from] TantivyError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error("the store forgot what changed since the index was written, or was put back")]
    Forgotten,
    #[error("the index is damaged")]
    Damaged,
    #[error("the follower panicked")]
    Panicked,
}

pub struct Follower {
    pub store: Store,
    folder: PathBuf,
    pub state: RwLock<State>,
    pub is_ready: AtomicBool,
    /// Products taken in while the index is built, and how many there are.
    pub built: [AtomicU64; 2],
    stopping: Mutex<bool>,
    stop: Condvar,
}

/// What is searched.
#[derive(Default)]
pub struct State {
    pub segments: Segments,
    pub old: Generation,
    pub young: Generation,
    /// The last change that is in.
    pub sequence: u64,
}

/// Changes of a while: the products that changed, and those that are still there.
#[derive(Default)]
pub struct Generation {
    pub part: Part,
    ids: HashSet<ProductId>,
}

impl State {
    /// The parts on the disk, and nothing that changed since.
    fn of(segments: Vec<(SegmentId, Option<Part>)>, sequence: u64) -> Self {
        let segments = segments
            .into_iter()
            .filter_map(|(id, part)| Some((id, part?)));
        Self {
            segments: segments.collect(),
            sequence,
            ..Self::default()
        }
    }

    pub fn parts(&self) -> Vec<&Part> {
        let segments = self.segments.iter().map(|(_, part)| part);
        segments.chain([&self.old.part, &self.young.part]).collect()
    }

    fn take_in(&mut self, change: &Change) {
        let id = match change {
            Change::Put(product) => product.id,
            Change::Gone(id) => *id,
        };
        for (_, part) in &mut self.segments {
            part.kill(id);
        }
        self.old.part.kill(id);
        self.young.part.kill(id);
        self.young.ids.insert(id);
        if let Change::Put(product) = change {
            self.young.part.insert(product);
        }
    }
}

impl Follower {
    pub fn new(store: Store, folder: PathBuf) -> Self {
        Self {
            store,
            folder,
            state: RwLock::default(),
            is_ready: AtomicBool::new(false),
            built: [AtomicU64::new(0), AtomicU64::new(0)],
            stopping: Mutex::new(false),
            stop: Condvar::new(),
        }
    }

    /// Follows until told to stop.
    pub fn run(&self) {
        loop {
            let followed = catch_unwind(AssertUnwindSafe(|| {
                self.open().and_then(|disk| self.keep_up(&disk))
            }));
            match followed.unwrap_or(Err(FollowError::Panicked)) {
                Ok(()) | Err(FollowError::Store(StoreError::Closing)) => return,
                Err(error) => {
                    self.is_ready.store(false, Ordering::SeqCst);
                    tracing::error!(
                        causes = causes(&error),
                        "the search index can't follow; searches scan the store meanwhile"
                    );
                }
            }
            if self.wait(RETRY_AFTER) {
                return;
            }
        }
    }

    pub fn tell_to_stop(&self) {
        *self.stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.notify_all();
    }

    /// Says whether it is time to stop.
    fn wait(&self, time: Duration) -> bool {
        let stopping = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .stop
            .wait_timeout_while(stopping, time, |stopping| !*stopping);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn progress(&self, sequence: u64) -> Result<Progress, FollowError> {
        let mark = self.store.mark_of(sequence)?.unwrap_or_default();
        Ok(Progress::new(self.store.identity()?, sequence, mark))
    }

    /// Opens the index, or builds it anew, and brings it up to date with the store.
    pub fn open(&self) -> Result<DiskIndex, FollowError> {
        // Damage may hit where tantivy does not expect any.
        let reopened = catch_unwind(AssertUnwindSafe(|| self.reopen()));
        let (disk, state) = match reopened.unwrap_or(Err(FollowError::Panicked)) {
            Ok(reopened) => reopened,
            // Not the index's fault: a new one would meet the same.
            Err(error @ (FollowError::Store(_) | FollowError::Index(TantivyError::IoError(_)))) => {
                return Err(error);
            }
            Err(error) => {
                let (disk, sequence) = self.build(&error.to_string())?;
                let state = State::of(disk.segments(&[])?, sequence);
                (disk, state)
            }
        };
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        self.is_ready.store(true, Ordering::SeqCst);
        Ok(disk)
    }

    /// Opens the index that is there, and brings it up to date with the store.
    fn reopen(&self) -> Result<(DiskIndex, State), FollowError> {
        let (disk, progress) = DiskIndex::open(&self.folder, self.store.identity()?)?;
        let sequence = self.write_missed(&disk, progress)?;
        let state = State::of(disk.segments(&[])?, sequence);
        let alive: usize = state.segments.iter().map(|(_, part)| part.alive()).sum();
        // What tantivy notes of its segments has no checksum, so they are counted, unless the shop
        // has changed meanwhile: asked in this order, an unchanged shop had so many.
        let products = self.store.product_count()?;
        if alive as u64 != products && self.store.last_change()? == sequence {
            return Err(FollowError::Damaged);
        }
        Ok((disk, state))
    }

    /// Builds the index from the store's products.
    pub fn build(&self, why: &str) -> Result<(DiskIndex, u64), FollowError> {
        let began = Instant::now();
        let products = self.store.product_count()?;
        tracing::info!(why, products, "building the search index");
        self.built[1].store(products, Ordering::Relaxed);
        let disk = DiskIndex::create(&self.folder)?;
        let sequence = self.store.last_change()?;
        let progress = self.progress(sequence)?;
        let mut done = 0_u64;
        disk.write(progress, true, |write| {
            // Products that change meanwhile are put in as they are and met again as changes.
            self.store.each_product(|listed| {
                done += 1;
                self.built[0].store(done, Ordering::Relaxed);
                if done.is_multiple_of(20_000) {
                    tracing::info!("{done} of {products} products are in the search index");
                }
                if *self.stopping.lock().unwrap_or_else(PoisonError::into_inner) {
                    return Err(StoreError::Closing.into()); // The next start begins again.
                }
                write(Change::Put(listed.product))
            })
        })
        .map_err(|error: FollowError| error)?;
        let seconds = began.elapsed().as_secs_f32();
        tracing::info!(products = done, seconds, "the search index is built");
        Ok((disk, sequence))
    }

    /// Writes what the store changed since, and says up to where.
    fn write_missed(&self, disk: &DiskIndex, progress: Progress) -> Result<u64, FollowError> {
        let mut sequence = progress.sequence;
        let last = self.store.last_change()?;
        // A store that was put back has no such change, or another one of that number.
        if sequence > 0 && self.store.mark_of(sequence)? != Some(progress.mark) {
            return Err(FollowError::Forgotten);
        }
        if sequence >= last {
            return Ok(sequence);
        }
        tracing::info!(missed = last - sequence, "the search index catches up");
        disk.write(self.progress(last)?, true, |write| {
            while sequence < last {
                let Some(changes) = self.store.changes_after(sequence, TAKEN_AT_ONCE)? else {
                    return Err(FollowError::Forgotten); // Nothing of this is committed.
                };
                sequence = changes.last;
                for change in each_change(changes) {
                    write(change)?;
                }
            }
            Ok::<_, FollowError>(())
        })?;
        // The store may have gone on: what came after `last` is met again, which does no harm.
        Ok(last)
    }

    fn keep_up(&self, disk: &DiskIndex) -> Result<(), FollowError> {
        loop {
            let is_stopping = self.wait(COMMIT_EVERY);
            if !self.is_ready.load(Ordering::SeqCst) {
                return Err(FollowError::Damaged); // A search met it; look at all of it.
            }
            self.catch_up(u64::MAX)?;
            self.commit(disk)?;
            if is_stopping {
                return Ok(());
            }
        }
    }

    /// Takes in every change that the store has answered by now, unless there are more than
    /// `behind_max`; then `false`.
    pub fn catch_up(&self, behind_max: u64) -> Result<bool, FollowError> {
        let last = self.store.last_change()?;
        loop {
            let seen = self
                .state
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .sequence;
            if seen >= last {
                return Ok(true);
            }
            if last - seen > behind_max {
                return Ok(false);
            }
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let Some(changes) = self.store.changes_after(state.sequence, TAKEN_AT_ONCE)? else {
                drop(state);
                // The next look at the index finds it too far behind, and builds it anew.
                self.is_ready.store(false, Ordering::SeqCst);
                return Err(FollowError::Forgotten);
            };
            let sequence = changes.last;
            for change in each_change(changes) {
                state.take_in(&change);
            }
            state.sequence = sequence;
        }
    }

    /// As `catch_up`, for a search that waits for it.
    pub fn catch_up_soon(&self) -> Result<bool, FollowError> {
        self.catch_up(BEHIND_MAX)
    }

    /// Writes what is kept in memory to the disk and lets go of it.
    fn commit(&self, disk: &DiskIndex) -> Result<(), FollowError> {
        let (ids, sequence, known) = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if state.young.ids.is_empty() && state.old.ids.is_empty() {
                return Ok(());
            }
            state.old = std::mem::take(&mut state.young);
            let ids: Vec<_> = state.old.ids.iter().copied().collect();
            let known: Vec<_> = state.segments.iter().map(|(id, _)| *id).collect();
            (ids, state.sequence, known)
        };
        let progress = self.progress(sequence)?;
        disk.write(progress, false, |write| {
            for id in ids {
                // As it is now, which may be later than `sequence`: then it is met again.
                write(match self.store.product(id)? {
                    Some(listed) => Change::Put(listed.product),
                    None => Change::Gone(id),
                })?;
            }
            Ok::<_, FollowError>(())
        })?;
        let segments = disk.segments(&known)?;

        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut state.segments);
        for (id, part) in segments {
            let mut part = match part {
                Some(part) => part,
                None => match before.iter().position(|(known, _)| *known == id) {
                    Some(at) => before.swap_remove(at).1,
                    None => continue, // It was known a moment ago.
                },
            };
            for changed in &state.young.ids {
                part.kill(*changed);
            }
            state.segments.push((id, part));
        }
        state.old = Generation::default();
        Ok(())
    }
}

/// Findings told one by one.
const TOLD_MAX: usize = 20;

/// How an index is, seen from its store.
#[derive(Debug)]
pub enum Checked {
    /// There is none; the next start builds it.
    Missing,
    /// It has some catching up to do, and will at the next start.
    Behind,
    /// It was compared: damage, or products that it knows otherwise than the store.
    Compared(Vec<String>),
}

pub fn check(folder: &Path, store: &Store) -> Result<Checked, StoreError> {
    let (disk, progress) = match DiskIndex::open(folder, store.identity()?) {
        Ok(opened) => opened,
        Err(Unusable::Missing) => return Ok(Checked::Missing),
        Err(unusable) => return Ok(Checked::Compared(vec![unusable.to_string()])),
    };
    if progress.sequence != store.last_change()? {
        return Ok(Checked::Behind);
    }
    let segments = match disk.segments(&[]) {
        Ok(segments) => segments,
        Err(error) => return Ok(Checked::Compared(vec![causes(&error)])),
    };
    let mut known = BTreeMap::new();
    for part in segments.iter().filter_map(|(_, part)| part.as_ref()) {
        known.extend(part.alive_rows());
    }
    let mut findings = Vec::new();
    store.each_product(|listed| {
        let product = listed.product;
        let row = (product.category, cents(&product), product.created_at);
        match known.remove(&product.id) {
            Some(known) if known == row => {}
            Some(_) => findings.push(format!("product {} is in it as it was", product.id.0)),
            None => findings.push(format!("product {} is missing", product.id.0)),
        }
        Ok::<_, StoreError>(())
    })?;
    findings.extend(
        known
            .keys()
            .map(|id| format!("product {} is in it and not in the shop", id.0)),
    );
    findings.truncate(TOLD_MAX);
    Ok(Checked::Compared(findings))
}

fn each_change(changes: Changes) -> impl Iterator<Item = Change> {
    let gone = changes.gone.into_iter().map(Change::Gone);
    changes.put.into_iter().map(Change::Put).chain(gone)
}
