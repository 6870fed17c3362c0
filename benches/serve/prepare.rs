//! Shops to be measured: ours filled through the store while it is closed, a peer through its API.

use std::path::Path;

use electron_market::auth::password::{Passwords, Policy};
use electron_market::shop::ids::{ProductId, UserId};
use electron_market::shop::products::{CategoryName, Draft, Price};
use electron_market::shop::time::Timestamp;
use electron_market::shop::users::{Newcomer, Role, Username};
use electron_market::store::{Folder, ImportRow, KeptReply, Once, Store};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

use super::client::{Ask, Client};
use super::scenario::{Account, Contents};

pub const PASSWORD: &str = "Correct horse 7 battery";
const NOW: Timestamp = Timestamp(1_770_000_000_000_000);

/// Who buys in the benchmarks: as many as there are connections at the most.
pub const BUYERS: usize = 64;
const READERS: usize = 4;
const ORDERS_OF_A_READER: u64 = 20;
/// Orders of one customer, of the many who made a shop's earlier orders.
const ORDERS_OF_A_CUSTOMER: u64 = 100;

/// So many pieces that the number keeps its ten digits, and replies their length, whatever is sold.
const PIECES: u32 = 1_500_000_000;

/// Distinct products that are asked for: more than the store keeps in memory.
const PRODUCTS_ASKED_MAX: u64 = 20_000;

/// Everything that is needed to offer a product.
struct Offer {
    title: String,
    category: String,
    description: String,
    price: String,
}

/// The project's own catalogue again and again, with a model's number in each title.
struct Catalogue(Vec<Offer>);

impl Catalogue {
    fn read() -> Self {
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

    fn at(&self, n: u64) -> Offer {
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
    let store = Store::open(&held, 512 << 20, 0).expect("opened");
    offer(&store, products).await;
    let passwords = Passwords::new(Policy::Standard).expect("hashed");
    let hash = passwords.hash(PASSWORD.to_owned()).await.expect("hashed");
    let customers = orders.div_ceil(ORDERS_OF_A_CUSTOMER);
    let customer = |n: u64| format!("customer{n}");
    let names = usernames().chain((0..customers).map(customer));
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

fn usernames() -> impl Iterator<Item = String> {
    let buyers = (0..BUYERS).map(|n| format!("buyer{n}"));
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

/// What there is in a shop that `fill` filled, its accounts signed in.
pub async fn contents(address: &str, products: u64) -> Result<Contents, String> {
    let step = products.div_ceil(PRODUCTS_ASKED_MAX).max(1);
    let (buyers, readers) = sign_in(address).await?;
    Ok(Contents {
        products: (1..=products)
            .step_by(usize::try_from(step).expect("small"))
            .collect(),
        password: PASSWORD.to_owned(),
        buyers,
        readers,
    })
}

async fn sign_in(address: &str) -> Result<(Vec<Account>, Vec<Account>), String> {
    let mut client = Client::new(address);
    let mut accounts = Vec::new();
    for username in usernames() {
        accounts.push(log_in(&mut client, &username, PASSWORD).await?);
    }
    let readers = accounts.split_off(BUYERS);
    Ok((accounts, readers))
}

async fn log_in(client: &mut Client, username: &str, password: &str) -> Result<Account, String> {
    let body = json!({"username": username, "password": password});
    let answer = said(
        client,
        &Ask::post("/auth/login/", body.to_string()),
        StatusCode::OK,
    )
    .await?;
    let token = answer["access"].as_str().ok_or("a login gives no token")?;
    Ok(Account {
        username: username.to_owned(),
        token: HeaderValue::try_from(format!("Bearer {token}")).map_err(|e| e.to_string())?,
    })
}

/// The JSON of an answer that must have this status.
async fn said(client: &mut Client, ask: &Ask, status: StatusCode) -> Result<Value, String> {
    let answer = client.fetch(ask).await.map_err(|lost| lost.to_string())?;
    if answer.status != status {
        let text = String::from_utf8_lossy(&answer.body);
        let text: String = text.chars().take(300).collect();
        return Err(format!(
            "{} answers {} and not {status}: {text}",
            ask.uri, answer.status
        ));
    }
    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
}

/// Fills a peer through its API, as far as it is not filled yet: products by the admin, accounts
/// that sign up, orders that they place.
pub async fn fill_peer(
    address: &str,
    admin: Option<&str>,
    products: u64,
) -> Result<Contents, String> {
    let mut client = Client::new(address);
    if let Some(admin) = admin {
        let (name, password) = admin.split_once(':').ok_or("an admin is USER:PASSWORD")?;
        let admin = log_in(&mut client, name, password).await?;
        offer_by(&mut client, &admin, products).await?;
    }
    let listed = said(
        &mut client,
        &Ask::get("/products/products/"),
        StatusCode::OK,
    )
    .await?;
    let listed = listed.as_array().ok_or("the list is no array")?.iter();
    // Whatever is measured buys thousands of pieces of each.
    let is_plenty = |row: &&Value| row["quantity"].as_u64() >= Some(1_000_000);
    let products: Vec<u64> = listed
        .filter(is_plenty)
        .filter_map(|row| row["id"].as_u64())
        .collect();
    if products.is_empty() {
        return Err(
            "the peer has no product of which there is plenty: name an admin with --peer-admin"
                .into(),
        );
    }
    for username in usernames() {
        if log_in(&mut client, &username, PASSWORD).await.is_err() {
            let body = json!({
                "username": username, "first_name": "Ann", "email": format!("{username}@shop.example"),
                "password": PASSWORD, "confirm_pass": PASSWORD,
            });
            let ask = Ask::post("/auth/sign-up/", body.to_string());
            let answer = client.fetch(&ask).await.map_err(|lost| lost.to_string())?;
            if !answer.status.is_success() {
                return Err(format!("signing up is answered {}", answer.status));
            }
        }
    }
    let (buyers, readers) = sign_in(address).await?;
    for reader in &readers {
        let orders = said(
            &mut client,
            &Ask::get("/orders/list/").by(&reader.token),
            StatusCode::OK,
        )
        .await?;
        let before = orders.as_array().map_or(0, Vec::len) as u64;
        for n in before..ORDERS_OF_A_READER {
            let product = products[usize::try_from(n).expect("small") * 7 % products.len()];
            let body = json!({"product_id": product, "quantity": 1}).to_string();
            let add = Ask::post("/cart/cart-add/", body).by(&reader.token);
            said(&mut client, &add, StatusCode::OK).await?;
            let order = Ask::post("/orders/create/", "").by(&reader.token);
            said(&mut client, &order, StatusCode::CREATED).await?;
        }
    }
    Ok(Contents {
        products,
        password: PASSWORD.to_owned(),
        buyers,
        readers,
    })
}

/// Offers what is missing of so many products, all in one category.
async fn offer_by(client: &mut Client, admin: &Account, products: u64) -> Result<(), String> {
    let list = Ask::get("/products/products/");
    let listed = said(client, &list, StatusCode::OK).await?;
    let there = listed.as_array().map_or(0, Vec::len) as u64;
    let made = json!({"name": "Electronics"}).to_string();
    let make = Ask::post("/products/create-category/", made).by(&admin.token);
    // It may be there already; what matters is that there is one.
    client.fetch(&make).await.map_err(|lost| lost.to_string())?;
    let catalogue = Catalogue::read();
    let mut category = 1;
    for n in there..products {
        let offer = catalogue.at(n);
        loop {
            let body = json!({
                "title": offer.title, "category": category, "quantity": PIECES,
                "description": offer.description, "price": offer.price,
            });
            let ask = Ask::post("/products/create-product/", body.to_string()).by(&admin.token);
            match said(client, &ask, StatusCode::CREATED).await {
                Ok(_) => break,
                // The original tells no category's id, so ids are tried until one is taken.
                Err(_) if n == there && category < 1_000 => category += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
