//! The command line: arguments in, an exit code out.

use std::process::ExitCode;

use clap::Parser;

use electron_market::app::AppError;
use electron_market::cli::{self, Ended};
use electron_market::settings::CommandLine;
use electron_market::store::{BackupError, FolderError, StoreError};

/// As sysexits.h has it for data that can't be used: the folder is held, or what is in it damaged.
const EX_DATAERR: u8 = 65;
/// 128 and the number of SIGTERM, as a shell reports a process that the signal ended.
const ENDED_BY_SIGNAL: u8 = 143;

fn main() -> ExitCode {
    match cli::run(&CommandLine::parse()) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::WithRefusals) => ExitCode::FAILURE,
        Ok(Ended::WithFindings) => EX_DATAERR.into(),
        Ok(Ended::CutShort) => ENDED_BY_SIGNAL.into(),
        Err(error) => {
            say(&error);
            exit_code(&error)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_of_data = match error.downcast_ref() {
        Some(AppError::Folder(FolderError::NoShop { .. }) | AppError::Password(_)) => false,
        Some(_) => true,
        None => {
            let is_unsound = matches!(error.downcast_ref(), Some(BackupError::Unsound { .. }));
            is_unsound || error.is::<StoreError>()
        }
    };
    if is_of_data {
        EX_DATAERR.into()
    } else {
        ExitCode::FAILURE
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed"
)]
fn say(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}
