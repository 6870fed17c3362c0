//! Days of search: what is found, in which order, and how soon after a write.

use crate::day::day;
use crate::shop::Shop;

fn shop_to_search() -> Shop {
    let shop = Shop::open();
    for (name, category, title, description, price) in [
        ("phone", "Phones", "Смартфон Galaxy", "Новый", "500.00"),
        (
            "screen",
            "Screens",
            "Écran plat",
            "Moniteur 27 pouces",
            "150.00",
        ),
        (
            "gaming",
            "Laptops",
            "Gaming laptop",
            "Fast graphics, 100% aluminium",
            "1500.00",
        ),
        ("office", "Laptops", "Office laptop", "Quiet", "700.00"),
        ("bag", "Bags", "Laptop bag", "Black", "50.00"),
        ("mouse", "Mice", "Mouse", "Works beside any LAPTOP", "50.00"),
    ] {
        let category_step = format!(
            r#"boss POST /products/create-category/ {{"name": "{category}"}} => 201 {{"id": "${name}_category", "...": 0}}"#
        );
        let category_id = if name == "office" {
            "gaming_category".into()
        } else {
            format!("{name}_category")
        };
        if name != "office" {
            shop.day(&category_step);
        }
        shop.day(&format!(
            r#"boss POST /products/create-product/
                {{"title": "{title}", "category": "${category_id}", "quantity": 1, "description": "{description}", "price": "{price}"}}
            => 201 {{"id": "${name}_id", "...": 0}}
            nobody GET /products/detail/${name}_id/ => 200 "${name}""#
        ));
    }
    shop
}

#[test]
fn a_piece_of_the_title_or_the_description_finds_it_in_any_case() {
    let shop = shop_to_search();
    shop.day(r#"
        nobody GET /products/search/?q=laptop&ordering=price => 200 ["$bag", "$mouse", "$office", "$gaming"]
        nobody GET /products/search/?q=LAPTOP&ordering=price => 200 ["$bag", "$mouse", "$office", "$gaming"]
        nobody GET /products/search/?q=aptop&ordering=price => 200 ["$bag", "$mouse", "$office", "$gaming"]
        nobody GET /products/search/?q=ming+lap => 200 ["$gaming"]
        nobody GET /products/search/?q=100%25+alu => 200 ["$gaming"]
        nobody GET /products/search/?q=смартфон => 200 ["$phone"]
        nobody GET /products/search/?q=СМАРТФОН => 200 ["$phone"]
        nobody GET /products/search/?q=НОВЫЙ => 200 ["$phone"]
        nobody GET /products/search/?q=écran => 200 ["$screen"]
        nobody GET /products/search/?q=ÉCRAN => 200 ["$screen"]
        nobody GET /products/search/?q=zeppelin => 200 []
        # The category's name is no text of the product.
        nobody GET /products/search/?q=mice => 200 []
        # Said twice, the last counts.
        nobody GET /products/search/?q=zeppelin&q=graphics => 200 ["$gaming"]
    "#);
}

#[test]
fn nothing_asked_finds_everything_by_id() {
    let shop = shop_to_search();
    shop.day(r#"
        nobody GET /products/search/ => 200 ["$phone", "$screen", "$gaming", "$office", "$bag", "$mouse"]
        nobody GET /products/search/?q=&category=&min_price=&max_price=&ordering=
        => 200 ["$phone", "$screen", "$gaming", "$office", "$bag", "$mouse"]
        nobody GET /products/search/?page=2&colour=red => 200 ["$phone", "$screen", "$gaming", "$office", "$bag", "$mouse"]
        ann GET /products/search/ => 200 ["$phone", "$screen", "$gaming", "$office", "$bag", "$mouse"]
    "#);
}

#[test]
fn filters_narrow_together_and_prices_include_their_ends() {
    let shop = shop_to_search();
    shop.day(r#"
        nobody GET /products/search/?category=$gaming_category => 200 ["$gaming", "$office"]
        nobody GET /products/search/?category=9999 => 200 []
        nobody GET /products/search/?min_price=500 => 200 ["$phone", "$gaming", "$office"]
        nobody GET /products/search/?min_price=500.01 => 200 ["$gaming", "$office"]
        nobody GET /products/search/?max_price=150.00 => 200 ["$screen", "$bag", "$mouse"]
        nobody GET /products/search/?max_price=149.99 => 200 ["$bag", "$mouse"]
        nobody GET /products/search/?min_price=150&max_price=500 => 200 ["$phone", "$screen"]
        nobody GET /products/search/?min_price=500&max_price=150 => 200 []
        nobody GET /products/search/?q=laptop&category=$gaming_category&max_price=700 => 200 ["$office"]
    "#);
}

#[test]
fn an_ordering_overrides_and_equals_stand_by_id() {
    let shop = shop_to_search();
    shop.day(r#"
        nobody GET /products/search/?ordering=price => 200 ["$bag", "$mouse", "$screen", "$phone", "$office", "$gaming"]
        nobody GET /products/search/?ordering=-price => 200 ["$gaming", "$office", "$phone", "$screen", "$bag", "$mouse"]
        nobody GET /products/search/?ordering=created_at => 200 ["$phone", "$screen", "$gaming", "$office", "$bag", "$mouse"]
        nobody GET /products/search/?ordering=-created_at => 200 ["$mouse", "$bag", "$office", "$gaming", "$screen", "$phone"]
        nobody GET /products/search/?ordering=colour => 200 ["$phone", "$screen", "$gaming", "$office", "$bag", "$mouse"]
    "#);
}

#[test]
fn a_filter_that_is_no_number_is_named() {
    day(r"
        nobody GET /products/search/?category=Laptops => 400 on category
        nobody GET /products/search/?category=1.5 => 400 on category
        nobody GET /products/search/?category=1,2 => 400 on category
        nobody GET /products/search/?category=999999999999999999999999999999 => 400 on category
        nobody GET /products/search/?min_price=abc => 400 on min_price
        nobody GET /products/search/?max_price=NaN => 400 on max_price
        nobody GET /products/search/?max_price=Infinity => 400 on max_price
        nobody GET /products/search/?max_price=1,000 => 400 on max_price
        nobody GET /products/search/?category=x&min_price=y&max_price=z&ordering=w => 400 on category, min_price, max_price
    ");
}

#[test]
fn search_knows_every_write_that_was_answered() {
    let shop = Shop::stocked();
    shop.day(r#"
        nobody GET /products/search/?q=pixel => 200 ["$phone_row"]
        boss PATCH /products/delete-update/$phone/ {"title": "Nexus 5"} => 200 "$renamed"
        nobody GET /products/search/?q=pixel => 200 []
        nobody GET /products/search/?q=nexus => 200 ["$renamed"]
        # Price and stock in a hit are those of now.
        boss PATCH /products/delete-update/$phone/ {"price": "1.00", "quantity": 4} => 200 "$cheap"
        nobody GET /products/search/?q=nexus => 200 ["$cheap"]
        nobody GET /products/search/?max_price=1 => 200 ["$cheap"]
        ann POST /cart/cart-add/ {"product_id": "$phone", "quantity": 3} => 200 ...
        ann POST /orders/create/ => 201 ...
        nobody GET /products/search/?q=nexus => 200 [{"quantity": 1, "...": 0}]
        boss DELETE /products/delete-update/$phone/ => 204
        nobody GET /products/search/?q=nexus => 200 []
        boss POST /products/create-product/ {"title": "Fairphone", "category": "$phones", "quantity": 1, "price": "2.00"} => 201 {"id": "$fair", "...": 0}
        nobody GET /products/search/?q=fairph => 200 [{"id": "$fair", "...": 0}]
    "#);
}
