//! Damage and failing disks: a store that was harmed is refused or answers as before; a write that
//! failed is told honestly, and the store heals itself.
//!
//! `DAMAGES=100000 cargo test --release damage` harms that often; seeds are printed.
#![expect(clippy::print_stdout, reason = "the counts are what a run is for")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::crash::{CACHE_BYTES, Dump, Flaw, NOW, Random, Recorder, Whim, dump, lived, newcomer};
use super::{Durability, ImportRow, Store, StoreError};
use crate::shop::ids::{OrderId, ProductId, UserId};
use crate::shop::money::Money;
use crate::shop::products::{CategoryName, Draft, Price};

const PAGE: usize = 4_096;
const SECTOR: usize = 512;

/// How a file is harmed.
pub fn harm(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let pick = |bound: usize, random: &mut Random| {
        usize::try_from(random.below(bound as u64)).expect("small")
    };
    match random.below(6) {
        0..2 => {
            let at = pick(bytes.len(), random);
            let bit = pick(8, random);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
        2 => {
            let at = pick(bytes.len() / SECTOR, random) * SECTOR;
            bytes[at..at + SECTOR].fill(0);
            format!("zeros at {at}")
        }
        3 => {
            let at = pick(bytes.len() / SECTOR, random) * SECTOR;
            for byte in &mut bytes[at..at + SECTOR] {
                *byte = random.next().to_le_bytes()[0];
            }
            format!("noise at {at}")
        }
        4 => {
            let pages = bytes.len() / PAGE;
            let (from, to) = (pick(pages, random) * PAGE, pick(pages, random) * PAGE);
            let page = bytes[from..from + PAGE].to_vec();
            bytes[to..to + PAGE].copy_from_slice(&page);
            format!("page {from} at {to}")
        }
        _ => {
            let len = pick(bytes.len(), random);
            bytes.truncate(len);
            format!("cut to {len}")
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    as_before: usize,
    /// Opened, and a damaged record refused.
    found_out: usize,
}

fn judge(bytes: Vec<u8>, before: &Dump, tally: &mut Tally) -> Result<(), String> {
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let disk = Recorder::of(bytes);
        let Ok(store) = Store::open_on(disk.medium(), CACHE_BYTES) else {
            return Ok(None);
        };
        Ok::<_, StoreError>(Some(dump(&store)?))
    }));
    match opened {
        Err(_) => return Err("a panic".into()),
        Ok(Ok(None)) => tally.refused += 1,
        Ok(Ok(Some(is))) if is == *before => tally.as_before += 1,
        Ok(Ok(Some(is))) => {
            // What differs must be refused when it is read.
            let differs = is
                .iter()
                .filter(|(key, value)| before.get(*key) != Some(value));
            for ((tag, key), record) in differs {
                if super::codec::is_sound(*tag, key, record) {
                    return Err(format!(
                        "table {tag} key {} is believed",
                        key.escape_ascii()
                    ));
                }
            }
            if before.keys().any(|key| !is.contains_key(key)) {
                return Err("rows are gone".into());
            }
            tally.found_out += 1;
        }
        Ok(Err(_)) => tally.found_out += 1,
    }
    Ok(())
}

#[test]
fn damage_is_refused_or_without_effect_and_never_believed() {
    let damages = std::env::var("DAMAGES").ok();
    let damages: usize = damages
        .and_then(|asked| asked.parse().ok())
        .unwrap_or(10_000);
    let seed = getrandom::u64().expect("random") >> 16;
    let mut random = Random(seed);
    let mut tally = Tally::default();
    let (bytes, before) = lived(seed, 80);
    for _ in 0..damages {
        let mut harmed = bytes.clone();
        let how = harm(&mut harmed, &mut random);
        if let Err(what) = judge(harmed, &before, &mut tally) {
            panic!("seed {seed}, {how}: {what}");
        }
    }
    println!("{damages} damages, seed {seed}: {tally:?}, 0 believed");
    assert!(tally.refused > damages / 4, "{tally:?}");
}

/// What is written in the test below, one after the other; each tells what it heard.
async fn write(store: &Store, step: usize) -> Result<(), StoreError> {
    let user = UserId(1);
    match step {
        0 => drop(store.sign_up(newcomer("ann", &mut Random(1)), NOW).await?),
        1 => {
            let draft = Draft {
                title: "Part".into(),
                description: "x".repeat(2_000),
                price: Price::new(Money::from_cents(100)).expect("above zero"),
                quantity: 10,
            };
            let category = CategoryName::parse("Parts").expect("short");
            store
                .import(vec![ImportRow::Offer(draft, category)], NOW)
                .await?;
        }
        2 | 4 => drop(store.add_to_cart(user, ProductId(1), 2).await?),
        3 | 5 => drop(store.place_order(user, NOW).await?),
        6 => drop(store.cancel_order(OrderId(1), user).await?),
        _ => drop(
            store
                .comment_on(ProductId(1), user, "Fine".into(), NOW)
                .await?,
        ),
    }
    Ok(())
}

const STEPS: usize = 8;

const LATE: Whim = Whim {
    is_late: true,
    flaw: Flaw::None,
};

/// The store after each step on a good disk, and the operations that the disk was asked for.
fn good_day(runtime: &tokio::runtime::Runtime, durability: Durability) -> (Vec<Dump>, usize) {
    let disk = Recorder::of(Vec::new());
    let store = Store::open_on(disk.media(durability, LATE), CACHE_BYTES).expect("open");
    let mut states = vec![dump(&store).expect("read")];
    for step in 0..STEPS {
        runtime.block_on(write(&store, step)).expect("written");
        states.push(dump(&store).expect("read"));
    }
    (states, disk.operations())
}

/// Without what differs between two stores that lived the same day.
fn comparable(dump: &Dump) -> Vec<(u8, &[u8])> {
    let rows = dump.keys().map(|(tag, key)| (*tag, key.as_slice()));
    rows.collect()
}

#[test]
fn a_disk_that_is_full_at_any_moment_gets_an_honest_answer_and_the_store_heals() {
    for durability in [Durability::Store, Durability::Log] {
        fill_at_any_moment(durability);
    }
}

fn fill_at_any_moment(durability: Durability) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let (states, operations) = good_day(&runtime, durability);
    let (mut not_written, mut unsure, mut landed) = (0, 0, 0);
    for at in 0..operations {
        let disk = Recorder::of(Vec::new());
        let store = Store::open_on(disk.media(durability, LATE), CACHE_BYTES).expect("open");
        disk.fail_after(at);
        let mut step = 0;
        while step < STEPS {
            match runtime.block_on(write(&store, step)) {
                Ok(()) => {
                    step += 1;
                    let is = dump(&store).expect("read");
                    assert_eq!(comparable(&is), comparable(&states[step]), "fails at {at}");
                    continue;
                }
                Err(StoreError::Unsure(_)) => unsure += 1,
                Err(StoreError::NotWritten(_) | StoreError::Reopening | StoreError::Dropped) => {
                    not_written += 1;
                }
                Err(error) => panic!("fails at {at}, step {step}: {error:?}"),
            }
            // Reads go on, from before or after, whatever was in memory; then there is space again.
            for _ in 0..3 {
                dump(&store).expect("reads go on");
            }
            disk.heal();
            let deadline = Instant::now() + Duration::from_secs(5);
            while !store.is_writable() {
                assert!(
                    Instant::now() < deadline,
                    "fails at {at}: not healed within 5 s"
                );
                std::thread::yield_now();
            }
            let is = dump(&store).expect("read");
            if comparable(&is) == comparable(&states[step]) {
                continue; // It was not written: asked again.
            }
            assert_eq!(
                comparable(&is),
                comparable(&states[step + 1]),
                "fails at {at}"
            );
            landed += 1;
            step += 1;
        }
        disk.heal();
        let findings = store.verify(|_| ()).expect("read");
        assert!(findings.is_empty(), "fails at {at}: {findings:?}");
        runtime.block_on(store.close()).expect("closed");
    }
    println!(
        "{durability:?}: {operations} places to fail: {not_written} told not written, {unsure} unsure, of which {landed} were there"
    );
    assert!(unsure > 10, "{unsure}");
}
