//! Days of who asks again: a tag for every read, 304 for what did not change, and never anything stale.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::shop::{Ask, Heard, Shop};

fn again(shop: &Shop, who: &str, call: &str, tag: &str) -> Heard {
    let ask = Ask::new(call).by(shop, who);
    shop.ask(ask.header("If-None-Match", tag))
}

#[test]
fn what_did_not_change_is_304_to_who_has_it() {
    let shop = Shop::stocked();
    shop.wait_for_its_index();
    for (who, path) in [
        ("nobody", "/products/detail/1/"),
        ("nobody", "/products/products/"),
        ("nobody", "/products/products/?limit=1"),
        ("nobody", "/products/search/?q=pixel"),
        ("nobody", "/products/categories/"),
        ("nobody", "/api/schema/"),
        ("nobody", "/api/schema/?format=json"),
        ("ann", "/auth/profile/"),
        ("ann", "/cart/cart/"),
        ("ann", "/orders/list/"),
    ] {
        let call = format!("GET {path}");
        let first = shop.say(who, &call, Value::Null);
        assert_eq!(first.status, 200, "{path}");
        let tag = first.header("ETag");
        let is_strong = tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34;
        assert!(is_strong, "{path}: {tag}");
        for shown in [
            tag,
            "*",
            &format!("W/{tag}"),
            &format!("\"other\", {tag}"),
            &format!("W/\"other\",{tag} , \"more\""),
        ] {
            let heard = again(&shop, who, &call, shown);
            assert_eq!(heard.status, 304, "{path} {shown}");
            assert_eq!(heard.body, b"", "{path}");
            for name in ["ETag", "Vary", "X-Total-Count", "Link"] {
                assert_eq!(heard.header(name), first.header(name), "{path} {name}");
            }
        }
        let head = again(&shop, who, &format!("HEAD {path}"), tag);
        assert_eq!(head.status, 304, "{path}");
        for shown in ["", "\"other\"", tag.trim_matches('"'), "\"", "\u{e9}"] {
            let heard = again(&shop, who, &call, shown);
            assert_eq!((heard.status, &heard.body), (200, &first.body), "{shown}");
        }
    }
    // Of two forms of one document each has its own.
    let tag_of = |path: &str| {
        let heard = shop.say("nobody", &format!("GET {path}"), Value::Null);
        heard.header("ETag").to_owned()
    };
    assert_ne!(tag_of("/api/schema/"), tag_of("/api/schema/?format=json"));
}

#[test]
fn only_what_was_read_and_found_has_a_tag() {
    let shop = Shop::stocked();
    for (who, call, status) in [
        ("nobody", "GET /products/detail/99/", 404),
        ("nobody", "GET /auth/profile/", 401),
        ("nobody", "GET /products/products/?limit=0", 400),
        ("ann", "POST /orders/create/", 400),
        ("ann", "PATCH /auth/profile/update/", 200),
    ] {
        let heard = again(&shop, who, call, "*");
        assert_eq!(heard.status, status, "{call}");
        assert_eq!(heard.header("ETag"), "", "{call}");
    }
}

#[test]
fn a_change_is_seen_by_whoever_asks_after_its_answer() {
    let shop = Shop::stocked();
    let reads = ["/products/detail/1/", "/products/products/"];
    let look = |path: &str, tag: &str| again(&shop, "nobody", &format!("GET {path}"), tag);
    let price_in = |heard: &Heard| {
        let told = heard.json();
        let product = told.get(0).unwrap_or(&told);
        product["price"].as_str().unwrap().parse::<f64>().unwrap()
    };
    let (last, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let readers: Vec<_> = reads
            .iter()
            .map(|path| {
                let (last, is_over) = (&last, &is_over);
                scope.spawn(move || {
                    let (mut tag, mut price, mut unchanged) = (String::new(), 0.0, 0);
                    while !is_over.load(Ordering::SeqCst) {
                        let least = f64::from(last.load(Ordering::SeqCst));
                        let heard = look(path, &tag);
                        if heard.status == 304 {
                            unchanged += 1;
                        } else {
                            price = price_in(&heard);
                            tag = heard.header("ETag").to_owned();
                        }
                        assert!(price >= least, "{path}: {price} after {least} was answered");
                    }
                    unchanged
                })
            })
            .collect();
        // Dearer than it ever was.
        for price in 10_001..=10_100_u32 {
            let change = json!({"price": price});
            let call = "PATCH /products/delete-update/1/";
            assert_eq!(shop.say("boss", call, change).status, 200);
            last.store(price, Ordering::SeqCst);
        }
        is_over.store(true, Ordering::SeqCst);
        let unchanged: u32 = readers.into_iter().map(|one| one.join().unwrap()).sum();
        assert!(unchanged > 0, "nobody was told that nothing changed");
    });
}

#[test]
fn whatever_is_written_shows_at_once_on_every_page_that_was_ready() {
    let shop = Shop::stocked();
    shop.token("ann");
    let pages = [
        "/products/products/?limit=5",
        "/products/detail/1/",
        "/products/categories/",
        "/products/cr-comment/1/",
    ];
    let see = |path: &str| {
        let call = format!("GET {path}");
        // Asked twice, so that it is ready the second time.
        let first = shop.say("nobody", &call, Value::Null).told(200);
        assert_eq!(shop.say("nobody", &call, Value::Null).told(200), first);
        first.to_string()
    };
    let cart = json!({"product_id": 1, "quantity": 3});
    shop.say("ann", "POST /cart/cart-add/", cart).told(200);
    for (who, call, body, said, shown_in) in [
        (
            "boss",
            "PATCH /products/delete-update/1/",
            json!({"title": "Kettle"}),
            "\"Kettle\"",
            &pages[..2],
        ),
        (
            "ann",
            "POST /orders/create/",
            Value::Null,
            "\"quantity\":7",
            &pages[..2],
        ),
        (
            "boss",
            "PATCH /products/categories/1/",
            json!({"name": "Kitchen"}),
            "\"Kitchen\"",
            &pages[..3],
        ),
        (
            "ann",
            "POST /products/cr-comment/1/",
            json!({"text": "It boils"}),
            "It boils",
            &pages[3..],
        ),
        (
            "ann",
            "PATCH /auth/profile/update/",
            json!({"username": "anna"}),
            "\"anna\"",
            &pages[3..],
        ),
        (
            "ann",
            "DELETE /orders/cancel/1/",
            Value::Null,
            "\"quantity\":10",
            &pages[..2],
        ),
    ] {
        let before = pages.map(see);
        let heard = shop.say(who, call, body);
        assert!(
            (200..300).contains(&heard.status),
            "{call}: {}",
            heard.text()
        );
        for (page, before) in pages.iter().zip(before) {
            let now = see(page);
            if shown_in.contains(page) {
                assert!(
                    now.contains(said) && !before.contains(said),
                    "{call}: {now}"
                );
            }
        }
    }
    let gone = shop.say("boss", "DELETE /products/delete-update/1/", Value::Null);
    assert_eq!(gone.status, 204);
    for path in ["/products/detail/1/", "/products/cr-comment/1/"] {
        assert_eq!(
            shop.say("nobody", &format!("GET {path}"), Value::Null)
                .status,
            404
        );
    }
    assert!(!see(pages[0]).contains("Kettle"));
}
