//! The server: connections to requests, replies to connections, one log line a request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::gate::{self, Rejected};
use super::proxies::Proxies;
use super::tls::{self, Tls};
use super::watch::Watch;
use super::{Cors, Reply, Request, limits};

/// Whoever answers requests.
pub trait Handle: Send + Sync + 'static {
    fn handle(&self, request: Request) -> impl Future<Output = Reply> + Send;

    /// What is answered when that panicked.
    fn panicked(&self) -> Reply;

    /// What is answered to a request that is no proper one.
    fn rejected(&self, why: Rejected) -> Reply;
}

/// How the shop is open to the world.
#[derive(Default)]
pub struct Door {
    pub cors: Cors,
    pub proxies: Proxies,
    pub tls: Option<Arc<Tls>>,
}

struct Server<H> {
    handler: H,
    door: Door,
    /// Tells apart the ids of one start of the program from those of the next.
    start: u32,
    requests: AtomicU64,
}

/// Serves until `stop`, then accepts no more and lets requests under way finish.
pub async fn serve<H: Handle>(
    listener: TcpListener,
    door: Door,
    handler: H,
    stop: impl Future<Output = ()>,
) {
    let server = Arc::new(Server {
        handler,
        door,
        start: getrandom::u32().unwrap_or_default(),
        requests: AtomicU64::new(1),
    });
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(connections_max()));
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let (server, watcher) = (Arc::clone(&server), graceful.watcher());
                tokio::spawn(async move {
                    if let Err(error) = server.attend(stream, peer, watcher).await {
                        tracing::debug!(%peer, error, "connection ended early");
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

/// As many connections as files may be open, which are as many as this process may ask for.
fn connections_max() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let places = files.saturating_sub(limits::OTHER_FILES).max(1);
    let places = usize::try_from(places).unwrap_or(usize::MAX);
    if places < limits::CONNECTIONS_MAX {
        tracing::warn!(
            places,
            "the limit of open files leaves room for few connections; raise it with `ulimit -n`"
        );
    }
    places.min(limits::CONNECTIONS_MAX)
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl<H: Handle> Server<H> {
    /// A connection, to its end.
    async fn attend(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: Watcher,
    ) -> Ended {
        // Replies are written whole; waiting for more to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.door.tls else {
            return self.attend_http_1(stream, peer, watcher).await;
        };
        let stream = tls.accept(stream).await?;
        if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2) {
            self.attend_http_2(stream, peer, watcher).await
        } else {
            self.attend_http_1(stream, peer, watcher).await
        }
    }

    async fn attend_http_1(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: Watcher,
    ) -> Ended {
        let (stream, phase) = Watch::new(stream);
        let service = service_fn(move |request| {
            let (server, phase) = (Arc::clone(&self), Arc::clone(&phase));
            async move {
                let is_sound = phase.begin();
                let mut response = server.respond(request, peer, is_sound).await;
                if phase.is_last() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                phase.end();
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(limits::HEAD_MAX_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        Ok(watcher.watch(connection).await?)
    }

    async fn attend_http_2(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: Watcher,
    ) -> Ended {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.respond(request, peer, true).await) }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(hyper_util::rt::TokioTimer::new())
            // A client that is gone or takes nothing does not answer either.
            .keep_alive_interval(limits::IDLE_DEADLINE / 2)
            .keep_alive_timeout(limits::WRITE_STALL)
            .max_concurrent_streams(limits::STREAMS_MAX)
            .max_header_list_size(u32::try_from(limits::HEAD_MAX_BYTES).unwrap_or(u32::MAX))
            .serve_connection(TokioIo::new(stream), service);
        Ok(watcher.watch(connection).await?)
    }

    /// One request to its response, logged.
    async fn respond(
        &self,
        request: hyper::Request<Incoming>,
        peer: SocketAddr,
        is_sound: bool,
    ) -> hyper::Response<Full<Bytes>> {
        let began = Instant::now();
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}-{n}", self.start);
        let (head, body) = request.into_parts();
        let admitted = if is_sound {
            gate::admit(&head)
        } else {
            Err(Rejected::Framing)
        };
        let waits_for_us = head.headers.contains_key(header::EXPECT);
        let asking = self.door.cors.asking(&head.method, &head.headers);
        let client = self.door.proxies.client(peer.ip(), &head.headers);
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let request = Request::new(head, body, id.clone(), client);
        let leftover = request.leftover();
        let reply = match admitted {
            Ok(()) => self.answer(request).await,
            Err(why) => {
                drop(request);
                self.handler.rejected(why)
            }
        };
        // A client that waits to be told to go on sends no more once it is answered.
        let is_read = leftover.is_none() || (!waits_for_us && leftover.discard().await);
        let reply = if is_read && admitted.is_ok() {
            reply
        } else {
            reply.with(header::CONNECTION, HeaderValue::from_static("close"))
        };
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let status = reply.status.as_u16();
        tracing::info!(id, %client, %method, path, status, micros, "request");
        self.door.cors.tell(asking, reply).into_response(&id)
    }

    async fn answer(&self, request: Request) -> Reply {
        let id = request.id.clone();
        // Whatever is logged on the way says which request it was.
        let span = tracing::error_span!("handling", id);
        AssertUnwindSafe(self.handler.handle(request))
            .catch_unwind()
            .instrument(span)
            .await
            .unwrap_or_else(|_| {
                // The panic itself was logged by the hook.
                tracing::error!(id, "a handler panicked");
                self.handler.panicked()
            })
    }
}
