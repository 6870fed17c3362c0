//! Where a batch becomes durable: in redb's file, or in the log before it.
//!
//! With the log, redb's own commit is one in memory, made when the frame is on the disk: nobody reads
//! what a power cut could take back. A checkpoint is an empty commit that redb makes durable, and
//! everything before it; its fsync goes on in the background (`barrier`). Each batch notes its
//! sequence in its own transaction, so whatever state redb's file comes back with says which
//! frames it lacks. Those are put in when the store is opened, in one durable commit, which also
//! names a new epoch and so makes all frames before it void.
//!
//! While a log is needed the store's form is another (`migrate::WITH_LOG`): a program that knows of
//! no log refuses it, and so does this one where the log is gone. A shop that was closed in order is whole
//! in its file alone.

use std::sync::{MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::StoreError;
use super::changes::Changes;
use super::disk::{Handle, Media};
use super::log::{self, Log, LogDamage, Owner, Which};
use super::migrate;
use super::tables::{Counter, Read, Transaction};
use crate::shop::time::Timestamp;

/// What an answer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// An fsync of the log.
    Log,
    /// redb's own commit.
    Store,
}

/// Which moment of which log a store, or a copy of one, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// 0 is no log's.
    pub epoch: u64,
    /// The last that is here.
    pub sequence: u64,
    /// When the last batch was written.
    pub moment: Timestamp,
}

/// Why a store that was not closed in order is not whole in its file alone.
#[derive(Debug, thiserror::Error)]
#[error("its newest changes are in the log beside it: keep both together")]
pub struct LogIsNeeded;

/// Under the one key: a mark. No row of the shop's: `doctor` knows nothing of it.
const LOG: TableDefinition<'static, (), (u64, u64, i64)> = TableDefinition::new("log_mark");

/// The clock, in microseconds since 1970. The writer reads it after all asks of a batch came.
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since_1970.map_or(0, |since| since.as_micros());
    Timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
}

impl Handle {
    /// Puts in what the log has and the file has not, durably, and begins a new log, or lets go of it.
    /// Until then the handle takes no batches.
    pub fn recover(
        &self,
        media: &Media,
        durability: Durability,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let txn = self.begin_write()?;
        let mut tx = Transaction::new(&txn);
        let PutIn { moment, newest } = put_in(&mut tx, &txn, media)?;
        let identity = tx.count(Counter::Identity)?;
        let mut new_log = match (durability, &media.segments) {
            (Durability::Log, Some(segments)) => {
                // Before the commit that needs them to be there.
                let segments = log::take_or_make(&**segments, newest.is_some(), media.limits);
                let epoch = getrandom::u64().map_err(StoreError::opening)?;
                let owner = Owner { identity, epoch };
                let mark = Mark {
                    epoch,
                    sequence: 0,
                    moment,
                };
                note(&txn, mark)?;
                tx.set_count(Counter::Format, migrate::WITH_LOG)?;
                Some(Log::begin(
                    segments.map_err(StoreError::opening)?,
                    owner,
                    moment,
                    newest.unwrap_or(Which::B),
                    media.limits,
                    #[cfg(test)]
                    media.whim,
                ))
            }
            (Durability::Log | Durability::Store, _) => {
                make_whole(&mut tx, &txn, moment)?;
                None
            }
        };
        drop(tx);
        #[cfg(test)]
        let waits = !self.barrier().whim().has(super::crash::Flaw::BeginsEarly);
        #[cfg(not(test))]
        let waits = true;
        let committed = if waits {
            txn.commit()
        } else {
            self.barrier().without_waiting(|| txn.commit())
        };
        committed.map_err(StoreError::opening)?;
        if let Some(log) = &mut new_log {
            log.append(&[], now).map_err(StoreError::opening)?;
        }
        if let (None, Some(segments)) = (&new_log, &media.segments) {
            segments.remove().map_err(StoreError::opening)?;
        }
        *self.log() = new_log;
        Ok(())
    }

    /// Puts in what the log has, in a handle that is only read: neither the file nor the log is
    /// written to.
    pub fn read_log(&self, media: &Media) -> Result<(), StoreError> {
        let txn = self.begin_write()?;
        let mut tx = Transaction::new(&txn);
        put_in(&mut tx, &txn, media)?;
        drop(tx);
        txn.commit().map_err(StoreError::opening)
    }

    /// How many changes a batch should keep.
    pub fn changes(&self) -> Changes {
        let log = self.log();
        let max = log.as_ref().map(Log::changes_max);
        max.map_or(Changes::Unkept, Changes::kept)
    }

    /// Makes a batch durable, and then visible.
    pub fn commit(
        &self,
        mut txn: WriteTransaction,
        changes: &Changes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut log = self.log();
        let Some(log) = log.as_mut() else {
            let before = noted(&txn).map_err(StoreError::not_written)?;
            let moment = before.map_or(now, |mark| now.max(mark.moment));
            note(&txn, Mark::without_log(moment)).map_err(StoreError::not_written)?;
            return txn.commit().map_err(StoreError::unsure);
        };
        let Some(changes) = changes.bytes().filter(|bytes| log.has_room_for(bytes)) else {
            // A checkpoint that is waited for: from here on all of the log is void, and whoever
            // follows it must not take the next batch for the one after the last frame.
            let mark = Mark {
                epoch: getrandom::u64().map_err(StoreError::not_written)?,
                sequence: 0,
                moment: log.moment(now),
            };
            note(&txn, mark).map_err(StoreError::not_written)?;
            txn.commit().map_err(StoreError::unsure)?;
            log.begin_epoch(mark.epoch, mark.moment);
            return log.append(&[], now).map_err(StoreError::unsure);
        };
        #[cfg(test)]
        let notes = !self
            .barrier()
            .whim()
            .has(super::crash::Flaw::ForgetsSequence);
        #[cfg(not(test))]
        let notes = true;
        if notes {
            let mark = Mark {
                epoch: log.owner().epoch,
                sequence: log.last() + 1,
                moment: log.moment(now),
            };
            note(&txn, mark).map_err(StoreError::not_written)?;
        }
        txn.set_durability(redb::Durability::None)
            .map_err(StoreError::not_written)?;
        log.append(changes, now).map_err(StoreError::unsure)?;
        // From here on the batch stands, whatever becomes of this process.
        txn.commit().map_err(StoreError::unsure)
    }

    /// Brings redb's file up to the log, if it is time and the disk is done with the last time; the
    /// segment before the current one is free by then.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        let mut log = self.log();
        let Some(log) = log.as_mut().filter(|log| log.is_checkpoint_due()) else {
            return Ok(());
        };
        if !self.barrier().is_idle().map_err(StoreError::not_written)? {
            return Ok(());
        }
        let txn = self.begin_write()?;
        let committed = self.barrier().without_waiting(|| txn.commit());
        committed.map_err(StoreError::not_written)?;
        log.turn();
        Ok(())
    }

    pub fn has_log(&self) -> bool {
        self.log().is_some()
    }

    /// Makes the file whole without its log, for good.
    pub fn settle(&self, media: &Media) -> Result<(), StoreError> {
        let Some(log) = self.log().take() else {
            return Ok(());
        };
        let txn = self.begin_write()?;
        make_whole(&mut Transaction::new(&txn), &txn, log.last_at())?;
        txn.commit().map_err(StoreError::unclosed)?;
        match &media.segments {
            Some(segments) => segments.remove().map_err(StoreError::unclosed),
            None => Ok(()),
        }
    }

    /// Says so of a copy of all rows, durably, and which moment of the log it is.
    pub fn finish_copy(&self, mark: Option<Mark>) -> Result<(), StoreError> {
        let txn = self.begin_write()?;
        if let Some(mark) = mark {
            note(&txn, mark)?;
        }
        say_whole(&mut Transaction::new(&txn))?;
        txn.commit().map_err(StoreError::opening)
    }

    fn log(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    /// Of a store that is whole without a log.
    pub fn without_log(moment: Timestamp) -> Self {
        Self {
            epoch: 0,
            sequence: 0,
            moment,
        }
    }

    /// As it was at the moment that is read; `None` in a store that never had one.
    pub fn read(txn: &ReadTransaction) -> Result<Option<Self>, StoreError> {
        let table = match txn.open_table(LOG) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        let row = table.get(())?;
        Ok(row.map(|row| Self::from(row.value())))
    }
}

impl From<(u64, u64, i64)> for Mark {
    fn from((epoch, sequence, moment): (u64, u64, i64)) -> Self {
        Self {
            epoch,
            sequence,
            moment: Timestamp(moment),
        }
    }
}

/// What a log was found to be.
struct PutIn {
    /// When the last batch was written.
    moment: Timestamp,
    /// The segment that its newest frames lie in, if there was a log to look at.
    newest: Option<Which>,
}

/// Puts in what the log has and the file has not.
fn put_in(
    tx: &mut Transaction<'_>,
    txn: &WriteTransaction,
    media: &Media,
) -> Result<PutIn, StoreError> {
    if tx.count(Counter::Format)? != migrate::WITH_LOG {
        let moment = noted(txn)?.map_or(Timestamp(0), |mark| mark.moment);
        return Ok(PutIn {
            moment,
            newest: None,
        });
    }
    let missing = || StoreError::opening(LogDamage::Missing);
    let Mark {
        epoch,
        sequence,
        moment,
    } = noted(txn)?.ok_or_else(missing)?;
    let segments = media.segments.as_deref().ok_or_else(missing)?;
    let identity = tx.count(Counter::Identity)?;
    let owner = Owner { identity, epoch };
    let end = log::replay(segments, owner, sequence, |sequence, changes| {
        tx.redo(changes, sequence)
    })?;
    if end.sequence > sequence {
        tracing::info!(batches = end.sequence - sequence, "put in from the log");
    }
    Ok(PutIn {
        moment: end.moment.unwrap_or(moment),
        newest: Some(end.newest),
    })
}

/// Says that the file needs no log.
fn make_whole(
    tx: &mut Transaction<'_>,
    txn: &WriteTransaction,
    moment: Timestamp,
) -> Result<(), StoreError> {
    note(txn, Mark::without_log(moment))?;
    say_whole(tx)
}

fn say_whole(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    let form = tx.count(Counter::Format)?;
    let whole = if form == migrate::WITH_LOG {
        migrate::FORMAT
    } else {
        form
    };
    tx.set_count(Counter::Format, whole)
}

fn noted(txn: &WriteTransaction) -> Result<Option<Mark>, StoreError> {
    let table = txn.open_table(LOG)?;
    let row = table.get(())?;
    Ok(row.map(|row| Mark::from(row.value())))
}

fn note(txn: &WriteTransaction, mark: Mark) -> Result<(), StoreError> {
    let mut table = txn.open_table(LOG)?;
    table.insert((), (mark.epoch, mark.sequence, mark.moment.0))?;
    Ok(())
}
