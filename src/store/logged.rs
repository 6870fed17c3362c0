//! The log from inside: what of it is believed and what is refused, and what becomes of a shop that was killed.
#![expect(clippy::print_stdout, reason = "the counts are what a run is for")]

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::changes::{self, Change, Changes};
use super::crash::{CACHE_BYTES, Dump, Files, Flaw, Random, Recorder, SMALL, Whim, dump, killed};
use super::damage::harm;
use super::disk::{self, Media};
use super::files::tempdir;
use super::log::{LIMITS, Limits};
use super::tables::{Counter, Read};
use super::tests::{NOW, restore, rows};
use super::{
    BackupError, Durability, Folder, Follower, PageAsk, Shipped, Store, StoreError, bring_moment,
    segments,
};

const SECTOR: usize = 512;

const LATE: Whim = Whim {
    is_late: true,
    flaw: Flaw::None,
};

fn open_files(files: Files) -> Result<Store, StoreError> {
    let disk = Recorder::of_files(files);
    Store::open_on(disk.media(Durability::Log, LATE), CACHE_BYTES)
}

#[test]
fn changes_are_read_back_as_they_were_made_and_no_other_bytes_are() {
    let made = [
        Change {
            table: 3,
            key: b"k",
            record: Some(b"a record"),
        },
        Change {
            table: 0,
            key: b"",
            record: Some(b""),
        },
        Change {
            table: 24,
            key: b"gone",
            record: None,
        },
    ];
    let mut kept = Changes::kept(100);
    for change in made {
        kept.add(change);
    }
    let bytes = kept.bytes().expect("few").to_vec();
    let read: Vec<_> = changes::read(&bytes).collect();
    assert_eq!(read, made.map(Some));
    for length in 1..bytes.len() {
        let cut: Vec<_> = changes::read(&bytes[..length]).collect();
        let whole = cut.iter().flatten().count();
        assert!(
            cut.len() - whole <= 1 && made.iter().zip(cut.iter().flatten()).all(|(a, b)| a == b)
        );
    }
    let mut few = Changes::kept(bytes.len() - 1);
    for change in made {
        few.add(change);
    }
    assert!(few.bytes().is_none(), "more than it was to keep");
    let mut none = Changes::Unkept;
    none.add(made[0]);
    assert!(none.bytes().is_none());
}

#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    as_before: usize,
    without_the_last: usize,
}

#[test]
fn log_damage_is_refused_or_without_effect_but_for_the_very_last_batch() {
    let damages = std::env::var("DAMAGES").ok();
    let damages: usize = damages
        .and_then(|asked| asked.parse().ok())
        .unwrap_or(3_000);
    let seed = getrandom::u64().expect("random") >> 16;
    let mut random = Random(seed);
    let mut tally = Tally::default();
    let mut sound = None;
    for number in 0..damages {
        // Another day now and then, so that the log is at another place of its round.
        let (files, states) = match sound.take() {
            Some(day) if number % 100 != 0 => day,
            _ => killed(
                random.next(),
                20 + usize::try_from(random.below(30)).expect("small"),
            ),
        };
        let mut harmed = files.clone();
        let which = usize::try_from(random.below(2)).expect("small");
        let how = harm(&mut harmed.segments[which], &mut random);
        let last = states.last().expect("one a step");
        let before_last = states.iter().rev().find(|state| *state != last);
        match open_files(harmed).map(|store| dump(&store).expect("read")) {
            Err(error) => {
                assert!(matches!(error, StoreError::Opening(_)), "{error:?}");
                tally.refused += 1;
            }
            Ok(is) if is == *last => tally.as_before += 1,
            Ok(is) => {
                assert!(
                    Some(&is) == before_last,
                    "seed {seed}, segment {which}, {how}"
                );
                tally.without_the_last += 1;
            }
        }
        sound = Some((files, states));
    }
    println!("{damages} damages to the log, seed {seed}: {tally:?}, 0 others lost");
    assert!(
        tally.refused > damages / 20 && tally.as_before > damages / 20,
        "{tally:?}"
    );
}

/// The files of a day whose last batch is in the log alone, and what was in it then and before.
fn with_a_tail() -> (Files, Dump, Dump) {
    let (files, mut states) = killed(4, 24);
    let last = states.pop().expect("one a step");
    let before = states.into_iter().rev().find(|state| *state != last);
    (files, last, before.expect("something was written"))
}

#[test]
fn a_log_that_is_gone_or_empty_or_cut_is_refused() {
    let (files, last, _) = with_a_tail();
    let as_it_was = open_files(files.clone()).expect("opened");
    assert_eq!(dump(&as_it_was).expect("read"), last);
    let swapped = Files {
        segments: [files.segments[1].clone(), files.segments[0].clone()],
        ..files.clone()
    };
    let swapped = open_files(swapped).expect("each frame says which it is");
    assert_eq!(dump(&swapped).expect("read"), last);
    let refused = |why: &str, harm: fn(&mut Files)| {
        let mut harmed = files.clone();
        harm(&mut harmed);
        let Err(error) = open_files(harmed) else {
            panic!("{why}: it opened")
        };
        let said = error.with_causes();
        assert!(said.contains(why), "{said}");
    };
    refused("not there", |files| files.segments[0].clear());
    refused("not there", |files| files.segments[1].clear());
    refused("not there", |files| {
        files
            .segments
            .iter_mut()
            .for_each(|segment| segment.fill(0));
    });
    refused("cut short", |files| files.segments[0].truncate(8_191));
    refused("cut short", |files| files.segments[1].truncate(100));
    let without = Store::open_on(Recorder::of(files.store.clone()).medium(), CACHE_BYTES);
    let Err(error) = without else {
        panic!("it opened without its log")
    };
    assert!(error.with_causes().contains("not there"));
}

#[test]
fn a_segment_that_was_longer_once_is_told() {
    let mut told = 0;
    for seed in 0..20 {
        let (files, _) = killed(seed, 30);
        for which in 0..2 {
            let mut harmed = files.clone();
            let length = harmed.segments[which].len();
            harmed.segments[which].truncate(length / 2);
            if let Err(error) = open_files(harmed) {
                told += usize::from(error.with_causes().contains("cut short"));
            }
        }
    }
    assert!(told > 5, "{told}");
}

#[test]
fn a_tail_that_was_being_written_is_dropped() {
    let (files, last, before) = with_a_tail();
    let mut torn = 0;
    for which in 0..2 {
        for at in (0..files.segments[which].len()).step_by(SECTOR) {
            let mut harmed = files.clone();
            harmed.segments[which][at..at + SECTOR].fill(0);
            if let Ok(store) = open_files(harmed) {
                let is = dump(&store).expect("read");
                assert!(is == last || is == before, "sector {at} of segment {which}");
                torn += usize::from(is == before);
            }
        }
    }
    assert!(torn > 0, "the last batch lies somewhere");
}

/// A copy of what lies in a shop's folder while it is open: what a kill would leave.
fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempdir();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("read").path();
        if path.is_file() {
            fs::copy(&path, copy.path().join(path.file_name().expect("named"))).expect("copied");
        }
    }
    copy
}

/// What a killed shop left, and what was in it.
async fn killed_shop() -> (tempfile::TempDir, Dump) {
    let dir = tempdir();
    let folder = Folder::hold(dir.path()).expect("free");
    let store = Store::open(&folder, CACHE_BYTES, 0, Durability::Log).expect("a new store");
    for _ in 0..5 {
        store.import(rows(3), NOW).await.expect("written");
    }
    let held = dump(&store).expect("read");
    (copy_of(dir.path()), held)
}

fn bytes_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("read").path())
        .filter(|path| !path.ends_with("lock"))
        .map(|path| (path.display().to_string(), fs::read(&path).expect("read")))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn who_only_looks_at_a_killed_shop_sees_what_is_in_its_log_and_leaves_it() {
    let (dir, held) = killed_shop().await;
    let before = bytes_in(dir.path());
    let folder = Folder::hold(dir.path()).expect("free");
    let store = Store::open_read_only(&folder, CACHE_BYTES).expect("opened");
    assert_eq!(dump(&store).expect("read"), held);
    assert!(store.verify(|_| ()).expect("read").is_empty());
    store.close().await.expect("closed");
    assert!(bytes_in(dir.path()) == before, "as it was");
}

#[tokio::test]
async fn a_killed_shop_goes_on_with_a_log_and_without() {
    for durability in [Durability::Log, Durability::Store] {
        let (dir, held) = killed_shop().await;
        let folder = Folder::hold(dir.path()).expect("free");
        let store = Store::open(&folder, CACHE_BYTES, 0, durability).expect("opened");
        assert_eq!(dump(&store).expect("read"), held);
        store.import(rows(2), NOW).await.expect("written");
        let held = dump(&store).expect("read");
        let log = dir.path().join("shop.redb.log-a");
        assert_eq!(log.exists(), durability == Durability::Log);
        // Killed again.
        let again = copy_of(dir.path());
        let folder = Folder::hold(again.path()).expect("free");
        let store = Store::open(&folder, CACHE_BYTES, 0, Durability::Log).expect("opened");
        assert_eq!(dump(&store).expect("read"), held);
        store.close().await.expect("closed");
        // And closed in order: the file is whole.
        let log = again.path().join("shop.redb.log-a");
        assert!(!log.exists());
        let store = Store::open_read_only(&folder, CACHE_BYTES).expect("opened");
        assert_eq!(dump(&store).expect("read"), held);
    }
}

#[tokio::test]
async fn the_log_of_the_store_that_was_there_means_nothing_to_a_backup_put_in_its_place() {
    let (dir, held) = killed_shop().await;
    let backup = dir.path().join("monday.redb");
    let folder = Folder::hold(dir.path()).expect("free");
    let store = Store::open(&folder, CACHE_BYTES, 0, Durability::Log).expect("opened");
    store.back_up(&backup, |_| ()).expect("made");
    store.import(rows(4), NOW).await.expect("written");
    let since = dump(&store).expect("read");
    // Killed, then put back.
    let killed = copy_of(dir.path());
    let folder = Folder::hold(killed.path()).expect("free");
    let before = restore(&folder, &backup, true, |_| ()).expect("put back");
    let before = before.expect("there was one");
    let kept = |ending| {
        let mut name = before.as_os_str().to_owned();
        name.push(ending);
        name
    };
    // As if the restore had been cut short just before its end.
    for ending in [".log-a", ".log-b"] {
        let name = killed.path().join(format!("shop.redb{ending}"));
        fs::hard_link(kept(ending), name).expect("linked");
    }
    let store = Store::open(&folder, CACHE_BYTES, 0, Durability::Log).expect("opened");
    assert_eq!(dump(&store).expect("read"), held);
    store.import(rows(1), NOW).await.expect("written");
    store.close().await.expect("closed");
    // What was there is kept with its log, under names that go together.
    let other = tempdir();
    for ending in ["", ".log-a", ".log-b"] {
        let to = other.path().join(format!("shop.redb{ending}"));
        fs::copy(kept(ending), to).expect("kept");
    }
    let folder = Folder::hold(other.path()).expect("free");
    let store = Store::open(&folder, CACHE_BYTES, 0, Durability::Log).expect("opened");
    assert_eq!(dump(&store).expect("read"), since);
    // It can be put back as any backup can, its log in it.
    let again = tempdir();
    let folder = Folder::hold(again.path()).expect("free");
    restore(&folder, Path::new(&before), false, |_| ()).expect("put back");
    let store = Store::open(&folder, CACHE_BYTES, 0, Durability::Log).expect("opened");
    assert_eq!(dump(&store).expect("read"), since);
}

#[tokio::test]
async fn the_log_of_a_store_that_its_owner_moved_away_is_kept() {
    let (_, held) = killed_shop().await;
    for by_restore in [true, false] {
        let (dir, _) = killed_shop().await;
        let store = dir.path().join("shop.redb");
        let (away, backup) = (dir.path().join("old.redb"), tempdir());
        let backup = backup.path().join("monday.redb");
        {
            let looked_at = Store::open_file_read_only(&store, CACHE_BYTES).expect("opened");
            looked_at.back_up(&backup, |_| ()).expect("made");
        }
        let length = |name: &str| fs::metadata(dir.path().join(name)).map(|file| file.len());
        let log = length("shop.redb.log-a").expect("it was killed");
        fs::rename(&store, &away).expect("moved");
        let folder = Folder::hold(dir.path()).expect("free");
        let kept = if by_restore {
            restore(&folder, &backup, false, |_| ()).expect("put back");
            "shop.redb.before-restore.log-a"
        } else {
            fs::copy(&backup, &store).expect("copied");
            "shop.redb.log-a.of-another-store"
        };
        let opened = Store::open(&folder, CACHE_BYTES, 0, Durability::Log).expect("opened");
        assert_eq!(dump(&opened).expect("read").len(), held.len());
        opened.close().await.expect("closed");
        assert_eq!(length(kept).expect("kept"), log, "{kept}");
    }
}

#[tokio::test]
async fn the_file_of_an_open_shop_alone_is_no_backup() {
    let (dir, _) = killed_shop().await;
    let alone = dir.path().join("alone.redb");
    fs::copy(dir.path().join("shop.redb"), &alone).expect("copied");
    let folder = Folder::hold(dir.path()).expect("free");
    let refused = restore(&folder, &alone, true, |_| ());
    let Err(BackupError::Unsound { finding, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(finding.contains("its log is not there"), "{finding}");
}

#[tokio::test]
async fn a_batch_that_the_log_has_no_room_for_is_as_durable() {
    let disk = Recorder::of(Vec::new());
    let store = Store::open_on(disk.media(Durability::Log, LATE), CACHE_BYTES).expect("open");
    for count in [2_000, 150, 150, 150, 2_000, 2_000] {
        store.import(rows(count), NOW).await.expect("written");
        let killed = disk.files();
        let held = dump(&store).expect("read");
        assert!(
            killed
                .segments
                .iter()
                .all(|segment| segment.len() <= 64 << 10)
        );
        assert_eq!(
            dump(&open_files(killed).expect("opened")).expect("read"),
            held
        );
        store
            .write(|tx| tx.add_one(Counter::LastOrder))
            .await
            .expect("written");
        let held = store.snapshot().expect("open").count(Counter::LastOrder);
        let again = open_files(disk.files()).expect("opened");
        let is = again.snapshot().expect("open").count(Counter::LastOrder);
        assert_eq!(is.expect("read"), held.expect("read"));
    }
}

/// A file in memory whose fsync takes as long as the gate is shut.
#[derive(Clone, Debug, Default)]
struct Gated {
    file: Arc<InMemoryBackend>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
    waiting: AtomicBool,
}

impl Gate {
    fn set(&self, is_shut: bool) {
        *self.is_shut.lock().expect("not poisoned") = is_shut;
        self.opened.notify_all();
    }
}

impl StorageBackend for Gated {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let gate = &self.gate;
        let is_shut = gate.is_shut.lock().expect("not poisoned");
        gate.waiting.store(*is_shut, Ordering::SeqCst);
        let opened = gate.opened.wait_while(is_shut, |is_shut| *is_shut);
        drop(opened.expect("not poisoned"));
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}

#[test]
fn who_reads_what_is_not_in_memory_waits_for_no_fsync() {
    const PRODUCTS: u32 = 30_000;
    let gated = Gated::default();
    let file = gated.clone();
    let media = Media {
        file: Box::new(move || Ok(Box::new(file.clone()))),
        limits: Limits {
            checkpoint_bytes: 1 << 20,
            checkpoint_after: Duration::MAX,
            ..LIMITS
        },
        ..Recorder::of(Vec::new()).media(Durability::Log, Whim::default())
    };
    let store = Store::open_on(media, 1 << 20).expect("a new store");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let import = |count| runtime.block_on(store.import(rows(count), NOW));
    for _ in 0..PRODUCTS / 1_000 {
        import(1_000).expect("written");
    }
    gated.gate.set(true);
    // What is written while it is shut is far less than the half of the cache that the writer
    // may fill before it has to wait.
    while !gated.gate.waiting.load(Ordering::SeqCst) {
        import(50).expect("written");
    }
    // Pages of this one are only in memory.
    import(1).expect("written");
    let (read, is_read) = mpsc::channel();
    let reader = store.clone();
    let thread = std::thread::spawn(move || {
        let all = PageAsk {
            after: None,
            limit: PRODUCTS as usize,
        };
        let _ = read.send(reader.products(all).map(|page| page.rows.len()));
    });
    let rows = is_read.recv_timeout(Duration::from_secs(20));
    gated.gate.set(false);
    thread.join().expect("no panic");
    assert_eq!(rows.expect("no waiting").expect("read"), PRODUCTS as usize);
    runtime.block_on(store.close()).expect("closed");
}

#[tokio::test]
async fn a_batch_that_the_log_has_no_room_for_is_a_gap_to_whoever_follows_it() {
    let (dir, copy, other) = (tempdir(), tempdir(), tempdir());
    let folder = Folder::hold(dir.path()).expect("free");
    let store = Store::open(&folder, CACHE_BYTES, 0, Durability::Log).expect("a new store");
    store.close().await.expect("closed");
    let path = dir.path().join("shop.redb");
    let media = Media {
        limits: SMALL,
        ..Media::new(disk::file(path.clone()), Some(segments::beside(path)))
    };
    let store = Store::open_with(media, Durability::Log, CACHE_BYTES, None, true).expect("open");
    let mut follower = Follower::open(copy.path(), dir.path()).expect("nobody's");
    let base = |follower: &mut Follower| {
        let made = store.back_up(&follower.new_base(), |_| ());
        made.expect("made");
        follower.take_base(NOW, 9).expect("taken");
    };
    follower.ship(NOW).expect("shipped");
    base(&mut follower);
    store.import(rows(3), NOW).await.expect("written");
    assert_eq!(follower.ship(NOW).expect("shipped"), Shipped::InStep);
    assert!(!follower.lacks_base());
    let into = Folder::hold(other.path()).expect("free");
    let bring = || bring_moment(&into, copy.path(), None, true, NOW, |_| ());
    bring()
        .expect("all is there")
        .0
        .put_in_place()
        .expect("put");
    let held = dump(&store).expect("read");
    let brought = Store::open_read_only(&into, CACHE_BYTES).expect("opened");
    assert_eq!(dump(&brought).expect("read"), held);
    brought.close().await.expect("closed");

    store.import(rows(2_000), NOW).await.expect("written");
    assert_eq!(follower.ship(NOW).expect("shipped"), Shipped::Gap);
    assert!(follower.lacks_base());
    let refused = bring().err().expect("something is not there");
    assert!(matches!(refused, BackupError::NotKept { .. }), "{refused}");
    base(&mut follower);
    assert!(!follower.lacks_base());
    bring().expect("it is now").0.put_in_place().expect("put");
    let held = dump(&store).expect("read");
    let brought = Store::open_read_only(&into, CACHE_BYTES).expect("opened");
    assert_eq!(dump(&brought).expect("read"), held);
}
