//! What there is to be asked for: in a shop of ours, and in a peer once it is filled through its API.

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

use super::client::{Ask, Client};
use super::filled::{BUYERS, Catalogue, ORDERS_OF_A_READER, PASSWORD, PIECES, usernames};
use super::scenario::{Account, Contents};

/// Distinct products that are asked for: more than the store keeps in memory.
const PRODUCTS_ASKED_MAX: u64 = 20_000;

/// What there is in a shop that `fill` filled, the readers and so many buyers signed in.
pub async fn contents(address: &str, products: u64, buyers: usize) -> Result<Contents, String> {
    let step = products.div_ceil(PRODUCTS_ASKED_MAX).max(1);
    let (buyers, readers) = sign_in(address, buyers).await?;
    Ok(Contents {
        products: (1..=products)
            .step_by(usize::try_from(step).expect("small"))
            .collect(),
        password: PASSWORD.to_owned(),
        buyers,
        readers,
    })
}

async fn sign_in(address: &str, buyers: usize) -> Result<(Vec<Account>, Vec<Account>), String> {
    let mut client = Client::new(address);
    let mut accounts = Vec::new();
    for username in usernames(buyers) {
        accounts.push(log_in(&mut client, &username, PASSWORD).await?);
    }
    let readers = accounts.split_off(buyers);
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
    for username in usernames(BUYERS) {
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
    let (buyers, readers) = sign_in(address, BUYERS).await?;
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
