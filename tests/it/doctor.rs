//! `doctor`: what is wrong with a shop is found and named, and nothing of it is changed.

use std::fs;
use std::path::Path;

use redb::{Database, ReadableTable as _, TableDefinition};

use crate::command::{Ended, must_run, run};
use crate::shop::Shop;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Changes a table of a closed store behind the shop's back.
fn tamper(store: &Path, table: &str, change: impl FnOnce(&mut Rows)) {
    let file = Database::open(store).unwrap();
    let txn = file.begin_write().unwrap();
    {
        let definition = TableDefinition::<&[u8], &[u8]>::new(table);
        let mut rows: Rows = Vec::new();
        let mut open = txn.open_table(definition).unwrap();
        for entry in open.iter().unwrap() {
            let (key, value) = entry.unwrap();
            rows.push((key.value().to_vec(), value.value().to_vec()));
        }
        for (key, _) in &rows {
            open.remove(key.as_slice()).unwrap();
        }
        change(&mut rows);
        for (key, value) in &rows {
            open.insert(key.as_slice(), value.as_slice()).unwrap();
        }
    }
    txn.commit().unwrap();
    file.close().unwrap();
}

/// What the doctor says of a shop that was tampered with, the file left as it is.
fn diagnosis(table: &str, change: impl FnOnce(&mut Rows)) -> Ended {
    let mut shop = Shop::stocked();
    shop.day(
        r#"
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ...
        ann POST /orders/create/ => 201 ...
        ann POST /products/cr-comment/$phone/ {"text": "Fine"} => 201 ...
    "#,
    );
    shop.close();
    let store = shop.dir().join("shop.redb");
    tamper(&store, table, change);
    let before = fs::read(&store).unwrap();
    let ended = run(shop.dir(), "doctor", "");
    assert!(
        fs::read(&store).unwrap() == before,
        "doctor changed the store"
    );
    ended
}

#[test]
fn a_sound_shop_is_called_so() {
    let ended = diagnosis("stock", |_| ());
    assert!(
        ended.code == Some(0) && ended.stdout.contains("are sound"),
        "{ended:?}"
    );
}

#[test]
fn a_killed_shop_without_its_log_is_refused_and_with_it_is_sound() {
    let mut shop = Shop::stocked();
    shop.close();
    shop.reopen_with("--rate-limits off --durability log");
    shop.wait_for_its_index();
    shop.day("ann POST /cart/cart-add/ {\"product_id\": \"$phone\", \"quantity\": 2} => 200 ...");
    drop(shop.take_process()); // Kills it.
    let said = must_run(shop.dir(), "doctor", "");
    assert!(said.contains("are sound"), "{said}");
    let log = shop.dir().join("shop.redb.log-a");
    let aside = shop.dir().join("aside");
    fs::rename(&log, &aside).unwrap();
    for words in ["doctor", "export", "serve --listen 127.0.0.1:0"] {
        let refused = run(shop.dir(), words, "");
        assert_eq!(refused.code, Some(65), "{refused:?}");
        assert!(
            refused.stderr.contains("its log is not there"),
            "{refused:?}"
        );
    }
    fs::rename(&aside, &log).unwrap();
    shop.reopen();
    shop.day("ann POST /orders/create/ => 201 ...");
    shop.close();
}

#[test]
fn what_is_not_there_is_not_called_sound() {
    let mut shop = Shop::stocked();
    shop.wait_for_its_index();
    shop.close();
    let index = shop.dir().join("index");
    let said = must_run(shop.dir(), "doctor", "");
    assert!(
        said.contains("are sound") && !said.contains("token.key"),
        "{said}"
    );
    fs::remove_dir_all(&index).unwrap();
    fs::remove_file(shop.dir().join("token.key")).unwrap();
    let said = must_run(shop.dir(), "doctor", "");
    for words in [
        "are sound",
        "There is no search index",
        "There is no token.key",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("so does the search index"), "{said}");
}

#[test]
fn whatever_does_not_agree_is_named() {
    let drop_last = |rows: &mut Rows| drop(rows.pop());
    for (table, named) in [
        ("stock", "store: stock: there is no row for product 2"),
        (
            "products_in",
            "store: products_in: there is no row for product 2",
        ),
        (
            "usernames",
            "store: usernames: there is no row for the name of account",
        ),
        ("orders_by", "store: orders_by: there is no row for order 1"),
        (
            "comments_on",
            "store: comments_on: there is no row for comment 1",
        ),
        ("accounts", "store: accounts: there is no row for order 1"),
        ("sessions", "store: sessions_by_expiry: "),
        ("outbox", "store: counters: counter"),
        (
            "category_names",
            "store: category_names: there is no row for the name of category 1",
        ),
    ] {
        let ended = diagnosis(table, drop_last);
        assert_eq!(ended.code, Some(65), "{table}: {ended:?}");
        assert!(ended.stdout.contains(named), "{table}: {}", ended.stdout);
        assert!(
            ended.stdout.contains("Put back a backup"),
            "{table}: {}",
            ended.stdout
        );
    }
}

#[test]
fn a_record_that_is_damaged_or_in_another_ones_place_is_named() {
    let flipped = diagnosis("orders", |rows| rows[0].1[10] ^= 4);
    assert_eq!(flipped.code, Some(65), "{flipped:?}");
    assert!(
        flipped.stdout.contains("its checksum does not match"),
        "{}",
        flipped.stdout
    );
    let swapped = diagnosis("products", |rows| {
        let first = rows[0].1.clone();
        rows[0].1 = std::mem::replace(&mut rows[1].1, first);
    });
    assert_eq!(swapped.code, Some(65), "{swapped:?}");
    assert_eq!(
        swapped
            .stdout
            .matches("its checksum does not match")
            .count(),
        2,
        "{}",
        swapped.stdout
    );
}
