//! The gate: what is no proper request is turned away before anybody looks at what it asks for.
//!
//! hyper is lenient where RFC 9112 says MUST. What it does not show any more when it hands over a
//! head, `watch` saw on the wire.

use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Scheme};
use hyper::{Method, Uri, Version};

use super::limits;

/// Why a request is turned away; a connection of HTTP/1 is closed with the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Where it ends is not said, or said twice.
    Framing,
    /// Too much of what was answered is not taken yet.
    Crowded,
    /// Not exactly one `Host`, or none that names one.
    Host,
    /// Control characters, dots or slashes in disguise, an empty segment.
    Path,
    PathTooLong,
    Method,
    Expectation,
}

/// Methods that somewhere mean something here.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Lets a request through, or says why not; what tells where it ends comes first.
pub fn admit(head: &Parts) -> Result<(), Rejected> {
    if head.version < Version::HTTP_11 && head.headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Rejected::Framing);
    }
    host(head)?;
    if !METHODS.contains(&head.method) {
        return Err(Rejected::Method);
    }
    if target_bytes(&head.uri) > limits::TARGET_MAX_BYTES {
        return Err(Rejected::PathTooLong);
    }
    path(head.uri.path())?;
    let mut expected = head.headers.get_all(header::EXPECT).iter();
    if expected.any(|what| !what.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Rejected::Expectation);
    }
    Ok(())
}

/// RFC 9112, section 3.2: exactly one `Host`, which an absolute target must agree with. HTTP/1.0
/// knew none, and HTTP/2 has it in the target.
fn host(head: &Parts) -> Result<(), Rejected> {
    let mut said = hosts(&head.headers);
    let (first, second) = (said.next(), said.next());
    let host = match (first, second) {
        (Some(Some(host)), None) => Some(host),
        (None, None) if head.version != Version::HTTP_11 => None,
        _ => return Err(Rejected::Host),
    };
    let Some(target) = head.uri.authority() else {
        let is_http_2 = head.version == Version::HTTP_2;
        return if is_http_2 && host.is_none() {
            Err(Rejected::Host)
        } else {
            Ok(())
        };
    };
    let is_web = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&head.uri.scheme());
    let agrees = host.is_none_or(|host| host.as_str().eq_ignore_ascii_case(target.as_str()));
    if is_web && agrees && names_a_host(target) {
        Ok(())
    } else {
        Err(Rejected::Host)
    }
}

/// What each `Host` header names; `None` for one that names nothing.
fn hosts(headers: &HeaderMap) -> impl Iterator<Item = Option<Authority>> {
    headers.get_all(header::HOST).iter().map(|value| {
        let authority: Authority = value.to_str().ok()?.parse().ok()?;
        names_a_host(&authority).then_some(authority)
    })
}

fn names_a_host(authority: &Authority) -> bool {
    let text = authority.as_str();
    let has_port = text.len() > authority.host().len();
    !authority.host().is_empty()
        && !text.contains('@')
        && (!has_port || authority.port_u16().is_some())
}

fn target_bytes(uri: &Uri) -> usize {
    uri.path().len() + uri.query().map_or(0, |query| query.len() + 1)
}

/// One way to write a path: whatever stands before or behind this server and reads it otherwise
/// must not be talked into seeing another one.
fn path(path: &str) -> Result<(), Rejected> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(Rejected::Path); // `*`, which no method here means anything by.
    };
    let last = rest.split('/').count() - 1;
    for (at, segment) in rest.split('/').enumerate() {
        if segment.is_empty() && at < last {
            return Err(Rejected::Path);
        }
        let decoded = decode(segment).ok_or(Rejected::Path)?;
        let is_tricky = |byte: &u8| byte.is_ascii_control() || [b'/', b'\\'].contains(byte);
        if decoded.iter().any(is_tricky) || decoded == b"." || decoded == b".." {
            return Err(Rejected::Path);
        }
    }
    Ok(())
}

/// The bytes that a segment stands for; `None` where a `%` is not followed by two digits.
fn decode(segment: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}
