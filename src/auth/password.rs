//! Passwords: which are accepted, and hashing them without stopping the shop.
//!
//! argon2id with 19 MiB, two passes, one lane: the first choice of OWASP's Password Storage Cheat
//! Sheet. A hash costs about 30 ms of CPU, so at most two run at once, off the runtime's threads,
//! and a bounded number waits.
//!
//! Accounts that came from the original bring a hash of Django's, which their first login replaces.
//! Until then a login of theirs takes the time of that hash (0.1 to 0.3 s at Django's 1,200,000
//! iterations), so that who measures can tell which names came from there and were not used since.
//! For all others, names that nobody has among them, a login takes the same time.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use zxcvbn::Score;
use zxcvbn::feedback::Warning;
use zxcvbn::matching::patterns::MatchPattern;

use super::django::DjangoHash;
use crate::turns::{Busy, Turns};

pub const PASSWORD_MIN: usize = 8;
/// Characters; capped before hashing, so that a megabyte costs nothing.
pub const PASSWORD_MAX: usize = 256;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes at once: each takes 19 MiB and a core, and one core stays free for everything else.
const RUNNING_MAX: usize = 2;
/// Hashes that may wait: one or two seconds of work. Beyond it a caller is told to come again.
const WAITING_MAX: usize = 64;

pub fn running_max() -> usize {
    let cores = available_parallelism().map_or(1, usize::from);
    (cores - 1).clamp(1, RUNNING_MAX)
}

/// What a password must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// At least 8 characters, not all digits, not a common one.
    Standard,
    /// Also hard to guess, with the account's own names counted as guesses.
    Strict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    TooShort,
    TooLong,
    TooCommon,
    AllDigits,
    /// Guessable; only the strict policy asks.
    Guessable,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "At least {PASSWORD_MIN} characters are needed."),
            Self::TooLong => write!(f, "At most {PASSWORD_MAX} characters are allowed."),
            Self::TooCommon => f.write_str("This password is too common."),
            Self::AllDigits => f.write_str("A password can't be all digits."),
            Self::Guessable => f.write_str("This password is too easy to guess."),
        }
    }
}

impl Policy {
    /// Everything that speaks against a password of somebody with these `names`.
    pub fn weaknesses(self, password: &str, names: &[&str]) -> Vec<Weakness> {
        let length = password.chars().count();
        if length > PASSWORD_MAX {
            return vec![Weakness::TooLong];
        }
        let mut weaknesses = Vec::new();
        if length < PASSWORD_MIN {
            weaknesses.push(Weakness::TooShort);
        }
        if is_common(password) {
            weaknesses.push(Weakness::TooCommon);
        }
        if password.chars().all(|c| c.is_ascii_digit()) {
            weaknesses.push(Weakness::AllDigits);
        }
        if self == Self::Strict && is_guessable(password, names) {
            weaknesses.push(Weakness::Guessable);
        }
        weaknesses
    }
}

fn is_guessable(password: &str, names: &[&str]) -> bool {
    let judged: String = password.chars().take(JUDGED_LENGTH_MAX).collect();
    zxcvbn::zxcvbn(&judged, names).score() < Score::Three
}

/// How far down zxcvbn's list of 30,000 passwords from public breaches, most frequent first, one
/// is still common: further down stand words that only look like passwords, such as `testuser`.
const COMMON_RANK_MAX: usize = 10_000;

/// Characters of the longest password of that list, with some to spare. Matching takes time that
/// grows faster than the length: 7 ms at 32 characters chosen for it, a second at 100.
const COMMON_LENGTH_MAX: usize = 24;

/// Characters by which strength is judged: what is hard to guess so far stays so.
const JUDGED_LENGTH_MAX: usize = 32;

/// Whether it stands as a whole, in whatever case, among the most frequent passwords.
fn is_common(password: &str) -> bool {
    if password.chars().nth(COMMON_LENGTH_MAX).is_some() {
        return false;
    }
    let entropy = zxcvbn::zxcvbn(password, &[]);
    let warning = entropy
        .feedback()
        .and_then(zxcvbn::feedback::Feedback::warning);
    let is_listed = matches!(
        warning,
        Some(
            Warning::ThisIsATop10Password
                | Warning::ThisIsATop100Password
                | Warning::ThisIsACommonPassword
        )
    );
    match entropy.sequence() {
        [whole] if is_listed => match &whole.pattern {
            MatchPattern::Dictionary(word) => word.rank <= COMMON_RANK_MAX,
            _ => false,
        },
        _ => false,
    }
}

/// Hashes and verifies, a few at a time. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    pub policy: Policy,
    turns: Turns,
    /// Stands in for the hash of an account that does not exist, so that asking takes as long.
    nobody: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("too many passwords are being checked")]
    Busy,
    #[error("the password hasher failed")]
    Failed,
}

impl Passwords {
    pub fn new(policy: Policy) -> Result<Self, PasswordError> {
        Ok(Self {
            policy,
            turns: Turns::heavy(running_max(), WAITING_MAX),
            nobody: hash_now("the password of nobody")?.into(),
        })
    }

    /// The PHC string of a password.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.take_turn(move || hash_now(&password)).await?
    }

    /// Whether the password is that of the hash; `None` for an account that does not exist,
    /// which takes as long and is false, as does a hash that no password can have.
    pub async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let nobody = Arc::clone(&self.nobody);
        self.take_turn(move || {
            let hash = hash.filter(|hash| is_usable(hash));
            let is_right = verify_now(&password, hash.as_deref().unwrap_or(&nobody));
            is_right && hash.is_some() && password.chars().count() <= PASSWORD_MAX
        })
        .await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let work = self.turns.place()?.run(work).await;
        work.map_err(|_| PasswordError::Failed)
    }
}

impl From<Busy> for PasswordError {
    fn from(Busy: Busy) -> Self {
        Self::Busy
    }
}

/// A password that nobody guesses and anybody can type: 16 letters and digits, 95 bits.
pub fn random() -> std::io::Result<String> {
    const SYMBOLS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const LENGTH: usize = 16;
    let mut password = String::with_capacity(LENGTH);
    while password.len() < LENGTH {
        let random = getrandom::u32().map_err(std::io::Error::other)?;
        // The bytes from 248 on would make some symbols likelier than others.
        for byte in random.to_le_bytes().into_iter().filter(|byte| *byte < 248) {
            if password.len() < LENGTH {
                password.push(char::from(SYMBOLS[usize::from(byte) % SYMBOLS.len()]));
            }
        }
    }
    Ok(password)
}

/// Whether some password can verify against it.
pub fn is_usable(hash: &str) -> bool {
    is_outdated(hash) || PasswordHash::new(hash).is_ok()
}

/// Whether it is a hash that we would not make, and a login should replace.
pub fn is_outdated(hash: &str) -> bool {
    DjangoHash::parse(hash).is_some()
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| PasswordError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    let hash = argon2()?.hash_password(password.as_bytes());
    Ok(hash.map_err(|_| PasswordError::Failed)?.to_string())
}

fn verify_now(password: &str, hash: &str) -> bool {
    // Longer ones can't be anybody's; what is hashed in their stead takes the usual time.
    let capped: String = password.chars().take(PASSWORD_MAX).collect();
    if let Some(hash) = DjangoHash::parse(hash) {
        return hash.is_of(&capped);
    }
    let (Ok(hash), Ok(argon2)) = (PasswordHash::new(hash), argon2()) else {
        return false;
    };
    argon2.verify_password(capped.as_bytes(), &hash).is_ok()
}
