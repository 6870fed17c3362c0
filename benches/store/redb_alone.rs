//! redb alone: the same tables and the same rows as in our store, without rules, records or reads
//! that only rules need.

use std::path::Path;

use redb::{
    Builder, Database, Durability, ReadableTable as _, Table, TableDefinition, WriteTransaction,
};

use super::engine::{CACHE_BYTES, Engine, Write};
use super::rows::{
    CART_BYTES, Counter, ORDER_BYTES, ORDERS_OF_A_CUSTOMER, PRODUCT_BYTES, filler, number, pair,
    read_number,
};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

const PRODUCTS: Definition = TableDefinition::new("products");
const STOCK: Definition = TableDefinition::new("stock");
const CARTS: Definition = TableDefinition::new("carts");
const ORDERS: Definition = TableDefinition::new("orders");
const ORDERS_BY: Definition = TableDefinition::new("orders_by");
const COUNTERS: Definition = TableDefinition::new("counters");

const PIECES: u64 = 1_500_000_000;

pub struct Redb {
    database: Database,
    durability: Durability,
}

impl Redb {
    pub fn open(file: &Path, durability: Durability) -> Self {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create(file);
        Self {
            database: database.expect("opened"),
            durability,
        }
    }

    /// Products, and as many orders.
    pub fn fill(file: &Path, size: u64) {
        let database = Builder::new().set_cache_size(8 * CACHE_BYTES).create(file);
        let database = database.expect("a new file");
        for from in (0..size).step_by(10_000) {
            let txn = database.begin_write().expect("begun");
            {
                let mut tables = Tables::open(&txn);
                for n in from + 1..=size.min(from + 10_000) {
                    let key = n.to_be_bytes();
                    put(&mut tables.products, &key, &filler(PRODUCT_BYTES, n));
                    put(&mut tables.stock, &key, &number(PIECES));
                    tables.order(u64::MAX - n / ORDERS_OF_A_CUSTOMER);
                }
            }
            txn.commit().expect("committed");
        }
    }
}

impl Engine for Redb {
    fn commit(&mut self, batch: &[Write]) {
        let mut txn = self.database.begin_write().expect("begun");
        txn.set_durability(self.durability).expect("no savepoints");
        {
            let mut tables = Tables::open(&txn);
            for write in batch {
                match *write {
                    Write::AddToCart { user } => {
                        let line = tables.next(Counter::LastCartLine);
                        let cart = filler(CART_BYTES, line);
                        put(&mut tables.carts, &user.to_be_bytes(), &cart);
                    }
                    Write::PlaceOrder { user, product } => {
                        let key = product.to_be_bytes();
                        let stock = tables.stock.get(key.as_slice()).expect("read");
                        let left = read_number(stock.expect("a row").value()) - 1;
                        put(&mut tables.stock, &key, &number(left));
                        let cart = tables.carts.remove(user.to_be_bytes().as_slice());
                        drop(cart.expect("removed"));
                        tables.order(user);
                    }
                }
            }
        }
        txn.commit().expect("committed");
    }
}

struct Tables<'t> {
    products: Bytes<'t>,
    stock: Bytes<'t>,
    carts: Bytes<'t>,
    orders: Bytes<'t>,
    orders_by: Bytes<'t>,
    counters: Bytes<'t>,
}

type Bytes<'t> = Table<'t, &'static [u8], &'static [u8]>;

impl<'t> Tables<'t> {
    fn open(txn: &'t WriteTransaction) -> Self {
        let table = |definition| txn.open_table(definition).expect("opened");
        Self {
            products: table(PRODUCTS),
            stock: table(STOCK),
            carts: table(CARTS),
            orders: table(ORDERS),
            orders_by: table(ORDERS_BY),
            counters: table(COUNTERS),
        }
    }

    fn next(&mut self, counter: Counter) -> u64 {
        let before = self.counters.get(counter.key().as_slice()).expect("read");
        let next = before.map_or(0, |row| read_number(row.value())) + 1;
        put(&mut self.counters, &counter.key(), &number(next));
        next
    }

    fn order(&mut self, user: u64) {
        let order = self.next(Counter::LastOrder);
        for counter in [
            Counter::LastOrderLine,
            Counter::Orders,
            Counter::OrdersBy(user),
        ] {
            self.next(counter);
        }
        put(&mut self.orders_by, &pair(user, order), &[0; 6]);
        put(
            &mut self.orders,
            &order.to_be_bytes(),
            &filler(ORDER_BYTES, order),
        );
    }
}

fn put(table: &mut Bytes<'_>, key: &[u8], row: &[u8]) {
    table.insert(key, row).expect("written");
}
