//! The route table, walked through the document that is printed from it: who may call what, and
//! that every row answers only as it says.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::forge::{Forge, HEADER, hs256, message};
use crate::shop::{Ask, Heard, Shop};

pub fn document(shop: &Shop) -> Value {
    shop.ask(Ask::new("GET /api/schema/?format=json")).told(200)
}

/// A row of the table.
pub struct Row {
    pub method: String,
    pub path: String,
    operation: Value,
}

pub fn rows(document: &Value) -> Vec<Row> {
    let paths: &Map<String, Value> = document["paths"].as_object().unwrap();
    let row = |path: &String, method: &String, operation: &Value| Row {
        method: method.to_uppercase(),
        path: path.clone(),
        operation: operation.clone(),
    };
    let rows_of = |(path, methods): (&String, &Value)| -> Vec<Row> {
        let methods = methods.as_object().unwrap().iter();
        methods
            .map(|(method, operation)| row(path, method, operation))
            .collect()
    };
    let rows: Vec<Row> = paths.iter().flat_map(rows_of).collect();
    assert!(rows.len() > 30, "{} rows", rows.len());
    rows
}

/// The names of all headers that replies are said to have.
pub fn headers(document: &Value) -> BTreeSet<String> {
    let rows = rows(document);
    let responses = rows
        .iter()
        .flat_map(|row| row.operation["responses"].as_object().unwrap().values());
    let headers = responses.filter_map(|response| response["headers"].as_object());
    headers.flat_map(Map::keys).cloned().collect()
}

impl Row {
    pub fn access(&self) -> &str {
        let is_open = self.operation["security"][0]
            .as_object()
            .unwrap()
            .is_empty();
        let is_for_admins = self.codes("403").contains("permission_denied");
        match (is_open, is_for_admins) {
            (true, _) => "anyone",
            (false, true) => "admin",
            (false, false) => "user",
        }
    }

    /// The codes that its document says may come with a status.
    fn codes(&self, status: &str) -> BTreeSet<String> {
        let mut codes = BTreeSet::new();
        collect_codes(&self.operation["responses"][status], &mut codes);
        codes
    }

    /// The fields that its body may have.
    pub fn fields(&self) -> BTreeSet<String> {
        let forms = self.operation["requestBody"]["content"].as_object();
        let fields = |form: &Value| form["schema"]["properties"].as_object().cloned();
        let fields = forms.into_iter().flat_map(Map::values).filter_map(fields);
        fields.flatten().map(|(name, _)| name).collect()
    }

    /// The path with ids of things that are not there.
    pub fn call(&self) -> String {
        let path = self
            .path
            .replace("{id}", "987654")
            .replace("{name}", "none.png");
        format!("{} {path}", self.method)
    }
}

fn collect_codes(value: &Value, codes: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(words)) = map.get("code").map(|code| &code["enum"]) {
                codes.extend(words.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            map.values().for_each(|value| collect_codes(value, codes));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_codes(value, codes)),
        _ => {}
    }
}

/// A wrong choice in the table shows here, in review.
const WHO_MAY_CALL_WHAT: &str = "\
anyone GET /
anyone GET /api/schema/
user   POST /auth/logout-all/
user   POST /auth/logout/
anyone POST /auth/login/
user   POST /auth/profile/change-pass/
user   PATCH /auth/profile/photo/
user   PATCH /auth/profile/update/
user   GET /auth/profile/
anyone POST /auth/refresh/
anyone POST /auth/sign-up/
admin  GET /auth/users/
admin  PATCH /auth/users/{id}/
admin  POST /backups/
user   POST /cart/cart-add/
user   DELETE /cart/cart-clear/
user   DELETE /cart/cart-remove/
user   PATCH /cart/cart-update/
user   GET /cart/cart/
anyone GET /healthz
anyone GET /media/photos/{name}
user   DELETE /orders/cancel/{id}/
user   POST /orders/create/
user   GET /orders/detail/{id}/
user   GET /orders/list/
admin  PATCH /orders/status/{id}/
admin  PATCH /products/categories/{id}/
admin  DELETE /products/categories/{id}/
anyone GET /products/categories/
user   GET /products/comment-list/
anyone GET /products/cr-comment/{id}/
user   POST /products/cr-comment/{id}/
admin  POST /products/create-category/
admin  POST /products/create-product/
admin  PATCH /products/delete-update/{id}/
admin  DELETE /products/delete-update/{id}/
anyone GET /products/detail/{id}/
anyone GET /products/products/
anyone GET /products/search/
anyone GET /products/suggest/
user   PUT /products/ud-comment/{id}/
user   PATCH /products/ud-comment/{id}/
user   DELETE /products/ud-comment/{id}/
anyone GET /readyz
";

#[test]
fn who_may_call_what_is_as_it_was_agreed() {
    let shop = Shop::open();
    let mut told = String::new();
    for row in rows(&document(&shop)) {
        writeln!(told, "{:<6} {} {}", row.access(), row.method, row.path).unwrap();
    }
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&told), sorted(WHO_MAY_CALL_WHAT), "{told}");
}

/// What a visitor is to the shop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Nobody,
    Customer,
    Admin,
    /// Whoever holds the folder: as an admin, but nobody's account.
    Operator,
    /// Shows a token that is none, and hears this code wherever it is shown.
    Refused(&'static str),
}

struct Visitor {
    who: &'static str,
    token: Option<String>,
    standing: Standing,
}

/// Everybody who may come.
#[rustfmt::skip]
fn visitors(shop: &Shop) -> Vec<Visitor> {
    use Standing::{Admin, Customer, Nobody, Operator, Refused};
    let ann = shop.token("ann");
    let refresh = |who: &str| shop.names().text(&format!("{who}_refresh"));
    let forge = Forge::of(shop, &ann);
    let (exp, iat) = (forge.number("iat") - 1, forge.number("iat") - 61);
    let expired = forge.token(&[("exp", &exp.to_string()), ("iat", &iat.to_string())]);
    let of_another_key = hs256(&[7; 32], &message(HEADER, &forge.claims(&[])));
    let of = |user: &str| forge.token(&[("user_id", user)]);
    let operator = forge.token(&[
        ("token_type", r#""operator""#), ("user_id", r#""0""#), ("exp", &(forge.number("iat") + 60).to_string()),
    ]);
    shop.day(r#"
        bob GET /auth/profile/ => 200 ...
        cat POST /auth/logout-all/ => 200 ...
        dan GET /auth/profile/ => 200 {"id": "$dan", "...": 0}
        boss PATCH /auth/users/$dan/ {"is_active": false} => 200 ...
        eve POST /auth/logout/ {"refresh": "$eve_refresh"} => 200 ...
    "#);
    let visitors = [
        ("nobody", None, Nobody),
        ("a customer", Some(ann), Customer),
        ("another customer", Some(shop.token("bob")), Customer),
        // An access token lives out its hour; what ended is the session behind it.
        ("a customer whose sessions ended", Some(shop.token("cat")), Customer),
        ("an admin", Some(shop.token("boss")), Admin),
        ("whoever holds the folder", Some(operator), Operator),
        ("somebody put out", Some(shop.token("dan")), Refused("user_inactive")),
        ("who comes too late", Some(expired), Refused("token_not_valid")),
        ("who shows a refresh token", refresh("ann"), Refused("token_not_valid")),
        ("who shows one that was revoked", refresh("eve"), Refused("token_not_valid")),
        ("who has another key", Some(of_another_key), Refused("token_not_valid")),
        // No account is ever taken away, but a store may be an older one.
        ("who is there no more", Some(of(r#""987654""#)), Refused("user_not_found")),
        ("who never was", Some(of(r#""0""#)), Refused("user_not_found")),
    ];
    let visitor = |(who, token, standing)| Visitor { who, token, standing };
    visitors.into_iter().map(visitor).collect()
}

impl Visitor {
    fn ask(&self, shop: &Shop, call: &str) -> Heard {
        let ask = Ask::new(call);
        match &self.token {
            Some(token) => shop.ask(ask.header("Authorization", &format!("Bearer {token}"))),
            None => shop.ask(ask),
        }
    }

    /// The status and the code with which a row sends this visitor away.
    fn sent_away(&self, row: &Row) -> Option<(u16, &'static str)> {
        match (row.access(), self.standing) {
            (_, Standing::Refused(code)) => Some((401, code)),
            ("user" | "admin", Standing::Nobody) | ("user", Standing::Operator) => {
                Some((401, "not_authenticated"))
            }
            ("admin", Standing::Customer) => Some((403, "permission_denied")),
            _ => None,
        }
    }
}

#[test]
fn every_row_lets_in_whom_it_says_and_answers_as_it_says() {
    let shop = Shop::open();
    let visitors = visitors(&shop);
    for row in rows(&document(&shop)) {
        for visitor in &visitors {
            let heard = visitor.ask(&shop, &row.call());
            match visitor.sent_away(&row) {
                Some((status, code)) => {
                    let at = format!("{} {}", visitor.who, row.call());
                    assert_eq!(
                        (heard.status, &heard.json()["code"]),
                        (status, &code.into()),
                        "{at}"
                    );
                }
                None => row.answers_as_it_says(visitor.who, &heard),
            }
            // Whoever leaves out the last slash, or wants the head alone, is no other visitor.
            let bare = visitor.ask(&shop, row.call().trim_end_matches('/'));
            assert_eq!(bare.status, heard.status, "{} {}", visitor.who, row.call());
            if row.method == "GET" {
                let head = visitor.ask(&shop, &row.call().replacen("GET", "HEAD", 1));
                assert_eq!(
                    head.status, heard.status,
                    "{} HEAD {}",
                    visitor.who, row.path
                );
            }
        }
    }
}

#[test]
fn who_may_call_a_path_hears_that_it_does_not_take_a_method() {
    let shop = Shop::open();
    let visitors = visitors(&shop);
    let rows = rows(&document(&shop));
    let paths: BTreeSet<&str> = rows.iter().map(|row| &*row.path).collect();
    for path in paths {
        let rows = || rows.iter().filter(|row| row.path == path);
        let order = ["anyone", "user", "admin"];
        let open = rows().min_by_key(|row| order.iter().position(|access| *access == row.access()));
        let open = open.unwrap();
        let is_taken = |method: &str| rows().any(|row| row.method == method);
        let method = ["PUT", "DELETE", "PATCH"]
            .into_iter()
            .find(|method| !is_taken(method));
        let Some(method) = method else { continue };
        let call = open.call().replacen(&open.method, method, 1);
        for visitor in &visitors {
            let heard = visitor.ask(&shop, &call);
            let expected = visitor
                .sent_away(open)
                .unwrap_or((405, "method_not_allowed"));
            let is = (heard.status, heard.json()["code"].clone());
            assert_eq!(
                is,
                (expected.0, expected.1.into()),
                "{} {call}",
                visitor.who
            );
        }
    }
}

impl Row {
    /// That somebody who was let in heard what is documented.
    #[track_caller]
    fn answers_as_it_says(&self, who: &str, heard: &Heard) {
        let (status, call) = (heard.status, self.call());
        let may_differ = [401, 403].contains(&status) && self.access() != "anyone";
        assert!(!may_differ, "{who} {call}: {}", heard.text());
        let key = status.to_string();
        let responses = self.operation["responses"].as_object().unwrap();
        let is_told = responses.contains_key(&key);
        assert!(is_told, "{who} {call}: {status} is not documented");
        if status >= 400 {
            let code = heard.json()["code"].clone();
            let code = code.as_str(); // A list of fields has none.
            let is_known = code.is_none_or(|code| self.codes(&key).contains(code));
            assert!(is_known, "{who} {call}: {}", heard.text());
        }
    }
}

#[test]
fn every_operation_is_named_once_and_every_path_is_answered_to_options() {
    let shop = Shop::open();
    let rows = rows(&document(&shop));
    let ids: BTreeSet<_> = rows
        .iter()
        .map(|row| row.operation["operationId"].to_string())
        .collect();
    assert_eq!(ids.len(), rows.len());
    for row in &rows {
        let call = row.call();
        let path = call.split_once(' ').unwrap().1;
        let heard = shop.say("nobody", &format!("OPTIONS {path}"), Value::Null);
        assert_eq!(heard.status, 204, "{path}");
        let allow = heard
            .header("Allow")
            .split(", ")
            .any(|method| method == row.method);
        assert!(allow, "{path} allows {}", heard.header("Allow"));
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let shop = Shop::open();
    let document = document(&shop);
    let text = document.to_string();
    let references: BTreeSet<&str> = text
        .split(r##""$ref":"#"##)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(references.len() > 5, "{references:?}");
    for reference in references {
        assert!(
            document.pointer(reference).is_some(),
            "{reference} is nowhere"
        );
    }
}

#[test]
fn the_committed_openapi_document_is_the_one_that_is_served() {
    let shop = Shop::open();
    let served = document(&shop);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        let pretty = serde_json::to_string_pretty(&served).unwrap();
        fs::write(&path, format!("{pretty}\n")).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    let committed: Value = serde_json::from_str(&committed).unwrap();
    let is_same = committed == served;
    assert!(
        is_same,
        "data/openapi.json is not what is served; `UPDATE_OPENAPI=1 cargo test openapi` writes it anew, and `git diff` shows the change"
    );
}

#[test]
fn the_document_comes_as_yaml_or_json_as_it_is_asked_for() {
    let shop = Shop::open();
    for (call, accept, content_type) in [
        ("GET /api/schema/", "*/*", "application/vnd.oai.openapi"),
        ("GET /api/schema/", "application/yaml", "application/yaml"),
        ("GET /api/schema/", "application/json", "application/json"),
        ("GET /api/schema/?format=json", "*/*", "application/json"),
        (
            "GET /api/schema/?format=yaml",
            "*/*",
            "application/vnd.oai.openapi",
        ),
    ] {
        let heard = shop.ask(Ask::new(call).header("Accept", accept));
        assert_eq!(
            (heard.status, heard.header("Content-Type")),
            (200, content_type),
            "{call} {accept}"
        );
    }
    let yaml = shop.ask(Ask::new("GET /api/schema/?format=yaml")).text();
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read, document(&shop));
    shop.day(
        r"
        nobody GET /api/schema/?format=xml => 400 on format
        nobody GET /api/schema/
            + Accept: text/html
        => 406 code not_acceptable
    ",
    );
}
