//! Passwords and tokens, the good ones and the others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::password::{Passwords, Policy, Weakness, is_outdated, is_usable, running_max};
use super::token::{ACCESS_S, EarlierKey, Keys, REFRESH_S, TokenFault, TokenKind, Tokens};
use crate::shop::ids::UserId;
use crate::shop::time::Timestamp;

const NOW: Timestamp = Timestamp(1_770_000_000_000_000);
const KEY: &[u8] = b"a key of thirty-two bytes, or so";

fn under(key: &[u8]) -> Tokens {
    Tokens::new(&Keys {
        signing: key.to_vec(),
        earlier: Vec::new(),
    })
}

fn signed(header: &str, claims: &str, key: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    );
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(&mac.finalize().into_bytes()))
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn claims(extra: &str) -> String {
    let exp = NOW.seconds() + 60;
    let iat = NOW.seconds();
    format!(r#"{{"token_type":"access","exp":{exp},"iat":{iat},"jti":"ab","user_id":"7"{extra}}}"#)
}

fn claims_in_a_list() -> String {
    let iat = NOW.seconds();
    format!(r#"["access",{},{iat},"ab","7"]"#, iat + 60)
}

#[test]
fn a_pair_is_good_for_its_purpose_and_its_time() {
    let tokens = under(KEY);
    let pair = tokens.mint_pair(UserId(7), NOW).expect("minted");
    let access = |now| tokens.read(&pair.access, TokenKind::Access, now);
    assert_eq!(access(NOW).map(|good| good.user), Ok(UserId(7)));
    assert!(access(NOW.plus_s(ACCESS_S - 1)).is_ok());
    assert_eq!(access(NOW.plus_s(ACCESS_S)), Err(TokenFault::Expired));
    let refresh = |now| tokens.read(&pair.refresh, TokenKind::Refresh, now);
    assert_eq!(
        refresh(NOW).map(|good| good.jti_hash),
        Ok(pair.refresh_hash)
    );
    assert!(refresh(NOW.plus_s(REFRESH_S - 1)).is_ok());
    assert_eq!(refresh(NOW.plus_s(REFRESH_S)), Err(TokenFault::Expired));
    assert_eq!(
        tokens.read(&pair.refresh, TokenKind::Access, NOW),
        Err(TokenFault::WrongKind)
    );
    assert_eq!(
        tokens.read(&pair.access, TokenKind::Refresh, NOW),
        Err(TokenFault::WrongKind)
    );
}

#[test]
fn a_token_made_by_hand_with_our_key_reads_like_ours() {
    let tokens = under(KEY);
    let read = |token: &str| {
        tokens
            .read(token, TokenKind::Access, NOW)
            .map(|good| good.user)
    };
    assert_eq!(read(&signed(HEADER, &claims(""), KEY)), Ok(UserId(7)));
    let as_number = claims("").replace(r#""7""#, "7");
    assert_eq!(read(&signed(HEADER, &as_number, KEY)), Ok(UserId(7)));
}

#[test]
fn tokens_that_only_look_like_ours_are_refused() {
    let tokens = under(KEY);
    let good = signed(HEADER, &claims(""), KEY);
    let with = |from: &str, to: &str| signed(HEADER, &claims("").replace(from, to), KEY);
    let header = |header: &str| signed(header, &claims(""), KEY);
    let unsigned = good.rsplit_once('.').expect("three parts").0;
    let bad = [
        String::new(),
        "a.b.c".into(),
        unsigned.into(),
        format!("{unsigned}."),
        format!("{good}A"),
        format!("{good}."),
        format!("{good}.{good}"),
        signed(HEADER, &claims(""), b"another key"),
        header(r#"{"alg":"none","typ":"JWT"}"#),
        header(r#"{"alg":"HS512","typ":"JWT"}"#),
        header(r#"{"alg":"RS256","typ":"JWT"}"#),
        header(r#"{"typ":"JWT"}"#),
        signed(HEADER, &claims(r#","user_id":"8""#), KEY), // Twice.
        signed(HEADER, &claims_in_a_list(), KEY),
        with(r#""user_id":"7""#, r#""user_id":"-7""#),
        with(r#""user_id":"7""#, r#""user_id":null"#),
        with(r#""jti":"ab","#, ""),
        with(r#""token_type":"access","#, ""),
        with(r#""token_type":"access""#, r#""token_type":"admin""#),
        with(r#""iat":"#, r#""iat":9"#), // Far in the future.
        with(r#""exp":"#, r#""expires":"#),
        with(r#""exp":"#, r#""exp":1.5e"#),
        signed(
            HEADER,
            &claims(&format!(r#","x":"{}""#, "x".repeat(4_000))),
            KEY,
        ),
    ];
    for token in &bad {
        assert_eq!(
            tokens.read(token, TokenKind::Access, NOW),
            Err(TokenFault::Invalid),
            "{token}"
        );
    }
}

#[test]
fn an_earlier_key_verifies_until_its_time_and_never_for_an_operator() {
    let before = under(b"the key that signed before today");
    let pair = before.mint_pair(UserId(7), NOW).expect("minted");
    let operator = before.mint_operator(NOW).expect("minted");
    let until = NOW.plus_s(REFRESH_S);
    let tokens = Tokens::new(&Keys {
        signing: KEY.to_vec(),
        earlier: vec![EarlierKey {
            key: b"the key that signed before today".to_vec(),
            until,
        }],
    });
    let read = |token: &str, kind, now| tokens.read(token, kind, now).map(|good| good.user);
    assert_eq!(read(&pair.access, TokenKind::Access, NOW), Ok(UserId(7)));
    assert_eq!(read(&pair.refresh, TokenKind::Refresh, NOW), Ok(UserId(7)));
    assert_eq!(
        read(&operator, TokenKind::Operator, NOW),
        Err(TokenFault::Invalid)
    );
    // Whoever got hold of it can make tokens that last longer, and is not heard.
    let late = before
        .mint_pair(UserId(7), until.plus_s(-1))
        .expect("minted");
    assert_eq!(
        read(&late.access, TokenKind::Access, until.plus_s(-1)),
        Ok(UserId(7))
    );
    assert_eq!(
        read(&late.access, TokenKind::Access, until),
        Err(TokenFault::Invalid)
    );
    // What is minted now is not for the key before.
    let now = tokens.mint_pair(UserId(7), NOW).expect("minted");
    let read = before.read(&now.access, TokenKind::Access, NOW);
    assert_eq!(read, Err(TokenFault::Invalid));
}

/// Where the vectors contradict themselves: these two, called invalid, are the text of a valid
/// one, letter for letter;
const SAME_AS_A_VALID_ONE: [u64; 2] = [367, 370];
/// and these two, called valid, have a `?` in their base64, as others that are called invalid.
const NOT_BASE64: [u64; 2] = [372, 373];

/// Vectors of Project Wycheproof, where they are at hand: whatever is signed with HMAC SHA-256.
#[test]
fn a_mac_is_good_where_the_vectors_say_so() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = "../shared/data/corpora/wycheproof/testvectors_v1/json_web_signature_test.json";
    let Ok(vectors) = std::fs::read(root.join(vectors)) else {
        return;
    };
    let vectors: serde_json::Value = serde_json::from_slice(&vectors).expect("JSON");
    let mut judged = 0;
    for group in vectors["testGroups"].as_array().expect("groups") {
        let key = &group["private"];
        if key["alg"] != "HS256" {
            continue;
        }
        let key = decoded(key["k"].as_str().expect("a key")).expect("base64");
        for test in group["tests"].as_array().expect("tests") {
            let token = test["jws"].as_str().unwrap_or_default(); // One is in the JSON form.
            let number = test["tcId"].as_u64().expect("a number");
            let is_valid = test["result"] == "valid" && !NOT_BASE64.contains(&number);
            let wanted = is_valid || SAME_AS_A_VALID_ONE.contains(&number);
            assert_eq!(has_good_mac(token, &key), wanted, "{test}");
            judged += 1;
        }
    }
    assert!(judged > 30, "{judged}");
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// As `Tokens::read` judges, before it looks at the claims.
fn has_good_mac(token: &str, key: &[u8]) -> bool {
    use jsonwebtoken::{Algorithm, DecodingKey, crypto, decode_header};
    let _ = under(key); // Its provider is the one that is asked.
    let Some((message, mac)) = token.rsplit_once('.') else {
        return false;
    };
    let is_ours = decode_header(token).is_ok_and(|header| header.alg == Algorithm::HS256);
    let is_encoded = message.split('.').all(|part| decoded(part).is_some());
    let key = DecodingKey::from_secret(key);
    let verified = crypto::verify(mac, message.as_bytes(), &key, Algorithm::HS256);
    is_ours && is_encoded && verified.unwrap_or(false)
}

#[test]
fn the_standard_policy_refuses_short_common_and_all_digits() {
    use Weakness::{AllDigits, TooCommon, TooLong, TooShort};
    let weaknesses = |password: &str| Policy::Standard.weaknesses(password, &[]);
    assert_eq!(weaknesses("12345"), [TooShort, TooCommon, AllDigits]);
    for common in ["password", "PASSWORD", "iloveyou", "changeme", "welcome1"] {
        assert_eq!(weaknesses(common), [TooCommon], "{common}");
    }
    assert_eq!(weaknesses("4827105936"), [AllDigits]);
    assert_eq!(weaknesses("x7!kQ"), [TooShort]);
    assert_eq!(weaknesses(&"x".repeat(257)), [TooLong]);
    // The original's own example signs up.
    assert_eq!(Policy::Standard.weaknesses("testuser", &["testuser"]), []);
    assert_eq!(weaknesses("correct horse battery"), []);
    assert_eq!(weaknesses("пароль-мой"), []);
}

#[test]
fn the_strict_policy_also_asks_for_strength() {
    let strict = |password, names: &[&str]| Policy::Strict.weaknesses(password, names);
    assert_eq!(strict("testuser", &["testuser"]), [Weakness::Guessable]);
    assert_eq!(
        strict("wilhelmina1", &["wilhelmina"]),
        [Weakness::Guessable]
    );
    assert_eq!(strict("correct horse battery", &["ann"]), []);
}

#[tokio::test]
async fn a_password_verifies_against_its_own_hash_alone() {
    let passwords = Passwords::new(Policy::Standard).expect("a hasher");
    let hash = passwords
        .hash("a long secret".into())
        .await
        .expect("hashed");
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    let again = passwords
        .hash("a long secret".into())
        .await
        .expect("hashed");
    assert_ne!(hash, again, "salted");
    let verify = |password: &str, hash: Option<&str>| {
        passwords.verify(password.to_owned(), hash.map(ToOwned::to_owned))
    };
    assert_eq!(verify("a long secret", Some(&hash)).await, Ok(true));
    assert_eq!(verify("another secret", Some(&hash)).await, Ok(false));
    assert_eq!(verify("a long secret", None).await, Ok(false));
    assert_eq!(verify("the password of nobody", None).await, Ok(false));
    assert_eq!(verify("a long secret", Some("no hash")).await, Ok(false));
}

/// Of `a long secret`, by Python's `hashlib.pbkdf2_hmac("sha256", b"a long secret", b"saltsaltsalt", 1000)`.
const DJANGO_HASH: &str =
    "pbkdf2_sha256$1000$saltsaltsalt$fZRLzL7Krk/1h2uI12e7kjAHpi/ZwBOfEBTF+ne/2Ow=";

#[tokio::test]
async fn a_hash_of_djangos_verifies_and_is_outdated() {
    let passwords = Passwords::new(Policy::Standard).expect("a hasher");
    let verify =
        |password: &str, hash: &str| passwords.verify(password.to_owned(), Some(hash.to_owned()));
    assert!(is_outdated(DJANGO_HASH) && is_usable(DJANGO_HASH));
    assert_eq!(verify("a long secret", DJANGO_HASH).await, Ok(true));
    assert_eq!(verify("a long secreT", DJANGO_HASH).await, Ok(false));
    let ours = passwords.hash("a long secret".into()).await;
    assert!(!is_outdated(&ours.expect("hashed")));
}

#[tokio::test]
async fn a_hash_that_no_password_can_have_opens_nothing_and_takes_no_longer() {
    let passwords = Passwords::new(Policy::Standard).expect("a hasher");
    let (rest, digest) = DJANGO_HASH.rsplit_once('$').expect("four parts");
    for hash in [
        "!", // Django's for nobody may sign in.
        "!9mXw2DzQ",
        "",
        "a long secret", // As the original's admin site keeps it.
        &format!("{rest}$"),
        &format!("{rest}$AAAA"),
        &format!("{rest}${digest}$"),
        &format!("pbkdf2_sha256$0$saltsaltsalt${digest}"),
        &format!("pbkdf2_sha256$-1$saltsaltsalt${digest}"),
        &format!("pbkdf2_sha256$4294967296$saltsaltsalt${digest}"),
        // A second or two of a core for each login.
        &format!("pbkdf2_sha256$10000001$saltsaltsalt${digest}"),
        &format!("pbkdf2_sha1$1000$saltsaltsalt${digest}"),
        &format!("pbkdf2_sha256$1000$${digest}"),
    ] {
        assert!(!is_usable(hash), "{hash}");
        let verified = passwords.verify("a long secret".into(), Some(hash.to_owned()));
        assert_eq!(verified.await, Ok(false), "{hash}");
    }
    // Nobody's password is no way in either.
    let verified = passwords.verify("the password of nobody".into(), Some("!".into()));
    assert_eq!(verified.await, Ok(false));
}

#[tokio::test]
async fn a_crowd_at_the_hasher_is_told_to_come_again() {
    let passwords = Passwords::new(Policy::Standard).expect("a hasher");
    let crowd: Vec<_> = (0..80)
        .map(|_| {
            tokio::spawn({
                let passwords = passwords.clone();
                async move { passwords.verify("x".into(), None).await }
            })
        })
        .collect();
    let mut busy = 0;
    for caller in crowd {
        busy += usize::from(caller.await.expect("no panic").is_err());
    }
    assert_eq!(busy, 80 - 64 - running_max());
    // And its places are free again.
    assert_eq!(passwords.verify("x".into(), None).await, Ok(false));
}
