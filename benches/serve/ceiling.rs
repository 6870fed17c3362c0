//! The ceiling: a bare hyper server that answers each path with a constant, and does nothing else.

use std::convert::Infallible;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// An answer that somebody gave, to be given again and again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Canned {
    /// How the paths begin that are answered so.
    pub prefix: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Canned {
    pub fn of(prefix: &str, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Self {
        // hyper writes these itself.
        let theirs = [CONTENT_LENGTH, DATE, TRANSFER_ENCODING];
        let headers = headers
            .iter()
            .filter(|(name, _)| !theirs.contains(name))
            .map(|(name, value)| {
                let value = value.to_str().expect("our headers are text");
                (name.to_string(), value.to_owned())
            });
        Self {
            prefix: prefix.to_owned(),
            status: status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8(body.to_vec()).expect("JSON is UTF-8"),
        }
    }
}

pub fn write(answers: &[Canned], to: &Path) {
    let text = serde_json::to_string(answers).expect("texts and numbers");
    fs::write(to, text).expect("the folder takes a file");
}

/// Answers until standard input ends, which it does when whoever started this is gone.
#[expect(clippy::print_stdout, reason = "says where it is open")]
pub fn serve(answers: &Path) {
    let text = fs::read_to_string(answers).expect("the answers");
    let answers: Vec<Canned> = serde_json::from_str(&text).expect("answers as they were written");
    let answers: Arc<[Ready]> = answers.into_iter().map(Ready::from).collect();
    let runtime = Runtime::new().expect("a runtime"); // As many threads as cores, as ours.
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    println!("constants are at http://{address}/");
    runtime.spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let answers = Arc::clone(&answers);
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, &answers));
                let connection = http1::Builder::new()
                    .header_read_timeout(None)
                    .max_header_size(electron_market::http::limits::HEAD_MAX_BYTES)
                    .serve_connection(TokioIo::new(stream), service);
                let _ = connection.await; // A client that leaves is no news.
            });
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

struct Ready {
    prefix: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl From<Canned> for Ready {
    fn from(canned: Canned) -> Self {
        let headers = canned.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name).expect("it was one");
            (name, HeaderValue::try_from(value).expect("it was one"))
        });
        Self {
            prefix: canned.prefix,
            status: StatusCode::from_u16(canned.status).expect("it was one"),
            headers: headers.collect(),
            body: canned.body.into(),
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    answers: &[Ready],
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if head.headers.contains_key(CONTENT_LENGTH) {
        let _ = body.collect().await;
    }
    let path = head.uri.path();
    let mut response = Response::default();
    match answers.iter().find(|ready| path.starts_with(&ready.prefix)) {
        Some(ready) => {
            *response.status_mut() = ready.status;
            *response.headers_mut() = ready.headers.clone();
            *response.body_mut() = Full::new(ready.body.clone());
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}
