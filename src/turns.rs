//! Turns: a few at work, a bounded number waiting, everybody else told at once to come again.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A queue in front of heavy work. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Turns {
    /// Those at work and those who wait.
    places: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// Given back when dropped. It goes into the work itself, so that a caller who hangs up frees it
/// only when the work is over.
#[derive(Debug)]
pub struct Turn {
    _running: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many are waiting")]
pub struct Busy;

impl Turns {
    pub fn new(running_max: usize, waiting_max: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(running_max + waiting_max)),
            running: Arc::new(Semaphore::new(running_max)),
        }
    }

    pub async fn take(&self) -> Result<Turn, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        Ok(Turn {
            _running: running.expect("the semaphore is never closed"),
            _place: place,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{Busy, Turns};

    /// Asked for once and not got yet.
    macro_rules! assert_waits {
        ($turn:expr) => {
            assert!($turn.as_mut().now_or_never().is_none(), "it waits");
        };
    }

    #[tokio::test]
    async fn who_finds_no_place_is_told_and_who_leaves_frees_one() {
        let turns = Turns::new(1, 1);
        let first = turns.take().await.expect("a turn");
        let mut second = Box::pin(turns.take());
        assert_waits!(second);
        assert_eq!(turns.take().await.map(|_| ()), Err(Busy));
        drop(second); // Who hangs up while waiting leaves no ghost behind.
        let mut third = Box::pin(turns.take());
        assert_waits!(third);
        drop(first);
        assert!(third.await.is_ok());
    }
}
