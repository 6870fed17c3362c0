//! Tokens: HS256 JSON Web Tokens, the claims of the original API.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::shop::ids::UserId;
use crate::shop::sessions::Family;
use crate::shop::time::{DAY_S, MINUTE_S, Timestamp};

pub const ACCESS_S: i64 = 60 * MINUTE_S;
pub const REFRESH_S: i64 = DAY_S;
const OPERATOR_S: i64 = MINUTE_S;

/// Longer texts are no token of ours (they are about 250 bytes) and are not decoded.
const TOKEN_MAX_BYTES: usize = 1_024;

/// How far in the future an `iat` may lie: clocks step back.
const LEEWAY_S: i64 = 5;

/// Bytes of the signing key, as many as HS256's hash gives (RFC 7518, section 3.2).
pub const KEY_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    Access,
    Refresh,
    /// Made at the shop's folder by whoever can read its key, for a moment.
    Operator,
}

impl TokenKind {
    const fn lifetime_s(self) -> i64 {
        match self {
            Self::Access => ACCESS_S,
            Self::Refresh => REFRESH_S,
            Self::Operator => OPERATOR_S,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    token_type: TokenKind,
    exp: i64,
    iat: i64,
    jti: String,
    #[serde(serialize_with = "as_text", deserialize_with = "from_text_or_number")]
    user_id: u64,
}

/// Claims out of an object (RFC 7519, section 4): a derived reader would take a list of them too.
struct Named(Claims);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Named;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named, A::Error> {
                Claims::deserialize(MapAccessDeserializer::new(map)).map(Named)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Why a token is not good for what it was shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    Invalid,
    Expired,
    WrongKind,
}

/// A good token: whose, and under which hash the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Good {
    pub user: UserId,
    pub jti_hash: [u8; 32],
}

/// What a sign-in hands out.
#[derive(Clone, Debug)]
pub struct Pair {
    pub access: String,
    pub refresh: String,
    pub refresh_hash: [u8; 32],
    pub refresh_expires_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
#[error("a token could not be made")]
pub struct MintError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The keys of a shop: one signs, those before it are good until their time.
pub struct Keys {
    pub signing: Vec<u8>,
    pub earlier: Vec<EarlierKey>,
}

pub struct EarlierKey {
    pub key: Vec<u8>,
    /// From then on it verifies nothing, whatever a token says of its own time.
    pub until: Timestamp,
}

/// Mints tokens under one key, and reads them under that and the ones before it.
pub struct Tokens {
    minting: EncodingKey,
    signing: ReadingKey,
    earlier: Vec<(ReadingKey, Timestamp)>,
    validation: Validation,
    /// What a token says of itself, and all it may say: no key of its own choosing, nothing that
    /// must be understood.
    header: Header,
}

/// A key as tokens and digests are read under it.
struct ReadingKey {
    decoding: DecodingKey,
    keyed: Hmac<Sha256>,
}

impl ReadingKey {
    fn new(key: &[u8]) -> Self {
        Self {
            decoding: DecodingKey::from_secret(key),
            keyed: keyed(key),
        }
    }
}

impl Tokens {
    pub fn new(keys: &Keys) -> Self {
        // Another caller in this process may have been first: it installed the same provider.
        let _ = HS256_ONLY.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are judged below, by the clock that is handed in.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            minting: EncodingKey::from_secret(&keys.signing),
            signing: ReadingKey::new(&keys.signing),
            earlier: keys
                .earlier
                .iter()
                .map(|earlier| (ReadingKey::new(&earlier.key), earlier.until))
                .collect(),
            validation,
            header: Header::new(Algorithm::HS256),
        }
    }

    /// A digest that nobody without the key can make, so that it gives away nothing of what was
    /// digested, not even of a password to whoever tries many.
    pub fn keyed_digest(&self) -> Hmac<Sha256> {
        self.signing.keyed.clone()
    }

    /// The same under the keys before, for what was digested then.
    pub fn earlier_digests(&self) -> impl Iterator<Item = Hmac<Sha256>> {
        self.earlier.iter().map(|(key, _)| key.keyed.clone())
    }

    pub fn mint_pair(&self, user: UserId, now: Timestamp) -> Result<Pair, MintError> {
        let refresh_jti = new_jti()?;
        Ok(Pair {
            access: self.mint(TokenKind::Access, user, new_jti()?, now)?,
            refresh_hash: hash_of(&refresh_jti),
            refresh: self.mint(TokenKind::Refresh, user, refresh_jti, now)?,
            refresh_expires_at: now.plus_s(REFRESH_S),
        })
    }

    /// A token for whoever holds the key itself.
    pub fn mint_operator(&self, now: Timestamp) -> Result<String, MintError> {
        self.mint(TokenKind::Operator, UserId(0), new_jti()?, now)
    }

    fn mint(
        &self,
        token_type: TokenKind,
        user: UserId,
        jti: String,
        now: Timestamp,
    ) -> Result<String, MintError> {
        let iat = now.seconds();
        let claims = Claims {
            token_type,
            exp: iat + token_type.lifetime_s(),
            iat,
            jti,
            user_id: user.0,
        };
        jsonwebtoken::encode(&self.header, &claims, &self.minting)
            .map_err(|error| MintError(Box::new(error)))
    }

    /// Reads a token shown as one of this kind.
    pub fn read(&self, token: &str, kind: TokenKind, now: Timestamp) -> Result<Good, TokenFault> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(TokenFault::Invalid);
        }
        let mut keys = self.keys(kind, now);
        let claims = keys
            .find_map(|key| self.claims(token, key))
            .ok_or(TokenFault::Invalid)?;
        let lifetime_s = claims.exp.saturating_sub(claims.iat);
        if lifetime_s > claims.token_type.lifetime_s() || claims.iat > now.seconds() + LEEWAY_S {
            return Err(TokenFault::Invalid); // We made none such.
        }
        if claims.exp <= now.seconds() {
            return Err(TokenFault::Expired);
        }
        if claims.token_type != kind {
            return Err(TokenFault::WrongKind);
        }
        Ok(Good {
            user: UserId(claims.user_id),
            jti_hash: hash_of(&claims.jti),
        })
    }

    /// The keys under which a token of this kind may be signed; the token has no say in it.
    fn keys(&self, kind: TokenKind, now: Timestamp) -> impl Iterator<Item = &ReadingKey> {
        let earlier = self.earlier.iter().filter_map(move |(key, until)| {
            // Who holds the folder has the key of today.
            (kind != TokenKind::Operator && now < *until).then_some(key)
        });
        std::iter::once(&self.signing).chain(earlier)
    }

    fn claims(&self, token: &str, key: &ReadingKey) -> Option<Claims> {
        let read = jsonwebtoken::decode::<Named>(token, &key.decoding, &self.validation).ok()?;
        (read.header == self.header).then_some(read.claims.0)
    }
}

pub fn new_key() -> std::io::Result<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(std::io::Error::other)?;
    Ok(key)
}

/// Under which the store knows the token of a `jti`.
pub fn hash_of(jti: &str) -> [u8; 32] {
    Sha256::digest(jti).into()
}

/// The family of a token that came from elsewhere: the same whenever it comes, so that one that
/// ended stays so.
pub fn family_of(jti: &str) -> Family {
    let digest = Sha256::new().chain_update("family").chain_update(jti);
    let mut family = [0; 16];
    family
        .iter_mut()
        .zip(digest.finalize())
        .for_each(|(to, from)| *to = from);
    Family(family)
}

pub fn new_family() -> Result<Family, MintError> {
    let mut family = [0; 16];
    getrandom::fill(&mut family).map_err(|error| MintError(Box::new(error)))?;
    Ok(Family(family))
}

/// 128 random bits as 32 hex digits, as the original writes them.
fn new_jti() -> Result<String, MintError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| MintError(Box::new(error)))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_text<S: serde::Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// The original writes `user_id` as text and takes a number too.
fn from_text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct TextOrNumber;

    impl Visitor<'_> for TextOrNumber {
        type Value = u64;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a user's id")
        }

        fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<u64, E> {
            Ok(id)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
            let id: u64 = text.parse().map_err(E::custom)?;
            // One text for each id: no sign, no zeros before it.
            if id.to_string() == text {
                Ok(id)
            } else {
                Err(E::invalid_value(Unexpected::Str(text), &self))
            }
        }
    }

    deserializer.deserialize_any(TextOrNumber)
}

/// The library's own providers bring an RSA with an open advisory (RUSTSEC-2023-0071) or C code;
/// this one knows HS256 and nothing else, so that no header can talk it into another algorithm.
static HS256_ONLY: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(key.as_bytes().to_vec()))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(key.try_get_as_bytes()?.to_vec()))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Digests under a key that comes from the tokens' key and is another, so that no digest signs.
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let key = Sha256::new().chain_update("digests").chain_update(key);
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block[..32].copy_from_slice(&key.finalize());
    Hmac::new(&block)
}

/// HMAC with SHA-256 under this key (RFC 7518, section 3.2).
struct Hs256(Vec<u8>);

impl Hs256 {
    fn mac(&self, message: &[u8]) -> Result<Hmac<Sha256>, SignatureError> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).map_err(SignatureError::from_source)?;
        mac.update(message);
        Ok(mac)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.mac(message)?.finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        // Compares in constant time.
        let verified = self.mac(message)?.verify_slice(signature);
        verified.map_err(SignatureError::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
