//! The store's file: made private, opened strictly, let go of safely.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, ReadTransaction, StorageBackend, WriteTransaction};

use super::StoreError;

/// An open database.
pub struct Handle {
    db: Database,
    is_retired: Arc<AtomicBool>,
}

impl Handle {
    /// Opens the file or makes it. Every page's checksum is verified first (about 1 s per GiB):
    /// redb trusts its pages afterwards.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(StoreError::opening)?;
        sync_folder_of(path).map_err(StoreError::opening)?;
        Self::open_on(Disk::new(file), cache_bytes)
    }

    fn open_on(disk: Disk, cache_bytes: usize) -> Result<Self, StoreError> {
        let is_retired = Arc::clone(&disk.is_retired);
        let db = Database::builder()
            .set_cache_size(cache_bytes)
            .set_check_integrity_on_open(true)
            .create_with_backend(disk)
            .map_err(StoreError::opening)?;
        Ok(Self { db, is_retired })
    }

    pub fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        use redb::ReadableDatabase;
        Ok(self.db.begin_read()?)
    }

    pub fn begin_write(&self) -> Result<WriteTransaction, redb::TransactionError> {
        self.db.begin_write()
    }

    /// From now on nothing reaches the file through this handle, not even redb's closing words:
    /// another handle owns it.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::SeqCst);
    }

    pub fn close(self) -> Result<(), StoreError> {
        self.db.close().map_err(StoreError::opening)
    }
}

/// Makes a new or renamed file's directory entry durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// redb's view of the file. It takes no lock: the folder's lock keeps other processes out, and
/// in this one a new handle is opened while the old one still serves reads.
#[derive(Debug)]
struct Disk {
    file: File,
    is_retired: Arc<AtomicBool>,
}

impl Disk {
    fn new(file: File) -> Self {
        Self {
            file,
            is_retired: Arc::default(),
        }
    }

    fn writable(&self) -> io::Result<&File> {
        if self.is_retired.load(Ordering::SeqCst) {
            return Err(io::Error::other("this handle was replaced by a newer one"));
        }
        Ok(&self.file)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writable()?.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?.write_all_at(data, offset)
    }
}
