//! A reply: status, headers, and a body that is ready.
//!
//! A reply to a read has a tag made of its body, never kept beside it: whoever shows the tag of
//! what would be sent is told that it has that (RFC 9110, section 13.1.2).

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let reply = Self {
            status,
            headers: HeaderMap::new(),
            body,
        };
        reply.with(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// Tags what was found by its content.
    #[must_use]
    pub fn tagged(self) -> Self {
        if self.status != StatusCode::OK {
            return self;
        }
        let tag = HeaderValue::from_bytes(&tag(&self.body)).expect("hex digits are header text");
        self.with(header::ETAG, tag)
    }

    /// Of what the client has, by the tags of its `If-None-Match`, only the head is left.
    #[must_use]
    pub fn unless_shown(mut self, shown: &[HeaderValue]) -> Self {
        let Some(tag) = self.headers.get(header::ETAG) else {
            return self;
        };
        let mut shown = shown.iter().flat_map(tags);
        if shown.any(|shown| shown == tag.as_bytes() || shown == b"*") {
            self.status = StatusCode::NOT_MODIFIED;
            self.body = Bytes::new();
            self.headers.remove(header::CONTENT_TYPE);
        }
        self
    }

    /// Says that the reply depends on what the request accepts.
    #[must_use]
    pub fn varying(self) -> Self {
        self.with(header::VARY, HeaderValue::from_static("Accept"))
    }

    /// Sets a header, in place of an earlier one.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// What every reply says, whoever made it.
    pub(super) fn into_response(self, request_id: &str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("same-origin"),
        );
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        response
    }
}

/// A strong tag: half of a SHA-256, which nobody finds a second body for.
fn tag(body: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(body);
    let (half, _) = digest.split_at(16);
    let mut tag = vec![b'"'];
    for byte in half {
        tag.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }
    tag.push(b'"');
    tag
}

/// The tags that a header shows. A weak one, as a proxy that packs a body makes of ours, is
/// compared like a strong one.
fn tags(header: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let tags = header.as_bytes().split(|byte| *byte == b',');
    tags.map(|tag| {
        let tag = tag.trim_ascii();
        tag.strip_prefix(b"W/").unwrap_or(tag)
    })
}
