//! `SQLite` with a write-ahead log and synchronous=FULL: the same rows in the same groups.

use std::path::Path;

use rusqlite::{CachedStatement, Connection, params};

use super::engine::{CACHE_BYTES, Engine, Write};
use super::rows::{CART_BYTES, Counter, ORDER_BYTES, ORDERS_OF_A_CUSTOMER, PRODUCT_BYTES, filler};

const SCHEMA: &str = "
    CREATE TABLE products (id INTEGER PRIMARY KEY, row BLOB NOT NULL);
    CREATE TABLE stock (id INTEGER PRIMARY KEY, pieces INTEGER NOT NULL);
    CREATE TABLE carts (user INTEGER PRIMARY KEY, row BLOB NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, row BLOB NOT NULL);
    CREATE TABLE orders_by (user INTEGER, id INTEGER, PRIMARY KEY (user, id)) WITHOUT ROWID;
    CREATE TABLE counters (kind INTEGER, of INTEGER, n INTEGER NOT NULL, PRIMARY KEY (kind, of)) WITHOUT ROWID;
";

const PIECES: i64 = 1_500_000_000;

pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub fn open(file: &Path) -> Self {
        let connection = Connection::open(file).expect("opened");
        let kib = CACHE_BYTES >> 10;
        let settings = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -{kib};"
        );
        connection.execute_batch(&settings).expect("set");
        Self { connection }
    }

    /// Products, and as many orders.
    pub fn fill(file: &Path, size: u64) {
        let mut new = Self::open(file);
        new.connection.execute_batch(SCHEMA).expect("tables");
        for from in (0..size).step_by(10_000) {
            new.in_one(|it| {
                let mut products = it.prepared("INSERT INTO products VALUES (?, ?)");
                let mut stock = it.prepared("INSERT INTO stock VALUES (?, ?)");
                for n in from + 1..=size.min(from + 10_000) {
                    let row = filler(PRODUCT_BYTES, n);
                    products.execute(params![id(n), row]).expect("written");
                    stock.execute(params![id(n), PIECES]).expect("written");
                    it.order(i64::MAX - id(n / ORDERS_OF_A_CUSTOMER));
                }
            });
        }
        let closed = new.connection.close();
        closed.expect("closed, and its log in the file");
    }

    fn prepared(&self, sql: &str) -> CachedStatement<'_> {
        self.connection.prepare_cached(sql).expect("sound SQL")
    }

    fn in_one(&mut self, work: impl FnOnce(&Self)) {
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .expect("begun");
        work(self);
        self.connection.execute_batch("COMMIT").expect("committed");
    }

    fn next(&self, kind: u8, of: i64) -> i64 {
        let sql =
            "INSERT INTO counters VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n";
        let next = self
            .prepared(sql)
            .query_row(params![kind, of], |row| row.get(0));
        next.expect("counted")
    }

    fn count(&self, counter: Counter) -> i64 {
        self.next(counter.place().0, 0)
    }

    fn order(&self, user: i64) {
        let order = self.count(Counter::LastOrder);
        self.count(Counter::LastOrderLine);
        self.count(Counter::Orders);
        self.next(Counter::OrdersBy(0).place().0, user);
        let mut orders_by = self.prepared("INSERT INTO orders_by VALUES (?, ?)");
        orders_by.execute(params![user, order]).expect("written");
        let row = filler(ORDER_BYTES, order.unsigned_abs());
        let mut orders = self.prepared("INSERT INTO orders VALUES (?, ?)");
        orders.execute(params![order, row]).expect("written");
    }
}

fn id(n: u64) -> i64 {
    i64::try_from(n).expect("ids are small")
}

impl Engine for Sqlite {
    fn commit(&mut self, batch: &[Write]) {
        self.in_one(|it| {
            for write in batch {
                match *write {
                    Write::AddToCart { user } => {
                        let line = it.count(Counter::LastCartLine);
                        let row = filler(CART_BYTES, line.unsigned_abs());
                        let mut carts = it.prepared("INSERT OR REPLACE INTO carts VALUES (?, ?)");
                        carts.execute(params![id(user), row]).expect("written");
                    }
                    Write::PlaceOrder { user, product } => {
                        let sql =
                            "UPDATE stock SET pieces = pieces - 1 WHERE id = ? AND pieces > 0";
                        let sold = it.prepared(sql).execute(params![id(product)]);
                        assert_eq!(sold.expect("written"), 1, "there is enough of it");
                        let mut carts = it.prepared("DELETE FROM carts WHERE user = ?");
                        carts.execute(params![id(user)]).expect("written");
                        it.order(id(user));
                    }
                }
            }
        });
    }
}
