//! Every target over its committed corpus, and over what a few hundred changes make of it.
#![expect(
    clippy::print_stdout,
    reason = "the counts and the seed are what a run is for"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::shop::{THREADS, shop};
use super::{TARGETS, Target};

/// Changed seeds for each target, if there is time.
const CHANGED: u32 = 300;
const TIME_EACH: Duration = Duration::from_millis(700);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// The shop's folder, which goes when the test is over, and the process with it.
struct Leftovers(&'static Path);

impl Drop for Leftovers {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0); // It may be gone.
    }
}

/// Panics of the threads that serve: a connection that ends by one looks as if it was hung up on.
static PANICS: AtomicU32 = AtomicU32::new(0);

fn count_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().name() == Some(THREADS) {
            PANICS.fetch_add(1, Ordering::SeqCst);
        }
        before(panic);
    }));
}

/// Random numbers that are the same for the same seed (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        let next = usize::try_from(self.next() >> 16).expect("48 bits");
        next.checked_rem(bound).unwrap_or(0)
    }
}

/// A seed with a few bytes turned, left out, put in, or taken from another seed.
fn changed(random: &mut Random, seeds: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].1.clone();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let until = (at + random.below(8)).min(bytes.len());
        match random.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..until)),
            2 => bytes.insert(at, random.next().to_le_bytes()[7]),
            3 => {
                let piece = bytes[at..until].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())].1;
                bytes.truncate(at);
                bytes.extend(other.iter().skip(random.below(other.len() + 1)));
            }
        }
    }
    bytes
}

fn seeds(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder().join("corpus").join(target.name);
    let files = fs::read_dir(folder).expect("a corpus");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).expect("read"));
    paths.into_iter().map(read).collect()
}

/// The target's first input that it does not stand, if there is one, and how many were tried.
fn first_fall(target: &Target, random: &mut Random, seed: u64) -> (Option<String>, u32) {
    let falls = |what: String, bytes: &[u8]| {
        let run = target.run;
        let before = PANICS.load(Ordering::SeqCst);
        let stood = catch_unwind(|| run(bytes)).is_ok();
        let is_calm = PANICS.load(Ordering::SeqCst) == before;
        (!stood || !is_calm).then(|| format!("{what}: {}", bytes.escape_ascii()))
    };
    let seeds = seeds(target);
    assert!(seeds.len() >= 10, "{}: {} seeds", target.name, seeds.len());
    for (path, bytes) in &seeds {
        if let Some(fall) = falls(path.display().to_string(), bytes) {
            return (Some(fall), 0);
        }
    }
    let until = Instant::now() + TIME_EACH;
    let mut made = 0;
    while made < CHANGED && Instant::now() < until {
        made += 1;
        let bytes = changed(random, &seeds);
        let what = format!("{}, the {made}th of seed {seed}", target.name);
        if let Some(fall) = falls(what, &bytes) {
            return (Some(fall), made);
        }
    }
    (None, made)
}

#[test]
fn every_target_stands_its_corpus_and_what_is_made_of_it() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = seed.unwrap_or_else(|| u64::from(since_1970.expect("after 1970").subsec_nanos()));
    count_panics();
    let _leftovers = Leftovers(&shop().folder);
    let mut fallen = Vec::new();
    for target in TARGETS {
        // Each its own, however many the others had time for.
        let mut random = Random(seed | 1);
        let (fall, made) = first_fall(target, &mut random, seed);
        println!("{}: {made} made of its seeds, seed {seed}", target.name);
        fallen.extend(fall);
    }
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

#[test]
fn every_target_has_its_binary_and_its_corpus_and_there_are_no_others() {
    let names: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    let stems = |folder: PathBuf| {
        let files = fs::read_dir(folder).expect("a folder");
        let stem = |path: PathBuf| {
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        };
        files
            .filter_map(|file| stem(file.expect("a file").path()))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(stems(folder().join("corpus")), names);
    assert_eq!(stems(folder().join("targets")), names);
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).expect("there");
    for name in &names {
        let bin = format!("[[bin]]\nname = \"{name}\"\npath = \"targets/{name}.rs\"");
        assert!(manifest.contains(&bin), "{name}");
    }
}
