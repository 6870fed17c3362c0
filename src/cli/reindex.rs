//! `reindex`: the search index, built anew from the store.

use super::{Bar, Ended, in_shop};
use crate::search::Search;
use crate::settings::CommandLine;

pub async fn reindex(line: &CommandLine) -> anyhow::Result<Ended> {
    let built = in_shop(line, "reindex", async |store| {
        let bar = Bar::of("products");
        Ok(Search::rebuild(&line.data_dir, store.clone(), |built| {
            bar.set(built.done, built.total);
        })?)
    });
    say(built.await?.done);
    Ok(Ended::Well)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn say(products: u64) {
    println!("{products} products are in the search index.");
}
