//! Days of lists: bare arrays, walked page by page, with a count and a link to what follows.

use serde_json::Value;

use crate::shop::{Heard, Shop};

/// A shop in which every list has at least three rows.
fn shop_with_lists() -> Shop {
    let shop = Shop::with_parts(5);
    shop.day(
        r#"
        boss POST /products/create-category/ {"name": "B"} => 201 ...
        again {"name": "C"} => 201 ...
        bob POST /products/cr-comment/1/ {"text": "b"} => 201 ...
    "#,
    );
    for product in 1..=3 {
        shop.names().keep("n", product.into());
        shop.day(
            r#"
            ann POST /products/cr-comment/1/ {"text": "$n"} => 201 ...
            ann POST /cart/cart-add/ {"product_id": "$n", "quantity": 1} => 200 ...
            ann POST /orders/create/ => 201 ...
    "#,
        );
    }
    shop
}

const LISTS: [(&str, &str, usize); 11] = [
    ("nobody", "/products/products/", 5),
    ("nobody", "/products/search/", 5),
    ("nobody", "/products/search/?q=part", 5),
    (
        "nobody",
        "/products/search/?q=part&ordering=-price&min_price=1",
        5,
    ),
    ("nobody", "/products/search/?ordering=-created_at", 5),
    ("nobody", "/products/categories/", 3),
    ("nobody", "/products/cr-comment/1/", 4),
    ("ann", "/products/comment-list/", 3),
    ("boss", "/products/comment-list/", 4),
    ("ann", "/orders/list/", 3),
    ("boss", "/auth/users/", 3),
];

#[test]
fn every_list_is_walked_page_by_page_to_the_same_rows() {
    let shop = shop_with_lists();
    for (who, path, rows) in LISTS {
        let all = shop.say(who, &format!("GET {path}"), Value::Null);
        assert_eq!(all.json().as_array().unwrap().len(), rows, "{path}");
        assert_eq!(all.header("X-Total-Count"), rows.to_string(), "{path}");
        assert_eq!(all.header("Link"), "", "{path} has no more");
        for limit in [1, 2, rows, 1000] {
            let walked = walk(
                &shop,
                who,
                &with_query(path, &format!("limit={limit}")),
                limit,
                rows,
            );
            assert_eq!(Value::from(walked), all.json(), "{path} by {limit}");
        }
    }
}

fn walk(shop: &Shop, who: &str, path: &str, limit: usize, total: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = shop.say(who, &format!("GET {path}"), Value::Null);
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        assert_eq!(page.header("X-Total-Count"), total.to_string(), "{path}");
        let Value::Array(more) = page.json() else {
            panic!("{path} is no list")
        };
        assert_eq!(more.len(), limit.min(total - rows.len()), "{path}");
        rows.extend(more);
        next = next_of(&page);
        assert_eq!(next.is_some(), rows.len() < total, "{path}");
    }
    rows
}

/// The path of the next page, if the reply links to one.
fn next_of(page: &Heard) -> Option<String> {
    let (url, kind) = page.header("Link").strip_prefix('<')?.split_once('>')?;
    assert_eq!(kind, r#"; rel="next""#);
    let path = url
        .strip_prefix("http://")
        .and_then(|rest| rest.find('/').map(|at| rest.split_at(at).1));
    Some(path.unwrap_or(url).to_owned())
}

fn with_query(path: &str, query: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{query}")
}

#[test]
fn a_bad_page_is_named() {
    let shop = shop_with_lists();
    for (who, path, _) in LISTS {
        for (query, fields) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=-1", "limit"),
            ("limit=ten", "limit"),
            ("cursor=%00!", "cursor"),
            ("cursor=garbage&limit=x", "limit, cursor"),
        ] {
            shop.day(&format!(
                "{who} GET {} => 400 on {fields}",
                with_query(path, query)
            ));
        }
    }
}

#[test]
fn a_walk_loses_no_row_when_others_go() {
    let shop = Shop::with_parts(5);
    let first = shop.say("nobody", "GET /products/products/?limit=2", Value::Null);
    let seen = first.json();
    shop.names().keep("gone", seen[1]["id"].clone());
    shop.day("boss DELETE /products/delete-update/$gone/ => 204");
    let second = shop.get("nobody", &next_of(&first).unwrap());
    let titles = [&second[0]["title"], &second[1]["title"]];
    assert_eq!(titles, ["Part 3", "Part 4"]);
}

#[test]
fn a_list_without_a_limit_stops_at_a_thousand() {
    let shop = Shop::with_parts(1_001);
    for path in ["/products/products/", "/products/search/?q=part"] {
        walk(&shop, "nobody", path, 1_000, 1_001);
    }
}
