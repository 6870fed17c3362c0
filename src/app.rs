//! How it is put together: the folder held, the store opened, the API served, and everything
//! closed in order.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::api::{Api, Parts};
use crate::auth::password::{PasswordError, Passwords, Policy};
use crate::auth::token::Tokens;
use crate::causes::causes;
use crate::http::{self, Door};
use crate::keys::{self, KeyError};
use crate::photo::Encoder;
use crate::rates::Rates;
use crate::search::Search;
use crate::shop::time::Timestamp;
use crate::store::{self, Durability, Folder, FolderError, Store, StoreError};
use crate::turns::Turns;

/// The clock.
pub use crate::store::now;

/// Pages of lists that may wait: 1,000 rows take a few milliseconds, so the last of them waits
/// half a second.
const LISTS_WAITING_MAX: usize = 256;
/// Searches of the index that may wait: at 0.2 ms each a fraction of a second.
const SEARCHES_WAITING_MAX: usize = 512;
/// Searches that read the whole catalogue at once: one core stays free for everything else.
const SCANS_RUNNING_MAX: usize = 1;
/// Searches that may wait for one another; with 20,000 products each takes some 20 ms.
const SCANS_WAITING_MAX: usize = 64;

/// How often expired sessions, replies and keys are swept out.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// Threads for work that would hold up the others. What is heavy takes turns before it gets
/// here; what is left are pages of lists, a few milliseconds each.
const BLOCKING_THREADS_MAX: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(
        "the data folder has the key of a shop but not its store, shop.redb; put it back from a backup, or remove {name} to open a new and empty shop", name = keys::NAME
    )]
    StoreIsGone,
    #[error("the search can't be opened")]
    Search(#[source] std::io::Error),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// What the store may take, what it must leave, and what its answers wait for.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits {
    pub cache_bytes: usize,
    pub min_free_bytes: u64,
    pub durability: Durability,
}

/// A shop, held and open.
pub struct App {
    pub store: Store,
    search: OnceLock<Search>,
    folder: Folder,
}

impl App {
    /// Opens the shop in the folder, a new one if there is none. `doing` tells others who find
    /// it held.
    pub fn open(data_dir: &Path, limits: StoreLimits, doing: &str) -> Result<Self, AppError> {
        Self::open_in(Folder::hold(data_dir)?, limits, doing)
    }

    /// Opens a shop that must be there.
    pub fn open_existing(
        data_dir: &Path,
        limits: StoreLimits,
        doing: &str,
    ) -> Result<Self, AppError> {
        Self::open_in(hold_existing(data_dir)?, limits, doing)
    }

    /// Opens a shop to look at it; nothing of it is changed.
    pub fn open_read_only(data_dir: &Path, cache_bytes: usize) -> Result<Self, AppError> {
        let folder = hold_existing(data_dir)?;
        let store = Store::open_read_only(&folder, cache_bytes)?;
        Ok(Self {
            store,
            search: OnceLock::new(),
            folder,
        })
    }

    fn open_in(folder: Folder, limits: StoreLimits, doing: &str) -> Result<Self, AppError> {
        if let Err(error) = folder.sign(doing) {
            tracing::warn!(%error, "the lock file can't say who holds the folder");
        }
        if !folder.has_store() && folder.path().join(keys::NAME).exists() {
            return Err(AppError::StoreIsGone);
        }
        if let Err(error) = store::remove_leftovers(&folder) {
            tracing::warn!(%error, "what a backup that was cut short left can't be removed");
        }
        let store = Store::open(
            &folder,
            limits.cache_bytes,
            limits.min_free_bytes,
            limits.durability,
        )?;
        Ok(Self {
            store,
            search: OnceLock::new(),
            folder,
        })
    }

    pub fn api(&self, policy: Policy, rates: Rates) -> Result<Api, AppError> {
        let keys = keys::open(&self.folder, now())?;
        let parts = Parts {
            store: self.store.clone(),
            tokens: Tokens::new(&keys),
            passwords: Passwords::new(policy)?,
            data_dir: self.folder.path().to_owned(),
            backups: Turns::new(1, 1),
            search: self.open_search()?,
            lists: Turns::new(cores(), LISTS_WAITING_MAX),
            searches: Turns::new(cores(), SEARCHES_WAITING_MAX),
            photos: Encoder::default(),
            rates,
            scans: Turns::new(SCANS_RUNNING_MAX, SCANS_WAITING_MAX),
        };
        Ok(Api::new(parts, now))
    }

    /// Lets tokens of the original verify until the last of them has expired.
    pub fn take_over_key(&self, key: &[u8]) -> Result<Timestamp, AppError> {
        Ok(keys::take_over(&self.folder, key, now())?)
    }

    /// Tells who finds the folder held where the shop is open.
    pub fn sign(&self, doing: &str) {
        if let Err(error) = self.folder.sign(doing) {
            tracing::warn!(%error, "the lock file can't say who holds the folder");
        }
    }

    fn open_search(&self) -> Result<Search, AppError> {
        let search = Search::open(self.folder.path(), self.store.clone());
        let search = search.map_err(AppError::Search)?;
        let _ = self.search.set(search.clone()); // An app serves once.
        Ok(search)
    }

    /// Serves until `stop`, then lets requests under way finish.
    pub async fn serve(
        &self,
        listener: TcpListener,
        door: Door,
        api: Api,
        stop: impl Future<Output = ()>,
    ) {
        let sweeping = tokio::spawn(sweep(api.parts()));
        http::serve(listener, door, api, stop).await;
        sweeping.abort();
    }

    /// Finishes what is queued, closes the store, lets go of the folder.
    pub async fn close(self) -> Result<(), StoreError> {
        if let Some(search) = self.search.into_inner() {
            let closing = tokio::task::spawn_blocking(move || search.close());
            let _ = closing.await; // A panic of it was logged by the hook.
        }
        self.store.close().await
    }
}

/// Holds a folder that must have a shop.
fn hold_existing(data_dir: &Path) -> Result<Folder, AppError> {
    Folder::hold_existing(data_dir).map_err(|error| match error {
        FolderError::NoShop { .. } if data_dir.join(keys::NAME).exists() => AppError::StoreIsGone,
        error => error.into(),
    })
}

/// A token for an open shop, made with the key of its folder.
pub fn operator_token(data_dir: &Path) -> Result<String, AppError> {
    let token = Tokens::new(&keys::signing(data_dir)?).mint_operator(now());
    token.map_err(|error| KeyError::Unusable(std::io::Error::other(error)).into())
}

/// Removes sessions, kept replies and keys that expired, for as long as the shop is open.
async fn sweep(parts: Arc<Parts>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        parts.rates.forget_old();
        if let Err(error) = keys::forget(&parts.data_dir, now()) {
            tracing::warn!(%error, "a token key that expired can't be removed now");
        }
        loop {
            match sweep_once(&parts.store).await {
                Ok(0) => break,
                Ok(swept) => tracing::debug!(swept, "expired sessions and replies removed"),
                Err(error) => {
                    tracing::warn!(causes = causes(&error), "what expired can't be removed now");
                    break;
                }
            }
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

async fn sweep_once(store: &Store) -> Result<usize, StoreError> {
    Ok(store.sweep_sessions(now()).await? + store.sweep_kept(now()).await?)
}

/// Runs to the end on a runtime of as many threads as there are cores; work still in the
/// background then is not waited for.
pub fn run<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}
