//! Days of orders: placed from a cart, paid and shipped by the admin, or cancelled with every unit back in stock.

use crate::shop::Shop;

/// A day in a stocked shop where ann has two phones and a cable in her cart.
const ANN_FILLS_HER_CART: &str = r#"
    ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ...
    ann POST /cart/cart-add/ {"product_id": "$cable", "quantity": 1} => 200 ...
"#;

fn shop_with_a_full_cart() -> Shop {
    let shop = Shop::stocked();
    shop.day(ANN_FILLS_HER_CART);
    shop
}

fn shop_with_an_order() -> Shop {
    let shop = shop_with_a_full_cart();
    shop.day(r#"ann POST /orders/create/ => 201 {"id": "$order", "...": 0}"#);
    shop
}

#[test]
fn an_order_takes_the_cart_and_the_stock() {
    let shop = shop_with_a_full_cart();
    shop.day(r#"
        nobody POST /orders/create/ => 401 code not_authenticated
        ann again
        => 201 {"id": "$order", "status": "new", "total_price": "1607.90", "created_at": "<time>", "items": [
                {"id": "<id>", "product": "$phone", "product_title": "Pixel 9", "price": "799.00", "quantity": 2},
                {"id": "<id>", "product": "$cable", "product_title": "USB-C cable", "price": "9.90", "quantity": 1}]}
            + Location: /orders/detail/$order/
        ann GET /cart/cart/ => 200 {"items": [], "...": 0}
        nobody GET /products/products/ => 200 [{"quantity": 8, "...": 0}, {"quantity": 2, "...": 0}]
        ann POST /orders/create/ => 400 code cart_empty
        bob again => 400 code cart_empty
    "#);
}

#[test]
fn an_order_asks_for_no_body_and_reads_none() {
    let shop = shop_with_a_full_cart();
    shop.day(
        r#"
        ann POST /orders/create/ {"status": "shipped", "total_price": "0.01", "user": 1,
            + Content-Type: text/plain
        => 201 {"status": "new", "total_price": "1607.90", "...": 0}
    "#,
    );
}

#[test]
fn short_stock_names_every_short_line_and_takes_nothing() {
    let shop = Shop::stocked();
    shop.day(r#"
        boss POST /products/create-product/ {"title": "Case", "category": "$phones", "quantity": 5, "price": "5.00"} => 201 {"id": "$case", "...": 0}
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 11} => 200 ...
        again {"product_id": "$case", "quantity": 5} => 200 ...
        again {"product_id": "$cable", "quantity": 4} => 200 "$cart"
        ann POST /orders/create/
        => 400 {"detail": "*", "code": "insufficient_stock", "items": [
                {"product": "$phone", "title": "Pixel 9", "requested": 11, "available": 10},
                {"product": "$cable", "title": "USB-C cable", "requested": 4, "available": 3}]}
        ann GET /cart/cart/ => 200 "$cart"
        nobody GET /products/products/ => 200 ["$phone_row", "$cable_row", {"quantity": 5, "...": 0}]
        ann GET /orders/list/ => 200 []
        # The very last piece may go.
        ann PATCH /cart/cart-update/ {"product_id": "$phone", "quantity": 10} => 200 ...
        again {"product_id": "$cable", "quantity": 3} => 200 ...
        ann POST /orders/create/ => 201 {"status": "new", "...": 0}
        nobody GET /products/products/ => 200 [{"quantity": 0, "...": 0}, {"quantity": 0, "...": 0}, {"quantity": 0, "...": 0}]
    "#);
}

#[test]
fn an_order_costs_at_most_ten_billion_less_a_cent() {
    let shop = Shop::open();
    shop.day(r#"
        boss POST /products/create-category/ {"name": "Yachts"} => 201 {"id": "$yachts", "...": 0}
        boss POST /products/create-product/ {"title": "Yacht", "category": "$yachts", "quantity": 2147483647, "price": "99999999.99"}
        => 201 {"id": "$yacht", "...": 0}
        ann POST /cart/cart-add/ {"product_id": "$yacht", "quantity": 2147483647} => 200 {"total_price": "214748364678525163.53", "...": 0}
        ann POST /orders/create/ => 400 code order_total_too_large
        ann PATCH /cart/cart-update/ {"product_id": "$yacht", "quantity": 101} => 200 {"total_price": "10099999998.99", "...": 0}
        ann POST /orders/create/ => 400 code order_total_too_large
        nobody GET /products/products/ => 200 [{"quantity": 2147483647, "...": 0}]
        ann PATCH /cart/cart-update/ {"product_id": "$yacht", "quantity": 100} => 200 ...
        ann POST /orders/create/ => 201 {"total_price": "9999999999.00", "...": 0}
    "#);
}

#[test]
fn an_order_is_seen_by_its_owner_and_the_admin() {
    let shop = shop_with_a_full_cart();
    shop.day(
        r#"
        ann POST /orders/create/ => 201 "$first"
        ann POST /cart/cart-add/ {"product_id": "$cable", "quantity": 1} => 200 ...
        ann POST /orders/create/ => 201 "$second"
        bob POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1} => 200 ...
        bob POST /orders/create/ => 201 "$third"
        nobody GET /orders/list/ => 401 code not_authenticated
        ann again => 200 ["$second", "$first"]
        bob again => 200 ["$third"]
        cat again => 200 []
        boss again => 200 ["$third", "$second", "$first"]
    "#,
    );
    let first = shop.get("ann", "/orders/list/")[1]["id"].clone();
    shop.names().keep("order", first);
    shop.day(
        r#"
        nobody GET /orders/detail/$order/ => 401 code not_authenticated
        ann again => 200 "$first"
        boss again => 200 "$first"
        # Not even that it exists.
        bob again => 404 code *
        ann GET /orders/detail/9999/ => 404 code *
        ann GET /orders/detail/abc/ => 404 code *
    "#,
    );
}

#[test]
fn the_price_paid_is_the_price_of_the_day() {
    let shop = shop_with_a_full_cart();
    shop.day(
        r#"
        ann POST /orders/create/ => 201 "$order"
        boss PATCH /products/delete-update/$phone/ {"price": "1.00", "quantity": 50} => 200 ...
        ann GET /orders/list/ => 200 ["$order"]
    "#,
    );
}

#[test]
fn the_admin_moves_an_order_one_step_at_a_time() {
    let shop = shop_with_an_order();
    shop.day(r#"
        nobody PATCH /orders/status/$order/ => 401 code not_authenticated
        ann again => 403 code permission_denied
        ann PATCH /orders/status/9999/ => 403 code permission_denied
        boss PATCH /orders/status/9999/ => 404 code *
        ann GET /orders/detail/$order/ => 200 {"status": "new", "...": 0}
        boss PATCH /orders/status/$order/
        => 200 {"id": "$order", "status": "paid", "total_price": "1607.90", "created_at": "<time>", "items": ["*", "*"]}
        again => 200 {"id": "$order", "status": "shipped", "total_price": "1607.90", "created_at": "<time>", "items": ["*", "*"]}
        again => 400 code order_shipped
        ann GET /orders/detail/$order/ => 200 {"status": "shipped", "...": 0}
        ann DELETE /orders/cancel/$order/ => 400 code order_not_new
        nobody GET /products/products/ => 200 [{"quantity": 8, "...": 0}, {"quantity": 2, "...": 0}]
    "#);
}

#[test]
fn a_step_that_is_named_is_taken_only_if_it_is_the_next() {
    let shop = shop_with_an_order();
    shop.day(
        r#"
        boss PATCH /orders/status/$order/ {"status": "shipped"} => 400 code not_the_next_step
        again {"status": "new"} => 400 code not_the_next_step
        again {"status": "lost"} => 400 on status
        again {"status": 5} => 400 on status
        ann GET /orders/detail/$order/ => 200 {"status": "new", "...": 0}
        boss again => 200 {"status": "new", "...": 0}
        boss PATCH /orders/status/$order/ {"status": "paid"} => 200 {"status": "paid", "...": 0}
        again => 400 code not_the_next_step
        again {"status": "shipped"} => 200 {"status": "shipped", "...": 0}
        again => 400 code order_shipped
    "#,
    );
}

#[test]
fn cancelling_a_new_order_puts_every_unit_back_once() {
    let shop = shop_with_an_order();
    shop.day(r#"
        nobody DELETE /orders/cancel/$order/ => 401 code not_authenticated
        bob again => 404 code *
        boss again => 404 code *
        ann DELETE /orders/cancel/9999/ => 404 code *
        nobody GET /products/products/ => 200 [{"quantity": 8, "...": 0}, {"quantity": 2, "...": 0}]
        ann DELETE /orders/cancel/$order/ {"ignored": => 200 {"detail": "*"}
        again => 400 code order_not_new
        nobody GET /products/products/ => 200 ["$phone_row", "$cable_row"]
        ann GET /orders/detail/$order/ => 200 {"id": "$order", "status": "cancelled", "total_price": "1607.90", "items": ["*", "*"], "...": 0}
        boss PATCH /orders/status/$order/ => 400 code order_cancelled
    "#);
}

#[test]
fn an_order_outlives_its_product() {
    let shop = shop_with_an_order();
    shop.day(r#"
        boss DELETE /products/delete-update/$phone/ => 204
        ann GET /orders/detail/$order/
        => 200 {"items": [{"product": "$phone", "product_title": "Pixel 9", "price": "799.00", "quantity": 2, "id": "<id>"}, "*"], "...": 0}
        ann DELETE /orders/cancel/$order/ => 200 {"detail": "*"}
        nobody GET /products/products/ => 200 ["$cable_row"]
    "#);
}

#[test]
fn a_paid_order_is_not_cancelled() {
    let shop = shop_with_an_order();
    shop.day(
        r#"
        boss PATCH /orders/status/$order/ => 200 {"status": "paid", "...": 0}
        ann DELETE /orders/cancel/$order/ => 400 code order_not_new
        ann GET /orders/detail/$order/ => 200 {"status": "paid", "...": 0}
        nobody GET /products/products/ => 200 [{"quantity": 8, "...": 0}, {"quantity": 2, "...": 0}]
    "#,
    );
}

#[test]
fn an_edit_of_a_sold_product_does_not_bring_stock_back() {
    let shop = shop_with_a_full_cart();
    shop.day(r#"
        ann POST /orders/create/ => 201 ...
        boss PATCH /products/delete-update/$phone/ {"description": "Rewritten"} => 200 {"quantity": 8, "...": 0}
        # A quantity that is named is a new count.
        again {"quantity": 100} => 200 {"quantity": 100, "...": 0}
    "#);
}
