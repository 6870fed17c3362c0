//! Days of people: sign-up, login, tokens, the profile, and the admin's list of users.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::day::day;
use crate::shop::Shop;

#[test]
fn anyone_signs_up_with_an_email_or_a_phone() {
    day(r#"
        nobody POST /auth/sign-up/
            {"username": "testuser", "first_name": "Test", "email": "test@shop.test", "password": "testuser", "confirm_pass": "testuser"}
        => 201 {"status": 201, "username": "testuser", "message": "*"}
        again {"username": "eve", "phone": "+998901234567", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 201 {"status": 201, "username": "eve", "message": "*"}
        # A second account with nothing but a phone broke the original.
        again {"username": "Zoë.O+1@x-y_z", "phone": "+998901234568", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 201 {"status": 201, "username": "Zoë.O+1@x-y_z", "message": "*"}
        nobody POST /auth/login/ {"username": "eve", "password": "kettle and tea"}
        => 200 {"refresh": "*", "access": "$eve_access", "message": "*"}
        eve GET /auth/profile/
        => 200 {"id": "<id>", "username": "eve", "first_name": "", "email": null, "phone": "+998901234567",
                "user_role": "ordinary_user", "photo": null, "date_joined": "<time>"}
    "#);
}

#[test]
fn a_bad_sign_up_hears_every_fault_and_leaves_nothing() {
    day(r#"
        nobody POST /auth/sign-up/ {"email": "a@shop.test"} => 400 on username, password, confirm_pass
        again {"username": "two words", "email": "nowhere", "password": "1234567", "confirm_pass": "1234567"}
        => 400 on username, email, password
        again {"username": null, "email": "a@shop.test", "password": [], "confirm_pass": {}}
        => 400 on username, password, confirm_pass
        # Neither way to reach her, then both.
        again {"username": "ann", "password": "kettle and tea", "confirm_pass": "kettle and tea"} => 400 on auth
        again {"username": "ann", "email": "a@shop.test", "phone": "+998901234567", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on auth
        again {"username": "ann", "email": "a@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and milk"}
        => 400 on password
        # Too short, all digits, too common.
        again {"username": "ann", "email": "a@shop.test", "password": "k3ttle!", "confirm_pass": "k3ttle!"} => 400 on password
        again {"username": "ann", "email": "a@shop.test", "password": "8302715594", "confirm_pass": "8302715594"} => 400 on password
        again {"username": "ann", "email": "a@shop.test", "password": "password", "confirm_pass": "password"} => 400 on password
        again {"username": "ann", "first_name": "a\u0000b", "email": "a@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on first_name
        again {"username": "ann", "first_name": "\ud800", "email": "a@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 ...
        boss GET /auth/users/ => 200 [{"username": "boss", "...": 0}]
    "#);
}

#[test]
fn a_name_an_email_and_a_phone_belong_to_one_person_whatever_their_case() {
    day(r#"
        ann GET /auth/profile/ => 200 {"username": "ann", "email": "ann@shop.test", "...": 0}
        ann PATCH /auth/profile/update/ {"phone": "+998901112233"} => 200 ...
        nobody POST /auth/sign-up/
            {"username": "ANN", "email": "new@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on username
        again {"username": "new", "email": "Ann@SHOP.test", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on email
        again {"username": "Ann", "email": "ann@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on username, email
        again {"username": "new", "phone": "+998901112233", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on phone
        # Letters that only look different are one name.
        again {"username": "ﬁsh", "email": "fish@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 201 {"status": 201, "username": "fish", "message": "*"}
        again {"username": "fish", "email": "fish2@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on username
    "#);
}

#[test]
fn names_emails_and_phones_have_bounds() {
    let shop = Shop::open();
    let mut names = shop.names();
    names.keep("n150", "n".repeat(150).into());
    names.keep("n151", "n".repeat(151).into());
    names.keep(
        "mail255",
        format!("{}@{}.test", "m".repeat(64), "long.".repeat(38)).into(),
    );
    drop(names);
    shop.day(r#"
        nobody POST /auth/sign-up/
            {"username": "$n151", "first_name": "$n151", "email": "$mail255", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on username, first_name, email
        again {"username": "ann", "phone": "123456789012345678901", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 400 on phone
        again {"username": "$n150", "first_name": "$n150", "phone": "12345678901234567890", "password": "kettle and tea", "confirm_pass": "kettle and tea"}
        => 201 {"status": 201, "username": "$n150", "message": "*"}
    "#);
}

#[test]
fn nobody_makes_an_admin_of_himself() {
    day(r#"
        nobody POST /auth/sign-up/
            {"username": "mallory", "email": "m@shop.test", "password": "kettle and tea", "confirm_pass": "kettle and tea",
             "id": 1, "user_role": "admin", "is_staff": true, "is_superuser": true, "is_active": false}
        => 201 ...
        nobody POST /auth/login/ {"username": "mallory", "password": "kettle and tea"}
        => 200 {"refresh": "*", "access": "$mallory_access", "message": "*"}
        mallory PATCH /auth/profile/update/ {"user_role": "admin", "is_staff": true, "id": 1, "password": "x"} => 200 ...
        mallory GET /auth/profile/ => 200 {"user_role": "ordinary_user", "username": "mallory", "...": 0}
        mallory POST /products/create-category/ {"name": "Loot"} => 403 code permission_denied
        nobody GET /products/categories/ => 200 []
    "#);
}

#[test]
fn login_takes_the_right_password_only_and_says_no_more() {
    day(r#"
        ann GET /auth/profile/ => 200 ...
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"}
        => 200 {"refresh": "*", "access": "*", "message": "*"}
        again {"username": "ANN", "password": "ann likes strong tea"} => 200 ...
        again form username=ann&password=ann+likes+strong+tea => 200 ...
        again {"username": "ann", "password": "ann likes weak tea"} => 400 on non_field_errors
        again {"username": "nobody.knows", "password": "ann likes strong tea"} => 400 on non_field_errors
        again {"username": "ann@shop.test", "password": "ann likes strong tea"} => 400 on non_field_errors
        again {} => 400 on username, password
        again {"username": "", "password": null} => 400 on username, password
    "#);
}

#[test]
fn tokens_carry_the_claims_clients_know() {
    let shop = Shop::open();
    shop.token("ann");
    for (kind, seconds) in [("access", 3600), ("refresh", 86_400)] {
        let token = shop.names().text(&format!("ann_{kind}")).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let part = |i: usize| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[i]).unwrap()).unwrap()
        };
        assert_eq!(part(0)["alg"], "HS256");
        let claims = part(1);
        let mut keys: Vec<&String> = claims.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["exp", "iat", "jti", "token_type", "user_id"]);
        assert_eq!(claims["token_type"], kind);
        assert_eq!(
            claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
            seconds
        );
        let profile = shop.get("ann", "/auth/profile/");
        assert_eq!(claims["user_id"], profile["id"].to_string());
    }
}

#[test]
fn a_token_that_is_not_ours_opens_no_door_not_even_a_public_one() {
    let shop = Shop::open();
    let good = shop.token("ann");
    let (body, signature) = good.rsplit_once('.').unwrap();
    let refresh = shop.names().text("ann_refresh").unwrap();
    let tampered = body.replacen(body.split('.').nth(1).unwrap(), "eyJ1c2VyX2lkIjoiMSJ9", 1);
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let payload = body.split_once('.').unwrap().1;
    for bad in [
        "not.a.token".to_owned(),
        format!("{tampered}.{signature}"),
        format!("{unsigned}.{payload}."),
        body.to_owned(),
        refresh,
    ] {
        shop.names().keep("bad", bad.into());
        for call in [
            "GET /auth/profile/",
            "GET /products/products/",
            "GET /products/search/",
            "POST /auth/login/ {}",
            "POST /auth/sign-up/ {}",
        ] {
            shop.day(&format!(
                "nobody {call}\n+ Authorization: Bearer $bad\n=> 401 code token_not_valid"
            ));
        }
    }
}

#[test]
fn other_schemes_are_no_token_and_half_a_header_is_a_bad_one() {
    day(r"
        nobody GET /products/products/
            + Authorization: Basic YW5uOnRlYQ==
        => 200 []
        nobody GET /auth/profile/
            + Authorization: Token 123
        => 401 code not_authenticated
        again
            + Authorization: Bearer
        => 401 code bad_authorization_header
        again
            + Authorization: Bearer one two
        => 401 code bad_authorization_header
    ");
}

#[test]
fn a_refresh_token_is_good_once_and_its_second_use_ends_the_family() {
    day(r#"
        ann GET /auth/profile/ => 200 ...
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"}
        => 200 {"refresh": "$elsewhere", "access": "*", "message": "*"}
        nobody POST /auth/refresh/ {"refresh": "$ann_refresh"} => 200 {"access": "$access", "refresh": "$second"}
        nobody GET /auth/profile/
            + Authorization: Bearer $access
        => 200 {"username": "ann", "...": 0}
        nobody POST /auth/refresh/ {"refresh": "$second"} => 200 {"access": "*", "refresh": "$third"}
        # Somebody has a copy: nobody may go on with this login.
        again {"refresh": "$second"} => 401 code token_not_valid
        again {"refresh": "$third"} => 401 code token_not_valid
        # The login on the other device is another family.
        again {"refresh": "$elsewhere"} => 200 {"access": "*", "refresh": "*"}
    "#);
}

#[test]
fn only_a_refresh_token_refreshes() {
    day(r#"
        ann GET /auth/profile/ => 200 ...
        nobody POST /auth/refresh/ {"refresh": "$ann_access"} => 401 code token_not_valid
        again {"refresh": "garbage"} => 401 code token_not_valid
        again {} => 400 on refresh
        again {"refresh": null} => 400 on refresh
        again {"refresh": "$ann_refresh"} => 200 {"access": "*", "refresh": "*"}
    "#);
}

#[test]
fn logout_ends_the_token_it_is_given_if_it_is_the_callers_own() {
    day(r#"
        ann GET /auth/profile/ => 200 ...
        bob GET /auth/profile/ => 200 ...
        nobody POST /auth/logout/ {"refresh": "$ann_refresh"} => 401 code not_authenticated
        # Anybody could end anybody's login in the original.
        bob again => 400 on refresh
        ann again {} => 400 on refresh
        again {"refresh": null} => 400 on refresh
        again {"refresh": "garbage"} => 400 on refresh
        again {"refresh": 5} => 400 on refresh
        again {"refresh": "$ann_access"} => 400 on refresh
        again {"refresh": "$ann_refresh"} => 200 {"success": true, "message": "*"}
        again => 400 on refresh
        nobody POST /auth/refresh/ {"refresh": "$ann_refresh"} => 401 code token_not_valid
        again {"refresh": "$bob_refresh"} => 200 ...
    "#);
}

#[test]
fn logout_all_ends_every_login_of_the_caller() {
    day(r#"
        ann GET /auth/profile/ => 200 ...
        bob GET /auth/profile/ => 200 ...
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"} => 200 {"refresh": "$other", "...": 0}
        nobody POST /auth/logout-all/ => 401 code not_authenticated
        ann again => 200 {"success": true, "message": "*"}
        nobody POST /auth/refresh/ {"refresh": "$ann_refresh"} => 401 code token_not_valid
        again {"refresh": "$other"} => 401 code token_not_valid
        again {"refresh": "$bob_refresh"} => 200 ...
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"} => 200 ...
    "#);
}

#[test]
fn a_profile_is_changed_in_the_fields_that_are_named() {
    day(r#"
        nobody GET /auth/profile/ => 401 code not_authenticated
        nobody PATCH /auth/profile/update/ {"first_name": "X"} => 401 code not_authenticated
        ann GET /auth/profile/
        => 200 {"id": "$ann", "username": "ann", "first_name": "ann", "email": "ann@shop.test", "phone": null,
                "user_role": "ordinary_user", "photo": null, "date_joined": "$joined"}
        ann PATCH /auth/profile/update/ {"first_name": "  Ann B.  "}
        => 200 {"message": "*", "data": {"username": "ann", "first_name": "Ann B.", "email": "ann@shop.test", "phone": null}}
        again {} => 200 {"message": "*", "data": {"username": "ann", "first_name": "Ann B.", "email": "ann@shop.test", "phone": null}}
        again {"username": "anna", "phone": "+998901110000", "email": "anna@shop.test"}
        => 200 {"message": "*", "data": {"username": "anna", "first_name": "Ann B.", "email": "anna@shop.test", "phone": "+998901110000"}}
        ann GET /auth/profile/
        => 200 {"id": "$ann", "username": "anna", "first_name": "Ann B.", "email": "anna@shop.test", "phone": "+998901110000",
                "user_role": "ordinary_user", "photo": null, "date_joined": "$joined"}
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"} => 400 on non_field_errors
        again {"username": "anna", "password": "ann likes strong tea"} => 200 ...
        # What she gave up is free again.
        bob PATCH /auth/profile/update/ {"username": "ann", "email": "ann@shop.test"} => 200 ...
    "#);
}

#[test]
fn one_way_to_reach_a_person_stays() {
    day(r#"
        ann PATCH /auth/profile/update/ {"email": ""} => 400 on email
        again {"phone": "+998901110000", "email": ""}
        => 200 {"message": "*", "data": {"username": "ann", "first_name": "ann", "email": null, "phone": "+998901110000"}}
        again {"phone": ""} => 400 on phone
        again {"phone": null, "email": "ann@shop.test"}
        => 200 {"message": "*", "data": {"username": "ann", "first_name": "ann", "email": "ann@shop.test", "phone": null}}
        # The second customer without an email broke the original.
        bob PATCH /auth/profile/update/ {"phone": "+998901110001", "email": ""} => 200 ...
        cat PATCH /auth/profile/update/ {"phone": "+998901110002", "email": ""} => 200 ...
    "#);
}

#[test]
fn a_bad_profile_hears_every_fault_and_changes_nothing() {
    let shop = Shop::open();
    shop.names().keep("n151", "n".repeat(151).into());
    shop.day(r#"
        bob GET /auth/profile/ => 200 ...
        ann GET /auth/profile/ => 200 "$before"
        ann PATCH /auth/profile/update/
            {"username": "two words", "first_name": "$n151", "email": "nowhere", "phone": "123456789012345678901"}
        => 400 on username, first_name, email, phone
        again {"username": null} => 400 on username
        again {"username": ""} => 400 on username
        again {"username": "BOB", "email": "Bob@Shop.Test", "first_name": "Changed"} => 400 on username, email
        ann GET /auth/profile/ => 200 "$before"
    "#);
}

#[test]
fn a_new_password_ends_the_old_one_and_every_login_made_with_it() {
    day(r#"
        nobody POST /auth/profile/change-pass/ {} => 401 code not_authenticated
        ann again => 400 on old_password, new_password, confirm_password
        again {"old_password": "wrong", "new_password": "kettle and tea", "confirm_password": "kettle and tea"} => 400 on old_password
        again {"old_password": "ann likes strong tea", "new_password": "1234567", "confirm_password": "1234567"} => 400 on new_password
        again {"old_password": "ann likes strong tea", "new_password": "kettle and tea", "confirm_password": "kettle and milk"}
        => 400 on confirm_password
        # Nothing of that changed anything.
        nobody POST /auth/refresh/ {"refresh": "$ann_refresh"} => 200 {"access": "*", "refresh": "$newest"}
        ann POST /auth/profile/change-pass/
            {"old_password": "ann likes strong tea", "new_password": "kettle and tea", "confirm_password": "kettle and tea"}
        => 200 {"status": 200, "message": "*"}
        nobody POST /auth/refresh/ {"refresh": "$newest"} => 401 code token_not_valid
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"} => 400 on non_field_errors
        again {"username": "ann", "password": "kettle and tea"} => 200 ...
    "#);
}

#[test]
fn the_admin_sees_and_changes_users() {
    day(r#"
        nobody GET /auth/users/ => 401 code not_authenticated
        ann again => 403 code permission_denied
        boss again
        => 200 [{"id": "$boss", "username": "boss", "first_name": "", "email": "boss@shop.test", "phone": null,
                 "user_role": "admin", "is_active": true, "photo": null, "date_joined": "<time>"},
                {"id": "$ann", "username": "ann", "first_name": "ann", "email": "ann@shop.test", "phone": null,
                 "user_role": "ordinary_user", "is_active": true, "photo": null, "date_joined": "$joined"}]
        nobody PATCH /auth/users/$ann/ {"user_role": "admin"} => 401 code not_authenticated
        ann again => 403 code permission_denied
        boss again {"user_role": "king", "is_active": "perhaps"} => 400 on user_role, is_active
        again {"user_role": null, "is_active": null} => 400 on user_role, is_active
        boss PATCH /auth/users/9999/ {"user_role": "king"} => 404 code *
        # Names and addresses are the user's own.
        boss PATCH /auth/users/$ann/ {"username": "x", "email": "x@shop.test", "id": 1, "is_staff": true, "password": "x"}
        => 200 {"id": "$ann", "username": "ann", "first_name": "ann", "email": "ann@shop.test", "phone": null,
                "user_role": "ordinary_user", "is_active": true, "photo": null, "date_joined": "$joined"}
        again {"user_role": "admin"} => 200 {"id": "$ann", "user_role": "admin", "is_active": true, "...": 0}
        ann POST /products/create-category/ {"name": "Phones"} => 201 ...
    "#);
}

#[test]
fn somebody_put_out_is_out_at_once() {
    day(r#"
        ann GET /auth/profile/ => 200 {"id": "$ann", "...": 0}
        boss PATCH /auth/users/$ann/ {"is_active": false} => 200 {"is_active": false, "...": 0}
        ann GET /auth/profile/ => 401 code user_inactive
        ann GET /products/products/ => 401 code user_inactive
        nobody POST /auth/login/ {"username": "ann", "password": "ann likes strong tea"} => 400 on non_field_errors
        nobody POST /auth/refresh/ {"refresh": "$ann_refresh"} => 401 code *
        boss PATCH /auth/users/$ann/ {"is_active": true} => 200 {"is_active": true, "...": 0}
        ann GET /auth/profile/ => 200 {"username": "ann", "...": 0}
    "#);
}

#[test]
fn the_last_admin_stays() {
    day(r#"
        ann GET /auth/profile/ => 200 {"id": "$ann", "...": 0}
        boss GET /auth/profile/ => 200 {"id": "$boss", "user_role": "admin", "...": 0}
        boss PATCH /auth/users/$boss/ {"user_role": "ordinary_user"} => 400 code last_admin
        again {"is_active": false} => 400 code last_admin
        # A second admin who was put out is no admin to rely on.
        boss PATCH /auth/users/$ann/ {"user_role": "admin", "is_active": false} => 200 ...
        boss PATCH /auth/users/$boss/ {"user_role": "ordinary_user"} => 400 code last_admin
        boss PATCH /auth/users/$ann/ {"is_active": true} => 200 ...
        boss PATCH /auth/users/$boss/ {"user_role": "ordinary_user"} => 200 ...
        boss GET /auth/users/ => 403 code permission_denied
        ann PATCH /auth/users/$ann/ {"is_active": false} => 400 code last_admin
    "#);
}
