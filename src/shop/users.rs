//! Accounts: who may have which name, contact and role.

use serde::{Deserialize, Serialize};

use super::ids::UserId;
use super::text::{self, TextError};
use super::time::Timestamp;

pub const USERNAME_MAX: usize = 150;
pub const FIRST_NAME_MAX: usize = 150;
pub const EMAIL_MAX: usize = 254;
pub const PHONE_MAX: usize = 20;

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: UserId,
    pub username: Username,
    pub first_name: String,
    pub email: Option<Email>,
    pub phone: Option<Phone>,
    pub role: Role,
    pub is_active: bool,
    /// The PHC string of the password's hash, or what the original had.
    pub password_hash: String,
    /// The photo's name, made of its content.
    pub photo: Option<String>,
    pub joined_at: Timestamp,
    /// Raised to end every session at once; a refresh token of an earlier era is dead.
    pub era: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    Customer,
    Admin,
}

impl Account {
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Counts towards "somebody can still run this shop".
    pub fn can_administer(&self) -> bool {
        self.is_admin() && self.is_active
    }
}

/// 1 to 150 letters, digits and `@.+-_`, unique without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Username(String);

/// An address of the form `name@host.tld`, unique without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email(String);

/// A telephone number as its owner writes it, unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    Text(TextError),
    /// Holds something but letters, digits and `@.+-_`.
    BadCharacter,
    NoAddress,
}

impl From<TextError> for NameError {
    fn from(error: TextError) -> Self {
        Self::Text(error)
    }
}

impl Username {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = text::line(&text::normalise(text), USERNAME_MAX)?;
        let allowed = |c: char| c.is_alphanumeric() || "@.+-_".contains(c);
        if name.chars().all(allowed) {
            Ok(Self(name))
        } else {
            Err(NameError::BadCharacter)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes it unique.
    pub fn key(&self) -> String {
        text::fold(&self.0)
    }
}

impl Email {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let address = text::line(text, EMAIL_MAX)?;
        let options = email_address::Options::default()
            .with_required_tld()
            .without_display_text()
            .without_domain_literal();
        match email_address::EmailAddress::parse_with_options(&address, options) {
            Ok(_) => Ok(Self(address)),
            Err(_) => Err(NameError::NoAddress),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn key(&self) -> String {
        text::fold(&self.0)
    }
}

impl Phone {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Ok(Self(text::line(text, PHONE_MAX)?))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn key(&self) -> String {
        text::fold(&self.0)
    }
}

/// What a newcomer tells about themselves, each part already well-formed.
#[derive(Clone, Debug)]
pub struct Newcomer {
    pub username: Username,
    pub first_name: String,
    pub email: Option<Email>,
    pub phone: Option<Phone>,
    pub password_hash: String,
    pub role: Role,
}

/// Names that somebody asks for.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub username: Option<Username>,
    pub email: Option<Email>,
    pub phone: Option<Phone>,
}

impl Newcomer {
    pub fn names(&self) -> Names {
        Names {
            username: Some(self.username.clone()),
            email: self.email.clone(),
            phone: self.phone.clone(),
        }
    }
}

/// Who already has the names asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holders {
    pub username: Option<UserId>,
    pub email: Option<UserId>,
    pub phone: Option<UserId>,
}

/// A name that somebody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Username,
    Email,
    Phone,
}

impl Holders {
    /// Every name held by somebody else than `id`.
    pub fn taken_from(self, id: Option<UserId>) -> Vec<Taken> {
        [
            (self.username, Taken::Username),
            (self.email, Taken::Email),
            (self.phone, Taken::Phone),
        ]
        .into_iter()
        .filter(|(holder, _)| holder.is_some() && *holder != id)
        .map(|(_, taken)| taken)
        .collect()
    }
}

/// Opens an account, unless one of its names is taken: then says which, all at once.
pub fn sign_up(
    newcomer: Newcomer,
    holders: Holders,
    id: UserId,
    now: Timestamp,
) -> Result<Account, Vec<Taken>> {
    let taken = holders.taken_from(Some(id));
    if !taken.is_empty() {
        return Err(taken);
    }
    let Newcomer {
        username,
        first_name,
        email,
        phone,
        password_hash,
        role,
    } = newcomer;
    Ok(Account {
        id,
        username,
        first_name,
        email,
        phone,
        role,
        is_active: true,
        password_hash,
        photo: None,
        joined_at: now,
        era: 0,
    })
}

/// What a profile edit names; what it does not name stays. `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct ProfileEdit {
    pub username: Option<Username>,
    pub first_name: Option<String>,
    pub email: Option<Option<Email>>,
    pub phone: Option<Option<Phone>>,
}

impl ProfileEdit {
    pub fn names(&self) -> Names {
        Names {
            username: self.username.clone(),
            email: self.email.clone().flatten(),
            phone: self.phone.clone().flatten(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileRefusal {
    Taken(Vec<Taken>),
    /// Neither email nor phone would be left.
    NoContact,
}

pub fn edit_profile(
    account: Account,
    edit: ProfileEdit,
    holders: Holders,
) -> Result<Account, ProfileRefusal> {
    let taken = holders.taken_from(Some(account.id));
    if !taken.is_empty() {
        return Err(ProfileRefusal::Taken(taken));
    }
    let had_contact = account.email.is_some() || account.phone.is_some();
    let email = edit.email.unwrap_or(account.email);
    let phone = edit.phone.unwrap_or(account.phone);
    // An admin made at the command line may have no contact, and still edit their name.
    if had_contact && email.is_none() && phone.is_none() {
        return Err(ProfileRefusal::NoContact);
    }
    Ok(Account {
        username: edit.username.unwrap_or(account.username),
        first_name: edit.first_name.unwrap_or(account.first_name),
        email,
        phone,
        ..account
    })
}

/// Changes a password that was checked; `None` when the account has another one by now, of which
/// that `checked_hash` is not.
pub fn replace_password(
    account: Account,
    checked_hash: &str,
    password_hash: String,
) -> Option<Account> {
    let is_still_so = account.password_hash == checked_hash;
    is_still_so.then(|| change_password(account, password_hash))
}

/// The same password under another hash: no session ends.
pub fn rehash(account: Account, password_hash: String) -> Account {
    Account {
        password_hash,
        ..account
    }
}

/// A new password ends every session.
pub fn change_password(account: Account, password_hash: String) -> Account {
    Account {
        password_hash,
        ..end_sessions(account)
    }
}

pub fn end_sessions(account: Account) -> Account {
    Account {
        era: account.era.wrapping_add(1),
        ..account
    }
}

/// What an admin may change of somebody's standing.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandingEdit {
    pub role: Option<Role>,
    pub is_active: Option<bool>,
}

/// The shop would be left without an admin who can sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAdmin;

pub fn edit_standing(
    account: Account,
    edit: StandingEdit,
    active_admins: u64,
) -> Result<Account, LastAdmin> {
    let could = account.can_administer();
    let edited = Account {
        role: edit.role.unwrap_or(account.role),
        is_active: edit.is_active.unwrap_or(account.is_active),
        ..account
    };
    if could && !edited.can_administer() && active_admins <= 1 {
        return Err(LastAdmin);
    }
    // Who is let in again starts with new sessions, not with those of before.
    if edited.is_active {
        Ok(edited)
    } else {
        Ok(end_sessions(edited))
    }
}
