//! Priority: work that may take its time steps back behind what somebody waits for.

use std::time::{Duration, Instant};

/// How far a thread steps back: its `nice` value, which on Linux each thread has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepBack {
    /// Nobody waits for it: it gets a seventieth of what an ordinary thread gets, and all that
    /// is idle.
    Far,
    /// One client waits for tens of milliseconds of work, many others for microseconds: it gets
    /// a third of what an ordinary thread gets.
    Little,
}

/// Work that rests between stretches: it takes about a quarter of the time, and leaves the rest,
/// memory and disk too, to others.
#[derive(Debug)]
pub struct Pace(Instant);

/// Shorter work needs no rest yet.
const STRETCH: Duration = Duration::from_millis(2);
/// The longest rest: a thread that was kept waiting did not work all that time.
const REST_MAX: Duration = Duration::from_millis(50);

impl Default for Pace {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Pace {
    pub fn rest(&mut self) {
        let worked = self.0.elapsed();
        if worked >= STRETCH {
            std::thread::sleep((worked * 3).min(REST_MAX));
            self.0 = Instant::now();
        }
    }
}

/// Steps back for the rest of this thread's life, which has no work but this.
pub fn step_back(how_far: StepBack) {
    let nice = match how_far {
        StepBack::Far => 19,
        StepBack::Little => 5,
    };
    let this = rustix::thread::gettid();
    // Where it is not allowed, the work only takes more from the others.
    let _ = rustix::process::setpriority_process(Some(this), nice);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_worked_rests_longer_and_who_did_not_does_not() {
        let mut pace = Pace::default();
        let began = Instant::now();
        std::thread::sleep(STRETCH * 3);
        pace.rest();
        assert!(began.elapsed() >= STRETCH * 12, "{:?}", began.elapsed());
        let worked_long_ago = Instant::now().checked_sub(Duration::from_hours(1));
        let mut pace = Pace(worked_long_ago.unwrap_or_else(Instant::now));
        let began = Instant::now();
        pace.rest();
        assert!(began.elapsed() < REST_MAX * 20, "{:?}", began.elapsed());
    }
}
