//! The end of an open shop's log, read from outside while it grows.
//!
//! A segment is written from its beginning, frame after frame, and each frame has a later moment
//! than the one before; so the first frame that is not whole, or is older than the one before it,
//! is where the segment ends for now. Files stay open after they lost their names: what a shop
//! wrote just before it closed is still read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::disk::{self, Plain};
use super::log::{Frame, Which};
use super::segments;
use crate::shop::time::Timestamp;

const BEFORE_ALL: Timestamp = Timestamp(i64::MIN);

pub struct Tail {
    store: PathBuf,
    segments: [Option<Segment>; 2],
}

/// One of the two, and how far it was read.
struct Segment {
    file: Plain,
    place: (u64, u64),
    at: u64,
    /// Of the frame before.
    moment: Timestamp,
}

impl Tail {
    /// Of the store in that file.
    pub fn of(store: PathBuf) -> Self {
        Self {
            store,
            segments: [None, None],
        }
    }

    /// What came since it was asked last, and is newer than a moment, in order.
    pub fn read(&mut self, newer_than: Option<Frame>) -> io::Result<Vec<Frame>> {
        let after = newer_than.as_ref().map_or(BEFORE_ALL, |last| last.moment);
        let mut found = BTreeMap::new();
        self.look(after, &mut found)?;
        let mut last = newer_than;
        let has_gap = found.values().any(|frame: &Frame| {
            let is_next = last.as_ref().is_none_or(|last| frame.is_next_of(last));
            last = Some(frame.without_changes());
            !is_next
        });
        // The segment that was read first may have got frames until the other was read.
        if has_gap {
            self.look(after, &mut found)?;
        }
        Ok(found.into_values().collect())
    }

    /// Whether there was a log to read when it was asked last.
    pub fn has_log(&self) -> bool {
        self.segments.iter().all(Option::is_some)
    }

    /// Whoever could not use what was read reads it again.
    pub fn forget(&mut self) {
        self.segments = [None, None];
    }

    fn look(&mut self, after: Timestamp, found: &mut BTreeMap<Timestamp, Frame>) -> io::Result<()> {
        for which in Which::BOTH {
            let path = segments::path_of(&self.store, which);
            let there = disk::unless(io::ErrorKind::NotFound, fs::metadata(&path))?;
            let place = there.map(|there| (there.dev(), there.ino()));
            let slot = &mut self.segments[which as usize];
            if let Some(segment) = slot {
                segment.look(after, found)?;
                if place == Some(segment.place) {
                    continue;
                }
            }
            *slot = Segment::open(&path)?;
            if let Some(segment) = slot {
                segment.look(after, found)?;
            }
        }
        Ok(())
    }
}

impl Segment {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = disk::unless(io::ErrorKind::NotFound, File::open(path))? else {
            return Ok(None);
        };
        let there = file.metadata()?;
        Ok(Some(Self {
            place: (there.dev(), there.ino()),
            file: Plain(file),
            at: 0,
            moment: BEFORE_ALL,
        }))
    }

    fn look(&mut self, after: Timestamp, found: &mut BTreeMap<Timestamp, Frame>) -> io::Result<()> {
        // The log came round.
        let first = Frame::read(&self.file, 0)?;
        if first.is_some_and(|first| first.moment > self.moment) {
            self.at = 0;
            self.moment = BEFORE_ALL;
        }
        while let Some(frame) = Frame::read(&self.file, self.at)? {
            if frame.moment <= self.moment {
                break; // Of the round before.
            }
            self.moment = frame.moment;
            self.at += frame.padded_len();
            if frame.moment > after {
                found.insert(frame.moment, frame);
            }
        }
        Ok(())
    }
}
