//! Health: whether the program runs, and whether the shop takes orders.

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{Known, Never, Problem, Refuse};
use super::route::{Answer, Anyone, Ctx, Json, Nothing};
use crate::http::StatusCode;
use crate::search::Built;
use crate::store::Writable;

#[derive(Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
}

pub async fn is_up(_: Ctx<Anyone>, _: Nothing) -> Answer<Json<Health>, Never> {
    Ok(Json(Health { status: "up" }))
}

pub async fn is_ready(ctx: Ctx<Anyone>, _: Nothing) -> Answer<Json<Health>, NotReady> {
    match ctx.store.writable() {
        Writable::NotNow => Err(NotReady::Store.into()),
        Writable::DiskFull => Err(NotReady::DiskFull.into()),
        Writable::Yes if !ctx.search.is_ready() => Err(NotReady::Index(ctx.search.built()).into()),
        Writable::Yes => Ok(Json(Health { status: "ready" })),
    }
}

/// What is not as it should be. Everything else works meanwhile.
#[derive(Debug)]
pub enum NotReady {
    /// It takes no writes at the moment.
    Store,
    DiskFull,
    /// It is being built; searches scan the store.
    Index(Built),
}

const NOT_READY: Known = Known::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "not_ready",
    "The store takes no writes at the moment; it is being reopened or closed.",
);

const DISK_IS_FULL: Known = Known::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "disk_full",
    "The shop's disk is full: what is there is served, and nothing is written until there is space.",
);

const INDEX_NOT_READY: Known = Known::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "index_not_ready",
    "The search index is being built; searches are slower and unranked meanwhile.",
);

impl Refuse for NotReady {
    const KNOWN: &'static [&'static Known] = &[&NOT_READY, &DISK_IS_FULL, &INDEX_NOT_READY];

    fn problem(self) -> Problem {
        match self {
            Self::Store => Problem::new(&NOT_READY),
            Self::DiskFull => Problem::new(&DISK_IS_FULL),
            Self::Index(Built { done, total }) => Problem::new(&INDEX_NOT_READY)
                .with("done", done)
                .with("total", total),
        }
    }
}
