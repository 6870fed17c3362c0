//! HTTP: sockets to requests, replies to sockets, paths to rows. Knows nothing of the shop.

pub mod accept;
pub mod limits;
mod reply;
mod request;
mod router;
mod server;

#[cfg(test)]
mod tests;

pub use hyper::header::{self, HeaderName, HeaderValue};
pub use hyper::{Method, StatusCode};

pub use reply::Reply;
pub use request::{BodyError, Request};
pub use router::{Found, Params, Router};
pub use server::{Handle, serve};
