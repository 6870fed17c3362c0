//! Forms: named fields out of JSON, a form body or a query, checked all at once.
//!
//! An input type says its fields once, in `Fields::read`. Run over what a client gave it yields
//! the value or every mistake; run over nothing (`describe`) it yields the documentation.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Parts;
use super::fault::{MALFORMED, Mistakes, Problem};
use super::kinds::Kind;
use crate::http::limits;
use crate::shop::users::Account;
use crate::store::StoreError;

/// A set of fields that come together.
pub trait Fields: Sized + Send {
    /// The largest body that they may come in.
    const BODY_MAX_BYTES: usize = limits::BODY_MAX_BYTES;

    /// Asks the form for each field, then builds itself. Every field is asked before the first
    /// `?`, so that all mistakes are told at once.
    fn read(form: &mut Form<'_>) -> Option<Self>;

    /// Notes what only the shop can know to be wrong with them, so that it is told with the rest.
    fn look_up(_: &mut Form<'_>, _: &Parts, _: Option<&Account>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What a client gave for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given<'a> {
    Text(Cow<'a, str>),
    /// A JSON number as it was written.
    Number(&'a str),
    Flag(bool),
    Null,
    /// A JSON list or object.
    Composite,
    /// JSON text with half of a surrogate pair in it.
    LoneSurrogate,
}

/// A field for the documents.
#[derive(Clone, Debug)]
pub struct FieldDoc {
    pub name: &'static str,
    pub is_required: bool,
    pub schema: Value,
}

#[derive(Default)]
pub struct Form<'a> {
    given: HashMap<Cow<'a, str>, Given<'a>>,
    mistakes: Mistakes,
    docs: Vec<FieldDoc>,
}

const REQUIRED: &str = "This field is required.";
const NOT_NULL: &str = "This field may not be null.";

/// The fields of `F`, as its `read` asks for them.
pub fn describe<F: Fields>() -> Vec<FieldDoc> {
    let mut form = Form::default();
    let nothing = F::read(&mut form);
    debug_assert!(nothing.is_none() || form.docs.iter().all(|doc| !doc.is_required));
    form.docs
}

impl<'a> Form<'a> {
    /// From an `application/x-www-form-urlencoded` text; of a repeated name the last counts.
    pub fn from_urlencoded(text: &'a [u8]) -> Self {
        let pairs = form_urlencoded::parse(text);
        Self {
            given: pairs
                .map(|(name, text)| (name, Given::Text(text)))
                .collect(),
            ..Self::default()
        }
    }

    /// From a query, where an empty value is as good as none.
    pub fn from_query(query: &'a str) -> Self {
        let mut form = Self::from_urlencoded(query.as_bytes());
        form.given
            .retain(|_, given| *given != Given::Text("".into()));
        form
    }

    /// From a JSON object; of a repeated key the last counts.
    pub fn from_json(text: &'a [u8]) -> Result<Self, Problem> {
        if depth(text) > limits::JSON_DEPTH_MAX {
            let sentence = format!(
                "This JSON is nested more than {} deep.",
                limits::JSON_DEPTH_MAX
            );
            return Err(Problem::new(&MALFORMED).saying(sentence));
        }
        let whole: &RawValue = serde_json::from_slice(text).map_err(|error| malformed(&error))?;
        match whole.get().as_bytes().first() {
            Some(b'{') => {}
            Some(b'n') => {
                return Err(whole_is_wrong(
                    "A JSON object is expected, and this is null.",
                ));
            }
            _ => return Err(whole_is_wrong("A JSON object is expected.")),
        }
        let fields: HashMap<Cow<'a, str>, &'a RawValue> =
            serde_json::from_str(whole.get()).map_err(|error| malformed(&error))?;
        let given = fields
            .into_iter()
            .map(|(name, raw)| (name, Given::from_json(raw)))
            .collect();
        Ok(Self {
            given,
            ..Self::default()
        })
    }

    /// Reads all fields of `F`, or says everything that is wrong with them.
    pub fn read<F: Fields>(mut self) -> Result<F, Problem> {
        let fields = F::read(&mut self);
        match fields {
            Some(fields) if self.mistakes.is_empty() => Ok(fields),
            _ => Err(Problem::fields(self.mistakes)),
        }
    }

    /// `None` when it is missing or wrong, which is noted.
    pub fn required<K: Kind>(&mut self, name: &'static str, kind: &K) -> Option<K::Value> {
        self.document(name, kind, true);
        match self.given.get(name) {
            None => self.refuse(name, REQUIRED),
            Some(Given::Null) => self.refuse(name, NOT_NULL),
            Some(given) => match kind.read(given) {
                Ok(value) => Some(value),
                Err(sentence) => self.refuse(name, sentence),
            },
        }
    }

    /// `Some(None)` when it is missing; `None` when it is wrong, which is noted.
    pub fn optional<K: Kind>(&mut self, name: &'static str, kind: &K) -> Option<Option<K::Value>> {
        self.document(name, kind, false);
        match self.given.get(name) {
            None => Some(None),
            Some(Given::Null) => self.refuse(name, NOT_NULL),
            Some(given) => match kind.read(given) {
                Ok(value) => Some(Some(value)),
                Err(sentence) => self.refuse(name, sentence),
            },
        }
    }

    /// Like `optional`, and `Some(Some(None))` when the client clears it with `""` or `null`.
    pub fn clearable<K: Kind>(
        &mut self,
        name: &'static str,
        kind: &K,
    ) -> Option<Option<Option<K::Value>>> {
        let is_cleared = match self.given.get(name) {
            Some(Given::Null) => true,
            Some(Given::Text(text)) => text.trim().is_empty(),
            _ => false,
        };
        if is_cleared {
            return Some(Some(None));
        }
        let value = self.optional(name, kind);
        if let Some(doc) = self.docs.last_mut() {
            doc.schema =
                serde_json::json!({"anyOf": [doc.schema, {"maxLength": 0}, {"type": "null"}]});
        }
        value.map(|value| value.map(Some))
    }

    /// Whether a field was named at all.
    pub fn names(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The value of a field that is there and right; nothing is noted.
    pub fn peek<K: Kind>(&self, name: &str, kind: &K) -> Option<K::Value> {
        kind.read(self.given.get(name)?).ok()
    }

    /// Notes a mistake about a field.
    pub fn note(&mut self, name: &str, sentence: impl Into<String>) {
        self.mistakes.add(name, sentence);
    }

    /// The same, where a value was wanted.
    fn refuse<T>(&mut self, name: &str, sentence: impl Into<String>) -> Option<T> {
        self.mistakes.add(name, sentence);
        None
    }

    fn document(&mut self, name: &'static str, kind: &impl Kind, is_required: bool) {
        self.docs.push(FieldDoc {
            name,
            is_required,
            schema: kind.schema(),
        });
    }
}

impl<'a> Given<'a> {
    fn from_json(raw: &'a RawValue) -> Self {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'"') => match serde_json::from_str(text) {
                Ok(text) => Self::Text(text),
                // Its syntax was checked with the whole: only an escape can be at fault.
                Err(_) => Self::LoneSurrogate,
            },
            Some(b't') => Self::Flag(true),
            Some(b'f') => Self::Flag(false),
            Some(b'n') => Self::Null,
            Some(b'{' | b'[') | None => Self::Composite,
            Some(_) => Self::Number(text),
        }
    }
}

/// How deep lists and objects are nested, whatever else may be wrong with the text.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn malformed(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    // The library ends its sentence with the position, in its own words.
    let sentence = error.to_string();
    let what = sentence.split(" at line ").next().unwrap_or_default();
    Problem::new(&MALFORMED).saying(format!(
        "This is not well-formed JSON: {what}, at line {line} column {column}."
    ))
}

fn whole_is_wrong(sentence: &str) -> Problem {
    Problem::field("non_field_errors", sentence)
}
