//! The pulse of a connection with many requests at once: when it has been still for too long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How many requests are under way.
#[derive(Debug)]
pub struct Pulse(watch::Sender<usize>);

/// A request that is under way.
#[derive(Debug)]
pub struct Beat(Arc<Pulse>);

impl Default for Pulse {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Pulse {
    pub fn begin(self: &Arc<Self>) -> Beat {
        self.0.send_modify(|under_way| *under_way += 1);
        Beat(Arc::clone(self))
    }

    /// Waits until no request came for so long, the first one or the next, and none is under way.
    pub async fn until_still(&self, first: Duration, next: Duration) {
        let mut changes = self.0.subscribe();
        let mut patience = first;
        loop {
            let waited = timeout(patience, changes.changed()).await;
            let under_way = *changes.borrow_and_update();
            if waited.is_err() && under_way == 0 {
                return;
            }
            patience = next;
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.0.send_modify(|under_way| *under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const FIRST: Duration = Duration::from_secs(5);
    const NEXT: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn who_never_asks_is_left_soon_and_who_asked_later() {
        let pulse = Arc::<Pulse>::default();
        let began = Instant::now();
        pulse.until_still(FIRST, NEXT).await;
        assert_eq!(began.elapsed(), FIRST);

        let began = Instant::now();
        let asking = Arc::clone(&pulse);
        tokio::spawn(async move {
            sleep(Duration::from_secs(4)).await;
            drop(asking.begin()); // Answered before anybody looks.
            sleep(Duration::from_secs(59)).await;
            let (slow, quick) = (asking.begin(), asking.begin());
            drop(quick);
            sleep(Duration::from_mins(10)).await;
            drop(slow);
        });
        pulse.until_still(FIRST, NEXT).await;
        assert_eq!(began.elapsed().as_secs(), 4 + 59 + 600 + 60);
    }
}
