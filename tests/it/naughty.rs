//! Days of naughty input: strings that broke others, and JSON at the edges of what JSON is, into every body.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::shop::{Ask, Heard, Shop};

const CORPUS: &str = "../shared/data/corpora/blns/blns.json";

/// Ours, and the Big List of Naughty Strings where it is at hand.
fn strings() -> Vec<String> {
    let ours = [
        "",
        " ",
        "\0",
        "a\0b",
        "\u{feff}",
        "\u{202e}drawkcab",
        "\u{200b}",
        "\u{85}x\u{85}",
        "é",
        "e\u{301}",
        "ﬁsh",
        "İıſK",
        "ẞß",
        "👩‍👩‍👧‍👦",
        "🏳️‍⚧️",
        "\u{10ffff}",
        "\u{ffff}",
        "\u{2028}\u{2029}",
        "\r\n",
        "a\tb",
        "\u{1b}[31m",
        "' OR 1=1 --",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "%00%0a",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "null",
        "true",
        "NaN",
        "-0",
        "1e400",
        "0x10",
        "１２",
        "-1",
        "99999999999999999999999999999999999999999",
        "\"",
        "\\",
        "\\u0000",
        "*",
        "?",
        "(",
        "[",
        "AND OR NOT",
        "title:*",
        "a~9999",
        "[* TO *]",
        "ª",
        "ⅷ",
        "ﷺ",
    ];
    let mut strings: Vec<String> = ours.iter().map(|text| (*text).to_owned()).collect();
    strings.push("Z\u{351}\u{36b}\u{343}".repeat(60));
    strings.push("ﷺ".repeat(255));
    strings.push("x".repeat(256));
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join(CORPUS);
    if let Ok(text) = std::fs::read_to_string(corpus) {
        let theirs: Vec<String> = serde_json::from_str(&text).unwrap();
        strings.extend(theirs);
    }
    strings
}

/// What every reply keeps, whatever was said.
#[track_caller]
fn is_well_answered(what: &str, heard: &Heard) {
    assert!(
        heard.status < 500,
        "{what}: {} {}",
        heard.status,
        heard.text()
    );
    if !heard.body.is_empty() {
        heard.json();
    }
}

fn say_raw(shop: &Shop, who: &str, call: &str, body: impl Into<Vec<u8>>) -> Heard {
    let ask = Ask::new(call).by(shop, who);
    let mut ask = ask.header("Content-Type", "application/json");
    ask.body = Some(body.into());
    shop.ask(ask)
}

fn say_form(shop: &Shop, who: &str, call: &str, name: &str, text: &str) -> Heard {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let body = form.append_pair(name, text).finish();
    let ask = Ask::new(call).by(shop, who);
    let mut ask = ask.header("Content-Type", "application/x-www-form-urlencoded");
    ask.body = Some(body.into_bytes());
    shop.ask(ask)
}

/// The calls that take JSON and the names of what they take, from the document.
fn bodies(shop: &Shop) -> Vec<(String, Vec<String>)> {
    let document = shop.get("nobody", "/api/schema/?format=json");
    let paths: &Map<String, Value> = document["paths"].as_object().unwrap();
    let mut bodies = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if let Some(fields) = schema["properties"].as_object() {
                let call = format!("{} {}", method.to_uppercase(), path.replace("{id}", "1"));
                bodies.push((call, fields.keys().cloned().collect()));
            }
        }
    }
    assert!(bodies.len() > 15, "{} bodies", bodies.len());
    bodies
}

/// A shop with product 1 in category 1, and a comment of ann's on it.
fn shop_to_be_naughty_in() -> Shop {
    let shop = Shop::stocked();
    shop.day(r#"ann POST /products/cr-comment/1/ {"text": "Nice"} => 201 ..."#);
    shop
}

#[test]
fn no_body_breaks_on_a_naughty_string() {
    let shop = shop_to_be_naughty_in();
    let strings = strings();
    for (call, names) in bodies(&shop) {
        // A password costs 30 ms whatever is in it.
        let is_slow = names.iter().any(|name| name.contains("password"));
        let step = if is_slow { 20 } else { 1 };
        let is_for_admins = [
            "/products/cr",
            "/products/d",
            "/products/ca",
            "/orders/status",
            "/auth/users",
            "/backups",
        ];
        let who = if is_for_admins.iter().any(|path| call.contains(path)) {
            "boss"
        } else {
            "ann"
        };
        for (number, text) in strings.iter().enumerate().step_by(step) {
            // A backup of a good name is a good backup; nobody shuts the account that asks.
            if call.contains("/backups/") && text.chars().any(char::is_alphanumeric) {
                continue;
            }
            let body: Map<String, Value> = names
                .iter()
                .map(|name| (name.clone(), json!(text)))
                .collect();
            let heard = shop.say(who, &call, Value::Object(body));
            is_well_answered(&format!("{call} {text:?}"), &heard);
            // Some in one field alone, in a form of a page.
            let turn = number / step;
            if turn % 3 > 0 {
                continue;
            }
            let name = &names[turn / 3 % names.len()];
            let heard = say_form(&shop, who, &call, name, text);
            is_well_answered(&format!("{call} {name}={text:?}"), &heard);
        }
    }
}

#[test]
fn what_is_accepted_is_read_back_and_found() {
    let shop = Shop::stocked();
    shop.wait_for_its_index();
    for text in strings() {
        let trimmed = text.trim();
        let is_good = !trimmed.is_empty() && trimmed.chars().count() <= 255 && !text.contains('\0');
        let product = json!({"title": text, "description": text, "category": 1, "quantity": 1, "price": "1.00"});
        let heard = shop.say("boss", "POST /products/create-product/", product);
        is_well_answered(&text, &heard);
        assert_eq!(heard.status == 201, is_good, "{text:?}: {}", heard.text());
        let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let (search, suggest) = (
            format!("/products/search/?q={query}"),
            format!("/products/suggest/?q={query}"),
        );
        if !is_good {
            is_well_answered(
                &text,
                &shop.say("nobody", &format!("GET {search}"), Value::Null),
            );
            is_well_answered(
                &text,
                &shop.say("nobody", &format!("GET {suggest}"), Value::Null),
            );
            continue;
        }
        let id = &heard.json()["id"];
        let kept = shop.get("nobody", &format!("/products/detail/{id}/"));
        assert_eq!(
            (&kept["title"], &kept["description"]),
            (&json!(trimmed), &json!(trimmed))
        );
        let query: String = form_urlencoded::byte_serialize(trimmed.as_bytes()).collect();
        let hits = shop.list("nobody", &format!("/products/search/?q={query}"));
        assert!(
            hits.iter().any(|hit| hit["id"] == *id),
            "{text:?} is not found by itself"
        );
        shop.list("nobody", &suggest);
    }
}

#[test]
fn what_people_say_is_read_back_as_they_said_it() {
    let shop = shop_to_be_naughty_in();
    let comments = "/products/cr-comment/1/";
    for text in strings() {
        let said = text.trim();
        let is_within = |longest: usize| said.chars().count() <= longest && !text.contains('\0');
        // Whether it is taken, and if so is read back where it belongs.
        let is_taken = |heard: &Heard, is_good: bool| {
            is_well_answered(&text, heard);
            assert_eq!(heard.status < 300, is_good, "{text:?}: {}", heard.text());
            is_good
        };
        let heard = shop.say("ann", &format!("POST {comments}"), json!({"text": text}));
        if is_taken(&heard, is_within(150) && !said.is_empty()) {
            let id = &heard.json()["id"];
            let all = shop.list("nobody", comments);
            let kept = all.iter().find(|comment| comment["id"] == *id);
            assert_eq!(kept.unwrap()["text"], said);
        }
        let update = "PATCH /auth/profile/update/";
        let heard = shop.say("ann", update, json!({"first_name": text}));
        if is_taken(&heard, is_within(150)) {
            assert_eq!(shop.get("ann", "/auth/profile/")["first_name"], said);
        }
        let heard = shop.say("ann", update, json!({"phone": text}));
        if is_taken(&heard, is_within(20)) {
            let phone = if said.is_empty() {
                Value::Null
            } else {
                json!(said)
            };
            assert_eq!(shop.get("ann", "/auth/profile/")["phone"], phone);
        }
        let create = "POST /products/create-category/";
        let heard = shop.say("boss", create, json!({"name": text}));
        is_well_answered(&text, &heard);
        if heard.status == 201 {
            assert!(is_within(30) && !said.is_empty(), "{text:?}");
            let id = &heard.json()["id"];
            let all = shop.list("nobody", "/products/categories/");
            let kept = all.iter().find(|category| category["id"] == *id);
            assert_eq!(kept.unwrap()["name"], said);
        }
    }
}

#[test]
fn json_at_its_edges_is_taken_as_it_stands_or_refused() {
    let shop = Shop::open();
    let call = "PATCH /auth/profile/update/";
    let long_key = format!(r#"{{"{}": 1, "first_name": "long"}}"#, "k".repeat(50_000));
    for (body, first_name) in [
        (r#"{"first_name": "a", "first_name": "b"}"#, "b"),
        (r#"{"first\u005fname": "escaped"}"#, "escaped"),
        (r#"{"first_name": "\ud83d\ude00"}"#, "😀"),
        (r#"{"first_name": "\uffff"}"#, "\u{ffff}"),
        (r#"{"first_name": "\/\b\f"}"#, "/\u{8}"),
        ("\t\r\n {\"first_name\" :\n\"spaces\" } \n", "spaces"),
        (
            r#"{"first_name": "known", "unknown": [{"a": [null, 1e400, -0]}]}"#,
            "known",
        ),
        // As in the original, a number is taken for its digits.
        (r#"{"first_name": 1e400}"#, "1e400"),
        (r#"{"first_name": -0}"#, "-0"),
        (
            r#"{"first_name": 0.10000000000000000000000000001}"#,
            "0.10000000000000000000000000001",
        ),
        (&long_key, "long"),
    ] {
        let told = say_raw(&shop, "ann", call, body).told(200);
        assert_eq!(told["data"]["first_name"], *first_name, "{body}");
        assert_eq!(
            shop.get("ann", "/auth/profile/")["first_name"],
            *first_name,
            "{body}"
        );
    }
    let deep = |open: &str| open.repeat(8_000).into_bytes();
    for body in [
        &b"{"[..],
        b"}",
        b"[]",
        b"null",
        b"1",
        b"\"x\"",
        b"nul",
        b"{}{}",
        b"\xef\xbb\xbf{\"first_name\": \"bom\"}",
        br#"{"first_name": "a",}"#,
        br#"{"first_name": "a"} x"#,
        br#"{"first_name" "a"}"#,
        br#"{"first_name":: "a"}"#,
        br#"{first_name: "a"}"#,
        br"{'first_name': 'a'}",
        br#"{1: "a"}"#,
        br#"{"first_name": /* a */ "a"}"#,
        b"{\"first_name\": \"a\"} // a",
        br#"{"first_name": NaN}"#,
        br#"{"first_name": -Infinity}"#,
        br#"{"first_name": +1}"#,
        br#"{"first_name": 01}"#,
        br#"{"first_name": .5}"#,
        br#"{"first_name": 1.}"#,
        br#"{"first_name": 1e}"#,
        br#"{"first_name": 0x1}"#,
        br#"{"first_name": -}"#,
        br#"{"first_name": "\x"}"#,
        br#"{"first_name": "\u12"}"#,
        br#"{"first_name": "\ud800"}"#,
        br#"{"first_name": "\udc00\ud800"}"#,
        br#"{"first_name": "\u0000"}"#,
        b"{\"first_name\": \"a\0\"}",
        b"{\"first_name\": \"a\nb\"}",
        b"{\"first_name\": \"\xff\"}",
        b"{\"first_name\": \"\xc0\x80\"}",
        b"{\"first_name\": \"\xed\xa0\x80\"}",
        b"{\"first_name\": \"\xf4\x90\x80\x80\"}",
        b"\xff\xfe{\0}\0",
        br#"{"first_name": true}"#,
        br#"{"first_name": ["a"]}"#,
        br#"{"first_name": {"a": 1}}"#,
        br#"{"first_name": null}"#,
        br#"{"first_name": "a"#,
        b"\0",
        &deep("["),
        &deep(r#"{"a":"#),
        &deep("[{\"a\":"),
    ] {
        let what = String::from_utf8_lossy(body.split_at(body.len().min(60)).0);
        let heard = say_raw(&shop, "ann", call, body);
        assert_eq!(heard.status, 400, "{what}: {}", heard.text());
        heard.json();
    }
    assert_eq!(shop.get("ann", "/auth/profile/")["first_name"], "long");
}

#[test]
fn no_body_breaks_on_a_value_of_another_kind() {
    let shop = shop_to_be_naughty_in();
    let values = [
        "1e400",
        "-1e400",
        "1e-400",
        "-0",
        "-0.0",
        "1E2",
        "0.1",
        "2147483648",
        "18446744073709551616",
        "-170141183460469231731687303715884105729",
        "99999999.995",
        "1.000000000000000000000000000000000001",
        "null",
        "true",
        "[]",
        "{}",
        "[[[[1]]]]",
        r#""1e5""#,
        r#"" 7 ""#,
        r#""\ud800""#,
        r#""\u0000""#,
        r#""٣""#,
    ];
    for (call, names) in bodies(&shop) {
        for value in values {
            let pairs: Vec<String> = names
                .iter()
                .map(|name| format!("\"{name}\": {value}"))
                .collect();
            let body = format!("{{{}}}", pairs.join(", "));
            let who = if call.contains("/products/") {
                "boss"
            } else {
                "ann"
            };
            is_well_answered(
                &format!("{call} {value}"),
                &say_raw(&shop, who, &call, body),
            );
        }
    }
}
