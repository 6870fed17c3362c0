//! A small stocked shop, made once and served in this process, for targets to talk to.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::api::Parts;
use crate::app::{App, StoreLimits, now};
use crate::auth::password::Policy;
use crate::cli::import::Row;
use crate::http::Door;
use crate::rates::Rates;
use crate::search::hard;
use crate::shop::ids::UserId;
use crate::shop::users::{Email, Newcomer, Role, Username};
use crate::store::{Durability, ImportRow};

/// Rows of the catalogue that are for sale, beside texts that are hard to find.
const ROWS: usize = 30;
const CATALOGUE: &str = include_str!("../../data/catalogue.jsonl");

/// Who may ask, in the order of their ids: two customers, of whom one is anybody's to change, and
/// an admin.
pub const NAMES: [&str; 3] = ["ann", "boss", "cat"];
pub const PASSWORD: &str = "green turtles hum";

/// How the threads are called that serve it.
pub const THREADS: &str = "fuzzed shop";

/// How long something that may be no whole request is waited on before we send no more.
const HALF_CLOSE_AFTER: Duration = Duration::from_millis(100);
const AT_ONCE: Duration = Duration::from_millis(1);
/// How long a reply may take before there is something wrong.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Shop {
    _runtime: Runtime,
    pub parts: Arc<Parts>,
    address: SocketAddr,
    #[cfg_attr(fuzzing, expect(dead_code, reason = "tests take it away"))]
    pub folder: PathBuf,
}

/// The shop, which stays open until the process ends.
pub fn shop() -> &'static Shop {
    static SHOP: OnceLock<Shop> = OnceLock::new();
    SHOP.get_or_init(Shop::open)
}

impl Shop {
    fn open() -> Self {
        let runtime = Builder::new_multi_thread()
            .thread_name(THREADS)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let name = format!("electron-market-fuzz-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder); // Left by a process that had our number.
        let limits = StoreLimits {
            cache_bytes: 16 << 20,
            min_free_bytes: 0,
            durability: Durability::Log,
        };
        let app = App::open(&folder, limits, "fuzzing").expect("a new shop");
        let api = app.api(Policy::Strict, Rates::unlimited());
        let api = api.expect("an open shop");
        let parts = api.parts();
        runtime.block_on(stock(&parts));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("its address");
        let door = Door::default();
        runtime.spawn(async move { app.serve(listener, door, api, std::future::pending()).await });
        let shop = Self {
            _runtime: runtime,
            parts,
            address,
            folder,
        };
        shop.furnish();
        shop
    }

    /// A comment and an order of ann's, and an index that is ready.
    fn furnish(&self) {
        let asks = [
            ("POST /products/cr-comment/1/", r#"{"text": "Fine"}"#),
            (
                "POST /cart/cart-add/",
                r#"{"product_id": 1, "quantity": 1}"#,
            ),
            ("POST /orders/create/", ""),
        ];
        for (call, body) in asks {
            let heard = self.ask("ann", call, "application/json", body.as_bytes());
            assert!(heard.status < 300, "{call}: {}", heard.body.escape_ascii());
        }
        let until = Instant::now() + PATIENCE;
        while !self.parts.search.is_ready() {
            assert!(Instant::now() < until, "the index is not ready");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A good token of somebody's.
    pub fn token(&self, name: &str) -> String {
        let id = (1..).zip(NAMES).find(|(_, known)| *known == name);
        let (id, _) = id.expect("somebody who has an account");
        let pair = self.parts.tokens.mint_pair(UserId(id), now());
        pair.expect("minted").access
    }

    /// Asks in a well-formed request: `ask("ann", "GET /cart/cart/", "", b"")`; nobody has no name.
    pub fn ask(&self, who: &str, call: &str, content_type: &str, body: &[u8]) -> Heard {
        let mut lines = vec![format!("{call} HTTP/1.1"), "Host: shop".into()];
        if !who.is_empty() {
            lines.push(format!("Authorization: Bearer {}", self.token(who)));
        }
        if !content_type.is_empty() {
            lines.push(format!("Content-Type: {content_type}"));
        }
        lines.push(format!("Content-Length: {}", body.len()));
        lines.push("Connection: close\r\n\r\n".into());
        let head = lines.join("\r\n");
        let mut heard = self.talk(&[head.as_bytes(), body].concat(), PATIENCE);
        assert_eq!(heard.len(), 1, "{call}: one reply");
        heard.remove(0)
    }

    /// Sends what may be a request, and hears every reply to its end.
    pub fn exchange(&self, bytes: &[u8]) -> Vec<Heard> {
        let has_head = bytes.windows(2).any(|two| two == b"\n\r" || two == b"\n\n");
        self.talk(bytes, if has_head { HALF_CLOSE_AFTER } else { AT_ONCE })
    }

    /// On a connection of its own, of which our half is closed when an answer has come, or so
    /// long nothing of it.
    fn talk(&self, bytes: &[u8], half_close_after: Duration) -> Vec<Heard> {
        let mut socket = TcpStream::connect(self.address).expect("it listens");
        let _ = socket.set_nodelay(true);
        let began = Instant::now();
        let patience = socket.set_read_timeout(Some(half_close_after));
        patience.expect("not zero");
        let _ = socket.write_all(bytes); // It may hang up before it heard all.
        let (mut heard, mut piece) = (Vec::new(), [0; 16 << 10]);
        let mut was_cut = false;
        loop {
            match socket.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => {
                    heard.extend(piece.iter().take(read));
                    let so_far = framed(&heard, bytes);
                    if so_far.is_some_and(|so_far| so_far.is_answer()) {
                        let _ = socket.shutdown(Shutdown::Write);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {} // libFuzzer's clock.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    was_cut = true; // What was on its way to us may be lost with it.
                    break;
                }
                Err(error) => {
                    let waited = began.elapsed();
                    assert!(waited < PATIENCE, "no end in {waited:?}: {error}");
                    let _ = socket.shutdown(Shutdown::Write);
                    let patience = socket.set_read_timeout(Some(PATIENCE));
                    patience.expect("not zero");
                }
            }
        }
        let framed = framed(&heard, bytes);
        let framed = framed.unwrap_or_else(|| panic!("no replies: {}", heard.escape_ascii()));
        assert!(
            framed.is_whole || was_cut,
            "a reply is cut short: {}",
            heard.escape_ascii()
        );
        framed.replies
    }
}

async fn stock(parts: &Parts) {
    let hash = parts.passwords.hash(PASSWORD.into()).await.expect("hashed");
    let newcomers = NAMES.map(|name| Newcomer {
        username: Username::parse(name).expect("a name"),
        first_name: String::new(),
        email: Some(Email::parse(&format!("{name}@shop.test")).expect("an address")),
        phone: None,
        password_hash: hash.clone(),
        role: if name == "boss" {
            Role::Admin
        } else {
            Role::Customer
        },
    });
    let rows = CATALOGUE.lines().take(ROWS).map(str::to_owned);
    let hard = hard::TEXTS.map(|(title, description)| {
        let row = serde_json::json!({"title": title, "category": "Hard", "description": description, "price": "1.00"});
        row.to_string()
    });
    let rows: Vec<ImportRow> = rows
        .chain(hard)
        .map(|row| Row::read(row.as_bytes()).expect("a good row").offer(1_000))
        .collect();
    let filled = parts.store.fill(newcomers.into(), rows, now()).await;
    filled.expect("written").expect("an empty shop");
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Heard {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Heard {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let json = serde_json::from_slice(&self.body);
        json.unwrap_or_else(|error| panic!("{error}: {}", self.body.escape_ascii()))
    }

    /// What every reply keeps, whatever was asked.
    #[track_caller]
    pub fn is_well(&self) {
        let is_ours = self.status >= 500 && ![501, 503].contains(&self.status);
        assert!(!is_ours, "{}: {}", self.status, self.body.escape_ascii());
        let is_json = self.header("content-type") == Some("application/json");
        if is_json && !self.body.is_empty() {
            self.json();
        }
    }
}

/// Replies as they came.
struct Framed {
    replies: Vec<Heard>,
    /// Whether nothing of the last is missing.
    is_whole: bool,
}

impl Framed {
    /// Whether there is one, beyond being told to go on.
    fn is_answer(&self) -> bool {
        self.is_whole && !self.replies.is_empty()
    }
}

/// The replies to some bytes; `None` where something is said that is no reply.
fn framed(mut heard: &[u8], asked: &[u8]) -> Option<Framed> {
    let may_be_head = asked.windows(5).any(|word| word == b"HEAD ");
    let mut replies = Vec::new();
    while !heard.is_empty() {
        let Some(end) = heard.windows(4).position(|end| end == b"\r\n\r\n") else {
            let is_whole = false;
            return Some(Framed { replies, is_whole });
        };
        let (head, rest) = heard.split_at(end + 4);
        let (status, headers) = read_head(head)?;
        let mut lengths = headers.iter().filter(|(name, _)| name == "content-length");
        let length = match (lengths.next(), lengths.next()) {
            (None, None) => (status < 200 || [204, 304].contains(&status)).then_some(0),
            (Some((_, length)), None) => length.parse().ok(),
            _ => None,
        }?;
        let is_bodiless = may_be_head && (rest.is_empty() || rest.starts_with(b"HTTP/1."));
        let Some((body, rest)) = rest.split_at_checked(if is_bodiless { 0 } else { length }) else {
            let is_whole = false;
            return Some(Framed { replies, is_whole });
        };
        heard = rest;
        if status >= 200 {
            let body = body.to_vec();
            replies.push(Heard {
                status,
                headers,
                body,
            });
        }
    }
    let is_whole = true;
    Some(Framed { replies, is_whole })
}

/// The status and the headers of a head.
fn read_head(head: &[u8]) -> Option<(u16, Vec<(String, String)>)> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let (version, status) = lines.next()?.split_once(' ')?;
    if !["HTTP/1.0", "HTTP/1.1"].contains(&version) {
        return None;
    }
    let status = status.split(' ').next()?.parse().ok()?;
    let mut headers = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        if value.contains(char::is_control) || name.is_empty() || name.contains(' ') {
            return None;
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some((status, headers))
}
