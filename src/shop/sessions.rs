//! Sessions: which refresh token is good, and what its reuse means.

use serde::{Deserialize, Serialize};

use super::ids::UserId;
use super::time::Timestamp;
use super::users::Account;

/// A refresh token as the store knows it, kept under the hash of its `jti`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub user: UserId,
    /// All tokens that came from one login by rotation.
    pub family: Family,
    /// The account's era when it was issued.
    pub era: u32,
    pub expires_at: Timestamp,
    pub is_spent: bool,
}

/// Names the tokens that descend from one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family(pub [u8; 16]);

/// The session that somebody opens with a password; `None` when the account has another one by
/// now, of which that `checked_hash` is not, or was shut.
pub fn open(account: Option<Account>, checked_hash: &str, session: &Session) -> Option<Session> {
    let account = account?;
    let is_still_good = account.is_active && account.password_hash == checked_hash;
    // Of the era of now: all sessions may have been ended while the password was checked.
    is_still_good.then_some(Session {
        era: account.era,
        ..session.clone()
    })
}

/// What is known of a refresh token that somebody shows.
#[derive(Clone, Debug)]
pub struct Facts {
    pub session: Option<Session>,
    pub account: Option<Account>,
    pub is_family_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown, expired, logged out, of an earlier era, or of an account that may not sign in.
    Dead,
    /// Shown a second time: somebody else has a copy, so its whole family must end
    /// (RFC 9700, section 4.14.2).
    Reused(Family),
}

/// The session if its token may be used now.
pub fn check(facts: Facts, now: Timestamp) -> Result<(Session, Account), Refusal> {
    let (Some(session), Some(account)) = (facts.session, facts.account) else {
        return Err(Refusal::Dead);
    };
    if facts.is_family_ended || session.expires_at <= now {
        return Err(Refusal::Dead);
    }
    if session.era != account.era || !account.is_active {
        return Err(Refusal::Dead);
    }
    if session.is_spent {
        return Err(Refusal::Reused(session.family));
    }
    Ok((session, account))
}
