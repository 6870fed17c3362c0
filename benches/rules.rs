//! `cargo bench --bench rules`: what the rules of the shop cost, without store and wire.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use electron_market::shop::carts::{self, Cart, Line};
use electron_market::shop::ids::{CartLineId, CategoryId, OrderId, OrderLineId, ProductId, UserId};
use electron_market::shop::money::Money;
use electron_market::shop::orders::{self, Facts, Stock};
use electron_market::shop::products::{CategoryName, Price, Product};
use electron_market::shop::time::Timestamp;

const NOW: Timestamp = Timestamp(1_770_000_000_000_000);
const LINES: [u64; 4] = [1, 3, 50, 500];

fn cart(lines: u64) -> Cart {
    let line = |n| Line {
        id: CartLineId(n),
        product: ProductId(n),
        quantity: 2,
    };
    Cart {
        lines: (1..=lines).map(line).collect(),
    }
}

fn facts(lines: u64, stock: u64) -> Facts {
    let product = |n| Product {
        id: ProductId(n),
        title: format!("Wireless noise-cancelling headphones, edition {n}"),
        category: CategoryId(1),
        description: "Forty hours on a charge, two devices at once, and a case to fold into."
            .repeat(4),
        price: Price::parse("129.90").expect("a price"),
        created_at: NOW,
    };
    Facts {
        user: UserId(1),
        cart: cart(lines),
        shelf: (1..=lines).map(|n| (product(n), Stock(stock))).collect(),
    }
}

/// Criterion measures how long each takes without the making and dropping of what it takes.
fn rules(criterion: &mut Criterion) {
    let place = |facts| orders::place(facts, OrderId(1), OrderLineId(1), NOW);
    for lines in LINES {
        let full = facts(lines, 1_000);
        criterion.bench_function(&format!("place an order of {lines} lines"), |bencher| {
            bencher.iter_batched(|| full.clone(), place, BatchSize::SmallInput);
        });
    }
    let short = facts(50, 1);
    criterion.bench_function("refuse an order of 50 lines, each short", |bencher| {
        bencher.iter_batched(|| short.clone(), place, BatchSize::SmallInput);
    });
    for lines in LINES {
        let cart = cart(lines - 1);
        criterion.bench_function(&format!("add to a cart the line {lines}"), |bencher| {
            let add = |cart| carts::add(cart, ProductId(lines), 1, CartLineId(lines));
            bencher.iter_batched(|| cart.clone(), add, BatchSize::SmallInput);
        });
    }
    let order = place(facts(50, 1_000)).expect("there is enough").order;
    criterion.bench_function("cancel an order of 50 lines", |bencher| {
        let cancel = |order| orders::cancel(Some(order), UserId(1));
        bencher.iter_batched(|| order.clone(), cancel, BatchSize::SmallInput);
    });
    criterion.bench_function("read an amount of money", |bencher| {
        bencher.iter(|| Money::parse(black_box("1234567.89")));
    });
    criterion.bench_function("write an amount of money", |bencher| {
        bencher.iter(|| black_box(Money::from_cents(123_456_789)).to_string());
    });
    criterion.bench_function("read a category's name", |bencher| {
        bencher.iter(|| CategoryName::parse(black_box("Headphones and speakers")));
    });
}

criterion_group! {
    name = all;
    // Short, since each is small: all of them take half a minute.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = rules
}
criterion_main!(all);
