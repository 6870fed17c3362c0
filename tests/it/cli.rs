//! Days at the command line: admins, imports and exports, who holds the folder, and how the shop closes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::command::{PATIENCE, Process, binary, must_run, run};
use crate::shop::{BOSS_PASSWORD, Shop};

const GOOD_ROWS: &str = r#"{"title": "Pixel 9", "category": "Phones", "description": "Made by Google", "price": "799.00", "quantity": 4, "brand": "Google"}
{"title": "USB-C cable", "category": "Cables", "description": "", "price": 9.9}

{"title": "Nexus 5", "category": "phones", "description": "Old", "price": "49.00", "quantity": 1}
"#;

const MIXED_ROWS: &str = r#"{"title": "Good", "category": "Phones", "description": "", "price": "1.00"}
{"title": "", "category": "Phones", "description": "", "price": "1.00"}
{"title": "No price", "category": "Phones", "description": ""}
not json
{"title": "Also good", "category": "Phones", "description": "", "price": "2.00"}
{"title": "Free", "category": "Phones", "description": "", "price": "0.00", "quantity": -1}
"#;

fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Everything on the shelf: `title, category, price, quantity`.
fn shelf(shop: &Shop) -> Vec<String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let columns = ["title", "category", "price", "quantity"];
    let row = |product: Value| columns.map(|column| text(&product[column])).join(", ");
    shop.list("nobody", "/products/products/")
        .into_iter()
        .map(row)
        .collect()
}

#[test]
fn help_names_every_command_and_nonsense_is_refused() {
    let asked = |words| Process::start(binary(words), "").wait();
    let help = asked("--help");
    assert_eq!(help.code, Some(0));
    for word in ["serve", "admin", "import", "export"] {
        assert!(help.stdout.contains(word), "no {word} in {}", help.stdout);
    }
    assert_eq!(asked("--version").code, Some(0));
    assert_eq!(asked("juggle").code, Some(2));
    assert_eq!(asked("serve --juggle").code, Some(2));
}

#[test]
fn admins_are_made_promoted_and_given_passwords() {
    let mut shop = Shop::open();
    shop.day(
        r#"
        ann POST /products/create-category/ {"name": "Phones"} => 403 code permission_denied
        boss GET /auth/profile/ => 200 {"user_role": "admin", "username": "boss", "...": 0}
    "#,
    );
    shop.close();
    let dir = shop.dir();
    must_run(dir, "admin promote --username ann", "");
    must_run(
        dir,
        "admin passwd --username boss --password-stdin",
        "the boss drinks coffee\n",
    );
    let create = "admin create --email x@shop.test --password-stdin --username";
    for (words, password) in [
        (format!("{create} ANN"), "kettle and tea"),
        (format!("{create} eve"), "1234567"),
        (format!("{create} e!v@e#"), "kettle and tea"),
        ("admin promote --username stranger".into(), ""),
        (
            "admin passwd --username stranger --password-stdin".into(),
            "kettle and tea",
        ),
        (
            "admin passwd --username boss --password-stdin".into(),
            "password",
        ),
    ] {
        let refused = run(dir, &words, password);
        assert!(
            refused.code.is_some_and(|code| code != 0),
            "{words}: {refused:?}"
        );
        let told = !refused.stderr.is_empty() && !refused.stderr.contains("panicked");
        assert!(told, "{words}: {refused:?}");
    }
    shop.reopen();
    shop.day(r#"
        ann POST /products/create-category/ {"name": "Phones"} => 201 ...
        nobody POST /auth/login/ {"username": "boss", "password": "the boss drinks tea"} => 400 on non_field_errors
        again {"username": "boss", "password": "the boss drinks coffee"} => 200 ...
        nobody POST /auth/refresh/ {"refresh": "$boss_refresh"} => 401 code token_not_valid
        ann GET /auth/users/ => 200 [{"username": "boss", "...": 0}, {"username": "ann", "...": 0}]
    "#);
}

#[test]
fn a_file_of_products_is_imported_plain_or_gzipped() {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(GOOD_ROWS.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    for (name, content) in [("rows.jsonl", GOOD_ROWS.as_bytes()), ("rows.jsonl.gz", &gz)] {
        let shop = Shop::open_after(|dir| {
            let rows = file(dir, name, content);
            let summary = must_run(dir, &format!("import {rows} --quantity 7"), "");
            assert!(summary.contains('3'), "{summary}");
        });
        let wanted = [
            "Pixel 9, Phones, 799.00, 4",
            "USB-C cable, Cables, 9.90, 7",
            "Nexus 5, Phones, 49.00, 1",
        ];
        assert_eq!(shelf(&shop), wanted, "{name}");
        assert_eq!(shop.list("nobody", "/products/search/?q=google").len(), 1);
    }
}

#[test]
fn bad_rows_are_named_and_the_good_ones_kept() {
    let shop = Shop::open_after(|dir| {
        let import = run(
            dir,
            &format!("import {}", file(dir, "rows.jsonl", MIXED_ROWS)),
            "",
        );
        assert_eq!(import.code, Some(1), "{import:?}");
        let number = |line| Some(str::split_once(line, "line ")?.1.split_once(": ")?.0);
        let named: Vec<&str> = import.stderr.lines().filter_map(number).collect();
        assert_eq!(named, ["2", "3", "4", "6"], "{import:?}");
    });
    assert_eq!(
        shelf(&shop),
        ["Good, Phones, 1.00, 0", "Also good, Phones, 2.00, 0"]
    );
}

#[test]
fn all_or_nothing_and_a_dry_run_leave_the_shelf_alone() {
    let shop = Shop::open_after(|dir| {
        let mixed = file(dir, "mixed.jsonl", MIXED_ROWS);
        let good = file(dir, "good.jsonl", GOOD_ROWS);
        let code = |words: String| run(dir, &words, "").code;
        assert_eq!(code(format!("import {mixed} --all-or-nothing")), Some(1));
        assert_eq!(code(format!("import {mixed} --dry-run")), Some(1));
        assert_eq!(code(format!("import {good} --dry-run")), Some(0));
        let missing = run(dir, "import /nowhere/rows.jsonl", "");
        assert_ne!(missing.code, Some(0));
        assert!(
            missing.stderr.contains("/nowhere/rows.jsonl"),
            "{missing:?}"
        );
    });
    assert!(shelf(&shop).is_empty());
    assert!(shop.list("nobody", "/products/categories/").is_empty());
}

#[test]
fn an_upsert_changes_what_is_there_and_adds_the_rest() {
    let shop = Shop::open_after(|dir| {
        let rows = file(dir, "rows.jsonl", GOOD_ROWS);
        must_run(dir, &format!("import {rows}"), "");
        let later = GOOD_ROWS
            .replace("799.00", "899.00")
            .replace("Nexus 5", "Nexus 6");
        let later = file(dir, "later.jsonl", later);
        must_run(dir, &format!("import {later} --upsert --quantity 9"), "");
    });
    let seen = shelf(&shop);
    assert_eq!(seen[0], "Pixel 9, Phones, 899.00, 4");
    assert_eq!(seen[1], "USB-C cable, Cables, 9.90, 9");
    assert_eq!(
        &seen[2..],
        ["Nexus 5, Phones, 49.00, 1", "Nexus 6, Phones, 49.00, 1"]
    );
}

#[test]
fn an_export_is_an_import() {
    let other = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (other, files, dir) = (other.path(), dir.path(), &dir.path().join("shop"));
    let rows = file(files, "rows.jsonl", GOOD_ROWS);
    must_run(dir, &format!("import {rows}"), "");
    let exported = must_run(dir, "export", "");
    assert_eq!(exported.lines().count(), 3);
    let first: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    let wanted = r#"{"title":"Pixel 9","category":"Phones","description":"Made by Google","price":"799.00","quantity":4}"#;
    assert_eq!(first.to_string(), wanted);
    let copy = dir.join("copy.jsonl");
    must_run(dir, &format!("export {}", copy.display()), "");
    assert_eq!(fs::read_to_string(&copy).unwrap(), exported);
    let again = run(dir, &format!("export {}", copy.display()), "");
    assert!(
        again.code == Some(1) && again.stderr.contains("is there already"),
        "{again:?}"
    );
    must_run(other, &format!("import {}", copy.display()), "");
    assert_eq!(must_run(other, "export", ""), exported);
}

#[test]
fn a_second_process_is_told_who_holds_the_folder() {
    let shop = Shop::open();
    let import = format!("import {}", file(shop.dir(), "rows.jsonl", GOOD_ROWS));
    let serve = "serve --listen 127.0.0.1:0";
    for words in [serve, &import, "export", "admin promote --username boss"] {
        let second = run(shop.dir(), words, "");
        assert_eq!(second.code, Some(65), "{words}: {second:?}");
        assert!(
            second.stderr.contains(&shop.process().id().to_string()),
            "{second:?}"
        );
        assert_eq!(
            second.stderr.trim().lines().count(),
            1,
            "one sentence: {second:?}"
        );
    }
    assert!(shelf(&shop).is_empty());
}

#[test]
fn the_folder_is_for_its_owner_only() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("shop");
    must_run(
        &dir,
        "admin create --username boss --password-stdin --email b@shop.test",
        BOSS_PASSWORD,
    );
    let mut serve = binary("serve --demo --listen 127.0.0.1:0 --data-dir");
    serve.arg(&dir);
    let shop = Process::start(serve, "");
    shop.port();
    shop.close(); // With an index of its products.
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let mut paths = Vec::new();
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            folders.extend(path.is_dir().then(|| path.clone()));
            paths.push(path);
        }
    }
    assert!(paths.len() > 8, "{paths:?}");
    for path in paths {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{path:?}");
    }
}

#[test]
fn a_knob_may_be_a_variable() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = binary("serve");
    serve.env("ELECTRON_MARKET_LISTEN", "127.0.0.1:0");
    serve.env("ELECTRON_MARKET_DATA_DIR", dir.path());
    let shop = Process::start(serve, "");
    assert_ne!(shop.port(), 8000);
    shop.close();
    assert!(
        fs::read_dir(dir.path()).unwrap().next().is_some(),
        "the folder was used"
    );
}

#[test]
fn a_demo_fills_an_empty_shop_once() {
    let dir = tempfile::tempdir().unwrap();
    let open_and_count = || {
        let mut serve = binary("serve --demo --listen 127.0.0.1:0 --data-dir");
        serve.arg(dir.path());
        let shop = Process::start(serve, "");
        shop.port();
        shop.close();
        let exported = must_run(dir.path(), "export", "");
        let row = |line| serde_json::from_str::<Value>(line).unwrap()["category"].to_string();
        let categories: BTreeSet<String> = exported.lines().map(row).collect();
        (exported.lines().count(), categories.len())
    };
    let (products, categories) = open_and_count();
    assert!(
        products >= 150 && categories >= 10,
        "{products} products in {categories} categories"
    );
    assert_eq!(open_and_count(), (products, categories));
}

/// Asks to log in, and stops before the body: the shop is waiting for the rest.
fn half_a_login(shop: &Shop, body: &str) -> TcpStream {
    let mut socket = shop.connect();
    let length = body.len();
    let head = format!(
        "POST /auth/login/ HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket
}

/// Tells the shop to close, and waits until it lets nobody in any more.
fn begin_to_close(shop: &mut Shop) -> Process {
    let deadline = Instant::now() + PATIENCE;
    shop.process().terminate();
    while shop.try_connect().is_ok() {
        assert!(Instant::now() < deadline, "the shop still lets callers in");
        std::thread::yield_now();
    }
    shop.take_process()
}

#[test]
fn what_is_under_way_is_finished_before_the_shop_closes() {
    let mut shop = Shop::open();
    let body = json!({"username": "boss", "password": BOSS_PASSWORD}).to_string();
    let mut socket = half_a_login(&shop, &body);
    let process = begin_to_close(&mut shop);
    socket.write_all(body.as_bytes()).unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 200 ") && reply.contains("access"),
        "{reply}"
    );
    let ended = process.wait();
    assert!(
        ended.code == Some(0) && !ended.stderr.contains("panicked"),
        "{ended:?}"
    );
}

#[test]
fn a_second_sigterm_waits_for_nobody() {
    let mut shop = Shop::open();
    let _waiting = half_a_login(&shop, "{}");
    let process = begin_to_close(&mut shop);
    let told = Instant::now();
    process.terminate();
    let ended = process.wait();
    assert_eq!(ended.code, Some(143), "{ended:?}");
    // What was under way may take 20 s to finish.
    assert!(told.elapsed().as_secs() < 5, "{:?}", told.elapsed());
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}

#[test]
fn a_store_that_is_none_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("shop.redb");
    fs::write(&store, "no store at all").unwrap();
    for words in [
        "serve --listen 127.0.0.1:0",
        "export",
        "admin promote --username ann",
    ] {
        let refused = run(dir.path(), words, "");
        assert_eq!(refused.code, Some(65), "{words}: {refused:?}");
        assert!(
            refused.stderr.contains("could not be opened")
                && refused.stderr.contains("electron-market doctor"),
            "{words}: {refused:?}"
        );
    }
    // The doctor does not send anybody to the doctor.
    let seen = run(dir.path(), "doctor", "");
    assert!(
        seen.code == Some(65)
            && seen.stderr.contains("restore FILE --force")
            && !seen.stderr.contains("market doctor"),
        "{seen:?}"
    );
    assert_eq!(fs::read_to_string(&store).unwrap(), "no store at all");
}

#[test]
fn what_can_not_be_done_makes_no_folder_for_a_shop() {
    let dir = tempfile::tempdir().unwrap();
    let text = file(dir.path(), "text.pem", "no certificate");
    let empty = file(dir.path(), "empty.pem", "");
    let shop = dir.path().join("shop");
    for (words, said) in [
        ("restore /nowhere/a.redb", "/nowhere/a.redb can't be read"),
        ("serve --listen nowhere", "--listen"),
        ("serve --listen 192.0.2.1:8000", "--listen"),
        (
            "serve --tls-cert /nowhere/c --tls-key /nowhere/k",
            "/nowhere/c can't be read",
        ),
        (
            &format!("serve --tls-cert {text} --tls-key {empty}"),
            "holds no certificate",
        ),
    ] {
        let refused = run(&shop, words, "");
        assert_eq!(refused.code, Some(1), "{words}: {refused:?}");
        assert!(refused.stderr.contains(said), "{words}: {refused:?}");
        assert!(!shop.exists(), "{words}");
    }
}

#[test]
fn a_full_disk_takes_no_new_shop_and_says_what_would_help() {
    let mut shop = Shop::stocked();
    shop.close();
    let most = format!("--min-free-mib {}", u32::MAX);
    let other = tempfile::tempdir().unwrap();
    let refused = run(other.path(), &format!("serve --demo {most}"), "");
    assert!(
        refused.code == Some(65) && refused.stderr.contains("MiB free"),
        "{refused:?}"
    );
    assert!(!other.path().join("shop.redb").exists());
    shop.reopen_with(&most);
    let write = shop.say("nobody", "POST /auth/sign-up/", json!({"username": "zoe", "email": "zoe@shop.test", "password": "strong tea", "confirm_pass": "strong tea"}));
    assert_eq!(write.told(503)["code"], "disk_full");
    let ready = shop.say("nobody", "GET /readyz", Value::Null);
    assert_eq!(ready.told(503)["code"], "disk_full");
    let log = shop.take_process().close();
    assert!(
        log.contains("MiB free") && log.contains("--min-free-mib"),
        "{log}"
    );
}

#[test]
fn a_first_start_that_was_cut_short_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("shop.redb.new"), vec![0; 73_728]).unwrap();
    must_run(
        dir.path(),
        "admin create --username boss --password-stdin",
        BOSS_PASSWORD,
    );
    must_run(dir.path(), "export", "");
}

#[test]
fn a_lost_store_is_missed_and_no_new_one_made_in_its_place() {
    let mut shop = Shop::open();
    shop.close();
    fs::remove_file(shop.dir().join("shop.redb")).unwrap();
    for words in ["serve --listen 127.0.0.1:0", "doctor", "export"] {
        let missed = run(shop.dir(), words, "");
        assert_eq!(missed.code, Some(65), "{words}: {missed:?}");
        assert!(missed.stderr.contains("shop.redb"), "{words}: {missed:?}");
    }
    assert!(!shop.dir().join("shop.redb").exists());
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let refused = run(dir.path(), "serve --listen 127.0.0.1:0", "");
    assert_eq!(refused.code, Some(65), "{refused:?}");
    let mode = fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o755);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for filter in ["inof", "warning", "info,bogus"] {
        let refused = run(dir.path(), &format!("export --log {filter}"), "");
        assert_eq!(refused.code, Some(1), "{filter}: {refused:?}");
        assert!(refused.stderr.contains("--log"), "{filter}: {refused:?}");
    }
}
