//! `admin`: accounts made and mended by whoever holds the folder.

use std::io::{self, IsTerminal};

use anyhow::{Context, anyhow, bail};

use super::{Ended, in_new_shop, in_shop};
use crate::api;
use crate::api::kinds::name_sentence;
use crate::app::now;
use crate::auth::password::{Passwords, Policy};
use crate::settings::{AdminCreate, AdminPasswd, CommandLine, NewPassword};
use crate::shop::users::{Email, Newcomer, Role, Taken, Username};

pub async fn create(line: &CommandLine, asked: &AdminCreate) -> anyhow::Result<Ended> {
    let username = parse_username(&asked.username)?;
    let email = match &asked.email {
        Some(text) => Some(
            Email::parse(text)
                .map_err(|error| anyhow!("--email {text}: {}", name_sentence(error)))?,
        ),
        None => None,
    };
    let names = [
        username.as_str(),
        asked.email.as_deref().unwrap_or_default(),
    ];
    let account = in_new_shop(line, "admin create", async |store| {
        let newcomer = Newcomer {
            username: username.clone(),
            first_name: String::new(),
            email,
            phone: None,
            password_hash: hash_new_password(&asked.password, &names).await?,
            role: Role::Admin,
        };
        let opened = store.sign_up(newcomer, now()).await?;
        opened.map_err(|taken| anyhow!(taken_sentence(&taken)))
    })
    .await?;
    say(&format!("{} is an admin now.", account.username.as_str()));
    Ok(Ended::Well)
}

pub async fn promote(line: &CommandLine, username: &str) -> anyhow::Result<Ended> {
    let username = parse_username(username)?;
    let promoted = in_shop(line, "admin promote", async |store| {
        Ok(store.promote(&username).await?)
    });
    let account = promoted.await?.ok_or_else(|| nobody(&username))?;
    say(&format!("{} is an admin now.", account.username.as_str()));
    Ok(Ended::Well)
}

pub async fn passwd(line: &CommandLine, asked: &AdminPasswd) -> anyhow::Result<Ended> {
    let username = parse_username(&asked.username)?;
    let account = in_shop(line, "admin passwd", async |store| {
        if store.account_named(&username)?.is_none() {
            return Err(nobody(&username));
        }
        let hash = hash_new_password(&asked.password, &[username.as_str()]).await?;
        let changed = store.reset_password(&username, hash).await?;
        changed.ok_or_else(|| nobody(&username))
    })
    .await?;
    let name = account.username.as_str();
    say(&format!(
        "{name} has a new password; every session of {name} ended, and tokens given out die within the hour."
    ));
    Ok(Ended::Well)
}

fn parse_username(text: &str) -> anyhow::Result<Username> {
    Username::parse(text).map_err(|error| anyhow!("--username {text}: {}", name_sentence(error)))
}

fn nobody(username: &Username) -> anyhow::Error {
    anyhow!("nobody is called {} here", username.as_str())
}

fn taken_sentence(taken: &[Taken]) -> String {
    let sentences: Vec<_> = taken
        .iter()
        .map(|taken| api::taken_sentence(*taken).1)
        .collect();
    sentences.join(" ")
}

async fn hash_new_password(asked: &NewPassword, names: &[&str]) -> anyhow::Result<String> {
    let password = read_password(asked)?;
    let policy: Policy = asked.settings.policy();
    let weaknesses = policy.weaknesses(&password, names);
    if !weaknesses.is_empty() {
        let sentences: Vec<_> = weaknesses.iter().map(ToString::to_string).collect();
        bail!("that password is not good enough: {}", sentences.join(" "));
    }
    Ok(Passwords::new(policy)?.hash(password).await?)
}

fn read_password(asked: &NewPassword) -> anyhow::Result<String> {
    if asked.password_stdin {
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .context("no password came through standard input")?;
        return Ok(line.trim_end_matches(['\r', '\n']).trim().to_owned());
    }
    if !io::stdin().is_terminal() {
        bail!("there is no terminal to ask for a password; send it with --password-stdin");
    }
    let password = rpassword::prompt_password("Password: ")?;
    if password != rpassword::prompt_password("Again: ")? {
        bail!("the two passwords differ");
    }
    Ok(password.trim().to_owned())
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn say(sentence: &str) {
    println!("{sentence}");
}
