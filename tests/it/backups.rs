//! Backups: of a closed shop and an open one, under orders, put back, and refused when they are none.

#[path = "../../benches/trade.rs"]
mod trade;

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::command::{PATIENCE, Process, binary, must_run, run};
use crate::shop::Shop;
use trade::Trade;

#[test]
fn a_closed_shop_is_backed_up_and_put_back() {
    let mut shop = Shop::stocked();
    shop.day(
        r#"
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ...
        ann POST /orders/create/ => 201 "$order"
    "#,
    );
    shop.close();
    let dir = shop.dir().to_owned();
    let draft = run(&dir, &format!("backup {}/a.redb.part", dir.display()), "");
    assert!(
        draft.code == Some(1) && draft.stderr.contains(".part"),
        "{draft:?}"
    );
    let file = dir.join("my-backup.redb");
    let name = file.display();
    let said = must_run(&dir, &format!("backup {name}"), "");
    assert!(said.contains("all verified"), "{said}");
    let again = run(&dir, &format!("backup {name}"), "");
    assert!(
        again.code == Some(1) && again.stderr.contains("already"),
        "{again:?}"
    );

    shop.reopen();
    shop.day("boss DELETE /products/delete-update/$phone/ => 204");
    shop.close();
    let refused = run(&dir, &format!("restore {name}"), "");
    assert!(
        refused.code == Some(1) && refused.stderr.contains("--force"),
        "{refused:?}"
    );
    let said = must_run(&dir, &format!("restore {name} --force"), "");
    assert!(
        said.contains("before-restore") && said.contains("signs in anew"),
        "{said}"
    );
    shop.reopen();
    shop.names().forget("ann_access");
    shop.day(
        r#"
        ann GET /orders/list/ => 200 ["$order"]
        nobody GET /products/detail/$phone/ => 200 {"quantity": 8, "...": 0}
        nobody GET /products/search/?q=pixel => 200 [{"id": "$phone", "...": 0}]
    "#,
    );
    shop.close();
    // Into a folder of its own; a shop that was never there is opened with it.
    let other = tempfile::tempdir().unwrap();
    must_run(other.path(), &format!("restore {name}"), "");
    let both = [
        must_run(&dir, "export", ""),
        must_run(other.path(), "export", ""),
    ];
    assert_eq!(both[0], both[1]);
}

#[test]
fn what_is_no_sound_backup_is_not_put_back() {
    let mut shop = Shop::stocked();
    shop.close();
    let dir = shop.dir().to_owned();
    let file = dir.join("backup.redb");
    must_run(&dir, &format!("backup {}", file.display()), "");
    let sound = fs::read(&file).unwrap();
    let before = must_run(&dir, "export", "");
    let mut harmed = sound.clone();
    // Every page that is used is verified: harm enough of them.
    harmed
        .iter_mut()
        .skip(4_096)
        .step_by(1_000)
        .for_each(|byte| *byte ^= 1);
    let (half, _) = sound.split_at(sound.len() / 2);
    for (what, bytes) in [
        ("harmed", &harmed[..]),
        ("half", half),
        ("nothing", b""),
        ("a text", b"a backup, believe me"),
    ] {
        let bad = dir.join("bad.redb");
        fs::write(&bad, bytes).unwrap();
        let refused = run(&dir, &format!("restore {} --force", bad.display()), "");
        assert_eq!(refused.code, Some(65), "{what}: {refused:?}");
        assert!(
            refused.stderr.contains("try an older backup") && !refused.stderr.contains("doctor"),
            "{what}: {refused:?}"
        );
        assert_eq!(must_run(&dir, "export", ""), before, "{what}");
    }
    // What a restore that was cut short left, taken for the backup that it is.
    let draft = dir.join("shop.redb.new");
    fs::write(&draft, &sound).unwrap();
    let refused = run(&dir, &format!("restore {} --force", draft.display()), "");
    assert!(refused.stderr.contains("rename it first"), "{refused:?}");
    assert_eq!(fs::read(&draft).unwrap(), sound);
    let nowhere = run(&dir, "restore /nowhere/backup.redb --force", "");
    assert!(
        nowhere.code != Some(0) && nowhere.stderr.contains("/nowhere/backup.redb"),
        "{nowhere:?}"
    );
}

#[test]
fn an_open_shop_is_asked_and_customers_notice_nothing() {
    let shop = Shop::stocked();
    let stock = json!({"quantity": 1_000_000});
    shop.say("boss", "PATCH /products/delete-update/1/", stock)
        .told(200);
    shop.token("ann");
    let over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let mut answered_before = Vec::new();
    let kept = tempfile::tempdir().unwrap();
    let count = backups();
    thread::scope(|scope| {
        let (shop, over, answered) = (&shop, &over, &answered);
        scope.spawn(move || {
            let line = json!({"product_id": 1, "quantity": 1});
            while !over.load(Ordering::SeqCst) {
                shop.say("ann", "POST /cart/cart-add/", line.clone())
                    .told(200);
                shop.say("ann", "POST /orders/create/", Value::Null)
                    .told(201);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        for n in 0..count {
            let file = kept.path().join(format!("{n}.redb"));
            answered_before.push(answered.load(Ordering::SeqCst));
            must_run(shop.dir(), &format!("backup {}", file.display()), "");
        }
        over.store(true, Ordering::SeqCst);
    });
    for (n, before) in answered_before.into_iter().enumerate() {
        let file = kept.path().join(format!("{n}.redb"));
        let dir = tempfile::tempdir().unwrap();
        must_run(dir.path(), &format!("restore {}", file.display()), "");
        let said = must_run(dir.path(), "doctor", "");
        assert!(said.contains("are sound"), "{said}");
        let shop = Shop::open_in(dir);
        let heard = shop.say("ann", "GET /orders/list/?limit=1", Value::Null);
        let orders: usize = heard.header("X-Total-Count").parse().unwrap();
        assert!(orders >= before, "backup {n}: {orders} of {before} orders");
    }
    assert!(shop.list("ann", "/orders/list/").len() > 10);
    let left = fs::read_dir(shop.dir().join("backups")).unwrap().count();
    assert_eq!(left, 0, "the copy was taken away");
}

/// `BACKUPS=200 cargo test --test it open_shop` makes so many.
fn backups() -> usize {
    let asked = std::env::var("BACKUPS").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(10)
}

#[test]
fn writers_go_on_while_a_backup_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let trade = Trade::open(folder.path(), 50, 4);
    let mut is_slow = true;
    let deadline = Instant::now() + PATIENCE;
    let made = trade.store.back_up(&folder.path().join("a.redb"), |_| {
        let until = trade.orders() + if is_slow { 100 } else { 0 };
        is_slow = false;
        while trade.orders() < until {
            assert!(Instant::now() < deadline, "no order while it is written");
            thread::yield_now();
        }
    });
    assert!(made.unwrap().records > 50);
    trade.close();
}

#[test]
fn an_admin_backs_up_over_http_and_nobody_else() {
    let shop = Shop::stocked();
    shop.day(
        r#"
        nobody POST /backups/ {"name": "a.redb"} => 401 code not_authenticated
        ann again => 403 code permission_denied
        boss again => 201 {"name": "a.redb", "bytes": "*", "records": "*"}
        again => 400 on name
        again {"name": "../a.redb"} => 400 on name
        again {"name": "/etc/passwd"} => 400 on name
        again {"name": ".."} => 400 on name
        again {"name": "b.redb.part"} => 400 on name
        again {} => 400 on name
    "#,
    );
    assert!(shop.dir().join("backups/a.redb").is_file());
}

#[test]
fn what_a_backup_that_was_cut_short_left_is_removed_and_no_backup_is() {
    let mut shop = Shop::stocked();
    shop.day(r#"boss POST /backups/ {"name": "a.redb"} => 201 ..."#);
    shop.close();
    let backups = shop.dir().join("backups");
    for left in ["b.redb.part", ".asked-for-0123456789abcdef.redb"] {
        fs::write(backups.join(left), "half of a backup").unwrap();
    }
    shop.reopen();
    let names = fs::read_dir(&backups).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["a.redb"]);
}

#[test]
fn a_backup_leaves_the_shop_the_space_it_keeps_free() {
    let mut shop = Shop::stocked();
    shop.close();
    let most = u32::MAX; // MiB: no disk has as much.
    shop.reopen_with(&format!("--rate-limits off --min-free-mib {most}"));
    let refused = shop.say("boss", "POST /backups/", json!({"name": "a.redb"}));
    assert_eq!(refused.told(503)["code"], "backup_has_no_room");
    let file = shop.dir().join("b.redb");
    let refused = run(shop.dir(), &format!("backup {}", file.display()), "");
    assert!(
        refused.code == Some(1) && refused.stderr.contains("no room"),
        "{refused:?}"
    );
    assert!(!file.exists());
}

#[test]
fn scheduled_backups_go_on_and_the_oldest_are_forgotten() {
    let shop = Shop::stocked();
    let kept = tempfile::tempdir().unwrap();
    let golden = kept.path().join("shop-golden.redb");
    fs::write(&golden, "the owner's own").unwrap();
    let mut command = binary("backup --every 1s --keep 2");
    command.arg(kept.path()).arg("--data-dir").arg(shop.dir());
    let names = || {
        let entries = fs::read_dir(kept.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| !name.contains(".part") && !name.contains("golden"))
            .collect::<BTreeSet<_>>()
    };
    let scheduled = Process::start(command, "");
    let mut seen = BTreeSet::new();
    let deadline = Instant::now() + PATIENCE;
    while seen.len() < 4 {
        assert!(
            Instant::now() < deadline,
            "{seen:?}\n{}",
            scheduled.stderr()
        );
        seen.extend(names());
        thread::yield_now();
    }
    scheduled.close(); // In order, and nothing of one that was under way is left.
    let drafts = fs::read_dir(kept.path()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().contains(".part")
    });
    assert_eq!(drafts.count(), 0);
    assert!(golden.exists(), "what the owner named is the owner's");
    for (wrong, said) in [
        ("backup /tmp/x --every 0s", "a second or more"),
        ("backup /tmp/x --every 1s --keep 0", "--keep"),
    ] {
        let refused = run(shop.dir(), wrong, "");
        assert!(
            refused.code != Some(0) && refused.stderr.contains(said),
            "{refused:?}"
        );
    }
    let left = names();
    assert!((2..=3).contains(&left.len()), "{left:?}");
    let newest: BTreeSet<_> = seen.iter().rev().take(2).cloned().collect();
    assert!(newest.is_subset(&left), "{left:?} of {seen:?}");
}
