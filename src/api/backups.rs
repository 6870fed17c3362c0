//! Backups of a running shop, for admins and for whoever holds its folder.

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{Fault, Known, Problem, Refuse};
use super::form::{Fields, Form};
use super::kinds::FILE_NAME;
use super::route::{Admin, Answer, Body, Created, Ctx, in_turn};
use crate::http::StatusCode;
use crate::store::{BackupError, Made, StoreError, place_of_backup};

pub struct NewBackup(String);

impl Fields for NewBackup {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.required("name", &FILE_NAME).map(Self)
    }
}

#[derive(Serialize, JsonSchema)]
pub struct BackupView {
    /// The file, in the folder `backups` of the shop's data folder.
    name: String,
    bytes: u64,
    records: u64,
}

pub async fn create(
    ctx: Ctx<Admin>,
    Body(NewBackup(name)): Body<NewBackup>,
) -> Answer<Created<BackupView>, NoBackup> {
    let (store, to) = (ctx.store.clone(), place_of_backup(&ctx.data_dir, &name)?);
    let work = move || store.back_up(&to, |_| ());
    let done = in_turn(&ctx.backups, work).await?;
    let Made { bytes, records } = done.map_err(NoBackup)?;
    Ok(Created(BackupView {
        name,
        bytes,
        records,
    }))
}

/// Why there is none.
#[derive(Debug)]
pub struct NoBackup(BackupError);

const BACKUP_FAILED: Known = Known::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "backup_failed",
    "The backup could not be written; the log says why. The shop is not affected.",
);

const NO_ROOM: Known = Known::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "backup_has_no_room",
    "The disk has no room for a backup beside what the shop keeps free. Make room, or run \
     `electron-market backup` to another disk while the shop is closed.",
);

impl Refuse for NoBackup {
    const KNOWN: &'static [&'static Known] = &[&BACKUP_FAILED, &NO_ROOM];

    fn problem(self) -> Problem {
        match self.0 {
            BackupError::Exists(_) => Problem::field("name", "There is a backup of this name."),
            BackupError::DraftName(_) => {
                Problem::field("name", "Backups end in .part while they are written.")
            }
            error @ BackupError::NoRoom { .. } => {
                tracing::error!(%error, "a backup was not begun");
                Problem::new(&NO_ROOM)
            }
            BackupError::Store(StoreError::Closing) => StoreError::Closing.into(),
            error @ (BackupError::Store(_)
            | BackupError::File { .. }
            | BackupError::IsDraft(_)
            | BackupError::Followed(_)
            | BackupError::Anothers(_)
            | BackupError::NotKept { .. }
            | BackupError::Unsound { .. }) => {
                tracing::error!(causes = crate::causes::causes(&error), "a backup failed");
                Problem::new(&BACKUP_FAILED)
            }
        }
    }
}

impl From<BackupError> for Fault<NoBackup> {
    fn from(error: BackupError) -> Self {
        Self::Refused(NoBackup(error))
    }
}
