//! The writer from inside: batches, a full disk, reopening after an error, and the end.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::codec::Damage;
use super::crash::{Recorder, Whim};
use super::disk::Media;
use super::tables::{Counter, Read, Transaction};
use super::tests::{NOW, durability, newcomer, rows, store};
use super::writer::{self, Job};
use super::{Durability, Floor, Store, StoreError, Writable};
use crate::shop::users::Newcomer;

const CACHE_BYTES: usize = 4 << 20;
const BATCH_MAX: usize = 256;

type Answer = JoinHandle<Result<(), StoreError>>;

/// A disk, and how often it was opened.
fn counted(disk: &Recorder) -> (Media, Arc<AtomicUsize>) {
    let (medium, opened) = (disk.medium(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&opened);
    let file = Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        medium()
    });
    let media = Media {
        file,
        ..media(disk)
    };
    (media, opened)
}

fn media(disk: &Recorder) -> Media {
    disk.media(durability(), Whim::default())
}

fn on(disk: &Recorder) -> Store {
    Store::open_on(media(disk), CACHE_BYTES).expect("a new store")
}

/// Asks for something to be written, without waiting for it.
fn ask(
    store: &Store,
    use_case: impl FnOnce(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
) -> Answer {
    let store = store.clone();
    tokio::spawn(async move { store.write(use_case).await })
}

fn note(tx: &mut Transaction<'_>) -> Result<(), StoreError> {
    tx.add_one(Counter::LastOrder)
}

/// The writer at work until the sender is used or dropped.
async fn held(store: &Store) -> (mpsc::Sender<()>, Answer) {
    let (go_on, wait) = mpsc::channel();
    let (started, has_started) = oneshot::channel();
    let answer = ask(store, move |_| {
        let _ = started.send(());
        let _ = wait.recv();
        Ok(())
    });
    has_started.await.expect("it runs");
    (go_on, answer)
}

/// Lets those who ask come as far as the queue.
async fn until_queued(store: &Store, count: usize) {
    while store.queue.max_capacity() - store.queue.capacity() < count {
        tokio::task::yield_now().await;
    }
}

async fn until_writable(store: &Store) {
    let deadline = Instant::now() + Duration::from_secs(8);
    while !store.is_writable() {
        assert!(Instant::now() < deadline, "not healed within 8 s");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_failure_takes_its_batch_with_it_and_no_other() {
    let (store, _) = store();
    let (go_on, first) = held(&store).await;
    let culprit = ask(&store, |tx| {
        note(tx)?;
        Err(StoreError::missing("a table", b"key"))
    });
    let others = writer::QUEUE_MAX - 1;
    let others: Vec<_> = (0..others).map(|_| ask(&store, note)).collect();
    until_queued(&store, writer::QUEUE_MAX).await;
    let beyond = store.write(note).await;
    assert!(matches!(beyond, Err(StoreError::Busy)), "{beyond:?}");

    go_on.send(()).expect("it waits");
    first.await.expect("no panic").expect("written");
    let culprit = culprit.await.expect("no panic");
    assert!(matches!(culprit, Err(StoreError::Missing { .. })));
    let (mut written, mut dropped) = (0, 0);
    for other in others {
        match other.await.expect("no panic") {
            Ok(()) => written += 1,
            Err(StoreError::Dropped) => dropped += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(dropped, BATCH_MAX - 1);
    let view = store.snapshot().expect("open");
    assert_eq!(view.count(Counter::LastOrder).expect("read"), written);
}

#[tokio::test]
async fn who_asks_before_the_end_is_answered_and_who_comes_after_is_turned_away() {
    let (store, _) = store();
    let (go_on, first) = held(&store).await;
    let before = ask(&store, note);
    until_queued(&store, 1).await;
    store.queue.try_send(Job::Close).expect("there is room");
    let after = ask(&store, note);
    until_queued(&store, 3).await;
    go_on.send(()).expect("it waits");
    first.await.expect("no panic").expect("written");
    before.await.expect("no panic").expect("written");
    let after = after.await.expect("no panic");
    assert!(matches!(after, Err(StoreError::Closing)), "{after:?}");
    assert!(!store.is_writable());
    store.close().await.expect("closed already");
    let late = store.write(note).await;
    assert!(matches!(late, Err(StoreError::Closing)), "{late:?}");
}

#[tokio::test]
async fn what_writes_nothing_costs_the_disk_nothing() {
    let disk = Recorder::of(Vec::new());
    let store = on(&disk);
    let before = disk.operations();
    let read = store.write(|tx| tx.count(Counter::Identity)).await;
    assert_ne!(read.expect("read"), 0);
    assert_eq!(disk.operations(), before);
    store.write(note).await.expect("written");
    assert!(disk.operations() > before);
}

#[tokio::test]
async fn all_who_waited_for_a_failed_commit_hear_why() {
    let disk = Recorder::of(Vec::new());
    let store = on(&disk);
    let (go_on, first) = held(&store).await;
    let batch: Vec<_> = (0..3).map(|_| ask(&store, note)).collect();
    until_queued(&store, 3).await;
    disk.fail_after(0);
    go_on.send(()).expect("it waits");
    first.await.expect("no panic").expect("it wrote nothing");
    for waiting in batch {
        let error = waiting.await.expect("no panic").expect_err("no room");
        assert!(error.is_storage(), "{error:?}");
        let said = error.with_causes();
        assert!(said.contains("no storage space"), "{said}");
    }
}

#[tokio::test]
async fn an_error_of_the_file_reopens_it_and_one_of_a_record_does_not() {
    let (media, opened) = counted(&Recorder::of(Vec::new()));
    let store = Store::open_on(media, CACHE_BYTES).expect("a new store");
    let of_record = store.write::<()>(|tx| {
        note(tx)?;
        Err(StoreError::missing("a table", b"key"))
    });
    assert!(of_record.await.is_err());
    store.write(note).await.expect("written");
    assert_eq!(opened.load(Ordering::SeqCst), 1);

    // Though nothing else is wrong with it any more.
    let of_file = store
        .write::<()>(|_| Err(redb::StorageError::PreviousIo.into()))
        .await;
    assert!(
        matches!(of_file, Err(StoreError::NotWritten(_))),
        "{of_file:?}"
    );
    until_writable(&store).await;
    assert!(opened.load(Ordering::SeqCst) > 1);
    store.write(note).await.expect("written");
}

#[tokio::test]
async fn a_file_that_stays_broken_is_tried_ever_more_rarely() {
    let disk = Recorder::of(Vec::new());
    let (media, opened) = counted(&disk);
    let store = Store::open_on(media, CACHE_BYTES).expect("a new store");
    disk.fail_after(0);
    let start = Instant::now();
    assert!(store.write(note).await.is_err());
    // Each try opens it to read and to write; the sixth comes after five pauses.
    while opened.load(Ordering::SeqCst) < 1 + 2 * 6 {
        assert!(start.elapsed() < Duration::from_secs(8), "it gave up");
        tokio::task::yield_now().await;
    }
    let pauses = [5, 10, 20, 40, 80].iter().sum();
    assert!(start.elapsed() >= Duration::from_millis(pauses));
    disk.heal();
    until_writable(&store).await;
}

#[tokio::test]
async fn a_reader_is_waited_for_before_what_it_reads_is_written_over() {
    let disk = Recorder::of(Vec::new());
    let store = on(&disk);
    let reader = store.snapshot().expect("open");
    disk.fail_after(0);
    assert!(store.write(note).await.is_err());
    disk.heal();
    let until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < until {
        assert!(!store.is_writable(), "somebody still reads");
        tokio::task::yield_now().await;
    }
    drop(reader);
    let start = Instant::now();
    until_writable(&store).await;
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "nobody reads any more"
    );
}

#[tokio::test]
async fn closing_says_so_if_the_last_words_are_lost() {
    let disk = Recorder::of(Vec::new());
    let store = on(&disk);
    store.write(note).await.expect("written");
    disk.fail_after(0);
    let closed = store.close().await;
    assert!(matches!(closed, Err(StoreError::Unclosed(_))), "{closed:?}");
}

#[tokio::test]
async fn what_is_broken_for_good_has_nothing_to_finish() {
    let disk = Recorder::of(Vec::new());
    let is_gone = Arc::new(AtomicBool::new(false));
    let (medium, gone) = (disk.medium(), Arc::clone(&is_gone));
    let file = Box::new(move || {
        if gone.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        medium()
    });
    let media = Media {
        file,
        ..media(&disk)
    };
    let store = Store::open_on(media, CACHE_BYTES).expect("a new store");
    is_gone.store(true, Ordering::SeqCst);
    disk.fail_after(0);
    assert!(store.write(note).await.is_err());
    // What was answered is on the disk, and with a log not all of it in the file alone.
    let closed = store.close().await;
    let is_unclosed = matches!(closed, Err(StoreError::Unclosed(_)));
    assert_eq!(is_unclosed, durability() == Durability::Log, "{closed:?}");
}

/// A store that is to keep more free than any disk has, in a folder that can be taken away: a
/// disk that can't be asked is not called full.
fn on_a_full_disk() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    let floor = Floor {
        folder: dir.path().to_owned(),
        min_free_bytes: u64::MAX,
    };
    let media = media(&Recorder::of(Vec::new()));
    let store = Store::open_with(media, durability(), CACHE_BYTES, Some(floor), false);
    (store.expect("a new store"), dir)
}

#[tokio::test]
async fn a_full_disk_takes_no_writes_until_there_is_room() {
    let (store, dir) = on_a_full_disk();
    assert!(store.is_writable(), "nobody was refused yet");
    let refused = store.write(note).await;
    let full = matches!(refused, Err(StoreError::DiskFull { .. }));
    assert!(full, "{refused:?}");
    assert_eq!(store.writable(), Writable::DiskFull);
    drop(dir);
    assert!(store.is_writable());
    store.write(note).await.expect("written");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_tells_once_that_a_disk_became_full_and_once_that_it_has_room() {
    let log = Log::default();
    let lines = || {
        let log = log.0.lock().expect("not poisoned");
        String::from_utf8_lossy(&log).lines().count()
    };
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let (store, dir) = on_a_full_disk();
    tracing::subscriber::with_default(subscriber, || {
        let looks = |is_full| {
            assert_eq!(store.shared.room().is_err(), is_full);
            lines()
        };
        assert_eq!([looks(true), looks(true)], [1, 1]);
        drop(dir);
        assert_eq!([looks(false), looks(false)], [2, 2]);
    });
}

#[tokio::test]
async fn a_shop_is_empty_until_there_is_an_account_or_a_product() {
    let (with_account, _) = store();
    assert!(with_account.is_empty().expect("read"));
    let ann = with_account.sign_up(newcomer("ann"), NOW).await;
    ann.expect("written").expect("free");
    assert!(!with_account.is_empty().expect("read"));

    let (with_product, _) = store();
    with_product.import(rows(1), NOW).await.expect("written");
    assert!(!with_product.is_empty().expect("read"));
}

#[tokio::test]
async fn a_shop_is_filled_with_accounts_and_products_together() {
    let (store, _) = store();
    let newcomers: Vec<Newcomer> = ["ann", "bob"].map(newcomer).into();
    let filled = store.fill(newcomers.clone(), rows(3), NOW).await;
    filled.expect("written").expect("free");
    let view = store.snapshot().expect("open");
    let counts = [Counter::Users, Counter::Products].map(|counter| view.count(counter));
    assert_eq!(counts.map(|count| count.expect("read")), [2, 3]);
    let again = store.fill(newcomers, rows(3), NOW).await.expect("read");
    assert!(!again.expect_err("ann is taken").is_empty());
    assert_eq!(store.product_count().expect("read"), 3, "nothing of it");
}

#[test]
fn an_error_is_of_one_record_or_of_the_file_or_of_neither() {
    let cause = || std::io::Error::other("as asked");
    let damaged = || StoreError::damaged("stock", b"\x07k", Damage::Checksum);
    let missing = || StoreError::missing("stock", b"k");
    let full = StoreError::DiskFull {
        folder: "/shop".into(),
        free_bytes: 9 << 20,
        min_free_bytes: 64 << 20,
    };
    assert!(
        full.to_string()
            .starts_with("/shop has 9 MiB free, and the shop keeps 64 MiB: "),
        "{full}"
    );
    let kinds = [
        (damaged(), "record"),
        (missing(), "record"),
        (StoreError::not_written(cause()), "file"),
        (StoreError::unsure(cause()), "file"),
        (StoreError::opening(cause()), "file"),
        (redb::StorageError::PreviousIo.into(), "file"),
        (StoreError::unclosed(cause()), "neither"),
        (StoreError::Busy, "neither"),
        (full, "neither"),
        (StoreError::Closing, "neither"),
        (StoreError::Reopening, "neither"),
        (StoreError::Dropped, "neither"),
        (StoreError::Bug, "neither"),
    ];
    for (error, kind) in kinds {
        assert_eq!(error.is_of_record(), kind == "record", "{error:?}");
        assert_eq!(error.is_storage(), kind == "file", "{error:?}");
    }
    let said = StoreError::not_written(cause()).with_causes();
    assert_eq!(said, "nothing was written: as asked");
    let said = damaged().to_string();
    assert_eq!(said, r"the record of key \x07k in table stock is damaged");
}

#[test]
fn a_panic_is_logged_in_its_own_words() {
    let said = |panics: fn()| {
        let panic = catch_unwind(AssertUnwindSafe(panics)).expect_err("it panics");
        writer::panic_text(&*panic).to_owned()
    };
    assert_eq!(said(|| panic_any("as asked")), "as asked");
    assert_eq!(said(|| panic_any(format!("as {}", "asked"))), "as asked");
    assert_eq!(said(|| panic_any(7)), "(no message)");
}
