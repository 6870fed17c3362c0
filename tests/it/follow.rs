//! A copy that is kept current: restored to moments of a shop under orders, over restarts and kills
//! of the shop and of the follower.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::command::{Ended, PATIENCE, Process, binary, must_run, run};
use crate::shop::Shop;

/// A moment, and how many orders were answered before it; nobody asked for one meanwhile.
struct Moment {
    at: Timestamp,
    orders: usize,
}

fn follower(dir: &Path, to: &Path) -> Process {
    let mut command = binary("backup --follow");
    command.arg(to).arg("--data-dir").arg(dir);
    Process::start(command, "")
}

fn stocked() -> Shop {
    let shop = Shop::stocked();
    let stock = json!({"quantity": 1_000_000});
    shop.say("boss", "PATCH /products/delete-update/1/", stock)
        .told(200);
    shop.token("ann");
    shop
}

/// Orders some, one at a time, each between two moments.
fn orders(shop: &Shop, count: usize, moments: &mut Vec<Moment>) {
    for _ in 0..count {
        let line = json!({"product_id": 1, "quantity": 1});
        shop.say("ann", "POST /cart/cart-add/", line).told(200);
        shop.say("ann", "POST /orders/create/", Value::Null)
            .told(201);
        let orders = moments.last().map_or(0, |last| last.orders) + 1;
        moments.push(Moment {
            at: Timestamp::now(),
            orders,
        });
    }
}

fn named(to: &Path, beginning: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(to).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(beginning) && !name.starts_with("base.new")
    };
    let mut paths: Vec<_> = paths.filter(is_meant).collect();
    paths.sort();
    paths
}

/// Waits until there are so many whole copies.
fn wait_for_bases(to: &Path, count: usize, follower: &Process) {
    wait_for_more("base-", to, count - 1, follower);
}

fn wait_for_more(beginning: &str, to: &Path, count: usize, follower: &Process) {
    let deadline = Instant::now() + PATIENCE;
    while named(to, beginning).len() <= count {
        assert!(Instant::now() < deadline, "{}", follower.stderr());
        thread::yield_now();
    }
}

fn restore(to: &Path, moment: Option<Timestamp>) -> (tempfile::TempDir, Ended) {
    let dir = tempfile::tempdir().unwrap();
    let time = moment.map_or(String::new(), |at| format!("--to-time {at}"));
    let restored = run(dir.path(), &format!("restore {} {time}", to.display()), "");
    (dir, restored)
}

/// How many orders there are after a restore.
fn orders_at(to: &Path, moment: Option<Timestamp>) -> usize {
    let (dir, restored) = restore(to, moment);
    assert_eq!(
        restored.code,
        Some(0),
        "{moment:?}: {restored:?} {:#?}",
        named(to, "")
    );
    let sound = must_run(dir.path(), "doctor", "");
    assert!(sound.contains("are sound"), "{sound}");
    let shop = Shop::open_in(dir);
    let heard = shop.say("boss", "GET /orders/list/?limit=1", Value::Null);
    heard.header("X-Total-Count").parse().unwrap()
}

fn assert_refused(to: &Path, moment: Option<Timestamp>) {
    let (_dir, refused) = restore(to, moment);
    assert!(
        refused.code != Some(0) && refused.stderr.contains("--to-time takes a moment from"),
        "{moment:?}: {refused:?}"
    );
}

#[test]
fn a_shop_is_restored_to_any_moment_over_restarts_and_kills_of_it_and_of_the_follower() {
    let before_all = Timestamp::now();
    let mut shop = stocked();
    let kept = tempfile::tempdir().unwrap();
    let to = kept.path();
    let mut moments = Vec::new();
    let following = follower(shop.dir(), to);
    wait_for_bases(to, 1, &following);
    orders(&shop, 5, &mut moments);
    // Closed in order: what it wrote last is shipped, and the next log begins where this one ended.
    shop.close();
    shop.reopen();
    wait_for_bases(to, 2, &following);
    orders(&shop, 5, &mut moments);
    let bases = named(to, "base-").len();
    drop(shop.take_process()); // Kills it.
    shop.reopen();
    wait_for_bases(to, bases + 1, &following);
    orders(&shop, 5, &mut moments);
    // Killed, and started again: it goes on, or begins with a whole copy.
    drop(following);
    let files = named(to, "frames-").len();
    let following = follower(shop.dir(), to);
    orders(&shop, 5, &mut moments);
    wait_for_more("frames-", to, files, &following);
    let second = run(shop.dir(), &format!("backup --follow {}", to.display()), "");
    assert!(
        second.code == Some(1) && second.stderr.contains("kept by another process"),
        "{second:?}"
    );
    following.close(); // What was answered by now is in it.
    let mut restored = 0;
    for number in [0, 2, 4, 5, 7, 9, 10, 12, 15, 19] {
        let Moment { at, orders } = moments[number];
        // On a machine that is busy with all the other tests it may have looked too late, or taken a
        // new copy late: then it says so.
        if restore(to, Some(at)).1.code == Some(0) {
            assert_eq!(orders_at(to, Some(at)), orders, "moment {number}");
            restored += 1;
        } else {
            assert_refused(to, Some(at));
        }
    }
    assert!(restored >= 5, "{restored} of 10");
    assert_eq!(orders_at(to, None), 20);
    assert_refused(to, Some(before_all));
    let file = named(to, "base-").remove(0);
    let wrong = format!("restore {} --to-time {before_all}", file.display());
    let wrong = run(tempfile::tempdir().unwrap().path(), &wrong, "");
    assert!(wrong.stderr.contains("is a file"), "{wrong:?}");
}

#[test]
fn damaged_frames_are_refused_and_what_was_before_them_is_not() {
    let shop = stocked();
    let kept = tempfile::tempdir().unwrap();
    let to = kept.path();
    let following = follower(shop.dir(), to);
    wait_for_bases(to, 1, &following);
    let mut moments = Vec::new();
    orders(&shop, 8, &mut moments);
    following.close();
    let frames = named(to, "frames-").pop().unwrap();
    let sound = fs::read(&frames).unwrap();
    let frame_at = |bytes: &[u8], number: usize| {
        let begins = bytes.windows(5).enumerate();
        let mut begins = begins.filter(|(_, window)| window == b"emlog");
        begins.nth(number).unwrap().0
    };
    let count = sound.windows(5).filter(|window| window == b"emlog").count();
    let mut harmed = sound.clone();
    harmed[frame_at(&sound, count - 6) + 100] ^= 1;
    fs::write(&frames, &harmed).unwrap();
    assert_refused(to, None);
    assert_refused(to, Some(moments[7].at));
    assert_eq!(orders_at(to, Some(moments[2].at)), 3);
    // What was being written when the follower was killed is nobody's loss.
    let last = frame_at(&sound, count - 1);
    fs::write(&frames, &sound[..last + 70]).unwrap();
    assert_eq!(orders_at(to, None), 7);
    // Frames that are missing are not passed over.
    let (from, until) = (frame_at(&sound, count - 6), frame_at(&sound, count - 5));
    let without = [&sound[..from], &sound[until..]].concat();
    fs::write(&frames, without).unwrap();
    assert_refused(to, None);
    assert_refused(to, Some(moments[6].at));
    assert_eq!(orders_at(to, Some(moments[2].at)), 3);
}

#[test]
fn old_copies_and_frames_are_forgotten_together() {
    let shop = stocked();
    let kept = tempfile::tempdir().unwrap();
    let to = kept.path();
    let mut command = binary("backup --every 1s --keep 2 --follow");
    command.arg(to).arg("--data-dir").arg(shop.dir());
    let following = Process::start(command, "");
    wait_for_bases(to, 1, &following);
    let first = (named(to, "base-"), named(to, "frames-"));
    let mut moments = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let is_left = |first: &[PathBuf]| first.iter().any(|path| path.exists());
    while is_left(&first.0) || is_left(&first.1) {
        assert!(Instant::now() < deadline, "{}", following.stderr());
        orders(&shop, 1, &mut moments);
    }
    following.close();
    assert!(named(to, "base-").len() <= 2);
    assert!(named(to, "frames-").len() <= 4);
    let last = moments.last().unwrap();
    assert_eq!(orders_at(to, Some(last.at)), last.orders);
    assert_refused(to, Some(moments[0].at));
}

#[test]
fn a_moment_that_nobody_followed_is_refused() {
    let (shop, to) = (stocked(), tempfile::tempdir().unwrap());
    let mut moments = Vec::new();
    let following = follower(shop.dir(), to.path());
    wait_for_bases(to.path(), 1, &following);
    orders(&shop, 2, &mut moments);
    wait_until_current(to.path(), Timestamp::now());
    following.close();
    let refused = |at: Timestamp| {
        let (_, ended) = restore(to.path(), Some(at));
        assert_eq!(ended.code, Some(1), "{at}: {ended:?}");
        assert!(
            ended.stderr.contains("--to-time takes a moment"),
            "{ended:?}"
        );
    };
    refused("2030-01-01T00:00:00Z".parse().unwrap());
    let (_, ended) = restore(to.path(), Some(moments[1].at));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // An order that nobody took.
    orders(&shop, 1, &mut moments);
    refused(moments[2].at);
}

#[test]
fn a_shop_without_a_log_is_not_said_to_be_followed() {
    let (mut shop, to) = (stocked(), tempfile::tempdir().unwrap());
    shop.close();
    shop.reopen_with("--rate-limits off --durability store");
    let following = follower(shop.dir(), to.path());
    wait_for_bases(to.path(), 1, &following);
    orders(&shop, 1, &mut Vec::new());
    let said = following.close();
    assert!(said.contains("--durability store"), "{said}");
    let (_, ended) = restore(to.path(), Some(Timestamp::now()));
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

fn wait_until_current(to: &Path, at: Timestamp) {
    let deadline = Instant::now() + PATIENCE;
    let current = || {
        let noted = fs::read_to_string(to.join("current.until")).ok()?;
        noted.parse::<i64>().ok()
    };
    while current().is_none_or(|current| current < at.as_microsecond()) {
        assert!(Instant::now() < deadline, "it is not current");
        thread::yield_now();
    }
}
