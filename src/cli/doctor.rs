//! `doctor`: looks at a shop that is closed and says what is wrong with it.

use super::{Bar, Ended};
use crate::app::App;
use crate::search::Search;
use crate::settings::CommandLine;
use crate::store::Progress;

pub async fn doctor(line: &CommandLine) -> anyhow::Result<Ended> {
    let app = App::open_read_only(&line.data_dir, line.cache_bytes())?;
    let bar = Bar::of("records");
    let mut records = 0;
    let findings = app.store.verify(|Progress { rows, of }| {
        bar.is_at(rows, of);
        records = of;
    })?;
    drop(bar);
    // An index can only be compared with a store that can be read.
    let index = if findings.is_empty() {
        Search::check(&line.data_dir, &app.store)?
    } else {
        Vec::new()
    };
    app.close().await?;
    let told = findings.told.iter().map(ToString::to_string);
    let lines: Vec<String> = told.collect();
    tell(records, &lines, findings.more, &index);
    if lines.is_empty() && index.is_empty() {
        Ok(Ended::Well)
    } else {
        Ok(Ended::WithFindings)
    }
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn tell(records: u64, findings: &[String], more: usize, index: &[String]) {
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
        println!("{records} records are sound and agree, and so does the search index.");
    }
}
