//! Tokens: none is good but those that we made, letter for letter; and under our own key none
//! that we would not have made.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::auth::token::{ACCESS_S, Keys, REFRESH_S, TokenKind, Tokens};
use crate::shop::time::{MINUTE_S, Timestamp};

const NOW: Timestamp = Timestamp(1_770_000_000_000_000);
const KEY: &[u8] = b"a key of thirty-two bytes, or so";
const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

const KINDS: [(TokenKind, &str, i64); 3] = [
    (TokenKind::Access, "access", ACCESS_S),
    (TokenKind::Refresh, "refresh", REFRESH_S),
    (TokenKind::Operator, "operator", MINUTE_S),
];

struct World {
    tokens: Tokens,
    /// A token of each kind, made by hand so that the corpus can hold them.
    made: [String; 3],
}

/// A text is shown as it is. With a line in it, what stands before is a header and what stands
/// behind are claims, which are signed with our own key.
pub fn run(bytes: &[u8]) {
    let World { tokens, made } = world();
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let signed = text
        .split_once('\n')
        .map(|(header, claims)| (header, claims, signed(header, claims)));
    let shown = signed.as_ref().map_or(text, |(_, _, token)| token);
    for ((kind, name, lifetime_s), good) in KINDS.into_iter().zip(made) {
        let read = tokens.read(shown, kind, NOW);
        if shown == good {
            assert!(read.is_ok(), "{shown} was made here");
            continue;
        }
        if let Ok(good) = read {
            let (header, claims, _) = signed.as_ref().expect("only what we sign is good");
            is_our_header(&serde_json::from_str(header).expect("a header that was read"));
            let claims: Value = serde_json::from_str(claims).expect("claims that were read");
            are_as_we_make_them(&claims, name, lifetime_s);
            let user = claims["user_id"].to_string();
            assert_eq!(user.trim_matches('"'), good.user.0.to_string());
        }
    }
}

/// What is null says nothing.
fn is_our_header(header: &Value) {
    let said = header.as_object().expect("an object").iter();
    let said = said.filter(|(_, value)| !value.is_null());
    let ours = [("typ", "JWT"), ("alg", "HS256")];
    assert!(said.count() == ours.len() && ours.iter().all(|(name, value)| header[name] == *value));
}

fn are_as_we_make_them(claims: &Value, kind: &str, lifetime_s: i64) {
    assert_eq!(claims["token_type"], kind);
    let time = |name: &str| claims[name].as_i64().expect("whole seconds");
    let (exp, iat, now) = (time("exp"), time("iat"), NOW.seconds());
    assert!(now < exp && exp.saturating_sub(iat) <= lifetime_s && iat <= now + 5);
    assert!(claims["jti"].is_string());
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World {
        tokens: Tokens::new(&Keys {
            signing: KEY.to_vec(),
            earlier: Vec::new(),
        }),
        made: KINDS.map(|(_, name, lifetime_s)| {
            let iat = NOW.seconds();
            let exp = iat + lifetime_s;
            let claims = format!(
                r#"{{"token_type":"{name}","exp":{exp},"iat":{iat},"jti":"00112233445566778899aabbccddeeff","user_id":"7"}}"#
            );
            signed(HEADER, &claims)
        }),
    })
}

fn signed(header: &str, claims: &str) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(&mac.finalize().into_bytes()))
}
