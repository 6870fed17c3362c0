//! Accounts, for admins.

use schemars::JsonSchema;
use serde::Serialize;

use super::auth::{email_text, phone_text};
use super::fault::{Fault, Known, NOT_FOUND, Problem, Refuse};
use super::form::{Fields, Form};
use super::kinds::{Choice, Flag};
use super::list::{Listing, PageFields};
use super::photos::photo_path;
use super::route::{Admin, Answer, At, Body, Ctx, Findable, Json, Query};
use super::wire::Moment;
use crate::http::StatusCode;
use crate::shop::ids::UserId;
use crate::shop::users::{Account, LastAdmin, Role, StandingEdit};

const ROLES: [(&str, Role); 2] = [
    (role_name(Role::Customer), Role::Customer),
    (role_name(Role::Admin), Role::Admin),
];

/// The wire's word for a role.
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Customer => "ordinary_user",
        Role::Admin => "admin",
    }
}

#[derive(Serialize, JsonSchema)]
pub struct AccountView {
    id: u64,
    username: String,
    first_name: String,
    email: Option<String>,
    phone: Option<String>,
    user_role: &'static str,
    is_active: bool,
    photo: Option<String>,
    date_joined: Moment,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.0,
            username: account.username.as_str().to_owned(),
            email: email_text(&account),
            phone: phone_text(&account),
            photo: photo_path(&account),
            first_name: account.first_name,
            user_role: role_name(account.role),
            is_active: account.is_active,
            date_joined: Moment(account.joined_at),
        }
    }
}

pub async fn list(
    ctx: Ctx<Admin>,
    Query(PageFields(ask)): Query<PageFields>,
) -> Answer<Listing<AccountView>, super::fault::Never> {
    let store = ctx.store.clone();
    let page = ctx.page(ask.limit, move || store.accounts(ask)).await?;
    Ok(Listing(page.map(AccountView::from)))
}

impl Fields for StandingEdit {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let role = form.optional("user_role", &Choice(&ROLES));
        let is_active = form.optional("is_active", &Flag);
        Some(Self {
            role: role?,
            is_active: is_active?,
        })
    }
}

impl Findable<Admin> for UserId {
    const KNOWN: &'static [&'static Known] = &[];

    fn find(self, ctx: &Ctx<Admin>) -> Result<(), Problem> {
        match ctx.store.account(self)? {
            Some(_) => Ok(()),
            None => Err(no_account()),
        }
    }
}

fn no_account() -> Problem {
    Problem::new(&NOT_FOUND).saying("There is no such user.")
}

pub async fn edit(
    ctx: Ctx<Admin>,
    (At(id), Body(edit)): (At<UserId>, Body<StandingEdit>),
) -> Answer<Json<AccountView>, LastAdmin> {
    let edited = ctx.store.edit_standing(id, edit).await?;
    let account = edited.ok_or_else(|| Fault::Problem(no_account()))??;
    Ok(Json(account.into()))
}

const LAST_ADMIN: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "last_admin",
    "This is the last active admin; make another one first.",
);

impl Refuse for LastAdmin {
    const KNOWN: &'static [&'static Known] = &[&LAST_ADMIN];

    fn problem(self) -> Problem {
        Problem::new(&LAST_ADMIN)
    }
}
