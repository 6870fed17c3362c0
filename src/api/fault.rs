//! What the wire says instead of a success: the shop's refusals, our errors, the client's mistakes.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::wire;
use crate::auth::password::PasswordError;
use crate::auth::token::{MintError, TokenFault};
use crate::causes::causes;
use crate::http::{HeaderName, HeaderValue, Rejected, Reply, StatusCode, header};
use crate::rates::TooMany;
use crate::store::StoreError;
use crate::turns::Busy;

/// A kind of problem that clients may go by: its status and code are part of the contract.
#[derive(Debug)]
pub struct Known {
    pub status: StatusCode,
    pub code: &'static str,
    /// What a person is told.
    pub says: &'static str,
}

impl Known {
    pub const fn new(status: StatusCode, code: &'static str, says: &'static str) -> Self {
        Self { status, code, says }
    }
}

macro_rules! known {
    ($($name:ident = $status:ident $code:literal $says:literal;)*) => {
        $(pub const $name: Known = Known::new(StatusCode::$status, $code, $says);)*
    };
}

known! {
    BAD_FRAMING = BAD_REQUEST "bad_framing"
        "Where this request ends is not clear: one Content-Length or one chunked body, lines end in CRLF.";
    BAD_HOST = BAD_REQUEST "bad_host" "A request names its host once, in the Host header.";
    BAD_PATH = BAD_REQUEST "bad_path"
        "The path has dots, slashes or control characters in disguise, or an empty part.";
    PATH_TOO_LONG = URI_TOO_LONG "path_too_long" "The path and query are longer than 8 KiB.";
    METHOD_UNKNOWN = NOT_IMPLEMENTED "method_unknown" "No path here knows this method.";
    EXPECTATION_FAILED = EXPECTATION_FAILED "expectation_failed"
        "Nothing can be expected of this server but 100-continue.";
    MALFORMED = BAD_REQUEST "malformed_body" "The body is not well-formed.";
    BODY_CUT_SHORT = BAD_REQUEST "body_cut_short" "The body ended early or broke its framing.";
    NOT_AUTHENTICATED = UNAUTHORIZED "not_authenticated"
        "Sign in first: send `Authorization: Bearer <access token>`.";
    TOKEN_NOT_VALID = UNAUTHORIZED "token_not_valid" "This token is not valid here.";
    BAD_AUTHORIZATION_HEADER = UNAUTHORIZED "bad_authorization_header"
        "The Authorization header must be `Bearer` and one token, separated by a space.";
    USER_INACTIVE = UNAUTHORIZED "user_inactive" "This account is deactivated.";
    USER_NOT_FOUND = UNAUTHORIZED "user_not_found" "The account of this token does not exist.";
    PERMISSION_DENIED = FORBIDDEN "permission_denied" "This is for admins.";
    NOT_FOUND = NOT_FOUND "not_found" "There is nothing here by that name.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method_not_allowed"
        "This path does not take that method; see the Allow header.";
    NOT_ACCEPTABLE = NOT_ACCEPTABLE "not_acceptable"
        "The Accept header leaves nothing that this path can answer with.";
    BODY_TOO_SLOW = REQUEST_TIMEOUT "body_too_slow" "The body did not arrive in time.";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE "body_too_large" "The body is larger than this path takes.";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type"
        "This path does not take a body of that Content-Type.";
    THROTTLED = TOO_MANY_REQUESTS "throttled"
        "Too many requests. Nothing was done; Retry-After says when to come again.";
    BUSY = SERVICE_UNAVAILABLE "busy" "Too much is going on. Nothing was done; try again.";
    NOT_WRITTEN = SERVICE_UNAVAILABLE "not_written"
        "The shop can't write at the moment. Nothing was done; try again.";
    DISK_FULL = SERVICE_UNAVAILABLE "disk_full"
        "The shop's disk is full. Nothing was done; try again when there is space.";
    OUTCOME_UNKNOWN = SERVICE_UNAVAILABLE "outcome_unknown"
        "Writing failed at the last step: whether it was done is unknown. Look before you try again.";
    NOT_READ = SERVICE_UNAVAILABLE "not_read"
        "The shop can't read from its disk at the moment; try again.";
    CLOSING = SERVICE_UNAVAILABLE "closing" "The shop is closing. Nothing was done; try again.";
    INTERNAL = INTERNAL_SERVER_ERROR "internal_error"
        "Something went wrong on our side. Please report the X-Request-Id of this reply.";
}

/// Seconds after which a 503 is worth another try.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// A reply that is no success. Boxed, because it stands in every result.
#[derive(Debug)]
pub struct Problem(Box<Said>);

#[derive(Debug)]
struct Said {
    status: StatusCode,
    body: Value,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub fn new(known: &Known) -> Self {
        let header = match known.status {
            StatusCode::UNAUTHORIZED => Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Bearer realm="api""#),
            )),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, RETRY_AFTER_S)),
            _ => None,
        };
        let body = json!({"detail": known.says, "code": known.code});
        Self::said(known.status, body, header)
    }

    /// Fields that are wrong, all at once.
    pub fn fields(mistakes: Mistakes) -> Self {
        Self::said(StatusCode::BAD_REQUEST, Value::Object(mistakes.0), None)
    }

    fn said(status: StatusCode, body: Value, header: Option<(HeaderName, HeaderValue)>) -> Self {
        Self(Box::new(Said {
            status,
            body,
            header,
        }))
    }

    pub fn field(name: &str, sentence: impl Into<String>) -> Self {
        let mut mistakes = Mistakes::default();
        mistakes.add(name, sentence);
        Self::fields(mistakes)
    }

    /// Says it more exactly than the kind does.
    #[must_use]
    pub fn saying(self, detail: impl Into<String>) -> Self {
        self.with("detail", detail.into())
    }

    /// Adds a key to the body.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Serialize) -> Self {
        self.0.body[key] = serde_json::to_value(value).unwrap_or_default();
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// What is wrong in one line, for a terminal.
    pub fn sentence(&self) -> String {
        let Value::Object(body) = &self.0.body else {
            return self.0.body.to_string();
        };
        if let Some(Value::String(detail)) = body.get("detail") {
            return detail.clone();
        }
        let fields = body.iter().map(|(field, sentences)| {
            let sentences = sentences.as_array().into_iter().flatten();
            let sentences: Vec<_> = sentences.filter_map(Value::as_str).collect();
            match (field.as_str(), sentences.join(" ")) {
                ("non_field_errors", sentence) => sentence,
                (field, sentence) => format!("{field}: {sentence}"),
            }
        });
        fields.collect::<Vec<_>>().join(" ")
    }

    /// An error of ours: logged with its causes, of which the client hears nothing.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(causes = causes(error), "a request failed");
        Self::new(&INTERNAL)
    }

    pub fn reply(self) -> Reply {
        let reply = wire::json(self.0.status, &self.0.body);
        match self.0.header {
            Some((name, value)) => reply.with(name, value),
            None => reply,
        }
    }
}

/// Field names and the sentences said about them.
#[derive(Debug, Default)]
pub struct Mistakes(Map<String, Value>);

impl Mistakes {
    pub fn add(&mut self, field: &str, sentence: impl Into<String>) {
        let sentences = self.0.entry(field).or_insert_with(|| json!([]));
        if let Value::Array(sentences) = sentences {
            sentences.push(Value::String(sentence.into()));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The ways in which an operation of the shop says no.
pub trait Refuse {
    /// Every kind there is, for the documents. Refusals of single fields are not among them.
    const KNOWN: &'static [&'static Known];

    fn problem(self) -> Problem;
}

/// For operations that the shop never refuses.
#[derive(Debug)]
pub enum Never {}

impl Refuse for Never {
    const KNOWN: &'static [&'static Known] = &[];

    fn problem(self) -> Problem {
        match self {}
    }
}

/// What ends an endpoint early: the shop's refusal, or a problem of the client's or ours.
#[derive(Debug)]
pub enum Fault<R> {
    Refused(R),
    Problem(Problem),
}

impl<R: Refuse> Fault<R> {
    pub fn problem(self) -> Problem {
        match self {
            Self::Refused(refusal) => refusal.problem(),
            Self::Problem(problem) => problem,
        }
    }
}

impl<R: Refuse> From<R> for Fault<R> {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal)
    }
}

impl<R> From<Problem> for Fault<R> {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl<R> From<StoreError> for Fault<R> {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

impl<R> From<PasswordError> for Fault<R> {
    fn from(error: PasswordError) -> Self {
        Self::Problem(match error {
            PasswordError::Busy => Problem::new(&BUSY),
            PasswordError::Failed => Problem::internal(&error),
        })
    }
}

impl<R> From<Busy> for Fault<R> {
    fn from(busy: Busy) -> Self {
        Self::Problem(busy.into())
    }
}

impl<R> From<TooMany> for Fault<R> {
    fn from(too_many: TooMany) -> Self {
        Self::Problem(too_many.into())
    }
}

impl From<Rejected> for Problem {
    fn from(why: Rejected) -> Self {
        Self::new(match why {
            Rejected::Framing => &BAD_FRAMING,
            Rejected::Crowded => &BUSY,
            Rejected::Host => &BAD_HOST,
            Rejected::Path => &BAD_PATH,
            Rejected::PathTooLong => &PATH_TOO_LONG,
            Rejected::Method => &METHOD_UNKNOWN,
            Rejected::Expectation => &EXPECTATION_FAILED,
        })
    }
}

impl From<TooMany> for Problem {
    fn from(TooMany { after }: TooMany) -> Self {
        let seconds = after.as_secs_f64().ceil().max(1.0);
        Self::new(&THROTTLED)
            .saying(format!("Too many requests. Come again in {seconds} s."))
            .with_header(
                header::RETRY_AFTER,
                HeaderValue::try_from(seconds.to_string()).expect("a number is header text"),
            )
    }
}

impl From<Busy> for Problem {
    fn from(Busy: Busy) -> Self {
        Self::new(&BUSY)
    }
}

impl<R> From<MintError> for Fault<R> {
    fn from(error: MintError) -> Self {
        Self::Problem(Problem::internal(&error))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::new(&BUSY),
            StoreError::Closing => Self::new(&CLOSING),
            StoreError::DiskFull { .. } => Self::new(&DISK_FULL),
            StoreError::Reopening | StoreError::Dropped | StoreError::NotWritten(_) => {
                Self::new(&NOT_WRITTEN)
            }
            StoreError::Unsure(_) => Self::new(&OUTCOME_UNKNOWN),
            StoreError::Reading(_) => {
                tracing::error!(causes = causes(&error), "a read failed");
                Self::new(&NOT_READ)
            }
            StoreError::Opening(_)
            | StoreError::Unclosed(_)
            | StoreError::Damaged { .. }
            | StoreError::Missing { .. }
            | StoreError::Bug => Self::internal(&error),
        }
    }
}

impl From<TokenFault> for Problem {
    /// With the keys that clients of the original may look at.
    fn from(fault: TokenFault) -> Self {
        let message = match fault {
            TokenFault::Invalid => "Token is invalid",
            TokenFault::Expired => "Token is expired",
            TokenFault::WrongKind => "Token has wrong type",
        };
        let messages = json!([{
            "token_class": "AccessToken",
            "token_type": "access",
            "message": message,
        }]);
        Self::new(&TOKEN_NOT_VALID).with("messages", messages)
    }
}
