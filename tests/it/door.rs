//! The door: how often somebody may come, whose word is taken for who asks, pages of other
//! origins, slow clients, and TLS.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use ureq::http::{Request, Version};
use ureq::tls::TlsConfig;

use crate::command::{PATIENCE, Process, binary, must_run, run};
use crate::routes;
use crate::shop::{Ask, Heard, Shop};

/// A stocked shop with other settings than tests have.
fn shop_with(flags: &str) -> Shop {
    let mut shop = Shop::stocked();
    shop.token("ann");
    shop.close();
    shop.reopen_with(flags);
    shop
}

fn login(shop: &Shop, name: &str, password: &str, client: &str) -> Heard {
    let form = json!({"username": name, "password": password});
    let ask = Ask::new("POST /auth/login/").json(&form);
    shop.ask(ask.header("X-Forwarded-For", client))
}

fn is_throttled(heard: &Heard) -> bool {
    if heard.status != 429 {
        return false;
    }
    let after: u64 = heard.header("Retry-After").parse().expect("seconds");
    assert!((1..=900).contains(&after), "{after}");
    assert_eq!(heard.json()["code"], "throttled");
    true
}

#[test]
fn ten_wrong_passwords_shut_out_one_name_at_one_address() {
    let shop = shop_with("--trusted-proxy 127.0.0.1");
    let (home, away) = ("203.0.113.7", "203.0.113.8");
    for _ in 0..10 {
        assert_eq!(login(&shop, "ann", "wrong", home).status, 400);
    }
    let right = "ann likes strong tea";
    assert!(
        is_throttled(&login(&shop, "ann", right, home)),
        "even with the right one"
    );
    assert!(
        is_throttled(&login(&shop, "ANN", right, home)),
        "the same name"
    );
    assert_eq!(
        login(&shop, "ann", right, away).status,
        200,
        "from elsewhere"
    );
    assert_eq!(
        login(&shop, "boss", "wrong", home).status,
        400,
        "another name"
    );
    // A name that nobody has is counted alike: nothing is told about who is there.
    for _ in 0..10 {
        assert_eq!(login(&shop, "nobody-here", "wrong", home).status, 400);
    }
    assert!(is_throttled(&login(&shop, "nobody-here", "wrong", home)));
    // Who guesses an old password with a stolen token is counted too.
    let change = json!({"old_password": "wrong", "new_password": "kettle and tea", "confirm_password": "kettle and tea"});
    let guess = || shop.say("ann", "POST /auth/profile/change-pass/", change.clone());
    for _ in 0..10 {
        assert_eq!(guess().status, 400);
    }
    assert!(is_throttled(&guess()));
}

#[test]
fn who_guesses_many_passwords_at_once_is_told_of_ten() {
    let shop = shop_with("--trusted-proxy 127.0.0.1");
    let told = thread::scope(|scope| {
        let guess = || scope.spawn(|| login(&shop, "ann", "wrong", "203.0.113.7").status);
        let guesses: Vec<_> = (0..40).map(|_| guess()).collect();
        let statuses = guesses.into_iter().map(|guess| guess.join().unwrap());
        statuses.filter(|status| *status == 400).count()
    });
    // Two are hashed at once, so one more may have been on its way.
    assert!((10..=11).contains(&told), "{told}");
}

#[test]
fn thirty_accounts_a_minute_are_opened_from_one_address() {
    let shop = shop_with("--trusted-proxy 127.0.0.0/8");
    let sign_up = |n: u32, client: &str| {
        let form = json!({"username": format!("new{n}"), "email": format!("new{n}@shop.test"),
            "password": "strong tea", "confirm_pass": "strong tea"});
        let ask = Ask::new("POST /auth/sign-up/").json(&form);
        shop.ask(ask.header("X-Forwarded-For", client))
    };
    let network = |n: u32| format!("2001:db8::{n:x}");
    let began = Instant::now();
    let heard: Vec<u16> = (0..40).map(|n| sign_up(n, &network(n)).status).collect();
    let opened = heard.iter().filter(|status| **status == 201).count();
    let refused = heard.iter().filter(|status| **status == 429).count();
    let regained = usize::try_from(began.elapsed().as_secs() / 2).unwrap() + 1;
    assert!(
        (30..=30 + regained).contains(&opened) && opened + refused == 40,
        "{heard:?}"
    );
    assert_eq!(
        sign_up(50, "2001:db8:0:1::1").status,
        201,
        "another network"
    );
}

#[test]
fn who_asks_far_too_often_is_told_when_to_come_again() {
    let shop = shop_with("");
    // A dear one, which a slow machine can ask for often enough.
    let ask = || shop.say("nobody", "POST /auth/login/", json!({}));
    let deadline = Instant::now() + PATIENCE;
    let mut answered = 0;
    // Four at a time: one alone may be slower than what is given back.
    let refused = thread::scope(|scope| {
        let worker = || {
            let mut answered = 0;
            while Instant::now() < deadline {
                let heard = ask();
                if heard.status == 429 {
                    return (answered, is_throttled(&heard));
                }
                assert_eq!(heard.status, 400);
                answered += 1;
            }
            (answered, false)
        };
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        let ended = workers.into_iter().map(|worker| worker.join().unwrap());
        ended.fold(true, |all, (count, refused)| {
            answered += count;
            all && refused
        })
    });
    assert!(refused && answered >= 190, "{answered}");
    // Whoever watches over the shop hears of it all the same, and its backups are made.
    let (over, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let status = shop.say("nobody", "GET /", Value::Null).status;
                    refused.fetch_add(usize::from(status == 429), Ordering::SeqCst);
                }
            });
        }
        let is_answered = |path: &str| shop.say("nobody", path, Value::Null).status != 429;
        let answered = (0..100).all(|_| is_answered("GET /healthz") && is_answered("GET /readyz"));
        over.store(true, Ordering::SeqCst);
        assert!(answered);
    });
    assert!(refused.into_inner() > 0, "it was still too much");
    let file = shop.dir().join("a.redb");
    must_run(shop.dir(), &format!("backup {}", file.display()), "");
}

/// Whom the log names for a request that says it is `said`'s.
fn client_logged(shop: &Shop, number: usize, said: &str) -> String {
    let path = format!("/nowhere/{number}/");
    let ask = Ask::new(&format!("GET {path}")).header("X-Forwarded-For", said);
    assert_eq!(shop.ask(ask).status, 404);
    client_of(shop, &path)
}

/// Whom the log names for the request of this path.
fn client_of(shop: &Shop, path: &str) -> String {
    let line = loop {
        let log = shop.process().stderr(); // It may come a moment after the reply.
        if let Some(line) = log.lines().rfind(|line| line.contains(path)) {
            break line.to_owned();
        }
        thread::yield_now();
    };
    let line: Value = serde_json::from_str(&line).unwrap();
    line["client"].as_str().unwrap().to_owned()
}

#[test]
fn a_word_for_others_is_taken_from_trusted_proxies_alone() {
    let shop = Shop::open();
    assert_eq!(client_logged(&shop, 0, "203.0.113.7"), "127.0.0.1");
    let log = shop.process().stderr();
    assert!(
        log.contains("--trusted-proxy"),
        "who runs it is told: {log}"
    );
    let shop = shop_with("--trusted-proxy 127.0.0.1,10.0.0.0/8");
    // What is no text is nobody's word, and what stands before it is not looked at.
    let head = b"GET /nowhere/bytes/ HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: \xff, 203.0.113.7, 10.0.0.1\r\n\r\n";
    assert!(shop.raw(head).starts_with("HTTP/1.1 404 "));
    assert_eq!(client_of(&shop, "/nowhere/bytes/"), "203.0.113.7");
    let head = b"GET /nowhere/more/ HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: \xff\r\n\r\n";
    assert!(shop.raw(head).starts_with("HTTP/1.1 404 "));
    assert_eq!(client_of(&shop, "/nowhere/more/"), "127.0.0.1");
    for (number, (said, client)) in [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("203.0.113.7, nonsense, 10.1.2.3", "10.1.2.3"),
        ("nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(client_logged(&shop, number, said), client, "{said}");
    }
}

#[test]
fn pages_of_other_origins_are_let_in_by_name() {
    let ask = |shop: &Shop, call: &str, origin: &str| {
        let ask = Ask::new(call).header("Origin", origin);
        shop.ask(ask.header("Access-Control-Request-Method", "PATCH"))
    };
    let closed = Shop::stocked();
    for call in ["GET /products/products/", "OPTIONS /cart/cart-update/"] {
        let heard = ask(&closed, call, "https://shop.example");
        let cors = heard
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with("access-control"));
        assert_eq!(cors.count(), 0, "{call}");
    }
    let shop = shop_with("--cors-origin https://shop.example,http://localhost:5173");
    let document = routes::document(&shop);
    for origin in ["https://shop.example", "http://localhost:5173"] {
        let read = ask(&shop, "GET /products/products/", origin);
        assert_eq!(read.header("Access-Control-Allow-Origin"), origin);
        let may_read = read.header("Access-Control-Expose-Headers");
        let may_read: Vec<&str> = may_read.split(", ").collect();
        for name in routes::headers(&document) {
            let name = name.to_ascii_lowercase();
            // Content-Type and Cache-Control any page may read.
            let is_common = name == "cache-control";
            assert!(is_common || may_read.contains(&&*name), "{name}");
        }
        let first = ask(&shop, "OPTIONS /cart/cart-update/", origin);
        assert_eq!(first.status, 204);
        assert_eq!(first.header("Access-Control-Allow-Origin"), origin);
        assert!(
            first
                .header("Access-Control-Allow-Methods")
                .contains("PATCH")
        );
        assert!(
            first
                .header("Access-Control-Allow-Headers")
                .contains("authorization")
        );
        assert_eq!(first.header("Access-Control-Allow-Credentials"), "");
        let nowhere = ask(&shop, "GET /nowhere/", origin);
        assert_eq!(
            nowhere.header("Access-Control-Allow-Origin"),
            origin,
            "errors are read too"
        );
    }
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "null",
    ] {
        let heard = ask(&shop, "GET /products/products/", origin);
        assert_eq!(heard.header("Access-Control-Allow-Origin"), "", "{origin}");
        assert!(
            heard
                .headers
                .get_all("Vary")
                .iter()
                .any(|what| what == "origin"),
            "{origin}"
        );
    }
    let refused = run(shop.dir(), "serve --cors-origin shop.example/path", "");
    assert!(
        refused.code == Some(2) && refused.stderr.contains("https://shop.example"),
        "{refused:?}"
    );
}

#[test]
fn a_body_that_hardly_comes_is_not_waited_for() {
    let shop = Shop::open();
    let mut socket = shop.connect();
    let head = "POST /auth/login/ HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let began = Instant::now();
    let mut writer = socket.try_clone().unwrap();
    let dripping = thread::spawn(move || {
        while writer.write_all(b" ").is_ok() {
            thread::park_timeout(Duration::from_millis(200));
        }
    });
    let mut heard = String::new();
    let _ = socket.read_to_string(&mut heard); // It may be reset behind the reply.
    assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    assert!(
        heard.contains("body_too_slow") && heard.contains("connection: close"),
        "{heard}"
    );
    let took = began.elapsed().as_secs();
    assert!((10..60).contains(&took), "{took} s");
    dripping.join().unwrap();
}

/// Writes a certificate of its own for `localhost`.
fn certify(dir: &Path) -> Vec<u8> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
    fs::write(dir.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().to_vec()
}

#[test]
fn a_shop_speaks_tls_and_shows_a_renewed_certificate_when_it_is_told() {
    let mut shop = Shop::stocked();
    shop.close();
    let dir = shop.dir().to_owned();
    let (process, port, first) = tls_shop(&dir);
    let trusting = |certificate: &[u8]| {
        let certificate = ureq::tls::Certificate::from_der(certificate).to_owned();
        let roots = ureq::tls::RootCerts::new_with_certs(&[certificate]);
        let tls = TlsConfig::builder().root_certs(roots).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .build()
            .new_agent();
        agent
            .get(format!("https://localhost:{port}/products/detail/1/"))
            .call()
    };
    let reply = trusting(&first).unwrap();
    assert_eq!(
        (reply.status().as_u16(), reply.version()),
        (200, Version::HTTP_11)
    );

    // Who speaks no TLS hears nothing of the shop.
    let mut plain = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n")
        .unwrap();
    let mut heard = Vec::new();
    let _ = plain.read_to_end(&mut heard);
    assert!(
        !String::from_utf8_lossy(&heard).contains("HTTP/"),
        "{heard:?}"
    );

    // A backup is asked for over it as well.
    let file = dir.join("backup.redb");
    must_run(&dir, &format!("backup {}", file.display()), "");

    let second = certify(&dir);
    process.hang_up();
    let deadline = Instant::now() + PATIENCE;
    while trusting(&second).is_err() {
        assert!(
            Instant::now() < deadline,
            "the new one is not shown\n{}",
            process.stderr()
        );
        thread::yield_now();
    }
    assert!(trusting(&first).is_err(), "the old one is gone");
    // A file that is no certificate changes nothing.
    fs::write(dir.join("cert.pem"), "nonsense").unwrap();
    process.hang_up();
    while !process.stderr().contains("can't be read again") {
        assert!(Instant::now() < deadline, "{}", process.stderr());
        thread::yield_now();
    }
    assert_eq!(trusting(&second).unwrap().status(), 200);
    process.close();
    let refused = run(
        &dir,
        &format!(
            "serve --tls-cert {0}/cert.pem --tls-key {0}/key.pem",
            dir.display()
        ),
        "",
    );
    assert!(
        refused.code == Some(1) && refused.stderr.contains("cert.pem"),
        "{refused:?}"
    );
}

/// A shop that speaks TLS, its port, and its certificate.
fn tls_shop(dir: &Path) -> (Process, u16, Vec<u8>) {
    let certificate = certify(dir);
    let mut serve = binary("serve --listen 127.0.0.1:0 --data-dir");
    serve.arg(dir).arg("--tls-cert").arg(dir.join("cert.pem"));
    serve.arg("--tls-key").arg(dir.join("key.pem"));
    let process = Process::start(serve, "");
    let port = process.port();
    (process, port, certificate)
}

#[tokio::test]
async fn http_2_comes_with_tls_and_passes_the_same_gate() {
    let mut shop = Shop::stocked();
    shop.close();
    let (process, port, certificate) = tls_shop(shop.dir());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    for (method, uri, host, status) in [
        ("GET", "https://localhost/products/detail/1/", None, 200),
        ("GET", "https://localhost/nowhere/", None, 404),
        ("GET", "https://localhost/healthz", Some("localhost"), 200),
        ("GET", "https://localhost/healthz", Some("elsewhere"), 400),
        ("GET", "https://ann@localhost/healthz", None, 400),
        ("GET", "https://localhost/../healthz", None, 400),
        ("GET", "https://localhost//healthz", None, 400),
        ("BREW", "https://localhost/healthz", None, 501),
    ] {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .version(Version::HTTP_2);
        if let Some(host) = host {
            request = request.header("Host", host);
        }
        let (reply, _) = sender
            .send_request(request.body(()).unwrap(), true)
            .unwrap();
        let reply = reply
            .await
            .unwrap_or_else(|error| panic!("{method} {uri}: {error}"));
        assert_eq!(reply.status().as_u16(), status, "{method} {uri} {host:?}");
        sender = sender.ready().await.unwrap();
    }
    drop(sender);
    process.close();
}
