//! Who keeps the checkouts: our store, or another engine behind a writer that groups as ours does.

use std::path::Path;
use std::sync::mpsc as threads;
use std::thread::JoinHandle;

use electron_market::shop::ids::{ProductId, UserId};
use electron_market::shop::time::Timestamp;
use electron_market::store::{Durability, Folder, Store};
use tokio::sync::{mpsc, oneshot};

const NOW: Timestamp = Timestamp(1_770_000_000_000_000);

/// Pages of every engine that stay in memory.
pub const CACHE_BYTES: usize = 64 << 20;

/// As in the writer of our store.
const BATCH_MAX: usize = 256;
const QUEUE_MAX: usize = 1_024;

/// A write that somebody waits for.
#[derive(Clone, Copy, Debug)]
pub enum Write {
    AddToCart { user: u64 },
    PlaceOrder { user: u64, product: u64 },
}

/// An engine that makes the writes of a batch durable together.
pub trait Engine: Send + 'static {
    fn commit(&mut self, batch: &[Write]);
}

/// Takes checkouts from many at once.
pub enum Shop {
    Ours { store: Store, _held: Folder },
    Grouped(Grouped),
}

impl Shop {
    pub fn ours(folder: &Path, durability: Durability) -> Self {
        let held = Folder::hold(folder).expect("held");
        let store = Store::open(&held, CACHE_BYTES, 0, durability).expect("opened");
        Self::Ours { store, _held: held }
    }

    /// A product into the cart, and the order: two writes, each answered when it is durable.
    pub async fn check_out(&self, user: u64, product: u64) {
        match self {
            Self::Ours { store, .. } => {
                let (user, product) = (UserId(user), ProductId(product));
                let added = store.add_to_cart(user, product, 1).await.expect("written");
                added.expect("on the shelf");
                let placed = store.place_order(user, NOW).await.expect("written");
                placed.expect("there is enough of it");
            }
            Self::Grouped(grouped) => {
                grouped.write(Write::AddToCart { user }).await;
                grouped.write(Write::PlaceOrder { user, product }).await;
            }
        }
    }

    pub async fn close(self) {
        match self {
            Self::Ours { store, .. } => store.close().await.expect("closed"),
            Self::Grouped(grouped) => grouped.close(),
        }
    }
}

type Job = (Write, oneshot::Sender<()>);

/// A thread that takes all that waits into one commit and answers after it: group commit, as in
/// our own writer, so that what is compared is the engine.
pub struct Grouped {
    queue: mpsc::Sender<Job>,
    writer: JoinHandle<()>,
}

impl Grouped {
    /// The engine is made on the thread that it works on.
    pub fn over<E: Engine>(open: impl FnOnce() -> E + Send + 'static) -> Self {
        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE_MAX);
        let (is_open, opened) = threads::channel();
        let writer = std::thread::spawn(move || {
            let mut engine = open();
            is_open.send(()).expect("it is waited for");
            while let Some(first) = jobs.blocking_recv() {
                let mut batch = vec![first.0];
                let mut callers = vec![first.1];
                while batch.len() < BATCH_MAX
                    && let Ok((write, caller)) = jobs.try_recv()
                {
                    batch.push(write);
                    callers.push(caller);
                }
                engine.commit(&batch);
                for caller in callers {
                    let _ = caller.send(());
                }
            }
        });
        opened.recv().expect("the engine opens");
        Self { queue, writer }
    }

    async fn write(&self, write: Write) {
        let (caller, answer) = oneshot::channel();
        let sent = self.queue.send((write, caller)).await;
        sent.expect("the writer works on");
        answer.await.expect("the writer answers");
    }

    fn close(self) {
        drop(self.queue);
        self.writer.join().expect("the writer does not panic");
    }
}
