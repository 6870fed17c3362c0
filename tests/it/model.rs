//! The shop beside a reference of it: random calls by several callers, each answered by both.
//!
//! The reference is plain maps and vectors in memory, written from the contract. `OPERATIONS=2000000
//! cargo test --test it model` asks that often; `SEED=7` asks the same as last time.
#![expect(clippy::print_stdout, reason = "the counts are what a run is for")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::random::Random;
use crate::shop::Shop;

const CALLERS: [&str; 4] = ["ann", "bob", "cat", "boss"];
const BOSS: usize = 3;

#[derive(Clone)]
struct Product {
    title: String,
    category: u64,
    description: String,
    cents: u64,
    stock: u64,
}

struct Comment {
    user: usize,
    product: u64,
    text: String,
}

#[derive(Clone, Copy)]
struct Line {
    id: u64,
    product: u64,
    quantity: u64,
}

struct Order {
    user: usize,
    status: &'static str,
    cents: u64,
    /// Id, product, title, price, quantity.
    lines: Vec<(u64, u64, String, u64, u64)>,
}

#[derive(Default)]
struct Reference {
    user_ids: Vec<u64>,
    categories: BTreeMap<u64, String>,
    products: BTreeMap<u64, Product>,
    comments: BTreeMap<u64, Comment>,
    carts: [Vec<Line>; 4],
    orders: BTreeMap<u64, Order>,
    last: Last,
}

/// The last ids given.
#[derive(Default)]
struct Last {
    category: u64,
    product: u64,
    comment: u64,
    line: u64,
    order: u64,
    order_line: u64,
}

/// A status, and the body where it can be told.
type Answer = (u16, Option<Value>);

fn code(status: u16, code: &str) -> Answer {
    (status, Some(json!({"code": code})))
}

/// Field errors: only which fields.
fn fields(names: &[&str]) -> Answer {
    let fields = names.iter().map(|name| ((*name).to_owned(), Value::Null));
    (400, Some(Value::Object(fields.collect())))
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

impl Reference {
    fn product(&self, id: u64) -> Option<Value> {
        let product = self.products.get(&id)?;
        Some(json!({
            "id": id, "title": product.title, "category": self.categories[&product.category],
            "quantity": product.stock, "description": product.description, "price": money(product.cents),
        }))
    }

    fn category_named(&self, name: &str) -> Option<u64> {
        let mut all = self.categories.iter();
        all.find(|(_, known)| known.to_lowercase() == name.to_lowercase())
            .map(|(id, _)| *id)
    }

    fn new_category(&mut self, name: &str) -> u64 {
        self.last.category += 1;
        self.categories.insert(self.last.category, name.to_owned());
        self.last.category
    }

    fn category(&self, id: u64) -> Value {
        let count = self
            .products
            .values()
            .filter(|product| product.category == id)
            .count();
        json!({"id": id, "name": self.categories[&id], "products": count})
    }

    fn comment(&self, id: u64) -> Value {
        let comment = &self.comments[&id];
        json!({
            "id": id, "user": CALLERS[comment.user], "user_id": self.user_ids[comment.user],
            "product": comment.product, "text": comment.text,
        })
    }

    fn cart(&self, who: usize) -> Value {
        let mut cents = 0;
        let mut items = Vec::new();
        for line in &self.carts[who] {
            cents += self.products[&line.product].cents * line.quantity;
            items.push(json!({"id": line.id, "product": self.product(line.product), "quantity": line.quantity}));
        }
        let mut cart =
            json!({"id": self.user_ids[who], "items": items, "total_price": money(cents)});
        if self.carts[who].is_empty() {
            cart["message"] = "Your cart is empty.".into();
        }
        cart
    }

    fn order(&self, id: u64) -> Value {
        let order = &self.orders[&id];
        let line = |(id, product, title, cents, quantity): &(u64, u64, String, u64, u64)| json!({"id": id, "product": product, "product_title": title, "price": money(*cents), "quantity": quantity});
        json!({
            "id": id, "status": order.status, "total_price": money(order.cents),
            "items": order.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }

    fn place(&mut self, who: usize) -> Answer {
        let lines = self.carts[who].clone();
        if lines.is_empty() {
            return code(400, "cart_empty");
        }
        let mut short = Vec::new();
        for line in &lines {
            let product = &self.products[&line.product];
            if line.quantity > product.stock {
                short.push(json!({
                    "product": line.product, "title": product.title,
                    "requested": line.quantity, "available": product.stock,
                }));
            }
        }
        if !short.is_empty() {
            return (
                400,
                Some(json!({"code": "insufficient_stock", "items": short})),
            );
        }
        let mut order = Order {
            user: who,
            status: "new",
            cents: 0,
            lines: Vec::new(),
        };
        for line in &lines {
            let product = self.products.get_mut(&line.product).unwrap();
            product.stock -= line.quantity;
            self.last.order_line += 1;
            order.cents += product.cents * line.quantity;
            order.lines.push((
                self.last.order_line,
                line.product,
                product.title.clone(),
                product.cents,
                line.quantity,
            ));
        }
        self.last.order += 1;
        self.orders.insert(self.last.order, order);
        self.carts[who].clear();
        (201, Some(self.order(self.last.order)))
    }

    fn cancel(&mut self, who: usize, id: u64) -> Answer {
        let Some(order) = self.orders.get_mut(&id).filter(|order| order.user == who) else {
            return code(404, "not_found");
        };
        if order.status != "new" {
            return code(400, "order_not_new");
        }
        order.status = "cancelled";
        for (_, product, _, _, quantity) in &order.lines {
            if let Some(product) = self.products.get_mut(product) {
                product.stock += quantity;
            }
        }
        (200, None)
    }

    fn advance(&mut self, id: u64) -> Answer {
        let Some(order) = self.orders.get_mut(&id) else {
            return code(404, "not_found");
        };
        order.status = match order.status {
            "new" => "paid",
            "paid" => "shipped",
            "shipped" => return code(400, "order_shipped"),
            _ => return code(400, "order_cancelled"),
        };
        (200, Some(self.order(id)))
    }

    fn withdraw(&mut self, id: u64) -> Answer {
        if self.products.remove(&id).is_none() {
            return code(404, "not_found");
        }
        self.comments.retain(|_, comment| comment.product != id);
        for cart in &mut self.carts {
            cart.retain(|line| line.product != id);
        }
        (204, None)
    }

    fn add(&mut self, who: usize, product: u64, quantity: u64) -> Answer {
        if !self.products.contains_key(&product) {
            return code(404, "not_found");
        }
        let known = self.carts[who]
            .iter_mut()
            .find(|line| line.product == product);
        if let Some(line) = known {
            line.quantity += quantity;
        } else {
            self.last.line += 1;
            let id = self.last.line;
            self.carts[who].push(Line {
                id,
                product,
                quantity,
            });
        }
        (200, Some(self.cart(who)))
    }

    fn set(&mut self, who: usize, product: u64, quantity: u64) -> Answer {
        let place = self.carts[who]
            .iter()
            .position(|line| line.product == product);
        match place {
            None => return code(404, "not_found"),
            Some(at) if quantity == 0 => drop(self.carts[who].remove(at)),
            Some(at) => self.carts[who][at].quantity = quantity,
        }
        (200, Some(self.cart(who)))
    }
}

/// One random call, and what the reference answers.
struct Call {
    who: usize,
    said: String,
    body: Value,
    answer: Answer,
}

#[expect(clippy::too_many_lines, reason = "a row for each call")]
fn call(model: &mut Reference, random: &mut Random) -> Call {
    let who = usize::try_from(random.below(4)).unwrap();
    let mut id = |last: u64| 1 + random.below(last + 2);
    let (category, product, comment, order) = (
        id(model.last.category),
        id(model.last.product),
        id(model.last.comment),
        id(model.last.order),
    );
    let name = format!("Category {}", random.below(9));
    let quantity = random.below(5);
    let said = |who: usize, said: String, body: Value, answer: Answer| Call {
        who,
        said,
        body,
        answer,
    };
    let choice = random.below(40);
    match choice {
        0 => {
            let answer = if model.category_named(&name).is_some() {
                fields(&["name"])
            } else {
                let id = model.new_category(&name);
                (201, Some(json!({"name": name, "id": id})))
            };
            said(
                BOSS,
                "POST /products/create-category/".into(),
                json!({"name": name}),
                answer,
            )
        }
        1 => {
            let answer = match (
                model.categories.contains_key(&category),
                model.category_named(&name),
            ) {
                (false, _) => code(404, "not_found"),
                (true, Some(other)) if other != category => fields(&["name"]),
                (true, _) => {
                    model.categories.insert(category, name.to_uppercase());
                    (200, Some(model.category(category)))
                }
            };
            said(
                BOSS,
                format!("PATCH /products/categories/{category}/"),
                json!({"name": name.to_uppercase()}),
                answer,
            )
        }
        2 => {
            let answer = if !model.categories.contains_key(&category) {
                code(404, "not_found")
            } else if model
                .products
                .values()
                .any(|product| product.category == category)
            {
                code(400, "category_not_empty")
            } else {
                model.categories.remove(&category);
                (204, None)
            };
            said(
                BOSS,
                format!("DELETE /products/categories/{category}/"),
                Value::Null,
                answer,
            )
        }
        3..7 => {
            let cents = 1 + random.below(99_999);
            let title = format!("Part {}", random.below(50));
            let body = json!({"title": title, "category": category, "quantity": quantity * 5, "price": money(cents)});
            let answer = if model.categories.contains_key(&category) {
                model.last.product += 1;
                let id = model.last.product;
                let made = Product {
                    title: title.clone(),
                    category,
                    description: String::new(),
                    cents,
                    stock: quantity * 5,
                };
                model.products.insert(id, made);
                (
                    201,
                    Some(json!({
                        "id": id, "title": title, "category": category, "quantity": quantity * 5,
                        "description": "", "price": money(cents),
                    })),
                )
            } else {
                fields(&["category"])
            };
            said(BOSS, "POST /products/create-product/".into(), body, answer)
        }
        7 | 8 => {
            let mut body = json!({});
            let exists = model.products.contains_key(&product);
            if random.below(2) == 0 {
                body["description"] = format!("described {}", random.below(99)).into();
            }
            if random.below(3) == 0 {
                body["quantity"] = (random.below(30)).into();
            }
            if random.below(3) == 0 {
                body["category"] = name.clone().into();
            }
            if random.below(3) == 0 {
                body["price"] = money(1 + random.below(5_000)).into();
            }
            let answer = if exists {
                if body.get("category").is_some() {
                    let category = model
                        .category_named(&name)
                        .unwrap_or_else(|| model.new_category(&name));
                    model.products.get_mut(&product).unwrap().category = category;
                }
                let edited = model.products.get_mut(&product).unwrap();
                if let Some(text) = body["description"].as_str() {
                    text.clone_into(&mut edited.description);
                }
                if let Some(stock) = body["quantity"].as_u64() {
                    edited.stock = stock;
                }
                if let Some(price) = body["price"].as_str() {
                    edited.cents = price.replace('.', "").parse().unwrap();
                }
                (200, model.product(product))
            } else {
                code(404, "not_found")
            };
            said(
                BOSS,
                format!("PATCH /products/delete-update/{product}/"),
                body,
                answer,
            )
        }
        9 => {
            let answer = model.withdraw(product);
            said(
                BOSS,
                format!("DELETE /products/delete-update/{product}/"),
                Value::Null,
                answer,
            )
        }
        10 | 11 => {
            let answer = if model.products.contains_key(&product) {
                model.last.comment += 1;
                let text = format!("said {}", random.below(99));
                model.comments.insert(
                    model.last.comment,
                    Comment {
                        user: who,
                        product,
                        text,
                    },
                );
                (201, Some(model.comment(model.last.comment)))
            } else {
                code(404, "not_found")
            };
            let text = model
                .comments
                .get(&model.last.comment)
                .map_or("x", |comment| &comment.text);
            said(
                who,
                format!("POST /products/cr-comment/{product}/"),
                json!({"text": text}),
                answer,
            )
        }
        12 => {
            let text = format!("said again {}", random.below(99));
            let answer = match model.comments.get_mut(&comment) {
                None => code(404, "not_found"),
                Some(known) if known.user != who => code(403, "not_your_comment"),
                Some(known) => {
                    known.text.clone_from(&text);
                    (200, Some(model.comment(comment)))
                }
            };
            said(
                who,
                format!("PUT /products/ud-comment/{comment}/"),
                json!({"text": text}),
                answer,
            )
        }
        13 => {
            let answer = match model.comments.get(&comment) {
                None => code(404, "not_found"),
                Some(known) if known.user != who && who != BOSS => code(403, "not_your_comment"),
                Some(_) => {
                    model.comments.remove(&comment);
                    (204, None)
                }
            };
            said(
                who,
                format!("DELETE /products/ud-comment/{comment}/"),
                Value::Null,
                answer,
            )
        }
        14..22 => {
            let body = json!({"product_id": product, "quantity": quantity});
            let answer = match quantity {
                0 => fields(&["quantity"]),
                _ => model.add(who, product, quantity),
            };
            said(who, "POST /cart/cart-add/".into(), body, answer)
        }
        22 => {
            let answer = model.set(who, product, quantity);
            said(
                who,
                "PATCH /cart/cart-update/".into(),
                json!({"product_id": product, "quantity": quantity}),
                answer,
            )
        }
        23 => {
            let is_there = model.products.contains_key(&product);
            let before = model.carts[who].len();
            model.carts[who].retain(|line| line.product != product);
            let answer = match (is_there, model.carts[who].len() < before) {
                (false, _) => code(404, "not_found"),
                (true, false) => code(400, "not_in_cart"),
                (true, true) => (200, Some(json!({"cart": model.cart(who), "status": 200}))),
            };
            said(
                who,
                "DELETE /cart/cart-remove/".into(),
                json!({"product_id": product}),
                answer,
            )
        }
        24 => {
            model.carts[who].clear();
            said(
                who,
                "DELETE /cart/cart-clear/".into(),
                Value::Null,
                (204, None),
            )
        }
        25..29 => {
            let answer = model.place(who);
            said(who, "POST /orders/create/".into(), Value::Null, answer)
        }
        29 => {
            let answer = model.advance(order);
            said(
                BOSS,
                format!("PATCH /orders/status/{order}/"),
                Value::Null,
                answer,
            )
        }
        30 => {
            let answer = model.cancel(who, order);
            said(
                who,
                format!("DELETE /orders/cancel/{order}/"),
                Value::Null,
                answer,
            )
        }
        31 => {
            let answer = match model.orders.get(&order) {
                Some(known) if known.user == who || who == BOSS => (200, Some(model.order(order))),
                _ => code(404, "not_found"),
            };
            said(
                who,
                format!("GET /orders/detail/{order}/"),
                Value::Null,
                answer,
            )
        }
        32 => {
            let answer = model
                .product(product)
                .map_or_else(|| code(404, "not_found"), |row| (200, Some(row)));
            said(
                who,
                format!("GET /products/detail/{product}/"),
                Value::Null,
                answer,
            )
        }
        33 => said(
            who,
            "GET /cart/cart/".into(),
            Value::Null,
            (200, Some(model.cart(who))),
        ),
        34 => {
            let own = model
                .orders
                .iter()
                .rev()
                .filter(|(_, order)| order.user == who || who == BOSS);
            let rows: Vec<_> = own.take(20).map(|(id, _)| model.order(*id)).collect();
            said(
                who,
                "GET /orders/list/?limit=20".into(),
                Value::Null,
                (200, Some(rows.into())),
            )
        }
        35 => {
            let after = model.products.keys().take(20);
            let rows: Vec<_> = after.filter_map(|id| model.product(*id)).collect();
            said(
                who,
                "GET /products/products/?limit=20".into(),
                Value::Null,
                (200, Some(rows.into())),
            )
        }
        36 => {
            let rows: Vec<_> = model
                .categories
                .keys()
                .take(20)
                .map(|id| model.category(*id))
                .collect();
            said(
                who,
                "GET /products/categories/?limit=20".into(),
                Value::Null,
                (200, Some(rows.into())),
            )
        }
        37 => {
            let on = model
                .comments
                .iter()
                .filter(|(_, comment)| comment.product == product);
            let answer = if model.products.contains_key(&product) {
                (
                    200,
                    Some(
                        on.map(|(id, _)| model.comment(*id))
                            .collect::<Vec<_>>()
                            .into(),
                    ),
                )
            } else {
                code(404, "not_found")
            };
            said(
                who,
                format!("GET /products/cr-comment/{product}/"),
                Value::Null,
                answer,
            )
        }
        38 => {
            let own = model
                .comments
                .iter()
                .filter(|(_, comment)| comment.user == who || who == BOSS);
            let rows: Vec<_> = own.take(20).map(|(id, _)| model.comment(*id)).collect();
            said(
                who,
                "GET /products/comment-list/?limit=20".into(),
                Value::Null,
                (200, Some(rows.into())),
            )
        }
        _ => {
            let mut found: Vec<_> = model
                .products
                .iter()
                .filter(|(_, product)| product.category == category)
                .collect();
            found.sort_by_key(|(id, product)| (product.cents, **id));
            let rows: Vec<_> = found
                .into_iter()
                .take(20)
                .filter_map(|(id, _)| model.product(*id))
                .collect();
            let call = format!("GET /products/search/?category={category}&ordering=price&limit=20");
            said(who, call, Value::Null, (200, Some(rows.into())))
        }
    }
}

/// Whether what was heard is what the reference says: times and sentences are the shop's own.
fn agrees(wanted: &Value, heard: &Value) -> bool {
    const OWN: [&str; 5] = ["created_at", "updated_at", "detail", "message", "mess"];
    match (wanted, heard) {
        // Field errors: any sentence.
        (Value::Null, Value::Array(sentences)) => !sentences.is_empty(),
        (Value::Object(wanted), Value::Object(heard)) => {
            let keys = |map: &serde_json::Map<String, Value>| {
                let own = map
                    .keys()
                    .filter(|key| !OWN.contains(&key.as_str()))
                    .cloned();
                own.collect::<std::collections::BTreeSet<_>>()
            };
            keys(wanted) == keys(heard)
                && wanted
                    .iter()
                    .filter(|(key, _)| !OWN.contains(&key.as_str()))
                    .all(|(key, value)| agrees(value, &heard[key]))
        }
        (Value::Array(wanted), Value::Array(heard)) => {
            wanted.len() == heard.len()
                && wanted
                    .iter()
                    .zip(heard)
                    .all(|(wanted, heard)| agrees(wanted, heard))
        }
        _ => wanted == heard,
    }
}

#[test]
fn the_shop_and_its_model_answer_alike() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|asked| asked.parse().ok())
    };
    let operations: u64 = number("OPERATIONS").unwrap_or(20_000);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seed = number("SEED").unwrap_or(u64::from(now.subsec_nanos()));
    let mut random = Random(seed);
    let mut model = Reference::default();
    // A shop grows slow to compare; after so many calls another one is opened.
    let mut shop: Option<Shop> = None;
    for operation in 0..operations {
        if operation % 10_000 == 0 {
            drop(shop.take()); // Closed in order.
            let new = Shop::open();
            model = Reference::default();
            for who in CALLERS {
                model
                    .user_ids
                    .push(new.get(who, "/auth/profile/")["id"].as_u64().unwrap());
            }
            shop = Some(new);
        }
        let shop = shop.as_ref().expect("opened above");
        let Call {
            who,
            said: call,
            body,
            answer,
        } = call(&mut model, &mut random);
        let heard = shop.say(CALLERS[who], &call, body.clone());
        let (status, wanted) = answer;
        let is = if heard.body.is_empty() {
            Value::Null
        } else {
            heard.json()
        };
        let right =
            heard.status == status && wanted.as_ref().is_none_or(|wanted| agrees(wanted, &is));
        assert!(
            right,
            "seed {seed}, operation {operation}: {} {call} {body}\nmodel {status} {}\nshop  {} {is}",
            CALLERS[who],
            wanted.unwrap_or_default(),
            heard.status
        );
    }
    drop(shop);
    println!("{operations} operations, seed {seed}: 0 divergences");
}
