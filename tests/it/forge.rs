//! Tokens made by hand, by code that the shop does not share: honest ones, and others.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::{Sha256, Sha384, Sha512};

use crate::shop::Shop;

pub const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// Who knows the key of a shop's folder and the claims of a good token of it.
pub struct Forge {
    pub key: Vec<u8>,
    claims: BTreeMap<String, Value>,
}

impl Forge {
    pub fn of(shop: &Shop, token: &str) -> Self {
        let claims = decode(token.split('.').nth(1).unwrap());
        Self {
            key: fs::read(shop.dir().join("token.key")).unwrap(),
            claims: serde_json::from_slice(&claims).unwrap(),
        }
    }

    /// A claim of the good token, as a number.
    pub fn number(&self, claim: &str) -> i64 {
        self.claims[claim].as_i64().unwrap()
    }

    /// The claims, some of them said otherwise: as this JSON, or, with no text, not at all.
    pub fn claims(&self, otherwise: &[(&str, &str)]) -> String {
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in &self.claims {
            texts.insert(name, value.to_string());
        }
        for (name, text) in otherwise {
            texts.insert(name, (*text).to_owned());
        }
        texts.retain(|_, text| !text.is_empty());
        let texts: Vec<String> = texts
            .iter()
            .map(|(name, text)| format!("\"{name}\":{text}"))
            .collect();
        format!("{{{}}}", texts.join(","))
    }

    /// A token as the shop would make it, but for these claims.
    pub fn token(&self, otherwise: &[(&str, &str)]) -> String {
        self.sign(HEADER, &self.claims(otherwise))
    }

    pub fn sign(&self, header: &str, claims: &str) -> String {
        hs256(&self.key, &message(header, claims))
    }
}

/// Header and claims as they are signed.
pub fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

pub fn hs256(key: &[u8], message: &str) -> String {
    signed(Hmac::<Sha256>::new_from_slice(key).unwrap(), message)
}

pub fn hs384(key: &[u8], message: &str) -> String {
    signed(Hmac::<Sha384>::new_from_slice(key).unwrap(), message)
}

pub fn hs512(key: &[u8], message: &str) -> String {
    signed(Hmac::<Sha512>::new_from_slice(key).unwrap(), message)
}

fn signed(mut mac: impl Mac, message: &str) -> String {
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(mac.finalize().into_bytes()))
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
