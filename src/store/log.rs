//! The redo log: two segments of frames, each frame a batch that is on the disk before redb's file has it.
//!
//! A frame is `[magic][length: u32][CRC-32][identity][epoch][sequence][length of the segment][moment]` and then the batch's row
//! changes (`changes`), filled up with zeros to whole blocks of 4 KiB, so that no write touches the
//! block of a frame that was answered. One write and one fsync put it there; the segment was
//! written full of zeros before, so that the fsync has no size or extents of it to note.
//!
//! The moment is later than every ask of the batch, earlier than its answers, and later than the
//! frame before: a moment says which batches were there. The first frame of an epoch has no changes,
//! so that whoever follows the log sees at once that another one began.
//!
//! Frames belong to a store (its identity, a random number) and to one time of it being open (the
//! epoch, another one, noted in the store): whatever else lies in a segment, such as the log of the
//! store that a backup was put in the place of, is no frame. Sequences have no gaps, so:
//!
//! - A frame that is not whole, with none of a later sequence, is the tail that was being written
//!   when the power went; nobody was answered, and it is dropped. The same bytes are left where
//!   the disk damaged the last frame of a shop that was not closed in order, or all of the last ones that
//!   redb's file lacks: these can't be told apart, since nothing after them on the disk says that
//!   they were once whole.
//! - A frame that is not whole, with later ones behind it or in the other segment, is damage: a
//!   later frame is only written when all before it are on the disk. The store is refused.
//! - A segment that is not there, of a length that none is made of, or shorter than a frame in it
//!   says, is damage, and so are two segments without a frame of the store when a checkpoint was made of one.
//! - Other damage to frames that redb's file has already, or behind the last one, is without effect.

use std::io;
use std::time::{Duration, Instant};

use redb::StorageBackend;

use super::StoreError;
use crate::shop::time::Timestamp;

/// What each frame begins with.
pub const MAGIC: [u8; 8] = *b"emlog\0\0\x02";

/// The bytes before the changes.
const HEADER_LEN: usize = 56;

/// What a disk writes whole, and a frame begins at.
const BLOCK_LEN: usize = 4_096;
const BLOCK: u64 = BLOCK_LEN as u64;

/// Zeros written at a time when a segment is made or grows.
const ZEROS_LEN: usize = 64 << 10;

/// How large segments may be, always a power of two, and when the log goes on in the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A segment as it is made: an empty shop takes twice this.
    pub segment_min: u64,
    /// A segment grows to this, and so does the memory for the changes of one
    /// batch. What is larger is committed by redb alone, and durably.
    pub segment_max: u64,
    /// A checkpoint is due when frames of so many bytes were written.
    pub checkpoint_bytes: u64,
    /// And when the last one is so long ago. Measured: more often costs three times the disk
    /// writes, less often is hardly faster, and stops the writer longer each time.
    pub checkpoint_after: Duration,
}

/// 15,000 orders a second fill 8 MiB; one buyer alone, whose every order takes a block, 16 MiB. So
/// there is room for another second, should the disk not be done with the last checkpoint by then.
pub const LIMITS: Limits = Limits {
    segment_min: 256 << 10,
    segment_max: 32 << 20,
    checkpoint_bytes: 16 << 20,
    checkpoint_after: Duration::from_secs(1),
};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    A,
    B,
}

impl Which {
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Where segments lie.
pub trait Segments: Send + Sync {
    /// A segment that is there.
    fn open(&self, which: Which) -> io::Result<Option<Box<dyn StorageBackend>>>;
    /// A new and empty one.
    fn make(&self, which: Which) -> io::Result<Box<dyn StorageBackend>>;
    /// Makes it durable that new ones are there.
    fn sync_folder(&self) -> io::Result<()>;
    /// They are needed no more.
    fn remove(&self) -> io::Result<()>;
}

/// Whose frames they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub identity: u64,
    pub epoch: u64,
}

/// Why a store that needs its log can't be opened with what there is of it.
#[derive(Debug, thiserror::Error)]
pub enum LogDamage {
    #[error("its log is not there: a store that was not closed in order is not whole without")]
    Missing,
    #[error("batch {0} of its log is damaged or missing, and later ones are there")]
    Gap(u64),
    #[error("its log was cut short")]
    Short,
    #[error("batch {0} of its log can't be understood")]
    Unreadable(u64),
}

/// A log that is written to.
pub struct Log {
    segments: [Box<dyn StorageBackend>; 2],
    owner: Owner,
    limits: Limits,
    current: Which,
    /// Where the next frame begins.
    at: u64,
    last: u64,
    /// The moment of the last batch.
    last_at: Timestamp,
    checkpointed_at: Instant,
    frame: Vec<u8>,
    #[cfg(test)]
    whim: super::crash::Whim,
}

impl Log {
    /// A log without a frame yet, in segments that are there or are made. Nothing that is in them
    /// may still be needed once a frame is written; the newest of it is written over
    /// last, so that whoever follows the log has time to read it.
    pub fn begin(
        segments: [Box<dyn StorageBackend>; 2],
        owner: Owner,
        last_at: Timestamp,
        newest: Which,
        limits: Limits,
        #[cfg(test)] whim: super::crash::Whim,
    ) -> Self {
        Self {
            segments,
            owner,
            limits,
            current: newest.other(),
            at: 0,
            last: 0,
            last_at,
            checkpointed_at: Instant::now(),
            frame: Vec::new(),
            #[cfg(test)]
            whim,
        }
    }

    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// The sequence of the last frame.
    pub fn last(&self) -> u64 {
        self.last
    }

    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// The moment of a batch that is written now: later than all before, whatever the clock says.
    pub fn moment(&self, now: Timestamp) -> Timestamp {
        now.max(Timestamp(self.last_at.0.saturating_add(1)))
    }

    /// From here on it is the log of another epoch; all that is in it may be written over.
    pub fn begin_epoch(&mut self, epoch: u64, last_at: Timestamp) {
        self.turn();
        self.owner.epoch = epoch;
        self.last = 0;
        self.last_at = last_at;
    }

    /// The most that the changes of a batch may take.
    pub fn changes_max(&self) -> usize {
        usize::try_from(self.limits.segment_max).unwrap_or(usize::MAX) - HEADER_LEN
    }

    pub fn has_room_for(&self, changes: &[u8]) -> bool {
        self.at + padded(HEADER_LEN + changes.len()) <= self.limits.segment_max
    }

    /// Writes the next frame and waits until it is on the disk. After an error it may be there
    /// or not, and no frame may follow it.
    pub fn append(&mut self, changes: &[u8], now: Timestamp) -> io::Result<()> {
        let sequence = self.last + 1;
        let moment = self.moment(now);
        let end = self.at + padded(HEADER_LEN + changes.len());
        let segment = &self.segments[self.current as usize];
        let mut length = segment.len()?;
        if end > length {
            let longer = end.next_power_of_two();
            grow(&**segment, length, longer)?;
            // Before a frame says that it is so long.
            segment.sync_data()?;
            length = longer;
        }
        let header = Header {
            length: u32::try_from(changes.len()).expect("a segment is far below 4 GiB"),
            checksum: 0,
            owner: self.owner,
            sequence,
            segment_length: length,
            moment,
        };
        write_frame(&mut self.frame, header, changes);
        segment.write(self.at, &self.frame)?;
        #[cfg(test)]
        let is_synced = !self.whim.has(super::crash::Flaw::LogUnsynced);
        #[cfg(not(test))]
        let is_synced = true;
        if is_synced {
            segment.sync_data()?;
        }
        self.at = end;
        self.last = sequence;
        self.last_at = moment;
        // What one large batch took is not kept for all the small ones.
        if self.frame.capacity() > ZEROS_LEN {
            self.frame = Vec::new();
        }
        Ok(())
    }

    /// Whether redb's file should be brought up to the log.
    pub fn is_checkpoint_due(&self) -> bool {
        self.at > 0
            && (self.at >= self.limits.checkpoint_bytes
                || self.checkpointed_at.elapsed() >= self.limits.checkpoint_after)
    }

    /// Goes on in the other segment, of which no frame may be needed any more.
    pub fn turn(&mut self) {
        if self.at == 0 {
            return; // The last frames that there are lie in the other one.
        }
        #[cfg(test)]
        let stays = self.whim.has(super::crash::Flaw::OneSegment);
        #[cfg(not(test))]
        let stays = false;
        if !stays {
            self.current = self.current.other();
        }
        self.at = 0;
        self.checkpointed_at = Instant::now();
    }
}

/// Both segments for a new log: those that are there if they are known to be the store's, or new
/// ones. What lies there otherwise may be the log of another store that somebody keeps.
pub fn take_or_make(
    segments: &dyn Segments,
    are_ours: bool,
    limits: Limits,
) -> io::Result<[Box<dyn StorageBackend>; 2]> {
    let open = |which| -> io::Result<_> {
        if are_ours && let Some(segment) = segments.open(which)? {
            return Ok(segment);
        }
        let segment = segments.make(which)?;
        grow(&*segment, 0, limits.segment_min)?;
        segment.sync_data()?;
        segments.sync_folder()?;
        Ok(segment)
    };
    Ok([open(Which::A)?, open(Which::B)?])
}

/// Writes zeros up to a new end: room that is only promised is not there on a disk that is full,
/// and is found by the first fsync of each block.
fn grow(segment: &dyn StorageBackend, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; ZEROS_LEN];
    segment.set_len(to)?;
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).map_or(ZEROS_LEN, |left| left.min(ZEROS_LEN));
        segment.write(at, &zeros[..length])?;
        at += length as u64;
    }
    Ok(())
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub sequence: u64,
    /// Of the last frame, if one was needed.
    pub moment: Option<Timestamp>,
    /// The segment that the newest frames lie in.
    pub newest: Which,
}

/// Hands over the changes of each frame after a sequence, in order; where it ends.
pub fn replay(
    segments: &dyn Segments,
    owner: Owner,
    after: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), StoreError>,
) -> Result<End, StoreError> {
    let damaged = |damage: LogDamage| StoreError::opening(damage);
    let mut found = Vec::new();
    let mut opened = Vec::new();
    let mut is_anothers = true;
    let mut newest = (0, Which::B);
    for which in Which::BOTH {
        let segment = segments.open(which).map_err(StoreError::opening)?;
        let segment = segment.ok_or_else(|| damaged(LogDamage::Missing))?;
        let length = segment.len().map_err(StoreError::opening)?;
        if length < BLOCK || !length.is_power_of_two() {
            return Err(damaged(LogDamage::Short));
        }
        for (header, at) in frames_of(&*segment, owner).map_err(StoreError::opening)? {
            let sequence = header.sequence;
            is_anothers = false;
            newest = newest.max((sequence, which));
            if header.segment_length > length {
                return Err(damaged(LogDamage::Short));
            }
            // Others are of before the checkpoint.
            if sequence > after {
                found.push((sequence, which, at));
            }
        }
        opened.push(segment);
    }
    if is_anothers && after > 0 {
        return Err(damaged(LogDamage::Missing));
    }
    found.sort_unstable_by_key(|(sequence, ..)| *sequence);
    let mut last = after;
    let mut moment = None;
    for (sequence, which, at) in found {
        if sequence != last + 1 {
            return Err(damaged(LogDamage::Gap(last + 1)));
        }
        let segment = &opened[which as usize];
        let frame = read_frame(&**segment, owner, at).map_err(StoreError::opening)?;
        let (header, changes) = frame.ok_or_else(|| damaged(LogDamage::Gap(sequence)))?;
        each(sequence, &changes)?;
        last = sequence;
        moment = Some(header.moment);
    }
    Ok(End {
        sequence: last,
        moment,
        newest: newest.1,
    })
}

/// All whole frames, and where each begins.
fn frames_of(segment: &dyn StorageBackend, owner: Owner) -> io::Result<Vec<(Header, u64)>> {
    let length = segment.len()?;
    let mut frames = Vec::new();
    let mut at = 0;
    while at + BLOCK <= length {
        match read_frame(segment, owner, at)? {
            Some((header, changes)) => {
                frames.push((header, at));
                at += padded(HEADER_LEN + changes.len());
            }
            None => at += BLOCK,
        }
    }
    Ok(frames)
}

/// The frame that begins there, if one does and it is whole.
fn read_frame(
    segment: &dyn StorageBackend,
    owner: Owner,
    at: u64,
) -> io::Result<Option<(Header, Vec<u8>)>> {
    read_whole(segment, at, |header| header.owner == owner)
}

fn read_whole(
    segment: &dyn StorageBackend,
    at: u64,
    is_meant: impl Fn(&Header) -> bool,
) -> io::Result<Option<(Header, Vec<u8>)>> {
    let there = segment.len()?;
    if at + HEADER_LEN as u64 > there {
        return Ok(None);
    }
    let mut header = [0; HEADER_LEN];
    segment.read(at, &mut header)?;
    let Some(header) = Header::read(&header).filter(is_meant) else {
        return Ok(None);
    };
    let end = at + HEADER_LEN as u64 + u64::from(header.length);
    if end > there {
        return Ok(None);
    }
    let length = usize::try_from(header.length).map_err(io::Error::other)?;
    let mut changes = vec![0; length];
    segment.read(at + HEADER_LEN as u64, &mut changes)?;
    let is_whole = header.checksum == header.checksum_with(&changes);
    Ok(is_whole.then_some((header, changes)))
}

/// A whole frame, of whichever log, apart from the segment it lay in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub owner: Owner,
    pub sequence: u64,
    pub moment: Timestamp,
    /// As they lie in a segment, without what fills up the block.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The one that begins there, if one does and it is whole.
    pub fn read(segment: &dyn StorageBackend, at: u64) -> io::Result<Option<Self>> {
        let whole = read_whole(segment, at, |_| true)?;
        Ok(whole.map(|(header, changes)| Self {
            owner: header.owner,
            sequence: header.sequence,
            moment: header.moment,
            bytes: [&header.bytes()[..], &changes].concat(),
        }))
    }

    pub fn is_next_of(&self, last: &Self) -> bool {
        self.owner == last.owner && self.sequence == last.sequence + 1
    }

    pub fn changes(&self) -> &[u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Which one it was, for little memory.
    pub fn without_changes(&self) -> Self {
        Self {
            bytes: Vec::new(),
            ..*self
        }
    }

    pub fn padded_len(&self) -> u64 {
        padded(self.bytes.len())
    }
}

/// Whether bytes that are no whole frame may be what was written of one before the power went, and
/// no frames that were damaged.
pub fn is_torn(mut bytes: &[u8]) -> bool {
    if bytes.iter().all(|byte| *byte == 0) {
        return true;
    }
    let whole = bytes.len();
    let Some(header) = Header::read(bytes) else {
        return whole < HEADER_LEN;
    };
    let is_cut = usize::try_from(header.length).is_ok_and(|length| HEADER_LEN + length > whole);
    bytes = bytes.get(1..).unwrap_or_default();
    is_cut && !bytes.windows(MAGIC.len()).any(|window| *window == MAGIC)
}

fn write_frame(frame: &mut Vec<u8>, mut header: Header, changes: &[u8]) {
    header.checksum = header.checksum_with(changes);
    frame.clear();
    frame.extend_from_slice(&header.bytes());
    frame.extend_from_slice(changes);
    frame.resize(frame.len().next_multiple_of(BLOCK_LEN), 0);
}

/// The bytes of whole blocks that hold so many.
fn padded(length: usize) -> u64 {
    length.next_multiple_of(BLOCK_LEN) as u64
}

#[derive(Clone, Copy, Debug)]
struct Header {
    length: u32,
    checksum: u32,
    owner: Owner,
    sequence: u64,
    segment_length: u64,
    moment: Timestamp,
}

impl Header {
    fn bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.owner.identity.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.owner.epoch.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.segment_length.to_le_bytes());
        bytes[48..].copy_from_slice(&self.moment.0.to_le_bytes());
        bytes
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        if *bytes.split_off(..8)? != MAGIC {
            return None;
        }
        let length = u32::from_le_bytes(take(&mut bytes)?);
        let checksum = u32::from_le_bytes(take(&mut bytes)?);
        let owner = Owner {
            identity: u64::from_le_bytes(take(&mut bytes)?),
            epoch: u64::from_le_bytes(take(&mut bytes)?),
        };
        let sequence = u64::from_le_bytes(take(&mut bytes)?);
        let segment_length = u64::from_le_bytes(take(&mut bytes)?);
        let moment = Timestamp(i64::from_le_bytes(take(&mut bytes)?));
        Some(Self {
            length,
            checksum,
            owner,
            sequence,
            segment_length,
            moment,
        })
    }

    /// Over all of the frame but the checksum itself.
    fn checksum_with(mut self, changes: &[u8]) -> u32 {
        self.checksum = 0;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.bytes());
        hasher.update(changes);
        hasher.finalize()
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    bytes.split_off(..N)?.try_into().ok()
}
