//! The day language: a script of who asks what and what they hear, played against a real shop.
//!
//! ```text
//! # Who, verb, path, body; after the arrow the status and what was heard.
//! boss   POST /products/create-category/ {"name": "Phones"}
//! => 201 {"name": "Phones", "id": "$phones"}
//! boss   again {"name": ""}                 => 400 on name
//! ann    again                              => 403 code permission_denied
//! nobody GET /products/categories/?limit=1
//!        + Accept: application/json
//! => 200 [{"id": "$phones", "name": "Phones", "products": 0}]
//!        + X-Total-Count: 1
//! ```
//!
//! **Who**: `nobody` sends no token, `boss` is the admin, any other name is signed up and logged in when it is first
//! used (its tokens are `$name_access` and `$name_refresh`, its password is `name likes strong tea`).
//! `again` repeats the call before it; whatever is said beside it is said instead.
//!
//! **Body**: JSON as written (also when it is broken), or `form a=1&b=2`. Lines with `+` are headers.
//! `$name` is replaced by what was heard under that name.
//!
//! **Heard**: `...` anything; `on a, b` field errors on exactly these fields; `code x` a `detail` and this code;
//! nothing means no body. Otherwise JSON, which must match key for key, where
//! `"*"` is any value but null and "", `"<id>"` a number from 1, `"<time>"` a time with microseconds,
//! `"a*c"` text that fits, `"$name"` the value of that name (kept at first hearing, compared after),
//! `"..."` as the last element any further elements, and as a key any further keys.
//!
//! Beside the script every reply is held to the rules all replies keep; see `house_rules` in `judge.rs`.

use std::fmt::{self, Display};
use std::panic::Location;

use crate::judge::{Names, Reply, Wanted, field_errors, judge, refusal};
use crate::shop::{Ask, Heard, Shop};

/// Plays a script in a new shop.
#[track_caller]
pub fn day(script: &str) {
    Shop::open().day(script);
}

impl Shop {
    /// Plays a script here; what was heard keeps its name for the next one.
    #[track_caller]
    pub fn day(&self, script: &str) {
        let at = Location::caller();
        for step in steps(script) {
            self.play(&step, at);
        }
    }

    fn play(&self, step: &Step, at: &Location) {
        let Step {
            line,
            text,
            who,
            ask,
            wanted,
        } = step;
        let ask = ask.clone().by(self, who).filled(&self.names());
        let heard = self.ask(ask.clone());
        let wrong = judge(wanted, &heard, &mut self.names());
        if !wrong.is_empty() {
            let (file, line) = (at.file(), at.line() + line);
            let (wrong, log) = (wrong.join("\n       "), self.process().stderr());
            panic!(
                "{file}:{line}: this day went wrong\n\n{text}\n\n\
                 said   {ask}\nheard  {heard}\nwrong  {wrong}\n\nthe shop's log\n{log}"
            );
        }
    }
}

struct Step {
    /// Lines below the one that opens the script.
    line: u32,
    text: String,
    who: String,
    ask: Ask,
    wanted: Reply,
}

fn steps(script: &str) -> Vec<Step> {
    let mut texts: Vec<(u32, String)> = Vec::new();
    for (number, line) in (0..).zip(script.lines().map(str::trim)) {
        match texts.last_mut() {
            _ if line.is_empty() || line.starts_with("# ") => {}
            Some((_, text)) if !opens_a_step(line) => text.extend(["\n", line]),
            _ => texts.push((number, line.to_owned())),
        }
    }
    let mut steps: Vec<Step> = Vec::new();
    for (line, text) in texts {
        let step = Step::read(line, text, steps.last());
        steps.push(step);
    }
    steps
}

fn opens_a_step(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (first, second, third) = (words.next(), words.next(), words.next());
    let verb = |word: &str| word.bytes().all(|b| b.is_ascii_uppercase());
    first == Some("again")
        || second == Some("again")
        || (second.is_some_and(verb) && third.is_some_and(|path| path.starts_with(['/', '$'])))
}

impl Step {
    fn read(line: u32, text: String, before: Option<&Self>) -> Self {
        let (said, wanted) = text.split_once("=>").expect("a step says what is heard");
        let (headers, said) = headers_off(said);
        let before = || before.expect("a script opens with a whole call");
        let (who, mut ask, body) = match words(&said) {
            ("again", ..) => (&*before().who, before().ask.clone(), word(&said).1),
            (who, "again", ..) => (who, before().ask.clone(), word(word(&said).1).1),
            (who, verb, path, body) => (who, Ask::new(&format!("{verb} {path}")), body),
        };
        if !headers.is_empty() {
            ask.headers = headers;
        }
        if !body.is_empty() {
            ask.body = Some(body.as_bytes().to_vec());
        }
        let (who, wanted) = (who.to_owned(), Reply::read(wanted));
        Self {
            line,
            text,
            who,
            ask,
            wanted,
        }
    }
}

impl Reply {
    fn read(text: &str) -> Self {
        let (headers, text) = headers_off(text);
        let (status, rest) = word(&text);
        let status = status.parse().expect("a step hears a status");
        let body = match word(rest) {
            ("", _) => Wanted::Nothing,
            ("...", _) => Wanted::Anything,
            ("on", fields) => Wanted::Json(field_errors(fields)),
            ("code", code) => Wanted::Json(refusal(status, code)),
            _ => match serde_json::from_str(rest) {
                Ok(json) => Wanted::Json(json),
                Err(e) => panic!("{e} in {rest}"),
            },
        };
        Self {
            status,
            headers,
            body,
        }
    }
}

impl Ask {
    /// Puts what was heard in the place of names, and says what kind of body it is.
    fn filled(mut self, names: &Names) -> Self {
        self.path = names.fill(&self.path);
        for (_, value) in &mut self.headers {
            *value = names.fill(value);
        }
        let Some(body) = self.body.take() else {
            return self;
        };
        let body = names.fill(&String::from_utf8(body).unwrap());
        let (kind, body) = match body.strip_prefix("form ") {
            Some(form) => ("application/x-www-form-urlencoded", form),
            None => ("application/json", &*body),
        };
        self.body = Some(body.as_bytes().to_vec());
        let typed = self.headers.iter().any(|(name, _)| name == "Content-Type");
        if typed {
            self
        } else {
            self.header("Content-Type", kind)
        }
    }
}

/// Takes the `+ Name: value` lines off a text.
fn headers_off(text: &str) -> (Vec<(String, String)>, String) {
    let (headers, rest): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.trim().starts_with("+ "));
    let header = |line: &str| {
        let line = line.trim().trim_start_matches("+ ");
        let (name, value) = line.split_once(':').expect("a header has a colon");
        (name.to_owned(), value.trim().to_owned())
    };
    let headers = headers.into_iter().map(header).collect();
    (headers, rest.join("\n").trim().to_owned())
}

fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The first three words and the rest.
fn words(text: &str) -> (&str, &str, &str, &str) {
    let (first, rest) = word(text);
    let (second, rest) = word(rest);
    let (third, rest) = word(rest);
    (first, second, third, rest)
}

impl Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.method, self.path)?;
        for (name, value) in &self.headers {
            writeln!(f, "       {name}: {value}")?;
        }
        let body = self.body.as_deref().unwrap_or_default();
        write!(f, "       {}", String::from_utf8_lossy(body))
    }
}

impl Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "       {name}: {value:?}")?;
        }
        write!(f, "       {}", self.text())
    }
}

/// What is found wrong with a JSON reply.
fn verdict(wanted: &str, status: u16, body: &str) -> Vec<String> {
    let mut headers = ureq::http::HeaderMap::new();
    headers.insert("Content-Type", "application/json".parse().unwrap());
    if status == 401 {
        headers.insert("WWW-Authenticate", r#"Bearer realm="api""#.parse().unwrap());
    }
    let body = body.into();
    let heard = Heard {
        status,
        headers,
        body,
    };
    judge(&Reply::read(wanted), &heard, &mut Names::default())
}

#[test]
fn what_was_wanted_passes() {
    let row = r#"{"id":7,"at":"2026-02-11T09:42:03.051112Z","words":["a","b"],"price":"1.00"}"#;
    let wanted = r#"200 {"id": "<id>", "at": "<time>", "words": ["*", "..."], "price": "1*0"}"#;
    for (wanted, status, body) in [
        (wanted, 200, row),
        (r#"200 {"id": "$x", "...": 0}"#, 200, row),
        (r#"200 ["$x", "$x"]"#, 200, "[1,1]"),
        ("400 on a, b", 400, r#"{"b":["no"],"a":["no","never"]}"#),
        ("403 code no", 403, r#"{"detail":"not you","code":"no"}"#),
        (
            "401 code no",
            401,
            r#"{"detail":"x","code":"no","messages":[]}"#,
        ),
        ("204", 204, ""),
    ] {
        assert_eq!(verdict(wanted, status, body), Vec::<String>::new());
    }
}

#[test]
fn everything_that_is_wrong_is_named() {
    let row = r#"{"id":0,"at":"2026-02-11T09:42:03Z","words":["a",""],"extra":1}"#;
    let wanted = r#"201 {"id": "<id>", "at": "<time>", "words": ["a", "*", "c"], "gone": null}"#;
    let wrong = verdict(wanted, 200, row);
    let places = "status body.id body.at body.words body.words[1] body.gone body.extra";
    let found: Vec<&str> = wrong
        .iter()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(found.join(" "), places, "{wrong:?}");
}

#[test]
fn one_wrong_thing_is_enough() {
    for (wanted, status, body) in [
        ("400 on a", 400, r#"{"a":["no"],"b":["no"]}"#),
        ("400 on a, b", 400, r#"{"a":["no"]}"#),
        ("400 on a", 400, r#"{"a":[]}"#),
        ("400 on a", 400, r#"{"a":"no"}"#),
        ("403 code no", 403, r#"{"detail":"x","code":"yes"}"#),
        ("403 code no", 403, r#"{"detail":"x","code":"no","more":1}"#),
        ("403 code *", 403, r#"{"detail":"x"}"#),
        ("204", 200, ""),
        ("200 [1]", 200, "[1,2]"),
        (r#"200 [1, 2, "..."]"#, 200, "[1]"),
        (r#"200 ["$x", "$x"]"#, 200, "[1,2]"),
        (r#"200 ["*b*d"]"#, 200, r#"["abc"]"#),
        // The rules of the house, which no script has to say.
        ("500 ...", 500, "{}"),
        ("301 ...", 301, "{}"),
        ("405 ...", 405, "{}"),
        ("200 ...", 200, "{ }"),
    ] {
        assert_eq!(
            verdict(wanted, status, body).len(),
            1,
            "{wanted} let {body} pass"
        );
    }
}

#[test]
fn a_script_reads_as_it_is_explained() {
    let script = r#"
        # A comment.
        boss POST /a/ {"x": "$x"} => 201 {"y": 1}
            + Location: /a/$x/
        ann again => 403 code no
        again form x=$x
            + Accept: text/html
        => 204
    "#;
    let mut names = Names::default();
    names.keep("x", 5.into());
    let seen = |step: Step| {
        let Ask {
            method,
            path,
            headers,
            body,
        } = step.ask.filled(&names);
        let headers: Vec<String> = headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        let body = String::from_utf8(body.unwrap()).unwrap();
        format!("{} {method} {path} {} {body}", step.who, headers.join(" "))
    };
    assert_eq!(
        steps(script)[0].wanted.headers,
        [("Location".into(), "/a/$x/".into())]
    );
    let seen: Vec<String> = steps(script).into_iter().map(seen).collect();
    assert_eq!(
        seen[0],
        r#"boss POST /a/ Content-Type: application/json {"x": 5}"#
    );
    assert_eq!(seen[1], seen[0].replace("boss", "ann"));
    let form = "Content-Type: application/x-www-form-urlencoded x=5";
    assert_eq!(seen[2], format!("ann POST /a/ Accept: text/html {form}"));
}
