//! The API: who may call what, what the wire's texts mean to the shop, and what its answers look
//! like on the wire.
//!
//! Everything that can be called is a row of `routes`: the router, the `OpenAPI` document and the
//! tests of access are read off it.

mod auth;
mod backups;
mod carts;
mod comments;
pub mod fault;
pub mod form;
mod health;
mod home;
pub mod kinds;
mod list;
mod once;
mod openapi;
mod orders;
mod photos;
mod products;
mod ready;
mod route;
mod search;
mod users;
pub mod wire;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

pub use auth::taken_sentence;

use crate::auth::password::Passwords;
use crate::auth::token::{TokenKind, Tokens};
use crate::http::{
    Found, Handle, HeaderValue, Headers, Method, Rejected, Reply, Request, Router, StatusCode,
    accept, header,
};
use crate::photo::Encoder;
use crate::rates::Rates;
use crate::search::Search;
use crate::shop::time::Timestamp;
use crate::store::Store;
use crate::turns::Turns;

use fault::{
    BAD_AUTHORIZATION_HEADER, INTERNAL, METHOD_NOT_ALLOWED, NOT_ACCEPTABLE, NOT_FOUND, Problem,
    TOKEN_NOT_VALID, USER_INACTIVE, USER_NOT_FOUND,
};
use ready::{Question, Ready};
use route::{Access, Caller, HEAVY_COST, Route, Visit, get, route};

/// What endpoints work with.
pub struct Parts {
    pub store: Store,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub photos: Encoder,
    pub rates: Rates,
    pub data_dir: PathBuf,
    /// One at a time.
    pub backups: Turns,
    /// Pages of lists.
    pub lists: Turns,
    pub search: Search,
    /// Searches of the index.
    pub searches: Turns,
    /// Searches that read the whole catalogue.
    pub scans: Turns,
}

/// Every call there is.
fn routes() -> Vec<Route> {
    let post = Method::POST;
    let put = Method::PUT;
    let patch = Method::PATCH;
    let delete = Method::DELETE;
    #[rustfmt::skip]
    let routes = vec![
        get("/", "What this is and where to go on", home::show),
        get("/healthz", "Whether the program runs", health::is_up).uncounted(),
        get("/readyz", "Whether the shop takes orders", health::is_ready).uncounted(),
        get("/api/schema/", "This document", openapi::show),
        get("/media/photos/{name}", "A profile photo", photos::show),

        route(post.clone(), "/auth/sign-up/", "Open an account", auth::sign_up).costing(HEAVY_COST),
        route(post.clone(), "/auth/login/", "Sign in: get an access and a refresh token", auth::login).costing(HEAVY_COST),
        route(post.clone(), "/auth/refresh/", "Trade a refresh token for new tokens, once", auth::refresh),
        route(post.clone(), "/auth/logout/", "End the session of a refresh token", auth::logout),
        route(post.clone(), "/auth/logout-all/", "End every session of yours", auth::logout_all),
        get("/auth/profile/", "Your profile", auth::profile),
        route(patch.clone(), "/auth/profile/update/", "Change your profile", auth::edit_profile),
        route(patch.clone(), "/auth/profile/photo/", "Set your photo", photos::set).costing(HEAVY_COST),
        route(post.clone(), "/auth/profile/change-pass/", "Change your password", auth::change_password).costing(HEAVY_COST),
        get("/auth/users/", "All accounts", users::list),
        route(patch.clone(), "/auth/users/{id}/", "Change somebody's role, or shut an account", users::edit),

        route(post.clone(), "/backups/", "Write a backup of the shop on its disk", backups::create).costing(HEAVY_COST),

        get("/products/products/", "All products", products::list).shared(),
        get("/products/detail/{id}/", "A product", products::detail).shared(),
        get("/products/search/", "Search the products", search::search),
        get("/products/suggest/", "Complete a search as it is typed", search::suggest),
        route(post.clone(), "/products/create-product/", "Offer a product", products::create),
        route(patch.clone(), "/products/delete-update/{id}/", "Change a product", products::edit),
        route(delete.clone(), "/products/delete-update/{id}/", "Take a product out of the shop", products::withdraw),
        get("/products/categories/", "All categories", products::list_categories).shared(),
        route(post.clone(), "/products/create-category/", "Make a category", products::create_category),
        route(patch.clone(), "/products/categories/{id}/", "Rename a category", products::rename_category),
        route(delete.clone(), "/products/categories/{id}/", "Remove an empty category", products::delete_category),

        get("/products/cr-comment/{id}/", "What is said about a product", comments::on_product).shared(),
        route(post.clone(), "/products/cr-comment/{id}/", "Comment on a product", comments::create),
        route(put, "/products/ud-comment/{id}/", "Replace a comment of yours", comments::replace),
        route(patch.clone(), "/products/ud-comment/{id}/", "Change a comment of yours", comments::edit),
        route(delete.clone(), "/products/ud-comment/{id}/", "Delete a comment of yours, or any as an admin", comments::delete),
        get("/products/comment-list/", "Your comments, or all as an admin", comments::own),

        get("/cart/cart/", "Your cart", carts::show),
        route(post.clone(), "/cart/cart-add/", "Put pieces of a product in your cart", carts::add),
        route(patch.clone(), "/cart/cart-update/", "Set how many pieces are in your cart", carts::set),
        route(delete.clone(), "/cart/cart-remove/", "Take a product out of your cart", carts::remove),
        route(delete.clone(), "/cart/cart-clear/", "Empty your cart", carts::clear),

        route(post, "/orders/create/", "Place an order from your cart", orders::place),
        get("/orders/list/", "Your orders, or all as an admin, newest first", orders::list),
        get("/orders/detail/{id}/", "An order of yours, or any as an admin", orders::detail),
        route(patch, "/orders/status/{id}/", "Move an order one step on: new, paid, shipped", orders::advance),
        route(delete, "/orders/cancel/{id}/", "Cancel a new order of yours", orders::cancel),
    ];
    routes
}

/// Answers requests.
pub struct Api {
    parts: Arc<Parts>,
    router: Router<Route>,
    ready: Ready,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Api {
    pub fn new(parts: Parts, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let rows = routes().into_iter();
        Self {
            parts: Arc::new(parts),
            router: Router::new(rows.map(|row| (row.method.clone(), row.path, row))),
            ready: Ready::default(),
            clock: Box::new(clock),
        }
    }

    pub fn parts(&self) -> Arc<Parts> {
        Arc::clone(&self.parts)
    }

    /// In the order in which a client hears of mistakes: how often an address comes (429), whether
    /// there is such a path (404), who asks (401, 403), how often (429), how (405, 406), then what,
    /// which is the endpoint's.
    async fn answer(&self, request: Request) -> Result<Reply, Problem> {
        let now = (self.clock)();
        let found = self.router.find(&request.method, &request.path);
        let cost = match &found {
            Found::Row(row, _) => row.cost,
            Found::NoPath | Found::WrongMethod(_) => Some(NonZeroU32::MIN),
        };
        if let Some(cost) = cost {
            self.parts.rates.visit(request.client, cost)?;
        }
        let (row, params) = match found {
            Found::Row(row, params) => (row, params),
            Found::NoPath => return Err(Problem::new(&NOT_FOUND)),
            Found::WrongMethod(rows) if request.method == Method::OPTIONS => {
                let reply = Reply::empty(StatusCode::NO_CONTENT);
                return Ok(reply.with(header::ALLOW, allowed(rows)));
            }
            Found::WrongMethod(rows) => {
                let caller = self.who(&request, now)?;
                // As strict as the most open of the path's methods.
                let access = rows.iter().map(|(_, row)| row.access).min();
                access.unwrap_or(Access::Anyone).admits(&caller)?;
                let problem = Problem::new(&METHOD_NOT_ALLOWED);
                return Err(problem.with_header(header::ALLOW, allowed(rows)));
            }
        };
        let caller = self.who(&request, now)?;
        row.access.admits(&caller)?;
        if let (Some(account), Some(cost)) = (caller.account(), cost) {
            self.parts.rates.call(account.id.0, cost)?;
        }
        let accept = request.header(header::ACCEPT);
        if !row.offers.is_empty() && accept::best(accept, row.offers).is_none() {
            let offers = row.offers.join(", ");
            let sentence =
                format!("This path answers with {offers}, which the Accept header rules out.");
            return Err(Problem::new(&NOT_ACCEPTABLE).saying(sentence));
        }
        let shown = request.headers.get_all(header::IF_NONE_MATCH).iter();
        let shown: Vec<HeaderValue> = shown.cloned().collect();
        let question = row
            .is_shared
            .then(|| Question::of(self.parts.store.state(), &request));
        if let Some(reply) = question.as_ref().and_then(|asked| self.ready.get(asked)) {
            return Ok(reply.unless_shown(&shown));
        }
        let key = once::key(row.access, &request, caller.account())?;
        let once = key.zip(caller.account().cloned());
        let visit = Visit {
            parts: Arc::clone(&self.parts),
            store: self.parts.store.clone(),
            request,
            params,
            caller,
            now,
        };
        let reply = match once {
            Some((key, account)) => once::call(row, visit, &account, key).await?,
            None => (row.call)(visit).await?,
        };
        if let Some(question) = question {
            self.ready.keep(question, &reply);
        }
        Ok(reply.unless_shown(&shown))
    }

    /// Whose token the request shows; a bad one is an error wherever it is shown.
    fn who(&self, request: &Request, now: Timestamp) -> Result<Caller, Problem> {
        let Some(shown) = request.headers.get(header::AUTHORIZATION) else {
            return Ok(Caller::Nobody);
        };
        let Ok(shown) = shown.to_str() else {
            return Err(Problem::new(&TOKEN_NOT_VALID));
        };
        let mut words = shown.split_ascii_whitespace();
        if words.next() != Some("Bearer") {
            return Ok(Caller::Nobody); // Another scheme: nothing of ours.
        }
        let (Some(token), None) = (words.next(), words.next()) else {
            return Err(Problem::new(&BAD_AUTHORIZATION_HEADER));
        };
        if self
            .parts
            .tokens
            .read(token, TokenKind::Operator, now)
            .is_ok()
        {
            return Ok(Caller::Operator);
        }
        let good = self.parts.tokens.read(token, TokenKind::Access, now)?;
        match self.parts.store.account(good.user)? {
            Some(account) if account.is_active => Ok(Caller::Account(account)),
            Some(_) => Err(Problem::new(&USER_INACTIVE)),
            None => Err(Problem::new(&USER_NOT_FOUND)),
        }
    }
}

impl Handle for Api {
    const HEADERS: Headers = Headers {
        read: "authorization, content-type, idempotency-key, if-none-match",
        said: "allow, etag, idempotent-replayed, link, location, retry-after, www-authenticate, x-facets, x-request-id, x-suggestion, x-total-count",
    };

    async fn handle(&self, request: Request) -> Reply {
        self.answer(request).await.unwrap_or_else(Problem::reply)
    }

    fn rejected(&self, why: Rejected) -> Reply {
        Problem::from(why).reply()
    }

    fn panicked(&self) -> Reply {
        Problem::new(&INTERNAL).reply()
    }
}

/// The `Allow` header of a path.
fn allowed(rows: &[(Method, Route)]) -> HeaderValue {
    let mut methods = Vec::new();
    for (method, _) in rows {
        methods.push(method.as_str());
        if method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    HeaderValue::try_from(methods.join(", ")).expect("names of methods are header text")
}
