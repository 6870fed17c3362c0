//! A copy that is kept current: whole copies of the store, and the frames of its log since.
//!
//! A folder of it has `base-*.redb`, each a backup, and `frames-*.log`, frames one after the other in
//! the order of their moments. A base says which moment of which log it is; the frames of
//! that log which follow it without a gap bring it to any later moment, and where they end the next
//! base begins. Nothing is believed to be whole by its name: frames have checksums, bases are
//! verified, and where something is missing or damaged the moments after it are refused.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::backup::{self, at, draft_of};
use super::disk::{self, Handle, Plain};
use super::log::{self, Frame, Owner};
use super::redo::Mark;
use super::tables::{Counter, Read, Transaction};
use super::tail::Tail;
use super::{BackupError, Brought, FILE_NAME, Folder, Progress, StoreError};
use crate::shop::time::Timestamp;

const LOCK_NAME: &str = "follow.lock";
/// A base before it says what it is.
const NEW_BASE_NAME: &str = "base.new";

/// Until when nothing was answered that is not here, in microseconds since 1970. It is written over
/// in place: what can't be read of it is as if it were not there.
const CURRENT_NAME: &str = "current.until";

/// Memory for the pages of a glance at a base.
const GLANCE_BYTES: usize = 1 << 20;

/// How many batches are put in with one transaction: bounds what it holds in memory.
const BATCHES_AT_ONCE: usize = 1_000;

/// Keeps a folder current, for as long as it lives.
pub struct Follower {
    path: PathBuf,
    _lock: File,
    tail: Tail,
    /// What frames are appended to: never one that an append failed on.
    frames: Option<File>,
    /// The last frame in the folder.
    last: Option<Frame>,
    /// From which on there is no gap until the last.
    first: Option<Frame>,
    lacks_base: bool,
}

/// What became of frames since the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    InStep,
    /// Another log began, or frames were missed: only a new base says what was between.
    Gap,
}

impl Follower {
    /// Goes on with what is in a folder, or begins anew.
    pub fn open(path: &Path, data_dir: &Path) -> Result<Self, BackupError> {
        fs::create_dir_all(path).map_err(at(path))?;
        let lock_path = path.join(LOCK_NAME);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = options.open(&lock_path).map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Followed(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(at(&lock_path)(cause)),
        }
        let new = path.join(NEW_BASE_NAME);
        for left in [draft_of(&new), new] {
            let removed = fs::remove_file(&left);
            disk::unless(io::ErrorKind::NotFound, removed).map_err(at(&left))?;
        }
        let kept = Kept::read(path)?;
        let chain = kept.chain(kept.bases.last());
        let last = kept.frames.last().map(|place| place.frame.clone());
        let first = chain.first().map(|place| place.frame.clone());
        let reaches = chain.last().map(|place| &place.frame) == last.as_ref();
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
            tail: Tail::of(data_dir.join(FILE_NAME)),
            frames: None,
            lacks_base: kept.bases.is_empty() || !reaches || kept.is_damaged(),
            last,
            first,
        })
    }

    /// Whether a new base is needed to be current.
    pub fn lacks_base(&self) -> bool {
        self.lacks_base
    }

    /// Where the next base is to be written.
    pub fn new_base(&self) -> PathBuf {
        self.path.join(NEW_BASE_NAME)
    }

    /// Whether the shop has a log to follow: not while it is closed, nor with `--durability store`.
    pub fn has_log(&self) -> bool {
        self.tail.has_log()
    }

    /// Takes what came to the log until `now`, durably, and notes that it did.
    pub fn ship(&mut self, now: Timestamp) -> Result<Shipped, BackupError> {
        let shipped = self.take_frames()?;
        if self.has_log() && !self.lacks_base {
            let path = self.path.join(CURRENT_NAME);
            let mut options = fs::OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).open(&path);
            let noted = file.and_then(|mut file| write!(file, "{:020}", now.0));
            noted.map_err(at(&path))?;
        }
        Ok(shipped)
    }

    fn take_frames(&mut self) -> Result<Shipped, BackupError> {
        let last = self.last.as_ref().map(Frame::without_changes);
        let found = self.tail.read(last).map_err(at(&self.path))?;
        if found.is_empty() {
            return Ok(Shipped::InStep);
        }
        if let Err(cause) = self.append(&found) {
            self.frames = None;
            self.tail.forget();
            return Err(at(&self.path)(cause));
        }
        let mut shipped = Shipped::InStep;
        for frame in found {
            let frame = frame.without_changes();
            let follows = self
                .last
                .as_ref()
                .is_some_and(|last| frame.is_next_of(last));
            if !follows {
                // The first of all is no gap, but there is nothing yet that it could follow.
                if self.last.is_some() {
                    shipped = Shipped::Gap;
                }
                self.first = Some(frame.clone());
                self.lacks_base = true;
            }
            self.last = Some(frame);
        }
        Ok(shipped)
    }

    fn append(&mut self, frames: &[Frame]) -> io::Result<()> {
        if self.frames.is_none()
            && let Some(first) = frames.first()
        {
            let path = self.path.join(name_of_frames(first.moment));
            self.frames = Some(disk::private(&path)?);
            disk::sync_folder_of(&path)?;
        }
        let Some(file) = &mut self.frames else {
            return Ok(());
        };
        for frame in frames {
            file.write_all(&frame.bytes)?;
        }
        file.sync_data()
    }

    /// Takes the base that was written, and forgets what is older than the newest so many.
    pub fn take_base(&mut self, now: Timestamp, keep: usize) -> Result<PathBuf, BackupError> {
        let new = self.new_base();
        let (identity, mark) = glance(&new)?;
        let bases = Kept::bases(&self.path)?;
        if bases.last().is_some_and(|base| base.identity != identity) {
            fs::remove_file(&new).map_err(at(&new))?;
            return Err(BackupError::Anothers(self.path.clone()));
        }
        let base = Base {
            mark,
            taken: now,
            identity,
        };
        let path = self.path.join(base.name());
        fs::rename(&new, &path).map_err(at(&path))?;
        disk::sync_folder_of(&path).map_err(at(&path))?;
        let is_newest = |last: &Frame| mark.moment >= last.moment;
        let reaches = |first: &Frame| {
            first.owner == base.owner() && mark.sequence.saturating_add(1) >= first.sequence
        };
        self.lacks_base =
            !self.last.as_ref().is_none_or(is_newest) && !self.first.as_ref().is_some_and(reaches);
        // Each file begins after a base, so that it can be forgotten with it.
        self.frames = None;
        self.forget_old(keep)?;
        Ok(path)
    }

    fn forget_old(&self, keep: usize) -> Result<(), BackupError> {
        let bases = Kept::bases(&self.path)?;
        let old = bases.len().saturating_sub(keep);
        for base in bases.iter().take(old) {
            let path = self.path.join(base.name());
            fs::remove_file(&path).map_err(at(&path))?;
        }
        let Some(oldest) = bases.get(old) else {
            return Ok(());
        };
        let files = Kept::files(&self.path)?;
        for pair in files.windows(2) {
            if let [this, next] = pair
                && next.0 <= oldest.mark.moment
            {
                fs::remove_file(&this.1).map_err(at(&this.1))?;
            }
        }
        Ok(())
    }
}

/// Which shop's a base is, and which moment of which log.
fn glance(path: &Path) -> Result<(u64, Mark), BackupError> {
    let handle = Handle::peek(&disk::read_only(path.to_owned()), GLANCE_BYTES)?;
    what_is_in(&handle)
}

fn what_is_in(handle: &Handle) -> Result<(u64, Mark), BackupError> {
    let txn = handle.begin_write().map_err(StoreError::from)?;
    let identity = Transaction::new(&txn).count(Counter::Identity)?;
    txn.abort().map_err(StoreError::from)?;
    let mark = Mark::read(&handle.begin_read()?)?;
    Ok((identity, mark.unwrap_or(Mark::without_log(Timestamp(0)))))
}

/// What the name of a base says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Base {
    mark: Mark,
    taken: Timestamp,
    identity: u64,
}

impl Base {
    fn owner(&self) -> Owner {
        Owner {
            identity: self.identity,
            epoch: self.mark.epoch,
        }
    }

    /// Names sort as their moments do, and those of one moment as they were taken.
    fn name(&self) -> String {
        let Self {
            mark,
            taken,
            identity,
        } = self;
        format!(
            "base-{:020}-{:020}-{identity:016x}-{:016x}-{:020}.redb",
            mark.moment.0, taken.0, mark.epoch, mark.sequence
        )
    }

    fn parse(name: &str) -> Option<Self> {
        let inner = name.strip_prefix("base-")?.strip_suffix(".redb")?;
        let mut parts = inner.split('-');
        let moment = Timestamp(parts.next()?.parse().ok()?);
        let taken = Timestamp(parts.next()?.parse().ok()?);
        let identity = u64::from_str_radix(parts.next()?, 16).ok()?;
        let epoch = u64::from_str_radix(parts.next()?, 16).ok()?;
        let sequence = parts.next()?.parse().ok()?;
        let base = Self {
            mark: Mark {
                epoch,
                sequence,
                moment,
            },
            taken,
            identity,
        };
        (base.name() == name).then_some(base)
    }
}

fn name_of_frames(first: Timestamp) -> String {
    format!("frames-{:020}.log", first.0)
}

/// A frame in the folder, and where it lies.
struct Place {
    /// Without its changes.
    frame: Frame,
    file: usize,
    at: u64,
}

/// What a folder has.
struct Kept {
    path: PathBuf,
    /// In the order of their moments.
    bases: Vec<Base>,
    files: Vec<(Timestamp, PathBuf)>,
    frames: Vec<Place>,
    /// Moments after which frames of a file are damaged.
    damaged_after: Vec<Timestamp>,
    /// Until when it is known that nothing else was answered.
    current_until: Option<Timestamp>,
}

impl Kept {
    fn read(path: &Path) -> Result<Self, BackupError> {
        let mut kept = Self {
            path: path.to_owned(),
            bases: Self::bases(path)?,
            files: Self::files(path)?,
            frames: Vec::new(),
            damaged_after: Vec::new(),
            current_until: current_until(path),
        };
        for number in 0..kept.files.len() {
            let (first, path) = kept.files[number].clone();
            kept.read_frames(number, first, &path).map_err(at(&path))?;
        }
        kept.frames.sort_by_key(|place| place.frame.moment);
        Ok(kept)
    }

    fn read_frames(&mut self, file: usize, first: Timestamp, path: &Path) -> io::Result<()> {
        let bytes = Plain(File::open(path)?);
        let mut whole_until = Timestamp(first.0 - 1);
        let mut at = 0;
        while let Some(frame) = Frame::read(&bytes, at)? {
            let frame_at = at;
            at += frame.bytes.len() as u64;
            whole_until = frame.moment;
            self.frames.push(Place {
                frame: frame.without_changes(),
                file,
                at: frame_at,
            });
        }
        let rest = bytes.0.metadata()?.len() - at;
        let mut tail = vec![0; usize::try_from(rest).map_err(io::Error::other)?];
        redb::StorageBackend::read(&bytes, at, &mut tail)?;
        if !log::is_torn(&tail) {
            self.damaged_after.push(whole_until);
        }
        Ok(())
    }

    fn names(path: &Path) -> Result<Vec<String>, BackupError> {
        let entries = fs::read_dir(path).map_err(at(path))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(at(path))?.file_name();
            names.extend(name.into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    fn bases(path: &Path) -> Result<Vec<Base>, BackupError> {
        let names = Self::names(path)?;
        Ok(names.iter().filter_map(|name| Base::parse(name)).collect())
    }

    fn files(path: &Path) -> Result<Vec<(Timestamp, PathBuf)>, BackupError> {
        let parse = |name: String| {
            let moment = name.strip_prefix("frames-")?.strip_suffix(".log")?;
            let first = Timestamp(moment.parse().ok()?);
            (name_of_frames(first) == name).then(|| (first, path.join(name)))
        };
        Ok(Self::names(path)?.into_iter().filter_map(parse).collect())
    }

    fn is_damaged(&self) -> bool {
        !self.damaged_after.is_empty()
    }

    /// The frames that bring a base forward, without a gap.
    fn chain(&self, base: Option<&Base>) -> Vec<&Place> {
        let Some(base) = base else {
            return Vec::new();
        };
        let mut next = base.mark.sequence + 1;
        let mut chain = Vec::new();
        for place in &self.frames {
            let Frame {
                owner, sequence, ..
            } = place.frame;
            if owner != base.owner() || sequence < next {
                continue;
            }
            if sequence > next {
                break;
            }
            next += 1;
            chain.push(place);
        }
        chain
    }

    /// The last moment that a base can be brought to.
    fn end_of(base: &Base, chain: &[&Place]) -> Timestamp {
        chain
            .last()
            .map_or(base.mark.moment, |place| place.frame.moment)
    }

    /// Whether it is known that the shop changed after a moment.
    fn has_later(&self, moment: Timestamp) -> bool {
        let frame = self.frames.last().map(|place| place.frame.moment);
        let base = self.bases.last().map(|base| base.mark.moment);
        let damaged = self.damaged_after.iter().max().copied();
        frame.max(base) > Some(moment) || damaged >= Some(moment)
    }

    /// The newest base at or before a moment, and the frames from there until then.
    fn until(&self, moment: Option<Timestamp>) -> Result<(Base, Vec<&Place>), BackupError> {
        let is_before = |at: Timestamp| moment.is_none_or(|moment| at <= moment);
        let not_kept = || BackupError::NotKept {
            path: self.path.clone(),
            kept: self.ranges(),
        };
        let mut bases = self.bases.iter().rev();
        let base = bases
            .find(|base| is_before(base.mark.moment))
            .ok_or_else(not_kept)?;
        let mut chain = self.chain(Some(base));
        let end = Self::end_of(base, &chain);
        let is_beyond = moment.is_none_or(|moment| moment > end);
        if is_beyond && self.has_later(end) {
            return Err(not_kept());
        }
        // Nothing is here that came later: was there nothing, or nobody to take it?
        if moment > Some(end.max(self.current_until.unwrap_or(end))) {
            return Err(not_kept());
        }
        chain.retain(|place| is_before(place.frame.moment));
        Ok((*base, chain))
    }

    fn ranges(&self) -> Vec<(Timestamp, Timestamp)> {
        let mut ranges: Vec<(Timestamp, Timestamp)> = Vec::new();
        for base in &self.bases {
            let end = Self::end_of(base, &self.chain(Some(base)));
            match ranges.last_mut() {
                Some(last) if base.mark.moment <= last.1 => last.1 = last.1.max(end),
                _ => ranges.push((base.mark.moment, end)),
            }
        }
        if let (Some(last), Some(current)) = (ranges.last_mut(), self.current_until)
            && !self.has_later(last.1)
        {
            last.1 = last.1.max(current);
        }
        ranges
    }

    fn changes_at(&self, place: &Place, file: &File) -> Result<Frame, BackupError> {
        let path = &self.files[place.file].1;
        let file = Plain(file.try_clone().map_err(at(path))?);
        let frame = Frame::read(&file, place.at).map_err(at(path))?;
        let gone = || at(path)(io::ErrorKind::InvalidData.into());
        frame.ok_or_else(gone)
    }
}

fn current_until(path: &Path) -> Option<Timestamp> {
    let noted = fs::read_to_string(path.join(CURRENT_NAME)).ok()?;
    noted.parse().ok().map(Timestamp)
}

/// Brings a copy that was kept current into a folder, as it was at a moment or as it is; says
/// when the last batch in it was written.
pub fn bring_moment<'f>(
    folder: &'f Folder,
    from: &Path,
    moment: Option<Timestamp>,
    may_replace: bool,
    now: Timestamp,
    tell: impl FnMut(Progress),
) -> Result<(Brought<'f>, Timestamp), BackupError> {
    let kept = Kept::read(from)?;
    let (base, frames) = kept.until(moment)?;
    let end = Kept::end_of(&base, &frames);
    let path = from.join(base.name());
    let put_in = |handle: &Handle| {
        if what_is_in(handle)? != (base.identity, base.mark) {
            return Err(BackupError::Unsound {
                path: path.clone(),
                finding: "it is not what its name says".to_owned(),
            });
        }
        put_in(&kept, &frames, handle)
    };
    let brought = backup::bring_and(folder, &path, may_replace, now, put_in, tell)?;
    Ok((brought, end))
}

fn put_in(kept: &Kept, frames: &[&Place], handle: &Handle) -> Result<(), BackupError> {
    let mut open = None;
    for batches in frames.chunks(BATCHES_AT_ONCE) {
        let txn = handle.begin_write().map_err(StoreError::from)?;
        let mut tx = Transaction::new(&txn);
        for place in batches {
            let file = match open.take() {
                Some((number, file)) if number == place.file => file,
                _ => {
                    let path = &kept.files[place.file].1;
                    File::open(path).map_err(at(path))?
                }
            };
            let frame = kept.changes_at(place, &file)?;
            tx.redo(frame.changes(), frame.sequence)?;
            open = Some((place.file, file));
        }
        drop(tx);
        txn.commit().map_err(StoreError::not_written)?;
    }
    Ok(())
}
