//! `cargo bench --bench serve`: what requests cost, beside a constant of the same bytes (the
//! ceiling) and beside any peer that speaks the contract. `benches/README.md` says what each
//! figure means.
#![expect(clippy::print_stdout, reason = "the tables are what it is for")]
#![expect(clippy::print_stderr, reason = "how far it is")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures to read are rounded anyway"
)]

mod beside;
mod ceiling;
mod charts;
mod client;
#[path = "../filled.rs"]
mod filled;
#[path = "../form.rs"]
mod form;
mod load;
mod options;
mod prepare;
mod process;
mod report;
mod rising;
mod scenario;
mod sizes;
mod start;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use client::{Ask, Client};
use load::{Measure, Target};
use options::Options;
use process::{Meter, Process};
use report::Chart;
use scenario::{Contents, Questions};
use table::{Aim, Table};

fn main() -> ExitCode {
    let Some(options) = Options::read() else {
        return ExitCode::SUCCESS;
    };
    if let Some(answers) = &options.ceiling {
        ceiling::serve(answers);
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench {
        runtime: Runtime::new().expect("a runtime"),
        folder: folder.path().to_owned(),
        options,
        began,
        wrong: Vec::new(),
        aims: Vec::new(),
        charts: Vec::new(),
        tables: Vec::new(),
    };
    if let Err(error) = bench.run() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    bench.end()
}

/// One run and what it found so far.
struct Bench {
    options: Options,
    runtime: Runtime,
    folder: PathBuf,
    began: Instant,
    /// What went wrong: the run fails.
    wrong: Vec<String>,
    aims: Vec<Aim>,
    charts: Vec<Chart>,
    tables: Vec<Table>,
}

/// A shop of ours, open.
struct Shop {
    products: u64,
    contents: Contents,
    target: Target,
    /// From its start to ready, its index built before.
    ready: Duration,
    /// Of its store's file.
    bytes: u64,
    _process: Process,
}

impl Bench {
    fn run(&mut self) -> Result<(), String> {
        let is_whole = self.options.only.is_empty();
        let mut sizes = self.options.sizes();
        if !is_whole {
            sizes.truncate(1);
        }
        let mut shops = Vec::new();
        for size in sizes {
            shops.push(self.shop(size)?);
        }
        let (ceiling, _process) = self.ceiling(&shops[0])?;
        let peer = self.peer(shops[0].products)?;
        self.compare(&shops[0], &ceiling, peer.as_ref())?;
        if is_whole {
            self.compare_sizes(&shops);
            self.compare_pages(shops.last().expect("there are shops"))?;
            self.raise(&shops[0], &ceiling);
            self.browse_beside_checkouts(&shops[0]);
            drop(shops);
            self.start();
        }
        Ok(())
    }

    /// How far it is, for who waits.
    fn say(&self, doing: &str) {
        let seconds = self.began.elapsed().as_secs();
        eprintln!("[{seconds:>3} s] {doing}");
    }

    /// Fills a shop with so many products and as many orders, and opens it.
    fn shop(&self, size: u64) -> Result<Shop, String> {
        self.say(&format!("a shop with {size} products and orders"));
        let folder = self.folder.join(format!("shop-{size}"));
        let filled = filled::fill(&folder, size, size);
        self.runtime.block_on(filled);
        // What a start takes that builds the index first is not what a shop takes that goes on.
        let first = Process::shop(&folder);
        self.until_ready(&first.address)?;
        drop(first);
        let began = Instant::now();
        let process = Process::shop(&folder);
        self.until_ready(&process.address)?;
        let ready = began.elapsed();
        let (target, contents) = self.target(&process, "ours", size)?;
        Ok(Shop {
            products: size,
            contents,
            target,
            ready,
            bytes: std::fs::metadata(folder.join("shop.redb")).map_or(0, |file| file.len()),
            _process: process,
        })
    }

    /// What is asked of a shop of ours, everybody signed in.
    fn target(
        &self,
        process: &Process,
        name: &str,
        products: u64,
    ) -> Result<(Target, Contents), String> {
        // A sign-in takes 30 ms of a core, which is most of what the small form would take.
        let buyers = if self.options.quick {
            8
        } else {
            filled::BUYERS
        };
        self.runtime.block_on(async {
            let contents = prepare::contents(&process.address, products, buyers).await?;
            let questions = Questions::learn(&process.address, &contents).await?;
            let target = Target {
                name: name.to_owned(),
                address: process.address.clone(),
                meter: process.meter(),
                questions: Arc::new(questions),
            };
            Ok((target, contents))
        })
    }

    /// Waits until it takes writes and its index is built.
    fn until_ready(&self, address: &str) -> Result<(), String> {
        const PATIENCE: Duration = Duration::from_mins(5);
        let began = Instant::now();
        self.runtime.block_on(async {
            let mut client = Client::new(address);
            let ask = Ask::get("/readyz");
            while began.elapsed() < PATIENCE {
                let heard = client.ask(&ask).await;
                if heard.is_ok_and(|heard| heard.status.is_success()) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(format!("{address} was not ready in time"))
        })
    }

    /// A server of constants: what a shop answers to one question of each kind.
    fn ceiling(&self, shop: &Shop) -> Result<(Target, Process), String> {
        let canned = self.runtime.block_on(async {
            let mut client = Client::new(&shop.target.address);
            let mut canned = Vec::new();
            for (prefix, ask) in shop.target.questions.samples() {
                let answer = client.fetch(&ask).await.map_err(|lost| lost.to_string())?;
                let (status, headers) = (answer.status, &answer.headers);
                canned.push(ceiling::Canned::of(prefix, status, headers, &answer.body));
            }
            Ok::<_, String>(canned)
        })?;
        let file = self.folder.join("ceiling.json");
        ceiling::write(&canned, &file);
        let process = Process::ceiling(&file);
        let questions = Questions::learn(&process.address, &shop.contents);
        let target = Target {
            name: "ceiling".to_owned(),
            address: process.address.clone(),
            meter: process.meter(),
            questions: Arc::new(self.runtime.block_on(questions)?),
        };
        Ok((target, process))
    }

    fn peer(&self, products: u64) -> Result<Option<Target>, String> {
        let Some(address) = &self.options.peer else {
            return Ok(None);
        };
        self.say("the peer is filled through its API");
        self.runtime.block_on(async {
            let admin = self.options.peer_admin.as_deref();
            let contents = prepare::fill_peer(address, admin, products).await?;
            let meter = Meter {
                processes: self.options.peer_pid.clone(),
            };
            Ok(Some(Target {
                name: "peer".to_owned(),
                address: address.clone(),
                meter,
                questions: Arc::new(Questions::learn(address, &contents).await?),
            }))
        })
    }

    /// Our own server must not fail at all, a peer may; nobody may answer something else.
    fn inspect(&mut self, server: &str, measure: &Measure) {
        if let Some(what) = &measure.wrong {
            self.wrong.push(format!("{server}: {what}"));
        }
        if let Some(how) = &measure.failure
            && server != "peer"
        {
            let failures = measure.failures;
            let what = format!("{server}: {failures} requests failed, the first with {how}");
            self.wrong.push(what);
        }
    }

    fn show(&mut self, table: Table) {
        println!("{}", table.text());
        self.tables.push(table);
    }

    fn end(&self) -> ExitCode {
        if !self.aims.is_empty() {
            println!("{}", table::aims(&self.aims).text());
        }
        // Figures of no worth don't take the place of good ones.
        let name = if self.options.quick {
            "report-quick.html"
        } else {
            "report.html"
        };
        match report::write(name, &machine(), &self.aims, &self.charts, &self.tables) {
            Ok(path) => println!("{}: the same with charts", path.display()),
            Err(error) => println!("the report was not written: {error}"),
        }
        println!("{} s in all", self.began.elapsed().as_secs());
        for wrong in &self.wrong {
            println!("WRONG: {wrong}");
        }
        if self.wrong.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// What it ran on, in a sentence.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let cpu = cpu.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
    let version = env!("CARGO_PKG_VERSION");
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let now = jiff::Timestamp::now();
    let now = now.strftime("%F %R UTC");
    format!(
        "electron-market {version}, {profile} profile, {now}. {cores} cores ({cpu}), which server and load share. \
         Every write was answered after its fsync; requests were not logged unless it says so."
    )
}
