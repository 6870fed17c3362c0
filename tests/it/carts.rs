//! Days of carts: lines added up, set, removed and cleared, each customer's own.

use serde_json::json;

use crate::shop::Shop;

#[test]
fn an_empty_cart_has_no_lines_and_says_so() {
    let shop = Shop::stocked();
    shop.day(r#"
        nobody GET /cart/cart/ => 401 code not_authenticated
        ann again => 200 {"id": "$cart", "items": [], "total_price": "0.00", "message": "*"}
        ann GET /cart/cart/ => 200 {"id": "$cart", "items": [], "total_price": "0.00", "message": "*"}
    "#);
}

#[test]
fn adding_adds_up_and_asks_for_no_stock() {
    let shop = Shop::stocked();
    shop.day(r#"
        nobody POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1} => 401 code not_authenticated
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1}
        => 200 {"id": "$cart", "items": [{"id": "$line", "product": "$phone_row", "quantity": 1}], "total_price": "799.00"}
        again {"product_id": "$cable", "quantity": "2"}
        => 200 {"id": "$cart", "items": [{"id": "$line", "product": "$phone_row", "quantity": 1},
                {"id": "$second", "product": "$cable_row", "quantity": 2}], "total_price": "818.80"}
        again {"product_id": "$phone", "quantity": 100000}
        => 200 {"id": "$cart", "items": [{"id": "$line", "product": "$phone_row", "quantity": 100001},
                {"id": "$second", "product": "$cable_row", "quantity": 2}], "total_price": "79900818.80"}
        # Bob has a cart of his own; the shelf has not moved.
        bob GET /cart/cart/ => 200 {"items": [], "...": 0}
        nobody GET /products/products/ => 200 ["$phone_row", "$cable_row"]
    "#);
}

#[test]
fn a_bad_line_hears_every_fault_and_is_not_kept() {
    let shop = Shop::stocked();
    shop.day(r#"
        ann POST /cart/cart-add/ {} => 400 on product_id, quantity
        again {"product_id": "phone", "quantity": 0} => 400 on product_id, quantity
        again {"product_id": null, "quantity": -1} => 400 on product_id, quantity
        again {"product_id": "$phone", "quantity": 1.5} => 400 on quantity
        again {"product_id": "$phone", "quantity": 2147483648} => 400 on quantity
        # The fields come before the product.
        again {"product_id": 9999, "quantity": 0} => 400 on quantity
        again {"product_id": 9999, "quantity": 1} => 404 code *
        ann GET /cart/cart/ => 200 {"items": [], "...": 0}
        # What is in the cart counts too.
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2147483647} => 200 {"items": [{"quantity": 2147483647, "...": 0}], "...": 0}
        again {"product_id": "$phone", "quantity": 1} => 400 on quantity
        ann GET /cart/cart/ => 200 {"items": [{"quantity": 2147483647, "...": 0}], "...": 0}
    "#);
}

#[test]
fn updating_sets_a_line_and_zero_removes_it() {
    let shop = Shop::stocked();
    shop.day(r#"
        nobody PATCH /cart/cart-update/ {"product_id": "$phone", "quantity": 5} => 401 code not_authenticated
        # Nothing to update yet.
        ann again => 404 code *
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ...
        ann PATCH /cart/cart-update/ {"product_id": "$phone", "quantity": 5}
        => 200 {"id": "$cart", "items": [{"id": "$line", "product": "$phone_row", "quantity": 5}], "total_price": "3995.00"}
        again {"product_id": "$cable", "quantity": 5} => 404 code *
        again {"product_id": 9999, "quantity": 5} => 404 code *
        again {} => 400 on product_id, quantity
        again {"product_id": "$phone", "quantity": -1} => 400 on quantity
        again {"product_id": "$phone", "quantity": 2147483648} => 400 on quantity
        bob again {"product_id": "$phone", "quantity": 5} => 404 code *
        ann GET /cart/cart/ => 200 {"items": [{"quantity": 5, "...": 0}], "...": 0}
        ann PATCH /cart/cart-update/ {"product_id": "$phone", "quantity": 0}
        => 200 {"id": "$cart", "items": [], "total_price": "0.00", "message": "*"}
        again => 404 code *
    "#);
}

#[test]
fn removing_takes_a_line_out_and_shows_what_is_left() {
    let shop = Shop::stocked();
    shop.day(r#"
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ...
        ann POST /cart/cart-add/ {"product_id": "$cable", "quantity": 1} => 200 ...
        nobody DELETE /cart/cart-remove/ {"product_id": "$phone"} => 401 code not_authenticated
        bob again => 400 code not_in_cart
        ann again
        => 200 {"message": "*", "status": 200, "cart":
                {"id": "$cart", "items": [{"id": "<id>", "product": "$cable_row", "quantity": 1}], "total_price": "9.90"}}
        again => 400 code not_in_cart
        again {"product_id": 9999} => 404 code *
        again {} => 400 on product_id
        again {"product_id": "cable"} => 400 on product_id
        ann DELETE /cart/cart-remove/?product_id=$cable => 400 on product_id
        ann DELETE /cart/cart-remove/ {"product_id": "$cable"}
        => 200 {"message": "*", "status": 200, "cart": {"id": "$cart", "items": [], "total_price": "0.00", "message": "*"}}
    "#);
}

#[test]
fn clearing_empties_the_callers_cart_only() {
    let shop = Shop::stocked();
    shop.day(
        r#"
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ...
        bob POST /cart/cart-add/ {"product_id": "$phone", "quantity": 3} => 200 ...
        nobody DELETE /cart/cart-clear/ => 401 code not_authenticated
        ann DELETE /cart/cart-clear/ {"ignored": => 204
        again => 204
        ann GET /cart/cart/ => 200 {"items": [], "...": 0}
        bob GET /cart/cart/ => 200 {"items": [{"quantity": 3, "...": 0}], "...": 0}
    "#,
    );
}

#[test]
fn a_cart_shows_the_price_of_now() {
    let shop = Shop::stocked();
    shop.day(r#"
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 3} => 200 {"total_price": "2397.00", "...": 0}
        boss PATCH /products/delete-update/$phone/ {"price": "0.10"} => 200 "$cheap"
        ann GET /cart/cart/
        => 200 {"id": "<id>", "items": [{"id": "<id>", "product": "$cheap", "quantity": 3}], "total_price": "0.30"}
    "#);
}

#[test]
fn a_cart_holds_500_lines() {
    let shop = Shop::with_parts(501);
    for product in 1..=500 {
        let line = json!({"product_id": product, "quantity": 1});
        shop.say("ann", "POST /cart/cart-add/", line).told(200);
    }
    shop.day(
        r#"
        ann POST /cart/cart-add/ {"product_id": 501, "quantity": 1} => 400 code cart_full
        # A line that is there still grows.
        again {"product_id": 1, "quantity": 1} => 200 {"total_price": "501.00", "...": 0}
        again {"product_id": 501, "quantity": 1} => 400 code cart_full
        ann GET /cart/cart/ => 200 {"total_price": "501.00", "...": 0}
    "#,
    );
}
