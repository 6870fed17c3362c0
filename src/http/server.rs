//! The server: connections to requests, replies to connections, one log line a request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::{Reply, Request, limits};

/// Whoever answers requests.
pub trait Handle: Send + Sync + 'static {
    fn handle(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// What is answered when that panicked.
    fn panicked(&self) -> Reply;
}

struct Server<H> {
    handler: H,
    /// Tells apart the ids of one start of the program from those of the next.
    start: u32,
    requests: AtomicU64,
}

/// Serves until `stop`, then accepts no more and lets requests under way finish.
pub async fn serve<H: Handle>(listener: TcpListener, handler: H, stop: impl Future<Output = ()>) {
    let server = Arc::new(Server {
        handler,
        start: getrandom::u32().unwrap_or_default(),
        requests: AtomicU64::new(1),
    });
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                // Replies are written whole; waiting for more to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits::HEAD_DEADLINE)
                    .max_header_size(limits::HEAD_MAX_BYTES)
                    .serve_connection(TokioIo::new(stream), answering(&server, peer));
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%peer, %error, "connection ended early");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(limits::DRAIN_DEADLINE, graceful.shutdown());
    if drained.await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// One connection's service.
fn answering<H: Handle>(
    server: &Arc<Server<H>>,
    peer: SocketAddr,
) -> impl hyper::service::Service<
    hyper::Request<hyper::body::Incoming>,
    Response = hyper::Response<http_body_util::Full<bytes::Bytes>>,
    Error = Infallible,
    Future: Send,
> + use<H> {
    let server = Arc::clone(server);
    service_fn(move |request| {
        let server = Arc::clone(&server);
        async move {
            let n = server.requests.fetch_add(1, Ordering::Relaxed);
            let id = format!("{:08x}-{n}", server.start);
            let (head, body) = request.into_parts();
            let waits_for_us = head.headers.contains_key(header::EXPECT);
            let request = Request::new(head, body, id.clone());
            let leftover = request.leftover();
            let reply = server.answer(request, peer).await;
            // A client that waits to be told to go on sends no more once it is answered.
            let is_read = leftover.is_none() || (!waits_for_us && leftover.discard().await);
            let reply = if is_read {
                reply
            } else {
                reply.with(header::CONNECTION, HeaderValue::from_static("close"))
            };
            Ok(reply.into_response(&id))
        }
    })
}

impl<H: Handle> Server<H> {
    async fn answer(&self, request: Request, peer: SocketAddr) -> Reply {
        let began = Instant::now();
        let (id, method) = (request.id.clone(), request.method.clone());
        let path = request.path.clone();
        // Whatever is logged on the way says which request it was.
        let span = tracing::error_span!("handling", id);
        let reply = AssertUnwindSafe(self.handler.handle(request))
            .catch_unwind()
            .instrument(span)
            .await
            .unwrap_or_else(|_| {
                // The panic itself was logged by the hook.
                tracing::error!(id, "a handler panicked");
                self.handler.panicked()
            });
        let micros = began.elapsed().as_micros();
        let status = reply.status.as_u16();
        tracing::info!(id, %peer, %method, path, status, micros, "request");
        reply
    }
}
