//! Days of the shelf: categories and products, made, changed and taken away by the admin and seen by anyone.

use crate::day::day;
use crate::shop::Shop;

#[test]
fn an_admin_names_categories_and_anyone_lists_them() {
    day(r#"
        nobody POST /products/create-category/ {"name": "Phones"} => 401 code not_authenticated
        ann again => 403 code permission_denied
        nobody GET /products/categories/ => 200 []
        boss POST /products/create-category/ {"name": "  Phones "} => 201 {"name": "Phones", "id": "$phones"}
        again {"name": "Cables", "id": 77, "products": 5} => 201 {"name": "Cables", "id": "$cables"}
        again {"name": 2026} => 201 {"name": "2026", "id": "$year"}
        again {"name": "thirty characters, not one more"} => 400 on name
        again {"name": "thirty characters, not one mor"} => 201 ...
        boss POST /products/create-product/ {"title": "Pixel", "category": "$phones", "quantity": 1, "price": 5} => 201 ...
        nobody GET /products/categories/
        => 200 [{"id": "$phones", "name": "Phones", "products": 1}, {"id": "$cables", "name": "Cables", "products": 0},
                {"id": "$year", "name": "2026", "products": 0}, {"...": 0}]
    "#);
}

#[test]
fn a_bad_category_name_is_refused() {
    day(r#"
        boss POST /products/create-category/ {"name": "Phones"} => 201 ...
        again {"name": "Phones"} => 400 on name
        again {"name": "pHONES"} => 400 on name
        again {} => 400 on name
        again {"name": null} => 400 on name
        again {"name": "   "} => 400 on name
        again {"name": ["Phones"]} => 400 on name
        again {"name": true} => 400 on name
        again {"name": "a\u0000b"} => 400 on name
        nobody GET /products/categories/ => 200 [{"name": "Phones", "...": 0}]
    "#);
}

#[test]
fn a_category_is_renamed_everywhere_and_removed_when_empty() {
    let shop = Shop::stocked();
    shop.day(r#"
        nobody PATCH /products/categories/$phones/ {"name": "Mobiles"} => 401 code not_authenticated
        ann again => 403 code permission_denied
        boss again => 200 {"id": "$phones", "name": "Mobiles", "products": 2}
        nobody GET /products/detail/$phone/ => 200 {"category": "Mobiles", "...": 0}
        boss POST /products/create-category/ {"name": "Radios"} => 201 {"name": "Radios", "id": "$radios"}
        boss PATCH /products/categories/$phones/ {"name": "RADIOS"} => 400 on name
        again {"name": ""} => 400 on name
        again {"name": "thirty characters, not one more"} => 400 on name
        # Its own name in other letters is no duplicate.
        again {"name": "mobiles"} => 200 {"id": "$phones", "name": "mobiles", "products": 2}
        again {} => 200 {"id": "$phones", "name": "mobiles", "products": 2}
        boss PATCH /products/categories/9999/ {"name": "X"} => 404 code *

        nobody DELETE /products/categories/$radios/ => 401 code not_authenticated
        ann again => 403 code permission_denied
        boss DELETE /products/categories/$phones/ => 400 code category_not_empty
        boss DELETE /products/categories/$radios/ => 204
        again => 404 code *
        nobody GET /products/categories/ => 200 [{"id": "$phones", "name": "mobiles", "products": 2}]
        # The name is free again, the id is not.
        boss POST /products/create-category/ {"name": "radios"} => 201 {"name": "radios", "id": "$new"}
        boss DELETE /products/categories/$radios/ => 404 code *
    "#);
}

#[test]
fn an_admin_puts_a_product_on_the_shelf_and_anyone_sees_it() {
    day(r#"
        boss POST /products/create-category/ {"name": "Phones"} => 201 {"id": "$phones", "name": "Phones"}
        boss POST /products/create-product/
            {"title": " Pixel 9 ", "category": "$phones", "quantity": 10, "description": "Made by Google", "price": "799.00",
             "id": 900, "created_at": "2001-01-01T00:00:00Z", "is_staff": true}
        => 201 {"id": "$pixel", "title": "Pixel 9", "category": "$phones", "quantity": 10,
                "description": "Made by Google", "price": "799.00", "created_at": "$made"}
        nobody GET /products/detail/$pixel/
        => 200 {"id": "$pixel", "title": "Pixel 9", "category": "Phones", "quantity": 10,
                "description": "Made by Google", "price": "799.00", "created_at": "$made"}
        # Two products may bear one title; a description is no must.
        boss POST /products/create-product/ {"title": "Pixel 9", "category": "$phones", "quantity": 0, "price": 0.01}
        => 201 {"id": "$other", "title": "Pixel 9", "category": "$phones", "quantity": 0, "description": "", "price": "0.01", "created_at": "<time>"}
        nobody GET /products/products/
        => 200 [{"id": "$pixel", "title": "Pixel 9", "category": "Phones", "quantity": 10,
                 "description": "Made by Google", "price": "799.00", "created_at": "$made"},
                {"id": "$other", "title": "Pixel 9", "category": "Phones", "quantity": 0,
                 "description": "", "price": "0.01", "created_at": "<time>"}]
        ann GET /products/products/ => 200 ["*", "*"]
    "#);
}

#[test]
fn strangers_and_customers_change_nothing_on_the_shelf() {
    let shop = Shop::stocked();
    shop.day(r#"
        nobody POST /products/create-product/ {"title": "X", "category": "$phones", "quantity": 1, "price": "1.00"}
        => 401 code not_authenticated
        ann again => 403 code permission_denied
        ann POST /products/create-product/ {} => 403 code permission_denied
        nobody PATCH /products/delete-update/$phone/ {"price": "1.00"} => 401 code not_authenticated
        ann again => 403 code permission_denied
        nobody DELETE /products/delete-update/$phone/ => 401 code not_authenticated
        ann again => 403 code permission_denied
        # Who may not ask is not told what there is.
        ann DELETE /products/delete-update/9999/ => 403 code permission_denied
        nobody GET /products/products/ => 200 ["$phone_row", "$cable_row"]
    "#);
}

#[test]
fn a_bad_product_hears_every_fault_and_is_not_kept() {
    day(r#"
        boss POST /products/create-category/ {"name": "Phones"} => 201 {"id": "$phones", "name": "Phones"}
        boss POST /products/create-product/ {} => 400 on title, category, quantity, price
        again {"title": "", "category": 9999, "quantity": -1, "description": null, "price": "0.00"}
        => 400 on title, category, quantity, description, price
        again {"title": null, "category": "Phones", "quantity": 1.5, "description": ["x"], "price": "-1.00"}
        => 400 on title, category, quantity, description, price
        again {"title": true, "category": null, "quantity": "", "price": "abc"} => 400 on title, category, quantity, price
        again {"title": {}, "category": [1], "quantity": true, "price": "NaN"} => 400 on title, category, quantity, price
        again {"title": "X", "category": "$phones", "quantity": 1, "price": "1.005"} => 400 on price
        again {"title": "X", "category": "$phones", "quantity": 1, "price": "Infinity"} => 400 on price
        again {"title": "X", "category": "$phones", "quantity": 1, "price": true} => 400 on price
        nobody GET /products/products/ => 200 []
    "#);
}

#[test]
fn the_bounds_of_a_product_are_kept_on_both_sides() {
    let shop = Shop::open();
    for (name, length) in [
        ("t255", 255),
        ("t256", 256),
        ("d20000", 20_000),
        ("d20001", 20_001),
    ] {
        shop.names().keep(name, "ж".repeat(length).into());
    }
    // As Python's json.dumps writes it: twelve bytes a character.
    shop.names().keep("emoji", "😀".repeat(20_000).into());
    shop.day(r#"
        boss POST /products/create-category/ {"name": "Phones"} => 201 {"id": "$phones", "name": "Phones"}
        boss POST /products/create-product/
            {"title": "$t256", "category": "$phones", "quantity": 2147483648, "description": "$d20001", "price": "100000000.00"}
        => 400 on title, quantity, description, price
        again {"title": "X", "category": "$phones", "quantity": 99999999999999999999, "price": "99999999999999999999"}
        => 400 on quantity, price
        again {"title": "$t255", "category": "$phones", "quantity": 2147483647, "description": "$d20000", "price": "99999999.99"}
        => 201 {"id": "$big", "title": "$t255", "category": "$phones", "quantity": 2147483647, "description": "$d20000",
                "price": "99999999.99", "created_at": "<time>"}
        boss PATCH /products/delete-update/$big/
            {"title": "$t256", "quantity": 2147483648, "description": "$d20001", "price": "100000000.00", "category": "thirty characters, not one more"}
        => 400 on title, quantity, description, price, category
        nobody GET /products/products/ => 200 [{"id": "$big", "title": "$t255", "quantity": 2147483647, "price": "99999999.99", "...": 0}]
    "#);
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let shop = Shop::stocked();
    shop.day(r#"
        boss PATCH /products/delete-update/$phone/ {} => 200 "$phone_row"
        again {"description": "Seven years of updates"}
        => 200 {"id": "$phone", "title": "Pixel 9", "category": "Phones", "quantity": 10,
                "description": "Seven years of updates", "price": "799.00", "created_at": "$made"}
        again {"title": "Pixel 9a", "price": "499.5", "quantity": 0, "id": 1, "created_at": "2001-01-01T00:00:00Z"}
        => 200 {"id": "$phone", "title": "Pixel 9a", "category": "Phones", "quantity": 0,
                "description": "Seven years of updates", "price": "499.50", "created_at": "$made"}
        # A category is given by its name here: found whatever its case, or made.
        again {"category": "phones"} => 200 {"category": "Phones", "...": 0}
        again {"category": "Google phones"} => 200 {"category": "Google phones", "...": 0}
        again {"category": 7} => 200 {"category": "7", "...": 0}
        nobody GET /products/categories/
        => 200 [{"id": "$phones", "name": "Phones", "products": 1}, {"id": "<id>", "name": "Google phones", "products": 0},
                {"id": "<id>", "name": "7", "products": 1}]
        nobody GET /products/products/ => 200 [{"id": "$phone", "title": "Pixel 9a", "category": "7", "quantity": 0, "...": 0}, "$cable_row"]
    "#);
}

#[test]
fn a_bad_edit_hears_every_fault_and_changes_nothing() {
    let shop = Shop::stocked();
    shop.day(r#"
        boss PATCH /products/delete-update/$phone/
            {"title": " ", "category": "", "quantity": -5, "description": null, "price": "-5.00"}
        => 400 on title, category, quantity, description, price
        again {"title": null, "category": null, "quantity": null, "price": null} => 400 on title, category, quantity, price
        again {"description": "kept out", "price": "0"} => 400 on price
        again {"category": "Brand new", "price": "0"} => 400 on price
        boss PATCH /products/delete-update/9999/ {"price": "0"} => 404 code *
        nobody GET /products/detail/$phone/ => 200 "$phone_row"
        nobody GET /products/categories/ => 200 [{"name": "Phones", "products": 2, "...": 0}]
    "#);
}

#[test]
fn a_product_that_is_taken_away_is_gone_from_everywhere_but_old_orders() {
    let shop = Shop::stocked();
    shop.day(r#"
        ann POST /products/cr-comment/$phone/ {"text": "Fine"} => 201 ...
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 2} => 200 ...
        ann POST /orders/create/ => 201 "$order"
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1} => 200 ...
        ann POST /cart/cart-add/ {"product_id": "$cable", "quantity": 1} => 200 ...

        boss DELETE /products/delete-update/$phone/ => 204
        again => 404 code *
        nobody GET /products/detail/$phone/ => 404 code *
        nobody GET /products/products/ => 200 ["$cable_row"]
        nobody GET /products/search/?q=pixel => 200 []
        nobody GET /products/cr-comment/$phone/ => 404 code *
        ann GET /products/comment-list/ => 200 []
        ann GET /cart/cart/ => 200 {"id": "<id>", "items": [{"id": "<id>", "product": "$cable_row", "quantity": 1}], "total_price": "9.90"}
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 1} => 404 code *
        ann GET /orders/list/ => 200 ["$order"]
        nobody GET /products/categories/ => 200 [{"id": "$phones", "name": "Phones", "products": 1}]

        # An id is never given out twice.
        boss DELETE /products/delete-update/$cable/ => 204
        boss POST /products/create-product/ {"title": "New", "category": "$phones", "quantity": 1, "price": "1.00"} => 201 {"id": "$new", "...": 0}
        nobody GET /products/detail/$phone/ => 404 code *
        nobody GET /products/detail/$cable/ => 404 code *
    "#);
}

#[test]
fn a_product_that_is_not_there_is_404_whatever_its_number_looks_like() {
    day(r"
        nobody GET /products/detail/1/ => 404 code *
        nobody GET /products/detail/0/ => 404 code *
        nobody GET /products/detail/-1/ => 404 code *
        nobody GET /products/detail/1.0/ => 404 code *
        nobody GET /products/detail/abc/ => 404 code *
        nobody GET /products/detail/99999999999999999999999/ => 404 code *
        nobody GET /products/detail/18446744073709551615/ => 404 code *
        nobody GET /products/detail/%00/ => 400 code bad_path
    ");
}
