//! kill -9: the shop is killed under load at random moments, opened again, and held to what it
//! answered.
//!
//! `KILLS=1000 cargo test --test it kill` kills that often.
#![expect(clippy::print_stdout, reason = "the counts are what a run is for")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::command::must_run;
use crate::shop::{Ask, Shop};

const CUSTOMERS: usize = 6;
const STOCK: u64 = 1_000_000;

/// What somebody heard before the shop was killed.
#[derive(Clone, Debug)]
struct Heard {
    who: String,
    key: String,
    status: u16,
    body: String,
}

fn order(shop: &Shop, who: &str, key: &str) -> Option<(u16, String)> {
    let ask = Ask::new("POST /orders/create/")
        .by(shop, who)
        .header("Idempotency-Key", key);
    let heard = shop.try_ask(ask)?;
    Some((heard.status, heard.text()))
}

/// Fills carts and orders them until the shop is gone; tells of every answer it got, and of the
/// order it got none for.
fn shop_till_it_drops(
    shop: &Shop,
    who: &str,
    round: u64,
    over: &AtomicBool,
) -> (Vec<Heard>, Option<String>) {
    let mut heard = Vec::new();
    for number in 0_u64.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let line = json!({"product_id": 1 + number % 2, "quantity": 1 + number % 3});
        let add = Ask::new("POST /cart/cart-add/").by(shop, who).json(&line);
        if shop.try_ask(add).is_none() {
            return (heard, None);
        }
        let key = format!("{who}-{round}-{number}");
        match order(shop, who, &key) {
            Some((status, body)) => heard.push(Heard {
                who: who.to_owned(),
                key,
                status,
                body,
            }),
            None => return (heard, Some(key)),
        }
    }
    (heard, None)
}

fn kills() -> u64 {
    let asked = std::env::var("KILLS").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(50)
}

#[test]
fn kill_nine_takes_nothing_that_was_answered() {
    let mut shop = Shop::stocked();
    let stock = json!({"quantity": STOCK});
    for product in [1, 2] {
        shop.say(
            "boss",
            &format!("PATCH /products/delete-update/{product}/"),
            stock.clone(),
        )
        .told(200);
    }
    let customers: Vec<String> = (0..CUSTOMERS).map(|n| format!("customer{n}")).collect();
    for who in &customers {
        shop.token(who);
    }
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    let random = AtomicU64::new(u64::from(seed) | 1);
    let below = |bound: u64| {
        // Numerical Recipes' linear congruential generator, its high bits.
        let next = |x: u64| {
            Some(
                x.wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407),
            )
        };
        let before = random
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .unwrap();
        (before >> 33) % bound
    };
    let mut all: Vec<Heard> = Vec::new();
    for round in 0..kills() {
        let over = AtomicBool::new(false);
        let unanswered = Mutex::new(Vec::new());
        let process = shop.take_process();
        // Every fifth lives to see a checkpoint or two of its log, a second each.
        let longer = if round % 5 == 4 { 1_000 } else { 0 };
        let after = Duration::from_millis(20 + longer + below(120 + longer));
        let heard: Vec<Heard> = thread::scope(|scope| {
            let (shop, over, unanswered) = (&shop, &over, &unanswered);
            let load = |who: &String| {
                let who = who.clone();
                scope.spawn(move || {
                    let (heard, pending) = shop_till_it_drops(shop, &who, round, over);
                    unanswered
                        .lock()
                        .unwrap()
                        .extend(pending.map(|key| (who, key)));
                    heard
                })
            };
            let loads: Vec<_> = customers.iter().map(load).collect();
            let began = Instant::now();
            while began.elapsed() < after {
                thread::yield_now();
            }
            drop(process); // Kills it.
            over.store(true, Ordering::SeqCst);
            loads
                .into_iter()
                .flat_map(|load| load.join().unwrap())
                .collect()
        });
        // Over either setting, and each after the other.
        let durability = ["log", "log", "store"][usize::try_from(round % 3).unwrap()];
        shop.reopen_with(&format!("--rate-limits off --durability {durability}"));
        all.extend(heard);
        // Whoever got no answer asks again under the same key, and gets the one there is.
        for (who, key) in unanswered.into_inner().unwrap() {
            let (status, body) = order(&shop, &who, &key).expect("the shop is open");
            all.push(Heard {
                who,
                key,
                status,
                body,
            });
        }
        // Answered a moment ago: answered the same.
        for one in all.iter().rev().take(20) {
            let again = order(&shop, &one.who, &one.key).expect("the shop is open");
            assert_eq!(
                (one.status, &one.body),
                (again.0, &again.1),
                "round {round}, seed {seed}: {}",
                one.key
            );
        }
        assert_books_balance(&shop, &all, round);
    }
    let orders = all.iter().filter(|one| one.status == 201).count();
    println!(
        "{} kills, {orders} orders answered, 0 lost (seed {seed})",
        kills()
    );
    assert!(orders as u64 > kills(), "{orders}");
    shop.close();
    let said = must_run(shop.dir(), "doctor", "");
    assert!(said.contains("are sound"), "{said}");
}

/// Every order that was answered is there, once, and every piece is on the shelf or in an order.
fn assert_books_balance(shop: &Shop, all: &[Heard], round: u64) {
    let last: Vec<Value> = shop.list("boss", "/orders/list/?limit=1000");
    let total: u64 = shop
        .say("boss", "GET /orders/list/?limit=1", Value::Null)
        .header("X-Total-Count")
        .parse()
        .unwrap();
    let answered = all.iter().filter(|one| one.status == 201);
    let mut ids: Vec<u64> = answered.clone().map(|one| id_of(&one.body)).collect();
    ids.sort_unstable();
    let count = ids.len() as u64;
    ids.dedup();
    assert_eq!(ids.len() as u64, count, "an order answered to two keys");
    assert_eq!(
        total, count,
        "round {round}: orders that nobody was told of, or lost ones"
    );
    let newest: Vec<&Heard> = answered.rev().take(30).collect();
    for one in newest {
        let id = id_of(&one.body);
        let is = last
            .iter()
            .find(|order| order["id"] == id)
            .expect("a new order is on the first page");
        assert_eq!(is.to_string(), one.body, "round {round}");
    }
    let sold: u64 = all
        .iter()
        .filter(|one| one.status == 201)
        .map(|one| pieces(&one.body))
        .sum();
    let shelf = shop.list("nobody", "/products/products/");
    let left: u64 = shelf
        .iter()
        .map(|product| product["quantity"].as_u64().unwrap())
        .sum();
    assert_eq!(left + sold, 2 * STOCK, "round {round}: pieces lost or made");
}

fn id_of(body: &str) -> u64 {
    let order: Value = serde_json::from_str(body).unwrap();
    order["id"].as_u64().unwrap()
}

fn pieces(body: &str) -> u64 {
    let order: Value = serde_json::from_str(body).unwrap();
    let lines = order["items"].as_array().unwrap().iter();
    lines.map(|line| line["quantity"].as_u64().unwrap()).sum()
}
