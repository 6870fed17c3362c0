//! Health: whether the program runs, and whether the shop takes orders.

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::{Known, Never, Problem, Refuse};
use super::route::{Answer, Anyone, Ctx, Json, Nothing};
use crate::http::StatusCode;

#[derive(Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
}

pub async fn is_up(_: Ctx<Anyone>, _: Nothing) -> Answer<Json<Health>, Never> {
    Ok(Json(Health { status: "up" }))
}

pub async fn is_ready(ctx: Ctx<Anyone>, _: Nothing) -> Answer<Json<Health>, NotReady> {
    if ctx.store.is_writable() {
        Ok(Json(Health { status: "ready" }))
    } else {
        Err(NotReady.into())
    }
}

/// The store takes no writes at the moment.
#[derive(Debug)]
pub struct NotReady;

const NOT_READY: Known = Known::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "not_ready",
    "The store takes no writes at the moment; it is being reopened or closed.",
);

impl Refuse for NotReady {
    const KNOWN: &'static [&'static Known] = &[&NOT_READY];

    fn problem(self) -> Problem {
        Problem::new(&NOT_READY)
    }
}
