//! Days of naughty input: strings that broke others, and JSON at the edges of what JSON is, into every body.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::routes;
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
    shop.ask(ask.with("application/json", body))
}

fn say_form(shop: &Shop, who: &str, call: &str, name: &str, text: &str) -> Heard {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let body = form.append_pair(name, text).finish();
    let ask = Ask::new(call).by(shop, who);
    shop.ask(ask.with("application/x-www-form-urlencoded", body))
}

/// A call that takes a body: who may make it, and the names of what it takes.
struct Write {
    who: &'static str,
    call: String,
    names: Vec<String>,
}

/// Every call that takes a body of fields, of things that are there.
fn calls(shop: &Shop) -> Vec<Write> {
    let rows = routes::rows(&routes::document(shop)).into_iter();
    let rows = rows.filter(|row| !row.fields().is_empty() && !row.fields().contains("photo"));
    let calls: Vec<Write> = rows
        .map(|row| Write {
            who: if row.access() == "admin" {
                "boss"
            } else {
                "ann"
            },
            call: format!("{} {}", row.method, row.path.replace("{id}", "1")),
            names: row.fields().into_iter().collect(),
        })
        .collect();
    assert!(calls.len() > 15, "{} calls", calls.len());
    calls
}

/// A shop with product 1 in category 1, and a comment and an order of ann's.
fn shop_to_be_naughty_in() -> Shop {
    let shop = Shop::stocked();
    shop.day(
        r#"
        ann POST /products/cr-comment/1/ {"text": "Nice"} => 201 ...
        ann POST /cart/cart-add/ {"product_id": 1, "quantity": 1} => 200 ...
        ann POST /orders/create/ => 201 ...
        "#,
    );
    shop
}

impl Write {
    /// That the body was looked at, and well answered.
    #[track_caller]
    fn is_looked_at(&self, what: &str, heard: &Heard) {
        is_well_answered(&format!("{} {what}", self.call), heard);
        // A token in the body is looked at too, and what a body names may not be there.
        let is_named_there = ["refresh", "product_id"]
            .iter()
            .any(|name| self.names.iter().any(|own| own == name));
        let is_let_in = ![401, 403, 404].contains(&heard.status) || is_named_there;
        assert!(is_let_in, "{} {what}: {}", self.call, heard.text());
    }
}

#[test]
fn no_body_breaks_on_a_naughty_string() {
    let shop = shop_to_be_naughty_in();
    let strings = strings();
    for call in calls(&shop) {
        // A password costs 30 ms whatever is in it.
        let is_slow = call.names.iter().any(|name| name.contains("password"));
        let step = if is_slow { 20 } else { 1 };
        for (number, text) in strings.iter().enumerate().step_by(step) {
            // A backup of a good name is a good backup.
            if call.call.contains("/backups/") && text.chars().any(char::is_alphanumeric) {
                continue;
            }
            let body: Map<String, Value> = call
                .names
                .iter()
                .map(|name| (name.clone(), json!(text)))
                .collect();
            let heard = shop.say(call.who, &call.call, Value::Object(body));
            call.is_looked_at(&format!("{text:?}"), &heard);
            // Some in one field alone, in a form of a page.
            let turn = number / step;
            if turn % 3 > 0 {
                continue;
            }
            let name = &call.names[turn / 3 % call.names.len()];
            let heard = say_form(&shop, call.who, &call.call, name, text);
            call.is_looked_at(&format!("{name}={text:?}"), &heard);
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
    for call in calls(&shop) {
        for value in values {
            let pairs: Vec<String> = call
                .names
                .iter()
                .map(|name| format!("\"{name}\": {value}"))
                .collect();
            let body = format!("{{{}}}", pairs.join(", "));
            let heard = say_raw(&shop, call.who, &call.call, body);
            call.is_looked_at(value, &heard);
        }
    }
}
