//! The log's segments as two files beside the store's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use redb::StorageBackend;

use super::disk::{self, Plain};
use super::log::{self, Segments, Which};

/// `shop.redb.log-a` and `shop.redb.log-b`.
pub struct Files {
    store: PathBuf,
    is_read_only: bool,
}

/// Those of the store in that file.
pub fn beside(store: PathBuf) -> Box<dyn Segments> {
    Box::new(Files {
        store,
        is_read_only: false,
    })
}

/// The same to be looked at: they stay as they are.
pub fn beside_read_only(store: PathBuf) -> Box<dyn Segments> {
    Box::new(Files {
        store,
        is_read_only: true,
    })
}

/// Gives the segments of a store that has a second name now second names to go with it.
pub fn link_with(store: &Path, second: &Path) -> io::Result<()> {
    for which in Which::BOTH {
        let linked = fs::hard_link(path_of(store, which), path_of(second, which));
        disk::unless(io::ErrorKind::NotFound, linked)?;
    }
    Ok(())
}

/// Whether there is a log beside a store of that name.
pub fn are_beside(store: &Path) -> bool {
    Which::BOTH
        .iter()
        .any(|which| path_of(store, *which).exists())
}

/// Where a store's segment lies.
pub fn path_of(store: &Path, which: Which) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(match which {
        Which::A => ".log-a",
        Which::B => ".log-b",
    });
    PathBuf::from(path)
}

fn holds_frames(path: &Path) -> io::Result<bool> {
    let Some(file) = disk::unless(io::ErrorKind::NotFound, File::open(path))? else {
        return Ok(false);
    };
    let mut beginning = [0; log::MAGIC.len()];
    let read = file.read_exact_at(&mut beginning, 0);
    Ok(read.is_ok() && beginning == log::MAGIC)
}

impl Segments for Files {
    fn open(&self, which: Which) -> io::Result<Option<Box<dyn StorageBackend>>> {
        let path = path_of(&self.store, which);
        let opened = if self.is_read_only {
            File::open(path)
        } else {
            OpenOptions::new().read(true).write(true).open(path)
        };
        let Some(file) = disk::unless(io::ErrorKind::NotFound, opened)? else {
            return Ok(None);
        };
        // What is read must be on the disk: what was not written yet is, first, and what a failed
        // write left in the page cache only looks written.
        if !self.is_read_only {
            file.sync_data()?;
        }
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(Some(Box::new(Plain(file))))
    }

    fn make(&self, which: Which) -> io::Result<Box<dyn StorageBackend>> {
        let path = path_of(&self.store, which);
        if holds_frames(&path)? {
            // Of a store that another one was put in the place of, not by a restore.
            let mut kept = path.as_os_str().to_owned();
            kept.push(".of-another-store");
            fs::rename(&path, kept)?;
        }
        Ok(Box::new(Plain(disk::private(&path)?)))
    }

    fn sync_folder(&self) -> io::Result<()> {
        disk::sync_folder_of(&self.store)
    }

    fn remove(&self) -> io::Result<()> {
        if self.is_read_only {
            return Ok(());
        }
        for which in Which::BOTH {
            let removed = fs::remove_file(path_of(&self.store, which));
            disk::unless(io::ErrorKind::NotFound, removed)?;
        }
        Ok(())
    }
}
