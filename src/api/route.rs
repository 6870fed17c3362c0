//! Routes: an endpoint's signature says who may call it, what comes in, what goes out, and how
//! the shop may say no; its row in the table, its access check and its documentation are read
//! off that signature.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use super::Parts;
use super::fault::{
    self, BAD_AUTHORIZATION_HEADER, BODY_CUT_SHORT, BODY_TOO_LARGE, BODY_TOO_SLOW, BUSY, Fault,
    Known, NOT_AUTHENTICATED, NOT_FOUND, PERMISSION_DENIED, Problem, Refuse, TOKEN_NOT_VALID,
    UNSUPPORTED_MEDIA_TYPE, USER_INACTIVE, USER_NOT_FOUND,
};
use super::form::{self, FieldDoc, Fields, Form};
use super::wire;
use crate::http::{
    BodyError, HeaderValue, Method, Params, Reply, Request, StatusCode, header, limits,
};
use crate::shop::ids::UserId;
use crate::shop::time::Timestamp;
use crate::shop::users::Account;
use crate::store::{Store, StoreError};
use crate::turns::{Busy, Turns};

/// What an endpoint answers: a success, the shop's refusal, or a fault.
pub type Answer<O, R> = Result<O, Fault<R>>;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Anyone,
    User,
    Admin,
}

/// The caller of an endpoint that is open to all.
pub struct Anyone;

/// The caller of an endpoint for who is signed in.
pub struct User {
    pub id: UserId,
    pub is_admin: bool,
    pub account: Account,
}

/// The caller of an endpoint for admins. It keeps nothing: what an admin does is no one's own.
pub struct Admin;

/// Who calls.
#[derive(Clone, Debug)]
pub enum Caller {
    Nobody,
    Account(Account),
    /// Whoever holds the shop's folder may do what admins may.
    Operator,
}

impl Caller {
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Account(account) => Some(account),
            Self::Nobody | Self::Operator => None,
        }
    }
}

impl Access {
    /// Whether somebody may call it.
    pub fn admits(self, caller: &Caller) -> Result<(), Problem> {
        match (self, caller) {
            (Self::Anyone, _)
            | (Self::User, Caller::Account(_))
            | (Self::Admin, Caller::Operator) => Ok(()),
            (Self::Admin, Caller::Account(account)) if account.is_admin() => Ok(()),
            (Self::Admin, Caller::Account(_)) => Err(Problem::new(&PERMISSION_DENIED)),
            (Self::User | Self::Admin, Caller::Nobody) | (Self::User, Caller::Operator) => {
                Err(Problem::new(&NOT_AUTHENTICATED))
            }
        }
    }
}

/// A caller as an endpoint has it, made of one who was admitted.
pub trait Admitted: Sized + Send + 'static {
    const ACCESS: Access;

    /// `None` for somebody whom `ACCESS` does not admit.
    fn of(caller: Caller) -> Option<Self>;

    /// Who it is, where that matters.
    fn account(&self) -> Option<&Account> {
        None
    }
}

impl Admitted for Anyone {
    const ACCESS: Access = Access::Anyone;

    fn of(_: Caller) -> Option<Self> {
        Some(Self)
    }
}

impl Admitted for User {
    const ACCESS: Access = Access::User;

    fn of(caller: Caller) -> Option<Self> {
        let Caller::Account(account) = caller else {
            return None;
        };
        Some(Self {
            id: account.id,
            is_admin: account.is_admin(),
            account,
        })
    }

    fn account(&self) -> Option<&Account> {
        Some(&self.account)
    }
}

impl Admitted for Admin {
    const ACCESS: Access = Access::Admin;

    fn of(caller: Caller) -> Option<Self> {
        Access::Admin.admits(&caller).is_ok().then_some(Self)
    }
}

/// What an endpoint has at hand: the parts of the shop, who calls, and when.
pub struct Ctx<C> {
    parts: Arc<Parts>,
    /// What this request writes through, always: for work that is done once it is not the store
    /// of `parts`, and from the first write on nothing but further writes may be awaited.
    pub store: Store,
    pub caller: C,
    /// From where, as far as it can be told.
    pub client: IpAddr,
    /// The one clock reading of this request.
    pub now: Timestamp,
}

impl<C> Deref for Ctx<C> {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl<C> Ctx<C> {
    /// Reads a page of so many rows at most: a short one at once, a longer one off the runtime's
    /// threads, when its turn has come.
    pub async fn page<T: Send + 'static>(
        &self,
        rows: usize,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        if rows <= SHORT_PAGE_ROWS {
            return Ok(read()?);
        }
        Ok(in_turn(&self.parts.lists, read).await??)
    }
}

/// A page that is read in about the time that handing it to another thread and back would take,
/// some 50 us.
const SHORT_PAGE_ROWS: usize = 64;

/// Runs work that takes longer than a moment (about 100 us) off the runtime's threads, when its
/// turn has come.
pub async fn in_turn<T, E>(
    turns: &Turns,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<Result<T, E>, Busy>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let done = turns.place()?.run(work).await;
    Ok(done.unwrap_or_else(|_| Err(StoreError::Bug.into())))
}

/// A request on its way to an endpoint.
pub struct Visit {
    pub parts: Arc<Parts>,
    pub store: Store,
    pub request: Request,
    pub params: Params,
    pub caller: Caller,
    pub now: Timestamp,
}

type Outcome = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// A read is a few microseconds.
const READING_COST: NonZeroU32 = NonZeroU32::MIN;
/// A write is the disk's work too.
const WRITING_COST: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
/// A password or a photo is tens of milliseconds of a core.
pub const HEAVY_COST: NonZeroU32 = NonZeroU32::new(20).expect("not zero");

/// A row of the route table.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub summary: &'static str,
    pub access: Access,
    /// What it can be asked to answer with; `None` when it does not negotiate.
    pub offers: &'static [&'static str],
    /// The largest body that it reads.
    pub body_max_bytes: usize,
    /// What it counts for where somebody may ask only so often; `None` where that does not matter.
    pub cost: Option<NonZeroU32>,
    /// Whether all who ask hear the same, made of what the store has and of nothing else.
    pub is_shared: bool,
    pub call: Box<dyn Fn(Visit) -> Outcome + Send + Sync>,
    describe: fn(&mut SchemaGenerator) -> Operation,
}

/// An endpoint's documentation.
#[derive(Default)]
pub struct Operation {
    pub path_params: Vec<&'static str>,
    pub query: Vec<FieldDoc>,
    pub body: Option<BodyDoc>,
    pub success: Option<Success>,
    pub refusals: Vec<&'static Known>,
    /// Whether its callers may send an `Idempotency-Key`, if it changes anything.
    pub is_done_once: bool,
    /// Whether 400 with a list of fields is among its answers.
    pub refuses_fields: bool,
}

pub struct BodyDoc {
    pub content_types: &'static [&'static str],
    pub fields: Vec<FieldDoc>,
}

pub struct Success {
    pub status: StatusCode,
    /// Content types and the schema they share.
    pub content: Vec<(&'static str, Value)>,
    /// Headers beyond those of every reply, and what they say.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Route {
    /// For what takes far more work than other calls of its method.
    pub fn costing(self, cost: NonZeroU32) -> Self {
        let cost = Some(cost);
        Self { cost, ..self }
    }

    /// For what everybody hears the same of, as long as nothing is written.
    pub fn shared(self) -> Self {
        Self {
            is_shared: true,
            ..self
        }
    }

    /// For what is asked by machines that must hear an answer, and costs next to nothing.
    pub fn uncounted(self) -> Self {
        Self { cost: None, ..self }
    }

    pub fn describe(&self, generator: &mut SchemaGenerator) -> Operation {
        (self.describe)(generator)
    }
}

pub fn get<C, I, O, R, F>(
    path: &'static str,
    summary: &'static str,
    endpoint: impl Fn(Ctx<C>, I) -> F + Clone + Send + Sync + 'static,
) -> Route
where
    C: Admitted,
    I: Input<C>,
    O: Output,
    R: Refuse + 'static,
    F: Future<Output = Answer<O, R>> + Send + 'static,
{
    route(Method::GET, path, summary, endpoint)
}

pub fn route<C, I, O, R, F>(
    method: Method,
    path: &'static str,
    summary: &'static str,
    endpoint: impl Fn(Ctx<C>, I) -> F + Clone + Send + Sync + 'static,
) -> Route
where
    C: Admitted,
    I: Input<C>,
    O: Output,
    R: Refuse + 'static,
    F: Future<Output = Answer<O, R>> + Send + 'static,
{
    let is_read = method == Method::GET;
    let cost = if is_read { READING_COST } else { WRITING_COST };
    Route {
        method,
        cost: Some(cost),
        is_shared: false,
        path,
        summary,
        access: C::ACCESS,
        offers: O::OFFERS,
        body_max_bytes: I::BODY_MAX_BYTES,
        call: Box::new(move |visit| {
            let endpoint = endpoint.clone();
            Box::pin(async move {
                let ctx = Ctx {
                    parts: visit.parts,
                    store: visit.store,
                    client: visit.request.client,
                    caller: C::of(visit.caller).ok_or_else(|| Problem::new(&NOT_AUTHENTICATED))?,
                    now: visit.now,
                };
                let mut asked = Asked {
                    request: visit.request,
                    params: visit.params,
                };
                let input = I::take(&ctx, &mut asked).await?;
                let output = endpoint(ctx, input).await.map_err(Fault::problem)?;
                let reply = output.reply(&asked.request);
                Ok(if is_read { reply.tagged() } else { reply })
            })
        }),
        describe: describe::<C, I, O, R>,
    }
}

fn describe<C: Admitted, I: Input<C>, O: Output, R: Refuse>(
    generator: &mut SchemaGenerator,
) -> Operation {
    let mut operation = Operation::default();
    operation.refusals.extend(TOKEN_REFUSALS);
    match C::ACCESS {
        Access::Anyone => {}
        Access::User => operation.refusals.push(&NOT_AUTHENTICATED),
        Access::Admin => {
            operation
                .refusals
                .extend([&NOT_AUTHENTICATED, &PERMISSION_DENIED]);
        }
    }
    I::describe(&mut operation);
    operation.refusals.extend(R::KNOWN);
    operation.is_done_once = C::ACCESS != Access::Anyone;
    operation.success = Some(O::describe(generator));
    operation
}

/// What a token may hear wherever it is shown.
const TOKEN_REFUSALS: [&Known; 4] = [
    &TOKEN_NOT_VALID,
    &BAD_AUTHORIZATION_HEADER,
    &USER_INACTIVE,
    &USER_NOT_FOUND,
];

/// The parts of a request that inputs are taken from.
pub struct Asked {
    pub request: Request,
    pub params: Params,
}

/// Something an endpoint takes from the request. Tuples are taken in their order, which is the
/// order in which a client hears of mistakes: the object of the path before the body.
pub trait Input<C>: Sized + Send {
    /// The largest body that it reads; what reads none may be sent some all the same.
    const BODY_MAX_BYTES: usize = limits::BODY_MAX_BYTES;

    fn take(ctx: &Ctx<C>, asked: &mut Asked) -> impl Future<Output = Result<Self, Problem>> + Send;

    fn describe(operation: &mut Operation);
}

/// For endpoints that look at nothing: a body, whatever is in it, is left unread.
pub struct Nothing;

impl<C: Sync> Input<C> for Nothing {
    async fn take(_: &Ctx<C>, _: &mut Asked) -> Result<Self, Problem> {
        Ok(Self)
    }

    fn describe(_: &mut Operation) {}
}

impl<C: Admitted + Sync, A: Input<C>, B: Input<C>> Input<C> for (A, B) {
    const BODY_MAX_BYTES: usize = if A::BODY_MAX_BYTES > B::BODY_MAX_BYTES {
        A::BODY_MAX_BYTES
    } else {
        B::BODY_MAX_BYTES
    };

    async fn take(ctx: &Ctx<C>, asked: &mut Asked) -> Result<Self, Problem> {
        let a = A::take(ctx, asked).await?;
        Ok((a, B::take(ctx, asked).await?))
    }

    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
    }
}

/// The id in the path, whatever it names; what is no id names nothing.
pub struct Id<T>(pub T);

impl<C: Sync, T: From<u64> + Send> Input<C> for Id<T> {
    async fn take(_: &Ctx<C>, asked: &mut Asked) -> Result<Self, Problem> {
        path_id(asked).map(T::from).map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.path_params.push("id");
        operation.refusals.push(&NOT_FOUND);
    }
}

/// The id in the path of something that is there for this caller, which is looked up before the
/// body is: whoever asks for nothing hears so first.
pub struct At<T>(pub T);

pub trait Findable<C>: From<u64> + Copy + Send {
    /// Kinds of problems beyond `not_found`.
    const KNOWN: &'static [&'static Known];

    fn find(self, ctx: &Ctx<C>) -> Result<(), Problem>;
}

impl<C: Sync, T: Findable<C>> Input<C> for At<T> {
    async fn take(ctx: &Ctx<C>, asked: &mut Asked) -> Result<Self, Problem> {
        let id = T::from(path_id(asked)?);
        id.find(ctx)?;
        Ok(Self(id))
    }

    fn describe(operation: &mut Operation) {
        operation.path_params.push("id");
        operation.refusals.push(&NOT_FOUND);
        operation.refusals.extend(T::KNOWN);
    }
}

fn path_id(asked: &Asked) -> Result<u64, Problem> {
    let digits = asked.params.get("id").unwrap_or_default();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(id) if is_number => Ok(id),
        _ => Err(Problem::new(&NOT_FOUND)),
    }
}

/// Fields of the query.
pub struct Query<F>(pub F);

impl<C: Sync, F: Fields> Input<C> for Query<F> {
    async fn take(_: &Ctx<C>, asked: &mut Asked) -> Result<Self, Problem> {
        Form::from_query(&asked.request.query).read().map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.query.extend(form::describe::<F>());
        operation.refuses_fields = true;
    }
}

/// Fields of the body, JSON or form; no body is an empty one.
pub struct Body<F>(pub F);

const FORM: &str = "application/x-www-form-urlencoded";

impl<C: Admitted + Sync, F: Fields> Input<C> for Body<F> {
    const BODY_MAX_BYTES: usize = F::BODY_MAX_BYTES;

    async fn take(ctx: &Ctx<C>, asked: &mut Asked) -> Result<Self, Problem> {
        let content_type = content_type(&asked.request);
        let is_known = ["", wire::JSON, FORM].contains(&content_type.as_str());
        if asked.request.has_body() && !is_known {
            return Err(unsupported(&content_type));
        }
        let body = read_body(&mut asked.request, F::BODY_MAX_BYTES).await?;
        let mut form = match content_type.as_str() {
            // Some clients announce a body and send none.
            _ if body.is_empty() => Form::default(),
            wire::JSON => Form::from_json(&body)?,
            FORM => Form::from_urlencoded(&body),
            _ => return Err(unsupported(&content_type)),
        };
        F::look_up(&mut form, &ctx.parts, ctx.caller.account())?;
        form.read().map(Self)
    }

    fn describe(operation: &mut Operation) {
        operation.body = Some(BodyDoc {
            content_types: &[wire::JSON, FORM],
            fields: form::describe::<F>(),
        });
        operation.refuses_fields = true;
        operation.refusals.extend(BODY_REFUSALS);
    }
}

pub const BODY_REFUSALS: [&Known; 5] = [
    &fault::MALFORMED,
    &BODY_CUT_SHORT,
    &BODY_TOO_SLOW,
    &BODY_TOO_LARGE,
    &UNSUPPORTED_MEDIA_TYPE,
];

/// The media type of the body in lower case, without parameters; a charset but UTF-8 is none.
fn content_type(request: &Request) -> String {
    let given = request.header(header::CONTENT_TYPE).unwrap_or_default();
    let mut parts = given
        .split(';')
        .map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| Some(part.strip_prefix("charset=")?.to_owned()));
    match charset.as_deref().map(|charset| charset.trim_matches('"')) {
        None | Some("utf-8" | "utf8" | "us-ascii") => media_type,
        Some(_) => given.to_owned(),
    }
}

pub fn unsupported(content_type: &str) -> Problem {
    Problem::new(&UNSUPPORTED_MEDIA_TYPE).saying(format!(
        "This path does not take a body of the Content-Type \"{content_type}\"."
    ))
}

pub async fn read_body(request: &mut Request, max_bytes: usize) -> Result<bytes::Bytes, Problem> {
    request.body(max_bytes).await.map_err(|error| match error {
        BodyError::TooLarge => Problem::new(&BODY_TOO_LARGE).saying(format!(
            "The body is larger than the {max_bytes} bytes that this path takes."
        )),
        BodyError::TooSlow => Problem::new(&BODY_TOO_SLOW),
        BodyError::Crowded => Problem::new(&BUSY),
        BodyError::Broken => Problem::new(&BODY_CUT_SHORT),
    })
}

/// Something an endpoint answers with.
pub trait Output {
    /// Media types that a client can choose from with `Accept`; empty when it has no say.
    const OFFERS: &'static [&'static str];

    fn reply(self, request: &Request) -> Reply;

    fn describe(generator: &mut SchemaGenerator) -> Success;
}

/// 200 with a view.
pub struct Json<V>(pub V);

impl<V: Serialize + JsonSchema> Output for Json<V> {
    const OFFERS: &'static [&'static str] = &[wire::JSON];

    fn reply(self, _: &Request) -> Reply {
        wire::json(StatusCode::OK, &self.0)
    }

    fn describe(generator: &mut SchemaGenerator) -> Success {
        json_success::<V>(StatusCode::OK, generator)
    }
}

/// 201 with a view.
pub struct Created<V>(pub V);

impl<V: Serialize + JsonSchema> Output for Created<V> {
    const OFFERS: &'static [&'static str] = &[wire::JSON];

    fn reply(self, _: &Request) -> Reply {
        wire::json(StatusCode::CREATED, &self.0)
    }

    fn describe(generator: &mut SchemaGenerator) -> Success {
        json_success::<V>(StatusCode::CREATED, generator)
    }
}

/// 201 with a view, and where it can be read again.
pub struct CreatedAt<V>(pub String, pub V);

impl<V: Serialize + JsonSchema> Output for CreatedAt<V> {
    const OFFERS: &'static [&'static str] = &[wire::JSON];

    fn reply(self, _: &Request) -> Reply {
        let reply = wire::json(StatusCode::CREATED, &self.1);
        match HeaderValue::try_from(self.0) {
            Ok(path) => reply.with(header::LOCATION, path),
            Err(_) => reply,
        }
    }

    fn describe(generator: &mut SchemaGenerator) -> Success {
        Success {
            headers: vec![("Location", "The path of what was made.")],
            ..json_success::<V>(StatusCode::CREATED, generator)
        }
    }
}

/// 204.
pub struct NoContent;

impl Output for NoContent {
    const OFFERS: &'static [&'static str] = &[wire::JSON];

    fn reply(self, _: &Request) -> Reply {
        Reply::empty(StatusCode::NO_CONTENT)
    }

    fn describe(_: &mut SchemaGenerator) -> Success {
        Success {
            status: StatusCode::NO_CONTENT,
            content: Vec::new(),
            headers: Vec::new(),
        }
    }
}

pub fn json_success<V: JsonSchema>(status: StatusCode, generator: &mut SchemaGenerator) -> Success {
    let schema = generator.subschema_for::<V>();
    Success {
        status,
        content: vec![(wire::JSON, json!(schema))],
        headers: Vec::new(),
    }
}
