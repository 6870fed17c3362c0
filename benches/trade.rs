//! A shop with buyers who never stop: each puts a product in the cart and orders it, again and
//! again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use electron_market::shop::ids::{ProductId, UserId};
use electron_market::shop::products::{CategoryName, Draft, Price};
use electron_market::shop::time::Timestamp;
use electron_market::shop::users::{Newcomer, Role, Username};
use electron_market::store::{Durability, Folder, ImportRow, Store};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const NOW: Timestamp = Timestamp(1_770_000_000_000_000);

pub struct Trade {
    pub store: Store,
    orders: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    buyers: Vec<JoinHandle<()>>,
    runtime: Runtime,
    _held: Folder,
}

impl Trade {
    pub fn open(folder: &Path, products: u32, buyers: u32) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let held = Folder::hold(folder).expect("held");
        let store = Store::open(&held, 64 << 20, 0, Durability::Log).expect("open");
        let (orders, is_over) = <(Arc<AtomicU64>, Arc<AtomicBool>)>::default();
        runtime.block_on(furnish(&store, products, buyers));
        let buyers = (1..=u64::from(buyers)).map(|buyer| {
            let (store, orders, is_over) = (store.clone(), orders.clone(), is_over.clone());
            runtime.spawn(async move {
                // A walk through all products that differs from buyer to buyer.
                let mut product = buyer * 7_919;
                while !is_over.load(Ordering::Relaxed) {
                    product = (product + 104_729) % u64::from(products);
                    buy(&store, UserId(buyer), ProductId(product + 1)).await;
                    orders.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let buyers = buyers.collect();
        Self {
            store,
            orders,
            is_over,
            buyers,
            runtime,
            _held: held,
        }
    }

    pub fn orders(&self) -> u64 {
        self.orders.load(Ordering::Relaxed)
    }

    pub fn close(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.runtime.block_on(async {
            for buyer in self.buyers {
                buyer.await.expect("no buyer panicked");
            }
            self.store.close().await.expect("closed");
        });
    }
}

async fn furnish(store: &Store, products: u32, buyers: u32) {
    let category = CategoryName::parse("All").expect("a name");
    let row = |n: u32| {
        let draft = Draft {
            title: format!("Product {n}"),
            description: "What a product of no particular kind has to say of itself.".repeat(5),
            price: Price::parse("9.90").expect("a price"),
            quantity: 1_000_000,
        };
        ImportRow::Offer(draft, category.clone())
    };
    let rows: Vec<u32> = (1..=products).collect();
    for some in rows.chunks(2_000) {
        let rows = some.iter().copied().map(row).collect();
        store.import(rows, NOW).await.expect("imported");
    }
    for n in 0..buyers {
        let newcomer = Newcomer {
            username: Username::parse(&format!("buyer{n}")).expect("a name"),
            first_name: String::new(),
            email: None,
            phone: None,
            password_hash: String::new(),
            role: Role::Customer,
        };
        let signed_up = store.sign_up(newcomer, NOW).await.expect("written");
        signed_up.expect("the name is free");
    }
}

async fn buy(store: &Store, user: UserId, product: ProductId) {
    let added = store.add_to_cart(user, product, 1).await.expect("written");
    added.expect("on the shelf");
    let placed = store.place_order(user, NOW).await.expect("written");
    placed.expect("there is enough of it");
}
