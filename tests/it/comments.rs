//! Days of comments: anyone reads them, customers write, and each changes only his own.

use serde_json::json;

use crate::shop::Shop;

#[test]
fn a_customer_comments_on_a_product_and_anyone_reads_it() {
    let shop = Shop::stocked();
    shop.day(r#"
        nobody GET /products/cr-comment/$phone/ => 200 []
        ann POST /products/cr-comment/$phone/ {"text": "  Takes good pictures ", "user": "bob", "user_id": 99, "product": "$cable", "id": 5}
        => 201 {"id": "$first", "user": "ann", "user_id": "$ann", "product": "$phone", "text": "Takes good pictures",
                "created_at": "<time>", "updated_at": "<time>"}
        ann GET /auth/profile/ => 200 {"id": "$ann", "...": 0}
        ann POST /products/cr-comment/$phone/ {"text": "Still does"} => 201 {"id": "$second", "...": 0}
        bob again {"text": "Too big"} => 201 {"id": "$third", "user": "bob", "...": 0}
        nobody GET /products/cr-comment/$phone/
        => 200 [{"id": "$first", "user": "ann", "user_id": "$ann", "product": "$phone", "text": "Takes good pictures",
                 "created_at": "<time>", "updated_at": "<time>"},
                {"id": "$second", "...": 0}, {"id": "$third", "...": 0}]
        nobody GET /products/cr-comment/$cable/ => 200 []
    "#);
}

#[test]
fn a_bad_comment_is_refused_and_not_kept() {
    let shop = Shop::stocked();
    shop.names().keep("c150", "ж".repeat(150).into());
    shop.names().keep("c151", "ж".repeat(151).into());
    shop.day(
        r#"
        nobody POST /products/cr-comment/$phone/ {"text": "x"} => 401 code not_authenticated
        nobody POST /products/cr-comment/9999/ {"text": "x"} => 401 code not_authenticated
        nobody GET /products/cr-comment/9999/ => 404 code *
        ann POST /products/cr-comment/9999/ {"text": ""} => 404 code *
        ann POST /products/cr-comment/$phone/ {} => 400 on text
        again {"text": " "} => 400 on text
        again {"text": null} => 400 on text
        again {"text": ["x"]} => 400 on text
        again {"text": "$c151"} => 400 on text
        nobody GET /products/cr-comment/$phone/ => 200 []
        ann POST /products/cr-comment/$phone/ {"text": "$c150"} => 201 {"text": "$c150", "...": 0}
    "#,
    );
}

#[test]
fn the_author_changes_and_removes_a_comment() {
    let shop = Shop::stocked();
    shop.day(r#"
        ann POST /products/cr-comment/$phone/ {"text": "Good"} => 201 {"id": "$comment", "user_id": "$ann", "created_at": "$made", "...": 0}
        ann PUT /products/ud-comment/$comment/ {"text": "Better"}
        => 200 {"id": "$comment", "user": "ann", "user_id": "$ann", "product": "$phone", "text": "Better",
                "created_at": "$made", "updated_at": "<time>"}
        again {} => 400 on text
        again {"text": ""} => 400 on text
        ann PATCH /products/ud-comment/$comment/ {"text": "Best", "product": "$cable", "user_id": 1}
        => 200 {"text": "Best", "product": "$phone", "user": "ann", "created_at": "$made", "...": 0}
        again {"text": null} => 400 on text
        again {} => 200 {"text": "Best", "...": 0}
        ann PATCH /products/ud-comment/9999/ {"text": "x"} => 404 code *
        nobody GET /products/cr-comment/$phone/ => 200 [{"id": "$comment", "text": "Best", "...": 0}]
        ann DELETE /products/ud-comment/$comment/ => 204
        again => 404 code *
        nobody GET /products/cr-comment/$phone/ => 200 []
    "#);
    let text = |text| json!({"text": text});
    let made = shop
        .say("ann", "POST /products/cr-comment/1/", text("a"))
        .told(201);
    let path = format!("PATCH /products/ud-comment/{}/", made["id"]);
    let changed = shop.say("ann", &path, text("b")).told(200);
    assert!(
        changed["updated_at"].as_str() > made["updated_at"].as_str(),
        "{made} {changed}"
    );
}

#[test]
fn a_comment_of_another_is_not_for_changing() {
    let shop = Shop::stocked();
    shop.day(r#"
        ann POST /products/cr-comment/$phone/ {"text": "Good"} => 201 {"id": "$comment", "...": 0}
        nobody PUT /products/ud-comment/$comment/ {"text": "Bad"} => 401 code not_authenticated
        bob again => 403 code not_your_comment
        # Who may not write is not told what is wrong with what was written.
        bob again {"text": => 403 code not_your_comment
        boss again {"text": "Bad"} => 403 code not_your_comment
        nobody PATCH /products/ud-comment/$comment/ {"text": "Bad"} => 401 code not_authenticated
        bob again => 403 code not_your_comment
        boss again => 403 code not_your_comment
        nobody DELETE /products/ud-comment/$comment/ => 401 code not_authenticated
        bob again => 403 code not_your_comment
        nobody GET /products/cr-comment/$phone/ => 200 [{"id": "$comment", "text": "Good", "...": 0}]
        # The admin may remove what does not belong here.
        boss DELETE /products/ud-comment/$comment/ => 204
        nobody GET /products/cr-comment/$phone/ => 200 []
    "#);
}

#[test]
fn a_customer_lists_his_own_comments_and_the_admin_all() {
    let shop = Shop::stocked();
    shop.day(
        r#"
        nobody GET /products/comment-list/ => 401 code not_authenticated
        ann again => 200 []
        ann POST /products/cr-comment/$phone/ {"text": "A"} => 201 "$a"
        bob POST /products/cr-comment/$cable/ {"text": "B"} => 201 "$b"
        ann POST /products/cr-comment/$cable/ {"text": "C"} => 201 "$c"
        ann GET /products/comment-list/ => 200 ["$a", "$c"]
        bob again => 200 ["$b"]
        boss again => 200 ["$a", "$b", "$c"]
    "#,
    );
}
