//! Races over real sockets: many callers released at once, and every number counted after.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::shop::{Heard, Shop};

/// Lets everybody act at the same moment, and hands back what each heard.
fn at_once<C: Sync>(callers: &[C], act: impl Fn(&C) -> Heard + Sync) -> Vec<Heard> {
    let (start, act) = (&Barrier::new(callers.len()), &act);
    let race = |caller| {
        start.wait();
        act(caller)
    };
    let race = &race;
    thread::scope(|scope| {
        let racers: Vec<_> = callers
            .iter()
            .map(|caller| scope.spawn(move || race(caller)))
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap())
            .collect()
    })
}

/// How many replies had which status.
fn tally(heard: &[Heard]) -> BTreeMap<u16, usize> {
    let mut tally = BTreeMap::new();
    for heard in heard {
        *tally.entry(heard.status).or_default() += 1;
    }
    tally
}

#[track_caller]
fn assert_tally<const N: usize>(heard: &[Heard], wanted: [(u16, usize); N]) {
    let said = heard.first().map(Heard::text);
    assert_eq!(
        tally(heard),
        BTreeMap::from(wanted),
        "the first heard {said:?}"
    );
}

/// Every refusal must have this code.
#[track_caller]
fn assert_refused(heard: &[Heard], code: &str) {
    for refused in heard.iter().filter(|heard| heard.status >= 400) {
        assert_eq!(refused.json()["code"], code);
    }
}

fn shop_with_40_of_two() -> Shop {
    let shop = Shop::open();
    shop.day(r#"
        boss POST /products/create-category/ {"name": "Phones"} => 201 {"id": "$phones", "...": 0}
        boss POST /products/create-product/ {"title": "Pixel", "category": "$phones", "quantity": 40, "price": "100.00"}
        => 201 {"id": 1, "...": 0}
        again {"title": "Case", "category": "$phones", "quantity": 40, "price": "1.00"}
        => 201 {"id": 2, "...": 0}
    "#);
    shop
}

fn stock(shop: &Shop) -> Vec<Value> {
    let shelf = shop.list("nobody", "/products/products/");
    shelf
        .into_iter()
        .map(|product| product["quantity"].clone())
        .collect()
}

/// Signs people up and fills their carts with one of each, half of them the other way round: no order of rows may
/// matter. Two at a time, because a password costs a core some 40 ms.
fn fill_carts(shop: &Shop, buyers: &[String]) {
    let fill = |buyer: &String, first: usize| {
        for product in [1 + first, 2 - first] {
            let line = json!({"product_id": product, "quantity": 1});
            shop.say(buyer, "POST /cart/cart-add/", line).told(200);
        }
    };
    let (one, other) = buyers.split_at(buyers.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| one.iter().for_each(|buyer| fill(buyer, 0)));
        scope.spawn(|| other.iter().for_each(|buyer| fill(buyer, 1)));
    });
}

#[test]
fn sixty_four_buyers_race_for_forty_pieces_and_every_piece_is_counted() {
    let shop = shop_with_40_of_two();
    let buyers: Vec<String> = (1..=64).map(|i| format!("buyer{i}")).collect();
    fill_carts(&shop, &buyers);
    let racers: Vec<&str> = buyers.iter().map(String::as_str).chain(["boss"]).collect();
    let heard = at_once(&racers, |who| match *who {
        "boss" => rewrite_descriptions(&shop),
        buyer => shop.say(buyer, "POST /orders/create/", Value::Null),
    });
    let (_, orders) = heard.split_last().unwrap();
    assert_tally(orders, [(201, 40), (400, 24)]);
    assert_refused(orders, "insufficient_stock");
    assert_eq!(stock(&shop), [0, 0], "the rewriting moved no stock");
    assert_eq!(shop.list("boss", "/orders/list/").len(), 40);

    let order_of = |buyer: &String| {
        Some((
            buyer.clone(),
            shop.list(buyer, "/orders/list/").first()?["id"].clone(),
        ))
    };
    let placed: Vec<_> = buyers.iter().filter_map(order_of).collect();
    assert_eq!(placed.len(), 40);
    let heard = at_once(&[&*placed, &*placed].concat(), |(buyer, order)| {
        shop.say(
            buyer,
            &format!("DELETE /orders/cancel/{order}/"),
            Value::Null,
        )
    });
    assert_tally(&heard, [(200, 40), (400, 40)]);
    assert_refused(&heard, "order_not_new");
    assert_eq!(stock(&shop), [40, 40], "every unit is back, once");
}

/// A hundred times, and hands back the last reply.
fn rewrite_descriptions(shop: &Shop) -> Heard {
    let rewrite = |n| {
        let path = format!("PATCH /products/delete-update/{}/", 1 + n % 2);
        shop.say(
            "boss",
            &path,
            json!({"description": format!("rewritten {n} times")}),
        )
    };
    let heard: Vec<Heard> = (1..=100).map(rewrite).collect();
    assert_tally(&heard, [(200, 100)]);
    assert_eq!(
        shop.get("nobody", "/products/detail/1/")["description"],
        "rewritten 100 times"
    );
    heard.into_iter().next_back().unwrap()
}

#[test]
fn a_hundred_and_sixty_adds_at_once_make_a_hundred_and_sixty() {
    let shop = shop_with_40_of_two();
    shop.token("ann");
    let line = json!({"product_id": 1, "quantity": 1});
    let heard = at_once(&[(); 160], |()| {
        shop.say("ann", "POST /cart/cart-add/", line.clone())
    });
    assert_tally(&heard, [(200, 160)]);
    shop.day(r#"ann GET /cart/cart/ => 200 {"items": [{"quantity": 160, "...": 0}], "total_price": "16000.00", "...": 0}"#);
}

#[test]
fn one_cart_ordered_eight_times_at_once_is_one_order() {
    let shop = shop_with_40_of_two();
    shop.day(r#"ann POST /cart/cart-add/ {"product_id": 1, "quantity": 3} => 200 ..."#);
    let heard = at_once(&[(); 8], |()| {
        shop.say("ann", "POST /orders/create/", Value::Null)
    });
    assert_tally(&heard, [(201, 1), (400, 7)]);
    assert_refused(&heard, "cart_empty");
    assert_eq!(stock(&shop), [37, 40]);
}

#[test]
fn one_name_signed_up_eight_times_at_once_is_one_person() {
    let shop = Shop::open();
    let heard = at_once(&[1, 2, 3, 4, 5, 6, 7, 8], |n| {
        let (email, password) = (format!("ann{n}@shop.test"), "kettle and tea");
        let form = json!({"username": "ann", "email": email, "password": password, "confirm_pass": password});
        shop.say("nobody", "POST /auth/sign-up/", form)
    });
    assert_tally(&heard, [(201, 1), (400, 7)]);
    for refused in heard.iter().filter(|heard| heard.status == 400) {
        assert!(
            refused.json()["username"][0].is_string(),
            "{}",
            refused.text()
        );
    }
    shop.day(r#"boss GET /auth/users/ => 200 [{"username": "boss", "...": 0}, {"username": "ann", "...": 0}]"#);
}

fn shop_with_an_order() -> Shop {
    let shop = shop_with_40_of_two();
    shop.day(
        r#"
        ann POST /cart/cart-add/ {"product_id": 1, "quantity": 5} => 200 ...
        ann POST /orders/create/ => 201 {"id": 1, "...": 0}
    "#,
    );
    shop
}

#[test]
fn two_admins_advancing_one_order_move_it_once_each() {
    let shop = shop_with_an_order();
    shop.day(
        r#"
        ann GET /auth/profile/ => 200 {"id": "$ann", "...": 0}
        boss PATCH /auth/users/$ann/ {"user_role": "admin"} => 200 ...
    "#,
    );
    let advance = |who: &&str| shop.say(who, "PATCH /orders/status/1/", Value::Null);
    let heard = at_once(&["boss", "ann"], advance);
    assert_tally(&heard, [(200, 2)]);
    let mut steps: Vec<String> = heard
        .iter()
        .map(|heard| heard.json()["status"].to_string())
        .collect();
    steps.sort();
    assert_eq!(steps, [r#""paid""#, r#""shipped""#]);
}

#[test]
fn one_order_cancelled_eight_times_at_once_comes_back_once() {
    let shop = shop_with_an_order();
    assert_eq!(stock(&shop), [35, 40]);
    let cancel = |(): &()| shop.say("ann", "DELETE /orders/cancel/1/", Value::Null);
    let heard = at_once(&[(); 8], cancel);
    assert_tally(&heard, [(200, 1), (400, 7)]);
    assert_refused(&heard, "order_not_new");
    assert_eq!(stock(&shop), [40, 40]);
}

#[test]
fn one_refresh_token_used_eight_times_at_once_is_taken_once() {
    let shop = Shop::open();
    shop.token("ann");
    let form = json!({"refresh": shop.names().text("ann_refresh").unwrap()});
    let heard = at_once(&[(); 8], |()| {
        shop.say("nobody", "POST /auth/refresh/", form.clone())
    });
    assert_tally(&heard, [(200, 1), (401, 7)]);
}
