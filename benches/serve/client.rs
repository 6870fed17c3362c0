//! One keep-alive connection that asks and hears.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A request, made once and sent many times.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub uri: Uri,
    pub token: Option<HeaderValue>,
    pub body: Bytes,
}

impl Ask {
    pub fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            uri: path.parse().expect("a path of the contract"),
            token: None,
            body: Bytes::new(),
        }
    }

    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            body: body.into(),
            ..Self::get(path)
        }
    }

    pub fn by(self, token: &HeaderValue) -> Self {
        Self {
            token: Some(token.clone()),
            ..self
        }
    }
}

/// What is left of an answer when it was read: enough to tell whether it is the right one.
#[derive(Clone, Debug)]
pub struct Heard {
    pub status: StatusCode,
    pub bytes: u64,
    /// The first piece of the body that came, of small ones all of it.
    pub opening: Bytes,
}

/// An answer with all of it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The connection was lost, or what came over it was no HTTP.
pub type Lost = Box<dyn std::error::Error + Send + Sync>;

pub struct Client {
    address: String,
    host: HeaderValue,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            host: HeaderValue::try_from(address).expect("a host and a port"),
            sender: None,
        }
    }

    pub async fn connect(&mut self) -> Result<(), Lost> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        Ok(())
    }

    async fn send(&mut self, ask: &Ask) -> Result<hyper::Response<hyper::body::Incoming>, Lost> {
        self.connect().await?;
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.uri.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        if let Some(token) = &ask.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        if !ask.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let sender = self.sender.as_mut().ok_or("not connected")?;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let is_last = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"close");
        if response.headers().get(CONNECTION).is_some_and(is_last) {
            self.sender = None;
        }
        Ok(response)
    }

    /// Asks, and keeps no more of the answer than it must.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Heard, Lost> {
        let heard = self.hear(ask).await;
        if heard.is_err() {
            self.sender = None; // What is still under way belongs to nobody.
        }
        heard
    }

    async fn hear(&mut self, ask: &Ask) -> Result<Heard, Lost> {
        let response = self.send(ask).await?;
        let status = response.status();
        let mut body = response.into_body();
        let (mut bytes, mut opening) = (0, Bytes::new());
        while let Some(frame) = body.frame().await {
            if let Ok(piece) = frame?.into_data() {
                bytes += piece.len() as u64;
                if opening.is_empty() {
                    opening = piece;
                }
            }
        }
        Ok(Heard {
            status,
            bytes,
            opening,
        })
    }

    /// Asks, and keeps all of the answer.
    pub async fn fetch(&mut self, ask: &Ask) -> Result<Answer, Lost> {
        let response = self.send(ask).await?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}
