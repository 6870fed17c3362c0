//! Days of retries: a request with an `Idempotency-Key` is done once and answered the same.

use std::sync::Barrier;
use std::thread;

use image::ImageFormat;
use serde_json::{Value, json};

use crate::photos;
use crate::shop::{Ask, Heard, Shop};

/// Asks under a key.
fn keyed(shop: &Shop, who: &str, call: &str, key: &str, body: &Value) -> Heard {
    let ask = Ask::new(call).by(shop, who).json(body);
    shop.ask(ask.header("Idempotency-Key", key))
}

/// What must be the same in a replay.
fn essence(heard: &Heard) -> (u16, String, String) {
    (
        heard.status,
        heard.text(),
        heard.header("Location").to_owned(),
    )
}

fn is_replay(heard: &Heard) -> bool {
    heard.header("Idempotent-Replayed") == "true"
}

#[track_caller]
fn assert_replayed(first: &Heard, again: &Heard) {
    assert!(!is_replay(first), "{}", first.text());
    assert!(is_replay(again), "{}", again.text());
    assert_eq!(essence(first), essence(again));
}

#[test]
fn an_order_is_placed_once_however_often_it_is_sent() {
    let shop = Shop::stocked();
    shop.day(r#"ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ..."#);
    let order = || keyed(&shop, "ann", "POST /orders/create/", "k1", &Value::Null);
    let (first, again) = (order(), order());
    assert_eq!(first.status, 201, "{}", first.text());
    assert!(first.header("Location").starts_with("/orders/detail/"));
    assert_replayed(&first, &again);
    assert_eq!(shop.list("ann", "/orders/list/").len(), 1);
    assert_eq!(shop.get("nobody", "/products/detail/1/")["quantity"], 8);
    // Without a key, or under another, it is another request.
    let other = keyed(&shop, "ann", "POST /orders/create/", "k2", &Value::Null);
    assert_eq!(
        (other.status, &other.json()["code"]),
        (400, &json!("cart_empty"))
    );
}

#[test]
fn a_refusal_is_kept_as_a_success_is() {
    let shop = Shop::stocked();
    let order = || keyed(&shop, "ann", "POST /orders/create/", "k1", &Value::Null);
    let refused = order();
    assert_eq!(refused.status, 400, "{}", refused.text());
    shop.day(r#"ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ..."#);
    assert_replayed(&refused, &order());
    let wrong = || {
        keyed(
            &shop,
            "ann",
            "POST /cart/cart-add/",
            "k2",
            &json!({"quantity": 0}),
        )
    };
    assert_replayed(&wrong(), &wrong());
    let nothing = || {
        keyed(
            &shop,
            "ann",
            "DELETE /orders/cancel/999/",
            "k3",
            &Value::Null,
        )
    };
    assert_replayed(&nothing(), &nothing());
}

#[test]
fn a_replay_is_what_was_said_then_whatever_became_of_it_since() {
    let shop = Shop::stocked();
    let line = json!({"product_id": 1, "quantity": 3});
    let add = || keyed(&shop, "ann", "POST /cart/cart-add/", "k1", &line);
    let first = add();
    assert_eq!(first.status, 200, "{}", first.text());
    let rename = || {
        keyed(
            &shop,
            "boss",
            "PATCH /products/delete-update/1/",
            "k2",
            &json!({"title": "Nexus", "price": "1.00"}),
        )
    };
    let renamed = rename();
    assert_replayed(&first, &add());
    let delete = || {
        keyed(
            &shop,
            "boss",
            "DELETE /products/delete-update/1/",
            "k3",
            &Value::Null,
        )
    };
    let gone = delete();
    assert_eq!(gone.status, 204);
    assert_replayed(&gone, &delete());
    assert_replayed(&renamed, &rename());
    assert_replayed(&first, &add());
    assert_eq!(shop.get("ann", "/cart/cart/")["items"], json!([]));
}

#[test]
fn a_key_is_for_one_request_of_one_person() {
    let shop = Shop::stocked();
    let line = |quantity| json!({"product_id": 1, "quantity": quantity});
    let add = "POST /cart/cart-add/";
    assert_eq!(keyed(&shop, "ann", add, "k1", &line(1)).status, 200);
    for (call, body) in [
        (add, line(2)),
        ("PATCH /cart/cart-update/", line(1)),
        ("POST /cart/cart-add/?x=1", line(1)),
        ("POST /orders/create/", Value::Null),
    ] {
        let other = keyed(&shop, "ann", call, "k1", &body);
        assert_eq!(
            (other.status, &other.json()["code"]),
            (422, &json!("idempotency_key_reused")),
            "{call}"
        );
    }
    // The slash is no other request, and another person's key is another key.
    assert!(is_replay(&keyed(
        &shop,
        "ann",
        "POST /cart/cart-add",
        "k1",
        &line(1)
    )));
    let bob = keyed(&shop, "bob", add, "k1", &line(5));
    assert!(bob.status == 200 && !is_replay(&bob), "{}", bob.text());
    shop.day(
        r#"
        ann GET /cart/cart/ => 200 {"items": [{"quantity": 1, "...": 0}], "...": 0}
        bob GET /cart/cart/ => 200 {"items": [{"quantity": 5, "...": 0}], "...": 0}
    "#,
    );
}

#[test]
fn a_key_has_a_form_and_is_looked_at_only_where_it_means_something() {
    let shop = Shop::stocked();
    let long = "k".repeat(256);
    for bad in ["", "two words", &long, "ключ"] {
        let heard = keyed(&shop, "ann", "POST /orders/create/", bad, &Value::Null);
        assert_eq!(
            (heard.status, &heard.json()["code"]),
            (400, &json!("idempotency_key_malformed")),
            "{bad}"
        );
    }
    let two = |other| {
        let ask = Ask::new("POST /orders/create/").by(&shop, "ann");
        let ask = ask.header("Idempotency-Key", "one");
        shop.ask(ask.header("Idempotency-Key", other)).told(400)["code"].clone()
    };
    assert_eq!(two("two"), "idempotency_key_malformed", "which is meant?");
    assert_eq!(two("one"), "cart_empty");
    let heard = keyed(
        &shop,
        "ann",
        "POST /orders/create/",
        &"k".repeat(255),
        &Value::Null,
    );
    assert_eq!(heard.json()["code"], "cart_empty");
    for _ in 0..2 {
        assert!(!is_replay(&keyed(
            &shop,
            "ann",
            "GET /cart/cart/",
            "k1",
            &Value::Null
        )));
        let form = json!({"username": "ann", "password": "ann likes strong tea"});
        for who in ["nobody", "ann"] {
            let login = keyed(&shop, who, "POST /auth/login/", "k1", &form);
            assert!(login.status == 200 && !is_replay(&login));
        }
        // Who may not ask is told so every time.
        let forbidden = keyed(
            &shop,
            "ann",
            "POST /products/create-category/",
            "k9",
            &json!({"name": "X"}),
        );
        assert!(forbidden.status == 403 && !is_replay(&forbidden));
    }
}

#[test]
fn everything_that_changes_something_can_be_asked_for_once() {
    let shop = Shop::stocked();
    shop.day(
        r#"
        ann POST /products/cr-comment/$phone/ {"text": "Fine"} => 201 {"id": 1, "...": 0}
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1} => 200 ...
        ann POST /orders/create/ => 201 {"id": 1, "...": 0}
        ann GET /auth/profile/ => 200 {"id": "$ann", "...": 0}
    "#,
    );
    let ann = shop.names().text("ann").unwrap();
    let calls = [
        (
            "boss",
            "POST /products/create-category/".to_owned(),
            json!({"name": "Once"}),
        ),
        (
            "boss",
            "POST /products/create-product/".to_owned(),
            json!({"title": "Once", "category": 1, "quantity": 1, "price": "1.00"}),
        ),
        (
            "boss",
            "PATCH /products/categories/2/".to_owned(),
            json!({"name": "Twice"}),
        ),
        (
            "boss",
            "DELETE /products/categories/2/".to_owned(),
            Value::Null,
        ),
        ("boss", "PATCH /orders/status/1/".to_owned(), Value::Null),
        (
            "boss",
            format!("PATCH /auth/users/{ann}/"),
            json!({"user_role": "admin"}),
        ),
        (
            "ann",
            "PUT /products/ud-comment/1/".to_owned(),
            json!({"text": "Good"}),
        ),
        (
            "ann",
            "DELETE /products/ud-comment/1/".to_owned(),
            Value::Null,
        ),
        (
            "ann",
            "PATCH /auth/profile/update/".to_owned(),
            json!({"first_name": "Ann"}),
        ),
        (
            "ann",
            "POST /auth/profile/change-pass/".to_owned(),
            json!({"old_password": "ann likes strong tea", "new_password": "kettle and tea", "confirm_password": "kettle and tea"}),
        ),
        (
            "ann",
            "POST /cart/cart-add/".to_owned(),
            json!({"product_id": 1, "quantity": 2}),
        ),
        (
            "ann",
            "PATCH /cart/cart-update/".to_owned(),
            json!({"product_id": 1, "quantity": 1}),
        ),
        ("ann", "DELETE /cart/cart-clear/".to_owned(), Value::Null),
        ("ann", "POST /auth/logout-all/".to_owned(), Value::Null),
    ];
    for (number, (who, call, body)) in calls.iter().enumerate() {
        let key = format!("key-{number}");
        let first = keyed(&shop, who, call, &key, body);
        assert!(first.status < 300, "{call}: {}", first.text());
        assert_replayed(&first, &keyed(&shop, who, call, &key, body));
    }
    let statuses: Vec<Value> = shop
        .list("boss", "/orders/list/")
        .iter()
        .map(|order| order["status"].clone())
        .collect();
    assert_eq!(statuses, ["paid"], "moved one step");
}

#[test]
fn a_photo_is_the_same_whatever_boundary_the_client_made_up() {
    let shop = Shop::stocked();
    let send = |boundary: &str, form: Vec<u8>| {
        let framed = format!("multipart/form-data; boundary={boundary}");
        let ask = Ask::new("PATCH /auth/profile/photo/").by(&shop, "ann");
        let ask = ask.header("Idempotency-Key", "photo");
        shop.ask(ask.with(&framed, form))
    };
    let form = |width| {
        let picture = photos::picture(width, 10, ImageFormat::Png);
        photos::multipart("photo", "me.png", &picture)
    };
    let first = send(ONE, framed(&form(20), ONE));
    assert_eq!(first.status, 200, "{}", first.text());
    assert_replayed(&first, &send(ONE, framed(&form(20), ONE)));
    // As curl does when it tries again.
    assert_replayed(&first, &send(OTHER, framed(&form(20), OTHER)));
    let another = send(OTHER, framed(&form(10), OTHER));
    assert_eq!(another.told(422)["code"], "idempotency_key_reused");
}

/// As curl makes them up.
const ONE: &str = "------------------------d74496d66958873e";
const OTHER: &str = "------------------------1f0e3dad99908345";

/// The same form with that boundary between its parts.
fn framed(form: &[u8], boundary: &str) -> Vec<u8> {
    let mut framed = Vec::new();
    let mut rest = form;
    while let Some(at) = memchr::memmem::find(rest, b"--frame") {
        let (part, after) = rest.split_at(at);
        framed.extend([part, b"--", boundary.as_bytes()].concat());
        rest = &after[b"--frame".len()..];
    }
    framed.extend(rest);
    framed
}

/// A key takes no second place in the queue of photos.
#[test]
fn sixteen_photos_with_keys_are_taken_at_once() {
    let shop = Shop::open();
    shop.token("ann");
    let picture = photos::picture(1_500, 1_500, ImageFormat::Png);
    let form = photos::multipart("photo", "me.png", &picture);
    let start = Barrier::new(16);
    thread::scope(|scope| {
        for n in 0..16 {
            let ask = Ask::new("PATCH /auth/profile/photo/").by(&shop, "ann");
            let ask = ask.header("Content-Type", "multipart/form-data; boundary=frame");
            let mut ask = ask.header("Idempotency-Key", &n.to_string());
            ask.body = Some(form.clone());
            let (shop, start) = (&shop, &start);
            scope.spawn(move || {
                start.wait();
                shop.ask(ask).told(200);
            });
        }
    });
}

#[test]
fn sixty_four_at_once_make_one_order_and_sixty_four_equal_answers() {
    let shop = Shop::stocked();
    shop.day(r#"ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1} => 200 ..."#);
    let start = Barrier::new(64);
    let heard: Vec<Heard> = thread::scope(|scope| {
        let ask = || {
            start.wait();
            keyed(&shop, "ann", "POST /orders/create/", "once", &Value::Null)
        };
        let askers: Vec<_> = (0..64).map(|_| scope.spawn(ask)).collect();
        askers
            .into_iter()
            .map(|asker| asker.join().unwrap())
            .collect()
    });
    assert_eq!(heard[0].status, 201, "{}", heard[0].text());
    assert!(heard.iter().all(|one| essence(one) == essence(&heard[0])));
    assert_eq!(heard.iter().filter(|one| !is_replay(one)).count(), 1);
    assert_eq!(shop.list("ann", "/orders/list/").len(), 1);
    assert_eq!(shop.get("nobody", "/products/detail/1/")["quantity"], 9);
}

#[test]
fn a_key_is_remembered_when_the_shop_was_killed() {
    let mut shop = Shop::stocked();
    shop.day(r#"ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ..."#);
    let first = keyed(&shop, "ann", "POST /orders/create/", "k1", &Value::Null);
    assert_eq!(first.status, 201, "{}", first.text());
    drop(shop.take_process()); // Kills it.
    shop.reopen();
    assert_replayed(
        &first,
        &keyed(&shop, "ann", "POST /orders/create/", "k1", &Value::Null),
    );
    assert_eq!(shop.list("ann", "/orders/list/").len(), 1);
}
