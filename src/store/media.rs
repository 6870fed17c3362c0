//! The store's file from inside: what is written over it, who may write to it, how much room is left.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use redb::StorageBackend;

use super::Durability;
use super::crash::{Random, Recorder};
use super::disk::{self, Handle, Media, Plain};
use super::files::{mode, tempdir};
use super::tests::NOW;

const CACHE_BYTES: usize = 4 << 20;
const PAGE: usize = 4_096;

fn below(random: &mut Random, bound: usize) -> usize {
    let picked = random.below(bound as u64);
    usize::try_from(picked).expect("below the bound")
}

/// A place in a file of that length, near a page's border most of the time.
fn place(random: &mut Random, len: usize) -> usize {
    let page = below(random, len / PAGE + 1) * PAGE;
    let within = [0, 1, PAGE - 1, below(random, PAGE)];
    let at = page + within[below(random, within.len())];
    at.min(len)
}

/// So many bytes, none of them zero.
fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    let byte = |_| random.next().to_le_bytes()[0] | 1;
    (0..length).map(byte).collect()
}

/// Reads, writes and resizes at random, and holds every answer to a plain row of bytes.
fn live_on(disk: &dyn StorageBackend, is: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..300 {
        let from = place(random, is.len());
        let length = place(random, is.len() - from);
        let (at, stretch) = (from as u64, from..from + length);
        match random.below(8) {
            0 => {
                is.resize(place(random, 5 * PAGE), 0);
                disk.set_len(is.len() as u64).expect("resized");
            }
            1..4 => {
                let bytes = noise(random, length);
                disk.write(at, &bytes).expect("written");
                is[stretch].copy_from_slice(&bytes);
            }
            _ => {
                let mut read = vec![0xaa; length];
                disk.read(at, &mut read).expect("read");
                assert!(read == is[stretch], "{length} bytes at {at}");
                let mut beyond = vec![0; is.len() - from + 1];
                let refused = disk.read(at, &mut beyond).expect_err("beyond the end");
                assert_eq!(refused.kind(), io::ErrorKind::UnexpectedEof);
            }
        }
        disk.sync_data().expect("synced");
        assert_eq!(disk.len().expect("known"), is.len() as u64);
    }
}

#[test]
fn a_medium_keeps_what_is_written_and_one_to_be_read_keeps_it_from_the_file() {
    let dir = tempdir();
    let path = dir.path().join("file");
    for seed in 0..60 {
        let mut random = Random(seed);
        let length = place(&mut random, 5 * PAGE).max(1);
        let before = noise(&mut random, length);
        fs::write(&path, &before).expect("written");
        let mut is = before.clone();
        let read_only = disk::read_only(path.clone())().expect("opened");
        live_on(&*read_only, &mut is, &mut random);
        assert!(
            fs::read(&path).expect("read") == before,
            "seed {seed} changed the file"
        );

        let mut is = before.clone();
        let plain = disk::file(path.clone())().expect("opened");
        live_on(&*plain, &mut is, &mut random);
        assert!(fs::read(&path).expect("read") == is, "seed {seed}");
    }
}

#[test]
fn a_new_file_is_its_owners_alone_and_not_what_was_there() {
    let dir = tempdir();
    let path = dir.path().join("file");
    let theirs = dir.path().join("theirs");
    fs::write(&theirs, "theirs").expect("written");
    fs::hard_link(&theirs, &path).expect("linked");
    for _ in 0..2 {
        let medium = disk::new_file(path.clone())().expect("made");
        assert_eq!((medium.len().expect("known"), mode(&path)), (0, 0o600));
        medium.set_len(9).expect("resized");
    }
    assert_eq!(fs::read(&theirs).expect("read"), b"theirs");
}

#[test]
fn a_disk_that_cannot_sync_or_is_full_says_so() {
    let device = |path| {
        let file = fs::OpenOptions::new().read(true).write(true).open(path);
        Plain(file.expect("a device"))
    };
    device("/dev/null")
        .sync_data()
        .expect_err("nothing there to sync");
    let refused = device("/dev/full").write(0, b"one");
    let refused = refused.expect_err("never any room");
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_handle_that_was_replaced_writes_nothing_more_and_one_that_cannot_close_says_so() {
    let disk = Recorder::of(Vec::new());
    let replaced = Handle::open(&disk.medium(), CACHE_BYTES).expect("a new store");
    let before = disk.operations();
    replaced.retire();
    drop(replaced);
    assert_eq!(disk.operations(), before, "not even its closing words");

    let closed = Handle::open(&disk.medium(), CACHE_BYTES).expect("opened again");
    closed.close().expect("closed");
    let cut_off = Handle::open(&disk.medium(), CACHE_BYTES).expect("opened again");
    disk.fail_after(0);
    cut_off.close().expect_err("its closing words are lost");
}

#[test]
fn a_handle_that_takes_no_write_is_not_proven() {
    let disk = Recorder::of(Vec::new());
    let handle = Handle::open(&disk.medium(), CACHE_BYTES).expect("a new store");
    super::furnish(&handle).expect("written");
    let media = Media::from(disk.medium());
    handle
        .recover(&media, Durability::Store, NOW)
        .expect("it takes writes");
    disk.fail_after(0);
    let refused = handle.recover(&media, Durability::Store, NOW);
    refused.expect_err("it takes none");
}

#[test]
fn the_free_bytes_are_those_that_df_tells() {
    let dir = tempdir();
    let told = Command::new("df")
        .arg("-Pk")
        .arg(dir.path())
        .output()
        .expect("df");
    let told = String::from_utf8(told.stdout).expect("a table");
    let row = told.lines().nth(1).expect("a row");
    let kib: u64 = row
        .split_whitespace()
        .nth(3)
        .and_then(|cell| cell.parse().ok())
        .expect("the fourth is what is left");
    let free = disk::free_bytes(dir.path()).expect("asked");
    // Others write meanwhile.
    assert!(
        free.abs_diff(kib * 1_024) <= (64 << 20) + free / 4,
        "{free} of {kib} KiB"
    );
    disk::free_bytes(Path::new("/nowhere")).expect_err("no disk");
}

#[test]
fn bytes_are_too_few_below_the_least_and_an_error_is_none_of_one_kind() {
    assert_eq!(disk::too_few(Ok(9), 10), Some(9));
    assert_eq!(disk::too_few(Ok(10), 10), None);
    assert_eq!(disk::too_few(Ok(11), 10), None);
    assert_eq!(
        disk::too_few(Err(io::ErrorKind::NotFound.into()), 10),
        None,
        "it will say so when it is written to"
    );

    let not_found = io::ErrorKind::NotFound;
    let unless = |done: Result<u8, io::ErrorKind>| {
        disk::unless(not_found, done.map_err(Into::into)).map_err(|error| error.kind())
    };
    assert_eq!(unless(Ok(1)), Ok(Some(1)));
    assert_eq!(unless(Err(not_found)), Ok(None));
    let denied = io::ErrorKind::PermissionDenied;
    assert_eq!(unless(Err(denied)), Err(denied));
}

#[test]
fn a_file_named_without_a_folder_lies_in_the_one_where_we_are() {
    for (path, folder) in [("a", "."), ("b/a", "b"), ("/a", "/"), ("../a", "..")] {
        assert_eq!(disk::folder_of(Path::new(path)), Path::new(folder));
    }
    disk::sync_folder_of(&tempdir().path().join("a")).expect("a folder");
    disk::sync_folder_of(Path::new("/nowhere/a")).expect_err("no folder");
}
