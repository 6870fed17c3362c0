//! Days of the wire itself: what holds for every call, whatever it asks for.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::day::day;
use crate::shop::{Ask, Heard, Shop};

#[test]
fn every_path_is_served_with_and_without_its_slash() {
    let shop = Shop::stocked();
    shop.day(r#"
        nobody GET /products/products => 200 ["$phone_row", "$cable_row"]
        nobody GET /products/detail/$phone => 200 "$phone_row"
        nobody GET /products/search?q=pixel => 200 ["$phone_row"]
        nobody GET /products/categories => 200 ["*"]
        nobody POST /auth/login {} => 400 on username, password
        nobody POST /auth/sign-up {"email": "a@shop.test"} => 400 on username, password, confirm_pass
        ann GET /auth/profile => 200 {"username": "ann", "...": 0}
        ann PATCH /auth/profile/update {"first_name": "Ann"} => 200 ...
        ann POST /products/cr-comment/$phone {"text": "Fine"} => 201 {"id": "$comment", "...": 0}
        ann DELETE /products/ud-comment/$comment => 204
        ann POST /cart/cart-add {"product_id": "$phone", "quantity": 1} => 200 ...
        ann DELETE /cart/cart-remove {"product_id": "$phone"} => 200 ...
        ann DELETE /cart/cart-clear => 204
        ann POST /orders/create => 400 code cart_empty
        boss PATCH /products/delete-update/$phone {} => 200 "$phone_row"
        nobody GET /healthz => 200 {"...": 0}
        nobody GET /healthz/ => 200 {"...": 0}
        nobody GET /readyz => 200 {"...": 0}
        nobody GET /readyz/ => 200 {"...": 0}
    "#);
}

#[test]
fn what_is_nowhere_is_a_json_404() {
    day(r"
        nobody GET /nowhere/ => 404 code not_found
        nobody POST /auth/ => 404 code not_found
        nobody GET /products/detail/ => 404 code not_found
        nobody GET /products//products/ => 400 code bad_path
        nobody GET /Products/products/ => 404 code not_found
        nobody GET /products/products/1/ => 404 code not_found
        nobody GET /media/../Cargo.toml => 400 code bad_path
        ann DELETE /nowhere/ => 404 code not_found
    ");
}

#[test]
fn the_front_door_tells_programs_and_people_what_is_here() {
    day(r#"
        nobody GET / => 200 {"name": "*", "version": "*", "links": {"...": 0}}
        nobody GET /
            + Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
        => 200 ...
            + Content-Type: text/html*
    "#);
}

#[test]
fn a_head_is_a_get_without_its_body() {
    let shop = Shop::stocked();
    for path in [
        "/products/products/",
        "/products/detail/1/",
        "/products/detail/9/",
        "/healthz",
    ] {
        let get = shop.say("nobody", &format!("GET {path}"), Value::Null);
        let head = shop.say("nobody", &format!("HEAD {path}"), Value::Null);
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        for name in ["Content-Type", "Content-Length", "X-Total-Count", "Link"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
    shop.day(
        r"
        ann HEAD /cart/cart/ => 200
        nobody HEAD /cart/cart/ => 401
        nobody HEAD /auth/login/ => 405
    ",
    );
}

#[test]
fn every_path_says_which_methods_it_takes() {
    let shop = Shop::stocked();
    for (who, path, methods) in [
        ("nobody", "/products/products/", "GET HEAD OPTIONS"),
        ("nobody", "/auth/login/", "POST OPTIONS"),
        ("nobody", "/products/cr-comment/1/", "GET HEAD POST OPTIONS"),
        ("boss", "/products/delete-update/1/", "PATCH DELETE OPTIONS"),
        ("ann", "/products/ud-comment/1/", "PUT PATCH DELETE OPTIONS"),
        ("ann", "/cart/cart/", "GET HEAD OPTIONS"),
        ("ann", "/cart/cart-remove/", "DELETE OPTIONS"),
        ("ann", "/auth/profile/update/", "PATCH OPTIONS"),
    ] {
        let methods: BTreeSet<&str> = methods.split(' ').collect();
        let options = shop.say(who, &format!("OPTIONS {path}"), Value::Null);
        assert_eq!(options.status, 204, "OPTIONS {path}: {}", options.text());
        assert_eq!(allowed(&options), methods, "OPTIONS {path}");
        for wrong in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if !methods.contains(wrong) {
                let heard = shop.say(who, &format!("{wrong} {path}"), Value::Null);
                assert_eq!(heard.status, 405, "{wrong} {path}: {}", heard.text());
                assert_eq!(heard.json()["code"], "method_not_allowed");
                assert_eq!(allowed(&heard), methods, "{wrong} {path}");
            }
        }
    }
}

fn allowed(heard: &Heard) -> BTreeSet<&str> {
    heard.header("Allow").split(',').map(str::trim).collect()
}

#[test]
fn who_asks_is_checked_before_how_and_how_before_what() {
    let shop = Shop::stocked();
    shop.day(
        r#"
        # 401, 403, then 405.
        nobody GET /cart/cart-add/ => 401 code not_authenticated
        nobody GET /products/create-product/ => 401 code not_authenticated
        ann again => 403 code permission_denied
        boss again => 405 code method_not_allowed
        boss PUT /products/delete-update/9999/ => 405 code method_not_allowed
        # Then the object of the path, then the body as such, then its fields.
        nobody POST /cart/cart-add/ {"product_id"
            + Content-Type: text/plain
        => 401 code not_authenticated
        ann POST /products/create-product/ {"title": => 403 code permission_denied
        boss PATCH /products/delete-update/9999/ {"title": => 404 code *
        boss again {"title": "X"}
            + Content-Type: text/plain
        => 404 code *
        boss PATCH /products/delete-update/$phone/ {"title": "X"}
            + Content-Type: text/plain
        => 415 code *
        # Then a product that the body names.
        ann POST /cart/cart-add/ {"product_id": 9999, "quantity": "x"} => 400 on quantity
        again {"product_id": 9999, "quantity": 1} => 404 code *
        nobody GET /products/detail/$phone/ => 200 "$phone_row"
    "#,
    );
}

#[test]
fn a_body_that_is_no_json_is_told_where_it_broke() {
    day(r#"
        nobody POST /auth/login/ {"username": "ann",
        "password": "x",}
        => 400 {"detail": "*line 2*column *", "code": "*"}
        again {"username": 'ann'} => 400 {"detail": "*line 1*column *", "code": "*"}
        again {"username": NaN} => 400 {"detail": "*line 1*column *", "code": "*"}
        again {"username": "ann" /* who */} => 400 {"detail": "*line 1*column *", "code": "*"}
        again {"username": "ann"} more => 400 {"detail": "*line 1*column *", "code": "*"}
        again {"username" => 400 {"detail": "*line 1*column *", "code": "*"}
        again nonsense => 400 {"detail": "*line 1*column *", "code": "*"}
    "#);
}

#[test]
fn a_body_of_another_shape_is_refused_as_a_whole() {
    day(r#"
        nobody POST /auth/login/ ["username"] => 400 on non_field_errors
        again "username" => 400 on non_field_errors
        again 5 => 400 on non_field_errors
        again true => 400 on non_field_errors
        again null => 400 on non_field_errors
        # Nothing at all is an object with nothing in it.
        nobody POST /auth/login/ => 400 on username, password
        # Said twice, the last counts.
        nobody POST /auth/login/ {"username": "ann", "username": ""} => 400 on username, password
    "#);
}

#[test]
fn bytes_that_are_no_text_and_depths_without_end_are_400() {
    let shop = Shop::open();
    let deep = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
    let hidden = |depth| {
        [
            br#"{"username":"ann","password":"ann likes strong tea","x":"#,
            &*deep(depth),
            b"}",
        ]
        .concat()
    };
    let bom = b"\xef\xbb\xbf{}".to_vec();
    shop.token("ann");
    let say = |body: Vec<u8>| {
        let mut ask = Ask::new("POST /auth/login/").header("Content-Type", "application/json");
        ask.body = Some(body);
        shop.ask(ask)
    };
    for body in [
        b"{\"username\": \"\xff\"}".to_vec(),
        bom,
        deep(10_000),
        hidden(10_000),
        hidden(32),
    ] {
        let heard = say(body);
        assert_eq!(
            (heard.status, &heard.json()["code"]),
            (400, &"malformed_body".into()),
            "{}",
            heard.text()
        );
    }
    // What is unknown is ignored, brackets in a text too.
    assert_eq!(say(hidden(31)).status, 200);
    let text = r#"{"username":"ann","password":"ann likes strong tea","x":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["}"#;
    assert_eq!(say(text.into()).status, 200);
}

#[test]
fn json_and_forms_are_read_and_nothing_else() {
    let shop = Shop::stocked();
    shop.day(r#"
        boss POST /products/create-product/ form title=%D0%9C%D1%8B%D1%88%D1%8C+2&category=$phones&quantity=5&price=3.50&description=a%26b
        => 201 {"title": "Мышь 2", "quantity": 5, "price": "3.50", "description": "a&b", "category": "$phones", "...": 0}
        again form title=&category=x&quantity=-1&price= => 400 on title, category, quantity, price
        ann POST /cart/cart-add/ form product_id=$phone&quantity=2 => 200 {"items": [{"quantity": 2, "...": 0}], "...": 0}
        ann DELETE /cart/cart-remove/ form product_id=$phone => 200 ...
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"}
            + Content-Type: application/json; charset=utf-8
        => 200 ...
        again
            + Content-Type: text/plain
        => 415 code *
        again
            + Content-Type: application/xml
        => 415 code *
        again
            + Content-Type: multipart/form-data; boundary=x
        => 415 code *
    "#);
    let untyped = "POST /auth/login/ HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    let heard = shop.raw(untyped.as_bytes());
    assert!(heard.starts_with("HTTP/1.1 415 "), "{heard}");
}

#[test]
fn a_body_in_chunks_is_read() {
    day(r#"
        ann GET /auth/profile/ => 200 ...
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"}
            + Transfer-Encoding: chunked
        => 200 {"access": "*", "refresh": "*", "message": "*"}
    "#);
}

#[test]
fn a_body_is_at_most_64_kib() {
    let shop = Shop::stocked();
    shop.names().keep("long", "x".repeat(65_000).into());
    shop.names().keep("longest", "x".repeat(263_000).into());
    shop.names().keep("longer", "x".repeat(66_000).into());
    shop.day(r#"
        boss POST /products/create-category/ {"name": "$long"} => 400 on name
        again {"name": "$longer"} => 413 code *
        again form name=$longer => 413 code *
        again {"name": "$longer"}
            + Transfer-Encoding: chunked
        => 413 code *
        boss PATCH /products/delete-update/$phone/ {"price": "1.00", "unknown": "$longest"} => 413 code *
        nobody GET /products/products/ => 200 ["$phone_row", "$cable_row"]
        nobody GET /products/categories/ => 200 ["*"]
    "#);
}

#[test]
fn json_is_what_there_is_to_accept() {
    day(r"
        nobody GET /products/products/
            + Accept: application/json; indent=4
        => 200 []
        again
            + Accept: application/*
        => 200 []
        again
            + Accept: text/html,application/xhtml+xml,*/*;q=0.8
        => 200 []
        again
            + Accept: application/xml
        => 406 code *
    ");
}

#[test]
fn numbers_are_taken_as_numbers_or_as_text() {
    let shop = Shop::stocked();
    shop.day(r#"
        boss POST /products/create-product/ {"title": 5, "category": "$phones", "quantity": "2", "price": 1200}
        => 201 {"title": "5", "quantity": 2, "price": "1200.00", "...": 0}
        again {"title": "  trimmed  ", "category": "1", "quantity": " 3 ", "price": 1200.0}
        => 201 {"title": "trimmed", "category": 1, "quantity": 3, "price": "1200.00", "...": 0}
        again {"title": "X", "category": 1, "quantity": 7.0, "price": "1200.00"} => 201 {"quantity": 7, "price": "1200.00", "...": 0}
        again {"title": "X", "category": 1, "quantity": "7.0", "price": 999.9} => 201 {"quantity": 7, "price": "999.90", "...": 0}
        again {"title": "X", "category": 1, "quantity": 0, "price": "  7.50  "} => 201 {"price": "7.50", "...": 0}
        again {"title": "X", "category": 1, "quantity": 0, "price": "1e3"} => 201 {"price": "1000.00", "...": 0}
        again {"title": "X", "category": 1, "quantity": 0, "price": "+5"} => 201 {"price": "5.00", "...": 0}
        again {"title": "X", "category": 1, "quantity": 0, "price": 0.1} => 201 {"price": "0.10", "...": 0}
        again {"title": "X", "category": 1, "quantity": "seven", "price": "10.5000"} => 400 on quantity, price
    "#);
}
