//! Turns: a few at work, a bounded number waiting, everybody else told at once to come again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::priority::{StepBack, step_back};

/// A queue in front of heavy work. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Turns {
    /// Those at work and those who wait.
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
    heavy: Option<Heavy>,
}

/// Threads that stepped back, where heavy work is handed to. They stay: what each new one
/// would take from the allocator for tens of megabytes at a time is not given back.
#[derive(Clone, Debug)]
struct Heavy(mpsc::Sender<Work>);

type Work = Box<dyn FnOnce() + Send>;

/// A place in the queue: its holder may gather what the work needs, then do it.
#[derive(Debug)]
pub struct Place {
    running: Arc<Semaphore>,
    heavy: Option<Heavy>,
    held: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many are waiting")]
pub struct Busy;

/// The work panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work panicked")]
pub struct Panicked;

impl Turns {
    pub fn new(running_max: usize, waiting_max: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(running_max + waiting_max)),
            running: Arc::new(Semaphore::new(running_max)),
            heavy: None,
        }
    }

    /// For work of tens of milliseconds: it steps back behind everything else.
    pub fn heavy(running_max: usize, waiting_max: usize) -> Self {
        Self {
            heavy: Some(Heavy::of(running_max)),
            ..Self::new(running_max, waiting_max)
        }
    }

    pub fn place(&self) -> Result<Place, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        Ok(Place {
            running: Arc::clone(&self.running),
            heavy: self.heavy.clone(),
            held: place.map_err(|_| Busy)?,
        })
    }
}

impl Place {
    /// Waits for its turn, then works on a thread that may take its time. A caller who hangs up
    /// frees the turn only when the work is over.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let turn = self.running.acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let place = self.held;
        let work = move || {
            let _both = (turn, place);
            work()
        };
        if let Some(heavy) = self.heavy {
            return heavy.run(work).await;
        }
        let work = tokio::task::spawn_blocking(work);
        work.await.map_err(|_| Panicked)
    }
}

impl Heavy {
    /// So many threads, which end when nobody can hand them anything any more.
    fn of(threads: usize) -> Self {
        let (hand, handed) = mpsc::channel::<Work>();
        let handed = Arc::new(Mutex::new(handed));
        for _ in 0..threads {
            let handed = Arc::clone(&handed);
            let work = move || {
                step_back(StepBack::Little);
                loop {
                    let next = handed.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(work) = next else { return };
                    work();
                }
            };
            let thread = std::thread::Builder::new().name("heavy".into());
            if let Err(error) = thread.spawn(work) {
                tracing::error!(%error, "no thread can be started");
            }
        }
        Self(hand)
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (finish, finished) = oneshot::channel();
        let work = move || {
            let done = catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked);
            let _ = finish.send(done); // Whoever waited may have hung up.
        };
        self.0.send(Box::new(work)).map_err(|_| Panicked)?;
        finished.await.unwrap_or(Err(Panicked))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, Barrier, mpsc};

    use futures_util::FutureExt;

    use super::{Busy, Panicked, Turns};

    #[tokio::test]
    async fn who_finds_no_place_is_told_and_who_leaves_frees_one() {
        let turns = Turns::new(1, 1);
        let (finish, finished) = mpsc::channel::<()>();
        let first = turns.place().expect("a place").run(move || finished.recv());
        let first = tokio::spawn(first);
        tokio::task::yield_now().await; // It is at work.
        let second = turns.place().expect("another");
        assert_eq!(turns.place().map(|_| ()), Err(Busy));
        let mut waiting = Box::pin(second.run(|| ()));
        assert!(waiting.as_mut().now_or_never().is_none(), "it waits");
        drop(waiting); // Who hangs up while waiting leaves no ghost behind.
        let third = turns.place().expect("freed");
        drop(finish);
        assert_eq!(third.run(|| 3).await, Ok(3));
        assert!(first.await.is_ok());
    }

    #[tokio::test]
    async fn who_hangs_up_at_work_keeps_the_turn_until_it_is_done() {
        let turns = Turns::new(1, 0);
        let (finish, finished) = mpsc::channel::<()>();
        let mut first = Box::pin(turns.place().expect("a place").run(move || finished.recv()));
        assert!(first.as_mut().now_or_never().is_none());
        drop(first);
        assert_eq!(turns.place().map(|_| ()), Err(Busy));
        drop(finish);
        while turns.place().is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_turn() {
        for turns in [Turns::new(1, 0), Turns::heavy(1, 0)] {
            let panicked = turns
                .place()
                .expect("a place")
                .run(|| panic!("as asked"))
                .await;
            assert_eq!(panicked, Err::<(), _>(Panicked));
            assert_eq!(turns.place().expect("a place").run(|| 1).await, Ok(1));
        }
    }

    #[tokio::test]
    async fn heavy_work_keeps_to_its_threads() {
        let turns = Turns::heavy(2, 8);
        let mut threads = HashSet::new();
        for _ in 0..8 {
            let place = turns.place().expect("a place");
            let thread = place.run(|| std::thread::current().id()).await;
            threads.insert(thread.expect("no panic"));
        }
        assert!((1..=2).contains(&threads.len()), "{threads:?}");
        // Two at once, each waiting for the other.
        let both = Arc::new(Barrier::new(2));
        let meet = |both: Arc<Barrier>| turns.place().expect("a place").run(move || both.wait());
        let (first, second) = tokio::join!(meet(Arc::clone(&both)), meet(both));
        assert!(first.is_ok() && second.is_ok());
    }
}
