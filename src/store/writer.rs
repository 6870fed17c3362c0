//! The one writer: a thread that runs waiting use-cases in one transaction, commits, and answers.
//!
//! Nobody hears yes before the commit returned. After a storage error nobody is answered from
//! that handle again: the file is reopened, strictly, while reads go on from the old one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::disk::Handle;
use super::redo;
use super::tables::Transaction;
use super::{Shared, StoreError};
use crate::causes::causes;

/// Use-cases that may wait; beyond it a caller is told at once to come again later. At 2,000
/// commits a second and some 64 asks in each, a full queue is worked off in well under a second.
pub const QUEUE_MAX: usize = 1_024;

/// Use-cases in one transaction: bounds what one failed commit takes with it.
const BATCH_MAX: usize = 256;

/// How long to wait before the next try when the file can't be reopened.
const REOPEN_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 250 });

/// It grows to this: verifying a large store again and again would take all of a core.
const REOPEN_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long readers of a replaced handle may take to finish.
const READERS_GRACE: Duration = Duration::from_secs(5);

pub enum Job {
    Ask(Box<dyn Ask>),
    Close,
}

/// A use-case on its way through the writer.
pub trait Ask: Send {
    fn run(&mut self, tx: &mut Transaction<'_>) -> Result<(), StoreError>;
    /// Tells the caller what became of it.
    fn answer(self: Box<Self>, fate: Result<(), StoreError>);
}

/// A closure, what it returned, and who waits for it.
pub struct Waiting<F, T> {
    use_case: Option<F>,
    returned: Option<T>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Waiting<F, T> {
    pub fn new(use_case: F, caller: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self {
            use_case: Some(use_case),
            returned: None,
            caller,
        }
    }
}

impl<F, T> Ask for Waiting<F, T>
where
    F: FnOnce(&mut Transaction<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Transaction<'_>) -> Result<(), StoreError> {
        let use_case = self.use_case.take().expect("a batch runs each ask once");
        self.returned = Some(use_case(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>) {
        let Self {
            returned, caller, ..
        } = *self;
        let answer = fate.and_then(|()| returned.ok_or(StoreError::Bug));
        let _ = caller.send(answer); // The caller may have hung up.
    }
}

/// Works until it is told to close or the store is gone.
pub fn run(shared: &Weak<Shared>, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut asks = Vec::new();
        let mut is_closing = take(job, &mut asks);
        while asks.len() < BATCH_MAX && !is_closing {
            let Ok(job) = queue.try_recv() else { break };
            is_closing = take(job, &mut asks);
        }
        let batch = catch_unwind(AssertUnwindSafe(|| run_batch(&shared, asks)));
        if is_closing {
            return turn_away(&mut queue);
        }
        let is_sound = batch.unwrap_or_else(|panic| {
            tracing::error!(panic = panic_text(&*panic), "the writer panicked");
            false
        });
        if !is_sound && !reopen(&shared, &mut queue) {
            return;
        }
    }
}

/// Tells who waits behind the last one, and who asks from now on.
fn turn_away(queue: &mut mpsc::Receiver<Job>) {
    queue.close();
    while let Ok(job) = queue.try_recv() {
        if let Job::Ask(ask) = job {
            ask.answer(Err(StoreError::Closing));
        }
    }
}

/// Says whether the job was the last one.
fn take(job: Job, asks: &mut Vec<Box<dyn Ask>>) -> bool {
    match job {
        Job::Ask(ask) => asks.push(ask),
        Job::Close => return true,
    }
    false
}

/// Says whether the store is sound: if not, it must be reopened.
fn run_batch(shared: &Shared, mut asks: Vec<Box<dyn Ask>>) -> bool {
    if asks.is_empty() {
        return true;
    }
    let Some(handle) = shared.handle.load_full() else {
        answer_all(asks, &StoreError::Closing);
        return true;
    };
    if let Err(full) = shared.room() {
        for ask in asks {
            ask.answer(Err(full.clone()));
        }
        return true;
    }
    let txn = match handle.begin_write() {
        Ok(txn) => txn,
        Err(error) => {
            // Before anybody hears of it: who asks at once is told that it is being reopened.
            shared.is_writable.store(false, Ordering::SeqCst);
            answer_all(asks, &StoreError::not_written(error));
            return false;
        }
    };
    let mut fates = Vec::with_capacity(asks.len());
    let mut tx = Transaction::keeping(handle.changes(), &txn);
    #[cfg(test)]
    {
        tx.forgets_replies = shared.flaws.forgets_replies.load(Ordering::SeqCst);
    }
    for ask in &mut asks {
        let before = tx.writes();
        let fate = match catch_unwind(AssertUnwindSafe(|| ask.run(&mut tx))) {
            Ok(fate) => fate,
            Err(panic) => {
                tracing::error!(panic = panic_text(&*panic), "a use-case panicked");
                Err(StoreError::Bug)
            }
        };
        let is_sound = fate.is_ok() || tx.writes() == before;
        let is_broken = fate.as_ref().is_err_and(StoreError::is_storage);
        fates.push(fate);
        if is_sound && !is_broken {
            continue;
        }
        // Half of something is in the transaction: it must not be committed.
        drop(tx);
        let aborted = txn.abort();
        tracing::error!("a batch of {} was dropped", asks.len());
        let culprit = fates.pop().and_then(Result::err);
        let culprit = culprit.map(|error| {
            if is_broken {
                StoreError::not_written(error)
            } else {
                error
            }
        });
        let innocent = StoreError::Dropped;
        let is_sound = !is_broken && aborted.is_ok();
        shared.is_writable.store(is_sound, Ordering::SeqCst);
        for (place, ask) in asks.into_iter().enumerate() {
            let is_culprit = place == fates.len();
            let error = culprit.as_ref().filter(|_| is_culprit);
            ask.answer(Err(error.unwrap_or(&innocent).clone()));
        }
        return is_sound;
    }

    let wrote = tx.writes() > 0;
    let changes = tx.into_changes();
    #[cfg(test)]
    if shared.flaws.answers_early.load(Ordering::SeqCst) {
        for (ask, fate) in asks.drain(..).zip(fates.drain(..)) {
            ask.answer(fate);
        }
        thread::sleep(Duration::from_millis(2)); // Long enough to be heard.
    }
    // A batch of refusals has nothing to make durable.
    let committed = if wrote {
        handle.commit(txn, &changes, redo::now())
    } else {
        txn.abort().map_err(StoreError::not_written)
    };
    if let Err(error) = committed {
        shared.is_writable.store(false, Ordering::SeqCst);
        answer_all(asks, &error);
        return false;
    }
    shared.views.renew();
    // From here on whoever reads sees it.
    for (ask, fate) in asks.into_iter().zip(fates) {
        ask.answer(fate);
    }
    // Nobody waits for this but who asks next; what was answered is in the log until it is done.
    if let Err(error) = handle.checkpoint() {
        shared.is_writable.store(false, Ordering::SeqCst);
        tracing::error!(causes = causes(&error), "a checkpoint failed");
        return false;
    }
    true
}

fn answer_all(asks: Vec<Box<dyn Ask>>, error: &StoreError) {
    tracing::error!(causes = causes(error), "{} writes failed", asks.len());
    for ask in asks {
        ask.answer(Err(error.clone()));
    }
}

/// Tries until the file is open again, or the store is told to close: then `false`. Reads go on
/// meanwhile from the old handle; writes are refused.
fn reopen(shared: &Shared, queue: &mut mpsc::Receiver<Job>) -> bool {
    shared.is_writable.store(false, Ordering::SeqCst);
    if let Some(broken) = shared.handle.load_full() {
        broken.retire();
    }
    let mut pause = REOPEN_PAUSE;
    loop {
        while let Ok(job) = queue.try_recv() {
            match job {
                Job::Ask(ask) => ask.answer(Err(StoreError::Reopening)),
                Job::Close => {
                    turn_away(queue);
                    return false;
                }
            }
        }
        // After an error redb does not even read what it has not in memory: readers get a handle
        // that nothing can go wrong with.
        match Handle::open_to_read(&shared.media, shared.cache_bytes) {
            Ok(handle) => put_in_place(shared, handle),
            Err(error) => {
                tracing::error!(
                    causes = causes(&error),
                    "the store can't be opened to be read"
                );
            }
        }
        match shared.open() {
            Ok(handle) => {
                put_in_place(shared, handle);
                shared.is_writable.store(true, Ordering::SeqCst);
                tracing::warn!("the store was reopened and takes writes again");
                return true;
            }
            Err(error) => {
                tracing::error!(causes = causes(&error), "the store can't be reopened yet");
                thread::sleep(pause);
                pause = (pause * 2).min(REOPEN_PAUSE_MAX);
            }
        }
    }
}

/// Lets readers have a new handle, and waits for those who still read from the one before: new
/// pages may only replace old ones when nobody reads those any more. A backup that takes longer
/// reads on, and finds out by the checksum of each record if it read a page that was replaced.
fn put_in_place(shared: &Shared, handle: Handle) {
    let Some(old) = shared.handle.swap(Some(Arc::new(handle))) else {
        return;
    };
    shared.views.renew();
    old.retire();
    let deadline = Instant::now() + READERS_GRACE;
    while Arc::strong_count(&old) > 1 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("(no message)")
}
