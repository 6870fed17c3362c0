//! The folder and its files from inside: who holds it, what it refuses, backups made and put back.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use super::backup::{BackupError, draft_of, name_to_ask_for, place_of_backup, remove_leftovers};
use super::crash::{Dump, dump};
use super::disk::{self, Handle};
use super::folder::{Folder, FolderError};
use super::migrate::FORMAT;
use super::outbox::{Noted, ProductChange};
use super::tables::{Counter, OUTBOX, STOCK};
use super::tests::{NOW, durability, restore, rows};
use super::{Durability, Store, StoreError};
use crate::shop::ids::ProductId;

const CACHE_BYTES: usize = 4 << 20;

pub fn tempdir() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub fn mode(path: &Path) -> u32 {
    let about = fs::metadata(path).expect("there");
    about.permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

fn open(folder: &Folder) -> Result<Store, StoreError> {
    Store::open(folder, CACHE_BYTES, 0, durability())
}

/// A folder with a shop of so many products.
async fn shop_of(path: &Path, count: u32) -> (Folder, Store) {
    let folder = Folder::hold(path).expect("free");
    let store = open(&folder).expect("a new store");
    store.import(rows(count), NOW).await.expect("written");
    (folder, store)
}

/// All that a folder's closed shop holds.
fn kept_in(folder: &Folder) -> Dump {
    let store = Store::open_read_only(folder, CACHE_BYTES).expect("sound");
    dump(&store).expect("read")
}

/// The names of what lies in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: io::Result<fs::DirEntry>| entry.expect("read").file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).into_string().expect("ours"))
        .collect();
    names.sort();
    names
}

// The folder.

#[test]
fn a_folder_is_held_by_one_and_whoever_comes_next_is_told_who() {
    let dir = tempdir();
    let path = dir.path().join("of/a/shop");
    let folder = Folder::hold(&path).expect("made");
    let lock = path.join("lock");
    assert_eq!((mode(&path), mode(&lock)), (0o700, 0o600));
    assert_eq!(folder.path(), path);
    let holder = || match Folder::hold(&path) {
        Err(FolderError::Held { holder, .. }) => holder,
        other => panic!("{other:?}"),
    };
    let pid = std::process::id();
    assert_eq!(holder(), format!("process {pid}"));
    folder.sign("serving on port 8080").expect("signed");
    assert_eq!(holder(), format!("process {pid} (serving on port 8080)"));
    folder.sign("idle").expect("signed");
    assert_eq!(holder(), format!("process {pid} (idle)"));
    fs::write(&lock, "").expect("written");
    assert_eq!(holder(), "another process");
    drop(folder);
    Folder::hold(&path).expect("free again");
}

#[test]
fn a_folder_that_others_may_enter_is_taken_unless_something_of_theirs_is_in_it() {
    const CASES: &[(u32, Option<&str>, bool)] = &[
        (0o700, None, true),
        (0o700, Some("letters.txt"), true),
        (0o755, None, true),
        (0o777, Some("lock"), true),
        (0o755, Some("shop.redb"), true),
        (0o755, Some("shop.redb.new"), true),
        (0o755, Some("letters.txt"), false),
        (0o701, Some("letters.txt"), false),
        (0o720, Some("letters.txt"), false),
    ];
    for (before, inside, is_taken) in CASES {
        let dir = tempdir();
        let path = dir.path();
        if let Some(name) = inside {
            fs::write(path.join(name), "").expect("written");
        }
        set_mode(path, *before);
        match Folder::hold(path) {
            Ok(_) => assert!(is_taken, "{before:o} with {inside:?}"),
            Err(FolderError::Foreign { .. }) => {
                assert!(!is_taken, "{before:o} with {inside:?}");
                assert_eq!(names(path), ["letters.txt"], "left as it was");
            }
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(mode(path), if *is_taken { 0o700 } else { *before });
    }
}

#[test]
fn what_is_no_folder_or_has_no_shop_is_told_so() {
    let dir = tempdir();
    let file = dir.path().join("file");
    fs::write(&file, "").expect("written");
    let refused = Folder::hold(&file.join("shop"));
    assert!(
        matches!(refused, Err(FolderError::Unusable { .. })),
        "{refused:?}"
    );
    let empty = dir.path().join("shop");
    let refused = Folder::hold_existing(&empty);
    assert!(
        matches!(refused, Err(FolderError::NoShop { .. })),
        "{refused:?}"
    );
    assert!(!empty.exists(), "nor is it made");

    let folder = Folder::hold(&empty).expect("made");
    assert!(!folder.has_store());
    open(&folder).expect("a new store");
    assert!(folder.has_store());
    drop(folder);
    Folder::hold_existing(&empty).expect("it has a shop");
}

#[test]
fn a_secret_is_made_once_and_read_ever_after() {
    let dir = tempdir();
    let folder = Folder::hold(dir.path()).expect("free");
    // What a process that was killed left.
    fs::write(dir.path().join("secret.new"), "half a secret, and longer").expect("written");
    let failed = folder.secret("token.key", || Err(io::ErrorKind::Other.into()));
    failed.expect_err("none was made");
    let made = folder.secret("token.key", || Ok(b"first".to_vec()));
    assert_eq!(made.expect("made"), b"first");
    let read = folder.secret("token.key", || Ok(b"second".to_vec()));
    assert_eq!(read.expect("read"), b"first");
    folder.put_secret("token.key", b"2").expect("replaced");
    let read = folder.secret("token.key", || Ok(b"second".to_vec()));
    assert_eq!(read.expect("read"), b"2");
    assert_eq!(mode(&dir.path().join("token.key")), 0o600);
    assert_eq!(names(dir.path()), ["lock", "token.key"]);
    // One that is there and can't be read is not replaced.
    fs::create_dir(dir.path().join("other.key")).expect("made");
    let refused = folder.secret("other.key", || Ok(b"second".to_vec()));
    assert_eq!(
        refused.expect_err("no file").kind(),
        io::ErrorKind::IsADirectory
    );
}

// The store's file.

#[tokio::test]
async fn a_store_is_made_once_and_opened_again_with_what_it_holds() {
    let dir = tempdir();
    fs::write(dir.path().join("shop.redb.new"), "cut short").expect("written");
    let (folder, store) = shop_of(dir.path(), 3).await;
    let log: &[_] = match durability() {
        Durability::Log => &["shop.redb.log-a", "shop.redb.log-b"],
        Durability::Store => &[],
    };
    let files = [&["lock", "shop.redb"][..], log].concat();
    assert_eq!(names(dir.path()), files);
    for file in files {
        assert_eq!(mode(&dir.path().join(file)), 0o600, "{file}");
    }
    let (identity, before) = (store.identity().expect("read"), dump(&store).expect("read"));
    assert_ne!(identity, 0);
    store.close().await.expect("closed");
    assert_eq!(names(dir.path()), ["lock", "shop.redb"], "whole in itself");

    let again = open(&folder).expect("opened again");
    assert_eq!(again.identity().expect("read"), identity);
    assert_eq!(dump(&again).expect("read"), before);
    again.close().await.expect("closed");

    let file = dir.path().join("shop.redb");
    let bytes = fs::read(&file).expect("read");
    let looked_at = Store::open_read_only(&folder, CACHE_BYTES).expect("opened");
    assert_eq!(dump(&looked_at).expect("read"), before);
    looked_at
        .import(rows(1), NOW)
        .await
        .expect("written in memory");
    looked_at.close().await.expect("closed");
    assert!(fs::read(&file).expect("read") == bytes, "as it was");
}

/// Opens a folder's store both ways: each is to be refused for that reason, and the file left
/// untouched.
fn refused_untouched(folder: &Folder, why: &str) {
    let path = folder.path().join("shop.redb");
    let before = fs::read(&path).expect("read");
    let file = fs::File::options().append(true).open(&path).expect("ours");
    file.set_modified(SystemTime::UNIX_EPOCH).expect("ours");
    for opened in [open(folder), Store::open_read_only(folder, CACHE_BYTES)] {
        let Err(error) = opened else {
            panic!("{why}: it opened")
        };
        let said = error.with_causes();
        assert!(said.contains(why), "{said}");
        let modified = fs::metadata(&path).and_then(|about| about.modified());
        assert_eq!(modified.expect("known"), SystemTime::UNIX_EPOCH, "{why}");
    }
    assert!(fs::read(&path).expect("read") == before, "{why}");
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_refused_untouched() {
    let dir = tempdir();
    let (folder, store) = shop_of(dir.path(), 1).await;
    let newer = store.write(|tx| tx.set_count(Counter::Format, FORMAT + 1));
    newer.await.expect("written");
    store.close().await.expect("closed");
    let why = format!("a newer version of the program (form {};", FORMAT + 1);
    refused_untouched(&folder, &why);
}

#[test]
fn an_empty_file_is_no_store() {
    let dir = tempdir();
    let folder = Folder::hold(dir.path()).expect("free");
    fs::write(dir.path().join("shop.redb"), "").expect("written");
    refused_untouched(&folder, "the file is empty");
}

#[test]
fn a_file_of_another_program_is_no_store() {
    let dir = tempdir();
    let folder = Folder::hold(dir.path()).expect("free");
    let path = dir.path().join("shop.redb");
    let other = Handle::open(&disk::new_file(path), CACHE_BYTES).expect("made");
    other.close().expect("closed");
    for opened in [open(&folder), Store::open_read_only(&folder, CACHE_BYTES)] {
        let Err(error) = opened else {
            panic!("it opened")
        };
        let said = error.with_causes();
        assert!(said.contains("no shop's"), "{said}");
    }
}

// Backups.

#[tokio::test]
async fn a_backup_is_one_moment_in_a_file_of_that_name() {
    let dir = tempdir();
    let (folder, store) = shop_of(dir.path(), 30).await;
    let to = place_of_backup(dir.path(), "monday.redb").expect("made");
    assert_eq!(to, dir.path().join("backups/monday.redb"));
    let mut told = Vec::new();
    let made = store.back_up(&to, |progress| told.push(progress));
    let made = made.expect("made");
    let records = store.snapshot().and_then(|view| view.records());
    assert_eq!(made.records, records.expect("read"));
    assert_eq!(made.bytes, fs::metadata(&to).expect("there").len());
    assert_eq!(mode(&to), 0o600);
    assert!(told.iter().any(|told| told.rows == told.of));
    assert_eq!(names(&dir.path().join("backups")), ["monday.redb"]);

    let again = store.back_up(&to, |_| ());
    assert!(matches!(again, Err(BackupError::Exists(path)) if path == to));
    let draft = draft_of(&to);
    assert_eq!(draft, dir.path().join("backups/monday.redb.part"));
    let refused = store.back_up(&draft, |_| ());
    assert!(matches!(refused, Err(BackupError::DraftName(_))));
    let refused = store.back_up(&dir.path().join("nowhere/monday.redb"), |_| ());
    assert!(
        matches!(refused, Err(BackupError::File { .. })),
        "{refused:?}"
    );
    drop(folder);
}

#[tokio::test]
async fn a_backup_of_a_store_with_a_flaw_is_not_called_one() {
    let dir = tempdir();
    let (_folder, store) = shop_of(dir.path(), 3).await;
    let flaw = store.write(|tx| tx.remove(&STOCK, &ProductId(2)));
    flaw.await.expect("written");
    let refused = store.back_up(&dir.path().join("monday.redb"), |_| ());
    assert!(
        matches!(refused, Err(BackupError::Unsound { .. })),
        "{refused:?}"
    );
    let is_of_it = |name: &String| name.starts_with("monday");
    assert!(!names(dir.path()).iter().any(is_of_it), "nor its draft");
}

#[test]
fn a_backup_leaves_its_own_disk_what_the_shop_keeps_free() {
    let dir = tempdir();
    let folder = Folder::hold(dir.path()).expect("free");
    let full = Store::open(&folder, CACHE_BYTES, u64::MAX, durability()).map(|_| ());
    assert!(
        matches!(full, Err(StoreError::DiskFull { .. })),
        "no new store: {full:?}"
    );
    drop(Store::open(&folder, CACHE_BYTES, 0, durability()).expect("a new store"));
    let store =
        Store::open(&folder, CACHE_BYTES, u64::MAX, durability()).expect("one that is there");
    let refused = store.back_up(&dir.path().join("monday.redb"), |_| ());
    let needed = match refused {
        Err(BackupError::NoRoom { needed_bytes, .. }) => needed_bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(needed, u64::MAX);
    // On another disk, which takes no files for another reason.
    let refused = store.back_up(Path::new("/proc/monday.redb"), |_| ());
    assert!(
        !matches!(refused, Ok(_) | Err(BackupError::NoRoom { .. })),
        "{refused:?}"
    );
}

/// A backup of a shop of so many products, and what the shop held.
async fn backup_of(count: u32) -> (TempDir, PathBuf, Dump) {
    let dir = tempdir();
    let (_folder, store) = shop_of(dir.path(), count).await;
    let to = dir.path().join("backup.redb");
    store.back_up(&to, |_| ()).expect("made");
    let held = dump(&store).expect("read");
    store.close().await.expect("closed");
    (dir, to, held)
}

#[tokio::test]
async fn a_backup_is_put_back_and_the_store_that_was_there_is_kept() {
    let (_kept, backup, held) = backup_of(3).await;
    let dir = tempdir();
    let folder = Folder::hold(dir.path()).expect("free");
    let mut told = 0;
    let before = restore(&folder, &backup, false, |_| told += 1);
    assert_eq!(before.expect("put back"), None);
    assert!(told > 0);
    assert_eq!(names(dir.path()), ["lock", "shop.redb"]);
    assert_eq!(mode(&dir.path().join("shop.redb")), 0o600);
    assert_eq!(kept_in(&folder), held);

    let store = open(&folder).expect("it is a shop");
    store.import(rows(5), NOW).await.expect("written");
    let since = dump(&store).expect("read");
    store.close().await.expect("closed");
    let refused = restore(&folder, &backup, false, |_| ());
    assert!(
        matches!(refused, Err(BackupError::Exists(_))),
        "{refused:?}"
    );
    assert_eq!(kept_in(&folder), since);

    for name in ["", "-2", "-3"] {
        let name = format!("shop.redb.before-restore{name}");
        let before = restore(&folder, &backup, true, |_| ()).expect("put back");
        assert_eq!(before, Some(dir.path().join(name)));
        assert_eq!(kept_in(&folder), held);
    }
    let other = tempdir();
    let other = Folder::hold(other.path()).expect("free");
    let first = dir.path().join("shop.redb.before-restore");
    restore(&other, &first, false, |_| ()).expect("the one that was there");
    assert_eq!(kept_in(&other), since);
}

#[tokio::test]
async fn what_is_no_sound_backup_is_not_put_back() {
    let (_kept, backup, _) = backup_of(3).await;
    let dir = tempdir();
    let (folder, store) = shop_of(dir.path(), 1).await;
    let held = dump(&store).expect("read");
    store.close().await.expect("closed");
    let sound = fs::read(&backup).expect("read");
    let harmed: Vec<u8> = (0..)
        .zip(&sound)
        .map(|(at, byte)| byte ^ u8::from(at % 999 == 0))
        .collect();
    let bad = dir.path().join("bad.redb");
    for bytes in [&harmed[..], &sound[..sound.len() / 2], b"", b"believe me"] {
        fs::write(&bad, bytes).expect("written");
        let refused = restore(&folder, &bad, true, |_| ());
        assert!(
            matches!(refused, Err(BackupError::Unsound { .. })),
            "{refused:?}"
        );
    }
    let refused = restore(&folder, Path::new("/nowhere"), true, |_| ());
    assert!(
        matches!(refused, Err(BackupError::File { .. })),
        "{refused:?}"
    );
    // What a restore that was cut short left is sound, and in the next one's way.
    let draft = dir.path().join("shop.redb.new");
    fs::write(&draft, &sound).expect("written");
    let refused = restore(&folder, &draft, true, |_| ());
    assert!(
        matches!(refused, Err(BackupError::IsDraft(_))),
        "{refused:?}"
    );
    assert!(fs::read(&draft).expect("read") == sound);
    assert_eq!(kept_in(&folder), held);
}

#[test]
fn what_backups_that_were_cut_short_left_is_removed_and_nothing_else() {
    let dir = tempdir();
    let folder = Folder::hold(dir.path()).expect("free");
    remove_leftovers(&folder).expect("there is nothing");
    let asked_for = [(); 2].map(|()| name_to_ask_for().expect("a name"));
    assert_ne!(asked_for[0], asked_for[1]);
    let left = ["monday.redb", "notes.txt", "tuesday.part.redb"];
    let cut_short = [
        "wednesday.redb.part",
        &asked_for[0],
        &draft_name(&asked_for[1]),
    ];
    for name in left.iter().chain(&cut_short) {
        let path = place_of_backup(dir.path(), name).expect("made");
        fs::write(path, "").expect("written");
    }
    remove_leftovers(&folder).expect("removed");
    assert_eq!(names(&dir.path().join("backups")), left);

    fs::remove_dir_all(dir.path().join("backups")).expect("ours");
    fs::write(dir.path().join("backups"), "").expect("written");
    remove_leftovers(&folder).expect_err("no folder");
}

fn draft_name(name: &str) -> String {
    let draft = draft_of(Path::new(name));
    draft.to_str().expect("as it was").to_owned()
}

#[tokio::test]
async fn a_backup_takes_ten_thousand_records_of_a_table_at_a_time_and_tells_how_far_it_is() {
    let dir = tempdir();
    let (_folder, store) = shop_of(dir.path(), 0).await;
    let count = 10_001;
    let change = ProductChange::Gone(ProductId(1));
    let filled = store.write(move |tx| {
        (1..=count).try_for_each(|at| tx.put(&OUTBOX, &at, &Noted { change, mark: 1 }))?;
        tx.set_count(Counter::LastOutbox, count)
    });
    filled.await.expect("written");
    let mut told = Vec::new();
    let made = store.back_up(&dir.path().join("monday.redb"), |progress| {
        told.push(progress.rows);
    });
    assert!(made.expect("made").records > count);
    let told: Vec<_> = told.into_iter().take_while(|rows| *rows < count).collect();
    assert!(told.is_sorted());
    assert_eq!(told.last(), Some(&10_000), "before the one that is left");
}
