//! A real shop to test against: the binary serving a folder of its own, asked over a socket.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::{HeaderMap, Request};

use crate::command::{PATIENCE, Process, binary, must_run};
use crate::judge::Names;

pub const BOSS_PASSWORD: &str = "the boss drinks tea";

/// An open shop with one admin, `boss`. Dropping it closes it and checks how it left.
pub struct Shop {
    process: Option<Process>,
    port: u16,
    agent: ureq::Agent,
    names: Mutex<Names>,
    dir: TempDir,
}

/// One request, as it goes over the wire.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

/// One reply.
#[derive(Debug)]
pub struct Heard {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Shop {
    pub fn open() -> Self {
        Self::open_after(|_| ())
    }

    /// Opens a shop whose folder was prepared first: one process at a time holds it.
    pub fn open_after(prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let boss = "admin create --username boss --email boss@shop.test --password-stdin";
        must_run(dir.path(), boss, BOSS_PASSWORD);
        prepare(dir.path());
        Self::open_in(dir)
    }

    /// Opens the shop that is in a folder, with its `boss` and whoever else has an account there.
    pub fn open_in(dir: TempDir) -> Self {
        let (agent, names) = (agent(), Mutex::default());
        let mut shop = Self {
            process: None,
            port: 0,
            agent,
            names,
            dir,
        };
        shop.reopen();
        shop
    }

    /// A shop with a phone and a cable on the shelf.
    pub fn stocked() -> Self {
        let shop = Self::open();
        shop.day(r#"
            boss POST /products/create-category/ {"name": "Phones"} => 201 {"name": "Phones", "id": "$phones"}
            boss POST /products/create-product/
                {"title": "Pixel 9", "category": "$phones", "quantity": 10, "description": "Made by Google", "price": "799.00"}
            => 201 {"id": "$phone", "...": 0}
            again {"title": "USB-C cable", "category": "$phones", "quantity": 3, "description": "One metre", "price": "9.90"}
            => 201 {"id": "$cable", "...": 0}
            nobody GET /products/detail/$phone/ => 200 "$phone_row"
            nobody GET /products/detail/$cable/ => 200 "$cable_row"
        "#);
        shop
    }

    /// A shop with as many parts, `Part 1` and on, at 1.00 and one of each.
    pub fn with_parts(count: u32) -> Self {
        let rest = r#""category": "Parts", "description": "", "price": "1.00", "quantity": 1"#;
        let row = |i| format!("{{\"title\": \"Part {i}\", {rest}}}");
        let rows: Vec<String> = (1..=count).map(row).collect();
        Self::open_after(|dir| {
            let file = dir.join("parts.jsonl");
            fs::write(&file, rows.join("\n")).unwrap();
            must_run(dir, &format!("import {}", file.display()), "");
        })
    }

    /// Ends the server as an operator would; the folder stays.
    pub fn close(&mut self) {
        let log = self.take_process().close();
        self.assert_discreet(&log);
    }

    pub fn reopen(&mut self) {
        self.reopen_with("--rate-limits off");
    }

    pub fn reopen_with(&mut self, flags: &str) {
        let mut serve = binary(&format!("serve --listen 127.0.0.1:0 {flags}"));
        serve.arg("--data-dir").arg(self.dir());
        let process = Process::start(serve, "");
        self.port = process.port();
        self.process = Some(process);
    }

    /// Until then searches read the whole catalogue, and do not rank.
    pub fn wait_for_its_index(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.say("nobody", "GET /readyz", Value::Null).status != 200 {
            assert!(Instant::now() < deadline, "no index in {PATIENCE:?}");
            thread::yield_now();
        }
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("the shop is open")
    }

    /// For a test that ends the server in its own way.
    pub fn take_process(&mut self) -> Process {
        self.process.take().expect("the shop is open")
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap()
    }

    /// Asks in JSON, as one of the callers: `say("ann", "POST /cart/cart-add/", json!({...}))`. Null is no body.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`json!({...})` reads well at the call"
    )]
    pub fn say(&self, who: &str, call: &str, body: Value) -> Heard {
        self.ask(Ask::new(call).by(self, who).json(&body))
    }

    /// Reads what must be there.
    #[track_caller]
    pub fn get(&self, who: &str, path: &str) -> Value {
        self.say(who, &format!("GET {path}"), Value::Null).told(200)
    }

    /// The rows of a list, which must be there.
    #[track_caller]
    pub fn list(&self, who: &str, path: &str) -> Vec<Value> {
        let Value::Array(rows) = self.get(who, path) else {
            panic!("{path} is no list")
        };
        rows
    }

    pub fn ask(&self, ask: Ask) -> Heard {
        let said = format!("{} {}", ask.method, ask.path);
        self.send(ask)
            .unwrap_or_else(|e| panic!("{said}: {e}\n{}", self.process().stderr()))
    }

    /// The same where the shop may be gone: then nothing is heard.
    pub fn try_ask(&self, ask: Ask) -> Option<Heard> {
        self.send(ask).ok()
    }

    fn send(&self, ask: Ask) -> Result<Heard, ureq::Error> {
        let url = format!("http://127.0.0.1:{}{}", self.port, ascii_path(&ask.path));
        let mut request = Request::builder().method(&*ask.method).uri(url);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let chunked = ask
            .headers
            .iter()
            .any(|(name, _)| name == "Transfer-Encoding");
        if let (Some(body), false) = (&ask.body, chunked) {
            // The client sends the body of a DELETE only if its length is said.
            request = request.header("Content-Length", body.len());
        }
        let reply = match ask.body {
            Some(body) => self.agent.run(request.body(body).unwrap())?,
            None => self.agent.run(request.body(()).unwrap())?,
        };
        let (head, mut body) = reply.into_parts();
        let body = body.with_config().limit(64 << 20).read_to_vec()?;
        let told = |canary: &str| memchr::memmem::find(&body, canary.as_bytes()).is_some();
        assert!(!CANARIES.into_iter().any(told), "a reply tells a password");
        Ok(Heard {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    /// Sends bytes no well-behaved client would; hands back all that came until the connection was closed.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect();
        // A server may refuse before it has read everything.
        let _ = socket.write_all(bytes);
        let mut reply = Vec::new();
        let _ = socket.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    pub fn connect(&self) -> TcpStream {
        let socket = self.try_connect().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    pub fn try_connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.port))
    }

    /// The access token of a caller, who is signed up and logged in at first use.
    pub fn token(&self, who: &str) -> String {
        let access = format!("{who}_access");
        if let Some(known) = self.names().text(&access) {
            return known;
        }
        let password = match who {
            "boss" => BOSS_PASSWORD.to_owned(),
            _ => format!("{who} likes strong tea"),
        };
        if who != "boss" {
            self.sign_up(who, &password);
        }
        let form = json!({"username": who, "password": password});
        let tokens = self.say("nobody", "POST /auth/login/", form).told(200);
        self.names().keep(&access, tokens["access"].clone());
        self.names()
            .keep(&format!("{who}_refresh"), tokens["refresh"].clone());
        tokens["access"].as_str().unwrap().to_owned()
    }

    /// Signs somebody up, who may be there already.
    fn sign_up(&self, who: &str, password: &str) {
        let form = json!({
            "username": who, "first_name": who, "email": format!("{who}@shop.test"),
            "password": password, "confirm_pass": password,
        });
        let heard = self.say("nobody", "POST /auth/sign-up/", form);
        let is_there = heard.status == 400 && heard.json()["username"].is_array();
        assert!(heard.status == 201 || is_there, "{}", heard.text());
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if self.process.is_some() && !thread::panicking() {
            self.close();
        }
    }
}

/// What every password of the tests has in it, and nothing else.
const CANARIES: [&str; 2] = ["likes strong tea", "boss drinks tea"];

impl Shop {
    /// Passwords, tokens and the key that signs them are nowhere but where they must be: not in
    /// the log, and in no file but the key's own.
    fn assert_discreet(&self, log: &str) {
        let mut secrets: Vec<Vec<u8>> = CANARIES.map(Into::into).into();
        let names = self.names();
        let signatures = names
            .tokens()
            .filter_map(|token| token.rsplit('.').next().map(Vec::from));
        secrets.extend(signatures.filter(|signature| signature.len() > 20));
        let key = fs::read(self.dir().join("token.key")).unwrap_or_default();
        for secret in &secrets {
            let secret = String::from_utf8_lossy(secret);
            assert!(!log.contains(&*secret), "the log says {secret}");
        }
        // A key of zeros, which some test vectors have, is in many a file.
        secrets.extend(key.iter().any(|byte| *byte != 0).then_some(key));
        for path in files_below(self.dir()) {
            let bytes = fs::read(&path).unwrap_or_default(); // Gone since.
            let holds = |secret: &Vec<u8>| memchr::memmem::find(&bytes, secret).is_some();
            let is_key = path.ends_with("token.key");
            assert!(
                is_key || !secrets.iter().any(holds),
                "a secret is in {}",
                path.display()
            );
        }
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path()),
            Ok(_) => vec![entry.path()],
            Err(_) => Vec::new(),
        })
        .collect()
}

impl Ask {
    pub fn new(call: &str) -> Self {
        let (method, path) = call.split_once(' ').expect("a call is a verb and a path");
        let (method, path) = (method.to_owned(), path.to_owned());
        Self {
            method,
            path,
            ..Self::default()
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, with a body of this type.
    pub fn with(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", content_type)
    }

    /// The same, with a body in JSON; null is none.
    pub fn json(self, body: &Value) -> Self {
        if body.is_null() {
            return self;
        }
        self.with("application/json", body.to_string())
    }

    /// The same, with the caller's token; `nobody` has none.
    pub fn by(self, shop: &Shop, who: &str) -> Self {
        if who == "nobody" {
            return self;
        }
        self.header("Authorization", &format!("Bearer {}", shop.token(who)))
    }
}

impl Heard {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON of a reply that must have this status.
    #[track_caller]
    pub fn told(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let json = serde_json::from_slice(&self.body);
        json.unwrap_or_else(|e| panic!("not JSON ({e}): {} {}", self.status, self.text()))
    }

    /// A header of the reply, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent()
}

/// So that a script may say `?q=смартфон`.
fn ascii_path(path: &str) -> String {
    let byte = |b: u8| match b {
        0..0x80 => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    path.bytes().map(byte).collect()
}
