//! Compares what a script wanted to hear with what was heard, and names every difference.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::shop::Heard;

/// What was heard, by the name a script gave it.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, Value>);

/// What a script wants to hear.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Wanted,
}

#[derive(Debug)]
pub enum Wanted {
    Anything,
    Nothing,
    Json(Value),
}

/// Everything that is wrong with a reply; nothing when it is as wanted.
pub fn judge(wanted: &Reply, heard: &Heard, names: &mut Names) -> Vec<String> {
    let wrong = house_rules(heard);
    let mut judge = Judge { names, wrong };
    judge.expect(wanted.status == heard.status, || {
        format!("status: wanted {}", wanted.status)
    });
    match &wanted.body {
        Wanted::Anything => {}
        Wanted::Nothing => judge.expect(heard.body.is_empty(), || "body: wanted none".into()),
        Wanted::Json(value) => match serde_json::from_slice(&heard.body) {
            Ok(heard) => judge.compare("body", value, &heard),
            Err(e) => judge.wrong.push(format!("body: {e}")),
        },
    }
    // After the body, which may have told what they name.
    for (name, value) in &wanted.headers {
        let (value, is) = (judge.names.fill(value), heard.header(name));
        judge.expect(fits(&value, is), || {
            format!("{name}: wanted {value:?}, heard {is:?}")
        });
    }
    judge.wrong
}

/// What every reply of the shop keeps, whatever was asked.
fn house_rules(heard: &Heard) -> Vec<String> {
    let json = heard.header("Content-Type").starts_with("application/json");
    let empty = heard.body.is_empty();
    let challenge = heard.header("WWW-Authenticate") == r#"Bearer realm="api""#;
    let compact = || {
        let value: Result<Value, _> = serde_json::from_slice(&heard.body);
        value.is_ok_and(|value| value.to_string().into_bytes() == heard.body)
    };
    let rules = [
        (heard.status < 500, "no 5xx"),
        (!(300..400).contains(&heard.status), "no redirect"),
        (heard.status != 204 || empty, "a 204 has no body"),
        (
            (heard.status == 401) == challenge,
            "a 401, and only it, names the scheme",
        ),
        (
            heard.status != 405 || !heard.header("Allow").is_empty(),
            "a 405 says what is allowed",
        ),
        (heard.status < 400 || json || empty, "an error is JSON"),
        (!json || empty || compact(), "JSON is compact UTF-8"),
    ];
    let broken = rules.into_iter().filter(|(kept, _)| !kept);
    broken
        .map(|(_, rule)| format!("house rule: {rule}"))
        .collect()
}

/// One comparison.
struct Judge<'a> {
    names: &'a mut Names,
    wrong: Vec<String>,
}

impl Judge<'_> {
    fn expect(&mut self, right: bool, otherwise: impl FnOnce() -> String) {
        if !right {
            self.wrong.push(otherwise());
        }
    }

    fn compare(&mut self, at: &str, wanted: &Value, heard: &Value) {
        match (wanted, heard) {
            (Value::Object(wanted), Value::Object(heard)) => self.compare_keys(at, wanted, heard),
            (Value::Array(wanted), Value::Array(heard)) => self.compare_rows(at, wanted, heard),
            (Value::String(pattern), _) => {
                let right = self.names.agree(pattern, heard);
                let known = pattern
                    .strip_prefix('$')
                    .and_then(|name| self.names.text(name));
                let known = known.unwrap_or_default();
                self.expect(right, || {
                    format!("{at}: wanted {pattern:?} {known}, heard {heard}")
                });
            }
            _ => self.expect(wanted == heard, || {
                format!("{at}: wanted {wanted}, heard {heard}")
            }),
        }
    }

    fn compare_keys(&mut self, at: &str, wanted: &Map<String, Value>, heard: &Map<String, Value>) {
        for (key, value) in wanted.iter().filter(|(key, _)| *key != "...") {
            match heard.get(key) {
                Some(heard) => self.compare(&format!("{at}.{key}"), value, heard),
                None => self.wrong.push(format!("{at}.{key}: missing")),
            }
        }
        let open = wanted.contains_key("...");
        for key in heard
            .keys()
            .filter(|key| !open && !wanted.contains_key(*key))
        {
            self.wrong.push(format!("{at}.{key}: nobody asked for it"));
        }
    }

    fn compare_rows(&mut self, at: &str, wanted: &[Value], heard: &[Value]) {
        let (wanted, open) = match wanted.split_last() {
            Some((last, first)) if last == "..." => (first, true),
            _ => (wanted, false),
        };
        let (want, have) = (wanted.len(), heard.len());
        self.expect(have == want || (open && have > want), || {
            format!("{at}: {have} rows, not {want}")
        });
        for (i, (wanted, heard)) in wanted.iter().zip(heard).enumerate() {
            self.compare(&format!("{at}[{i}]"), wanted, heard);
        }
    }
}

impl Names {
    pub fn keep(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub fn text(&self, name: &str) -> Option<String> {
        Some(match self.0.get(name)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// The tokens among what was heard.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        let is_token = |name: &str| name.ends_with("_access") || name.ends_with("_refresh");
        let known = self.0.iter().filter(move |(name, _)| is_token(name));
        known.filter_map(|(_, value)| value.as_str())
    }

    /// Puts values in the place of names: a name quoted alone gives its JSON, so that a number stays one.
    pub fn fill(&self, text: &str) -> String {
        let mut pieces = text.split('$');
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece.find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_'));
            let (name, rest) = piece.split_at(end.unwrap_or(piece.len()));
            let Some(plain) = self.text(name) else {
                panic!("nobody heard ${name} yet")
            };
            match rest.strip_prefix('"') {
                Some(rest) if filled.ends_with('"') => {
                    filled.pop();
                    filled.extend([&self.0[name].to_string(), rest]);
                }
                _ => filled.extend([&plain, rest]),
            }
        }
        filled
    }

    fn agree(&mut self, pattern: &str, heard: &Value) -> bool {
        match (pattern, heard) {
            ("*", _) => !heard.is_null() && heard != "",
            ("<id>", _) => heard.as_u64().is_some_and(|id| id > 0),
            ("<time>", _) => heard.as_str().is_some_and(is_time),
            _ => match (pattern.strip_prefix('$'), heard) {
                (Some(name), _) => heard == self.0.entry(name.into()).or_insert(heard.clone()),
                (None, Value::String(heard)) => fits(&self.fill(pattern), heard),
                _ => false,
            },
        }
    }
}

/// `2026-02-11T09:42:03.051112Z`
fn is_time(text: &str) -> bool {
    text.replace(|c: char| c.is_ascii_digit(), "0") == "0000-00-00T00:00:00.000000Z"
}

/// Whether a text fits a pattern in which `*` is any run of characters; a lone `*` wants at least one.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces: Vec<&str> = pattern.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    let [first, middle @ ..] = &*pieces else {
        return text == pattern;
    };
    let Some(left) = text.strip_prefix(first) else {
        return false;
    };
    let left = middle
        .iter()
        .try_fold(left, |left, piece| Some(left.split_once(*piece)?.1));
    left.is_some_and(|left| left.ends_with(last)) && (pattern != "*" || !text.is_empty())
}

/// Field errors on exactly these fields: `title, price`.
pub fn field_errors(fields: &str) -> Value {
    let fields = fields
        .split(", ")
        .map(|field| (field.to_owned(), json!(["*", "..."])));
    Value::Object(fields.collect())
}

/// A `detail` and this code; a 401 may tell more, as the original's does.
pub fn refusal(status: u16, code: &str) -> Value {
    match status {
        401 => json!({"detail": "*", "code": code, "...": 0}),
        _ => json!({"detail": "*", "code": code}),
    }
}
