//! The server over a socket, and the router.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::accept;
use super::{
    Door, Found, Handle, Headers, Method, Rejected, Reply, Request, Router, StatusCode, serve,
};

/// Echoes bodies up to 8 bytes, of long ones their length; panics when asked to, and says much.
struct Echo;

/// Enough for others to ask meanwhile.
pub const LATER: Duration = Duration::from_millis(700);
pub const LONG: usize = 1 << 20;
/// More than sockets take on their own.
pub const MUCH: usize = 32 << 20;

impl Handle for Echo {
    const HEADERS: Headers = Headers { read: "", said: "" };

    async fn handle(&self, mut request: Request) -> Reply {
        assert_ne!(request.path, "/panic", "as asked");
        if request.path == "/much-later" {
            tokio::time::sleep(LATER).await;
        }
        if request.path.starts_with("/much") {
            return Reply::new(StatusCode::OK, "text/plain", vec![b'x'; MUCH]);
        }
        let max_bytes = if request.path == "/long" { LONG } else { 8 };
        match request.body(max_bytes).await {
            Ok(body) => Reply::new(StatusCode::OK, "text/plain", body),
            Err(error) => Reply::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "text/plain",
                format!("{error:?}"),
            ),
        }
    }

    fn rejected(&self, why: Rejected) -> Reply {
        Reply::new(StatusCode::BAD_REQUEST, "text/plain", format!("{why:?}"))
    }

    fn panicked(&self) -> Reply {
        Reply::new(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "alive")
    }
}

fn with_server(test: impl FnOnce(SocketAddr) + Send + 'static) {
    with_door(Door::default(), test);
}

pub fn with_door(door: Door, test: impl FnOnce(SocketAddr) + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, door, Echo, async {
            let _ = stopped.await;
        }));
        tokio::task::spawn_blocking(move || test(address))
            .await
            .expect("the test");
        drop(stop);
        server.await.expect("the server ends when told to");
    });
}

/// Sends raw requests on one connection and returns all that comes until it closes.
fn exchange(address: SocketAddr, requests: &[&str]) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream
        .write_all(requests.concat().as_bytes())
        .expect("sent");
    let mut heard = String::new();
    stream
        .read_to_string(&mut heard)
        .expect("closed in the end");
    heard
}

#[test]
fn a_panic_is_a_500_with_its_request_id_and_the_next_request_is_served() {
    with_server(|address| {
        let first = exchange(
            address,
            &["GET /panic HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"],
        );
        let second = exchange(
            address,
            &["POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nstill"],
        );
        assert!(first.starts_with("HTTP/1.1 500"), "{first}");
        assert!(first.contains("x-request-id: "), "{first}");
        assert!(first.contains("alive"), "{first}");
        assert!(second.ends_with("stil"), "{second}");
    });
}

#[test]
fn a_body_beyond_its_limit_is_refused_announced_or_chunked() {
    with_server(|address| {
        let announced = exchange(
            address,
            &[
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nConnection: close\r\n\r\n123456789",
            ],
        );
        assert!(announced.ends_with("TooLarge"), "{announced}");
        let chunked = exchange(
            address,
            &[
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n",
            ],
        );
        assert!(chunked.ends_with("TooLarge"), "{chunked}");
        let fits = exchange(
            address,
            &[
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n8\r\n12345678\r\n0\r\n\r\n",
            ],
        );
        assert!(fits.ends_with("12345678"), "{fits}");
    });
}

#[test]
fn paths_match_with_and_without_their_slash_and_never_with_two() {
    let router = Router::new([
        (Method::GET, "/", "root"),
        (Method::GET, "/a/{id}/", "read"),
        (Method::PATCH, "/a/{id}/", "edit"),
    ]);
    let find = |method, path| match router.find(&method, path) {
        Found::Row(row, params) => (*row, params.get("id").unwrap_or_default().to_owned()),
        Found::WrongMethod(rows) => ("wrong method", rows.len().to_string()),
        Found::NoPath => ("no path", String::new()),
    };
    let row = |row: &'static str, id: &str| (row, id.to_owned());
    assert_eq!(find(Method::GET, "/"), row("root", ""));
    assert_eq!(find(Method::GET, "/a/7/"), row("read", "7"));
    assert_eq!(find(Method::HEAD, "/a/7"), row("read", "7"));
    assert_eq!(find(Method::PATCH, "/a/7"), row("edit", "7"));
    assert_eq!(find(Method::POST, "/a/7"), row("wrong method", "2"));
    for path in ["/a", "/a/", "/a/7//", "//a/7", "/A/7", "/a/7/8", ""] {
        assert_eq!(find(Method::GET, path), row("no path", ""), "{path}");
    }
}

#[test]
fn the_closest_range_decides_and_equals_go_by_our_order() {
    let offers = ["application/json", "text/html"];
    let best = |accept| accept::best(accept, &offers);
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, chosen) in [
        (None, Some("application/json")),
        (Some(""), Some("application/json")),
        (Some("*/*"), Some("application/json")),
        (Some("application/json; indent=4"), Some("application/json")),
        (Some(browser), Some("text/html")),
        (Some("TEXT/*"), Some("text/html")),
        (
            Some("application/json;q=0.4, text/html;q=0.5"),
            Some("text/html"),
        ),
        (Some("application/json;q=0, */*"), Some("text/html")),
        (Some("*/*;q=0"), None),
        (Some("application/xml"), None),
        (Some("garbage"), None),
        (Some("text/html;q=2"), None),
    ] {
        assert_eq!(best(accept), chosen, "{accept:?}");
    }
}
