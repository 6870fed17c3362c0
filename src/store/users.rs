//! Accounts on the disk: by id, and by each of their unique names.

use super::pages::{self, Direction};
use super::tables::{ACCOUNTS, Counter, EMAILS, PHONES, Read, TokenHash, Transaction, USERNAMES};
use super::{Page, PageAsk, Store, StoreError};
use crate::shop::ids::UserId;
use crate::shop::sessions::Session;
use crate::shop::time::Timestamp;
use crate::shop::users::{
    self, Account, Email, Holders, LastAdmin, Names, Newcomer, Phone, ProfileEdit, ProfileRefusal,
    Role, StandingEdit, Taken, Username,
};

/// A sign-in: the first session of a new family.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub token: TokenHash,
    pub session: Session,
    /// The hash that the password was checked against; if it changed since, the sign-in fails.
    pub password_hash: String,
    /// Takes that one's place: a hash of the same password as we make them today.
    pub better_hash: Option<String>,
}

impl Store {
    pub fn account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.snapshot()?.get(&ACCOUNTS, &id)
    }

    /// The account of that username, without regard to case.
    pub fn account_named(&self, username: &Username) -> Result<Option<Account>, StoreError> {
        let view = self.snapshot()?;
        match view.get(&USERNAMES, &username.key())? {
            Some(id) => view.must_get(&ACCOUNTS, &id).map(Some),
            None => Ok(None),
        }
    }

    /// Who has these names at the moment.
    pub fn holders(&self, names: &Names) -> Result<Holders, StoreError> {
        holders(&self.snapshot()?, names)
    }

    pub fn accounts(&self, ask: PageAsk) -> Result<Page<Account>, StoreError> {
        let view = self.snapshot()?;
        let total = view.count(Counter::Users)?;
        let order = Direction::OldestFirst;
        let fill = |_, account| Ok(account);
        pages::page(&view, &ACCOUNTS, UserId, order, ask, total, fill)
    }

    pub async fn sign_up(
        &self,
        newcomer: Newcomer,
        now: Timestamp,
    ) -> Result<Result<Account, Vec<Taken>>, StoreError> {
        self.write(move |tx| tx.sign_up(newcomer, now)).await
    }

    pub async fn edit_profile(
        &self,
        id: UserId,
        edit: ProfileEdit,
    ) -> Result<Result<Account, ProfileRefusal>, StoreError> {
        self.write(move |tx| {
            let before: Account = tx.must_get(&ACCOUNTS, &id)?;
            let holders = holders(tx, &edit.names())?;
            let account = match users::edit_profile(before.clone(), edit, holders) {
                Ok(account) => account,
                Err(refusal) => return Ok(Err(refusal)),
            };
            tx.put_account(Some(&before), &account)?;
            Ok(Ok(account))
        })
        .await
    }

    /// `None` when the password is no longer the one that `old_hash` is of.
    pub async fn change_password(
        &self,
        id: UserId,
        old_hash: String,
        new_hash: String,
    ) -> Result<Option<Account>, StoreError> {
        self.write(move |tx| {
            let before: Account = tx.must_get(&ACCOUNTS, &id)?;
            let account = users::replace_password(before.clone(), &old_hash, new_hash);
            if let Some(account) = &account {
                tx.put_account(Some(&before), account)?;
            }
            Ok(account)
        })
        .await
    }

    /// Sets a password without asking for the old one: for whoever holds the data folder.
    pub async fn reset_password(
        &self,
        username: &Username,
        new_hash: String,
    ) -> Result<Option<Account>, StoreError> {
        self.edit_named(username, move |account, _| {
            users::change_password(account, new_hash)
        })
        .await
    }

    /// Makes an account an admin's, and lets it sign in.
    pub async fn promote(&self, username: &Username) -> Result<Option<Account>, StoreError> {
        self.edit_named(username, |account, active_admins| {
            let admin = StandingEdit {
                role: Some(Role::Admin),
                is_active: Some(true),
            };
            // Only taking rights away can be refused.
            users::edit_standing(account.clone(), admin, active_admins).unwrap_or(account)
        })
        .await
    }

    pub async fn end_sessions(&self, id: UserId) -> Result<(), StoreError> {
        self.write(move |tx| {
            let before: Account = tx.must_get(&ACCOUNTS, &id)?;
            tx.put_account(Some(&before), &users::end_sessions(before.clone()))
        })
        .await
    }

    /// `None` when there is no such account.
    pub async fn edit_standing(
        &self,
        id: UserId,
        edit: StandingEdit,
    ) -> Result<Option<Result<Account, LastAdmin>>, StoreError> {
        self.write(move |tx| {
            let Some(before) = tx.get(&ACCOUNTS, &id)? else {
                return Ok(None);
            };
            let active_admins = tx.count(Counter::ActiveAdmins)?;
            let account = match users::edit_standing(before.clone(), edit, active_admins) {
                Ok(account) => account,
                Err(refusal) => return Ok(Some(Err(refusal))),
            };
            tx.put_account(Some(&before), &account)?;
            Ok(Some(Ok(account)))
        })
        .await
    }

    async fn edit_named(
        &self,
        username: &Username,
        edit: impl FnOnce(Account, u64) -> Account + Send + 'static,
    ) -> Result<Option<Account>, StoreError> {
        let key = username.key();
        self.write(move |tx| {
            let Some(id) = tx.get(&USERNAMES, &key)? else {
                return Ok(None);
            };
            let before: Account = tx.must_get(&ACCOUNTS, &id)?;
            let active_admins = tx.count(Counter::ActiveAdmins)?;
            let account = edit(before.clone(), active_admins);
            tx.put_account(Some(&before), &account)?;
            Ok(Some(account))
        })
        .await
    }
}

pub(super) fn holders(view: &impl Read, names: &Names) -> Result<Holders, StoreError> {
    let Names {
        username,
        email,
        phone,
    } = names;
    let username = username
        .as_ref()
        .map(|name| view.get(&USERNAMES, &name.key()));
    let email = email.as_ref().map(|email| view.get(&EMAILS, &email.key()));
    let phone = phone.as_ref().map(|phone| view.get(&PHONES, &phone.key()));
    Ok(Holders {
        username: username.transpose()?.flatten(),
        email: email.transpose()?.flatten(),
        phone: phone.transpose()?.flatten(),
    })
}

impl Transaction<'_> {
    pub(super) fn sign_up(
        &mut self,
        newcomer: Newcomer,
        now: Timestamp,
    ) -> Result<Result<Account, Vec<Taken>>, StoreError> {
        let holders = holders(self, &newcomer.names())?;
        let id = UserId(self.count(Counter::LastUser)? + 1);
        let account = match users::sign_up(newcomer, holders, id, now) {
            Ok(account) => account,
            Err(taken) => return Ok(Err(taken)), // Nothing was written.
        };
        self.put_new_account(&account)?;
        Ok(Ok(account))
    }

    pub(super) fn put_new_account(&mut self, account: &Account) -> Result<(), StoreError> {
        self.set_count(Counter::LastUser, account.id.0)?;
        self.add_one(Counter::Users)?;
        self.put_account(None, account)
    }

    /// Writes an account with its unique names and the count of admins.
    pub(super) fn put_account(
        &mut self,
        before: Option<&Account>,
        after: &Account,
    ) -> Result<(), StoreError> {
        let names = |account: &Account| {
            [
                (&USERNAMES, Some(account.username.key())),
                (&EMAILS, account.email.as_ref().map(Email::key)),
                (&PHONES, account.phone.as_ref().map(Phone::key)),
            ]
        };
        for (table, key) in before.map(names).into_iter().flatten() {
            if let Some(key) = key {
                self.remove(table, &key)?;
            }
        }
        for (table, key) in names(after) {
            if let Some(key) = key {
                self.put(table, &key, &after.id)?;
            }
        }
        match (
            before.is_some_and(Account::can_administer),
            after.can_administer(),
        ) {
            (false, true) => self.add_one(Counter::ActiveAdmins)?,
            (true, false) => self.take_one(Counter::ActiveAdmins)?,
            (true, true) | (false, false) => {}
        }
        self.put(&ACCOUNTS, &after.id, after)
    }
}
