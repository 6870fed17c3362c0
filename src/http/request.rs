//! A request: its head as it came, its body on demand.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::AsHeaderName;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, body::SizeHint};

use super::limits;

#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// As sent, percent-encoded, without the query.
    pub path: String,
    /// As sent, without the question mark.
    pub query: String,
    pub headers: HeaderMap,
    /// Names this request in the log and in its reply.
    pub id: String,
    body: Option<Incoming>,
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    TooSlow,
    /// The client went away or broke the framing.
    Broken,
}

impl Request {
    pub(super) fn new(head: Parts, body: Incoming, id: String) -> Self {
        Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            id,
            body: Some(body),
        }
    }

    /// A header's value, if it is there and text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The whole body, once; empty when there is none.
    pub async fn body(&mut self, max_bytes: usize) -> Result<Bytes, BodyError> {
        let Some(body) = self.body.take() else {
            return Ok(Bytes::new());
        };
        let announced = SizeHint::lower(&body.size_hint());
        if usize::try_from(announced).is_ok_and(|announced| announced > max_bytes) {
            return Err(BodyError::TooLarge);
        }
        let whole = Limited::new(body, max_bytes).collect();
        match tokio::time::timeout(limits::BODY_DEADLINE, whole).await {
            Err(_) => Err(BodyError::TooSlow),
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
            Ok(Err(_)) => Err(BodyError::Broken),
        }
    }
}
