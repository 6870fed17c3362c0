//! The keys of a shop's folder that tokens are signed with: made, read, replaced and forgotten.
//!
//! `token.key` signs. A key that was replaced stays beside it, under a name that says until when
//! it verifies, and so does the key of the original that a shop moved in from. A token has no say in
//! which file is read.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use jiff::civil;
use jiff::tz::TimeZone;

use crate::auth::token::{self, EarlierKey, Keys, REFRESH_S};
use crate::shop::time::Timestamp;
use crate::store::{self, Folder};

/// The key that signs.
pub const NAME: &str = "token.key";

/// Whose an earlier key was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Ours,
    Django,
}

impl Origin {
    /// The name of its file, such as `token.key.until-20261126T081502.120394Z`.
    const fn name(self) -> &'static str {
        match self {
            Self::Ours => "token.key.until-%Y%m%dT%H%M%S.%6fZ",
            Self::Django => "token.key.django-until-%Y%m%dT%H%M%S.%6fZ",
        }
    }
}

/// Bytes that a key of Django's may have: fewer than HS256's hash gives can be guessed (RFC 7518,
/// section 3.2), and nobody has more.
pub const DJANGO_KEY_BYTES: RangeInclusive<usize> = token::KEY_BYTES..=1_024;

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the token-signing keys in the data folder can't be read or written")]
    Unusable(#[from] io::Error),
    #[error("the token-signing key {name} in the data folder has {bytes} bytes instead of {expected}; put the right one back, or remove it to end its sessions", expected = token::KEY_BYTES)]
    Length { name: String, bytes: usize },
    #[error("the clock is beyond what a calendar holds")]
    Clock(#[from] jiff::Error),
}

/// What becomes of the tokens that were made with a key that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They stay good until they expire.
    LiveOut,
    /// None is good any more.
    EndNow,
}

/// The keys of a folder; one to sign with is made if there is none.
pub fn open(folder: &Folder, now: Timestamp) -> Result<Keys, KeyError> {
    folder.secret(NAME, token::new_key)?;
    forget(folder.path(), now)?;
    read(folder.path())
}

/// The keys that are there.
pub fn read(data_dir: &Path) -> Result<Keys, KeyError> {
    let mut earlier = Vec::new();
    for (path, origin, until) in earlier_files(data_dir)? {
        let key = match origin {
            Origin::Ours => read_key(&path)?,
            Origin::Django => fs::read(&path)?,
        };
        earlier.push(EarlierKey { key, until });
    }
    Ok(Keys {
        earlier,
        ..signing(data_dir)?
    })
}

/// The one that signs, without those before it.
pub fn signing(data_dir: &Path) -> Result<Keys, KeyError> {
    Ok(Keys {
        signing: read_key(&data_dir.join(NAME))?,
        earlier: Vec::new(),
    })
}

/// Puts a new key in the place of the one that signs; says until when tokens made before are
/// good.
pub fn rotate(folder: &Folder, fate: Fate, now: Timestamp) -> Result<Timestamp, KeyError> {
    let until = match fate {
        Fate::LiveOut => {
            let until = now.plus_s(REFRESH_S); // No token outlives it.
            let keys = open(folder, now)?;
            // First of all: cut short here, the same key signs and is an earlier one too.
            folder.put_secret(&earlier_name(Origin::Ours, until)?, &keys.signing)?;
            until
        }
        Fate::EndNow => {
            // First of all here too: cut short, it plainly has not been done. What cannot be read
            // goes as well.
            forget(folder.path(), Timestamp(i64::MAX))?;
            now
        }
    };
    folder.put_secret(NAME, &token::new_key()?)?;
    // From here on the new key signs.
    Ok(until)
}

/// Lets a key of Django's verify until its last token has expired; says until when. One that is
/// there already gets no more time.
pub fn take_over(folder: &Folder, key: &[u8], now: Timestamp) -> Result<Timestamp, KeyError> {
    for (path, origin, until) in earlier_files(folder.path())? {
        if origin == Origin::Django && fs::read(&path)? == key {
            return Ok(until);
        }
    }
    let until = now.plus_s(REFRESH_S); // No token outlives it.
    folder.put_secret(&earlier_name(Origin::Django, until)?, key)?;
    Ok(until)
}

/// Removes the earlier keys that verify nothing any more.
pub fn forget(data_dir: &Path, now: Timestamp) -> io::Result<()> {
    for (path, _, until) in earlier_files(data_dir)? {
        if until <= now {
            fs::remove_file(&path)?;
            store::sync_folder_of(&path)?; // No power cut brings it back.
        }
    }
    Ok(())
}

/// A moment as people are told it.
pub fn told(moment: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(moment.0);
    moment.map_or_else(|_| "the end of time".into(), |it| format!("{it:.0}"))
}

fn read_key(path: &Path) -> Result<Vec<u8>, KeyError> {
    let key = fs::read(path)?;
    if key.len() == token::KEY_BYTES {
        return Ok(key);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Err(KeyError::Length {
        name: name.into_owned(),
        bytes: key.len(),
    })
}

fn earlier_name(origin: Origin, until: Timestamp) -> Result<String, jiff::Error> {
    let until = jiff::Timestamp::from_microsecond(until.0)?;
    Ok(until.strftime(origin.name()).to_string())
}

fn earlier_files(data_dir: &Path) -> io::Result<Vec<(PathBuf, Origin, Timestamp)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        for origin in [Origin::Ours, Origin::Django] {
            if let Some(until) = name.and_then(|name| until_of(origin, name)) {
                files.push((path.clone(), origin, until));
            }
        }
    }
    Ok(files)
}

/// The moment in the name of an earlier key.
fn until_of(origin: Origin, name: &str) -> Option<Timestamp> {
    let until = civil::DateTime::strptime(origin.name(), name).ok()?;
    let until = TimeZone::UTC.to_timestamp(until).ok()?;
    let until = Timestamp(until.as_microsecond());
    (earlier_name(origin, until).ok()? == name).then_some(until)
}
