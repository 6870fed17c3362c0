//! A request: its head as it came, its body on demand.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::AsHeaderName;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use tokio::time::{Instant, timeout, timeout_at};

use super::limits::{self, Deadlines};
use super::places::Part;

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
    /// Who asks, as far as it can be told.
    pub client: IpAddr,
    body: ComingBody,
    /// Read already, and put back for whoever reads next.
    ready: Option<Bytes>,
    leftover: Leftover,
}

/// A body that comes, or came.
#[derive(Debug)]
pub(super) struct ComingBody {
    /// `None` once it is read to its end.
    rest: Option<Incoming>,
    /// It was not worth waiting for.
    is_late: bool,
    /// What came of it lies in memory as long as the request does.
    part: Part,
    deadlines: Deadlines,
}

/// Where a request leaves what nobody read of its body, and whether that is late.
#[derive(Clone, Debug, Default)]
pub struct Leftover(Arc<Mutex<Option<(Incoming, bool)>>>);

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    TooSlow,
    /// Too much of this client's, or of all, lies in memory.
    Crowded,
    /// The client went away or broke the framing.
    Broken,
}

impl Request {
    pub(super) fn new(head: Parts, body: ComingBody, id: String, client: IpAddr) -> Self {
        Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            id,
            client,
            body,
            ready: None,
            leftover: Leftover::default(),
        }
    }

    pub(super) fn leftover(&self) -> Leftover {
        self.leftover.clone()
    }

    /// A header's value, if it is there and text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a body follows the head.
    pub fn has_body(&self) -> bool {
        if let Some(ready) = &self.ready {
            return !ready.is_empty();
        }
        let rest = self.body.rest.as_ref();
        rest.is_some_and(|rest| !rest.is_end_stream())
    }

    /// The whole body, once; empty when there is none.
    pub async fn body(&mut self, max_bytes: usize) -> Result<Bytes, BodyError> {
        if let Some(ready) = self.ready.take() {
            return if ready.len() > max_bytes {
                Err(BodyError::TooLarge)
            } else {
                Ok(ready)
            };
        }
        self.body.read(max_bytes).await
    }

    /// Gives back a body that was read, to be read again.
    pub fn put_back(&mut self, body: Bytes) {
        self.ready = Some(body);
    }
}

impl ComingBody {
    pub fn new(body: Incoming, part: Part, deadlines: Deadlines) -> Self {
        Self {
            rest: Some(body),
            is_late: false,
            part,
            deadlines,
        }
    }

    async fn read(&mut self, max_bytes: usize) -> Result<Bytes, BodyError> {
        let Some(rest) = self.rest.as_mut() else {
            return Ok(Bytes::new());
        };
        let whole = read(rest, max_bytes, self.deadlines.body_grace, &mut self.part);
        let whole = timeout(self.deadlines.body, whole).await;
        match whole.unwrap_or(Err(BodyError::TooSlow)) {
            Ok(bytes) => {
                self.rest = None;
                Ok(bytes)
            }
            Err(error) => {
                self.is_late = error == BodyError::TooSlow;
                Err(error)
            }
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut leftover = self
            .leftover
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_late = self.body.is_late;
        *leftover = self.body.rest.take().map(|rest| (rest, is_late));
    }
}

impl Leftover {
    pub fn is_none(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    /// Reads and forgets what is left, so that the client has sent its whole request when the
    /// reply comes: a connection closed on it earlier may take the reply with it. `false` when
    /// that is too much, or was waited for already.
    pub async fn discard(self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((mut body, is_late)) = body else {
            return true;
        };
        if is_late {
            return false;
        }
        let rest = drop_all(&mut body, limits::LEFTOVER_MAX_BYTES);
        timeout(limits::LEFTOVER_DEADLINE, rest)
            .await
            .unwrap_or(false)
    }
}

fn announces_more_than(body: &Incoming, max_bytes: usize) -> bool {
    usize::try_from(body.size_hint().lower()).map_or(true, |announced| announced > max_bytes)
}

async fn read(
    body: &mut Incoming,
    max_bytes: usize,
    grace: Duration,
    part: &mut Part,
) -> Result<Bytes, BodyError> {
    if announces_more_than(body, max_bytes) {
        return Err(BodyError::TooLarge);
    }
    let mut whole = BytesMut::new();
    let began = Instant::now();
    loop {
        let frame = timeout_at(began + grace + time_for(whole.len()), body.frame()).await;
        let Some(frame) = frame.map_err(|_| BodyError::TooSlow)? else {
            break;
        };
        let data = frame.map_err(|_| BodyError::Broken)?.into_data();
        let Ok(data) = data else { continue }; // Trailers.
        if whole.len() + data.len() > max_bytes {
            return Err(BodyError::TooLarge);
        }
        if !part.add(data.len()) {
            return Err(BodyError::Crowded);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// How long a body may take to become longer than this, but for its grace.
fn time_for(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs(1) * bytes / limits::BODY_MIN_BYTES_PER_S
}

async fn drop_all(body: &mut Incoming, max_bytes: usize) -> bool {
    if announces_more_than(body, max_bytes) {
        return false;
    }
    let mut dropped = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        dropped += frame.data_ref().map_or(0, Bytes::len);
        if dropped > max_bytes {
            return false;
        }
    }
    true
}
