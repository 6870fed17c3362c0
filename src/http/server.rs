//! The server: connections to requests, replies to connections, one log line a request.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::Instrument;

use super::cors::Headers;
use super::gate::{self, Rejected};
use super::limits::{self, Deadlines};
use super::places::{Free, Place, Places};
use super::proxies::Proxies;
use super::pulse::Pulse;
use super::request::ComingBody;
use super::tls::{self, Tls};
use super::watch::Watch;
use super::{Cors, Reply, Request};

/// Whoever answers requests.
pub trait Handle: Send + Sync + 'static {
    /// The headers of its own that it reads and says.
    const HEADERS: Headers;

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
    pub deadlines: Deadlines,
    /// Connections at once from one address; `None` for as many as there are.
    pub per_address_max: Option<usize>,
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
    let places = Arc::new(Places::new(server.door.per_address_max));
    // Each connection listens whether to stop, and is over when it listens no more.
    let stopping = watch::Sender::new(());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer, free)) => {
                let is_proxy = server.door.proxies.trusts(peer.ip());
                let Some(place) = places.take(free, peer.ip(), is_proxy) else {
                    continue;
                };
                let (server, stop) = (Arc::clone(&server), stopping.subscribe());
                tokio::spawn(async move {
                    let visitor = Visitor { peer, place };
                    if let Err(error) = server.attend(stream, visitor, stop).await {
                        tracing::debug!(%peer, error, "connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.send_replace(());
    let drained = timeout(limits::DRAIN_DEADLINE, stopping.closed());
    if drained.await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Places,
) -> io::Result<(TcpStream, SocketAddr, Free)> {
    let free = places.free().await;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, free))
}

/// Who is connected.
struct Visitor {
    peer: SocketAddr,
    place: Place,
}

/// Says when to stop, and by being there that the connection is.
type Stop = watch::Receiver<()>;

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Serves a connection until it ends, or is to be left: then it takes no more requests, and what
/// is under way goes on for so long.
async fn until_left<C>(connection: C, leave: impl Future<Output = ()>, grace: Duration) -> Ended
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = leave => connection.as_mut().graceful_shutdown(),
    }
    Ok(timeout(grace, connection).await??)
}

/// Waits until it is time to stop.
async fn told(stop: &mut Stop) {
    let _ = stop.changed().await; // An error says that the server is gone.
}

impl<H: Handle> Server<H> {
    /// A connection, to its end.
    async fn attend(self: Arc<Self>, stream: TcpStream, visitor: Visitor, stop: Stop) -> Ended {
        // Replies are written whole; waiting for more to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.door.tls else {
            return self.attend_http_1(stream, visitor, stop).await;
        };
        let stream = timeout(self.door.deadlines.handshake, tls.accept(stream)).await??;
        if stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2) {
            self.attend_http_2(stream, visitor, stop).await
        } else {
            self.attend_http_1(stream, visitor, stop).await
        }
    }

    async fn attend_http_1(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        visitor: Visitor,
        mut stop: Stop,
    ) -> Ended {
        let deadlines = self.door.deadlines;
        let (stream, phase) = Watch::new(stream, deadlines);
        let service = service_fn(|request| {
            let (server, phase, visitor) = (&self, Arc::clone(&phase), &visitor);
            async move {
                let is_sound = phase.begin();
                let mut response = server.respond(request, visitor, is_sound).await;
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
        until_left(connection, told(&mut stop), limits::DRAIN_DEADLINE).await
    }

    async fn attend_http_2(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        visitor: Visitor,
        mut stop: Stop,
    ) -> Ended {
        let deadlines = self.door.deadlines;
        let pulse = Arc::<Pulse>::default();
        let (beats, visitor) = (Arc::clone(&pulse), Arc::new(visitor));
        let visited = Arc::clone(&visitor);
        let service = service_fn(move |request| {
            let (server, visitor) = (Arc::clone(&self), Arc::clone(&visitor));
            let beat = beats.begin();
            async move {
                let response = server.respond(request, &visitor, true).await;
                drop(beat);
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            // A client that is gone or takes nothing does not answer either.
            .keep_alive_interval(deadlines.idle / 2)
            .keep_alive_timeout(deadlines.write_stall)
            .max_concurrent_streams(limits::STREAMS_MAX)
            .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
            .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
            .max_header_list_size(u32::try_from(limits::HEAD_MAX_BYTES).unwrap_or(u32::MAX))
            .serve_connection(TokioIo::new(stream), service);
        let leave = async {
            tokio::select! {
                () = told(&mut stop) => {}
                () = pulse.until_still(deadlines.head, deadlines.idle) => {}
                () = visited.place.until_stuck(deadlines.body) => {}
            }
        };
        until_left(connection, leave, deadlines.body).await
    }

    /// One request to its response, logged.
    async fn respond(
        &self,
        request: hyper::Request<Incoming>,
        Visitor { peer, place }: &Visitor,
        is_sound: bool,
    ) -> hyper::Response<Full<Bytes>> {
        let began = Instant::now();
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}-{n}", self.start);
        let (head, body) = request.into_parts();
        let admitted = if !is_sound {
            Err(Rejected::Framing)
        } else if place.is_crowded() {
            Err(Rejected::Crowded)
        } else {
            gate::admit(&head)
        };
        let waits_for_us = head.headers.contains_key(header::EXPECT);
        let asking = self.door.cors.asking(&head.method, &head.headers);
        let client = self.door.proxies.client(peer.ip(), &head.headers);
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let body = ComingBody::new(body, place.part(), self.door.deadlines);
        let request = Request::new(head, body, id.clone(), client);
        let leftover = request.leftover();
        let reply = match admitted {
            Ok(()) => {
                let reply = self.answer(request).await;
                // What many waited for at once was admitted before any of it was there.
                if method == Method::GET && place.is_crowded() {
                    self.handler.rejected(Rejected::Crowded)
                } else {
                    reply
                }
            }
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
        let mut reply = self.door.cors.tell(asking, H::HEADERS, reply);
        reply.body = place.count(reply.body);
        reply.into_response(&id)
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
