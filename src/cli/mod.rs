//! The commands: what each does and what it tells the person at the terminal.

mod admin;
mod backup;
mod bar;
mod demo;
mod doctor;
mod export;
pub(crate) mod import;
mod import_django;
mod key;
mod logs;
mod reindex;
mod serve;
mod signals;

use bar::Bar;
use rustix::fs::Mode;
use signals::Signals;

use crate::app::{self, App, AppError, StoreLimits};
use crate::keys::Fate;
use crate::settings::{Admin, Command, CommandLine, DurabilityName, Key};
use crate::store::{Durability, Store, StoreError};

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Well,
    /// Done, but for rows that were refused and named.
    WithRefusals,
    /// What was looked at is not as it should be.
    WithFindings,
    /// A second signal came while the shop was closing.
    CutShort,
}

pub fn run(line: &CommandLine) -> anyhow::Result<Ended> {
    logs::start(line)?;
    if !matches!(line.command, Command::Export(_)) {
        // Whatever libraries write into the shop's folder is its owner's alone.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
    let ended = app::run(async {
        match &line.command {
            Command::Serve(settings) => serve::serve(line, settings).await,
            Command::Admin(Admin::Create(asked)) => admin::create(line, asked).await,
            Command::Admin(Admin::Promote { username }) => admin::promote(line, username).await,
            Command::Admin(Admin::Passwd(asked)) => admin::passwd(line, asked).await,
            Command::Key(Key::Rotate { at_once: false }) => key::rotate(line, Fate::LiveOut),
            Command::Key(Key::Rotate { at_once: true }) => key::rotate(line, Fate::EndNow),
            Command::Import(asked) => import::import(line, asked).await,
            Command::ImportDjango(asked) => import_django::import(line, asked).await,
            Command::Export(asked) => export::export(line, asked).await,
            Command::Reindex => reindex::reindex(line).await,
            Command::Doctor => doctor::doctor(line).await,
            Command::Backup(asked) => backup::backup(line, asked).await,
            Command::Restore(asked) => backup::restore(line, asked),
        }
    })?;
    ended.map_err(|error| advise(line, error))
}

/// Says what to do about a store that can't be opened.
fn advise(line: &CommandLine, error: anyhow::Error) -> anyhow::Error {
    let Some(AppError::Store(StoreError::Opening(_))) = error.downcast_ref() else {
        return error;
    };
    let restore = "`electron-market restore FILE --force` puts a backup in its place";
    error.context(match line.command {
        Command::Doctor => format!("the store is damaged; {restore}"),
        _ => format!("`electron-market doctor` tells what is wrong with the store, and {restore}"),
    })
}

/// Does some work in a shop that must be there, then closes it, whatever became of the work.
async fn in_shop<T>(
    line: &CommandLine,
    doing: &str,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let app = App::open_existing(&line.data_dir, line.store_limits(), doing)?;
    let done = work(&app.store).await;
    app.close().await?;
    done
}

/// The same in a shop that is made if it is not there.
async fn in_new_shop<T>(
    line: &CommandLine,
    doing: &str,
    work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let app = App::open(&line.data_dir, line.store_limits(), doing)?;
    let done = work(&app.store).await;
    app.close().await?;
    done
}

impl CommandLine {
    fn cache_bytes(&self) -> usize {
        usize::from(self.cache_mib) << 20
    }

    fn store_limits(&self) -> StoreLimits {
        StoreLimits {
            cache_bytes: self.cache_bytes(),
            min_free_bytes: u64::from(self.min_free_mib) << 20,
            durability: match self.durability {
                DurabilityName::Log => Durability::Log,
                DurabilityName::Store => Durability::Store,
            },
        }
    }
}
