//! Refresh tokens on the disk: issued, rotated, ended, swept when they expire.

use super::tables::{
    ACCOUNTS, ENDED_FAMILIES, ENDED_FAMILIES_BY_EXPIRY, FamilyKey, Read, SESSIONS,
    SESSIONS_BY_EXPIRY, TokenHash, Transaction,
};
use super::{SignIn, Store, StoreError};
use crate::shop::ids::UserId;
use crate::shop::sessions::{self, Facts, Family, Refusal, Session};
use crate::shop::time::Timestamp;
use crate::shop::users::{self, Account};

/// Expired rows removed in one transaction, so that a sweep never holds up the shop.
const SWEEP_MAX: usize = 1_000;

impl Store {
    /// Opens a session. `false` when the account changed its password, or was shut, since the
    /// password was checked.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let account: Option<Account> = tx.get(&ACCOUNTS, &sign_in.session.user)?;
            let checked = &sign_in.password_hash;
            let Some(session) = sessions::open(account.clone(), checked, &sign_in.session) else {
                return Ok(false); // Nothing was written.
            };
            tx.put_session(&sign_in.token, &session)?;
            if let (Some(before), Some(better)) = (account, sign_in.better_hash) {
                tx.put_account(Some(&before), &users::rehash(before.clone(), better))?;
            }
            Ok(true)
        })
        .await
    }

    /// Spends a refresh token for its successor of the same family.
    pub async fn rotate(
        &self,
        token: TokenHash,
        next_token: TokenHash,
        next_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Result<Account, Refusal>, StoreError> {
        self.write(move |tx| {
            let facts = tx.session_facts(&token)?;
            let (session, account) = match sessions::check(facts, now) {
                Ok(good) => good,
                Err(Refusal::Reused(family)) => {
                    // Outlives every token of the family: none is issued after this.
                    tx.end_family(family, next_expires_at)?;
                    return Ok(Err(Refusal::Reused(family)));
                }
                Err(refusal @ Refusal::Dead) => return Ok(Err(refusal)),
            };
            let next = Session {
                expires_at: next_expires_at,
                ..session.clone()
            };
            let spent = Session {
                is_spent: true,
                ..session
            };
            tx.put(&SESSIONS, &token, &spent)?;
            tx.put_session(&next_token, &next)?;
            Ok(Ok(account))
        })
        .await
    }

    /// Ends the session of a refresh token of `user`; `false` when it was dead or is a stranger's.
    pub async fn sign_out(
        &self,
        token: TokenHash,
        user: UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let facts = tx.session_facts(&token)?;
            let is_own = facts.session.as_ref().is_some_and(|row| row.user == user);
            let Ok((session, _)) = sessions::check(facts, now) else {
                return Ok(false);
            };
            if !is_own {
                return Ok(false);
            }
            tx.remove(&SESSIONS, &token)?;
            tx.remove(&SESSIONS_BY_EXPIRY, &(session.expires_at, token))?;
            // Its spent ancestors stay dead anyway; nothing of the family can come back.
            tx.end_family(session.family, session.expires_at)?;
            Ok(true)
        })
        .await
    }

    /// Removes tokens that expired, a bounded number; says how many.
    pub async fn sweep_sessions(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let first = (Timestamp(0), TokenHash::default());
            let expired: Vec<_> = tx
                .range(&SESSIONS_BY_EXPIRY, first..(now, TokenHash::default()))?
                .take(SWEEP_MAX)
                .collect::<Result<_, _>>()?;
            for (key, ()) in &expired {
                tx.remove(&SESSIONS_BY_EXPIRY, key)?;
                tx.remove(&SESSIONS, &key.1)?;
            }
            let first = (Timestamp(0), FamilyKey::default());
            let ended: Vec<_> = tx
                .range(
                    &ENDED_FAMILIES_BY_EXPIRY,
                    first..(now, FamilyKey::default()),
                )?
                .take(SWEEP_MAX)
                .collect::<Result<_, _>>()?;
            for (key, ()) in &ended {
                tx.remove(&ENDED_FAMILIES_BY_EXPIRY, key)?;
                tx.remove(&ENDED_FAMILIES, &key.1)?;
            }
            Ok(expired.len() + ended.len())
        })
        .await
    }
}

impl Transaction<'_> {
    fn session_facts(&self, token: &TokenHash) -> Result<Facts, StoreError> {
        let session: Option<Session> = self.get(&SESSIONS, token)?;
        let (account, is_family_ended) = match &session {
            Some(session) => (
                self.get(&ACCOUNTS, &session.user)?,
                self.get(&ENDED_FAMILIES, &session.family.0)?.is_some(),
            ),
            None => (None, false),
        };
        Ok(Facts {
            session,
            account,
            is_family_ended,
        })
    }

    pub(super) fn put_session(
        &mut self,
        token: &TokenHash,
        session: &Session,
    ) -> Result<(), StoreError> {
        self.put(&SESSIONS_BY_EXPIRY, &(session.expires_at, *token), &())?;
        self.put(&SESSIONS, token, session)
    }

    fn end_family(&mut self, family: Family, until: Timestamp) -> Result<(), StoreError> {
        if self.get(&ENDED_FAMILIES, &family.0)?.is_none() {
            self.put(&ENDED_FAMILIES, &family.0, &until)?;
            self.put(&ENDED_FAMILIES_BY_EXPIRY, &(until, family.0), &())?;
        }
        Ok(())
    }
}
