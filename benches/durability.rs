//! `cargo bench --bench durability`: checkouts a second of one buyer and of many, over either setting of
//! `--durability`, one after the other in turns; a checkout is two writes, the cart's and the order's.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::cast_precision_loss, reason = "rates are rounded anyway")]

#[expect(dead_code, reason = "another benchmark asks it")]
mod trade;

use std::time::{Duration, Instant};

use electron_market::store::Durability;
use trade::Trade;

const PRODUCTS: u32 = 10_000;
const PAIRS: usize = 5;
const RUN: Duration = Duration::from_secs(3);

fn main() {
    println!("buyers  store/s   p50    p99    max  |  log/s   p50    p99    max  | ratio (ms)");
    for buyers in [1, 64] {
        let mut ratios: Vec<f64> = (0..PAIRS)
            .map(|_| {
                let store = run(buyers, Durability::Store);
                let log = run(buyers, Durability::Log);
                let ratio = log.0 / store.0;
                println!(
                    "{buyers:>6}  {}  |  {}  | {ratio:.2}",
                    row(&store),
                    row(&log)
                );
                ratio
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        println!("{buyers:>6}  median ratio {:.2}", ratios[PAIRS / 2]);
    }
}

fn row((rate, times): &(f64, Vec<Duration>)) -> String {
    let at = |of: usize| times[(times.len() - 1) * of / 1_000].as_secs_f64() * 1e3;
    format!(
        "{rate:>6.0} {:>6.2} {:>6.2} {:>6.1}",
        at(500),
        at(990),
        at(1_000)
    )
}

/// Checkouts a second, and how long each took, sorted.
fn run(buyers: u32, durability: Durability) -> (f64, Vec<Duration>) {
    let folder = tempfile::tempdir().expect("a folder");
    let trade = Trade::open_with(folder.path(), PRODUCTS, buyers, durability);
    std::thread::sleep(RUN / 6); // What comes first is not like the rest.
    let _ = trade.take_times();
    let began = Instant::now();
    std::thread::sleep(RUN);
    let mut times = trade.take_times();
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    trade.close();
    times.sort_unstable();
    (rate, times)
}
