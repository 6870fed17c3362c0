//! Days of finding: what a person types, and what a search page asks beside the hits.

use serde_json::{Value, json};

use crate::shop::Shop;

fn shop_to_look_in() -> Shop {
    let shop = Shop::open_after(|dir| {
        let row = |title: &str, category: &str, description: &str, price: &str| {
            json!({"title": title, "category": category, "description": description, "price": price}).to_string()
        };
        let rows = [
            row("Gaming laptop", "Laptops", "Fast", "1500.00"),
            row("Laptop sleeve", "Bags", "For any laptop", "19.00"),
            row("Laptops for beginners", "Books", "A guide", "9.00"),
            row(
                "Logitech MX Keys keyboard",
                "Keyboards",
                "Wireless, backlit",
                "99.00",
            ),
            row("Écouteurs", "Écoute", "Bluetooth", "49.00"),
            row("Monitor 27\"", "Monitors", "USB-C, wi-fi", "300.00"),
        ];
        let file = dir.join("rows.jsonl");
        std::fs::write(&file, rows.join("\n")).unwrap();
        crate::command::must_run(dir, &format!("import {} --quantity 3", file.display()), "");
    });
    // The index answers as soon as it is built.
    shop.wait_for_its_index();
    shop
}

fn titles(shop: &Shop, query: &str) -> Vec<String> {
    let hits = shop.list("nobody", &format!("/products/search/?q={query}"));
    hits.iter()
        .map(|hit| hit["title"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn people_find_things_however_they_type_them() {
    let shop = shop_to_look_in();
    for (query, title) in [
        ("keybaord", "Logitech MX Keys keyboard"),
        ("keyb", "Logitech MX Keys keyboard"),
        ("keyboard+logitech", "Logitech MX Keys keyboard"),
        ("wireles+keybord", "Logitech MX Keys keyboard"),
        ("ecouteurs", "Écouteurs"),
        ("ÉCOUTEURS", "Écouteurs"),
        ("27%22", "Monitor 27\""),
        ("wifi", "Monitor 27\""),
        ("usb+c", "Monitor 27\""),
    ] {
        assert_eq!(titles(&shop, query), [title], "{query}");
    }
    // Exact in the title twice over, then by how much of the text it is.
    let laptops = titles(&shop, "laptop");
    assert_eq!(laptops.len(), 3, "{laptops:?}");
    assert_eq!(titles(&shop, "gaming+laptop"), ["Gaming laptop"]);
}

#[test]
fn hits_are_counted_by_category_and_price_for_whoever_asks() {
    let shop = shop_to_look_in();
    let heard = shop.say(
        "nobody",
        "GET /products/search/?q=laptop&facets=category,price",
        Value::Null,
    );
    let facets: Value = serde_json::from_str(heard.header("X-Facets")).unwrap();
    assert_eq!(heard.json().as_array().unwrap().len(), 3);
    let counts = |facets: &Value| {
        let rows = facets["category"].as_array().unwrap().iter();
        let mut counts: Vec<String> = rows
            .map(|row| format!("{} {}", row["name"], row["count"]))
            .collect();
        counts.sort();
        counts
    };
    assert_eq!(
        counts(&facets),
        [r#""Bags" 1"#, r#""Books" 1"#, r#""Laptops" 1"#]
    );
    let wanted = json!([
        {"from": "0.00", "to": "10.00", "count": 1},
        {"from": "10.00", "to": "20.00", "count": 1},
        {"from": "1000.00", "to": "2000.00", "count": 1},
    ]);
    assert_eq!(facets["price"], wanted);

    let envelope = shop.get(
        "nobody",
        "/products/search/?q=laptop&facets=category&envelope=1&limit=2",
    );
    assert_eq!(envelope["results"].as_array().unwrap().len(), 2);
    assert_eq!(envelope["total"], 3);
    assert_eq!(counts(&envelope["facets"]).len(), 3);
    assert_eq!(envelope["facets"].get("price"), None);
    assert_eq!(envelope["suggestion"], Value::Null);
    // A name beyond ASCII comes through a header.
    let heard = shop.say(
        "nobody",
        "GET /products/search/?q=ecouteurs&facets=category",
        Value::Null,
    );
    assert!(heard.header("X-Facets").is_ascii());
    let facets: Value = serde_json::from_str(heard.header("X-Facets")).unwrap();
    assert_eq!(facets["category"][0]["name"], "Écoute");
    shop.day(r"
        nobody GET /products/search/?facets=colour => 400 on facets
        nobody GET /products/search/?envelope=perhaps => 400 on envelope
        nobody GET /products/search/?facets=colour&envelope=perhaps&limit=0 => 400 on facets, envelope, limit
    ");
}

#[test]
fn when_nothing_is_found_something_else_is_suggested() {
    let shop = shop_to_look_in();
    let envelope = shop.get("nobody", "/products/search/?q=gaming+zeppelin&envelope=1");
    assert_eq!(
        envelope,
        json!({"results": [], "facets": null, "total": 0, "suggestion": "gaming"})
    );
    let heard = shop.say(
        "nobody",
        "GET /products/search/?q=gaming+zeppelin",
        Value::Null,
    );
    assert_eq!(
        (heard.text().as_str(), heard.header("X-Suggestion")),
        ("[]", "gaming")
    );
    let heard = shop.say("nobody", "GET /products/search/?q=zeppelin", Value::Null);
    assert_eq!(
        (heard.text().as_str(), heard.header("X-Suggestion")),
        ("[]", "")
    );
}

#[test]
fn a_search_is_completed_as_it_is_typed() {
    let shop = shop_to_look_in();
    let suggest = |typed: &str| shop.list("nobody", &format!("/products/suggest/?q={typed}"));
    let texts = |typed: &str| {
        let rows = suggest(typed);
        let text = |row: &Value| {
            format!(
                "{} {}",
                row["kind"].as_str().unwrap(),
                row["text"].as_str().unwrap()
            )
        };
        rows.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(
        texts("keyb"),
        ["category Keyboards", "product Logitech MX Keys keyboard"]
    );
    assert_eq!(texts("moni"), ["category Monitors", "product Monitor 27\""]);
    assert_eq!(texts("lap")[0], "category Laptops");
    assert_eq!(texts("lap").len(), 4);
    assert!(texts("").is_empty() && texts("zeppelin").is_empty() && texts("%22--").is_empty());
    assert!(suggest("laptop").iter().all(|row| row["id"].is_u64()));
    let heard = shop.say(
        "nobody",
        &format!("GET /products/suggest/?q={}", "x".repeat(300)),
        Value::Null,
    );
    assert_eq!(heard.status, 400);
}

#[test]
fn what_nobody_should_type_is_answered_all_the_same() {
    let shop = shop_to_look_in();
    shop.names().keep("long", "laptop+".repeat(1_000).into());
    shop.names()
        .keep("letters", "a+b+c+d+e+f+g+h+".repeat(15).into());
    shop.day(
        r#"
        nobody GET /products/search/?q= => 200 ["*", "*", "*", "*", "*", "*"]
        nobody GET /products/search/?q=%20%20 => 200 []
        nobody GET /products/search/?q=$long => 400 on q
        nobody GET /products/search/?q=$letters => 200 []
        nobody GET /products/search/?q=%00 => 400 on q
        nobody GET /products/search/?q=%22 => 200 [{"title": "Monitor 27\"", "...": 0}]
        nobody GET /products/search/?q=--- => 200 []
        nobody GET /products/search/?q=(((%22laptop => 200 [{"...": 0}, {"...": 0}, {"...": 0}]
        nobody GET /products/search/?q=laptop)+AND+(title:* => 200 []
        nobody GET /products/search/?q=%FF%FE => 200 []
        nobody GET /products/search/?q=laptop&min_price=100&max_price=10 => 200 []
        nobody GET /products/search/?q=laptop&min_price=abc => 400 on min_price
        nobody GET /products/search/?q=a%0Ab%09c => 200 []
        nobody GET /products/search/?q=🎧 => 200 []
    "#,
    );
}

#[test]
fn a_walk_through_hits_by_relevance_meets_each_once() {
    let shop = Shop::with_parts(50);
    shop.wait_for_its_index();
    for query in [
        "q=part",
        "q=par",
        "q=prat",
        "q=part&ordering=-price",
        "q=part+1",
        "min_price=1",
    ] {
        let all = shop.list("nobody", &format!("/products/search/?{query}"));
        let mut walked = Vec::new();
        let mut next = Some(format!("/products/search/?{query}&limit=7"));
        while let Some(path) = next {
            let page = shop.say("nobody", &format!("GET {path}"), Value::Null);
            assert_eq!(page.header("X-Total-Count"), all.len().to_string());
            let Value::Array(rows) = page.json() else {
                panic!("a list")
            };
            walked.extend(rows);
            let link = page
                .header("Link")
                .strip_prefix('<')
                .and_then(|link| link.split_once('>'));
            next = link.map(|(path, _)| path.to_owned());
        }
        assert_eq!(walked, all, "{query}");
    }
}

#[test]
fn the_index_is_built_anew_at_the_command_line() {
    let mut shop = shop_to_look_in();
    shop.close();
    std::fs::remove_dir_all(shop.dir().join("index")).unwrap();
    let said = crate::command::must_run(shop.dir(), "reindex", "");
    assert!(said.starts_with("6 products"), "{said}");
    // What a shop owner wrote is what a search knows.
    std::fs::write(
        shop.dir().join("synonyms.txt"),
        "cans = ecouteurs # headphones\n",
    )
    .unwrap();
    shop.reopen();
    shop.wait_for_its_index();
    assert_eq!(titles(&shop, "cans"), ["Écouteurs"]);
    assert_eq!(titles(&shop, "notebook"), Vec::<String>::new());
}
