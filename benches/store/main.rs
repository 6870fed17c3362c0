//! `cargo bench --bench store`: checkouts kept by our store, with its log and without, by redb alone
//! and by `SQLite`, in groups of any size and in shops of any size, by turns in one run. `-- --largest 1000000` goes on to a
//! shop of a million.
#![expect(clippy::print_stdout, reason = "the tables are what it is for")]
#![expect(clippy::print_stderr, reason = "how far it is")]
#![expect(clippy::cast_precision_loss, reason = "rates are rounded anyway")]

mod engine;
#[path = "../filled.rs"]
mod filled;
#[path = "../form.rs"]
mod form;
mod redb_alone;
mod rows;
mod sqlite;

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use electron_market::store::Durability as Durable;
use hdrhistogram::Histogram;
use redb::Durability;
use tokio::runtime::Runtime;

use engine::{Grouped, Shop};
use form::Form;
use redb_alone::Redb;
use sqlite::Sqlite;

#[derive(Debug, Parser)]
struct Options {
    /// How many products and orders the largest of the shops has
    #[arg(long, value_name = "ROWS", default_value_t = 100_000)]
    largest: u64,
    /// How long each single measurement takes
    #[arg(long, value_name = "SECONDS", default_value_t = 0.3)]
    seconds: f64,
    /// How often each is measured; odd
    #[arg(long, value_name = "TIMES", default_value_t = 5)]
    repetitions: usize,
    /// How many check out at once
    #[arg(long, value_name = "CLIENTS", value_delimiter = ',', default_values_t = [1, 4, 16, 64, 256, 1024])]
    clients: Vec<u64>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

const ENGINES: [Kind; 5] = [
    Kind::Ours,
    Kind::OursWithoutLog,
    Kind::Redb,
    Kind::RedbInMemory,
    Kind::Sqlite,
];

/// Whose latencies are told.
const TIMED: [Kind; 3] = [Kind::Ours, Kind::OursWithoutLog, Kind::Sqlite];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ours,
    OursWithoutLog,
    Redb,
    /// Its commits wait for no fsync: what its work costs without the disk.
    RedbInMemory,
    Sqlite,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursWithoutLog => "ours, no log",
            Self::Redb => "redb alone",
            Self::RedbInMemory => "redb alone, no fsync",
            Self::Sqlite => "SQLite",
        }
    }

    /// What it is filled as; ours have the same file, and redb's two.
    fn filled_as(self) -> &'static str {
        match self {
            Self::Ours | Self::OursWithoutLog => "ours",
            Self::Redb | Self::RedbInMemory => "redb",
            Self::Sqlite => "sqlite",
        }
    }

    fn fill(self, to: &Path, size: u64, runtime: &Runtime) {
        fs::create_dir_all(to).expect("a folder");
        match self {
            Self::Ours | Self::OursWithoutLog => runtime.block_on(filled::fill(to, size, size)),
            Self::Redb | Self::RedbInMemory => Redb::fill(&to.join("rows"), size),
            Self::Sqlite => Sqlite::fill(&to.join("rows"), size),
        }
    }

    fn open(self, folder: &Path) -> Shop {
        let file = folder.join("rows");
        match self {
            Self::Ours => Shop::ours(folder, Durable::Log),
            Self::OursWithoutLog => Shop::ours(folder, Durable::Store),
            Self::Redb => Shop::Grouped(Grouped::over(move || {
                Redb::open(&file, Durability::Immediate)
            })),
            Self::RedbInMemory => {
                Shop::Grouped(Grouped::over(move || Redb::open(&file, Durability::None)))
            }
            Self::Sqlite => Shop::Grouped(Grouped::over(move || Sqlite::open(&file))),
        }
    }
}

/// Of each engine, by repetition.
type Runs = [Vec<Run>; ENGINES.len()];

/// One stretch of checkouts.
struct Run {
    per_second: f64,
    /// In microseconds.
    latencies: Histogram<u64>,
}

fn main() {
    let options = match form::asked("store", &["--largest"]) {
        None => return,
        Some(Form::Whole) => Options::parse(),
        Some(Form::Small) => Options {
            largest: 100,
            seconds: 0.01,
            repetitions: 1,
            clients: vec![1, 16],
            bench: false,
        },
    };
    let began = Instant::now();
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    let mut sizes = vec![1_000, 100_000, options.largest];
    sizes.retain(|size| *size <= options.largest);
    sizes.dedup();
    println!(
        "fsync of 4 KiB in place: p50 {:.0} us\n",
        fsync_us(folder.path())
    );
    for size in sizes {
        eprintln!(
            "[{:>3} s] {size} products and orders",
            began.elapsed().as_secs()
        );
        measure(&options, &runtime, folder.path(), size);
    }
    println!("{} s in all", began.elapsed().as_secs());
}

/// The median of writes of a page in place, each made durable, at the speed of one client.
fn fsync_us(folder: &Path) -> f64 {
    let file = File::create(folder.join("fsync")).expect("a file");
    file.write_all_at(&vec![0; 1 << 20], 0).expect("written");
    file.sync_all().expect("synced");
    let mut times = Vec::new();
    for n in 0..101 {
        let began = Instant::now();
        file.write_all_at(&[1; 4096], n % 256 * 4096)
            .expect("written");
        file.sync_data().expect("synced");
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    median(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(options: &Options, runtime: &Runtime, folder: &Path, size: u64) {
    let filled = |kind: Kind| folder.join(format!("{}-{size}", kind.filled_as()));
    for kind in ENGINES {
        if !filled(kind).exists() {
            kind.fill(&filled(kind), size, runtime);
        }
    }
    // By clients, by engine, by repetition.
    let mut runs: Vec<Runs> = options.clients.iter().map(|_| Default::default()).collect();
    let time = Duration::from_secs_f64(options.seconds);
    for _ in 0..options.repetitions {
        let shops = ENGINES.map(|kind| {
            let (from, to) = (
                filled(kind),
                folder.join(format!("copy of {}", kind.name())),
            );
            // Each repetition begins with the shop as it was filled.
            copy(&from, &to);
            (kind.open(&to), to)
        });
        let shops = shops.map(|(shop, copy)| (Arc::new(shop), copy));
        for (clients, runs) in options.clients.iter().zip(&mut runs) {
            for ((shop, _), runs) in shops.iter().zip(runs) {
                runs.push(runtime.block_on(check_out(shop, *clients, size, time)));
            }
        }
        for (shop, copy) in shops {
            let shop = Arc::into_inner(shop).expect("nobody checks out any more");
            runtime.block_on(shop.close());
            fs::remove_dir_all(copy).expect("removed");
        }
    }
    table(options, size, &runs);
    for kind in ENGINES {
        let _ = fs::remove_dir_all(filled(kind)); // Two of them are one.
    }
}

fn copy(from: &Path, to: &PathBuf) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a kind").is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
    // What the copy left to be written is not to be waited for by who is measured.
    rustix::fs::sync();
}

/// So many clients check out again and again.
async fn check_out(shop: &Arc<Shop>, clients: u64, products: u64, time: Duration) -> Run {
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let shop = Arc::clone(shop);
            tokio::spawn(async move {
                let mut latencies = histogram();
                let mut n = client * 7_919;
                while began.elapsed() < time {
                    n = (n + 104_729) % products;
                    let asked = Instant::now();
                    shop.check_out(client + 1, n + 1).await;
                    let micros = u64::try_from(asked.elapsed().as_micros());
                    latencies.saturating_record(micros.unwrap_or(u64::MAX).max(1));
                }
                latencies
            })
        })
        .collect();
    let mut latencies = histogram();
    for task in tasks {
        let some = task.await.expect("no client panicked");
        latencies.add(some).expect("the same bounds");
    }
    Run {
        per_second: latencies.len() as f64 / began.elapsed().as_secs_f64(),
        latencies,
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("sound bounds")
}

fn table(options: &Options, size: u64, runs: &[Runs]) {
    println!(
        "Checkouts (cart add, then order, each answered when durable) with {size} products and orders before\n"
    );
    let names = ENGINES.map(Kind::name);
    let [_, others @ ..] = names;
    let over = others.map(|name| format!("over {name}"));
    println!(
        "| clients | a second: {} | p50 / p99 / most ms: {} | ours {} |",
        names.join(" | "),
        TIMED.map(Kind::name).join(" | "),
        over.join(" | "),
    );
    println!("|--:|{}", "--:|".repeat(2 * names.len() - 1 + TIMED.len()));
    for (clients, runs) in options.clients.iter().zip(runs) {
        let rate = |engine: usize| {
            let rates = runs[engine].iter().map(|run| run.per_second);
            median(rates.collect())
        };
        let ms = |kind: Kind| {
            let engine = ENGINES.iter().position(|engine| *engine == kind);
            let mut all = histogram();
            for run in engine.iter().flat_map(|engine| &runs[*engine]) {
                all.add(&run.latencies).expect("the same bounds");
            }
            let at = |quantile| all.value_at_quantile(quantile) as f64 / 1e3;
            format!("{:.2} / {:.1} / {:.0}", at(0.5), at(0.99), at(1.0))
        };
        // Of runs that were made one after the other.
        let ratio = |engine: usize| {
            let pairs = runs[0].iter().zip(&runs[engine]);
            median(
                pairs
                    .map(|(ours, other)| ours.per_second / other.per_second)
                    .collect(),
            )
        };
        let cells = (0..ENGINES.len()).map(|engine| format!("{:.0}", rate(engine)));
        let cells = cells.chain(TIMED.map(ms));
        let ratios = (1..ENGINES.len()).map(|engine| format!("{:.2}", ratio(engine)));
        let cells: Vec<String> = cells.chain(ratios).collect();
        println!("| {clients} | {} |", cells.join(" | "));
    }
    println!();
}
