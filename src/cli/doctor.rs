//! `doctor`: looks at a shop that is closed and says what is wrong with it.

use std::path::Path;

use super::{Bar, Ended};
use crate::app::App;
use crate::auth::token::EarlierKey;
use crate::keys::{self, KeyError};
use crate::search::{Checked, Search};
use crate::settings::CommandLine;
use crate::store::Progress;

pub async fn doctor(line: &CommandLine) -> anyhow::Result<Ended> {
    let app = App::open_read_only(&line.data_dir, line.cache_bytes())?;
    let bar = Bar::of("records");
    let mut records = 0;
    let findings = app.store.verify(|Progress { rows, of }| {
        bar.set(rows, of);
        records = of;
    })?;
    drop(bar);
    // An index can only be compared with a store that can be read.
    let checked = if findings.is_empty() {
        Some(Search::check(&line.data_dir, &app.store)?)
    } else {
        None
    };
    let (index, agreement) = match checked {
        None => (Vec::new(), ""),
        Some(Checked::Missing) => (
            Vec::new(),
            ". There is no search index: the shop builds it when it opens.",
        ),
        Some(Checked::Behind) => (
            Vec::new(),
            ". The search index is behind: the shop catches up when it opens.",
        ),
        Some(Checked::Compared(wrong)) => (wrong, ", and so does the search index."),
    };
    app.close().await?;
    let keys = look_at_keys(&line.data_dir);
    let told = findings.told.iter().map(ToString::to_string);
    let lines: Vec<String> = told.collect();
    tell(records, &lines, findings.more, &index, agreement);
    tell_of_keys(&line.data_dir, &keys);
    if lines.is_empty() && index.is_empty() && keys.is_ok() {
        Ok(Ended::Well)
    } else {
        Ok(Ended::WithFindings)
    }
}

/// The keys that verify beside the one that signs; a shop that was never served has none at all.
fn look_at_keys(data_dir: &Path) -> Result<Vec<EarlierKey>, KeyError> {
    if !data_dir.join(keys::NAME).exists() {
        return Ok(Vec::new());
    }
    Ok(keys::read(data_dir)?.earlier)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell_of_keys(data_dir: &Path, keys: &Result<Vec<EarlierKey>, KeyError>) {
    if !data_dir.join(keys::NAME).exists() {
        println!(
            "There is no {}: the shop makes one when it opens, and no token made before is good.",
            keys::NAME
        );
    }
    match keys {
        Ok(earlier) => {
            for EarlierKey { until, .. } in earlier {
                let until = keys::told(*until);
                println!("A token key that was replaced verifies until {until}.");
            }
        }
        Err(error) => println!("token key: {error}"),
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell(records: u64, findings: &[String], more: usize, index: &[String], agreement: &str) {
    for finding in findings {
        println!("store: {finding}");
    }
    if more > 0 {
        println!("store: and {more} more of the kind");
    }
    for finding in index {
        println!("search index: {finding}");
    }
    if !findings.is_empty() {
        println!(
            "The store is damaged. Put back a backup with `electron-market restore`; what was sold since is not in it."
        );
    }
    if !index.is_empty() {
        println!(
            "The search index is made of the store: `electron-market reindex` builds it anew."
        );
    }
    if findings.is_empty() && index.is_empty() {
        println!("{records} records are sound and agree{agreement}");
    }
}
