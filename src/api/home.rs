//! The front door: what this is and where to go on, for programs and for people.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::json;

use super::fault::Never;
use super::route::{Answer, Anyone, Ctx, Nothing, Output, Success, json_success};
use super::wire;
use crate::http::{Reply, Request, StatusCode, accept, header};
use crate::ui;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const HTML: &str = "text/html";

#[derive(Serialize, JsonSchema)]
pub struct Home {
    name: &'static str,
    version: &'static str,
    links: Links,
}

#[derive(Serialize, JsonSchema)]
struct Links {
    products: &'static str,
    categories: &'static str,
    search: &'static str,
    schema: &'static str,
    health: &'static str,
    ready: &'static str,
}

const HOME: Home = Home {
    name: "electron-market",
    version: VERSION,
    links: Links {
        products: "/products/products/",
        categories: "/products/categories/",
        search: "/products/search/?q=",
        schema: "/api/schema/",
        health: "/healthz",
        ready: "/readyz",
    },
};

pub async fn show(_: Ctx<Anyone>, _: Nothing) -> Answer<FrontDoor, Never> {
    Ok(FrontDoor)
}

/// A page where a browser asks, JSON otherwise.
pub struct FrontDoor;

impl Output for FrontDoor {
    const OFFERS: &'static [&'static str] = &[wire::JSON, HTML];

    fn reply(self, request: &Request) -> Reply {
        let reply = match accept::best(request.header(header::ACCEPT), Self::OFFERS) {
            Some(HTML) => Reply::new(
                StatusCode::OK,
                "text/html; charset=utf-8",
                ui::home(VERSION),
            ),
            _ => wire::json(StatusCode::OK, &HOME),
        };
        reply.varying()
    }

    fn describe(generator: &mut SchemaGenerator) -> Success {
        let mut success = json_success::<Home>(StatusCode::OK, generator);
        success.content.push((HTML, json!({"type": "string"})));
        success
    }
}
