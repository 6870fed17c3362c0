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
/// How long a browser may remember it, in seconds; the longest that any takes is a day.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("86400");

/// Headers that a page may send and read, beyond those that every page may; separated by commas.
#[derive(Clone, Copy, Debug)]
pub struct Headers {
    pub read: &'static str,
    pub said: &'static str,
}

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
    pub fn tell(&self, asking: Asking, headers: Headers, mut reply: Reply) -> Reply {
        if self.origins.is_empty() {
            return reply;
        }
        reply.headers.append(header::VARY, header::ORIGIN.into());
        let Some(origin) = asking.origin else {
            return reply;
        };
        let from = HeaderValue::from_static;
        let mut say = |name: HeaderName, value| reply.headers.insert(name, value);
        say(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if asking.is_preflight {
            say(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            say(header::ACCESS_CONTROL_ALLOW_HEADERS, from(headers.read));
            say(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
        } else {
            say(header::ACCESS_CONTROL_EXPOSE_HEADERS, from(headers.said));
        }
        reply
    }
}
