//! Tokens that are none: made by hand, with and without the shop's own key, and shown at both
//! doors that take tokens.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::forge::{Forge, HEADER, decode, encode, hs256, hs384, hs512, message};
use crate::shop::{Ask, Heard, Shop};

const GOOD: &[(&str, &str)] = &[];

/// Claims that make a token none, each signed with the shop's own key.
#[rustfmt::skip]
const CLAIMS: &[(&str, &[(&str, &str)])] = &[
    ("it has no type", &[("token_type", "")]),
    ("its type is none of ours", &[("token_type", r#""admin""#)]),
    ("its type is in capitals", &[("token_type", r#""ACCESS""#)]),
    ("its type is a number", &[("token_type", "1")]),
    ("its type is null", &[("token_type", "null")]),
    ("it has two types", &[("token_type", r#"["access","refresh"]"#)]),
    ("it never ends", &[("exp", "")]),
    ("it ended long ago", &[("exp", "1000000000"), ("iat", "999999999")]),
    ("it ended before time began", &[("exp", "-1"), ("iat", "-2")]),
    ("it ends at a fraction", &[("exp", "1.9e9")]),
    ("it ends at a number as text", &[("exp", r#""9999999999""#)]),
    ("it ends at infinity", &[("exp", "1e400")]),
    ("it ends at the largest number", &[("exp", "9223372036854775807")]),
    ("it ends beyond the largest number", &[("exp", "99999999999999999999")]),
    ("it ends at the smallest number, begun at the largest", &[("exp", "-9223372036854775808"), ("iat", "9223372036854775807")]),
    ("it ends at the largest number, begun at the smallest", &[("exp", "9223372036854775807"), ("iat", "-9223372036854775808")]),
    ("it ends in ten years", &[("exp", "2208988800")]),
    ("it ends at null", &[("exp", "null")]),
    ("it ends at true", &[("exp", "true")]),
    ("it ends at a list", &[("exp", "[9999999999]")]),
    ("it has no beginning", &[("iat", "")]),
    ("it begins in ten years", &[("iat", "2208988800"), ("exp", "2208989800")]),
    ("it begins at a text", &[("iat", r#""now""#)]),
    ("it begins at a fraction", &[("iat", "1.5")]),
    ("it has no name of its own", &[("jti", "")]),
    ("its name is a number", &[("jti", "7")]),
    ("its name is a list", &[("jti", r#"["a"]"#)]),
    ("its name is null", &[("jti", "null")]),
    ("it is nobody's", &[("user_id", "")]),
    ("it is null's", &[("user_id", "null")]),
    ("its user is an empty text", &[("user_id", r#""""#)]),
    ("its user is a word", &[("user_id", r#""boss""#)]),
    ("its user is a fraction", &[("user_id", "1.0")]),
    ("its user is a fraction as text", &[("user_id", r#""1.0""#)]),
    ("its user is below zero", &[("user_id", "-1")]),
    ("its user is below zero as text", &[("user_id", r#""-1""#)]),
    ("its user has a sign", &[("user_id", r#""+1""#)]),
    ("its user has a zero before it", &[("user_id", r#""01""#)]),
    ("its user has a space before it", &[("user_id", r#"" 1""#)]),
    ("its user is in other digits", &[("user_id", r#""١""#)]),
    ("its user is a number with an exponent", &[("user_id", "1e0")]),
    ("its user is beyond the largest number", &[("user_id", "18446744073709551616")]),
    ("its user is true", &[("user_id", "true")]),
    ("its user is a list of lists", &[("user_id", "[[[[[[[[1]]]]]]]]")]),
    ("its user is an object", &[("user_id", r#"{"id":1}"#)]),
    ("its user is said twice", &[("user_id", r#""1","user_id":"1""#)]),
    ("its user is said twice, once in escapes", &[("user_id", r#""1","\u0075ser_id":"1""#)]),
    ("its end is said twice", &[("exp", r#"1,"exp":9999999999"#)]),
];

/// What stands in the place of the claims, signed with the shop's own key.
#[rustfmt::skip]
const NO_CLAIMS: &[(&str, &str)] = &[
    ("its claims are nothing", ""),
    ("its claims are empty", "{}"),
    ("its claims are a list", "[]"),
    ("its claims are null", "null"),
    ("its claims are a text", r#""access""#),
    ("its claims are cut short", r#"{"token_type":"access""#),
    ("its claims are nested deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
    ("its claims are half of a pair", r#"{"token_type":"\ud800"}"#),
];

/// Headers that are not ours, over good claims and signed with the shop's own key.
#[rustfmt::skip]
const HEADERS: &[(&str, &str)] = &[
    ("it has no algorithm", r#"{"typ":"JWT"}"#),
    ("its algorithm is null", r#"{"typ":"JWT","alg":null}"#),
    ("its algorithm is empty", r#"{"typ":"JWT","alg":""}"#),
    ("its algorithm is in small letters", r#"{"typ":"JWT","alg":"hs256"}"#),
    ("its algorithm has a space after it", r#"{"typ":"JWT","alg":"HS256 "}"#),
    ("its algorithm is a list", r#"{"typ":"JWT","alg":["HS256"]}"#),
    ("its algorithm is a number", r#"{"typ":"JWT","alg":256}"#),
    ("its algorithm is said twice", r#"{"typ":"JWT","alg":"none","alg":"HS256"}"#),
    ("its algorithm is said twice, once in escapes", r#"{"typ":"JWT","alg":"HS256","\u0061lg":"none"}"#),
    ("it says HS384 over HS256", r#"{"typ":"JWT","alg":"HS384"}"#),
    ("it says HS512 over HS256", r#"{"typ":"JWT","alg":"HS512"}"#),
    ("it says RS256 over the secret", r#"{"typ":"JWT","alg":"RS256"}"#),
    ("it says PS256 over the secret", r#"{"typ":"JWT","alg":"PS256"}"#),
    ("it says ES256 over the secret", r#"{"typ":"JWT","alg":"ES256"}"#),
    ("it says EdDSA over the secret", r#"{"typ":"JWT","alg":"EdDSA"}"#),
    ("it says A256KW", r#"{"typ":"JWT","alg":"A256KW","enc":"A256GCM"}"#),
    ("it has no type of header", r#"{"alg":"HS256"}"#),
    ("it is another type of token", r#"{"typ":"at+jwt","alg":"HS256"}"#),
    ("it holds a token", r#"{"typ":"JWT","alg":"HS256","cty":"JWT"}"#),
    ("it names the key that signs", r#"{"typ":"JWT","alg":"HS256","kid":"token.key"}"#),
    ("it names a key where ours lies", r#"{"typ":"JWT","alg":"HS256","jku":"file:token.key"}"#),
    ("it names a certificate", r#"{"typ":"JWT","alg":"HS256","x5u":"http://127.0.0.1:1/"}"#),
    ("it brings a certificate", r#"{"typ":"JWT","alg":"HS256","x5c":["AAAA"]}"#),
    ("it brings a key", r#"{"typ":"JWT","alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#),
    ("its end is critical", r#"{"typ":"JWT","alg":"HS256","crit":["exp"]}"#),
    ("nothing is critical", r#"{"typ":"JWT","alg":"HS256","crit":[]}"#),
    ("its claims are not to be decoded", r#"{"typ":"JWT","alg":"HS256","b64":false,"crit":["b64"]}"#),
    ("its claims are to be decoded, critically", r#"{"typ":"JWT","alg":"HS256","b64":true}"#),
    ("it is compressed", r#"{"typ":"JWT","alg":"HS256","zip":"DEF"}"#),
    ("it is encrypted", r#"{"typ":"JWT","alg":"HS256","enc":"A256GCM"}"#),
    ("it says more than ours", r#"{"typ":"JWT","alg":"HS256","x":1}"#),
    ("its header is a list", r#"["HS256"]"#),
    ("its header is nothing", ""),
    ("its header is cut short", r#"{"typ":"JWT","alg":"HS256""#),
    ("its header goes on after its end", r#"{"typ":"JWT","alg":"HS256"}{}"#),
];

/// Headers by which a stranger tells with which key the stranger signed, and that key.
#[rustfmt::skip]
const STRANGERS_KEYS: &[(&str, &str, &[u8])] = &[
    ("it is signed with nothing", HEADER, b""),
    ("it is signed with a common secret", HEADER, b"secret"),
    ("it is signed with zeros", HEADER, &[0; 32]),
    ("its key is an empty file", r#"{"typ":"JWT","alg":"HS256","kid":"../../../../../../dev/null"}"#, b""),
    ("its key is another file of the shop", r#"{"typ":"JWT","alg":"HS256","kid":"../shop.redb"}"#, b"redb"),
    ("its key is the answer to a query", r#"{"typ":"JWT","alg":"HS256","kid":"x' UNION SELECT 'k"}"#, b"k"),
    ("its key is the one it brings", r#"{"typ":"JWT","alg":"HS256","jwk":{"kty":"oct","k":"aw"}}"#, b"k"),
    ("its key is at an address", r#"{"typ":"JWT","alg":"HS256","jku":"http://127.0.0.1:1/keys"}"#, b"k"),
    ("its key is in a certificate", r#"{"typ":"JWT","alg":"HS256","x5u":"http://127.0.0.1:1/pem"}"#, b"k"),
];

/// Every spelling of no algorithm.
const NONES: [&str; 6] = ["none", "None", "NONE", "nOnE", "none ", "NULL"];

/// All of them, each with the sentence that says what is wrong with it.
fn attacks(forge: &Forge) -> Vec<(String, String)> {
    let good = forge.claims(GOOD);
    let mut attacks: Vec<(String, String)> = Vec::new();
    for (sentence, otherwise) in CLAIMS {
        attacks.push(((*sentence).into(), forge.token(otherwise)));
    }
    for (sentence, claims) in NO_CLAIMS {
        attacks.push(((*sentence).into(), forge.sign(HEADER, claims)));
    }
    for (sentence, header) in HEADERS {
        attacks.push(((*sentence).into(), forge.sign(header, &good)));
    }
    for (sentence, header, key) in STRANGERS_KEYS {
        let token = hs256(key, &message(header, &good));
        attacks.push(((*sentence).into(), token));
    }
    for none in NONES {
        let message = message(&format!(r#"{{"typ":"JWT","alg":"{none}"}}"#), &good);
        let signed = hs256(&forge.key, &message);
        attacks.push((format!("it says {none:?}, unsigned"), format!("{message}.")));
        attacks.push((format!("it says {none:?}, in two parts"), message));
        attacks.push((format!("it says {none:?}, signed"), signed));
    }
    for (sentence, token) in mangled(forge, &good) {
        attacks.push((sentence.into(), token));
    }
    for (sentence, token) in signed_otherwise(forge, &good) {
        attacks.push((sentence.into(), token));
    }
    attacks
}

/// A good token with its text changed.
#[rustfmt::skip]
fn mangled(forge: &Forge, claims: &str) -> Vec<(&'static str, String)> {
    let good = forge.sign(HEADER, claims);
    let (unsigned, mac) = good.rsplit_once('.').unwrap();
    let (head, body) = unsigned.split_once('.').unwrap();
    vec![
        ("it is nothing but dots", "..".into()),
        ("it is one dot", ".".into()),
        ("it is one word", "token".into()),
        ("it is its header alone", head.into()),
        ("it is its claims alone", body.into()),
        ("it is its signature alone", mac.into()),
        ("it has no header", format!(".{body}.{mac}")),
        ("it has no claims", format!("{head}..{mac}")),
        ("it has no signature", format!("{unsigned}.")),
        ("it has one dot", unsigned.into()),
        ("it has a dot before it", format!(".{good}")),
        ("it has a dot after it", format!("{good}.")),
        ("it has four dots, as if encrypted", format!("{head}.{mac}.{mac}.{body}.{mac}")),
        ("it is there twice", format!("{good}.{good}")),
        ("its header is padded", hs256(&forge.key, &format!("{head}=.{body}"))),
        ("its claims are padded", hs256(&forge.key, &format!("{head}.{body}="))),
        ("its dots are escaped", good.replace('.', "%2E")),
        ("it is in quotes", format!("\"{good}\"")),
        ("it is in the JSON form", json!({"protected": head, "payload": body, "signature": mac}).to_string()),
        ("it is encoded once more", encode(&good)),
        ("it is in capitals", good.to_uppercase()),
        ("it is backwards", good.chars().rev().collect()),
        ("its claims begin with a mark of byte order", forge.sign(HEADER, &format!("\u{feff}{claims}"))),
        ("its claims go on after their end", forge.sign(HEADER, &format!("{claims}{{}}"))),
        ("it is long", forge.token(&[("x", &format!("\"{}\"", "x".repeat(9_000)))])),
        ("it is long and nothing", "x".repeat(14_000)),
    ]
}

/// Header and claims of a good token, and another signature.
#[rustfmt::skip]
fn signed_otherwise(forge: &Forge, claims: &str) -> Vec<(&'static str, String)> {
    let good = forge.sign(HEADER, claims);
    let (unsigned, mac) = good.rsplit_once('.').unwrap();
    let other = forge.token(&[("jti", r#""another""#)]);
    let other_mac = other.rsplit_once('.').unwrap().1;
    let bytes = decode(mac);
    let mut flipped = bytes.clone();
    flipped[31] ^= 1;
    let half = &forge.key[..16];
    let with = |mac: &[u8]| format!("{unsigned}.{}", encode(mac));
    let hs384_says = r#"{"typ":"JWT","alg":"HS384"}"#;
    let hs512_says = r#"{"typ":"JWT","alg":"HS512"}"#;
    vec![
        ("its signature is another token's", format!("{unsigned}.{other_mac}")),
        ("its signature is there twice", format!("{good}{mac}")),
        ("its signature is a byte too short", with(&bytes[..31])),
        ("its signature is half", with(&bytes[..16])),
        ("its signature is one bit off", with(&flipped)),
        ("its signature is a byte too long", with(&[&bytes[..], &[0]].concat())),
        ("its signature is zeros", with(&[0; 32])),
        ("its signature is in another spelling", format!("{unsigned}.{}", not_canonical(mac))),
        ("its signature is padded", format!("{good}=")),
        ("its signature is padded twice", format!("{good}==")),
        ("its signature has a letter of no alphabet", format!("{good}!")),
        ("its signature is in hexadecimal", format!("{unsigned}.{}", hex(&bytes))),
        ("it is signed with half of the key", hs256(half, unsigned)),
        ("it is signed with the key in hexadecimal", hs256(hex(&forge.key).as_bytes(), unsigned)),
        ("it is signed with the key in base64", hs256(encode(&forge.key).as_bytes(), unsigned)),
        ("it is signed with SHA-384, and says so", hs384(&forge.key, &message(hs384_says, claims))),
        ("it is signed with SHA-512, and says so", hs512(&forge.key, &message(hs512_says, claims))),
        ("it is signed with SHA-512, and says HS256", hs512(&forge.key, unsigned)),
    ]
}

/// The same bytes in base64 whose last, unused bits are set.
fn not_canonical(mac: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = mac.split_at(mac.len() - 1);
    let at = ALPHABET.find(last).unwrap();
    format!("{start}{}", ALPHABET.chars().nth(at + 1).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    let pairs = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    pairs
        .map(|digit| char::from_digit(digit.into(), 16).unwrap())
        .collect()
}

fn show(shop: &Shop, token: &str) -> Heard {
    let ask = Ask::new("GET /auth/profile/");
    shop.ask(ask.header("Authorization", &format!("Bearer {token}")))
}

fn trade(shop: &Shop, token: &str) -> Heard {
    shop.say("nobody", "POST /auth/refresh/", json!({"refresh": token}))
}

/// Shows every token at a door; none may be let in.
#[track_caller]
fn all_are_refused(attacks: &[(String, String)], door: impl Fn(&str) -> Heard) {
    let mut wrong = Vec::new();
    for (sentence, token) in attacks {
        let heard = door(token);
        if heard.status != 401 || heard.json()["code"] != "token_not_valid" {
            wrong.push(format!("{sentence}: {} {}", heard.status, heard.text()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_token_made_by_hand_opens_the_door() {
    let shop = Shop::open();
    let forge = Forge::of(&shop, &shop.token("ann"));
    let attacks = attacks(&forge);
    assert!(attacks.len() > 120, "{}", attacks.len());
    all_are_refused(&attacks, |token| show(&shop, token));
    // The hand is not at fault.
    assert_eq!(show(&shop, &forge.token(GOOD)).told(200)["username"], "ann");
    let as_number = forge.token(&[("user_id", "1")]);
    assert_eq!(show(&shop, &as_number).told(200)["username"], "boss");
}

#[test]
fn no_token_made_by_hand_is_traded_for_others() {
    let shop = Shop::open();
    shop.token("ann");
    let refresh = shop.names().text("ann_refresh").unwrap();
    let forge = Forge::of(&shop, &refresh);
    let mut attacks = attacks(&forge);
    attacks.push(("it is very long".into(), "x".repeat(60_000)));
    all_are_refused(&attacks, |token| trade(&shop, token));
    assert_eq!(trade(&shop, &"x".repeat(1 << 20)).status, 413);
    // Nor did any of them spend it.
    trade(&shop, &forge.token(GOOD)).told(200);
}

#[test]
fn a_token_with_a_space_in_it_or_beyond_any_header_is_no_token() {
    let shop = Shop::open();
    let good = shop.token("ann");
    let heard = show(&shop, &good.replacen('.', ". ", 1)).told(401);
    assert_eq!(heard["code"], "bad_authorization_header");
    let megabyte = "x".repeat(1 << 20);
    let head = format!(
        "GET /auth/profile/ HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {megabyte}\r\n\r\n"
    );
    let heard = shop.raw(head.as_bytes());
    assert!(
        heard.is_empty() || heard.starts_with("HTTP/1.1 431 "),
        "{heard}"
    );
}

/// The tokens of Project Wycheproof, where they are at hand: each in a shop with the very key it is
/// signed with, if it is an HMAC's. None has claims of ours, so none is good, the valid ones included.
#[test]
fn no_token_of_the_vectors_opens_the_door() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = root.join("../shared/data/corpora/wycheproof/testvectors_v1");
    let (mut keys, mut tokens) = (vec!["A".repeat(43)], Vec::new());
    for kind in ["signature", "key", "crypto"] {
        let Ok(text) = fs::read(vectors.join(format!("json_web_{kind}_test.json"))) else {
            return;
        };
        let vectors: Value = serde_json::from_slice(&text).unwrap();
        for group in vectors["testGroups"].as_array().unwrap() {
            keys.extend(group["private"]["k"].as_str().map(str::to_owned));
            for test in group["tests"].as_array().unwrap() {
                let token = test["jws"].as_str().or(test["jwe"].as_str());
                let token = token.map_or_else(|| test["jws"].to_string(), str::to_owned);
                tokens.push((test["comment"].to_string(), token));
            }
        }
    }
    keys.sort();
    keys.dedup();
    assert!(
        tokens.len() > 500 && keys.len() > 2,
        "{} of {}",
        tokens.len(),
        keys.len()
    );
    let mut shop = Shop::open();
    for key in keys
        .iter()
        .map(|key| decode(key))
        .filter(|key| key.len() == 32)
    {
        shop.close();
        fs::write(shop.dir().join("token.key"), key).unwrap();
        shop.reopen();
        for (comment, token) in &tokens {
            let heard = show(&shop, token);
            assert_eq!(heard.status, 401, "{comment}: {}", heard.text());
        }
    }
}
