//! Lists: bare arrays, a page at a time, with where the next page begins and how many there are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use super::form::{Fields, Form, Given};
use super::kinds::{Kind, Whole};
use super::route::{Output, Success, json_success};
use super::wire;
use crate::http::{HeaderName, HeaderValue, Reply, Request, StatusCode, header};
use crate::store::{Page, PageAsk, Place};

/// Rows of a page: what is given when `limit` is not, and the most.
const LIMIT_MAX: u32 = 1_000;

/// `?limit=` and `?cursor=`.
pub struct PageFields(pub PageAsk);

impl Fields for PageFields {
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let limit = form.optional(
            "limit",
            &Whole {
                min: 1,
                max: LIMIT_MAX,
            },
        );
        let after = form.optional("cursor", &Cursor);
        Some(Self(PageAsk {
            limit: usize::try_from(limit?.unwrap_or(LIMIT_MAX)).ok()?,
            after: after?,
        }))
    }
}

/// A place in a list, as text that clients hand back unread.
struct Cursor;

impl Cursor {
    fn write(place: Place) -> String {
        let mut bytes = place.rank.to_be_bytes().to_vec();
        bytes.extend_from_slice(&place.id.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn parse(text: &str) -> Option<Place> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (rank, id) = bytes.split_first_chunk::<16>()?;
        Some(Place {
            rank: i128::from_be_bytes(*rank),
            id: u64::from_be_bytes(id.try_into().ok()?),
        })
    }
}

impl Kind for Cursor {
    type Value = Place;

    fn read(&self, given: &Given<'_>) -> Result<Place, String> {
        let place = match given {
            Given::Text(text) => Self::parse(text),
            _ => None,
        };
        place.ok_or_else(|| "Take it from the Link header of the page before.".into())
    }

    fn schema(&self) -> Value {
        json!({
            "type": "string",
            "description": "Where the page begins, from the Link header of the page before.",
        })
    }
}

/// 200 with a page of views.
pub struct Listing<V>(pub Page<V>);

impl<V: Serialize + JsonSchema> Output for Listing<V> {
    const OFFERS: &'static [&'static str] = &[wire::JSON];

    fn reply(self, request: &Request) -> Reply {
        let Page { rows, next, total } = self.0;
        paged(wire::json(StatusCode::OK, &rows), request, next, total)
    }

    fn describe(generator: &mut SchemaGenerator) -> Success {
        Success {
            headers: vec![
                ("X-Total-Count", "Rows in the whole list."),
                (
                    "Link",
                    "`<path>; rel=\"next\"`: the next page, when there is one.",
                ),
            ],
            ..json_success::<Vec<V>>(StatusCode::OK, generator)
        }
    }
}

/// Says how many rows there are and where the next page begins.
pub fn paged(reply: Reply, request: &Request, next: Option<Place>, total: u64) -> Reply {
    let reply = reply.with(HeaderName::from_static("x-total-count"), total.into());
    match next.and_then(|place| link(request, place)) {
        Some(link) => reply.with(header::LINK, link),
        None => reply,
    }
}

/// The same request, from that place on.
fn link(request: &Request, place: Place) -> Option<HeaderValue> {
    let others = form_urlencoded::parse(request.query.as_bytes());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others.filter(|(name, _)| name != "cursor"))
        .append_pair("cursor", &Cursor::write(place))
        .finish();
    HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", request.path)).ok()
}
