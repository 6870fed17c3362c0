//! What is somebody else's, and what is the shop's own: neither is told, and neither is taken.

use std::collections::BTreeSet;

use image::ImageFormat;
use serde_json::{Map, Value, json};

use crate::photos::picture;
use crate::routes::{Row, document, rows};
use crate::shop::{Ask, Heard, Shop};

/// All that a client can tell one reply from another by.
fn told(heard: &Heard) -> (u16, Vec<String>, String) {
    let own = |name: &str| ["date", "x-request-id"].contains(&name);
    let headers = heard.headers.iter().filter(|(name, _)| !own(name.as_str()));
    let headers = headers.map(|(name, value)| format!("{name}: {value:?}"));
    (heard.status, headers.collect(), heard.text())
}

/// Bodies that might be for any row.
fn bodies() -> [Value; 3] {
    let all = json!({"text": "mine", "status": "paid", "name": "Mine", "title": "Mine", "user_role": "admin"});
    [Value::Null, json!({}), all]
}

#[test]
fn what_is_somebody_elses_looks_as_if_it_were_not_there() {
    let shop = Shop::stocked();
    shop.day(
        r#"
        ann POST /products/cr-comment/$phone/ {"text": "Fine"} => 201 {"id": "$comment", "...": 0}
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1} => 200 ...
        ann POST /orders/create/ => 201 {"id": "$order", "...": 0}
        ann GET /auth/profile/ => 200 {"id": "$ann", "...": 0}
        ann GET /orders/detail/$order/ => 200 "$before"
    "#,
    );
    let mut asked = BTreeSet::new();
    for row in rows(&document(&shop)) {
        let theirs = match row.path.split("/{").next().unwrap() {
            "/orders/cancel" | "/orders/detail" | "/orders/status" => "$order",
            "/auth/users" => "$ann",
            "/products/delete-update" => "$phone",
            "/products/categories" => "$phones",
            // Anybody sees products, photos, and comments, whose tests are in `comments.rs`.
            _ => continue,
        };
        let at = |id: &str| format!("{} {}", row.method, row.path.replace("{id}", id));
        let theirs = shop.names().fill(theirs);
        for body in bodies() {
            let of_another = told(&shop.say("bob", &at(&theirs), body.clone()));
            let of_nobody = told(&shop.say("bob", &at("987654"), body.clone()));
            assert_eq!(of_another, of_nobody, "{} {body}", at(&theirs));
        }
        asked.insert(at(""));
    }
    assert_eq!(asked.len(), 8, "{asked:?}");
    shop.day(
        r#"
        ann GET /orders/detail/$order/ => 200 "$before"
        ann GET /products/comment-list/ => 200 [{"id": "$comment", "text": "Fine", "...": 0}]
    "#,
    );
}

#[test]
fn a_cart_and_a_login_of_somebody_else_look_as_if_they_were_not_there() {
    let shop = Shop::stocked();
    shop.day(r#"ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1} => 200 ..."#);
    let refresh = shop.names().text("ann_refresh").unwrap();
    let (phone, cable) = (
        json!({"product_id": 1, "quantity": 2}),
        json!({"product_id": 2, "quantity": 2}),
    );
    for (call, theirs, nobodys) in [
        ("PATCH /cart/cart-update/", &phone, &cable),
        ("DELETE /cart/cart-remove/", &phone, &cable),
        (
            "POST /auth/logout/",
            &json!({"refresh": refresh}),
            &json!({"refresh": "none"}),
        ),
    ] {
        let theirs = told(&shop.say("bob", call, theirs.clone()));
        let nobodys = told(&shop.say("bob", call, nobodys.clone()));
        assert_eq!(theirs, nobodys, "{call}");
    }
    shop.say("nobody", "POST /auth/refresh/", json!({"refresh": refresh}))
        .told(200);
    assert_eq!(shop.get("ann", "/cart/cart/")["items"][0]["quantity"], 1);
}

/// Who calls which row, with which id in the path and which body: every row that changes anything.
#[rustfmt::skip]
const LIFE: &[(&str, &str, &str, &str)] = &[
    ("nobody", "POST /auth/sign-up/", "", r#"{"username": "eve", "email": "eve@shop.test", "password": "eve likes strong tea", "confirm_pass": "eve likes strong tea"}"#),
    ("nobody", "POST /auth/login/", "", r#"{"username": "eve", "password": "eve likes strong tea"}"#),
    ("nobody", "POST /auth/refresh/", "", r#"{"refresh": "$latest"}"#),
    ("eve", "POST /auth/logout/", "", r#"{"refresh": "$latest"}"#),
    ("eve", "POST /auth/logout-all/", "", "{}"),
    ("eve", "PATCH /auth/profile/update/", "", r#"{"first_name": "Eve"}"#),
    ("eve", "PATCH /auth/profile/photo/", "", "{}"),
    ("boss", "POST /products/create-category/", "", r#"{"name": "Phones"}"#),
    ("boss", "POST /products/create-category/", "", r#"{"name": "Nothing"}"#),
    ("boss", "PATCH /products/categories/{id}/", "1", r#"{"name": "Telephones"}"#),
    ("boss", "DELETE /products/categories/{id}/", "2", "{}"),
    ("boss", "POST /products/create-product/", "", r#"{"title": "Pixel", "category": 1, "quantity": 10, "description": "A phone", "price": "5.00"}"#),
    ("boss", "POST /products/create-product/", "", r#"{"title": "Cable", "category": 1, "quantity": 10, "description": "A cable", "price": "7.00"}"#),
    ("boss", "PATCH /products/delete-update/{id}/", "1", r#"{"description": "A telephone"}"#),
    ("boss", "DELETE /products/delete-update/{id}/", "2", "{}"),
    ("eve", "POST /products/cr-comment/{id}/", "1", r#"{"text": "Fine"}"#),
    ("eve", "PUT /products/ud-comment/{id}/", "1", r#"{"text": "Very fine"}"#),
    ("eve", "PATCH /products/ud-comment/{id}/", "1", r#"{"text": "Finest"}"#),
    ("eve", "POST /products/cr-comment/{id}/", "1", r#"{"text": "Not so fine"}"#),
    ("eve", "DELETE /products/ud-comment/{id}/", "2", "{}"),
    ("eve", "POST /cart/cart-add/", "", r#"{"product_id": 1, "quantity": 3}"#),
    ("eve", "DELETE /cart/cart-clear/", "", "{}"),
    ("eve", "POST /cart/cart-add/", "", r#"{"product_id": 1, "quantity": 3}"#),
    ("eve", "DELETE /cart/cart-remove/", "", r#"{"product_id": 1}"#),
    ("eve", "POST /cart/cart-add/", "", r#"{"product_id": 1, "quantity": 3}"#),
    ("eve", "PATCH /cart/cart-update/", "", r#"{"product_id": 1, "quantity": 2}"#),
    ("eve", "POST /orders/create/", "", "{}"),
    ("boss", "PATCH /orders/status/{id}/", "1", "{}"),
    ("eve", "POST /cart/cart-add/", "", r#"{"product_id": 1, "quantity": 1}"#),
    ("eve", "POST /orders/create/", "", "{}"),
    ("eve", "DELETE /orders/cancel/{id}/", "2", "{}"),
    ("eve", "POST /cart/cart-add/", "", r#"{"product_id": 1, "quantity": 4}"#),
    ("boss", "PATCH /auth/users/{id}/", "2", "{}"),
    ("boss", "POST /backups/", "", r#"{"name": "friday.redb"}"#),
    ("eve", "POST /auth/profile/change-pass/", "", r#"{"old_password": "eve likes strong tea", "new_password": "eve likes coffee", "confirm_password": "eve likes coffee"}"#),
    ("nobody", "POST /auth/login/", "", r#"{"username": "eve", "password": "eve likes coffee"}"#),
    // What became of it all.
    ("boss", "GET /auth/users/", "", "{}"),
    ("boss", "GET /products/products/", "", "{}"),
    ("boss", "GET /products/categories/", "", "{}"),
    ("boss", "GET /products/comment-list/", "", "{}"),
    ("boss", "GET /orders/list/", "", "{}"),
    ("eve", "GET /cart/cart/", "", "{}"),
    ("eve", "GET /auth/profile/", "", "{}"),
    ("boss", "GET /cart/cart/", "", "{}"),
];

/// What is the shop's to say, as somebody would like it said.
const WISHES: &str = r#"{
    "id": 987, "pk": 987, "user": 1, "user_id": 1, "owner": "boss", "author": 1, "account": 1,
    "role": "admin", "user_role": "admin", "is_staff": true, "is_superuser": true, "is_admin": true,
    "is_active": false, "groups": ["admin"], "permissions": ["all"], "__proto__": {"is_admin": true},
    "status": "shipped", "total": "0.01", "total_price": "0.01", "price": "0.01", "quantity": 9, "stock": 999,
    "order": 987, "order_id": 987, "product": 2, "product_title": "Mine", "items": [{"product": 1, "price": "0.01"}],
    "cart": {"id": 1}, "comments": [{"text": "mine"}], "username": "mallory", "email": "mallory@shop.test",
    "phone": "+998901234567", "name": "Mine", "title": "Mine", "text": "Mine", "category": 2, "quantity_sold": 0,
    "photo": "/media/photos/mine.png", "password": "mallory likes tea", "password_hash": "$argon2id$v=19$m=8,t=1,p=1$",
    "created_at": "2001-02-03T04:05:06.000000Z", "updated_at": "2001-02-03T04:05:06.000000Z",
    "date_joined": "2001-02-03T04:05:06.000000Z", "expires_at": 1, "era": 9, "token_type": "operator", "jti": "mine"
}"#;

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    Json,
    Form,
}

/// Lives a life in a shop of its own; a row takes what it documents, and the rest is wished for.
fn live(spelling: Spelling, wishes: &Map<String, Value>) -> Vec<String> {
    let shop = Shop::open();
    let rows = rows(&document(&shop));
    let mut story = Vec::new();
    for (who, call, id, body) in LIFE {
        let row = rows
            .iter()
            .find(|row| format!("{} {}", row.method, row.path) == *call);
        let takes = row.unwrap_or_else(|| panic!("{call} is no row")).fields();
        let body = if body.contains('$') {
            shop.names().fill(body)
        } else {
            (*body).to_owned()
        };
        let mut body: Map<String, Value> = serde_json::from_str(&body).unwrap();
        let wished = wishes.iter().filter(|(name, _)| !takes.contains(*name));
        body.extend(wished.map(|(name, wish)| (name.clone(), wish.clone())));
        let ask = Ask::new(&call.replace("{id}", id)).by(&shop, who);
        let heard = shop.ask(if call.contains("photo") {
            with_photo(ask, &body)
        } else {
            with(ask, spelling, &body)
        });
        let said = if heard.body.is_empty() {
            Value::Null
        } else {
            heard.json()
        };
        if let Some(refresh) = said.get("refresh") {
            shop.names().keep("latest", refresh.clone());
        }
        assert!(heard.status < 300, "{who} {call}: {}", heard.text());
        story.push(format!("{who} {call}: {} {}", heard.status, masked(said)));
    }
    story
}

fn with(ask: Ask, spelling: Spelling, body: &Map<String, Value>) -> Ask {
    if ask.method == "GET" {
        return ask;
    }
    let (kind, body) = match spelling {
        Spelling::Json => ("application/json", Value::Object(body.clone()).to_string()),
        Spelling::Form => ("application/x-www-form-urlencoded", form(body)),
    };
    let mut ask = ask.header("Content-Type", kind);
    ask.body = Some(body.into_bytes());
    ask
}

fn form(body: &Map<String, Value>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in body {
        form.append_pair(name, &plain(value));
    }
    form.finish()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn with_photo(ask: Ask, fields: &Map<String, Value>) -> Ask {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--frame\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend([head, plain(value), "\r\n".into()].concat().into_bytes());
    }
    body.extend(crate::photos::multipart(
        "photo",
        "me.png",
        &picture(8, 8, ImageFormat::Png),
    ));
    let mut ask = ask.header("Content-Type", "multipart/form-data; boundary=frame");
    ask.body = Some(body);
    ask
}

/// Without what no two shops share: moments, tokens, names of photos. What was wished stays.
fn masked(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| match (&*key, &value) {
                ("access" | "refresh" | "bytes", _) => (key, Value::Null),
                _ => (key, masked(value)),
            })
            .collect(),
        Value::Array(values) => values.into_iter().map(masked).collect(),
        Value::String(text)
            if text.len() == 27 && text.ends_with('Z') && !text.starts_with("2001") =>
        {
            "<time>".into()
        }
        Value::String(text)
            if text.starts_with("/media/photos/") && !text.ends_with("mine.png") =>
        {
            "<photo>".into()
        }
        other => other,
    }
}

#[test]
fn what_is_the_shops_to_say_nobody_says_in_its_stead() {
    let nothing = Map::new();
    let wishes: Map<String, Value> = serde_json::from_str(WISHES).unwrap();
    let plain = live(Spelling::Json, &nothing);
    for spelling in [Spelling::Json, Spelling::Form] {
        let wished = live(spelling, &wishes);
        for (plain, wished) in plain.iter().zip(&wished) {
            assert_eq!(wished, plain, "in {spelling:?}");
        }
    }
}

#[test]
fn every_row_that_changes_anything_is_in_that_life() {
    let shop = Shop::open();
    let lived: BTreeSet<&str> = LIFE.iter().map(|(_, call, ..)| *call).collect();
    let is_change = |row: &&Row| row.method != "GET";
    for row in rows(&document(&shop)).iter().filter(is_change) {
        let call = format!("{} {}", row.method, row.path);
        assert!(lived.contains(&*call), "{call} is not in LIFE");
    }
}
