//! HTTP: sockets to requests, replies to sockets, paths to rows. Knows nothing of the shop.

pub mod accept;
mod address;
mod cors;
mod framing;
mod gate;
pub mod limits;
mod places;
mod proxies;
mod pulse;
mod reply;
mod request;
mod router;
mod server;
mod tls;
mod watch;

#[cfg(test)]
mod patience;
#[cfg(test)]
mod tests;

pub use hyper::header::{self, HeaderName, HeaderValue};
pub use hyper::{Method, StatusCode};

pub use address::network;
pub use cors::{Cors, Headers};
pub use gate::Rejected;
pub use proxies::Proxies;
pub use reply::Reply;
pub use request::{BodyError, Request};
pub use router::{Found, Params, Router};
pub use server::{Door, Handle, serve};
pub use tls::{Tls, TlsError};
