//! The store's file: made private, opened strictly, let go of safely.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use redb::{Database, ReadTransaction, StorageBackend, WriteTransaction};

use super::StoreError;
use super::barrier::Barrier;
use super::log::{LIMITS, Limits, Log, Segments};

/// An open database.
pub struct Handle {
    db: Database,
    is_retired: Arc<AtomicBool>,
    /// Who writes through it.
    writer: Arc<Mutex<ThreadId>>,
    barrier: Barrier,
    /// Of a handle that takes batches, where they go through one.
    pub(super) log: Mutex<Option<Log>>,
}

/// What the store's bytes lie on: opened anew after an error, replaced by a treacherous one in
/// tests.
pub type Medium = Box<dyn Fn() -> io::Result<Box<dyn StorageBackend>> + Send + Sync>;

/// What a shop's store lies on.
pub struct Media {
    pub file: Medium,
    /// Where there can be a log.
    pub segments: Option<Box<dyn Segments>>,
    pub limits: Limits,
    /// What is asked of the file once it was verified.
    pub when_open: Option<WhenOpen>,
    #[cfg(test)]
    pub whim: super::crash::Whim,
}

impl Media {
    pub fn new(file: Medium, segments: Option<Box<dyn Segments>>) -> Self {
        Self {
            file,
            segments,
            limits: LIMITS,
            when_open: None,
            #[cfg(test)]
            whim: super::crash::Whim::default(),
        }
    }
}

pub type WhenOpen = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// A shop's file, and how to keep it in small pieces in the page cache: verifying it reads it in large
/// ones (up to 2 MiB), into which each page that redb writes costs ten times as much as into one of its own.
pub fn shop_file(path: PathBuf) -> (Medium, WhenOpen) {
    let current = Arc::new(Mutex::new(None::<File>));
    let opened = Arc::clone(&current);
    let open = opening(path, move |file| {
        *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(file.try_clone()?);
        Ok(())
    });
    let when_open = Box::new(move || {
        // Another name of what redb reads from: what is advised holds for both.
        let current = current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(file) = current {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random)?;
        }
        Ok(())
    });
    (open, when_open)
}

/// A file that is there.
pub fn file(path: PathBuf) -> Medium {
    opening(path, |_| Ok(()))
}

fn opening(
    path: PathBuf,
    opened: impl Fn(&File) -> io::Result<()> + Send + Sync + 'static,
) -> Medium {
    let was_open = AtomicBool::new(false);
    Box::new(move || {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        refuse_empty(&file)?;
        if was_open.swap(true, Ordering::SeqCst) {
            // Opened again after an error: what a failed write left in the page cache looks
            // written and may not be on the disk, so it must be read from there.
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
        opened(&file)?;
        Ok(Box::new(Plain(file)))
    })
}

/// A file that is only read: what redb writes when it opens one stays in memory.
pub fn read_only(path: PathBuf) -> Medium {
    Box::new(move || {
        let file = File::open(&path)?;
        refuse_empty(&file)?;
        Ok(Box::new(Overlaid::new(Box::new(Plain(file)))?))
    })
}

/// redb would make a new store of an empty file.
fn refuse_empty(file: &File) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is empty",
        ));
    }
    Ok(())
}

/// A new and empty file, readable by its owner alone.
pub fn new_file(path: PathBuf) -> Medium {
    Box::new(move || Ok(Box::new(Plain(private(&path)?))))
}

/// A new and empty file, in the place of one of that name, which may be open to others.
pub fn private(path: &Path) -> io::Result<File> {
    unless(io::ErrorKind::NotFound, fs::remove_file(path))?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

impl Handle {
    /// Opens what lies on the medium. Every page's checksum is verified first (1 to 3.5 s for
    /// each GiB): redb trusts its pages afterwards.
    pub fn open(medium: &Medium, cache_bytes: usize) -> Result<Self, StoreError> {
        Self::open_as(medium, cache_bytes, true)
    }

    /// Opens a shop's store so.
    pub fn open_shop(media: &Media, cache_bytes: usize) -> Result<Self, StoreError> {
        let file = (media.file)().map_err(StoreError::opening)?;
        let barrier = Barrier::new(
            file,
            #[cfg(test)]
            media.whim,
        );
        let handle = Self::open_barrier(barrier, cache_bytes, true)?;
        if let Some(Err(error)) = media.when_open.as_ref().map(|when_open| when_open()) {
            tracing::debug!(%error, "the page cache takes no advice"); // It is only advice.
        }
        Ok(handle)
    }

    /// Opens it for a glance, its pages unverified.
    pub fn peek(medium: &Medium, cache_bytes: usize) -> Result<Self, StoreError> {
        Self::open_as(medium, cache_bytes, false)
    }

    /// Opens it to be read alone, at once: records have checksums of their own. What lies on the
    /// medium stays as it is.
    pub fn open_to_read(media: &Media, cache_bytes: usize) -> Result<Self, StoreError> {
        let overlaid = || Overlaid::new((media.file)()?);
        let base = overlaid().map_err(StoreError::opening)?;
        let handle = Self::open_backend(Box::new(base), cache_bytes, false)?;
        handle.read_log(media)?;
        Ok(handle)
    }

    fn open_as(medium: &Medium, cache_bytes: usize, is_strict: bool) -> Result<Self, StoreError> {
        let backend = medium().map_err(StoreError::opening)?;
        Self::open_backend(backend, cache_bytes, is_strict)
    }

    fn open_backend(
        backend: Box<dyn StorageBackend>,
        cache_bytes: usize,
        is_strict: bool,
    ) -> Result<Self, StoreError> {
        Self::open_barrier(
            Barrier::new(
                backend,
                #[cfg(test)]
                super::crash::Whim::default(),
            ),
            cache_bytes,
            is_strict,
        )
    }

    fn open_barrier(
        barrier: Barrier,
        cache_bytes: usize,
        is_strict: bool,
    ) -> Result<Self, StoreError> {
        let is_retired = Arc::default();
        let writer = Arc::new(Mutex::new(thread::current().id()));
        let disk = Disk {
            backend: barrier.clone(),
            is_retired: Arc::clone(&is_retired),
            writer: Arc::clone(&writer),
        };
        let db = Database::builder()
            .set_cache_size(cache_bytes)
            .set_check_integrity_on_open(is_strict)
            .create_with_backend(disk)
            .map_err(StoreError::opening)?;
        Ok(Self {
            db,
            is_retired,
            writer,
            barrier,
            log: Mutex::default(),
        })
    }

    pub fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        use redb::ReadableDatabase;
        Ok(self.db.begin_read()?)
    }

    /// From now on this thread is the one that writes.
    pub fn begin_write(&self) -> Result<WriteTransaction, redb::TransactionError> {
        self.take_over();
        self.db.begin_write()
    }

    fn take_over(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        *writer = thread::current().id();
    }

    /// From now on nothing reaches the file through this handle, not even redb's closing words:
    /// another handle owns it. What the disk is still at is waited for.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::SeqCst);
        let _ = self.barrier.close(); // Whatever it failed to write is read anew.
    }

    pub(super) fn barrier(&self) -> &Barrier {
        &self.barrier
    }

    pub fn close(self) -> Result<(), StoreError> {
        self.take_over();
        self.db.close().map_err(StoreError::unclosed)
    }
}

/// Makes a new or renamed file's directory entry durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

pub fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

/// What is left on a path's disk for whoever is not root.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail * disk.f_frsize)
}

/// The free bytes, if they are fewer than that. A disk that can't be asked will say so when it is
/// written to.
pub fn too_few(free_bytes: io::Result<u64>, least: u64) -> Option<u64> {
    free_bytes.ok().filter(|free| *free < least)
}

/// Nothing, where the error is of that kind.
pub fn unless<T>(kind: io::ErrorKind, done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == kind => Ok(None),
        done => done.map(Some),
    }
}

/// The bare file. It takes no lock: the folder's lock keeps other processes out, and in this one
/// a new handle is opened while the old one still serves reads.
#[derive(Debug)]
pub struct Plain(pub File);

impl StorageBackend for Plain {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// Bytes with what was written over them, which never reaches them.
#[derive(Debug)]
struct Overlaid {
    base: Box<dyn StorageBackend>,
    overlay: Mutex<Overlay>,
}

#[derive(Debug)]
struct Overlay {
    len: u64,
    /// How much of the file below shows: what is cut off and grows again is zeros.
    below_len: u64,
    /// By their places in the file.
    pages: BTreeMap<u64, Vec<u8>>,
}

const OVERLAY_PAGE_LEN: usize = 4_096;
const OVERLAY_PAGE: u64 = OVERLAY_PAGE_LEN as u64;

impl Overlaid {
    fn new(base: Box<dyn StorageBackend>) -> io::Result<Self> {
        let len = base.len()?;
        let overlay = Overlay {
            len,
            below_len: len,
            pages: BTreeMap::new(),
        };
        Ok(Self {
            base,
            overlay: Mutex::new(overlay),
        })
    }

    /// A page as it is below; zeros beyond the end.
    fn page(&self, at: u64, below_len: u64) -> io::Result<Vec<u8>> {
        let mut page = vec![0; OVERLAY_PAGE_LEN];
        let below_len = self.base.len()?.min(below_len);
        self.base.read(at, &mut page[..reach(at, below_len)])?;
        Ok(page)
    }

    fn lock(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Overlaid {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let overlay = self.lock();
        if offset + out.len() as u64 > overlay.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, byte) in pages_of(offset, out.len()) {
            let page = match overlay.pages.get(&number) {
                Some(page) => page.clone(),
                None => self.page(number, overlay.below_len)?,
            };
            let (from, to, length) = byte;
            out[to..to + length].copy_from_slice(&page[from..from + length]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut overlay = self.lock();
        overlay.len = len;
        overlay.below_len = overlay.below_len.min(len);
        overlay.pages.split_off(&len);
        if let Some((at, page)) = overlay.pages.iter_mut().next_back() {
            page[reach(*at, len)..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut overlay = self.lock();
        let below_len = overlay.below_len;
        for (number, (from, to, length)) in pages_of(offset, data.len()) {
            let page = match overlay.pages.entry(number) {
                Entry::Occupied(page) => page.into_mut(),
                Entry::Vacant(place) => place.insert(self.page(number, below_len)?),
            };
            page[from..from + length].copy_from_slice(&data[to..to + length]);
        }
        Ok(())
    }
}

/// How many bytes of the page that begins there a file of that length has.
fn reach(at: u64, len: u64) -> usize {
    let there = usize::try_from(len.saturating_sub(at));
    there.map_or(OVERLAY_PAGE_LEN, |there| there.min(OVERLAY_PAGE_LEN))
}

/// The pages that a stretch of the file lies on: where each begins, and which of its bytes are
/// which of the stretch, how many.
fn pages_of(offset: u64, length: usize) -> impl Iterator<Item = (u64, (usize, usize, usize))> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let at = offset + done as u64;
        let number = at - at % OVERLAY_PAGE;
        let from = usize::try_from(at - number).expect("below a page");
        let here = (OVERLAY_PAGE_LEN - from).min(length - done);
        let piece = (number, (from, done, here));
        done += here;
        Some(piece)
    })
}

/// What a handle sees of its medium: everything, until it is retired. It is written to by the one
/// thread that writes. A reader whose page finds no room in the cache would have redb write
/// another one back first, which is only an offer, and would wait for the fsync that goes on.
#[derive(Debug)]
struct Disk {
    backend: Barrier,
    is_retired: Arc<AtomicBool>,
    writer: Arc<Mutex<ThreadId>>,
}

impl Disk {
    fn writable(&self) -> io::Result<&Barrier> {
        if self.is_retired.load(Ordering::SeqCst) {
            return Err(io::Error::other("this handle was replaced by a newer one"));
        }
        if *self.writer.lock().unwrap_or_else(PoisonError::into_inner) != thread::current().id() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.backend)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writable()?.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }
}
