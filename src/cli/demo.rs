//! `serve --demo`: an empty shop becomes one to try.

use anyhow::anyhow;

use super::import::Row;
use crate::app::now;
use crate::auth::password::{self, Passwords, Policy};
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
    if !store.is_empty()? {
        return Ok(Filled::NotEmpty);
    }
    let passwords = Passwords::new(Policy::Standard)?;
    let (customer, admin) = (account("demo")?, account("admin")?);
    let newcomers = vec![
        newcomer(&passwords, &customer, Role::Customer).await?,
        newcomer(&passwords, &admin, Role::Admin).await?,
    ];
    let rows = rows()?;
    let products = rows.len();
    let filled = store.fill(newcomers, rows, now()).await?;
    filled.map_err(|taken| anyhow!("the shop was filled meanwhile: {taken:?}"))?;
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

fn account(username: &'static str) -> anyhow::Result<Account> {
    let password = password::random()?;
    Ok(Account { username, password })
}

async fn newcomer(
    passwords: &Passwords,
    account: &Account,
    role: Role,
) -> anyhow::Result<Newcomer> {
    let Account { username, password } = account;
    let address = format!("{username}@demo.example");
    Ok(Newcomer {
        username: Username::parse(username).map_err(|_| anyhow!("{username} is no username"))?,
        first_name: String::new(),
        email: Some(Email::parse(&address).map_err(|_| anyhow!("{address} is no address"))?),
        phone: None,
        password_hash: passwords.hash(password.clone()).await?,
        role,
    })
}
