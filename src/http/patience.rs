//! Deadlines over sockets: the server's own, made short.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::limits::{CONNECTION_WINDOW_BYTES, Deadlines, LOAD_PER_ADDRESS_MAX_BYTES, STREAMS_MAX};
use super::tests::{LATER, LONG, MUCH, with_door};
use super::{Door, Tls};

/// Each of its own length, so that none is taken for another.
const SHORT: Deadlines = Deadlines {
    handshake: Duration::from_millis(300),
    head: Duration::from_millis(500),
    body_grace: Duration::from_millis(700),
    body: Duration::from_millis(1_300),
    write_stall: Duration::from_millis(900),
    idle: Duration::from_millis(1_100),
};
/// What a busy machine may add.
const LATE: Duration = Duration::from_secs(5);
const ASK: &str = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

fn short() -> Door {
    Door {
        deadlines: SHORT,
        ..Door::default()
    }
}

/// Sends this, then waits; says what came until the connection ended, and after how long it did.
fn say(address: SocketAddr, words: &str) -> (String, Duration) {
    let mut socket = TcpStream::connect(address).expect("connected");
    socket.set_read_timeout(Some(LATE)).expect("set");
    let began = Instant::now();
    socket.write_all(words.as_bytes()).expect("sent");
    let mut heard = Vec::new();
    let ended = socket.read_to_end(&mut heard);
    if let Err(error) = ended {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    let heard = String::from_utf8_lossy(&heard).into_owned();
    (heard, began.elapsed())
}

#[track_caller]
fn assert_after(deadline: Duration, took: Duration) {
    assert!(
        took >= deadline.mul_f64(0.9) && took < deadline + LATE,
        "{took:?} where {deadline:?} are given"
    );
}

#[test]
fn who_is_late_with_a_head_or_the_next_request_is_left() {
    with_door(short(), |address| {
        for words in ["", "GET / HTTP/1.1\r\nHost: sh"] {
            let (heard, took) = say(address, words);
            assert_eq!(heard, "");
            assert_after(SHORT.head, took);
        }
        let (heard, took) = say(address, ASK);
        assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
        assert_after(SHORT.idle, took);
        // The next head has its time from its own first byte.
        let mut socket = TcpStream::connect(address).expect("connected");
        socket.write_all(ASK.as_bytes()).expect("sent");
        thread::sleep(SHORT.head);
        socket.write_all(&ASK.as_bytes()[..9]).expect("sent");
        let began = Instant::now();
        let _ = socket.read_to_end(&mut Vec::new());
        assert_after(SHORT.head, began.elapsed());
    });
}

#[test]
fn who_is_late_with_a_body_is_told_so_and_left() {
    with_door(short(), |address| {
        let head = "POST /long HTTP/1.1\r\nHost: shop\r\nContent-Length: 90000\r\n\r\n";
        let (heard, took) = say(address, &format!("{head}some of it"));
        assert!(heard.ends_with("TooSlow"), "{heard}");
        assert_after(SHORT.body_grace, took);

        // Fast enough, and too long all the same.
        let mut socket = TcpStream::connect(address).expect("connected");
        let mut writer = socket.try_clone().expect("cloned");
        let began = Instant::now();
        writer.write_all(head.as_bytes()).expect("sent");
        let steady = thread::spawn(move || {
            for _ in 0..500 {
                if writer.write_all(&[b'x'; 100]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let mut heard = Vec::new();
        let _ = socket.read_to_end(&mut heard); // It may be reset behind the reply.
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.ends_with("TooSlow"), "{heard}");
        assert_after(SHORT.body, began.elapsed());
        drop(socket);
        steady.join().expect("it ends");
    });
}

#[test]
fn who_takes_nothing_of_a_reply_is_left_and_who_takes_it_slowly_hears_it_all() {
    with_door(short(), |address| {
        let mut greedy = TcpStream::connect(address).expect("connected");
        let ask = ASK.replace("GET / ", "GET /much ");
        greedy.write_all(ask.as_bytes()).expect("sent");
        let mut slow = greedy.try_clone().expect("cloned");
        thread::sleep(SHORT.write_stall * 3);
        let mut heard = Vec::new();
        let _ = slow.read_to_end(&mut heard);
        assert!(heard.starts_with(b"HTTP/1.1 200") && heard.len() < MUCH);

        let mut slow = TcpStream::connect(address).expect("connected");
        slow.write_all(ask.as_bytes()).expect("sent");
        let (began, mut taken) = (Instant::now(), 0);
        let mut piece = vec![0; 1 << 20];
        while taken < MUCH {
            taken += slow.read(&mut piece).expect("there is more");
            thread::sleep(SHORT.write_stall / 100);
        }
        assert!(began.elapsed() > SHORT.write_stall / 5);
    });
}

#[test]
fn an_address_has_so_many_connections_and_a_new_one_when_one_ends() {
    let door = Door {
        per_address_max: Some(3),
        ..Door::default()
    };
    with_door(door, |address| {
        let serves = |socket: &mut TcpStream| {
            let mut piece = [0; 12];
            socket.write_all(ASK.as_bytes()).is_ok()
                && socket.read_exact(&mut piece).is_ok()
                && piece == *b"HTTP/1.1 200"
        };
        let connect = || TcpStream::connect(address).expect("connected");
        let mut first: Vec<_> = (0..3).map(|_| connect()).collect();
        assert!(first.iter_mut().all(serves));
        assert!(!serves(&mut connect()));
        first.pop();
        let deadline = Instant::now() + LATE;
        while !serves(&mut connect()) {
            assert!(Instant::now() < deadline, "no room after one left");
            thread::yield_now();
        }
    });
}

#[test]
fn who_takes_nothing_of_many_replies_is_made_no_more_of_them() {
    let door = Door {
        per_address_max: Some(9),
        ..Door::default()
    };
    with_door(door, |address| {
        let ask = |path: &str| {
            let mut socket = TcpStream::connect(address).expect("connected");
            let ask = format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");
            socket.write_all(ask.as_bytes()).expect("sent");
            let mut begun = [0; 12];
            socket.read_exact(&mut begun).expect("answered");
            (socket, String::from_utf8_lossy(&begun).into_owned())
        };
        let greedy: Vec<_> = (0..=LOAD_PER_ADDRESS_MAX_BYTES / MUCH)
            .map(|_| ask("/much"))
            .collect();
        assert!(greedy.iter().all(|(_, begun)| begun == "HTTP/1.1 200"));
        let (mut socket, _) = ask("/");
        let mut heard = String::new();
        socket.read_to_string(&mut heard).expect("closed");
        assert!(heard.ends_with("Crowded"), "{heard}");
        drop(greedy);
        let deadline = Instant::now() + LATE;
        while ask("/").1 != "HTTP/1.1 200" {
            assert!(Instant::now() < deadline, "still crowded");
            thread::yield_now();
        }
    });
}

#[test]
fn who_asks_for_much_many_times_at_once_is_not_given_it_all() {
    let door = Door {
        per_address_max: Some(9),
        ..Door::default()
    };
    with_door(door, |address| {
        let ask = |_| {
            let mut socket = TcpStream::connect(address).expect("connected");
            let ask = "GET /much-later HTTP/1.1\r\nHost: shop\r\n\r\n";
            socket.write_all(ask.as_bytes()).expect("sent");
            socket
        };
        let given = (0..8)
            .map(ask)
            .collect::<Vec<_>>()
            .into_iter()
            .filter(|socket| {
                let mut begun = [0; 12];
                let mut socket = socket;
                socket.read_exact(&mut begun).expect("answered");
                begun == *b"HTTP/1.1 200"
            });
        // Two fill it, a third passes it, and a fourth may have come beside that one.
        let given = given.collect::<Vec<_>>().len();
        assert!((3..=4).contains(&given), "{given}");
    });
}

#[test]
fn who_sends_many_bodies_at_once_is_told_that_it_is_too_much() {
    let room = LOAD_PER_ADDRESS_MAX_BYTES / LONG;
    let door = Door {
        per_address_max: Some(room * 3),
        ..Door::default()
    };
    with_door(door, move |address| {
        let body = vec![b'x'; LONG];
        let begin = |_| {
            let mut socket = TcpStream::connect(address).expect("connected");
            let head = format!(
                "POST /long HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: {LONG}\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).expect("sent");
            let _ = socket.write_all(&body[1..]); // It may be reset when it is refused.
            socket
        };
        // They wait for their last bytes, all let in and twice as many as there is room for.
        let begun: Vec<_> = (0..room * 2).map(begin).collect();
        let mut refused = 0;
        for mut socket in begun {
            let _ = socket.write_all(b"x");
            let mut heard = String::new();
            let _ = socket.read_to_string(&mut heard);
            let is_refused = heard.starts_with("HTTP/1.1 413") && heard.ends_with("Crowded");
            assert!(
                is_refused || heard.starts_with("HTTP/1.1 200"),
                "{heard:.99}"
            );
            refused += usize::from(is_refused);
        }
        assert!((1..room * 3 / 2).contains(&refused), "{refused}");
        let ask = ASK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let deadline = Instant::now() + LATE;
        loop {
            let (heard, _) = say(address, &ask);
            if heard.starts_with("HTTP/1.1 200") {
                break;
            }
            assert!(Instant::now() < deadline, "still crowded");
        }
    });
}

#[test]
fn an_http_2_client_sends_little_of_bodies_that_nobody_reads() {
    let (door, tls) = with_tls();
    with_door(door, move |address| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let stream = handshake(&tls, address).await;
            let (asks, connection) = h2::client::handshake(stream).await.expect("spoken");
            let connection = tokio::spawn(connection);
            let mut bodies = Vec::new();
            for _ in 0..4 {
                let ask = hyper::Request::post("https://localhost/much-later").body(());
                let mut asks = asks.clone().ready().await.expect("ready");
                let (_reply, mut body) = asks
                    .send_request(ask.expect("a request"), false)
                    .expect("sent");
                body.reserve_capacity(LONG);
                bodies.push(body);
            }
            let mut sent = 0;
            // A quarter of the time after which it is answered unread.
            let until = tokio::time::Instant::now() + LATER / 4;
            while tokio::time::Instant::now() < until {
                for body in &mut bodies {
                    let room = body.capacity();
                    sent += room;
                    body.send_data(vec![b'x'; room].into(), false)
                        .expect("sent");
                }
                tokio::time::sleep(LATER / 50).await;
            }
            let most = CONNECTION_WINDOW_BYTES as usize;
            assert!((most / 2..=most).contains(&sent), "{sent}");
            drop(bodies);
            connection.abort();
        });
    });
}

/// A door that speaks TLS, and a client for it.
fn with_tls() -> (Door, TlsConnector) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let dir = tempfile::tempdir().expect("a folder");
    let (pem, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&pem, cert.pem()).expect("written");
    std::fs::write(&key, signing_key.serialize_pem()).expect("written");
    let tls = Tls::open(pem, key).expect("a pair");
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a certificate");
    let provider = Arc::new(crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let door = Door {
        tls: Some(Arc::new(tls)),
        ..short()
    };
    (door, TlsConnector::from(Arc::new(config)))
}

async fn handshake(tls: &TlsConnector, address: SocketAddr) -> TlsStream<tokio::net::TcpStream> {
    let socket = tokio::net::TcpStream::connect(address).await;
    let name = "localhost".try_into().expect("a name");
    let stream = tls.connect(name, socket.expect("connected")).await;
    stream.expect("a handshake")
}

#[test]
fn who_never_ends_a_handshake_is_left() {
    let (door, _) = with_tls();
    with_door(door, |address| {
        let (heard, took) = say(address, "");
        assert_eq!(heard, "");
        assert_after(SHORT.handshake, took);
    });
}

#[test]
fn an_http_2_connection_that_says_nothing_or_only_answers_pings_is_left() {
    use tokio::io::AsyncReadExt;
    let (door, tls) = with_tls();
    with_door(door, move |address| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut silent = handshake(&tls, address).await;
            let began = Instant::now();
            let mut heard = Vec::new();
            let ended = tokio::time::timeout(LATE, silent.read_to_end(&mut heard));
            let _ = ended.await.expect("left");
            assert_after(SHORT.head, began.elapsed());

            // Only the frames that HTTP/2 itself needs: `h2` answers pings.
            let stream = handshake(&tls, address).await;
            let began = Instant::now();
            let (_asks, connection) = h2::client::handshake(stream).await.expect("spoken");
            let _ = tokio::time::timeout(LATE, connection).await.expect("left");
            assert_after(SHORT.head, began.elapsed());

            // Who asked has longer, from the last reply.
            let stream = handshake(&tls, address).await;
            let (asks, connection) = h2::client::handshake(stream).await.expect("spoken");
            let connection = tokio::spawn(connection);
            let mut asks = asks.ready().await.expect("ready");
            let ask = hyper::Request::get("https://localhost/").body(());
            let (reply, _) = asks
                .send_request(ask.expect("a request"), true)
                .expect("sent");
            assert_eq!(reply.await.expect("answered").status(), 200);
            assert_eq!(asks.current_max_send_streams(), STREAMS_MAX as usize);
            let began = Instant::now();
            let _ = tokio::time::timeout(LATE, connection).await.expect("left");
            assert_after(SHORT.idle, began.elapsed());
        });
    });
}

#[test]
fn who_asks_on_over_http_2_and_takes_no_reply_is_left() {
    let (door, tls) = with_tls();
    with_door(door, move |address| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let stream = handshake(&tls, address).await;
            let spoken = h2::client::Builder::new()
                .initial_window_size(0)
                .handshake::<_, bytes::Bytes>(stream);
            let (mut asks, connection) = spoken.await.expect("spoken");
            let connection = tokio::spawn(connection);
            let ask = |path: &str| {
                let ask = hyper::Request::get(format!("https://localhost{path}"));
                ask.body(()).expect("a request")
            };
            let began = Instant::now();
            let (_greedy, _) = asks.send_request(ask("/much"), true).expect("sent");
            while !connection.is_finished() {
                assert!(began.elapsed() < SHORT.body * 3 + LATE, "it is not left");
                let ready = asks.clone().ready().await;
                let sent = ready.and_then(|mut asks| asks.send_request(ask("/"), true));
                if let Ok((reply, _)) = sent {
                    let _ = reply.await;
                }
                tokio::time::sleep(SHORT.idle / 5).await;
            }
            assert!(began.elapsed() > SHORT.body);
        });
    });
}
