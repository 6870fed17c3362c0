//! Load: visitors who ask again as soon as they are answered (the closed loop), or at a fixed rate
//! whatever the server does (the open loop).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use super::process::Meter;
use super::scenario::{Questions, Scenario, Verdict, Visitor};

/// A server under load, and what can be asked of it.
pub struct Target {
    pub name: String,
    pub address: String,
    pub meter: Meter,
    pub questions: Arc<Questions>,
}

/// What was measured in one stretch of time.
#[derive(Clone, Debug)]
pub struct Measure {
    /// In microseconds.
    latencies: Histogram<u64>,
    pub done: u64,
    /// Refused, or the connection lost.
    pub failures: u64,
    /// How the first of them failed.
    pub failure: Option<String>,
    /// The first answer that was not what it should be.
    pub wrong: Option<String>,
    bytes: u64,
    took: Duration,
    cpu: Option<Duration>,
    pub resident: Option<u64>,
}

impl Measure {
    fn new() -> Self {
        let latencies = Histogram::new_with_bounds(1, 60_000_000, 3).expect("sound bounds");
        Self {
            latencies,
            done: 0,
            failures: 0,
            failure: None,
            wrong: None,
            bytes: 0,
            took: Duration::ZERO,
            cpu: None,
            resident: None,
        }
    }

    pub fn per_second(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64()
    }

    /// CPU time of the server for each that was done, in microseconds.
    pub fn cpu_us(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() * 1e6 / self.done.max(1) as f64)
    }

    /// Bytes of an answer's body, on average.
    pub fn bytes(&self) -> u64 {
        self.bytes / self.done.max(1)
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1e3
    }

    fn note(&mut self, latency: Duration, verdict: Result<Verdict, super::client::Lost>) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros.max(1));
        match verdict {
            Ok(Verdict::Good { bytes }) => {
                self.done += 1;
                self.bytes += bytes;
            }
            Ok(Verdict::Refused(status)) => {
                self.failures += 1;
                self.failure.get_or_insert_with(|| status.to_string());
            }
            Err(lost) => {
                self.failures += 1;
                self.failure.get_or_insert_with(|| lost.to_string());
            }
            Ok(Verdict::Wrong(what)) => {
                self.failures += 1;
                self.wrong.get_or_insert(what);
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.latencies
            .add(&other.latencies)
            .expect("the same bounds");
        self.done += other.done;
        self.failures += other.failures;
        self.bytes += other.bytes;
        self.failure = self.failure.take().or(other.failure);
        self.wrong = self.wrong.take().or(other.wrong);
    }

    /// All latencies of several stretches, and what went wrong in any.
    pub fn together(measures: &[Self]) -> Self {
        let mut all = Self::new();
        for measure in measures {
            all.add(measure.clone());
            all.took += measure.took;
            all.cpu = measure.cpu.map(|cpu| cpu + all.cpu.unwrap_or_default());
            all.resident = all.resident.max(measure.resident);
        }
        all
    }
}

/// Seeds differ from stretch to stretch, and are the same in each run.
static STRETCHES: AtomicU64 = AtomicU64::new(1);

fn visitors(target: &Target, connections: usize) -> impl Iterator<Item = Visitor> {
    let seed = STRETCHES.fetch_add(1, Ordering::Relaxed);
    (0..connections).map(move |at| Visitor::new(&target.address, &target.questions, at, seed))
}

/// Adds up what visitors measured while the meter ran.
async fn gather(target: &Target, start: &Barrier, mut visitors: JoinSet<Measure>) -> Measure {
    start.wait().await;
    let (began, cpu) = (Instant::now(), target.meter.cpu());
    let mut all = Measure::new();
    while let Some(measure) = visitors.join_next().await {
        all.add(measure.expect("no visitor panicked"));
    }
    all.took = began.elapsed();
    all.cpu = target
        .meter
        .cpu()
        .zip(cpu)
        .map(|(after, before)| after.saturating_sub(before));
    all.resident = target.meter.resident();
    all
}

/// Each visitor asks, hears, and asks again.
pub async fn closed(
    target: &Target,
    scenario: Scenario,
    connections: usize,
    time: Duration,
) -> Measure {
    let connections = connections.min(target.questions.buyers()); // Nobody shares a cart.
    let start = Arc::new(Barrier::new(connections + 1));
    let mut tasks = JoinSet::new();
    for mut visitor in visitors(target, connections) {
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            let mut measure = Measure::new();
            // A server that can't be reached is a failure of each request, counted below.
            let _ = visitor.connect().await;
            start.wait().await;
            let end = Instant::now() + time;
            let mut asked = Instant::now();
            while asked < end {
                let verdict = visitor.act(scenario).await;
                let is_lost = verdict.is_err();
                measure.note(asked.elapsed(), verdict);
                if is_lost {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                asked = Instant::now();
            }
            measure
        });
    }
    gather(target, &start, tasks).await
}

/// Requests are due at a fixed rate, and each latency counts from the moment when it was due, not
/// when there was a connection free to send it: a server that stalls is charged for all who would
/// have come meanwhile (Tene, "How NOT to Measure Latency", 2013: coordinated omission).
pub async fn open(
    target: &Target,
    scenario: Scenario,
    connections: usize,
    per_second: f64,
    time: Duration,
) -> Measure {
    let connections = connections.min(target.questions.buyers());
    let start = Arc::new(Barrier::new(connections + 2));
    let due = Arc::new(Due {
        released: Semaphore::new(0),
        taken: AtomicU64::new(0),
        total: ((per_second * time.as_secs_f64()) as u64).max(1),
        gap: Duration::from_secs_f64(1.0 / per_second),
        began: std::sync::OnceLock::new(),
    });
    let mut tasks = JoinSet::new();
    for mut visitor in visitors(target, connections) {
        let (start, due) = (Arc::clone(&start), Arc::clone(&due));
        tasks.spawn(async move {
            let mut measure = Measure::new();
            let _ = visitor.connect().await;
            start.wait().await;
            while let Some(moment) = due.next().await {
                let verdict = visitor.act(scenario).await;
                measure.note(moment.elapsed(), verdict);
            }
            measure
        });
    }
    let (clock_start, due) = (Arc::clone(&start), Arc::clone(&due));
    let clock = tokio::spawn(async move {
        clock_start.wait().await;
        // A thread of its own: tokio's timers are a millisecond wide.
        let released = tokio::task::spawn_blocking(move || due.release());
        released.await.expect("the clock does not panic");
    });
    let all = gather(target, &start, tasks).await;
    clock.await.expect("the clock does not panic");
    all
}

/// Requests that are to be sent, and when.
struct Due {
    released: Semaphore,
    taken: AtomicU64,
    total: u64,
    gap: Duration,
    began: std::sync::OnceLock<Instant>,
}

impl Due {
    fn moment(&self, n: u64) -> Instant {
        let began = *self
            .began
            .get_or_init(|| Instant::now() + Duration::from_millis(5));
        began + Duration::from_secs_f64(self.gap.as_secs_f64() * n as f64)
    }

    fn release(&self) {
        for n in 0..self.total {
            let wait = self.moment(n).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            self.released.add_permits(1);
        }
        self.released.close();
    }

    /// When the next request was due, once it is.
    async fn next(&self) -> Option<Instant> {
        // Closed means that all were released, not that all were taken.
        if let Ok(permit) = self.released.acquire().await {
            permit.forget();
        }
        let n = self.taken.fetch_add(1, Ordering::Relaxed);
        (n < self.total).then(|| self.moment(n))
    }
}
