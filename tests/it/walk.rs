//! The main job from end to end: a real catalogue imported, a shop opened on it, and one customer's whole story.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use image::ImageFormat;
use serde_json::Value;

use crate::command::run;
use crate::photos;
use crate::shop::Shop;

/// The real catalogue where it is at hand, the project's own otherwise.
fn catalogue() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let real = project.join("../shared/data/icecat_electronics.jsonl.gz");
    let ours = project.join("data/catalogue.jsonl");
    if real.exists() { real } else { ours }
}

/// The rows that may be imported: one real title is longer than a title may be.
fn rows(catalogue: &Path) -> Vec<Value> {
    let file = std::fs::File::open(catalogue).unwrap();
    let lines: Box<dyn std::io::Read> = match catalogue.extension() {
        Some(end) if end == "gz" => Box::new(GzDecoder::new(file)),
        _ => Box::new(file),
    };
    let row = |line: std::io::Result<String>| serde_json::from_str(&line.unwrap()).unwrap();
    let fits = |row: &Value| row["title"].as_str().unwrap().chars().count() <= 255;
    BufReader::new(lines)
        .lines()
        .map(row)
        .filter(fits)
        .collect()
}

#[test]
fn a_customer_walks_through_the_whole_shop() {
    let catalogue = catalogue();
    let rows = rows(&catalogue);
    let mut shop = Shop::open_after(|dir| {
        let import = format!("import {} --quantity 10", catalogue.display());
        let said = run(dir, &import, "").stdout;
        assert!(
            said.starts_with(&format!("{} products imported", rows.len())),
            "{said}"
        );
    });
    find_something(&shop, &rows);
    sign_up_and_buy(&shop);
    send_a_photo(&shop);
    shop.close();
    shop.reopen();
    everything_is_still_there(&shop);
    ship_one_and_cancel_the_other(&shop);
    log_out(&shop);
}

/// Browses the first page, then finds the last product of the catalogue by its title.
fn find_something(shop: &Shop, rows: &[Value]) {
    let shelf = shop.say("nobody", "GET /products/products/?limit=2", Value::Null);
    assert_eq!(shelf.header("X-Total-Count"), rows.len().to_string());
    assert_eq!(shelf.json()[0]["title"], rows[0]["title"]);
    let title = rows.last().unwrap()["title"].as_str().unwrap();
    let query: Vec<String> = title.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let query = query.concat();
    let found = shop.list("nobody", &format!("/products/search/?q={query}"));
    let hit = found
        .iter()
        .find(|hit| hit["title"] == title)
        .expect("found by its title");
    shop.names().keep("first", shelf.json()[0]["id"].clone());
    shop.names().keep("second", shelf.json()[1]["id"].clone());
    shop.names().keep("hit", hit["id"].clone());
}

fn sign_up_and_buy(shop: &Shop) {
    shop.day(r#"
        nobody POST /auth/sign-up/
            {"username": "ann", "first_name": "Ann", "email": "ann@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 201 {"status": 201, "username": "ann", "message": "*"}
        nobody POST /auth/login/ {"username": "ann", "password": "kettle and tea"}
        => 200 {"refresh": "$ann_refresh", "access": "$ann_access", "message": "*"}
        nobody GET /products/detail/$hit/ => 200 {"id": "$hit", "...": 0}
        ann POST /products/cr-comment/$hit/ {"text": "Just what I looked for"} => 201 "$comment"
        nobody GET /products/cr-comment/$hit/ => 200 ["$comment"]

        boss PATCH /products/delete-update/$hit/ {"quantity": 5, "price": "20.00"} => 200 ...
        boss PATCH /products/delete-update/$first/ {"quantity": 1, "price": "0.50"} => 200 ...
        ann POST /cart/cart-add/ {"product_id": "$hit", "quantity": 2} => 200 ...
        ann POST /cart/cart-add/ {"product_id": "$first", "quantity": 1} => 200 {"total_price": "40.50", "...": 0}
        ann POST /orders/create/ => 201 {"id": "$kept", "status": "new", "total_price": "40.50", "items": ["*", "*"], "created_at": "<time>"}
            + Location: /orders/detail/$kept/
        ann POST /cart/cart-add/ {"product_id": "$hit", "quantity": 3} => 200 ...
        ann POST /orders/create/ => 201 {"id": "$regretted", "...": 0}
        nobody GET /products/detail/$hit/ => 200 {"quantity": 0, "...": 0}
        nobody GET /products/detail/$first/ => 200 {"quantity": 0, "...": 0}
        ann POST /cart/cart-add/ {"product_id": "$second", "quantity": 1} => 200 "$cart"
    "#);
}

fn send_a_photo(shop: &Shop) {
    let picture = photos::picture(40, 30, ImageFormat::Png);
    let reply = photos::send(shop, "ann", photos::multipart("photo", "me.png", &picture)).told(200);
    shop.names().keep("photo", reply["photo"].clone());
}

/// Tokens too: a restart logs nobody out.
fn everything_is_still_there(shop: &Shop) {
    shop.day(r#"
        ann GET /auth/profile/ => 200 {"username": "ann", "first_name": "Ann", "photo": "$photo", "...": 0}
        nobody GET $photo => 200 ...
        ann GET /orders/list/ => 200 [{"id": "$regretted", "status": "new", "...": 0}, {"id": "$kept", "status": "new", "...": 0}]
        ann GET /cart/cart/ => 200 "$cart"
        nobody GET /products/cr-comment/$hit/ => 200 ["$comment"]
        nobody GET /products/detail/$hit/ => 200 {"quantity": 0, "price": "20.00", "...": 0}
        nobody GET /products/search/?q=zeppelin+tickets => 200 []
    "#);
}

fn ship_one_and_cancel_the_other(shop: &Shop) {
    shop.day(r#"
        ann PATCH /orders/status/$kept/ => 403 code permission_denied
        boss again => 200 {"status": "paid", "...": 0}
        boss again => 200 {"status": "shipped", "...": 0}
        ann DELETE /orders/cancel/$regretted/ => 200 {"detail": "*"}
        ann DELETE /orders/cancel/$kept/ => 400 code order_not_new
        ann GET /orders/list/ => 200 [{"id": "$regretted", "status": "cancelled", "...": 0}, {"id": "$kept", "status": "shipped", "...": 0}]
        nobody GET /products/detail/$hit/ => 200 {"quantity": 3, "...": 0}
        nobody GET /products/detail/$first/ => 200 {"quantity": 0, "...": 0}
    "#);
}

fn log_out(shop: &Shop) {
    shop.day(r#"
        ann POST /auth/refresh/ {"refresh": "$ann_refresh"} => 200 {"access": "*", "refresh": "$last"}
        ann POST /auth/logout/ {"refresh": "$last"} => 200 {"success": true, "message": "*"}
        nobody POST /auth/refresh/ {"refresh": "$last"} => 401 code token_not_valid
    "#);
}
