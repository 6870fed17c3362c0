//! Moving in from the original: a database as Django makes it, taken over with every id.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::command::{Ended, Process, binary, must_run, run};
use crate::forge::{HEADER, hs256, message};
use crate::photos::picture;
use crate::shop::{Ask, BOSS_PASSWORD, Heard, Shop};

/// The original's tables as its migrations make them: what they are called (an app and a
/// model), their columns, keys and indexes. Every `id` is AUTOINCREMENT, a `decimal` is kept as a
/// number where that loses nothing, a `datetime` is text in UTC.
const SCHEMA: &str = r"
    CREATE TABLE django_migrations (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, app varchar(255) NOT NULL,
        name varchar(255) NOT NULL, applied datetime NOT NULL);
    CREATE TABLE auth_group (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(150) NOT NULL UNIQUE);
    CREATE TABLE users_user (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, password varchar(128) NOT NULL,
        last_login datetime NULL, is_superuser bool NOT NULL, username varchar(150) NOT NULL UNIQUE,
        first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL, is_staff bool NOT NULL,
        is_active bool NOT NULL, date_joined datetime NOT NULL, user_role varchar(20) NOT NULL,
        email varchar(254) NULL UNIQUE, phone varchar(20) NULL UNIQUE, photo varchar(100) NULL);
    CREATE TABLE users_user_groups (id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
        user_id bigint NOT NULL REFERENCES users_user (id), group_id integer NOT NULL REFERENCES auth_group (id));
    CREATE TABLE products_category (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, name varchar(30) NOT NULL);
    CREATE TABLE products_product (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, title varchar(255) NOT NULL,
        quantity integer NOT NULL, description text NOT NULL, price decimal NOT NULL, created_at datetime NOT NULL,
        category_id bigint NOT NULL REFERENCES products_category (id));
    CREATE TABLE products_comment (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, text varchar(150) NOT NULL,
        created_at datetime NOT NULL, updated_at datetime NOT NULL,
        product_id bigint NOT NULL REFERENCES products_product (id), user_id bigint NOT NULL REFERENCES users_user (id));
    CREATE TABLE cart_cart (id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
        user_id bigint NOT NULL UNIQUE REFERENCES users_user (id));
    CREATE TABLE cart_cartitem (id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
        quantity integer unsigned NOT NULL CHECK (quantity >= 0),
        cart_id bigint NOT NULL REFERENCES cart_cart (id), product_id bigint NOT NULL REFERENCES products_product (id));
    CREATE INDEX cart_cartitem_cart_id ON cart_cartitem (cart_id);
    CREATE TABLE orders_order (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, status varchar(10) NOT NULL,
        total_price decimal NOT NULL, created_at datetime NOT NULL, user_id bigint NOT NULL REFERENCES users_user (id));
    CREATE TABLE orders_orderitem (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, price decimal NOT NULL,
        quantity integer NOT NULL, order_id bigint NOT NULL REFERENCES orders_order (id),
        product_id bigint NOT NULL REFERENCES products_product (id));
    CREATE INDEX orders_orderitem_order_id ON orders_orderitem (order_id);
    CREATE TABLE token_blacklist_outstandingtoken (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, token text NOT NULL,
        created_at datetime NULL, expires_at datetime NOT NULL, user_id bigint NULL REFERENCES users_user (id),
        jti varchar(255) NOT NULL UNIQUE);
    CREATE TABLE token_blacklist_blacklistedtoken (id integer NOT NULL PRIMARY KEY AUTOINCREMENT,
        blacklisted_at datetime NOT NULL, token_id bigint NOT NULL UNIQUE);
";

/// What is sold, said and ordered there, some of it as only the original lets it be.
const ROWS: &str = r"
    INSERT INTO auth_group VALUES (1, 'Phones');
    INSERT INTO products_category VALUES (1, 'Phones'), (2, 'phones'), (3, 'Cables'),
        (4, 'Everything that has no other shelf'), (5, 'Empty');
    INSERT INTO products_product (id, title, quantity, description, price, created_at, category_id) VALUES
        (1, 'Pixel 9', 10, 'Made by Google', 799, '2026-02-11 09:42:03.051112', 1),
        (2, 'Nexus 5', 0, '', 49.9, '2026-02-11 09:42:04', 2),
        (3, 'Sold too often', -4, '', 5, '2026-02-11 09:42:05', 3),
        (4, 'Free', 1, '', 0, '2026-02-11 09:42:05', 3),
        (5, 'On no shelf', 1, '', 5, '2026-02-11 09:42:05', 4),
        (6, 'Half a cent', 1, '', 0.005, '2026-02-11 09:42:05', 3),
        (7, 'Of no day', 1, '', 5, 'yesterday', 3),
        (9, 'USB-C cable', 3, 'One metre', '9.90', '2026-02-11 09:42:06.5', 3);
    INSERT INTO products_comment (id, text, created_at, updated_at, product_id, user_id) VALUES
        (1, ' Good phone ', '2026-03-01 10:00:00.000001', '2026-03-02 10:00:00', 1, 2),
        (2, 'Of nobody', '2026-03-01 10:00:00', '2026-03-01 10:00:00', 1, 4),
        (3, 'On nothing', '2026-03-01 10:00:00', '2026-03-01 10:00:00', 3, 2),
        (5, printf('%.*c', 151, 'x'), '2026-03-01 10:00:00', '2026-03-01 10:00:00', 1, 2),
        (6, 'Mine too', '2026-03-03 10:00:00', '2026-03-03 10:00:00', 9, 3);
    INSERT INTO cart_cart VALUES (10, 2), (11, 3), (12, 4), (13, 1);
    INSERT INTO cart_cartitem (id, quantity, cart_id, product_id) VALUES
        (20, 2, 10, 1), (21, 1, 10, 3), (22, 1, 12, 1), (23, 7, 13, 9), (24, 1, 10, 9), (25, -1, 10, 2), (26, 1, 99, 1);
    INSERT INTO orders_order (id, status, total_price, created_at, user_id) VALUES
        (1, 'paid', 1598, '2026-04-01 08:00:00.25', 2),
        (2, 'new', 59.9, '2026-04-02 08:00:00', 2),
        (3, 'shipped', 12, '2026-04-03 08:00:00', 3),
        (4, 'new', 1, '2026-04-04 08:00:00', 2),
        (5, 'new', 799, '2026-04-05 08:00:00', 4),
        (6, 'cancelled', 9.9, '2026-04-06 08:00:00', 3),
        (7, 'new', 0, '2026-04-07 08:00:00', 2),
        (8, 'lost', 9.9, '2026-04-08 08:00:00', 2);
    INSERT INTO orders_orderitem (id, price, quantity, order_id, product_id) VALUES
        (1, 799, 2, 1, 1), (2, 5, 2, 2, 3), (3, 12, 1, 3, 77), (4, 49.9, 1, 2, 2), (5, 2, 1, 4, 1), (6, 799, 1, 5, 1),
        (7, 9.9, 1, 6, 9), (8, 9.9, 1, 8, 9), (9, 1, 1, 99, 1);
";

const KEY: &str = "django-insecure-0123456789-0123456789-0123456789-0123456789-01";

/// The original, in a folder of its own.
pub struct Original {
    dir: TempDir,
    connection: Connection,
}

impl Original {
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let connection = Connection::open(dir.path().join("db.sqlite3")).unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        // Rows of before anything was checked.
        connection
            .pragma_update(None, "ignore_check_constraints", true)
            .unwrap();
        connection
            .pragma_update(None, "foreign_keys", false)
            .unwrap();
        Self { dir, connection }
    }

    fn new() -> Self {
        let original = Self::empty();
        let hash = |who: &str| django_hash(&format!("{who} likes strong tea"), who);
        original.user(
            1,
            "boss",
            &django_hash(BOSS_PASSWORD, "salt"),
            "boss@shop.test",
            None,
        );
        original.user(
            2,
            "Ann",
            &hash("ann"),
            "Ann@Shop.test",
            Some("photos/ann.png"),
        );
        original.user(3, "bob", &hash("bob"), "", None);
        original.user(4, "aNN", &hash("another"), "another@shop.test", None);
        original.user(5, "dan", &hash("dan"), "dan@shop.test", None);
        original.user(
            6,
            "plain",
            "plain likes strong tea",
            "plain@shop.test",
            None,
        );
        original.user(7, "a b", &hash("spaced"), "spaced@shop.test", None);
        original.user(
            9,
            "eve",
            &hash("eve"),
            "ann@shop.test",
            Some("../secret.png"),
        );
        original.user(10, "cat", "!9mXw2DzQ", "cat@shop.test", None);
        original.user(40, "gone", &hash("gone"), "gone@shop.test", None);
        original.tell(
            "UPDATE users_user SET is_staff = 1, is_superuser = 1 WHERE id = 1;
            UPDATE users_user SET first_name = 'Анна', date_joined = '2026-01-05 12:00:00.000120' WHERE id = 2;
            UPDATE users_user SET phone = '+998 90 123-45-67' WHERE id = 3;
            UPDATE users_user SET is_active = 0 WHERE id = 5;
            DELETE FROM users_user WHERE id = 40;",
        );
        original.tell(ROWS);
        original
    }

    pub fn user(&self, id: i64, username: &str, password: &str, email: &str, photo: Option<&str>) {
        let sql = "INSERT INTO users_user VALUES (?1, ?2, NULL, 0, ?3, '', '', 0, 1, '2026-01-02 03:04:05', 'ordinary_user', ?4, NULL, ?5)";
        self.connection
            .execute(sql, params![id, password, username, email, photo])
            .unwrap();
    }

    fn tell(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("db.sqlite3")
    }

    /// A folder with Ann's photo, and one beside it.
    fn media(&self) -> PathBuf {
        let media = self.dir.path().join("media");
        fs::create_dir_all(media.join("photos")).unwrap();
        let png = picture(30, 20, ImageFormat::Png);
        fs::write(media.join("photos/ann.png"), &png).unwrap();
        fs::write(self.dir.path().join("secret.png"), &png).unwrap();
        media
    }

    pub fn import(&self, shop: &Path, flags: &str) -> Ended {
        let words = format!("import-django {} {flags}", self.file().display());
        run(shop, &words, "")
    }

    /// The same with the key in its variable.
    fn import_with_key(&self, shop: &Path, key: &str) -> Ended {
        let mut command = binary("import-django");
        command.arg(self.file()).arg("--data-dir").arg(shop);
        command.env("ELECTRON_MARKET_DJANGO_SECRET_KEY", key);
        Process::start(command, "").wait()
    }

    /// Notes a refresh token as simplejwt does, and hands it back.
    fn refresh(&self, id: i64, user: i64, jti: &str) -> String {
        let sql = "INSERT INTO token_blacklist_outstandingtoken VALUES (?1, '', NULL, datetime('now', '+20 hours'), ?2, ?3)";
        self.connection
            .execute(sql, params![id, user, jti])
            .unwrap();
        django_token("refresh", 86_400, user, jti)
    }
}

/// As `make_password` of Django does it, but for the number of iterations, which is 1,200,000 there.
fn django_hash(password: &str, salt: &str) -> String {
    let mut digest = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt.as_bytes(), 1_000, &mut digest);
    format!("pbkdf2_sha256$1000${salt}${}", STANDARD.encode(digest))
}

/// As simplejwt makes it, for whoever has the id.
fn django_token(kind: &str, lifetime_s: u64, user: i64, jti: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        - 60;
    let claims = json!({
        "token_type": kind, "exp": now + lifetime_s, "iat": now, "jti": jti, "user_id": user.to_string(),
    });
    hs256(KEY.as_bytes(), &message(HEADER, &claims.to_string()))
}

fn profile(shop: &Shop, token: &str) -> Heard {
    let ask = Ask::new("GET /auth/profile/");
    shop.ask(ask.header("Authorization", &format!("Bearer {token}")))
}

fn trade(shop: &Shop, refresh: &str) -> Heard {
    shop.say("nobody", "POST /auth/refresh/", json!({"refresh": refresh}))
}

fn login(shop: &Shop, username: &str, password: &str) -> Heard {
    let form = json!({"username": username, "password": password});
    shop.say("nobody", "POST /auth/login/", form)
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// Every row of a closed shop.
fn everything(dir: &Path) -> BTreeMap<String, Rows> {
    let file = redb::ReadOnlyDatabase::open(dir.join("shop.redb")).unwrap();
    let txn = file.begin_read().unwrap();
    let names = txn
        .list_tables()
        .unwrap()
        .map(|table| table.name().to_owned());
    // The tables of the log are in forms of their own.
    let names: Vec<_> = names.filter(|name| !name.starts_with("log")).collect();
    let rows = |name: &String| {
        let table = txn
            .open_table(TableDefinition::<&[u8], &[u8]>::new(name))
            .unwrap();
        let rows = table.iter().unwrap().map(|entry| {
            let (key, value) = entry.unwrap();
            (key.value().to_vec(), value.value().to_vec())
        });
        rows.collect()
    };
    names
        .iter()
        .map(|name| (name.clone(), rows(name)))
        .collect()
}

/// `table id` of each line that names a row, in order.
fn named(ended: &Ended) -> Vec<&str> {
    let lines = ended
        .stderr
        .lines()
        .filter_map(|line| line.split_once(": "));
    lines.map(|(row, _)| row).collect()
}

/// The counts of a table: came, were here, went on, left out.
#[track_caller]
fn counts(ended: &Ended, table: &str) -> Vec<u64> {
    let line = ended
        .stdout
        .lines()
        .find(|line| line.starts_with(&format!("{table} ")));
    let line = line.unwrap_or_else(|| panic!("no {table} in {ended:?}"));
    let numbers = line.split_whitespace().skip(1);
    numbers.map(|number| number.parse().unwrap()).collect()
}

fn doctor_finds_it_sound(dir: &Path) {
    let said = must_run(dir, "doctor", "");
    assert!(said.contains("are sound and agree"), "{said}");
}

#[test]
fn what_can_not_come_is_named_by_table_and_id_and_counted() {
    let original = Original::new();
    let dir = tempfile::tempdir().unwrap();
    let media = original.media();
    let ended = original.import(dir.path(), &format!("--media {}", media.display()));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(
        named(&ended),
        [
            "products_category 4",
            "products_category 2",
            "users_user 4",
            "users_user 6",
            "users_user 7",
            "users_user 9",
            "users_user 9",
            "products_product 3",
            "products_product 4",
            "products_product 5",
            "products_product 6",
            "products_product 7",
            "products_comment 2",
            "products_comment 3",
            "products_comment 5",
            "cart_cart 12",
            "cart_cartitem 22",
            "cart_cartitem 21",
            "cart_cartitem 25",
            "cart_cartitem 26",
            "orders_orderitem 3",
            "orders_order 4",
            "orders_order 5",
            "orders_order 7",
            "orders_order 8",
            "orders_orderitem 9",
        ],
        "{}",
        ended.stderr
    );
    for word in [
        "users_user 4: username: User 2 has the same but for case. It is left out.",
        "users_user 6: password: It is no hash",
        "users_user 9: email: Another user has the same",
        "users_user 9: photo: \"../secret.png\" is outside of",
        "products_product 3: quantity: It must be from 0 to 2147483647.",
        "products_product 6: price: At most two decimals are allowed.",
        "products_comment 5: text: At most 150 characters",
        "orders_order 4: total_price: It is 1.00, and the lines make 2.00.",
    ] {
        assert!(
            ended.stderr.contains(word),
            "no {word:?} in {}",
            ended.stderr
        );
    }
    assert_eq!(counts(&ended, "users_user"), [7, 0, 0, 2]);
    assert_eq!(counts(&ended, "products_product"), [3, 0, 0, 5]);
    assert_eq!(counts(&ended, "orders_order"), [4, 0, 0, 4]);
    assert_eq!(counts(&ended, "orders_orderitem"), [5, 0, 0, 4]);
    assert_eq!(counts(&ended, "cart_cartitem"), [3, 0, 0, 4]);
    doctor_finds_it_sound(dir.path());
}

#[test]
fn a_shop_moves_in_with_every_id() {
    let original = Original::new();
    let dir = tempfile::tempdir().unwrap();
    let media = original.media();
    original.import(dir.path(), &format!("--media {}", media.display()));
    let shop = Shop::open_in(dir);
    shop.day(r#"
        nobody GET /products/products/ => 200 [
            {"id": 1, "title": "Pixel 9", "category": "Phones", "quantity": 10, "description": "Made by Google",
                "price": "799.00", "created_at": "2026-02-11T09:42:03.051112Z"},
            {"id": 2, "title": "Nexus 5", "category": "Phones", "quantity": 0, "description": "", "price": "49.90",
                "created_at": "2026-02-11T09:42:04.000000Z"},
            {"id": 9, "title": "USB-C cable", "category": "Cables", "quantity": 3, "description": "One metre",
                "price": "9.90", "created_at": "2026-02-11T09:42:06.500000Z"}]
        nobody GET /products/categories/ => 200 [{"id": 1, "name": "Phones", "products": 2},
            {"id": 3, "name": "Cables", "products": 1}, {"id": 5, "name": "Empty", "products": 0}]
        nobody GET /products/search/?q=cable => 200 [{"id": 9, "...": 0}]
        nobody GET /products/cr-comment/1/ => 200 [{"id": 1, "user": "Ann", "user_id": 2, "product": 1, "text": "Good phone",
            "created_at": "2026-03-01T10:00:00.000001Z", "updated_at": "2026-03-02T10:00:00.000000Z"}]
        ann GET /auth/profile/ => 200 {"id": 2, "username": "Ann", "first_name": "Анна", "email": "Ann@Shop.test", "phone": null,
            "user_role": "ordinary_user", "photo": "$photo", "date_joined": "2026-01-05T12:00:00.000120Z"}
        ann GET /cart/cart/ => 200 {"id": 2, "items": [{"id": 20, "product": {"id": 1, "...": 0}, "quantity": 2},
            {"id": 24, "product": {"id": 9, "...": 0}, "quantity": 1}], "total_price": "1607.90"}
        ann GET /orders/list/ => 200 [
            {"id": 2, "status": "new", "total_price": "59.90", "created_at": "2026-04-02T08:00:00.000000Z", "items": [
                {"id": 2, "product": 3, "product_title": "Sold too often", "price": "5.00", "quantity": 2},
                {"id": 4, "product": 2, "product_title": "Nexus 5", "price": "49.90", "quantity": 1}]},
            {"id": 1, "status": "paid", "total_price": "1598.00", "created_at": "2026-04-01T08:00:00.250000Z", "items": [
                {"id": 1, "product": 1, "product_title": "Pixel 9", "price": "799.00", "quantity": 2}]}]
        bob GET /orders/detail/3/ => 200 {"id": 3, "status": "shipped", "total_price": "12.00", "created_at": "<time>", "items": [
            {"id": 3, "product": 77, "product_title": "Product 77", "price": "12.00", "quantity": 1}]}
        bob GET /auth/profile/ => 200 {"email": null, "phone": "+998 90 123-45-67", "id": 3, "...": 0}
        boss GET /orders/detail/6/ => 200 {"status": "cancelled", "...": 0}
        eve GET /auth/profile/ => 200 {"id": 9, "email": null, "photo": null, "...": 0}
        boss GET /auth/users/ => 200 [{"id": 1, "user_role": "admin", "...": 0}, {"id": 2, "...": 0}, {"id": 3, "...": 0},
            {"id": 5, "is_active": false, "...": 0}, {"id": 6, "...": 0}, {"id": 9, "...": 0}, {"id": 10, "...": 0}]
        # Life goes on: what was sold is off the shelf, what is cancelled goes back, and no id is given twice.
        ann DELETE /orders/cancel/2/ => 200 ...
        nobody GET /products/detail/2/ => 200 {"quantity": 1, "...": 0}
        ann DELETE /cart/cart-remove/ {"product_id": 9} => 200 ...
        ann POST /orders/create/ => 201 {"id": 9, "total_price": "1598.00", "items": [{"id": 10, "...": 0}], "...": 0}
        ann POST /products/cr-comment/1/ {"text": "Two more"} => 201 {"id": 7, "...": 0}
        zoe GET /auth/profile/ => 200 {"id": 41, "...": 0}
        boss POST /products/create-category/ {"name": "New"} => 201 {"id": 6, "...": 0}
        again {"name": "PHONES"} => 400 on name
    "#);
    let photo = shop.names().text("photo").unwrap();
    let served = shop.say("nobody", &format!("GET {photo}"), Value::Null);
    let served = image::load_from_memory(&served.body).unwrap();
    assert_eq!((served.width(), served.height()), (30, 20));
    for (who, password) in [
        ("dan", "dan likes strong tea"),
        ("plain", "plain likes strong tea"),
        ("cat", "!9mXw2DzQ"),
        ("aNN", "another likes strong tea"),
    ] {
        login(&shop, who, password).told(400);
    }
}

#[test]
fn a_second_run_changes_nothing_and_says_what_went_on() {
    let original = Original::new();
    original.refresh(1, 2, "a");
    let dir = tempfile::tempdir().unwrap();
    let media = original.media();
    let flags = format!("--media {} --django-secret-key {KEY}", media.display());
    original.import(dir.path(), &flags);
    let before = everything(dir.path());
    let keys = |dir: &Path| {
        let names = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_str().unwrap().contains("django-until"))
            .collect::<Vec<_>>()
    };
    let kept = keys(dir.path());
    assert_eq!(kept.len(), 1);
    let again = original.import(dir.path(), &flags);
    assert_eq!(counts(&again, "users_user"), [0, 7, 0, 2]);
    assert_eq!(counts(&again, "products_product"), [0, 3, 0, 5]);
    assert_eq!(counts(&again, "products_category"), [0, 4, 0, 1]);
    assert_eq!(counts(&again, "cart_cart"), [0, 2, 0, 1]);
    assert_eq!(counts(&again, "orders_order"), [0, 4, 0, 4]);
    assert_eq!(everything(dir.path()), before);
    assert_eq!(keys(dir.path()), kept);

    let mut shop = Shop::open_in(dir);
    shop.day(
        r#"
        boss PATCH /products/delete-update/1/ {"price": "700.00", "title": "Pixel 9a"} => 200 ...
        boss DELETE /products/delete-update/9/ => 204
        ann DELETE /cart/cart-clear/ => 204
        bob GET /cart/cart/ => 200 ...
    "#,
    );
    shop.close();
    let before = everything(shop.dir());
    let third = original.import(shop.dir(), &flags);
    assert_eq!(
        counts(&third, "products_product"),
        [0, 1, 1, 6],
        "{third:?}"
    );
    // Who signed in has another hash.
    assert_eq!(counts(&third, "users_user"), [0, 4, 3, 2]);
    assert!(
        third
            .stderr
            .contains("products_product 1: It changed here since"),
        "{third:?}"
    );
    assert!(
        third
            .stderr
            .contains("products_product 9: This id was given here, and what had it is gone.")
    );
    assert!(
        third
            .stderr
            .contains("cart_cart 10: This id was given here")
    );
    assert_eq!(everything(shop.dir()), before);
    doctor_finds_it_sound(shop.dir());
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let original = Original::new();
    original.refresh(1, 2, "a");
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("shop");
    let flags = format!("--django-secret-key {KEY}");
    let dry = original.import(&dir, &format!("--dry-run {flags}"));
    assert!(!dir.exists());
    let real = original.import(&dir, &flags);
    assert_eq!(dry.stderr, real.stderr);
    assert_eq!((dry.code, real.code), (Some(1), Some(1)));
    for table in [
        "users_user",
        "products_category",
        "products_product",
        "cart_cartitem",
        "orders_orderitem",
    ] {
        assert_eq!(counts(&dry, table), counts(&real, table), "{table}");
    }
    assert!(
        dry.stdout.contains("Nothing was written")
            && dry.stdout.contains("1 photos did not come")
                == real.stdout.contains("1 photos did not come"),
        "{dry:?}"
    );
    assert!(
        dry.stdout
            .contains("would be good here, and 1 refresh tokens too"),
        "{dry:?}"
    );
    let before = fs::read(dir.join("shop.redb")).unwrap();
    let after_all = original.import(&dir, &format!("--dry-run {flags}"));
    assert_eq!(counts(&after_all, "users_user"), [0, 7, 0, 2]);
    assert!(
        after_all.stdout.contains("would be good here"),
        "{after_all:?}"
    );
    assert_eq!(fs::read(dir.join("shop.redb")).unwrap(), before);
}

#[test]
fn the_first_login_replaces_the_hash_and_ends_no_session() {
    let original = Original::new();
    let refresh = original.refresh(1, 2, "a");
    let dir = tempfile::tempdir().unwrap();
    original.import_with_key(dir.path(), KEY);
    let holds = |dir: &Path, text: &str| {
        let accounts = everything(dir).remove("accounts").unwrap();
        accounts
            .iter()
            .any(|(_, row)| memchr::memmem::find(row, text.as_bytes()).is_some())
    };
    let (of_ann, of_bob) = ("pbkdf2_sha256$1000$ann$", "pbkdf2_sha256$1000$bob$");
    assert!(holds(dir.path(), of_ann) && !holds(dir.path(), "$argon2id$"));
    let mut shop = Shop::open_in(dir);
    login(&shop, "ann", "ann likes cold soup").told(400);
    // All at once: each is the first one, or finds the hash of the first.
    thread::scope(|scope| {
        let logins = [(); 6].map(|()| scope.spawn(|| login(&shop, "ann", "ann likes strong tea")));
        for login in logins {
            login.join().unwrap().told(200);
        }
    });
    trade(&shop, &refresh).told(200);
    login(&shop, "ann", "ann likes cold soup").told(400);
    shop.close();
    assert!(holds(shop.dir(), "$argon2id$v=19$m=19456") && !holds(shop.dir(), of_ann));
    assert!(holds(shop.dir(), of_bob));
    shop.reopen();
    // Who came with the old hash changes the password as anybody does.
    shop.day(r#"
        ann POST /auth/profile/change-pass/
            {"old_password": "ann likes strong tea", "new_password": "kettle and tea", "confirm_password": "kettle and tea"}
        => 200 ...
        nobody POST /auth/login/ {"username": "ann", "password": "kettle and tea"} => 200 ...
    "#);
    doctor_finds_it_sound({
        shop.close();
        shop.dir()
    });
}

#[test]
fn tokens_of_the_original_are_good_for_as_long_as_they_were() {
    let original = Original::new();
    let refresh = original.refresh(1, 2, "a");
    let signed_out = original.refresh(2, 2, "b");
    let strangers = original.refresh(3, 4, "c");
    let unknown = django_token("refresh", 86_400, 2, "never noted");
    original
        .tell("INSERT INTO token_blacklist_blacklistedtoken VALUES (1, '2026-04-01 08:00:00', 2)");
    original.refresh(4, 3, "d");
    original.tell("UPDATE token_blacklist_outstandingtoken SET expires_at = '2026-04-01 08:00:00' WHERE id = 4");
    let access = django_token("access", 3_600, 2, "e");
    let dir = tempfile::tempdir().unwrap();
    let ended = original.import_with_key(dir.path(), KEY);
    assert!(
        ended.stdout.contains("and 1 refresh tokens too"),
        "{ended:?}"
    );
    assert!(!ended.stdout.contains(KEY) && !ended.stderr.contains(KEY));
    let mut shop = Shop::open_in(dir);
    assert_eq!(profile(&shop, &access).told(200)["username"], "Ann");
    let admin = django_token("access", 3_600, 1, "f");
    assert_eq!(profile(&shop, &admin).told(200)["user_role"], "admin");
    for bad in [
        django_token("access", 3_600, 4, "g"), // Who did not come.
        django_token("access", 3_601, 2, "h"), // None such was made.
        django_token("access", 59, 2, "i"),    // It expired.
        django_token("refresh", 86_400, 2, "a"),
        django_token("operator", 60, 0, "j"),
        hs256(
            b"another key of thirty-two bytes.",
            access.rsplit_once('.').unwrap().0,
        ),
    ] {
        profile(&shop, &bad).told(401);
    }
    for dead in [&signed_out, &strangers, &unknown, &access] {
        assert_eq!(trade(&shop, dead).status, 401);
    }
    let traded = trade(&shop, &refresh).told(200);
    assert_eq!(trade(&shop, &refresh).status, 401);
    // Whoever shows it twice ends what came of it.
    let next = traded["refresh"].as_str().unwrap().to_owned();
    assert_eq!(trade(&shop, &next).status, 401);
    shop.close();
    // And it does not come to life by another run.
    original.import_with_key(shop.dir(), KEY);
    shop.reopen();
    assert_eq!(trade(&shop, &refresh).status, 401);
    // Its time over, the key is forgotten.
    shop.close();
    let files = fs::read_dir(shop.dir())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let kept = files
        .filter(|path| path.to_str().unwrap().contains("django-until"))
        .collect::<Vec<_>>();
    let over = shop
        .dir()
        .join("token.key.django-until-20261001T000000.000000Z");
    fs::rename(&kept[0], &over).unwrap();
    shop.reopen();
    assert_eq!(profile(&shop, &access).status, 401);
    assert!(!over.exists());
}

#[test]
fn a_refresh_token_of_the_original_signs_out_and_stays_so() {
    let original = Original::new();
    let refresh = original.refresh(1, 2, "a");
    let dir = tempfile::tempdir().unwrap();
    original.import_with_key(dir.path(), KEY);
    let mut shop = Shop::open_in(dir);
    let access = django_token("access", 3_600, 2, "e");
    let ask = Ask::new("POST /auth/logout/").header("Authorization", &format!("Bearer {access}"));
    shop.ask(ask.json(&json!({"refresh": refresh}))).told(200);
    assert_eq!(trade(&shop, &refresh).status, 401);
    shop.close();
    let again = original.import_with_key(shop.dir(), KEY);
    assert!(
        again.stdout.contains("and 0 refresh tokens too"),
        "{again:?}"
    );
    shop.reopen();
    assert_eq!(trade(&shop, &refresh).status, 401);
}

#[test]
fn a_token_of_the_original_opens_no_account_of_somebody_else() {
    let original = Original::new();
    let refresh = original.refresh(1, 1, "a");
    let access = django_token("access", 3_600, 1, "b");
    let shop = Shop::open_after(|dir| {
        // Its first account is not the original's.
        let ended = original.import_with_key(dir, KEY);
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.stdout.contains("tokens are not good here"),
            "{ended:?}"
        );
        assert!(
            ended
                .stderr
                .contains("users_user 1: Something else has this id here."),
            "{ended:?}"
        );
        assert_eq!(counts(&ended, "users_user"), [6, 0, 0, 3]);
        doctor_finds_it_sound(dir);
    });
    assert_eq!(profile(&shop, &access).status, 401);
    assert_eq!(trade(&shop, &refresh).status, 401);
    shop.day(
        r#"
        boss GET /auth/profile/ => 200 {"id": 1, "email": "boss@shop.test", "...": 0}
        boss GET /cart/cart/ => 200 {"items": [], "...": 0}
    "#,
    );
}

#[test]
fn without_the_key_no_token_of_the_original_is_good() {
    let original = Original::new();
    let refresh = original.refresh(1, 2, "a");
    let dir = tempfile::tempdir().unwrap();
    let short = original.import_with_key(dir.path(), "too short a key");
    assert_eq!(short.code, Some(1), "{short:?}");
    assert!(short.stderr.contains("from 32 to 1024 bytes"), "{short:?}");
    assert!(!dir.path().join("shop.redb").exists());
    original.import(dir.path(), "");
    let mut shop = Shop::open_in(dir);
    let access = django_token("access", 3_600, 2, "b");
    assert_eq!(profile(&shop, &access).status, 401);
    assert_eq!(trade(&shop, &refresh).status, 401);
    // The key comes later, and Ann ended her sessions before.
    shop.day("ann POST /auth/logout-all/ => 200 ...");
    shop.close();
    original.import_with_key(shop.dir(), KEY);
    shop.reopen();
    profile(&shop, &access).told(200);
    assert_eq!(trade(&shop, &refresh).status, 401);
    // And it ends with all others.
    shop.close();
    must_run(shop.dir(), "key rotate", "");
    shop.reopen();
    profile(&shop, &access).told(200);
    shop.close();
    must_run(shop.dir(), "key rotate --at-once", "");
    shop.reopen();
    assert_eq!(profile(&shop, &access).status, 401);
}

#[test]
fn no_photo_comes_from_outside_of_its_folder() {
    let original = Original::empty();
    let media = original.media();
    let secret = original.dir.path().join("secret.png");
    symlink(&secret, media.join("link.png")).unwrap();
    symlink(original.dir.path(), media.join("up")).unwrap();
    symlink(media.join("photos/ann.png"), media.join("inside.png")).unwrap();
    fs::write(media.join("text.png"), "no picture").unwrap();
    fs::write(media.join("empty.png"), "").unwrap();
    fs::write(media.join("large.png"), vec![0; (5 << 20) + 1]).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(media.join("pipe.png"))
        .status();
    assert!(pipe.unwrap().success());
    let paths = [
        ("../secret.png", "is outside of"),
        (secret.to_str().unwrap(), "is outside of"),
        ("link.png", "is outside of"),
        ("up/secret.png", "is outside of"),
        ("photos/../../secret.png", "is outside of"),
        ("photos", "is no file"),
        ("pipe.png", "is no file"),
        ("gone.png", "can't be read"),
        ("text.png", "is no PNG, JPEG or WebP image"),
        ("empty.png", "is empty"),
        ("large.png", "has more than"),
    ];
    for (id, (path, _)) in (1..).zip(paths) {
        original.user(
            id,
            &format!("user{id}"),
            "!",
            &format!("{id}@shop.test"),
            Some(path),
        );
    }
    original.user(50, "good", "!", "good@shop.test", Some("inside.png"));
    let dir = tempfile::tempdir().unwrap();
    let ended = original.import(dir.path(), &format!("--media {}", media.display()));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for (id, (path, why)) in (1..).zip(paths) {
        let start = format!("users_user {id}: photo: {path:?} {why}");
        assert!(
            ended.stderr.contains(&start),
            "no {start} in {}",
            ended.stderr
        );
    }
    assert_eq!(everything(dir.path())["photos"].len(), 1);
    doctor_finds_it_sound(dir.path());
}

#[test]
fn a_file_that_is_not_the_originals_is_refused_before_a_shop_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("shop");
    let original = Original::new();
    let whole = fs::read(original.file()).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    // An index that lacks the lines of an order.
    let forgetful = folder.path().join("forgetful.sqlite3");
    fs::copy(original.file(), &forgetful).unwrap();
    let connection = Connection::open(&forgetful).unwrap();
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = sql || ' WHERE order_id > 2' WHERE name = 'orders_orderitem_order_id';",
        )
        .unwrap();
    drop(connection);
    let connection = Connection::open(&forgetful).unwrap();
    connection.execute_batch("REINDEX;").unwrap();
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON;
            UPDATE sqlite_master SET sql = replace(sql, ' WHERE order_id > 2', '') WHERE name = 'orders_orderitem_order_id';",
        )
        .unwrap();
    drop(connection);
    let lacks_orders = folder.path().join("lacks.sqlite3");
    fs::copy(original.file(), &lacks_orders).unwrap();
    let connection = Connection::open(&lacks_orders).unwrap();
    connection
        .execute_batch("DROP TABLE orders_orderitem; DROP TABLE orders_order;")
        .unwrap();
    drop(connection);
    // A page of zeros where nobody would look.
    let with_zeros_at = |name: &str| {
        let sql = "SELECT rootpage FROM sqlite_master WHERE name = ?1";
        let page = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
        let page = original.connection.query_row(sql, [name], page).unwrap() as usize;
        let mut bytes = whole.clone();
        bytes[(page - 1) * 4096..page * 4096].fill(0);
        file(name, &bytes)
    };
    for (path, why) in [
        (with_zeros_at("auth_group"), "is damaged or cut short"),
        (forgetful, "is damaged or cut short"),
        (folder.path().join("nowhere"), "can't be opened"),
        (folder.path().to_owned(), "is no file"),
        (file("text", &[b'x'; 5_000]), "is no SQLite database"),
        (file("empty", b""), "no table has the columns of users"),
        (
            file("cut", &whole[..whole.len() / 2]),
            "is damaged or cut short",
        ),
        (
            lacks_orders.clone(),
            "no table has the columns of lines of orders (id, order_id, product_id, price, quantity)",
        ),
        (
            lacks_orders,
            "cart_cart, cart_cartitem, django_migrations, products_category",
        ),
    ] {
        let ended = run(&dir, &format!("import-django {}", path.display()), "");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(why), "no {why} in {ended:?}");
        assert!(ended.stderr.contains(path.to_str().unwrap()), "{ended:?}");
    }
    let no_media = original.import(&dir, "--media /nowhere/media");
    assert!(
        no_media.stderr.contains("/nowhere/media can't be opened"),
        "{no_media:?}"
    );
    assert!(!dir.exists());
}

#[test]
fn what_is_in_a_write_ahead_log_beside_the_file_comes_too() {
    let original = Original::new();
    original
        .connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    original.tell("UPDATE products_product SET title = 'Pixel 9 Pro' WHERE id = 1");
    assert!(
        original
            .dir
            .path()
            .join("db.sqlite3-wal")
            .metadata()
            .unwrap()
            .len()
            > 0
    );
    let file = fs::read(original.file()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ended = original.import(dir.path(), "");
    assert_eq!(counts(&ended, "products_product"), [3, 0, 0, 5]);
    let exported = must_run(dir.path(), "export", "");
    assert!(exported.contains("Pixel 9 Pro"), "{exported}");
    assert_eq!(fs::read(original.file()).unwrap(), file);
}

#[test]
fn a_journal_that_must_be_played_back_first_is_told() {
    let original = Original::new();
    // A writer that ends in the middle of a transaction leaves its journal, as a power cut would.
    original.tell("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; UPDATE products_product SET title = title || 'x';
        CREATE TABLE filler AS WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, hex(randomblob(100)) FROM n;");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("db.sqlite3");
    fs::copy(original.file(), &copy).unwrap();
    let journal = original.dir.path().join("db.sqlite3-journal");
    fs::copy(journal, folder.path().join("db.sqlite3-journal")).unwrap();
    let dir = folder.path().join("shop");
    let words = format!("import-django {}", copy.display());
    let ended = run(&dir, &words, "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("has a journal beside it"),
        "{ended:?}"
    );
    assert!(!dir.exists());
    // As it is told to do.
    let connection = Connection::open(&copy).unwrap();
    connection
        .query_row("SELECT count(*) FROM users_user", [], |row| {
            row.get::<_, i64>(0)
        })
        .unwrap();
    drop(connection);
    assert_eq!(
        counts(&run(&dir, &words, ""), "products_product"),
        [3, 0, 0, 5]
    );
}

/// Customers with a cart and an order each, of whose lines some come turn by turn.
fn many_rows() -> Original {
    let original = Original::empty();
    original.tell("
        WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1203) INSERT INTO users_user SELECT i, '!', NULL, 0,
            'user' || i, '', '', 0, 1, '2026-01-02 03:04:05', '', i || '@shop.test', NULL, NULL FROM n;
        INSERT INTO products_category VALUES (1, 'Phones');
        INSERT INTO products_product VALUES (1, 'Pixel 9', 3, '', 799, '2026-02-11 09:42:03', 1);
        INSERT INTO cart_cart SELECT id, id FROM users_user;
        -- Lines of all carts, turn by turn.
        INSERT INTO cart_cartitem SELECT id, 1, 1204 - id, 1 FROM users_user;
        INSERT INTO orders_order SELECT id, 'paid', 1598, '2026-04-01 08:00:00', id FROM users_user;
        INSERT INTO orders_orderitem SELECT id, 799, 1, id, 1 FROM users_user;
        INSERT INTO orders_orderitem SELECT 1203 + id, 799, 1, 1204 - id, 1 FROM users_user;
    ");
    original
}

#[test]
fn many_rows_come_page_by_page() {
    let original = many_rows();
    let dir = tempfile::tempdir().unwrap();
    let ended = original.import(dir.path(), "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "");
    for (table, came) in [
        ("users_user", 1203),
        ("cart_cartitem", 1203),
        ("orders_order", 1203),
        ("orders_orderitem", 2406),
    ] {
        assert_eq!(counts(&ended, table), [came, 0, 0, 0], "{table}");
    }
    doctor_finds_it_sound(dir.path());
}

#[test]
fn a_run_that_was_cut_off_is_gone_on_with() {
    let original = many_rows();
    let folder = tempfile::tempdir().unwrap();
    for pause_ms in [0, 60, 120, 180, 240, 300] {
        let dir = folder.path().join(pause_ms.to_string());
        let mut command = binary("import-django");
        command.arg(original.file()).arg("--data-dir").arg(&dir);
        let process = Process::start(command, "");
        let store = dir.join("shop.redb");
        while !store.exists() {
            assert!(process.is_running(), "{}", process.stderr());
            thread::yield_now();
        }
        // Cut off somewhere on its way, or just after it: what is asserted holds for both.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(pause_ms) && process.is_running() {
            thread::yield_now();
        }
        drop(process);
        let ended = original.import(&dir, "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for (table, rows) in [
            ("users_user", 1203),
            ("cart_cartitem", 1203),
            ("orders_orderitem", 2406),
        ] {
            let counts = counts(&ended, table);
            assert_eq!(
                (counts[0] + counts[1], counts[2], counts[3]),
                (rows, 0, 0),
                "{table}"
            );
        }
        doctor_finds_it_sound(&dir);
    }
}
