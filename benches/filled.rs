//! A shop of any size, filled through the store while it is closed.

use std::path::Path;

use electron_market::auth::password::{Passwords, Policy};
use electron_market::shop::ids::{ProductId, UserId};
use electron_market::shop::products::{CategoryName, Draft, Price};
use electron_market::shop::time::Timestamp;
use electron_market::shop::users::{Newcomer, Role, Username};
use electron_market::store::{Durability, Folder, ImportRow, KeptReply, Once, Store};
use serde_json::Value;

pub const PASSWORD: &str = "Correct horse 7 battery";
const NOW: Timestamp = Timestamp(1_770_000_000_000_000);

/// Who buys in the benchmarks: as many as there are connections at the most.
pub const BUYERS: usize = 64;
pub const READERS: usize = 4;
pub const ORDERS_OF_A_READER: u64 = 20;
/// Orders of one customer, of the many who made a shop's earlier orders.
const ORDERS_OF_A_CUSTOMER: u64 = 100;

/// So many pieces that the number keeps its ten digits, and replies their length, whatever is sold.
pub const PIECES: u32 = 1_500_000_000;

/// Everything that is needed to offer a product.
pub struct Offer {
    pub title: String,
    pub category: String,
    pub description: String,
    pub price: String,
}

/// The project's own catalogue again and again, with a model's number in each title.
pub struct Catalogue(Vec<Offer>);

impl Catalogue {
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/catalogue.jsonl");
        let lines = std::fs::read_to_string(path).expect("the project's catalogue");
        let offers = lines.lines().map(|line| {
            let row: Value = serde_json::from_str(line).expect("JSON");
            let text = |key: &str| row[key].as_str().expect("a text").to_owned();
            Offer {
                title: text("title"),
                category: text("category"),
                description: text("description"),
                price: text("price"),
            }
        });
        Self(offers.collect())
    }

    pub fn at(&self, n: u64) -> Offer {
        let count = self.0.len() as u64;
        let of = &self.0[usize::try_from(n % count).expect("below a usize")];
        Offer {
            title: format!("{} V{}", of.title, n / count % 1_000),
            category: of.category.clone(),
            description: of.description.clone(),
            price: of.price.clone(),
        }
    }
}

/// Fills a new shop in a folder: products, buyers, and orders that were placed before.
pub async fn fill(folder: &Path, products: u64, orders: u64) {
    let held = Folder::hold(folder).expect("a new folder");
    let store = Store::open(&held, 512 << 20, 0, Durability::Log).expect("opened");
    offer(&store, products).await;
    let passwords = Passwords::new(Policy::Standard).expect("hashed");
    let hash = passwords.hash(PASSWORD.to_owned()).await.expect("hashed");
    let customers = orders.div_ceil(ORDERS_OF_A_CUSTOMER);
    let customer = |n: u64| format!("customer{n}");
    let names = usernames(BUYERS).chain((0..customers).map(customer));
    let newcomers: Vec<Newcomer> = names.map(|name| newcomer(&name, &hash)).collect();
    for some in newcomers.chunks(5_000) {
        let filled = store.fill(some.to_vec(), Vec::new(), NOW).await;
        filled.expect("written").expect("new names");
    }
    // Accounts are numbered from 1 in the order in which they came.
    let readers = (BUYERS + 1) as u64..;
    let readers = readers.take(READERS).map(|user| (user, ORDERS_OF_A_READER));
    let first = (BUYERS + READERS + 1) as u64;
    let others = (0..customers).map(|n| {
        let left = orders - n * ORDERS_OF_A_CUSTOMER;
        (first + n, left.min(ORDERS_OF_A_CUSTOMER))
    });
    let all: Vec<u64> = readers
        .chain(others)
        .flat_map(|(user, orders)| (0..orders).map(move |_| user))
        .collect();
    for (n, users) in (0_u64..).zip(all.chunks(1_000)) {
        order(&store, n, users.to_vec(), products).await;
    }
    store.close().await.expect("closed");
}

async fn offer(store: &Store, products: u64) {
    let catalogue = Catalogue::read();
    let row = |n: u64| {
        let offer = catalogue.at(n);
        let draft = Draft {
            title: offer.title,
            description: offer.description,
            price: Price::parse(&offer.price).expect("a price"),
            quantity: PIECES,
        };
        let category = CategoryName::parse(&offer.category).expect("a category");
        ImportRow::Offer(draft, category)
    };
    for from in (0..products).step_by(5_000) {
        let rows = (from..products.min(from + 5_000)).map(row).collect();
        store.import(rows, NOW).await.expect("imported");
    }
}

/// Of the first buyers, and of all readers.
pub fn usernames(buyers: usize) -> impl Iterator<Item = String> {
    let buyers = (0..buyers).map(|n| format!("buyer{n}"));
    buyers.chain((0..READERS).map(|n| format!("reader{n}")))
}

fn newcomer(name: &str, hash: &str) -> Newcomer {
    Newcomer {
        username: Username::parse(name).expect("a name"),
        first_name: String::new(),
        email: None,
        phone: None,
        password_hash: hash.to_owned(),
        role: Role::Customer,
    }
}

/// Places an order of one line for each of the users in a single transaction, as one piece of work
/// that is done once: so a million of them take a minute.
async fn order(store: &Store, batch: u64, users: Vec<u64>, products: u64) {
    let once = Once {
        user: UserId(1),
        key: format!("orders {batch}"),
        fingerprint: [0; 32],
        earlier_fingerprints: Vec::new(),
        now: Timestamp(0), // Expired long since: the first sweep takes it away.
    };
    let done = store.do_once(once, |store| async move {
        for (n, user) in (batch * 1_000..).zip(users) {
            // Scattered over all products.
            let product = ProductId(n * 7_919 % products + 1);
            let added = store.add_to_cart(UserId(user), product, 1).await;
            added.expect("written").expect("on the shelf");
            let placed = store.place_order(UserId(user), NOW).await;
            placed.expect("written").expect("there is enough of it");
        }
        KeptReply {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
        }
    });
    done.await.expect("written");
}
