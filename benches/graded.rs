//! Real products and graded queries, and how well an ordering of products answers them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use electron_market::shop::products::{CategoryName, Draft, Price};
use electron_market::shop::time::Timestamp;
use electron_market::store::{Durability, Folder, ImportRow, Store};
use flate2::read::GzDecoder;
use serde_json::Value;

pub const NOW: Timestamp = Timestamp(1_770_000_000_000_000);

/// A row of a catalogue.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id in the catalogue, if it has one.
    pub id: Option<u64>,
    pub title: String,
    pub category: String,
    pub description: String,
    pub price: String,
}

fn shared(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(name)
}

/// The real catalogue of 19,405 products where it is at hand, the project's own otherwise.
pub fn catalogue() -> Vec<Row> {
    let real = shared("icecat_electronics.jsonl.gz");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/catalogue.jsonl");
    let lines: Box<dyn Read> = if real.exists() {
        Box::new(GzDecoder::new(
            File::open(real).expect("the real catalogue"),
        ))
    } else {
        Box::new(File::open(ours).expect("the project's catalogue"))
    };
    let text = |row: &Value, key: &str| match &row[key] {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let row = |line: std::io::Result<String>| {
        let row: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        Row {
            id: row["id"].as_str().and_then(|id| id.parse().ok()),
            title: text(&row, "title"),
            category: text(&row, "category"),
            description: text(&row, "description"),
            price: text(&row, "price"),
        }
    };
    let rows = BufReader::new(lines).lines().map(row);
    rows.filter(|row| row.title.chars().count() <= 255)
        .collect()
}

/// Graded queries: for each the products that somebody judged, by their ids in the catalogue,
/// from 0 (of no use) to 3 (just right). Nothing where the grades are not at hand.
pub fn judgments() -> BTreeMap<String, BTreeMap<u64, u32>> {
    let mut judgments = BTreeMap::<String, BTreeMap<u64, u32>>::new();
    let Ok(file) = File::open(shared("icecat_judgments.tsv")) else {
        return judgments;
    };
    for line in BufReader::new(file).lines().skip(1) {
        let line = line.expect("text");
        let mut cells = line.split('\t');
        let mut cell = || cells.next().expect("three cells");
        let (query, id, grade) = (cell(), cell(), cell());
        let grades = judgments.entry(query.to_owned()).or_default();
        grades.insert(id.parse().expect("an id"), grade.parse().expect("a grade"));
    }
    judgments.retain(|_, grades| grades.values().any(|grade| *grade > 0));
    judgments
}

/// A shop with these rows, numbered from 1 in their order.
pub fn shop(folder: &Path, rows: &[Row]) -> (Folder, Store) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let folder = Folder::hold(folder).expect("held");
    let store = Store::open(&folder, 64 << 20, 0, Durability::Log).expect("open");
    for rows in rows.chunks(2_000) {
        let rows = rows.iter().map(|row| {
            let draft = Draft {
                title: row.title.clone(),
                description: row.description.clone(),
                price: Price::parse(&row.price).expect("a price"),
                quantity: 10,
            };
            let category = CategoryName::parse(&row.category).expect("a category");
            ImportRow::Offer(draft, category)
        });
        runtime
            .block_on(store.import(rows.collect(), NOW))
            .expect("imported");
    }
    (folder, store)
}

/// Normalised discounted cumulative gain of the first ten, with gains of 2^grade - 1 (Järvelin and
/// Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002; gains as in Burges et
/// al., "Learning to rank using gradient descent", 2005).
pub fn ndcg_at_10(found: &[u64], grades: &BTreeMap<u64, u32>) -> f64 {
    let gain = |grade: u32| f64::from(2_u32.pow(grade)) - 1.0;
    let discounted = |grades: &mut dyn Iterator<Item = u32>| -> f64 {
        let ranked = (2_u32..12).zip(grades);
        ranked
            .map(|(rank, grade)| gain(grade) / f64::from(rank).log2())
            .sum()
    };
    let mut best: Vec<u32> = grades.values().copied().collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let is = discounted(&mut found.iter().map(|id| grades.get(id).copied().unwrap_or(0)));
    is / discounted(&mut best.into_iter())
}

/// How a query is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    Whole,
    /// The last word is not typed to its end.
    Cut,
    /// A letter of the longest word is wrong.
    OneTypo,
    /// Two letters of a word of eight or more.
    TwoTypos,
}

/// The query as it is typed; `None` where there is no such way to type it.
pub fn typed(query: &str, typed: Typed) -> Option<String> {
    let mut words: Vec<Vec<char>> = query
        .split(' ')
        .map(|word| word.chars().collect())
        .collect();
    let longest = (0..words.len()).rev().max_by_key(|at| words[*at].len())?;
    match typed {
        Typed::Whole => {}
        Typed::Cut => {
            let last = words.last_mut()?;
            let cut = if last.len() > 5 { 2 } else { 1 };
            if last.len() >= 4 {
                last.truncate(last.len() - cut);
            }
        }
        Typed::OneTypo => {
            let word = &mut words[longest];
            if word.len() < 4 || word.iter().any(char::is_ascii_digit) {
                return None;
            }
            let middle = word.len() / 2;
            word.swap(middle - 1, middle);
            if word[middle - 1] == word[middle] {
                word.remove(middle);
            }
        }
        Typed::TwoTypos => {
            let word = &mut words[longest];
            if word.len() < 8 || word.iter().any(char::is_ascii_digit) {
                return None;
            }
            word.remove(2);
            let late = word.len() - 2;
            word[late] = if word[late] == 'x' { 'q' } else { 'x' };
        }
    }
    let words: Vec<String> = words
        .into_iter()
        .map(|word| word.into_iter().collect())
        .collect();
    Some(words.join(" "))
}
