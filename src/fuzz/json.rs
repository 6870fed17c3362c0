//! Bodies: a form takes what JSON says and nothing else, fields keep their bounds, and no body
//! breaks the call that it is for.

use serde_json::{Map, Value};

use super::is_line;
use super::shop::shop;
use crate::api::form::{Fields, Form};
use crate::api::kinds::{
    AmountKind, CATEGORY_ID, CATEGORY_NAME, COMMENT, Choice, DESCRIPTION, EMAIL, FILE_NAME,
    FIRST_NAME, Flag, LOGIN_NAME, PASSWORD, PHONE, PIECES, PRODUCT_ID, PriceKind, QUANTITY, QUERY,
    TITLE, TOKEN, USERNAME, WORD,
};
use crate::http::limits::JSON_DEPTH_MAX;
use crate::shop::comments::TEXT_MAX;
use crate::shop::products::{
    CATEGORY_NAME_MAX, DESCRIPTION_MAX, PRICE_MAX, QUANTITY_MAX, TITLE_MAX,
};
use crate::shop::users::{EMAIL_MAX, FIRST_NAME_MAX, PHONE_MAX, USERNAME_MAX};

/// Who asks for what; the first byte chooses.
const CALLS: [(&str, &str); 20] = [
    ("boss", "POST /products/create-product/"),
    ("boss", "PATCH /products/delete-update/1/"),
    ("boss", "POST /products/create-category/"),
    ("boss", "PATCH /products/categories/1/"),
    ("boss", "PATCH /auth/users/3/"),
    ("boss", "PATCH /orders/status/1/"),
    ("ann", "PATCH /auth/profile/update/"),
    ("ann", "POST /auth/profile/change-pass/"),
    ("ann", "POST /products/cr-comment/1/"),
    ("ann", "PUT /products/ud-comment/1/"),
    ("ann", "PATCH /products/ud-comment/1/"),
    ("ann", "POST /cart/cart-add/"),
    ("ann", "PATCH /cart/cart-update/"),
    ("ann", "DELETE /cart/cart-remove/"),
    ("ann", "POST /orders/create/"),
    ("", "POST /auth/sign-up/"),
    ("", "POST /auth/login/"),
    ("", "POST /auth/refresh/"),
    ("", "POST /auth/logout/"),
    ("ann", "POST /backups/"),
];

pub fn run(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    let form = Form::from_json(body);
    if let Ok(Value::Object(fields)) = serde_json::from_slice(body) {
        let is_deep = fields.values().map(depth).max().unwrap_or(0) >= JSON_DEPTH_MAX;
        assert_eq!(
            form.is_err(),
            is_deep,
            "a form is an object that is not deep"
        );
        if let Ok(form) = &form {
            says_the_same(form, &fields);
        }
    }
    if let Ok(form) = form {
        let _ = form.read::<Everything>();
        is_answered(usize::from(*first), body);
    }
}

fn is_answered(first: usize, body: &[u8]) {
    let (who, call) = CALLS[first % CALLS.len()];
    let heard = shop().ask(who, call, "application/json", body);
    heard.is_well();
    // What is made goes again, so that the shop stays small.
    let made = (heard.status == 201).then(|| heard.json()["id"].clone());
    let path = match call {
        "POST /products/create-product/" => "products/delete-update",
        "POST /products/create-category/" => "products/categories",
        "POST /products/cr-comment/1/" => "products/ud-comment",
        _ => return,
    };
    if let Some(id) = made {
        let heard = shop().ask(who, &format!("DELETE /{path}/{id}/"), "", b"");
        assert_eq!(heard.status, 204, "{call}");
    }
}

fn says_the_same(form: &Form<'_>, fields: &Map<String, Value>) {
    for (name, value) in fields {
        assert!(form.names(name), "{name:?} is lost");
        if let Value::String(text) = value {
            assert_eq!(form.peek(name, &WORD).as_ref(), Some(text));
        }
    }
}

fn depth(value: &Value) -> usize {
    let inner: Option<usize> = match value {
        Value::Array(values) => values.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

/// A field of every kind, each held against its bounds.
struct Everything;

impl Fields for Everything {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let flags = Choice(&[("yes", true), ("no", false)]);
        form.optional("choice", &flags);
        form.optional("flag", &Flag);
        form.optional("login", &LOGIN_NAME);
        form.optional("product", &PRODUCT_ID);
        form.clearable("category_id", &CATEGORY_ID);
        form.optional("amount", &AmountKind);
        may_be_line(form.required("title", &TITLE), 1, TITLE_MAX);
        let description = form.clearable("description", &DESCRIPTION);
        may_be_line(description.flatten().flatten(), 0, DESCRIPTION_MAX);
        may_be_line(form.optional("text", &COMMENT).flatten(), 1, TEXT_MAX);
        let first_name = form.optional("first_name", &FIRST_NAME);
        may_be_line(first_name.flatten(), 0, FIRST_NAME_MAX);
        may_be_line(
            form.optional("password", &PASSWORD).flatten(),
            1,
            usize::MAX,
        );
        may_be_line(form.optional("refresh", &TOKEN).flatten(), 1, usize::MAX);
        let query = form.optional("q", &QUERY).flatten();
        may_be_line(query.map(|query| query.trim().to_owned()), 0, TITLE_MAX);
        let name = form.optional("name", &FILE_NAME).flatten();
        assert!(name.is_none_or(|name| !name.contains('/') && name != "." && name != ".."));
        let category = form.optional("category", &CATEGORY_NAME).flatten();
        let category = category.map(|category| category.as_str().to_owned());
        may_be_line(category, 1, CATEGORY_NAME_MAX);
        let username = form.optional("username", &USERNAME).flatten();
        let username = username.map(|name| name.as_str().to_owned());
        may_be_line(username, 1, USERNAME_MAX);
        let email = form.clearable("email", &EMAIL).flatten().flatten();
        may_be_line(email.map(|email| email.as_str().to_owned()), 3, EMAIL_MAX);
        let phone = form.clearable("phone", &PHONE).flatten().flatten();
        may_be_line(phone.map(|phone| phone.as_str().to_owned()), 1, PHONE_MAX);
        let price = form.optional("price", &PriceKind).flatten();
        assert!(price.is_none_or(|price| (1..=PRICE_MAX.cents()).contains(&price.money().cents())));
        let quantity = form.optional("quantity", &QUANTITY).flatten();
        assert!(quantity.is_none_or(|quantity| quantity <= QUANTITY_MAX));
        let pieces = form.optional("pieces", &PIECES).flatten();
        assert!(pieces.is_none_or(|pieces| (1..=QUANTITY_MAX).contains(&pieces)));
        Some(Self)
    }
}

#[track_caller]
fn may_be_line(text: Option<String>, min: usize, max: usize) {
    if let Some(text) = text {
        is_line(&text, min, max);
    }
}
