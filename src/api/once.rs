//! Safe retries: a request with an `Idempotency-Key` is done once, and answered the same however
//! often it comes.

use hmac::{Hmac, Mac};
use memchr::memmem::Finder;
use sha2::Sha256;

use super::fault::{Known, Problem};
use super::photos;
use super::route::{Access, Route, Visit, read_body};
use crate::http::{HeaderName, HeaderValue, Method, Reply, Request, StatusCode};
use crate::shop::users::Account;
use crate::store::{KeptReply, Once, Outcome};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_MAX: usize = 255;

/// Shorter boundaries are nobody's who makes up another each time, and may stand in a file so often
/// that taking them out costs more than all the rest.
const BOUNDARY_MIN: usize = 16;

/// A body larger than this is a photo: few are in hand at once.
const LARGE_BYTES: usize = 1 << 20;

pub const KEY_MALFORMED: Known = Known::new(
    StatusCode::BAD_REQUEST,
    "idempotency_key_malformed",
    "An Idempotency-Key is one key of 1 to 255 visible ASCII characters.",
);

pub const KEY_REUSED: Known = Known::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "idempotency_key_reused",
    "This Idempotency-Key was used for another request within the last 24 hours.",
);

/// The key of a request that is to be done once: a change, by somebody who is signed in and has
/// to be. What is open to all may carry a password or answer with tokens, which are not kept.
pub fn key(
    access: Access,
    request: &Request,
    account: Option<&Account>,
) -> Result<Option<String>, Problem> {
    if access == Access::Anyone {
        return Ok(None);
    }
    let is_change =
        [Method::POST, Method::PATCH, Method::PUT, Method::DELETE].contains(&request.method);
    let mut keys = request.headers.get_all(KEY).iter();
    let (true, Some(_), Some(key)) = (is_change, account, keys.next()) else {
        return Ok(None);
    };
    // Of two keys nobody knows which is meant.
    let is_one = keys.all(|other| other == key);
    let is_visible = |key: &str| key.bytes().all(|byte| byte.is_ascii_graphic());
    match key.to_str() {
        Ok(key) if is_one && (1..=KEY_MAX).contains(&key.len()) && is_visible(key) => {
            Ok(Some(key.to_owned()))
        }
        _ => Err(Problem::new(&KEY_MALFORMED)),
    }
}

/// Calls the row once for this key.
pub async fn call(
    row: &Route,
    mut visit: Visit,
    user: &Account,
    key: String,
) -> Result<Reply, Problem> {
    let parts = visit.parts.clone();
    let body = {
        // Bounds what large bodies take while they come; the endpoint takes a place of its own.
        let _place = match row.body_max_bytes {
            LARGE_BYTES.. => Some(parts.photos.place()?),
            _ => None,
        };
        read_body(&mut visit.request, row.body_max_bytes).await?
    };
    let tokens = &parts.tokens;
    let of_request = |digest| fingerprint(digest, &visit.request, &body);
    let once = Once {
        user: user.id,
        key,
        fingerprint: of_request(tokens.keyed_digest()),
        earlier_fingerprints: tokens.earlier_digests().map(of_request).collect(),
        now: visit.now,
    };
    visit.request.put_back(body);
    let outcome = if let Some(outcome) = visit.store.kept(&once)? {
        outcome
    } else {
        let (store, client) = (visit.store.clone(), visit.request.client);
        parts.rates.may_keep(client)?;
        let work = |store| {
            visit.store = store;
            let answer = (row.call)(visit);
            async move { kept(&answer.await.unwrap_or_else(Problem::reply)) }
        };
        let outcome = store.do_once(once, work).await?;
        if let Outcome::Done(reply) = &outcome {
            parts.rates.kept(client, reply.body.len());
        }
        outcome
    };
    match outcome {
        Outcome::Done(reply) => sent(reply),
        Outcome::Replayed(reply) => {
            Ok(sent(reply)?.with(REPLAYED, HeaderValue::from_static("true")))
        }
        Outcome::OtherRequest => Err(Problem::new(&KEY_REUSED)),
    }
}

/// Method, path, query and body: what makes a request the same. The boundary between the parts of
/// a form is none of it: clients make up another one each time they send the form.
fn fingerprint(mut digest: Hmac<Sha256>, request: &Request, body: &[u8]) -> [u8; 32] {
    let path = request.path.trim_end_matches('/');
    for part in [request.method.as_str(), path, &request.query] {
        digest.update(part.as_bytes());
        digest.update(&[0]); // In none of them.
    }
    let boundary = photos::boundary(request).filter(|text| text.len() >= BOUNDARY_MIN);
    let mut rest = body;
    if let Some(boundary) = boundary {
        let boundary = Finder::new(boundary.as_bytes());
        while let Some(at) = boundary.find(rest) {
            let (part, after) = rest.split_at(at);
            digest.update(part);
            digest.update(&[0]);
            rest = after.get(boundary.needle().len()..).unwrap_or_default();
        }
    }
    digest.update(rest);
    digest.finalize().into_bytes().into()
}

fn kept(reply: &Reply) -> KeptReply {
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    KeptReply {
        status: reply.status.as_u16(),
        headers: reply.headers.iter().filter_map(header).collect(),
        body: reply.body.to_vec(),
    }
}

fn sent(kept: KeptReply) -> Result<Reply, Problem> {
    let KeptReply {
        status,
        headers,
        body,
    } = kept;
    let status = StatusCode::from_u16(status).map_err(|error| Problem::internal(&error))?;
    let mut reply = Reply::empty(status);
    reply.body = body.into();
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|error| Problem::internal(&error))?;
        let value = HeaderValue::try_from(value).map_err(|error| Problem::internal(&error))?;
        reply = reply.with(name, value);
    }
    Ok(reply)
}
