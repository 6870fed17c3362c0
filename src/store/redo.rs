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

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::StoreError;
use super::changes::Changes;
use super::disk::{Handle, Media};
use super::log::{self, Log, LogDamage, Owner};
use super::migrate;
use super::tables::{Counter, Read, Transaction};

/// What an answer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// An fsync of the log.
    Log,
    /// redb's own commit.
    Store,
}

/// Under the one key: the epoch of the log that is needed, and the last sequence that is here. No
/// row of the shop's: backups and `doctor` know nothing of it.
const LOG: TableDefinition<'static, (), (u64, u64)> = TableDefinition::new("log");

impl Handle {
    /// Puts in what the log has and the file has not, durably, and begins a new log, or lets go of it.
    /// Until then the handle takes no batches.
    pub fn recover(&self, media: &Media, durability: Durability) -> Result<(), StoreError> {
        let txn = self.begin_write()?;
        let mut tx = Transaction::new(&txn);
        let had_log = put_in(&mut tx, &txn, media)?;
        let identity = tx.count(Counter::Identity)?;
        let new_log = match (durability, &media.segments) {
            (Durability::Log, Some(segments)) => {
                // Before the commit that needs them to be there.
                let segments = log::take_or_make(&**segments, had_log, media.limits);
                let epoch = getrandom::u64().map_err(StoreError::opening)?;
                let owner = Owner { identity, epoch };
                note(&txn, owner, 0)?;
                tx.set_count(Counter::Format, migrate::WITH_LOG)?;
                Some(Log::begin(
                    segments.map_err(StoreError::opening)?,
                    owner,
                    media.limits,
                    #[cfg(test)]
                    media.whim,
                ))
            }
            (Durability::Log | Durability::Store, _) => {
                make_whole(&mut tx, &txn)?;
                None
            }
        };
        drop(tx);
        #[cfg(test)]
        if self.barrier().whim().has(super::crash::Flaw::BeginsEarly) {
            let committed = self.barrier().without_waiting(|| txn.commit());
            committed.map_err(StoreError::opening)?;
            *self.log() = new_log;
            return Ok(());
        }
        txn.commit().map_err(StoreError::opening)?;
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
    pub fn commit(&self, mut txn: WriteTransaction, changes: &Changes) -> Result<(), StoreError> {
        let mut log = self.log();
        let Some(log) = log.as_mut() else {
            return txn.commit().map_err(StoreError::unsure);
        };
        let Some(changes) = changes.bytes().filter(|bytes| log.has_room_for(bytes)) else {
            // A checkpoint that is waited for: from here on all of the log is void.
            note(&txn, log.owner(), log.last()).map_err(StoreError::not_written)?;
            txn.commit().map_err(StoreError::unsure)?;
            log.turn();
            return Ok(());
        };
        #[cfg(test)]
        let notes = !self
            .barrier()
            .whim()
            .has(super::crash::Flaw::ForgetsSequence);
        #[cfg(not(test))]
        let notes = true;
        if notes {
            note(&txn, log.owner(), log.last() + 1).map_err(StoreError::not_written)?;
        }
        txn.set_durability(redb::Durability::None)
            .map_err(StoreError::not_written)?;
        log.append(changes).map_err(StoreError::unsure)?;
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

    /// Makes the file whole without its log, for good.
    pub fn settle(&self, media: &Media) -> Result<(), StoreError> {
        if self.log().take().is_none() {
            return Ok(());
        }
        let txn = self.begin_write()?;
        make_whole(&mut Transaction::new(&txn), &txn)?;
        txn.commit().map_err(StoreError::unclosed)?;
        match &media.segments {
            Some(segments) => segments.remove().map_err(StoreError::unclosed),
            None => Ok(()),
        }
    }

    /// Says so of a copy of all rows, durably.
    pub fn finish_copy(&self) -> Result<(), StoreError> {
        let txn = self.begin_write()?;
        say_whole(&mut Transaction::new(&txn))?;
        txn.commit().map_err(StoreError::opening)
    }

    fn log(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts in what the log has and the file has not; says whether there was a log to look at.
fn put_in(
    tx: &mut Transaction<'_>,
    txn: &WriteTransaction,
    media: &Media,
) -> Result<bool, StoreError> {
    if tx.count(Counter::Format)? != migrate::WITH_LOG {
        return Ok(false);
    }
    let missing = || StoreError::opening(LogDamage::Missing);
    let (epoch, sequence) = noted(txn)?.ok_or_else(missing)?;
    let segments = media.segments.as_deref().ok_or_else(missing)?;
    let identity = tx.count(Counter::Identity)?;
    let owner = Owner { identity, epoch };
    let last = log::replay(segments, owner, sequence, |sequence, changes| {
        tx.redo(changes, sequence)
    })?;
    if last > sequence {
        tracing::info!(batches = last - sequence, "put in from the log");
    }
    Ok(true)
}

/// Says that the file needs no log.
fn make_whole(tx: &mut Transaction<'_>, txn: &WriteTransaction) -> Result<(), StoreError> {
    txn.open_table(LOG)?.remove(())?;
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

fn noted(txn: &WriteTransaction) -> Result<Option<(u64, u64)>, StoreError> {
    let table = txn.open_table(LOG)?;
    let row = table.get(())?;
    Ok(row.map(|row| row.value()))
}

fn note(txn: &WriteTransaction, owner: Owner, sequence: u64) -> Result<(), StoreError> {
    txn.open_table(LOG)?.insert((), (owner.epoch, sequence))?;
    Ok(())
}
