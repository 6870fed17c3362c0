//! `cargo bench --bench search`: how well and how fast products are found, beside a plain BM25,
//! the scan that the original does, and tantivy's own queries; and how fresh what is found is.
//! `-- quality` measures that alone.
#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod graded;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use electron_market::search::Search;
use electron_market::shop::ids::{CategoryId, ProductId};
use electron_market::shop::products::{CategoryName, Draft, Edit, Filter, Ordering, Price};
use electron_market::store::{ImportRow, PageAsk, Store};
use graded::{Row, Typed};
use rustix::time::{ClockId, clock_gettime};
use tantivy::collector::{Count, TopDocs};
use tantivy::query::{BooleanQuery, BoostQuery, FuzzyTermQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, STORED, Schema, TEXT};
use tantivy::{Index, Searcher, TantivyDocument, Term};

const PAGE: usize = 20;

fn main() {
    let only_quality = std::env::args().any(|word| word == "quality");
    let rows = graded::catalogue();
    let folder = tempfile::tempdir().expect("a folder");
    let (_held, store) = graded::shop(folder.path(), &rows);
    let search = open(folder.path(), &store);
    let native = Native::build(&rows);
    println!("{} products", rows.len());
    quality(&rows, &store, &search, &native);
    if only_quality {
        return;
    }
    speed(&search, &native, rows.len());
    freshness(&store, &search, &rows);
    search.close();

    let large = ten_of_each(&rows);
    let folder = tempfile::tempdir().expect("a folder");
    let (_held, store) = graded::shop(folder.path(), &large);
    let began = Instant::now();
    let search = open(folder.path(), &store);
    println!(
        "\n{} products, index built in {:.1} s",
        large.len(),
        began.elapsed().as_secs_f32()
    );
    let native = Native::build(&large);
    speed(&search, &native, large.len());
    freshness(&store, &search, &large);
    search.close();
}

fn open(folder: &std::path::Path, store: &Store) -> Search {
    let search = Search::open(folder, store.clone()).expect("opened");
    while !search.is_ready() {
        std::thread::yield_now();
    }
    search
}

/// Ten products of each, the second to tenth with words of their own, so that the vocabulary
/// grows with the catalogue.
fn ten_of_each(rows: &[Row]) -> Vec<Row> {
    let copies = (0..10_usize).flat_map(|copy| {
        rows.iter().enumerate().map(move |(at, row)| {
            let mut row = row.clone();
            if copy > 0 {
                row.description = format!("{} x{:x}", row.description, at * 10 + copy);
            }
            row
        })
    });
    copies.collect()
}

fn quality(rows: &[Row], store: &Store, search: &Search, native: &Native) {
    let judgments = graded::judgments();
    if judgments.is_empty() {
        println!("no graded queries at hand: quality is not measured");
        return;
    }
    println!(
        "\nNDCG@10 of {} graded queries (queries that found nothing)\n",
        judgments.len()
    );
    println!("| query | substring scan | BM25 | ours |\n|---|---|---|---|");
    for (name, how) in [
        ("whole words", Typed::Whole),
        ("last word cut, as while typing", Typed::Cut),
        ("one typo in the longest word", Typed::OneTypo),
        (
            "two typos in a word of eight letters or more",
            Typed::TwoTypos,
        ),
    ] {
        let mut ndcg = [0.0; 3];
        let mut empty = [0; 3];
        let mut queries = 0.0;
        for (query, grades) in &judgments {
            let Some(query) = graded::typed(query, how) else {
                continue;
            };
            queries += 1.0;
            let found = [
                scan(store, &query),
                native.bm25(&query),
                ours(search, &query),
            ];
            for (engine, found) in found.into_iter().enumerate() {
                let ids = found.into_iter().filter_map(|place| rows[place - 1].id);
                let ids: Vec<u64> = ids.collect();
                empty[engine] += usize::from(ids.is_empty());
                ndcg[engine] += graded::ndcg_at_10(&ids, grades);
            }
        }
        let cell = |engine: usize| format!("{:.3} ({})", ndcg[engine] / queries, empty[engine]);
        println!(
            "| {name} ({queries:.0}) | {} | {} | {} |",
            cell(0),
            cell(1),
            cell(2)
        );
    }
}

fn filter(text: &str) -> Filter {
    Filter {
        text: text.to_owned(),
        ..Filter::default()
    }
}

const FIRST: PageAsk = PageAsk {
    after: None,
    limit: PAGE,
};

/// Ids from 1 in the order of the rows, ten of them.
fn scan(store: &Store, query: &str) -> Vec<usize> {
    let page = store
        .scan_products(&filter(query), Ordering::Id, FIRST)
        .expect("scanned");
    let ids = page.rows.iter().map(|listed| listed.product.id.0);
    ids.take(10)
        .map(|id| usize::try_from(id).expect("small"))
        .collect()
}

fn ours(search: &Search, query: &str) -> Vec<usize> {
    let found = search
        .find(&filter(query), None, FIRST, false)
        .expect("found");
    let ids = found.page.iter().take(10);
    ids.map(|place| usize::try_from(place.id).expect("small"))
        .collect()
}

/// tantivy as it comes: its tokenizer, its queries, its scores.
struct Native {
    searcher: Searcher,
    index: Index,
    title: Field,
    description: Field,
    id: Field,
}

impl Native {
    fn build(rows: &[Row]) -> Self {
        let mut schema = Schema::builder();
        let id = schema.add_u64_field("id", STORED);
        let title = schema.add_text_field("title", TEXT);
        let description = schema.add_text_field("description", TEXT);
        let index = Index::create_in_ram(schema.build());
        let mut writer = index
            .writer_with_num_threads(1, 200_000_000)
            .expect("a writer");
        for (at, row) in (1_u64..).zip(rows) {
            let mut document = TantivyDocument::new();
            document.add_u64(id, at);
            document.add_text(title, &row.title);
            document.add_text(description, &row.description);
            writer.add_document(document).expect("added");
        }
        writer.commit().expect("committed");
        writer.wait_merging_threads().expect("merged");
        let searcher = index.reader().expect("a reader").searcher();
        Self {
            searcher,
            index,
            title,
            description,
            id,
        }
    }

    fn words(&self, query: &str) -> Vec<String> {
        let mut tokenizer = self
            .index
            .tokenizers()
            .get("default")
            .expect("there by default");
        let mut stream = tokenizer.token_stream(query);
        let mut words = Vec::new();
        while stream.advance() {
            words.push(stream.token().text.clone());
        }
        words
    }

    fn term(field: Field, word: &str) -> Box<dyn Query> {
        let term = Term::from_field_text(field, word);
        Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
    }

    /// Any word in title or description.
    fn bm25(&self, query: &str) -> Vec<usize> {
        let words = self.words(query);
        let terms = words.iter().flat_map(|word| {
            [self.title, self.description].map(|field| (Occur::Should, Self::term(field, word)))
        });
        self.top(&BooleanQuery::new(terms.collect()), 10).0
    }

    /// Every word: exact above prefix and one typo, the title above the description.
    fn composed(&self, query: &str) -> (Vec<usize>, usize) {
        let words = self.words(query);
        let every = words.iter().map(|word| {
            let mut ways: Vec<(Occur, Box<dyn Query>)> = Vec::new();
            for (field, boost) in [(self.title, 4.0), (self.description, 1.0)] {
                let exact = BoostQuery::new(Self::term(field, word), 4.0 * boost);
                ways.push((Occur::Should, Box::new(exact)));
                let typos = u8::from(word.chars().count() >= 4);
                let term = Term::from_field_text(field, word);
                let near = FuzzyTermQuery::new_prefix(term, typos, true);
                ways.push((
                    Occur::Should,
                    Box::new(BoostQuery::new(Box::new(near), boost)),
                ));
            }
            (
                Occur::Must,
                Box::new(BooleanQuery::new(ways)) as Box<dyn Query>,
            )
        });
        self.top(&BooleanQuery::new(every.collect()), PAGE)
    }

    fn top(&self, query: &BooleanQuery, limit: usize) -> (Vec<usize>, usize) {
        let collectors = (TopDocs::with_limit(limit).order_by_score(), Count);
        let (top, count) = self.searcher.search(query, &collectors).expect("searched");
        let ids = top.into_iter().map(|(_, address)| {
            let document: TantivyDocument = self.searcher.doc(address).expect("stored");
            let id = tantivy::schema::document::Value::as_u64(
                &document.get_first(self.id).expect("an id"),
            );
            usize::try_from(id.expect("a number")).expect("small")
        });
        (ids.collect(), count)
    }
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// CPU times of each query, sorted.
fn times(queries: &[String], rounds: u32, mut ask: impl FnMut(&str)) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        for query in queries {
            let began = cpu();
            ask(query);
            times.push(cpu().saturating_sub(began));
        }
    }
    times.sort();
    times
}

fn mean(times: &[Duration]) -> Duration {
    times.iter().sum::<Duration>() / u32::try_from(times.len()).expect("few")
}

fn micros(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1e6)
}

fn speed(search: &Search, native: &Native, products: usize) {
    let of = |queries: &[&str]| queries.iter().map(|query| (*query).to_owned()).collect();
    let graded: Vec<String> = graded::judgments().into_keys().collect();
    let kinds: Vec<(&str, Vec<String>)> = vec![
        ("the graded queries", graded),
        (
            "one word",
            of(&["keyboard", "nespresso", "monitor", "black"]),
        ),
        (
            "two words",
            of(&["wireless mouse", "gaming laptop", "hdmi cable"]),
        ),
        ("prefix", of(&["keyb", "lapto", "wirel"])),
        (
            "typo",
            of(&["keybaord", "wireles mouze", "blutoth headfones"]),
        ),
        ("substring", of(&["eyboar", "ook", "ireles"])),
        ("one or two letters", of(&["k", "us"])),
        ("numbers and models", of(&["27\"", "wi-fi", "usb-c", "mk2"])),
        ("nothing found", of(&["zeppelin tickets", "qqqq"])),
    ];
    println!(
        "\nCPU of one search, us, page of {PAGE} with exact count, one core, {products} products\n"
    );
    println!(
        "| query | mean | p50 | p99 | searches/s a core | tantivy's own, mean |\n|---|---|---|---|---|---|"
    );
    let rounds = if products > 100_000 { 10 } else { 40 };
    for (name, queries) in kinds.iter().filter(|(_, queries)| !queries.is_empty()) {
        let ours = times(queries, rounds, |query| {
            search
                .find(&filter(query), None, FIRST, false)
                .expect("found");
        });
        let theirs = times(queries, rounds / 4, |query| {
            native.composed(query);
        });
        print_row(name, &ours, &micros(mean(&theirs)));
    }
    let narrow = Filter {
        text: "black".into(),
        category: Some(CategoryId(3)),
        min_price: None,
        max_price: Price::parse("100").ok().map(Price::money),
    };
    let filtered = times(&["black".to_owned()], rounds, |_| {
        search
            .find(&narrow, Some(Ordering::Price), FIRST, false)
            .expect("found");
    });
    print_row("black + category + price, by price", &filtered, "");
    let faceted = times(&["black".to_owned()], rounds, |query| {
        search
            .find(&filter(query), None, FIRST, true)
            .expect("found");
    });
    print_row("black, with facets", &faceted, "");
    println!(
        "\nMemory of the index beside its mapped files: {:.1} MB",
        megabytes(search.memory_bytes())
    );
}

fn print_row(name: &str, times: &[Duration], theirs: &str) {
    let mean = mean(times);
    let at = |percent: usize| micros(times[(times.len() - 1) * percent / 100]);
    let rate = 1.0 / mean.as_secs_f64();
    println!(
        "| {name} | {} | {} | {} | {rate:.0} | {theirs} |",
        micros(mean),
        at(50),
        at(99)
    );
}

#[expect(clippy::cast_precision_loss, reason = "a figure to read")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// 200 writes a second for five seconds, each searched for as soon as it was answered.
fn freshness(store: &Store, search: &Search, rows: &[Row]) {
    const WRITES: u32 = 1_000;
    const APART: Duration = Duration::from_millis(5);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut costs = Vec::new();
    let mut wrong = 0;
    let mut titles = BTreeMap::new();
    let began = Instant::now();
    for n in 0..WRITES {
        let word = format!("fresh{n:05}");
        if n % 5 < 3 {
            let row = &rows[n as usize % rows.len()];
            let draft = Draft {
                title: word.clone(),
                description: row.description.clone(),
                price: Price::parse(&row.price).expect("a price"),
                quantity: 1,
            };
            let category = CategoryName::parse(&row.category);
            let new = ImportRow::Offer(draft, category.expect("a category"));
            runtime
                .block_on(store.import(vec![new], graded::NOW))
                .expect("written");
        } else {
            let id = ProductId(1 + u64::from(n) % rows.len() as u64);
            let edit = Edit {
                title: Some(word.clone()),
                ..Edit::default()
            };
            runtime
                .block_on(store.edit_product(id, edit))
                .expect("written");
            titles.insert(id, word.clone());
        }
        let asked = Instant::now();
        let found = search
            .find(&filter(&word), None, FIRST, false)
            .expect("found");
        costs.push(asked.elapsed());
        wrong += usize::from(found.total != 1);
        let next = APART * (n + 1);
        std::thread::sleep(next.saturating_sub(began.elapsed()));
    }
    costs.sort();
    let rate = f64::from(WRITES) / began.elapsed().as_secs_f64();
    let at = |percent: usize| costs[(costs.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "\n{rate:.0} writes/s, each found by the search after it: {wrong} of {WRITES} missed, search with taking in the write p50 {:.2} ms, p99 {:.2} ms",
        at(50),
        at(99),
    );
}
