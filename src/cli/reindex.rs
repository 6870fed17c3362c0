//! `reindex`: the search index, built anew from the store.

use indicatif::{ProgressBar, ProgressStyle};

use super::{Ended, in_shop};
use crate::search::Search;
use crate::settings::CommandLine;

pub async fn reindex(line: &CommandLine) -> anyhow::Result<Ended> {
    let built = in_shop(line, "reindex", async |store| {
        let bar = ProgressBar::new(0);
        if let Ok(style) =
            ProgressStyle::with_template("{wide_bar} {pos}/{len} products, {eta} to go")
        {
            bar.set_style(style);
        }
        let built = Search::rebuild(&line.data_dir, store.clone(), |built| {
            bar.set_length(built.total);
            bar.set_position(built.done);
        });
        bar.finish_and_clear();
        Ok(built?)
    });
    say(built.await?.done);
    Ok(Ended::Well)
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn say(products: u64) {
    println!("{products} products are in the search index.");
}
