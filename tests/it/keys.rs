//! `key rotate`: a new key signs, and tokens made with the one before live out their time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::command::{must_run, run};
use crate::forge::{Forge, HEADER};
use crate::shop::{Ask, Heard, Shop};

/// The files of keys that were replaced.
fn earlier_keys(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_earlier = |path: &PathBuf| path.to_str().unwrap().contains("token.key.until-");
    files.filter(is_earlier).collect()
}

fn rotate(shop: &mut Shop, flags: &str) -> String {
    shop.close();
    let said = must_run(shop.dir(), &format!("key rotate {flags}"), "");
    shop.reopen();
    said
}

fn profile(shop: &Shop, token: &str) -> Heard {
    let ask = Ask::new("GET /auth/profile/");
    shop.ask(ask.header("Authorization", &format!("Bearer {token}")))
}

fn trade(shop: &Shop, refresh: &str) -> Heard {
    shop.say("nobody", "POST /auth/refresh/", json!({"refresh": refresh}))
}

#[test]
fn tokens_of_the_key_before_stay_good_and_new_ones_are_of_the_new_key() {
    let mut shop = Shop::open();
    let access = shop.token("ann");
    let refresh = shop.names().text("ann_refresh").unwrap();
    let before = fs::read(shop.dir().join("token.key")).unwrap();
    let said = rotate(&mut shop, "");
    assert!(said.contains("until they expire"), "{said}");
    let kept = earlier_keys(shop.dir());
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(fs::read(&kept[0]).unwrap(), before);
    let mode = fs::metadata(&kept[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // And a third key, before any of that ended.
    rotate(&mut shop, "");
    assert_eq!(profile(&shop, &access).told(200)["username"], "ann");
    let traded = trade(&shop, &refresh).told(200);
    let traded = traded["access"].as_str().unwrap();
    assert_eq!(profile(&shop, traded).told(200)["username"], "ann");
    let (message, _) = traded.rsplit_once('.').unwrap();
    let now = fs::read(shop.dir().join("token.key")).unwrap();
    assert!(now.len() == 32 && now != before);
    assert_eq!(crate::forge::hs256(&now, message), traded);
}

#[test]
fn a_key_is_forgotten_when_its_time_is_over() {
    let mut shop = Shop::open();
    let access = shop.token("ann");
    rotate(&mut shop, "");
    profile(&shop, &access).told(200);
    shop.close();
    let kept = earlier_keys(shop.dir()).remove(0);
    let over = shop.dir().join("token.key.until-20261001T000000.000000Z");
    fs::rename(kept, over).unwrap();
    shop.reopen();
    assert_eq!(profile(&shop, &access).told(401)["code"], "token_not_valid");
    assert_eq!(earlier_keys(shop.dir()), [] as [PathBuf; 0]);
}

#[test]
fn a_key_that_somebody_saw_ends_at_once_with_all_before_it() {
    let mut shop = Shop::open();
    let access = shop.token("ann");
    let refresh = shop.names().text("ann_refresh").unwrap();
    rotate(&mut shop, "");
    let said = rotate(&mut shop, "--at-once");
    assert!(said.contains("signs in anew"), "{said}");
    assert_eq!(earlier_keys(shop.dir()), [] as [PathBuf; 0]);
    assert_eq!(profile(&shop, &access).status, 401);
    assert_eq!(trade(&shop, &refresh).status, 401);
    let form = json!({"username": "ann", "password": "ann likes strong tea"});
    shop.say("nobody", "POST /auth/login/", form).told(200);
}

#[test]
fn the_key_before_makes_no_operator_and_no_token_picks_its_key() {
    let mut shop = Shop::open();
    let forge = Forge::of(&shop, &shop.token("boss"));
    rotate(&mut shop, "");
    let operator = [("token_type", r#""operator""#), ("user_id", r#""0""#)];
    let ends = (forge.number("iat") + 60).to_string();
    let operator = forge.token(&[operator[0], operator[1], ("exp", &ends)]);
    let earlier = earlier_keys(shop.dir()).remove(0);
    let earlier = earlier.file_name().unwrap().to_str().unwrap().to_owned();
    let header = format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{earlier}"}}"#);
    for token in [operator, forge.sign(&header, &forge.claims(&[]))] {
        let ask = Ask::new("GET /auth/users/");
        let heard = shop.ask(ask.header("Authorization", &format!("Bearer {token}")));
        assert_eq!(heard.told(401)["code"], "token_not_valid");
    }
    // The same hand, with what the key before may still do.
    let honest = forge.sign(HEADER, &forge.claims(&[]));
    profile(&shop, &honest).told(200);
}

#[test]
fn an_open_shop_keeps_its_key_and_says_who_holds_it() {
    let mut shop = Shop::open();
    shop.token("ann");
    let before = fs::read(shop.dir().join("token.key")).unwrap();
    let refused = run(shop.dir(), "key rotate", "");
    assert_eq!(refused.code, Some(65), "{refused:?}");
    for word in [
        "is open in process",
        "serving at",
        "stop that process first",
    ] {
        assert!(refused.stderr.contains(word), "{refused:?}");
    }
    assert_eq!(fs::read(shop.dir().join("token.key")).unwrap(), before);
    assert_eq!(earlier_keys(shop.dir()), [] as [PathBuf; 0]);
    shop.close();
    let nowhere = run(&shop.dir().join("nowhere"), "key rotate", "");
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(nowhere.stderr.contains("there is no shop"), "{nowhere:?}");
}

#[test]
fn a_retry_and_a_backup_outlive_the_key() {
    let mut shop = Shop::stocked();
    let line = json!({"product_id": 1, "quantity": 2});
    let add = |shop: &Shop| {
        let ask = Ask::new("POST /cart/cart-add/").by(shop, "ann").json(&line);
        shop.ask(ask.header("Idempotency-Key", "once"))
    };
    let first = add(&shop).told(200);
    rotate(&mut shop, "");
    let again = add(&shop);
    assert_eq!(
        again.header("Idempotent-Replayed"),
        "true",
        "{}",
        again.text()
    );
    assert_eq!(again.told(200), first);
    let backup = shop.dir().join("friday.redb");
    must_run(shop.dir(), &format!("backup {}", backup.display()), "");
    assert!(backup.exists());
}

#[test]
fn the_doctor_tells_of_keys() {
    let mut shop = Shop::open();
    rotate(&mut shop, "");
    shop.close();
    let well = run(shop.dir(), "doctor", "");
    assert_eq!(well.code, Some(0), "{well:?}");
    assert!(
        well.stdout
            .contains("A token key that was replaced verifies until 20"),
        "{well:?}"
    );
    fs::write(shop.dir().join("token.key"), "short").unwrap();
    let unwell = run(shop.dir(), "doctor", "");
    assert_eq!(unwell.code, Some(65), "{unwell:?}");
    assert!(
        unwell.stdout.contains("has 5 bytes instead of 32"),
        "{unwell:?}"
    );
    let refused = run(shop.dir(), "key rotate", "");
    assert_eq!(refused.code, Some(65), "{refused:?}");
}

#[test]
fn a_token_of_before_a_restore_opens_nobodys_account_after_it() {
    let mut shop = Shop::open();
    shop.close();
    let file = shop.dir().join("early.redb");
    must_run(shop.dir(), &format!("backup {}", file.display()), "");
    shop.reopen();
    let mallory = shop.token("ann");
    shop.close();
    must_run(
        shop.dir(),
        &format!("restore {} --force", file.display()),
        "",
    );
    shop.reopen();
    shop.say("nobody", "POST /auth/sign-up/", json!({
        "username": "victim", "email": "victim@shop.test", "password": "strong tea", "confirm_pass": "strong tea",
    }))
    .told(201);
    for (call, token) in [
        ("GET /auth/profile/", &mallory),
        ("PATCH /auth/profile/update/", &mallory),
    ] {
        let ask = Ask::new(call).header("Authorization", &format!("Bearer {token}"));
        let heard = shop.ask(ask);
        assert_eq!(heard.status, 401, "{call}: {}", heard.text());
    }
}

#[test]
fn a_key_that_is_broken_is_no_obstacle_to_a_new_one() {
    let mut shop = Shop::open();
    shop.close();
    fs::write(shop.dir().join("token.key"), "short").unwrap();
    let refused = run(shop.dir(), "key rotate", "");
    assert!(
        refused.code != Some(0) && refused.stderr.contains("5 bytes"),
        "{refused:?}"
    );
    must_run(shop.dir(), "key rotate --at-once", "");
    shop.reopen();
    shop.token("ann");
}
