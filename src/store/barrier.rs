//! A file whose fsync may go on in the background, and which takes no write before that is done.
//!
//! redb recovers from any part of the writes of *one* commit. So the file must never hold a write
//! that was made after an fsync that is not done: the next write waits for it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use redb::StorageBackend;

/// Shared between redb, which writes to it, and whoever says when an fsync need not be waited for.
#[derive(Clone, Debug)]
pub struct Barrier(Arc<Behind>);

#[derive(Debug)]
struct Behind {
    file: Arc<dyn StorageBackend>,
    in_background: AtomicBool,
    sync: Mutex<Sync>,
    #[cfg(test)]
    whim: super::crash::Whim,
}

#[derive(Debug)]
enum Sync {
    /// Whatever was written before the last fsync is on the disk.
    Done,
    Running(JoinHandle<io::Result<()>>),
    /// As late as can be, which is what tests want to see.
    #[cfg(test)]
    Owed {
        file: Arc<dyn StorageBackend>,
        asked: u8,
    },
    /// The kernel forgets what it failed to write: nothing makes up for it but opening anew.
    Failed,
}

impl Sync {
    /// Waits for the fsync that goes on, if one does.
    fn wait(&mut self) -> io::Result<()> {
        let done = match std::mem::replace(self, Self::Failed) {
            Self::Done => Ok(()),
            Self::Running(thread) => thread
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the thread of an fsync panicked"))),
            #[cfg(test)]
            Self::Owed { file, .. } => file.sync_data(),
            Self::Failed => Err(io::Error::other("an earlier fsync of this file failed")),
        };
        if done.is_ok() {
            *self = Self::Done;
        }
        done
    }
}

impl Barrier {
    pub fn new(file: Box<dyn StorageBackend>, #[cfg(test)] whim: super::crash::Whim) -> Self {
        Self(Arc::new(Behind {
            file: file.into(),
            in_background: AtomicBool::new(false),
            sync: Mutex::new(Sync::Done),
            #[cfg(test)]
            whim,
        }))
    }

    #[cfg(test)]
    pub fn whim(&self) -> super::crash::Whim {
        self.0.whim
    }

    /// Does some work, of which an fsync is not waited for.
    pub fn without_waiting<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.in_background.store(true, Ordering::SeqCst);
        let done = work();
        self.0.in_background.store(false, Ordering::SeqCst);
        done
    }

    /// Whether the last fsync is done; an error if it failed.
    pub fn is_idle(&self) -> io::Result<bool> {
        let mut sync = self.0.lock();
        match &mut *sync {
            Sync::Running(thread) if !thread.is_finished() => return Ok(false),
            #[cfg(test)]
            Sync::Owed { asked, .. } if *asked < 2 => {
                *asked += 1;
                return Ok(false);
            }
            _ => {}
        }
        sync.wait()?;
        Ok(true)
    }
}

impl Behind {
    fn lock(&self) -> MutexGuard<'_, Sync> {
        self.sync.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the file may be written to.
    fn pass(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.whim.has(super::crash::Flaw::NoBarrier) {
            return Ok(());
        }
        self.lock().wait()
    }

    fn start_sync(&self) -> io::Result<()> {
        let mut sync = self.lock();
        sync.wait()?;
        #[cfg(test)]
        if self.whim.is_late {
            *sync = Sync::Owed {
                file: Arc::clone(&self.file),
                asked: 0,
            };
            return Ok(());
        }
        let file = Arc::clone(&self.file);
        let thread = thread::Builder::new()
            .name("checkpoint".into())
            .spawn(move || file.sync_data())?;
        *sync = Sync::Running(thread);
        Ok(())
    }
}

impl StorageBackend for Barrier {
    fn len(&self) -> io::Result<u64> {
        self.0.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.pass()?;
        self.0.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.0.in_background.load(Ordering::SeqCst) {
            return self.0.start_sync();
        }
        let mut sync = self.0.lock();
        sync.wait()?;
        let done = self.0.file.sync_data();
        if done.is_err() {
            *sync = Sync::Failed;
        }
        done
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.pass()?;
        self.0.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        let waited = self.0.lock().wait();
        waited.and(self.0.file.close())
    }
}
