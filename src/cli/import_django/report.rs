//! What an import from the original says: a line for each row that can't come as it is, and how many
//! came of which table.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::super::{Bar, Ended};
use crate::django::{Database, Kind};

/// Rows named one by one; the others are counted.
const NAMED_MAX: u64 = 1_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub came: u64,
    pub here: u64,
    pub went_on: u64,
    pub left_out: u64,
}

pub struct Report<'a> {
    pub database: &'a Database,
    bar: Bar,
    done: u64,
    of: u64,
    counts: BTreeMap<Kind, Counts>,
    named: u64,
}

impl<'a> Report<'a> {
    pub fn new(database: &'a Database, of: u64) -> Self {
        Self {
            database,
            bar: Bar::of("rows"),
            done: 0,
            of,
            counts: BTreeMap::new(),
            named: 0,
        }
    }

    pub fn go_on(&mut self, rows: usize) {
        self.done += rows as u64;
        self.bar.set(self.done, self.of);
    }

    pub fn of(&mut self, kind: Kind) -> &mut Counts {
        self.counts.entry(kind).or_default()
    }

    pub fn left_out(&mut self, kind: Kind, id: impl Display, reason: impl Display) {
        self.of(kind).left_out += 1;
        self.name(kind, id, format_args!("{reason} It is left out."));
    }

    /// A word about a row that comes, or came.
    pub fn name(&mut self, kind: Kind, id: impl Display, word: impl Display) {
        self.named += 1;
        if self.named <= NAMED_MAX {
            let table = self.database.table(kind);
            self.bar.say(&format!("{table} {id}: {word}"));
        }
    }

    #[expect(clippy::print_stdout, reason = "the command's answer")]
    pub fn end(self, is_dry: bool) -> Ended {
        let Self {
            bar,
            counts,
            database,
            named,
            ..
        } = self;
        drop(bar);
        if named > NAMED_MAX {
            let more = named - NAMED_MAX;
            println!("{more} more are not named above.");
        }
        let came = if is_dry { "would come" } else { "came" };
        let width = counts.keys().map(|kind| database.table(*kind).len());
        let width = width.max().unwrap_or(0).max("table".len());
        println!(
            "{:width$}  {came:>10}  {:>10}  {:>10}  {:>10}",
            "table", "were here", "went on", "left out"
        );
        let mut left_out_in_all = 0;
        for (kind, counts) in &counts {
            let Counts {
                came,
                here,
                went_on,
                left_out,
            } = counts;
            let table = database.table(*kind);
            println!("{table:width$}  {came:>10}  {here:>10}  {went_on:>10}  {left_out:>10}");
            left_out_in_all += left_out;
        }
        if is_dry {
            println!("Nothing was written (--dry-run).");
        }
        if left_out_in_all == 0 {
            Ended::Well
        } else {
            Ended::WithRefusals
        }
    }
}
