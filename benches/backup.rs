//! `cargo bench --bench backup`: what a backup takes from the buyers of an open shop.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::cast_precision_loss, reason = "rates are rounded anyway")]

mod trade;

use std::time::{Duration, Instant};

use trade::Trade;

const BUYERS: u32 = 64;
const PRODUCTS: u32 = 20_000;
const ORDERS_BEFORE: u64 = 100_000;
const PAIRS: u32 = 7;
const CALM: Duration = Duration::from_secs(3);

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let trade = Trade::open(folder.path(), PRODUCTS, BUYERS);
    while trade.orders() < ORDERS_BEFORE {
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("{BUYERS} buyers, {PRODUCTS} products, {ORDERS_BEFORE} orders before\n");
    println!("orders/s  during a backup  ratio  backup");
    let mut ratios = Vec::new();
    for pair in 0..PAIRS {
        let calm = rate(&trade, || std::thread::sleep(CALM));
        let to = folder.path().join(format!("{pair}.redb"));
        let began = Instant::now();
        let mut bytes = 0;
        let busy = rate(&trade, || {
            bytes = trade.store.back_up(&to, |_| ()).expect("backed up").bytes;
        });
        let took = began.elapsed().as_secs_f64();
        ratios.push(busy / calm);
        println!(
            "{calm:>8.0}  {busy:>15.0}  {:>5.2}  {:.1} MB in {took:.1} s",
            busy / calm,
            bytes as f64 / 1e6
        );
    }
    trade.close();
    ratios.sort_by(f64::total_cmp);
    println!("\nmedian ratio {:.2}", ratios[ratios.len() / 2]);
}

/// Orders a second while something else is done.
fn rate(trade: &Trade, meanwhile: impl FnOnce()) -> f64 {
    let (began, before) = (Instant::now(), trade.orders());
    meanwhile();
    (trade.orders() - before) as f64 / began.elapsed().as_secs_f64()
}
