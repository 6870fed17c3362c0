//! CORS: which pages of other origins a browser lets read the replies.

use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Reply;

/// Origins whose pages may ask. None of them by default: a shop's own pages need no leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, if-none-match");
const REPLY_HEADERS: HeaderValue = HeaderValue::from_static(
    "etag, idempotent-replayed, link, location, retry-after, x-request-id, x-total-count",
);
/// How long a browser may remember it, in seconds; the longest that any takes is a day.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("86400");

/// What of a request matters here, kept while it is answered.
#[derive(Debug)]
pub struct Asking {
    origin: Option<HeaderValue>,
    is_preflight: bool,
}

impl Cors {
    /// `*` is any origin. Names are compared as browsers send them: `https://shop.example`.
    pub fn of(origins: Vec<HeaderValue>) -> Self {
        Self { origins }
    }

    pub fn asking(&self, method: &Method, headers: &HeaderMap) -> Asking {
        let asks_first = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let origin = headers.get(header::ORIGIN);
        let admits = |origin: &&HeaderValue| {
            self.origins
                .iter()
                .any(|ours| ours == "*" || ours == *origin)
        };
        Asking {
            origin: origin.filter(admits).cloned(),
            is_preflight: method == Method::OPTIONS && asks_first,
        }
    }

    /// Adds what a browser looks for. No cookies are ever meant: callers show their token.
    pub fn tell(&self, asking: Asking, mut reply: Reply) -> Reply {
        if self.origins.is_empty() {
            return reply;
        }
        reply.headers.append(header::VARY, header::ORIGIN.into());
        let Some(origin) = asking.origin else {
            return reply;
        };
        let mut say = |name: HeaderName, value| reply.headers.insert(name, value);
        say(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if asking.is_preflight {
            say(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            say(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            say(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
        } else {
            say(header::ACCESS_CONTROL_EXPOSE_HEADERS, REPLY_HEADERS);
        }
        reply
    }
}
