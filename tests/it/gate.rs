//! The gate: raw requests, good and bad, with the exact status and whether the connection goes on.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::shop::Shop;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Another one on the same connection is answered.
    GoesOn,
    Closes,
}

use Then::{Closes, GoesOn};

/// A request as lines, `\n` for CRLF, its status (0: closed without a word) and what comes then. The empty line is added. A `␊` is a bare LF, a `␍` a bare CR, a `␀` a NUL.
type Case = (&'static str, u16, Then);

#[rustfmt::skip]
const HOSTS: &[Case] = &[
    ("GET /healthz HTTP/1.1\nHost: shop", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nhost: shop.example:8000", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHOST:shop", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost:   shop  ", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost: 127.0.0.1:80", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost: [::1]:8000", 200, GoesOn),
    ("GET /healthz HTTP/1.1", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost:", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nHost: other", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop, other", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop other", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: ann@shop", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop/path", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: http://shop", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop:", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop:abc", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop:99999", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop:-1", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: :8000", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: [::1", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: ::1]", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: sh\u{f6}p", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: sh\\op", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: <shop>", 400, Closes),
    ("GET http://shop/healthz HTTP/1.1\nHost: shop", 200, GoesOn),
    ("GET https://SHOP/healthz HTTP/1.1\nHost: shop", 200, GoesOn),
    ("GET http://shop/healthz HTTP/1.1\nHost: other", 400, Closes),
    ("GET http://shop/healthz HTTP/1.1", 400, Closes),
    ("GET http://ann@shop/healthz HTTP/1.1\nHost: ann@shop", 400, Closes),
    ("GET ftp://shop/healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/1.0", 200, Closes),
    ("GET /healthz HTTP/1.0\nHost: shop", 200, Closes),
    ("GET /healthz HTTP/1.0\nHost: shop\nConnection: keep-alive", 200, GoesOn),
    ("GET /healthz HTTP/1.0\nHost: shop\nHost: shop", 400, Closes),
];

#[rustfmt::skip]
const REQUEST_LINES: &[Case] = &[
    ("HEAD /healthz HTTP/1.1\nHost: shop", 200, GoesOn),
    ("OPTIONS /healthz HTTP/1.1\nHost: shop", 204, GoesOn),
    ("DELETE /healthz HTTP/1.1\nHost: shop", 405, GoesOn),
    ("\n\nGET /healthz HTTP/1.1\nHost: shop", 200, GoesOn),
    ("TRACE /healthz HTTP/1.1\nHost: shop", 501, Closes),
    ("CONNECT shop:443 HTTP/1.1\nHost: shop:443", 400, Closes),
    ("CONNECT /healthz HTTP/1.1\nHost: shop", 501, Closes),
    ("BREW /healthz HTTP/1.1\nHost: shop", 501, Closes),
    ("PROPFIND /healthz HTTP/1.1\nHost: shop", 501, Closes),
    ("get /healthz HTTP/1.1\nHost: shop", 501, Closes),
    ("Get /healthz HTTP/1.1\nHost: shop", 501, Closes),
    ("G\u{f6}T /healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("GE␀T /healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("(GET) /healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("GET  /healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("GET /healthz  HTTP/1.1\nHost: shop", 400, Closes),
    (" GET /healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("GET\t/healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("GET /healthz", 400, Closes),
    ("GET", 400, Closes),
    ("/healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/1.1 more\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/1.2\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/1\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/0.9\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/2.0\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/3.0\nHost: shop", 400, Closes),
    ("GET /healthz HTTP/11\nHost: shop", 400, Closes),
    ("GET /healthz http/1.1\nHost: shop", 400, Closes),
    ("GET /healthz HTTPS/1.1\nHost: shop", 400, Closes),
    ("GET /healthz ICAP/1.0\nHost: shop", 400, Closes),
    ("PRI * HTTP/2.0\n\nSM\n\n", 0, Closes), // HTTP/2 is spoken over TLS alone.
    ("HTTP/1.1 200 OK\nHost: shop", 400, Closes),
    ("\u{16}\u{3}\u{1}", 400, Closes),
    ("EHLO shop.example", 400, Closes),
    ("GET healthz HTTP/1.1\nHost: shop", 400, Closes),
    ("GET * HTTP/1.1\nHost: shop", 400, Closes),
    ("OPTIONS * HTTP/1.1\nHost: shop", 400, Closes),
    ("GET ? HTTP/1.1\nHost: shop", 400, Closes),
    ("GET /healthz#top HTTP/1.1\nHost: shop", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost: shop\nExpect: 100-continue", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost: shop\nExpect: 200-ok", 417, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nExpect: 100-continue\nExpect: more", 417, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nUpgrade: h2c\nConnection: upgrade, http2-settings\nHTTP2-Settings: AAMAAABkAAQAAP__", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost: shop\nUpgrade: websocket\nConnection: upgrade", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost: shop\nConnection: close", 200, Closes),
];

#[rustfmt::skip]
const PATHS: &[(&str, u16)] = &[
    ("/healthz", 200), ("/healthz/", 200), ("/healthz?", 200), ("/healthz?a=%00&b=../..//", 200), ("/h%65althz", 404),
    ("/", 200), ("//", 400), ("///", 400), ("//healthz", 400), ("/healthz//", 400), ("/products//products/", 400),
    ("/./healthz", 400), ("/healthz/.", 400), ("/healthz/..", 400), ("/../healthz", 400), ("/a/../healthz", 400),
    ("/..", 400), ("/.", 400), ("/...", 404), ("/.healthz", 404), ("/healthz..", 404), ("/..healthz", 404),
    ("/%2e/healthz", 400), ("/%2E%2e/healthz", 400), ("/.%2e/healthz", 400), ("/a/%2e%2e/healthz", 400),
    ("/%2fhealthz", 400), ("/healthz%2F", 400), ("/media/photos%2f..%2f..%2fCargo.toml", 400), ("/a%2fb", 400),
    ("/%5chealthz", 400), ("/healthz%5C", 400), ("/a\\b", 400), ("/..%5c..%5cwindows", 400),
    ("/%00", 400), ("/healthz%00", 400), ("/healthz%0d%0aX:1", 400), ("/healthz%0a", 400), ("/%09", 400), ("/%1f", 400), ("/%7f", 400),
    ("/%", 400), ("/%2", 400), ("/%zz", 400), ("/%u002e", 400), ("/%%32e", 400), ("/healthz%", 400),
    ("/%252e%252e/healthz", 404), ("/%252f", 404), ("/%c0%ae%c0%ae/healthz", 404), ("/%c0%af", 404), ("/%ff", 404), ("/%20", 404),
    ("/HEALTHZ", 404), ("/healthz;a=1", 404), ("/healthz/../../etc/passwd", 400), ("/media/photos/../../token.key", 400),
    ("/products/detail/1%2e", 404), ("/products/detail/%31/", 404), ("/products/detail/-1/", 404), ("/products/detail/+1/", 404),
    ("/products/detail/18446744073709551616/", 404), ("/products/detail/1/2/", 404), ("/products/detail/{id}/", 404),
];

#[rustfmt::skip]
const FRAMINGS: &[Case] = &[
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Type: application/json\nContent-Length: 2\n\n{}", 400, GoesOn),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n2\n{}\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Type: application/json\nTransfer-Encoding: Chunked\n\n2;ext=1\n{}\n0\nTrailer: x\n", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: 0", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: 2\n\n{}", 200, GoesOn),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nTransfer-Encoding: chunked\nContent-Length: 5\n\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Length: 0\nTransfer-Encoding: chunked\n\n0\n", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: 2\nContent-Length: 2\n\n{}", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: 2\nContent-Length: 3\n\n{}", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: 2, 2\n\n{}", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: +2\n\n{}", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: -2\n\n{}", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: 0x2\n\n{}", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: 2 2\n\n{}", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: \u{b2}\n\n{}", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nContent-Length: 99999999999999999999\n\n{}", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nTransfer-Encoding: gzip\n\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nTransfer-Encoding: identity\n\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nTransfer-Encoding: chunked, gzip\n\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nTransfer-Encoding: xchunked\n\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nTransfer-Encoding : chunked\n\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.0\nHost: shop\nTransfer-Encoding: chunked\n\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Type: application/json\nTransfer-Encoding: chunked\n\nzz\n{}\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n-1\n{}\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Type: application/json\nTransfer-Encoding: chunked\n\nfffffffffffffffff\n{}\n0\n", 400, Closes),
    ("POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n2\n{}xx\n0\n", 400, Closes),
    ("GET /healthz HTTP/1.1␊Host: shop␊␊", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop␊X: y", 400, Closes),
    ("GET /healthz HTTP/1.1␊Host: shop", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX: a␍b", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX: a\n folded", 400, Closes),
    ("GET /healthz HTTP/1.1\n Host: shop", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost : shop", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nno colon", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\n: no name", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX Y: z", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX\u{f6}: z", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX: a␀b", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX: a\u{1}b", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX: a\u{7f}b", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX␀: b", 400, Closes),
    ("GET /healthz HTTP/1.1\nHost: shop\nX: tab\there, and \u{f6}", 200, GoesOn),
    ("GET /healthz HTTP/1.1\nHost: shop\nX:", 200, GoesOn),
];

#[test]
fn every_request_is_answered_by_its_form_and_the_connection_goes_on_only_where_its_end_is_clear() {
    let shop = Shop::open();
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut check = |text: &str, bytes: &[u8], wanted: (u16, Then)| {
        let heard = ask(shop.connect(), bytes);
        count += 1;
        if heard != wanted {
            wrong.push(format!("{text}\n  wanted {wanted:?}, heard {heard:?}"));
        }
    };
    for (text, status, then) in [HOSTS, REQUEST_LINES, FRAMINGS].concat() {
        check(text, &wire(text), (status, then));
    }
    for (path, status) in PATHS {
        let text = format!("GET {path} HTTP/1.1\nHost: shop");
        let then = if *status == 400 { Closes } else { GoesOn };
        check(path, &wire(&text), (*status, then));
    }
    for (what, target, headers, status, then) in [
        ("a target of 8 KiB", 8_192, 0, 404, GoesOn),
        ("a longer one", 8_193, 0, 414, Closes),
        ("a head of nearly 16 KiB", 10, 16_000, 404, GoesOn),
        ("a longer one", 10, 17_000, 431, Closes),
    ] {
        let path = "a".repeat(target - 1);
        let text = format!(
            "GET /{path} HTTP/1.1\nHost: shop\nX: {}",
            "x".repeat(headers)
        );
        check(what, &wire(&text), (status, then));
    }
    let many = |n| format!("GET /healthz HTTP/1.1\nHost: shop{}", "\nX: y".repeat(n));
    check("99 headers", &wire(&many(98)), (200, GoesOn));
    check("101 headers", &wire(&many(100)), (431, Closes));
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= 150, "{count}");
}

#[test]
fn what_is_sent_before_its_turn_is_never_answered() {
    let shop = Shop::open();
    let sound = wire("GET /healthz HTTP/1.1\nHost: shop");
    let with_body = wire(
        "POST /auth/login/ HTTP/1.1\nHost: shop\nContent-Type: application/json\nContent-Length: 2\n\n{}",
    );
    for (text, _, _) in FRAMINGS {
        assert_eq!(
            ask(shop.connect(), &[&sound, &*wire(text)].concat()),
            (200, Closes),
            "{text}"
        );
        assert_eq!(
            ask(shop.connect(), &[&*with_body, &*wire(text)].concat()),
            (400, Closes),
            "{text}"
        );
    }
    // In two parts, the second of which alone looks sound.
    let hidden = "POST /auth/login/ HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n";
    let mut socket = shop.connect();
    socket
        .write_all(&[&*sound, hidden.as_bytes()].concat())
        .unwrap();
    assert_eq!(reply(&mut socket, true), Some(200));
    let _ = socket.write_all(b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(reply(&mut socket, true), None);
}

fn wire(text: &str) -> Vec<u8> {
    // Behind a body comes nothing, behind its last chunk an empty line.
    let end = match text.trim_start().split_once("\n\n") {
        None => "\r\n\r\n",
        Some((head, _)) if head.to_ascii_lowercase().contains("chunked") => "\r\n",
        Some(_) => "",
    };
    let text = text.replace('\n', "\r\n") + end;
    let text = text
        .replace('␊', "\n")
        .replace('␍', "\r")
        .replace('␀', "\0");
    // Letters beyond ASCII go as one byte each, as Latin-1 would have it.
    let byte = |c: char| u8::try_from(u32::from(c)).expect("Latin-1");
    text.chars().map(byte).collect()
}

/// Sends it, then another request behind it.
fn ask(mut socket: TcpStream, bytes: &[u8]) -> (u16, Then) {
    let _ = socket.write_all(bytes); // It may be refused before it is sent.
    let status = reply(&mut socket, !bytes.starts_with(b"HEAD")).unwrap_or_default();
    let next = socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: shop\r\n\r\n");
    match next.ok().and_then(|()| reply(&mut socket, true)) {
        Some(_) => (status, GoesOn),
        None => (status, Closes),
    }
}

/// The status of the next reply, which is read to its end; none where the connection is closed
/// without a word.
fn reply(socket: &mut TcpStream, has_body: bool) -> Option<u16> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head)
        .expect("our heads are ASCII")
        .to_ascii_lowercase();
    let (_, rest) = head.split_once("http/1.").expect("a reply");
    let status = rest.get(2..5)?.parse().ok()?;
    if status == 100 {
        return reply(socket, has_body);
    }
    let length = head
        .split_once("content-length: ")
        .map_or("0", |(_, rest)| rest);
    let length: usize = length.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; if has_body { length } else { 0 }];
    socket.read_exact(&mut body).ok()?;
    Some(status)
}
