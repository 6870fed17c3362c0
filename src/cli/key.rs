//! `key`: the key that signs tokens, replaced by whoever holds the folder.

use super::Ended;
use crate::app::{AppError, now};
use crate::keys::{self, Fate};
use crate::settings::CommandLine;
use crate::store::Folder;

pub fn rotate(line: &CommandLine, fate: Fate) -> anyhow::Result<Ended> {
    let folder = Folder::hold_existing(&line.data_dir).map_err(AppError::from)?;
    let until = keys::rotate(&folder, fate, now()).map_err(AppError::from)?;
    match fate {
        Fate::LiveOut => say(&format!(
            "A new key signs from now on; tokens of the one before are good until they expire, at the latest {}.",
            keys::told(until)
        )),
        Fate::EndNow => say(
            "A new key signs from now on, and no token made before is good: everybody signs in anew.",
        ),
    }
    Ok(Ended::Well)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn say(sentence: &str) {
    println!("{sentence}");
}
