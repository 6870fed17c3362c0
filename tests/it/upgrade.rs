//! Stores that earlier versions of the program wrote: opened by this one they are sound and answer
//! the same.
//!
//! `data/old/NAME.redb.gz` is the store, `data/old/NAME.json` what it answers. A version that
//! changes the form of the store adds a pair and keeps the others: `MAKE_OLD=2 cargo test upgrade`
//! writes one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use redb::ReadableTable as _;
use serde_json::{Map, Value};

use crate::command::must_run;
use crate::shop::Shop;

fn old() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/old")
}

/// Everything that can be read, as those who can read it hear it.
fn answers(shop: &Shop) -> Value {
    let calls = [
        ("nobody", "/products/products/"),
        ("nobody", "/products/categories/"),
        ("nobody", "/products/cr-comment/1/"),
        ("nobody", "/products/search/?ordering=price"),
        ("ann", "/auth/profile/"),
        ("ann", "/cart/cart/"),
        ("ann", "/orders/list/"),
        ("boss", "/auth/users/"),
        ("boss", "/orders/list/"),
        ("boss", "/products/comment-list/"),
    ];
    let answer = |(who, path): (&str, &str)| (format!("{who} {path}"), shop.get(who, path));
    calls.into_iter().map(answer).collect::<Map<_, _>>().into()
}

fn unpacked(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(file).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// A shop in which every table has a row.
fn make_old(version: &str) {
    let mut shop = Shop::stocked();
    shop.day(r#"
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ...
        ann POST /orders/create/
            + Idempotency-Key: first
        => 201 ...
        ann POST /cart/cart-add/ {"product_id": "$cable", "quantity": 1} => 200 ...
        ann POST /products/cr-comment/$phone/ {"text": "Fine"} => 201 ...
        bob POST /cart/cart-add/ {"product_id": "$cable", "quantity": 1} => 200 ...
        bob POST /orders/create/ => 201 {"id": "$bobs", "...": 0}
        bob DELETE /orders/cancel/$bobs/ => 200 ...
        boss PATCH /orders/status/1/ => 200 ...
        nobody POST /auth/refresh/ {"refresh": "$bob_refresh"} => 200 {"refresh": "$next", "access": "*"}
        nobody POST /auth/refresh/ {"refresh": "$bob_refresh"} => 401 ...
    "#);
    let picture = crate::photos::picture(8, 8, image::ImageFormat::Png);
    crate::photos::send(
        &shop,
        "ann",
        crate::photos::multipart("photo", "me.png", &picture),
    )
    .told(200);
    let answers = serde_json::to_string_pretty(&answers(&shop)).unwrap();
    shop.close();
    fs::create_dir_all(old()).unwrap();
    let store = fs::read(shop.dir().join("shop.redb")).unwrap();
    let file = fs::File::create(old().join(format!("{version}.redb.gz"))).unwrap();
    let mut packed = GzEncoder::new(file, Compression::best());
    packed.write_all(&store).unwrap();
    packed.finish().unwrap();
    fs::write(old().join(format!("{version}.json")), answers + "\n").unwrap();
}

#[test]
fn stores_of_every_version_so_far_answer_as_they_did() {
    if let Some(version) = std::env::var_os("MAKE_OLD") {
        make_old(version.to_str().unwrap());
    }
    let mut seen = 0;
    for entry in fs::read_dir(old()).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .strip_suffix(".redb.gz")
        else {
            continue;
        };
        let wanted = fs::read_to_string(old().join(format!("{name}.json"))).unwrap();
        let wanted: Value = serde_json::from_str(&wanted).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("shop.redb"), unpacked(&path)).unwrap();
        let said = must_run(dir.path(), "doctor", "");
        assert!(said.contains("are sound"), "{name}: {said}");
        let mut shop = Shop::open_in(dir);
        assert_eq!(answers(&shop), wanted, "{name}");
        // The key of the order is remembered, and life goes on.
        shop.day(
            r#"
            ann POST /orders/create/ => 201 {"items": [{"product": 2, "...": 0}], "...": 0}
            boss PATCH /orders/status/1/ => 200 {"status": "shipped", "...": 0}
        "#,
        );
        shop.close();
        let said = must_run(shop.dir(), "doctor", "");
        assert!(said.contains("are sound"), "{name}: {said}");
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn a_store_of_a_newer_version_is_refused_untouched() {
    // What a later version would write: found out by asking the program itself, of a copy.
    let newest = old().join("1.redb.gz");
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("shop.redb");
    fs::write(&store, unpacked(&newest)).unwrap();
    say_it_is_newer(&store);
    let bytes = fs::read(&store).unwrap();
    for words in [
        "serve --listen 127.0.0.1:0",
        "export",
        "doctor",
        "import /dev/null",
    ] {
        let refused = crate::command::run(dir.path(), words, "");
        assert_eq!(refused.code, Some(65), "{words}: {refused:?}");
        assert!(
            refused.stderr.contains("newer version"),
            "{words}: {refused:?}"
        );
        assert!(
            fs::read(&store).unwrap() == bytes,
            "{words} changed the file"
        );
    }
}

/// Raises the store's form, as a later version would.
fn say_it_is_newer(store: &Path) {
    let file = redb::Database::open(store).unwrap();
    let txn = file.begin_write().unwrap();
    {
        let counters = redb::TableDefinition::<&[u8], &[u8]>::new("counters");
        let mut counters = txn.open_table(counters).unwrap();
        // Counter 19, of table 22 in version 1: the number 2.
        let (key, kind, payload) = ([19, 0, 0, 0, 0, 0, 0, 0, 0], [22, 1], [2]);
        assert!(
            counters.get(key.as_slice()).unwrap().is_some(),
            "the counter is where it was"
        );
        let checksum = crc32fast::hash(&[&kind[..], &key, &payload].concat());
        let record = [&kind[..], &checksum.to_le_bytes(), &payload].concat();
        counters.insert(key.as_slice(), record.as_slice()).unwrap();
    }
    txn.commit().unwrap();
    file.close().unwrap();
}
