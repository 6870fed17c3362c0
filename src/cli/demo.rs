//! `serve --demo`: an empty shop becomes one to try.

use anyhow::{Context, anyhow};

use super::admin::taken_sentence;
use super::import::Row;
use crate::app::now;
use crate::auth::password::{Passwords, Policy};
use crate::auth::token;
use crate::shop::users::{Email, Newcomer, Role, Username};
use crate::store::{ImportRow, Store};

/// Written for this project: real products, plausible prices and stock.
const CATALOGUE: &str = include_str!("../../data/catalogue.jsonl");

pub enum Filled {
    /// Somebody's shop: it is left alone.
    NotEmpty,
    New {
        products: usize,
        customer: Account,
        admin: Account,
    },
}

pub struct Account {
    pub username: &'static str,
    pub password: String,
}

pub async fn fill(store: &Store) -> anyhow::Result<Filled> {
    if store.product_count()? > 0 {
        return Ok(Filled::NotEmpty);
    }
    let customer = open_account(store, "demo", Role::Customer).await?;
    let admin = open_account(store, "admin", Role::Admin).await?;
    let rows = rows()?;
    let products = rows.len();
    store.import(rows, now()).await?;
    Ok(Filled::New {
        products,
        customer,
        admin,
    })
}

fn rows() -> anyhow::Result<Vec<ImportRow>> {
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(CATALOGUE.lines()) {
        let row = Row::read(line.as_bytes())
            .map_err(|reason| anyhow!("line {number} of the built-in catalogue: {reason}"))?;
        rows.push(row.offer(0));
    }
    Ok(rows)
}

async fn open_account(
    store: &Store,
    username: &'static str,
    role: Role,
) -> anyhow::Result<Account> {
    let password = token::new_password()?;
    let address = format!("{username}@demo.example");
    let newcomer = Newcomer {
        username: Username::parse(username).map_err(|_| anyhow!("{username} is no username"))?,
        first_name: String::new(),
        email: Some(Email::parse(&address).map_err(|_| anyhow!("{address} is no address"))?),
        phone: None,
        password_hash: Passwords::new(Policy::Standard)?
            .hash(password.clone())
            .await?,
        role,
    };
    let opened = store.sign_up(newcomer, now()).await?;
    opened
        .map_err(|taken| anyhow!(taken_sentence(&taken)))
        .with_context(|| format!("--demo can't open its account {username}; start without it"))?;
    Ok(Account { username, password })
}
