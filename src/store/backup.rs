//! Backups: one moment of the store as a file of its own, verified before it is called one.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use redb::{Durability, ReadableTable, TableDefinition};

use super::disk::{self, Handle};
use super::redo::Mark;
use super::segments;
use super::tables::{NAMES, Read, Snapshot};
use super::{DRAFT_NAME, FILE_NAME, Findings, Floor, Folder, Progress, Store, StoreError};
use crate::priority::{Pace, StepBack, step_back};
use crate::shop::time::Timestamp;

/// Memory for the pages of a backup while it is written or read.
const CACHE_BYTES: usize = 16 << 20;

/// Records copied in one transaction: bounds what it holds in memory.
const RECORDS_AT_ONCE: u64 = 10_000;

/// The folder, in the data folder, that an open shop writes backups to.
const FOLDER_NAME: &str = "backups";
/// The ending of a backup while it is written.
const DRAFT_ENDING: &str = ".part";
/// The beginning of one that whoever asked for it takes away.
const ASKED_FOR: &str = ".asked-for-";

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path} is there already", path = .0.display())]
    Exists(PathBuf),
    #[error("{path} is what a restore writes; rename it first", path = .0.display())]
    IsDraft(PathBuf),
    #[error("{path} ends in {DRAFT_ENDING}, as backups do while they are written; name it otherwise", path = .0.display())]
    DraftName(PathBuf),
    #[error("{path} would need {needed_bytes} bytes, with what the shop keeps free, and {free_bytes} are there; make room or name another disk", path = path.display())]
    NoRoom {
        path: PathBuf,
        needed_bytes: u64,
        free_bytes: u64,
    },
    #[error("{path} can't be written or read", path = path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path} is kept by another process already", path = .0.display())]
    Followed(PathBuf),
    #[error("{path} has the copy of another shop; name another folder", path = .0.display())]
    Anothers(PathBuf),
    #[error("{path} can't be brought to that moment", path = path.display())]
    NotKept {
        path: PathBuf,
        /// Between which moments, both included, it can.
        kept: Vec<(Timestamp, Timestamp)>,
    },
    #[error("{path} is no sound backup: {finding}", path = path.display())]
    Unsound { path: PathBuf, finding: String },
}

/// A backup that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    pub bytes: u64,
    pub records: u64,
}

impl Store {
    /// Writes one moment of the store to a new file, then reads it as a shop would and verifies
    /// all of it. Writers go on meanwhile. Work for a thread that may take its time.
    pub fn back_up(
        &self,
        to: &Path,
        mut tell: impl FnMut(Progress) + Send,
    ) -> Result<Made, BackupError> {
        if to
            .as_os_str()
            .as_encoded_bytes()
            .ends_with(DRAFT_ENDING.as_bytes())
        {
            return Err(BackupError::DraftName(to.to_owned()));
        }
        if to.exists() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        self.see_room_for(to)?;
        let draft = draft_of(to);
        let mut pace = Pace::default();
        let mut tell = |progress| {
            tell(progress);
            pace.rest();
        };
        let copied = in_background(|| {
            let records = copy(&*self.snapshot()?, &draft, &mut tell)?;
            sound(&draft, &mut tell)?;
            Ok(records)
        });
        if copied.is_err() {
            let _ = fs::remove_file(&draft); // It may not even have been made.
        }
        let records = copied?;
        // It may have come while this one was written.
        if to.exists() {
            let _ = fs::remove_file(&draft);
            return Err(BackupError::Exists(to.to_owned()));
        }
        fs::rename(&draft, to).map_err(at(to))?;
        disk::sync_folder_of(to).map_err(at(to))?;
        let bytes = fs::metadata(to).map_err(at(to))?.len();
        Ok(Made { bytes, records })
    }

    /// A backup on the shop's own disk must leave it what it keeps free. One is at most about as
    /// large as the store.
    fn see_room_for(&self, to: &Path) -> Result<(), BackupError> {
        let Some(Floor {
            folder,
            min_free_bytes,
        }) = &self.shared.floor
        else {
            return Ok(());
        };
        let store = fs::metadata(folder.join(FILE_NAME)).map_err(at(folder))?;
        let beside = disk::folder_of(to);
        if fs::metadata(beside).map_err(at(beside))?.dev() != store.dev() {
            return Ok(());
        }
        let needed_bytes = store.len().saturating_add(*min_free_bytes);
        match disk::too_few(disk::free_bytes(beside), needed_bytes) {
            Some(free_bytes) => Err(BackupError::NoRoom {
                path: to.to_owned(),
                needed_bytes,
                free_bytes,
            }),
            None => Ok(()),
        }
    }
}

/// Does the work on a thread of its own, which gets what the others leave of the processors.
fn in_background<T: Send>(
    work: impl FnOnce() -> Result<T, BackupError> + Send,
) -> Result<T, BackupError> {
    let background = || {
        step_back(StepBack::Far);
        work()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("backup".into())
            .spawn_scoped(scope, background)
            .map_err(StoreError::not_written)?;
        let done = thread.join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |cause| BackupError::File { path, cause }
}

/// A backup while it is written.
pub fn draft_of(to: &Path) -> PathBuf {
    let mut draft = to.as_os_str().to_owned();
    draft.push(DRAFT_ENDING);
    PathBuf::from(draft)
}

/// The file of that name in the folder of the backups of an open shop, which is made if need be.
pub fn place_of_backup(data_dir: &Path, name: &str) -> Result<PathBuf, BackupError> {
    let folder = data_dir.join(FOLDER_NAME);
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    Ok(folder.join(name))
}

/// A name for a backup that is made to be taken away.
pub fn name_to_ask_for() -> Result<String, getrandom::Error> {
    Ok(format!("{ASKED_FOR}{:016x}.redb", getrandom::u64()?))
}

/// Removes what backups that were cut short left in the folder: nobody else writes there while
/// it is held.
pub fn remove_leftovers(folder: &Folder) -> io::Result<()> {
    let read = fs::read_dir(folder.path().join(FOLDER_NAME));
    let Some(backups) = disk::unless(io::ErrorKind::NotFound, read)? else {
        return Ok(());
    };
    for entry in backups {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.ends_with(DRAFT_ENDING.as_bytes()) || name.starts_with(ASKED_FOR.as_bytes()) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// A backup that lies in a folder, verified, and is not its store yet.
pub struct Brought<'f> {
    folder: &'f Folder,
    draft: PathBuf,
}

/// Brings a backup into a folder to become its store, after all of it was verified, once where it
/// lies and once where it was copied to.
pub fn bring<'f>(
    folder: &'f Folder,
    from: &Path,
    may_replace: bool,
    now: Timestamp,
    tell: impl FnMut(Progress),
) -> Result<Brought<'f>, BackupError> {
    bring_and(folder, from, may_replace, now, |_| Ok(()), tell)
}

/// The same of a backup that something is put into before it is verified where it was copied to.
pub(super) fn bring_and<'f>(
    folder: &'f Folder,
    from: &Path,
    may_replace: bool,
    now: Timestamp,
    put_in: impl FnOnce(&Handle) -> Result<(), BackupError>,
    mut tell: impl FnMut(Progress),
) -> Result<Brought<'f>, BackupError> {
    let path = folder.path().join(FILE_NAME);
    if folder.has_store() && !may_replace {
        return Err(BackupError::Exists(path));
    }
    sound(from, &mut tell)?;
    let draft = folder.path().join(DRAFT_NAME);
    if same_file(from, &draft) {
        return Err(BackupError::IsDraft(from.to_owned()));
    }
    let mut source = fs::File::open(from).map_err(at(from))?;
    let mut file = disk::private(&draft).map_err(at(&draft))?;
    io::copy(&mut source, &mut file).map_err(at(&draft))?;
    file.sync_all().map_err(at(&draft))?;
    drop(file);
    let handle = Handle::open(&disk::file(draft.clone()), CACHE_BYTES)?;
    put_in(&handle)?;
    // What the shop does from now on came after all it did before, what is not in it included.
    handle.finish_copy(Some(Mark::without_log(now)))?;
    handle.close()?;
    sound(&draft, &mut tell)?; // What was copied, not only what it was copied from.
    Ok(Brought { folder, draft })
}

impl Brought<'_> {
    /// Makes it the store. The one that was there is kept beside it, and the name it has now is
    /// returned.
    pub fn put_in_place(self) -> Result<Option<PathBuf>, BackupError> {
        let Self { folder, draft } = self;
        let path = folder.path().join(FILE_NAME);
        let before = if folder.has_store() {
            let before = free_name(&path);
            // A second name, so that there is a store at every moment.
            fs::hard_link(&path, &before).map_err(at(&before))?;
            segments::link_with(&path, &before).map_err(at(&before))?;
            disk::sync_folder_of(&path).map_err(at(&path))?;
            Some(before)
        } else {
            None
        };
        fs::rename(&draft, &path).map_err(at(&path))?;
        disk::sync_folder_of(&path).map_err(at(&path))?;
        // To the new one the log means nothing, and whoever opens it makes one of its own.
        let log = segments::beside(path.clone());
        log.remove().map_err(at(&path))?;
        Ok(before)
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    let place = |path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    matches!((place(a), place(b)), (Ok(a), Ok(b)) if a == b)
}

/// `shop.redb.before-restore`, or with a number where that is taken.
fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(".before-restore");
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    let mut names = (1..).map(name);
    names
        .find(|name| !name.exists())
        .expect("numbers do not end")
}

fn copy(view: &Snapshot, to: &Path, tell: &mut impl FnMut(Progress)) -> Result<u64, BackupError> {
    let handle = Handle::open(&disk::new_file(to.to_owned()), CACHE_BYTES)?;
    let of = view.records()?;
    let mut rows = 0;
    for (tag, name) in (0..).zip(NAMES) {
        let mut entries = view.table(tag)?.iter().map_err(StoreError::from)?;
        let mut is_over = false;
        while !is_over {
            let mut txn = handle.begin_write().map_err(StoreError::from)?;
            // The last transaction of all is durable, and all before it with it.
            txn.set_durability(Durability::None)
                .map_err(StoreError::not_written)?;
            {
                let definition = TableDefinition::<&[u8], &[u8]>::new(name);
                let mut table = txn.open_table(definition).map_err(StoreError::from)?;
                let mut copied = 0;
                while copied < RECORDS_AT_ONCE {
                    let Some(entry) = entries.next() else {
                        is_over = true;
                        break;
                    };
                    let (key, record) = entry.map_err(StoreError::from)?;
                    table
                        .insert(key.value(), record.value())
                        .map_err(StoreError::from)?;
                    copied += 1;
                }
                rows += copied;
            }
            txn.commit().map_err(StoreError::not_written)?;
            tell(Progress { rows, of });
        }
    }
    handle.finish_copy(view.mark()?)?;
    handle.close()?;
    Ok(rows)
}

/// Opens a file as a shop would, and verifies all of it; the file stays as it is.
fn sound(path: &Path, tell: &mut impl FnMut(Progress)) -> Result<(), BackupError> {
    let unsound = |finding| BackupError::Unsound {
        path: path.to_owned(),
        finding,
    };
    fs::File::open(path).map_err(at(path))?;
    let store = Store::open_file_read_only(path, CACHE_BYTES);
    let store = store.map_err(|error| unsound(error.with_causes()))?;
    let findings: Findings = store.verify(tell)?;
    match findings.told.first() {
        Some(finding) => Err(unsound(finding.to_string())),
        None => Ok(()),
    }
}
