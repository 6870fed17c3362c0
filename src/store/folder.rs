//! The data folder: private, held by one process at a time, with the secrets that live beside
//! the store.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::disk;

/// Its presence says nothing; who has it locked holds the folder.
const LOCK_NAME: &str = "lock";

/// A secret that is being written; whoever holds the folder writes one at a time.
const SECRET_DRAFT_NAME: &str = "secret.new";

/// A data folder that this process holds until it is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("the shop in {path} is open in {holder}; stop that process first, or name another --data-dir", path = path.display())]
    Held { path: PathBuf, holder: String },
    #[error("there is no shop in {path}; `electron-market serve --data-dir {path}` opens a new one", path = path.display())]
    NoShop { path: PathBuf },
    #[error("{path} holds other files and is open to other users; name a folder of the shop's own with --data-dir", path = path.display())]
    Foreign { path: PathBuf },
    #[error("the data folder {path} can't be used", path = path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

impl Folder {
    /// Makes the folder if need be, readable by its owner alone, and holds it.
    pub fn hold(path: &Path) -> Result<Self, FolderError> {
        let unusable = |cause| FolderError::Unusable {
            path: path.to_owned(),
            cause,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        if is_open_to_others(path).map_err(unusable)? {
            if is_foreign(path).map_err(unusable)? {
                let path = path.to_owned();
                return Err(FolderError::Foreign { path });
            }
            let set = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
            // Somebody else's folder, as a container's volume may be: its files are still private.
            disk::unless(io::ErrorKind::PermissionDenied, set).map_err(unusable)?;
        }
        let mut lock = private_file(&path.join(LOCK_NAME)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = lock.read_to_string(&mut holder);
                if read.is_err() || holder.is_empty() {
                    "another process".clone_into(&mut holder);
                }
                let path = path.to_owned();
                return Err(FolderError::Held { path, holder });
            }
        }
        let folder = Self {
            path: path.to_owned(),
            lock,
        };
        folder.sign("").map_err(unusable)?;
        Ok(folder)
    }

    /// Holds a folder that has a shop in it already.
    pub fn hold_existing(path: &Path) -> Result<Self, FolderError> {
        if path.join(super::FILE_NAME).exists() {
            Self::hold(path)
        } else {
            let path = path.to_owned();
            Err(FolderError::NoShop { path })
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the store is in it.
    pub fn has_store(&self) -> bool {
        self.path.join(super::FILE_NAME).exists()
    }

    /// Leaves word for whoever finds the folder held: this process and what it is `doing`.
    pub fn sign(&self, doing: &str) -> io::Result<()> {
        let pid = std::process::id();
        let mut note = format!("process {pid}");
        if !doing.is_empty() {
            note = format!("{note} ({doing})");
        }
        self.lock.set_len(0)?;
        std::os::unix::fs::FileExt::write_all_at(&self.lock, note.as_bytes(), 0)
    }

    /// The secret of that name: read, or made at first use by `make` and kept durably.
    pub fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Vec<u8>> {
        let path = self.path.join(name);
        let kept = disk::unless(io::ErrorKind::NotFound, fs::read(&path))?;
        if let Some(secret) = kept {
            return Ok(secret);
        }
        let secret = make()?;
        self.put_secret(name, &secret)?;
        Ok(secret)
    }

    /// Keeps a secret durably, in the place of one of that name: whole or not at all, since half
    /// of a key must never be taken for one.
    pub fn put_secret(&self, name: &str, secret: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        let draft = self.path.join(SECRET_DRAFT_NAME);
        let mut file = private_file(&draft)?;
        file.set_len(0)?;
        file.write_all(secret)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        disk::sync_folder_of(&path)
    }
}

fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Whether there is something in it, and no shop.
fn is_foreign(path: &Path) -> io::Result<bool> {
    let ours = [LOCK_NAME, super::FILE_NAME, super::DRAFT_NAME];
    let is_empty = fs::read_dir(path)?.next().is_none();
    Ok(!is_empty && !ours.iter().any(|name| path.join(name).exists()))
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}
