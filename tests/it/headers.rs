//! The headers of every route's reply: a snapshot that a review can read.

use std::fmt::Write as _;

use crate::routes;
use crate::shop::{Ask, Shop};

/// Of every reply, whatever it is.
const ALWAYS: &str =
    "referrer-policy: same-origin; x-content-type-options: nosniff; x-frame-options: DENY";

/// What differs from reply to reply.
const VARIES: [&str; 3] = ["content-length", "date", "x-request-id"];

/// Beyond those: a call by nobody at every row, with ids of things that are not there.
const SNAPSHOT: &str = "\
GET / 200: content-type: application/json; etag; vary: Accept
GET /healthz 200: content-type: application/json; etag
GET /readyz 200: content-type: application/json; etag
GET /api/schema/ 200: content-type: application/vnd.oai.openapi; etag; vary: Accept
GET /media/photos/none.png 404: content-type: application/json
POST /auth/sign-up/ 400: content-type: application/json
POST /auth/login/ 400: content-type: application/json
POST /auth/refresh/ 400: content-type: application/json
POST /auth/logout/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
POST /auth/logout-all/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /auth/profile/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PATCH /auth/profile/update/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PATCH /auth/profile/photo/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
POST /auth/profile/change-pass/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /auth/users/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PATCH /auth/users/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
POST /backups/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /products/products/ 200: content-type: application/json; etag; x-total-count: 0
GET /products/detail/987654/ 404: content-type: application/json
GET /products/search/ 200: content-type: application/json; etag; x-total-count: 0
GET /products/suggest/ 200: content-type: application/json; etag
POST /products/create-product/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PATCH /products/delete-update/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
DELETE /products/delete-update/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /products/categories/ 200: content-type: application/json; etag; x-total-count: 0
POST /products/create-category/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PATCH /products/categories/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
DELETE /products/categories/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /products/cr-comment/987654/ 404: content-type: application/json
POST /products/cr-comment/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PUT /products/ud-comment/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PATCH /products/ud-comment/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
DELETE /products/ud-comment/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /products/comment-list/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /cart/cart/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
POST /cart/cart-add/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PATCH /cart/cart-update/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
DELETE /cart/cart-remove/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
DELETE /cart/cart-clear/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
POST /orders/create/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /orders/list/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
GET /orders/detail/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
PATCH /orders/status/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
DELETE /orders/cancel/987654/ 401: content-type: application/json; www-authenticate: Bearer realm=\"api\"
";

#[test]
fn every_route_says_these_headers_and_no_others() {
    let shop = Shop::open();
    shop.wait_for_its_index();
    let mut is = String::new();
    for row in routes::rows(&routes::document(&shop)) {
        let call = row.call();
        let mut ask = Ask::new(&call);
        ask.body = (row.method != "GET").then(Vec::new);
        let heard = shop.ask(ask);
        let mut headers: Vec<String> = Vec::new();
        for (name, value) in &heard.headers {
            if VARIES.contains(&name.as_str()) {
                assert!(!value.is_empty(), "{call}: {name}");
            } else if name == "etag" {
                headers.push("etag".into());
            } else {
                headers.push(format!("{name}: {}", value.to_str().unwrap()));
            }
        }
        headers.sort();
        let said = headers.join("; ");
        for header in ALWAYS.split("; ") {
            assert!(said.contains(header), "{call}: {said}");
        }
        let own = headers
            .iter()
            .filter(|header| !ALWAYS.contains(header.as_str()));
        let own: Vec<_> = own.map(String::as_str).collect();
        writeln!(is, "{call} {}: {}", heard.status, own.join("; ")).unwrap();
    }
    assert_eq!(is, SNAPSHOT, "\n{is}");
}
