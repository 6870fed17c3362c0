//! `backup` and `restore`: of a closed shop at its folder, of an open one by asking it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use jiff::{SignedDuration, civil};
use serde_json::{Value, json};
use ureq::tls::TlsConfig;

use super::{Bar, Ended, Signals};
use crate::app::{App, AppError, now, operator_token};
use crate::keys::{self, Fate};
use crate::settings::{Backup, CommandLine, Restore};
use crate::shop::time::Timestamp;
use crate::store::{self, BackupError, Folder, FolderError, Follower, Made, Progress, Shipped};

/// How long an open shop may take to write a backup: a gigabyte takes seconds.
const PATIENCE: Duration = Duration::from_hours(1);

/// How often to ask again when the shop says that it was asked too often, and how long to wait
/// before: what it may be asked at once comes back within 20 s.
const TURNED_AWAY_MAX: u32 = 10;
const TURNED_AWAY_LONGEST: Duration = Duration::from_secs(20);

/// How often the log is looked at: a segment is written over a second after it was left, at the
/// earliest.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often a copy that is kept current begins anew, so that bringing it to a moment stays short.
const BASE_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How long to wait after a base that could not be made.
const BASE_PAUSE: Duration = Duration::from_secs(5);

pub async fn backup(line: &CommandLine, asked: &Backup) -> anyhow::Result<Ended> {
    if asked.follow {
        return follow(line, asked).await;
    }
    let Some(every) = asked.every else {
        tell(&asked.to, make(line, &asked.to)?);
        return Ok(Ended::Well);
    };
    if every < SignedDuration::from_secs(1) {
        bail!("--every takes a second or more, such as 1h");
    }
    fs::create_dir_all(&asked.to)
        .with_context(|| format!("{} can't be made", asked.to.display()))?;
    let mut signals = Signals::listen()?;
    loop {
        let to = asked.to.join(name_of_now()?);
        // One under way is finished first.
        match tokio::task::block_in_place(|| make(line, &to)) {
            Ok(made) => tell(&to, made),
            // The next one may be luckier: a shop that is closing, a disk that was full.
            Err(error) => warn(&error),
        }
        if let Err(error) = forget_old(&asked.to, asked.keep as usize) {
            warn(&error);
        }
        tokio::select! {
            () = tokio::time::sleep(every.unsigned_abs()) => {}
            () = signals.next() => return Ok(Ended::Well),
        }
    }
}

/// Keeps a folder current until it is told to stop; what was answered by then is in it.
async fn follow(line: &CommandLine, asked: &Backup) -> anyhow::Result<Ended> {
    let every = asked.every.unwrap_or(BASE_EVERY);
    if every < SignedDuration::from_secs(1) {
        bail!("--every takes a second or more, such as 1h");
    }
    let mut follower = Follower::open(&asked.to, &line.data_dir)?;
    let mut signals = Signals::listen()?;
    let mut is_over = false;
    let mut making = None;
    let mut next_try = Instant::now();
    let mut next_base = Instant::now() + every.unsigned_abs();
    loop {
        let moment = now();
        match tokio::task::block_in_place(|| follower.ship(moment)) {
            Ok(Shipped::InStep) => {}
            Ok(Shipped::Gap) => {
                note("another log began, or batches were missed: a new copy is made");
            }
            Err(error) => warn(&error.into()),
        }
        let now_is = Instant::now();
        let is_due = follower.lacks_base() || now_is >= next_base;
        if making.is_none() && is_due && !is_over && now_is >= next_try {
            let (data_dir, cache_bytes) = (line.data_dir.clone(), line.cache_bytes());
            let to = follower.new_base();
            let work = move || make_at(&data_dir, cache_bytes, &to);
            making = Some(tokio::task::spawn_blocking(work));
        }
        // One under way is finished first.
        if let Some(made) = making.take_if(|made| is_over || made.is_finished()) {
            match made.await.map_err(Into::into).flatten() {
                Ok(made) => {
                    let base = follower.take_base(now(), asked.keep as usize)?;
                    tell(&base, made);
                    if !follower.has_log() {
                        note(
                            "the shop is closed, or open with --durability store: without a log to follow whole copies are all there is",
                        );
                    }
                    next_base = Instant::now() + every.unsigned_abs();
                }
                Err(error) => {
                    warn(&error);
                    next_try = Instant::now() + BASE_PAUSE;
                }
            }
        }
        if is_over {
            return Ok(Ended::Well);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = signals.next() => is_over = true,
        }
    }
}

/// Names of scheduled backups, such as `shop-20261125T034512.redb`, in UTC: they sort as their
/// times do.
const SCHEDULED_NAME: &str = "shop-%Y%m%dT%H%M%S.redb";

fn name_of_now() -> anyhow::Result<String> {
    let moment = jiff::Timestamp::from_microsecond(now().0)?;
    Ok(moment.strftime(SCHEDULED_NAME).to_string())
}

/// Whether a name is one that was given above, and not the owner's own.
fn is_scheduled(name: &str) -> bool {
    let moment = civil::DateTime::strptime(SCHEDULED_NAME, name);
    moment.is_ok_and(|moment| moment.strftime(SCHEDULED_NAME).to_string() == name)
}

/// Removes all but the newest of the scheduled backups.
fn forget_old(folder: &Path, keep: usize) -> anyhow::Result<()> {
    let mut scheduled = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if is_scheduled(name) {
            scheduled.push(path);
        }
    }
    scheduled.sort();
    let old = scheduled.len().saturating_sub(keep);
    for path in scheduled.iter().take(old) {
        fs::remove_file(path).with_context(|| format!("{} can't be removed", path.display()))?;
    }
    Ok(())
}

fn make(line: &CommandLine, to: &Path) -> anyhow::Result<Made> {
    make_at(&line.data_dir, line.cache_bytes(), to)
}

/// At the folder if nobody holds it, else by whoever does.
fn make_at(data_dir: &Path, cache_bytes: usize, to: &Path) -> anyhow::Result<Made> {
    if to.exists() {
        bail!("{} is there already; name another file", to.display());
    }
    match App::open_read_only(data_dir, cache_bytes) {
        Ok(app) => {
            let bar = Bar::of("records");
            Ok(app
                .store
                .back_up(to, |Progress { rows, of }| bar.set(rows, of))?)
        }
        Err(AppError::Folder(FolderError::Held { holder, .. })) => {
            ask_open_shop(data_dir, &holder, to)
        }
        Err(error) => Err(error.into()),
    }
}

/// Has the open shop write it into its folder, and takes it from there.
fn ask_open_shop(data_dir: &Path, holder: &str, to: &Path) -> anyhow::Result<Made> {
    let url = holder
        .split_once("serving at ")
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .ok_or_else(|| {
            anyhow!("the shop is held by {holder}, which can't be asked for a backup")
        })?;
    let _waiting = Bar::waiting(format!("the shop at {url} writes a backup"));
    let name = store::name_to_ask_for()?;
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        // The token is for the shop on this machine alone.
        .proxy(None)
        .max_redirects(0)
        // Its certificate is for the name that customers use.
        .tls_config(TlsConfig::builder().disable_verification(true).build())
        .build()
        .new_agent();
    let ask = || {
        let token = operator_token(data_dir)?; // Good for a minute.
        let ask = agent.post(format!("{url}/backups/"));
        let ask = ask.header("Authorization", format!("Bearer {token}"));
        let ask = ask.header("Content-Type", "application/json");
        ask.send(json!({"name": name}).to_string())
            .with_context(|| format!("the shop at {url} does not answer"))
    };
    let mut reply = ask()?;
    // Others on this machine ask it too, through a proxy perhaps.
    for _ in 0..TURNED_AWAY_MAX {
        let Some(after) = turned_away(&reply) else {
            break;
        };
        thread::sleep(after);
        reply = ask()?;
    }
    let said: Value = serde_json::from_str(&reply.body_mut().read_to_string()?)?;
    if reply.status() != 201 {
        bail!("the shop at {url} made no backup: {said}");
    }
    let written = store::place_of_backup(data_dir, &name)?;
    let moved = take(&written, to);
    if moved.is_err() {
        let _ = fs::remove_file(&written);
    }
    moved?;
    let number = |key: &str| said[key].as_u64().unwrap_or_default();
    Ok(Made {
        bytes: number("bytes"),
        records: number("records"),
    })
}

/// After how long to ask again, if it was asked too often lately.
fn turned_away(reply: &ureq::http::Response<ureq::Body>) -> Option<Duration> {
    if reply.status() != ureq::http::StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let after = reply.headers().get("Retry-After")?;
    let seconds = after.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(TURNED_AWAY_LONGEST))
}

/// Moves a file, to another disk if need be, durably.
fn take(from: &Path, to: &Path) -> anyhow::Result<()> {
    let cannot = || format!("{} can't be written", to.display());
    if to.exists() {
        bail!("{} came to be meanwhile; name another file", to.display());
    }
    if fs::rename(from, to).is_err() {
        let draft = store::draft_of(to);
        let copied = fs::copy(from, &draft)
            .and_then(|_| fs::File::open(&draft)?.sync_all())
            .and_then(|()| fs::rename(&draft, to));
        if copied.is_err() {
            let _ = fs::remove_file(&draft); // It may not even have been made.
        }
        copied.with_context(cannot)?;
        fs::remove_file(from)?;
    }
    store::sync_folder_of(to).with_context(cannot)
}

pub fn restore(line: &CommandLine, asked: &Restore) -> anyhow::Result<Ended> {
    // Before a folder is made for nothing.
    fs::File::open(&asked.from)
        .with_context(|| format!("{} can't be read", asked.from.display()))?;
    let folder = Folder::hold(&line.data_dir).map_err(AppError::from)?;
    let bar = Bar::of("records");
    let tell = |Progress { rows, of }| bar.set(rows, of);
    let (from, force) = (&asked.from, asked.force);
    let brought = if from.is_dir() {
        let moment = asked.to_time.map(|time| Timestamp(time.as_microsecond()));
        let brought = store::bring_moment(&folder, from, moment, force, now(), tell);
        brought.map(|(brought, moment)| (brought, Some(moment)))
    } else if asked.to_time.is_some() {
        bail!(
            "--to-time takes the folder that `backup --follow` keeps, and {} is a file",
            from.display()
        );
    } else {
        store::bring(&folder, from, force, now(), tell).map(|brought| (brought, None))
    };
    let (brought, moment) = brought.map_err(explain)?;
    drop(bar);
    // Ids of accounts that were opened after the backup are given out again, and tokens name ids:
    // at no moment may there be the store of then and the key of now.
    keys::rotate(&folder, Fate::EndNow, now())?;
    let before = brought.put_in_place()?;
    say(&asked.from, moment, before.as_deref());
    Ok(Ended::Well)
}

/// Why nothing was put back, and what can be done.
fn explain(error: BackupError) -> anyhow::Error {
    match error {
        BackupError::Exists(path) => {
            anyhow!(
                "{} is there; --force puts the backup in its place",
                path.display()
            )
        }
        BackupError::NotKept { ref kept, .. } => {
            let range = |(first, last): &(_, _)| format!("from {} to {}", utc(*first), utc(*last));
            let ranges: Vec<_> = kept.iter().map(range).collect();
            let can = match ranges[..] {
                [] => "the shop is as it was; nothing in it can be restored".to_owned(),
                _ => format!(
                    "the shop is as it was; --to-time takes a moment {}",
                    ranges.join(", or ")
                ),
            };
            anyhow::Error::from(error).context(can)
        }
        error @ BackupError::Unsound { .. } => {
            anyhow::Error::from(error).context("the shop is as it was; try an older backup")
        }
        error => error.into(),
    }
}

fn utc(moment: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(moment.0);
    time.map_or_else(|_| format!("{} us", moment.0), |time| time.to_string())
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell(to: &Path, Made { bytes, records }: Made) {
    println!(
        "{} has {records} records in {bytes} bytes, all verified.",
        to.display()
    );
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn say(from: &Path, moment: Option<Timestamp>, before: Option<&Path>) {
    if let Some(moment) = moment {
        println!("The last change in it was made at {}.", utc(moment));
    }
    println!(
        "The shop is as it was in {}. No token made before is good: everybody signs in anew.",
        from.display()
    );
    if let Some(before) = before {
        println!("What was there is kept as {}.", before.display());
    }
}

#[expect(clippy::print_stderr, reason = "what whoever runs it should know")]
fn note(what: &str) {
    eprintln!("{what}");
}

#[expect(clippy::print_stderr, reason = "one backup of many that failed")]
fn warn(error: &anyhow::Error) {
    eprintln!("no backup this time: {error:#}");
}
