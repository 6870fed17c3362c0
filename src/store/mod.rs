//! The disk: everything the shop knows, in one redb file, asked by use-case.
//!
//! Reads run where they are called, on a snapshot. Writes go to the one writer (`writer`), which
//! loads facts, asks a rule of `shop`, applies its answer, and answers after the commit.

mod archive;
mod backup;
mod barrier;
mod carts;
mod changes;
mod codec;
mod comments;
mod disk;
mod folder;
mod log;
mod migrate;
mod moving;
mod once;
mod orders;
mod outbox;
mod pages;
mod photos;
mod products;
mod redo;
mod segments;
mod sessions;
mod tables;
mod tail;
mod users;
mod verify;
mod views;
mod writer;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod files;
#[cfg(test)]
mod flaws;
#[cfg(test)]
mod logged;
#[cfg(test)]
mod media;
#[cfg(any(test, fuzzing))]
pub mod outside;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod writing;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwapOption;
use tokio::sync::{mpsc, oneshot};

pub use archive::{Follower, Shipped, bring_moment};
pub use backup::{
    BackupError, Brought, Made, bring, draft_of, name_to_ask_for, place_of_backup, remove_leftovers,
};
pub use carts::FilledCart;
pub use comments::SignedComment;
pub use disk::sync_folder_of;
pub use folder::{Folder, FolderError};
pub use moving::{Arrival, LastIds};
pub use once::{KeptReply, Once, Outcome};
pub use outbox::Changes;
pub use pages::{Page, PageAsk, Place};
pub use products::{ImportRow, ListedCategory, ListedProduct};
pub use redo::{Durability, now};
pub use users::SignIn;
pub use verify::{Finding, Findings, Progress};
pub use views::State;

use crate::causes::causes;
use crate::shop::time::Timestamp;
use crate::shop::users::{Newcomer, Taken};
use disk::{Handle, Media};
use once::Desk;
use tables::{Counter, Read, Snapshot, Transaction};
use views::{View, Views};
use writer::{Job, Waiting};

/// The store's file in its folder.
const FILE_NAME: &str = "shop.redb";
/// The same while it is made.
const DRAFT_NAME: &str = "shop.redb.new";

/// The shop's data, open. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Job>,
    /// Where writes are laid instead of in the queue, for work that is done once.
    desk: Option<Desk>,
}

struct Shared {
    media: Media,
    durability: Durability,
    cache_bytes: usize,
    /// `None` once the store is closed.
    handle: ArcSwapOption<Handle>,
    views: Views,
    is_writable: AtomicBool,
    floor: Option<Floor>,
    is_full: AtomicBool,
    #[cfg(test)]
    flaws: crash::Flaws,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Where the store lies, and how many bytes are kept free there.
struct Floor {
    folder: PathBuf,
    min_free_bytes: u64,
}

/// Whether writes are taken, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writable {
    Yes,
    /// They are again once there is room.
    DiskFull,
    /// It is being reopened after an error, or closed.
    NotNow,
}

/// Ours, not the shop's: the disk or the program failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the write queue is full")]
    Busy,
    #[error("{} has {} MiB free, and the shop keeps {} MiB: make room, or keep less with --min-free-mib", folder.display(), free_bytes >> 20, min_free_bytes >> 20)]
    DiskFull {
        folder: PathBuf,
        free_bytes: u64,
        min_free_bytes: u64,
    },
    #[error("the store is closing")]
    Closing,
    #[error("the store is being reopened after an error")]
    Reopening,
    #[error("a write beside this one failed, and this one was not written")]
    Dropped,
    #[error("nothing was written")]
    NotWritten(#[source] Cause),
    /// A failed commit may still be there after reopening.
    #[error("whether it was written is unknown")]
    Unsure(#[source] Cause),
    #[error("the store could not be opened")]
    Opening(#[source] Cause),
    #[error(
        "the store was not closed in order; all that was answered is in it, and the next start puts the rest right"
    )]
    Unclosed(#[source] Cause),
    #[error("the store could not be read")]
    Reading(#[source] Cause),
    #[error("the record of key {key} in table {table} is damaged")]
    Damaged {
        table: &'static str,
        key: String,
        #[source]
        damage: codec::Damage,
    },
    #[error("table {table} lacks the row of key {key} that others point to")]
    Missing { table: &'static str, key: String },
    #[error("a use-case panicked; nothing was written")]
    Bug,
}

/// An error shared by all who waited for the same commit.
type Cause = Arc<dyn Error + Send + Sync>;

#[cfg(test)]
impl From<disk::Medium> for Media {
    fn from(file: disk::Medium) -> Self {
        Self::new(file, None)
    }
}

impl StoreError {
    fn not_written(error: impl Error + Send + Sync + 'static) -> Self {
        Self::NotWritten(Arc::new(error))
    }

    fn unsure(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Unsure(Arc::new(error))
    }

    fn opening(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Opening(Arc::new(error))
    }

    fn unclosed(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Unclosed(Arc::new(error))
    }

    fn damaged(table: &'static str, key: &[u8], damage: codec::Damage) -> Self {
        let key = format!("{}", key.escape_ascii());
        Self::Damaged { table, key, damage }
    }

    fn missing(table: &'static str, key: &[u8]) -> Self {
        let key = format!("{}", key.escape_ascii());
        Self::Missing { table, key }
    }

    /// One record is damaged or missing; the others may be sound.
    fn is_of_record(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Missing { .. })
    }

    fn with_causes(&self) -> String {
        causes(self)
    }

    /// redb itself failed, and refuses writes until it is reopened.
    fn is_storage(&self) -> bool {
        matches!(
            self,
            Self::NotWritten(_) | Self::Unsure(_) | Self::Opening(_) | Self::Reading(_)
        )
    }
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> Self {
        Self::Reading(Arc::new(error))
    }
}

impl From<redb::TableError> for StoreError {
    fn from(error: redb::TableError) -> Self {
        Self::Reading(Arc::new(error))
    }
}

impl From<redb::TransactionError> for StoreError {
    fn from(error: redb::TransactionError) -> Self {
        Self::Reading(Arc::new(error))
    }
}

impl Store {
    /// Opens the shop in a folder, or a new and empty one.
    ///
    /// Writes are refused while less than `min_free_bytes` are free on its disk.
    pub fn open(
        folder: &Folder,
        cache_bytes: usize,
        min_free_bytes: u64,
        durability: Durability,
    ) -> Result<Self, StoreError> {
        let path = folder.path().join(FILE_NAME);
        let floor = Floor {
            folder: folder.path().to_owned(),
            min_free_bytes,
        };
        if !path.exists() {
            floor.check()?;
            make(&path, cache_bytes)?;
        }
        migrate::refuse_newer(&path)?;
        let segments = segments::beside(path.clone());
        let (file, when_open) = disk::shop_file(path);
        let media = Media {
            when_open: Some(when_open),
            ..Media::new(file, Some(segments))
        };
        Self::open_with(media, durability, cache_bytes, Some(floor), true)
    }

    /// Opens the shop in a folder to look at it: its file stays as it is.
    pub fn open_read_only(folder: &Folder, cache_bytes: usize) -> Result<Self, StoreError> {
        Self::open_file_read_only(&folder.path().join(FILE_NAME), cache_bytes)
    }

    fn open_file_read_only(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let segments = segments::beside_read_only(path.to_owned());
        let media = Media::new(disk::read_only(path.to_owned()), Some(segments));
        Self::open_with(media, Durability::Store, cache_bytes, None, true)
    }

    /// Opens what lies on a medium, a new store if nothing does.
    #[cfg(test)]
    fn open_on(media: impl Into<Media>, cache_bytes: usize) -> Result<Self, StoreError> {
        let media = media.into();
        let durability = match media.segments {
            Some(_) => Durability::Log,
            None => Durability::Store,
        };
        Self::open_with(media, durability, cache_bytes, None, false)
    }

    fn open_with(
        media: Media,
        durability: Durability,
        cache_bytes: usize,
        floor: Option<Floor>,
        must_be_a_shop: bool,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            media,
            durability,
            cache_bytes,
            handle: ArcSwapOption::empty(),
            views: Views::default(),
            is_writable: AtomicBool::new(true),
            floor,
            is_full: AtomicBool::new(false),
            #[cfg(test)]
            flaws: crash::Flaws::default(),
            writer: Mutex::new(None),
        });
        let handle = Handle::open_shop(&shared.media, cache_bytes)?;
        if must_be_a_shop {
            migrate::check(&handle)?;
        }
        furnish(&handle)?;
        handle.recover(&shared.media, durability, now())?;
        shared.handle.store(Some(Arc::new(handle)));

        let (queue, jobs) = mpsc::channel(writer::QUEUE_MAX);
        let weak = Arc::downgrade(&shared);
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || writer::run(&weak, jobs))
            .map_err(StoreError::opening)?;
        *shared.writer.lock().expect("never held across a panic") = Some(thread);
        Ok(Self {
            shared,
            queue,
            desk: None,
        })
    }

    /// Finishes what is queued, then closes the file. Whoever asks later is told so.
    pub async fn close(&self) -> Result<(), StoreError> {
        if self.queue.send(Job::Close).await.is_err() {
            return Ok(()); // Closed already.
        }
        let thread = self
            .shared
            .writer
            .lock()
            .expect("never held across a panic")
            .take();
        let shared = Arc::clone(&self.shared);
        let closing = tokio::task::spawn_blocking(move || {
            if let Some(thread) = thread {
                let _ = thread.join(); // It catches panics of use-cases; its own are logged.
            }
            let Some(handle) = shared.handle.swap(None) else {
                return Ok(());
            };
            shared.views.renew();
            // A broken one has nothing to finish: what was answered is on the disk, if not all of it in
            // the store's own file.
            if !shared.is_writable.load(Ordering::SeqCst) {
                return if handle.has_log() {
                    Err(StoreError::unclosed(redo::LogIsNeeded))
                } else {
                    Ok(())
                };
            }
            handle.settle(&shared.media)?;
            // Where a reader still holds it, the last one closes it.
            Arc::try_unwrap(handle).map_or(Ok(()), Handle::close)
        });
        closing.await.map_err(StoreError::unclosed)?
    }

    /// Whether writes are taken: not while the file is being reopened after an error, nor while
    /// its disk is full.
    pub fn writable(&self) -> Writable {
        if !self.takes_writes() {
            Writable::NotNow
        } else if self.shared.is_full.load(Ordering::SeqCst) && self.shared.room().is_err() {
            Writable::DiskFull
        } else {
            Writable::Yes
        }
    }

    #[cfg(test)]
    fn is_writable(&self) -> bool {
        self.writable() == Writable::Yes
    }

    fn takes_writes(&self) -> bool {
        self.shared.is_writable.load(Ordering::SeqCst) && !self.queue.is_closed()
    }

    /// Whether nobody has an account here and nothing is offered.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        let view = self.snapshot()?;
        Ok(view.count(Counter::Users)? == 0 && view.count(Counter::Products)? == 0)
    }

    /// Opens accounts and offers products together, or nothing of it.
    pub async fn fill(
        &self,
        newcomers: Vec<Newcomer>,
        rows: Vec<ImportRow>,
        now: Timestamp,
    ) -> Result<Result<(), Vec<Taken>>, StoreError> {
        self.write(move |tx| {
            for newcomer in newcomers {
                if let Err(taken) = tx.sign_up(newcomer, now)? {
                    // Nothing was written: whoever comes first in an empty shop is refused nothing.
                    return Ok(Err(taken));
                }
            }
            tx.import(&rows, now)?;
            Ok(Ok(()))
        })
        .await
    }

    /// Which state there is to be read. What is read after this is of this state or a later one;
    /// while it is the same, nothing that was answered changed anything.
    pub fn state(&self) -> State {
        self.shared.views.state()
    }

    /// One consistent moment, for reading.
    fn snapshot(&self) -> Result<View, StoreError> {
        self.shared.views.latest(|| {
            let handle = self.shared.handle.load_full();
            Snapshot::new(handle.ok_or(StoreError::Closing)?)
        })
    }

    /// Runs a use-case in the writer's next transaction and answers after its commit.
    async fn write<T: Send + 'static>(
        &self,
        use_case: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let ask = Box::new(Waiting::new(use_case, caller));
        match &self.desk {
            Some(desk) => desk.lay(ask),
            None => self.enqueue(Job::Ask(ask))?,
        }
        answered(answer).await
    }

    fn enqueue(&self, job: Job) -> Result<(), StoreError> {
        if !self.takes_writes() {
            return Err(if self.queue.is_closed() {
                StoreError::Closing
            } else {
                StoreError::Reopening
            });
        }
        self.queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closing,
        })
    }
}

/// What the writer says.
async fn answered<T>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    // Dropped unanswered: the writer panicked, and nobody knows how far it got.
    let unknown = || StoreError::unsure(std::io::Error::other("the writer ended"));
    answer.await.unwrap_or_else(|_| Err(unknown()))
}

impl Shared {
    /// Looks whether the disk has room for writes.
    fn room(&self) -> Result<(), StoreError> {
        let room = self.floor.as_ref().map_or(Ok(()), Floor::check);
        let was_full = self.is_full.swap(room.is_err(), Ordering::SeqCst);
        match &room {
            Err(error) if !was_full => {
                tracing::error!(%error, "writes are refused; reads go on");
            }
            Ok(()) if was_full => tracing::info!("there is room again, and writes are taken"),
            Ok(()) | Err(_) => {}
        }
        room
    }

    /// Opens it anew. Open is not enough: on a full disk it opens and takes no write.
    fn open(&self) -> Result<Handle, StoreError> {
        let handle = Handle::open_shop(&self.media, self.cache_bytes)?;
        handle.recover(&self.media, self.durability, now())?;
        Ok(handle)
    }
}

impl Floor {
    fn check(&self) -> Result<(), StoreError> {
        let free_bytes = disk::free_bytes(&self.folder);
        match disk::too_few(free_bytes, self.min_free_bytes) {
            None => Ok(()),
            Some(free_bytes) => Err(StoreError::DiskFull {
                folder: self.folder.clone(),
                free_bytes,
                min_free_bytes: self.min_free_bytes,
            }),
        }
    }
}

/// Makes a new store, whole or not at all: whoever is killed meanwhile starts again.
fn make(path: &Path, cache_bytes: usize) -> Result<(), StoreError> {
    let draft = path.with_file_name(DRAFT_NAME);
    let handle = Handle::open(&disk::new_file(draft.clone()), cache_bytes)?;
    furnish(&handle)?;
    handle.close()?;
    std::fs::rename(&draft, path).map_err(StoreError::opening)?;
    sync_folder_of(path).map_err(StoreError::opening)
}

/// Sees to it that every table is there, so that a snapshot finds it, and the store has a name.
fn furnish(handle: &Handle) -> Result<(), StoreError> {
    let txn = handle.begin_write()?;
    let mut tx = Transaction::new(&txn);
    tx.open_all()?;
    if tx.count(Counter::Identity)? == 0 {
        let identity = getrandom::u64().map_err(StoreError::opening)?;
        tx.set_count(Counter::Identity, identity.max(1))?;
        tx.set_count(Counter::Format, migrate::FORMAT)?;
    }
    drop(tx);
    txn.commit().map_err(StoreError::opening)
}
