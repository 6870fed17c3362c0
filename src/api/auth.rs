//! Signing up, in and out, and one's own profile.

use schemars::JsonSchema;
use serde::Serialize;

use super::Parts;
use super::fault::{Known, Mistakes, Never, Problem, Refuse, TOKEN_NOT_VALID};
use super::form::{Fields, Form};
use super::kinds::{EMAIL, FIRST_NAME, LOGIN_NAME, PASSWORD, PHONE, TOKEN, USERNAME};
use super::photos::photo_path;
use super::route::{Answer, Anyone, Body, Created, Ctx, Json, Nothing, User};
use super::users::role_name;
use super::wire::Moment;
use crate::auth::password::{self, Policy};
use crate::auth::token::{self, Pair, TokenFault, TokenKind};
use crate::shop::sessions::{self, Session};
use crate::shop::users::{
    Account, Email, Names, Newcomer, Phone, ProfileEdit, ProfileRefusal, Role, Taken, Username,
};
use crate::store::{SignIn, StoreError};

pub struct SignUp {
    username: Username,
    first_name: String,
    email: Option<Email>,
    phone: Option<Phone>,
    password: String,
}

impl Fields for SignUp {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let username = form.required("username", &USERNAME);
        let first_name = form.optional("first_name", &FIRST_NAME);
        let email = form.optional("email", &EMAIL);
        let phone = form.optional("phone", &PHONE);
        let password = form.required("password", &PASSWORD);
        let confirmed = form.required("confirm_pass", &PASSWORD);
        if let (Some(password), Some(confirmed)) = (&password, &confirmed)
            && password != confirmed
        {
            form.note("password", "The two passwords differ.");
        }
        if form.names("email") == form.names("phone") {
            form.note("auth", "Give either an email or a phone, one of them.");
        }
        Some(Self {
            username: username?,
            first_name: first_name?.unwrap_or_default(),
            email: email?,
            phone: phone?,
            password: confirmed.and(password)?,
        })
    }

    fn look_up(form: &mut Form<'_>, parts: &Parts, _: Option<&Account>) -> Result<(), StoreError> {
        let names = names_asked(form);
        note_taken(form, parts.store.holders(&names)?.taken_from(None));
        let first_name = form.peek("first_name", &FIRST_NAME).unwrap_or_default();
        let texts = [
            names.username.as_ref().map_or("", Username::as_str),
            &first_name,
            names.email.as_ref().map_or("", Email::as_str),
        ];
        note_weaknesses(form, "password", parts.passwords.policy, &texts);
        Ok(())
    }
}

fn names_asked(form: &Form<'_>) -> Names {
    Names {
        username: form.peek("username", &USERNAME),
        email: form.peek("email", &EMAIL),
        phone: form.peek("phone", &PHONE),
    }
}

/// Notes everything that speaks against a new password of somebody with these names.
fn note_weaknesses(form: &mut Form<'_>, field: &str, policy: Policy, names: &[&str]) {
    let Some(password) = form.peek(field, &PASSWORD) else {
        return;
    };
    for weakness in policy.weaknesses(&password, names) {
        form.note(field, weakness.to_string());
    }
}

/// Notes every name that somebody else has.
fn note_taken(form: &mut Form<'_>, taken: Vec<Taken>) {
    for taken in taken {
        let (field, sentence) = taken_sentence(taken);
        form.note(field, sentence);
    }
}

#[derive(Serialize, JsonSchema)]
pub struct SignedUp {
    status: u16,
    username: String,
    message: &'static str,
}

pub async fn sign_up(
    ctx: Ctx<Anyone>,
    Body(form): Body<SignUp>,
) -> Answer<Created<SignedUp>, Vec<Taken>> {
    ctx.rates.sign_up(ctx.client)?;
    let newcomer = Newcomer {
        username: form.username,
        first_name: form.first_name,
        email: form.email,
        phone: form.phone,
        password_hash: ctx.passwords.hash(form.password).await?,
        role: Role::Customer,
    };
    let account = ctx.store.sign_up(newcomer, ctx.now).await??;
    Ok(Created(SignedUp {
        status: 201,
        username: account.username.as_str().to_owned(),
        message: "Welcome! You can sign in now.",
    }))
}

/// The field that a taken name was given in, and what is said of it.
pub fn taken_sentence(taken: Taken) -> (&'static str, &'static str) {
    match taken {
        Taken::Username => ("username", "This username is taken."),
        Taken::Email => ("email", "An account with this email exists."),
        Taken::Phone => ("phone", "An account with this phone exists."),
    }
}

impl Refuse for Vec<Taken> {
    const KNOWN: &'static [&'static Known] = &[];

    fn problem(self) -> Problem {
        let mut mistakes = Mistakes::default();
        for taken in self {
            let (field, sentence) = taken_sentence(taken);
            mistakes.add(field, sentence);
        }
        Problem::fields(mistakes)
    }
}

pub struct Login {
    username: Option<Username>,
    password: String,
}

impl Fields for Login {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let username = form.required("username", &LOGIN_NAME);
        let password = form.required("password", &PASSWORD);
        Some(Self {
            username: username?,
            password: password?,
        })
    }
}

#[derive(Serialize, JsonSchema)]
pub struct SignedIn {
    refresh: String,
    access: String,
    message: &'static str,
}

pub async fn login(
    ctx: Ctx<Anyone>,
    Body(form): Body<Login>,
) -> Answer<Json<SignedIn>, WrongCredentials> {
    // Whatever nobody can be named counts as one name.
    let name = form.username.as_ref().map(Username::key);
    let name = name.as_deref().unwrap_or_default();
    ctx.rates.may_sign_in(name, ctx.client)?;
    let account = match &form.username {
        Some(username) => ctx.store.account_named(username)?,
        None => None,
    };
    let hash = account
        .as_ref()
        .map(|account| account.password_hash.clone());
    // The hash is computed whether or not there is an account: both take the same time.
    let is_right = ctx.passwords.verify(form.password.clone(), hash).await?;
    // Others may have tried it meanwhile: who guesses many at once is told of none but the first.
    ctx.rates.may_sign_in(name, ctx.client)?;
    let Some(account) = account.filter(|account| is_right && account.is_active) else {
        ctx.rates.wrong_password(name, ctx.client);
        return Err(WrongCredentials.into());
    };
    let is_outdated = password::is_outdated(&account.password_hash);
    let better_hash = if is_outdated {
        // In a crowd the next login replaces it.
        ctx.passwords.hash(form.password.clone()).await.ok()
    } else {
        None
    };
    let pair = ctx.tokens.mint_pair(account.id, ctx.now)?;
    let mut sign_in = SignIn {
        token: pair.refresh_hash,
        session: Session {
            user: account.id,
            family: token::new_family()?,
            era: account.era,
            expires_at: pair.refresh_expires_at,
            is_spent: false,
        },
        password_hash: account.password_hash,
        better_hash,
    };
    let mut is_open = ctx.store.sign_in(sign_in.clone()).await?;
    if !is_open
        && is_outdated
        && let Some(account) = ctx.store.account(account.id)?
    {
        // Another login of theirs may have been the first to replace the hash.
        let hash = account.password_hash;
        let verified = ctx.passwords.verify(form.password, Some(hash.clone()));
        (sign_in.password_hash, sign_in.better_hash) = (hash, None);
        is_open = verified.await? && ctx.store.sign_in(sign_in).await?;
    }
    if !is_open {
        return Err(WrongCredentials.into());
    }
    Ok(Json(SignedIn {
        refresh: pair.refresh,
        access: pair.access,
        message: "You are signed in.",
    }))
}

/// Unknown name, wrong password, or a deactivated account: which of them is not told.
#[derive(Debug)]
pub struct WrongCredentials;

impl Refuse for WrongCredentials {
    const KNOWN: &'static [&'static Known] = &[];

    fn problem(self) -> Problem {
        Problem::field("non_field_errors", "Wrong username or password.")
    }
}

pub struct RefreshToken(String);

impl Fields for RefreshToken {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        form.required("refresh", &TOKEN).map(Self)
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Refreshed {
    access: String,
    refresh: String,
}

pub async fn refresh(
    ctx: Ctx<Anyone>,
    Body(RefreshToken(shown)): Body<RefreshToken>,
) -> Answer<Json<Refreshed>, sessions::Refusal> {
    let good = ctx
        .tokens
        .read(&shown, TokenKind::Refresh, ctx.now)
        .map_err(Problem::from)?;
    let Pair {
        access,
        refresh,
        refresh_hash,
        refresh_expires_at,
    } = ctx.tokens.mint_pair(good.user, ctx.now)?;
    let spent = good.jti_hash;
    ctx.store
        .rotate(spent, refresh_hash, refresh_expires_at, ctx.now)
        .await??;
    Ok(Json(Refreshed { access, refresh }))
}

impl Refuse for sessions::Refusal {
    const KNOWN: &'static [&'static Known] = &[&TOKEN_NOT_VALID];

    fn problem(self) -> Problem {
        match self {
            // A thief learns nothing from which it is.
            Self::Dead | Self::Reused(_) => Problem::from(TokenFault::Invalid),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct SignedOut {
    success: bool,
    message: &'static str,
}

pub async fn logout(
    ctx: Ctx<User>,
    Body(RefreshToken(shown)): Body<RefreshToken>,
) -> Answer<Json<SignedOut>, DeadToken> {
    let read = ctx.tokens.read(&shown, TokenKind::Refresh, ctx.now);
    let good = read.map_err(|_| DeadToken)?;
    let (user, now) = (ctx.caller.id, ctx.now);
    if !ctx.store.sign_out(good.jti_hash, user, now).await? {
        return Err(DeadToken.into());
    }
    Ok(Json(SignedOut {
        success: true,
        message: "You are signed out.",
    }))
}

/// No refresh token of the caller's that is still good.
#[derive(Debug)]
pub struct DeadToken;

impl Refuse for DeadToken {
    const KNOWN: &'static [&'static Known] = &[];

    fn problem(self) -> Problem {
        Problem::field("refresh", "This is no valid refresh token of yours.")
    }
}

pub async fn logout_all(ctx: Ctx<User>, _: Nothing) -> Answer<Json<SignedOut>, Never> {
    ctx.store.end_sessions(ctx.caller.id).await?;
    Ok(Json(SignedOut {
        success: true,
        message: "Every session of yours is ended; access tokens given out die within the hour.",
    }))
}

#[derive(Serialize, JsonSchema)]
pub struct Profile {
    id: u64,
    username: String,
    first_name: String,
    email: Option<String>,
    phone: Option<String>,
    user_role: &'static str,
    photo: Option<String>,
    date_joined: Moment,
}

pub async fn profile(ctx: Ctx<User>, _: Nothing) -> Answer<Json<Profile>, Never> {
    let account = &ctx.caller.account;
    Ok(Json(Profile {
        id: account.id.0,
        username: account.username.as_str().to_owned(),
        first_name: account.first_name.clone(),
        email: email_text(account),
        phone: phone_text(account),
        user_role: role_name(account.role),
        photo: photo_path(account),
        date_joined: Moment(account.joined_at),
    }))
}

pub fn email_text(account: &Account) -> Option<String> {
    account
        .email
        .as_ref()
        .map(|email| email.as_str().to_owned())
}

pub fn phone_text(account: &Account) -> Option<String> {
    account
        .phone
        .as_ref()
        .map(|phone| phone.as_str().to_owned())
}

impl Fields for ProfileEdit {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let username = form.optional("username", &USERNAME);
        let first_name = form.optional("first_name", &FIRST_NAME);
        let email = form.clearable("email", &EMAIL);
        let phone = form.clearable("phone", &PHONE);
        Some(Self {
            username: username?,
            first_name: first_name?,
            email: email?,
            phone: phone?,
        })
    }

    fn look_up(
        form: &mut Form<'_>,
        parts: &Parts,
        account: Option<&Account>,
    ) -> Result<(), StoreError> {
        let holders = parts.store.holders(&names_asked(form))?;
        note_taken(form, holders.taken_from(account.map(|account| account.id)));
        Ok(())
    }
}

#[derive(Serialize, JsonSchema)]
pub struct ProfileEdited {
    message: &'static str,
    data: EditedProfile,
}

#[derive(Serialize, JsonSchema)]
pub struct EditedProfile {
    username: String,
    first_name: String,
    email: Option<String>,
    phone: Option<String>,
}

pub async fn edit_profile(
    ctx: Ctx<User>,
    Body(edit): Body<ProfileEdit>,
) -> Answer<Json<ProfileEdited>, ProfileProblem> {
    let cleared: Vec<_> = [
        ("email", matches!(edit.email, Some(None))),
        ("phone", matches!(edit.phone, Some(None))),
    ]
    .into_iter()
    .filter_map(|(name, is_cleared)| is_cleared.then_some(name))
    .collect();
    let edited = ctx.store.edit_profile(ctx.caller.id, edit).await?;
    let account = edited.map_err(|refusal| ProfileProblem { refusal, cleared })?;
    Ok(Json(ProfileEdited {
        message: "Your profile is updated.",
        data: EditedProfile {
            username: account.username.as_str().to_owned(),
            email: email_text(&account),
            phone: phone_text(&account),
            first_name: account.first_name,
        },
    }))
}

/// The shop's no, and which contacts the client wanted cleared.
pub struct ProfileProblem {
    refusal: ProfileRefusal,
    cleared: Vec<&'static str>,
}

impl Refuse for ProfileProblem {
    const KNOWN: &'static [&'static Known] = &[];

    fn problem(self) -> Problem {
        match self.refusal {
            ProfileRefusal::Taken(taken) => taken.problem(),
            ProfileRefusal::NoContact => {
                let mut mistakes = Mistakes::default();
                for field in self.cleared {
                    mistakes.add(field, "An email or a phone must stay.");
                }
                Problem::fields(mistakes)
            }
        }
    }
}

pub struct PasswordChange {
    old_password: String,
    new_password: String,
}

impl Fields for PasswordChange {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let old_password = form.required("old_password", &PASSWORD);
        let new_password = form.required("new_password", &PASSWORD);
        let confirmed = form.required("confirm_password", &PASSWORD);
        if let (Some(new_password), Some(confirmed)) = (&new_password, &confirmed)
            && new_password != confirmed
        {
            form.note("confirm_password", "The two new passwords differ.");
        }
        Some(Self {
            old_password: old_password?,
            new_password: confirmed.and(new_password)?,
        })
    }

    fn look_up(
        form: &mut Form<'_>,
        parts: &Parts,
        account: Option<&Account>,
    ) -> Result<(), StoreError> {
        let names = account.map_or(["", "", ""], |account| {
            [
                account.username.as_str(),
                &account.first_name,
                account.email.as_ref().map_or("", Email::as_str),
            ]
        });
        note_weaknesses(form, "new_password", parts.passwords.policy, &names);
        Ok(())
    }
}

#[derive(Serialize, JsonSchema)]
pub struct PasswordChanged {
    status: u16,
    message: &'static str,
}

pub async fn change_password(
    ctx: Ctx<User>,
    Body(form): Body<PasswordChange>,
) -> Answer<Json<PasswordChanged>, WrongOldPassword> {
    let account = &ctx.caller.account;
    let name = account.username.key();
    ctx.rates.may_sign_in(&name, ctx.client)?;
    let old_hash = account.password_hash.clone();
    let verified = ctx
        .passwords
        .verify(form.old_password, Some(old_hash.clone()));
    let is_right = verified.await?;
    ctx.rates.may_sign_in(&name, ctx.client)?;
    if !is_right {
        ctx.rates.wrong_password(&name, ctx.client);
        return Err(WrongOldPassword.into());
    }
    let new_hash = ctx.passwords.hash(form.new_password).await?;
    let changed = ctx.store.change_password(account.id, old_hash, new_hash);
    // Another change came first: the old password is not the one that was verified.
    changed.await?.ok_or(WrongOldPassword)?;
    Ok(Json(PasswordChanged {
        status: 200,
        message: "Your password is changed. Sign in again with it.",
    }))
}

#[derive(Debug)]
pub struct WrongOldPassword;

impl Refuse for WrongOldPassword {
    const KNOWN: &'static [&'static Known] = &[];

    fn problem(self) -> Problem {
        Problem::field("old_password", "This is not your password.")
    }
}
